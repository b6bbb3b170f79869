"""Naming schemes: every instance gets a key that stays inside, and the archive works by any of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.errors import ConfigurationError
from pacskit.storage import Outcome, Store
from pacskit.storage.blobs import check_key
from pacskit.storage.layout import MAX_KEY, layout_for
from tests.unit.storage.objects import instance, put

SCHEMES = ["uid", "date", "flat", "{hash}/{study}/{series}/{instance}.dcm", "x/{year}-{month}-{day}/{instance}"]
ANYTHING = st.one_of(st.text(max_size=80), st.from_regex(r"[0-9.]{1,64}", fullmatch=True), st.just(".."))


@pytest.mark.parametrize("scheme", SCHEMES)
@given(study=ANYTHING, series=ANYTHING, uid=ANYTHING)
def test_every_key_is_one(scheme: str, study: str, series: str, uid: str) -> None:
    key = layout_for(scheme)(study, series, uid)
    assert check_key(key) == key
    assert len(key) <= MAX_KEY


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_archive_works_by_every_scheme(tmp_path: Path, scheme: str) -> None:
    with Store(tmp_path, layout=layout_for(scheme)) as store:
        for number in range(3):
            assert put(store, instance(uid=f"1.2.1.1.{number}")).outcome is Outcome.STORED
        assert put(store, instance(uid="1.2.1.1.1")).outcome is Outcome.IGNORED
        assert (
            put(store, instance(uid="1.2.1.1.2", PatientName="New"), duplicates="replace").outcome is Outcome.REPLACED
        )
        assert list(store.verify(digest=True)) == []
        assert store.delete("IMAGE", instance_uid="1.2.1.1.1") == 1
        assert len(list(store.blobs.iter_keys())) == 2


@pytest.mark.parametrize(
    "scheme",
    ["", "hierarchy", "{study}", "{instance", "{instance}/{name}", "{instance!r}", "{instance:>9}", "../{instance}",
     "/{instance}", "{instance}/", "a b/{instance}", "{instance.__class__}", "{study}/{study}/{instance}/{series}",
     "{}"],
)  # fmt: skip
def test_a_scheme_that_cannot_work_is_refused(scheme: str) -> None:
    with pytest.raises(ConfigurationError):
        layout_for(scheme)

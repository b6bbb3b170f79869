"""The typed look-ups of the data dictionary."""

from __future__ import annotations

import pytest

from pacskit.core import dictionary


def test_a_known_tag_has_all_its_facts() -> None:
    assert dictionary.vr_for(0x00280008) == "IS"
    assert dictionary.vm_for(0x00080008) == "2-n"
    assert dictionary.name_for(0x00100010) == "Patient's Name"
    assert dictionary.keyword_for(0x00100020) == "PatientID"
    assert dictionary.tag_for("PatientID") == 0x00100020
    assert dictionary.is_retired(0x00080001)
    assert not dictionary.is_retired(0x00080005)


@pytest.mark.parametrize("look_up", [dictionary.vr_for, dictionary.vm_for, dictionary.name_for, dictionary.is_retired])
def test_an_unknown_tag_is_a_key_error_that_names_it(look_up: object) -> None:
    assert callable(look_up)
    with pytest.raises(KeyError, match=r"\(0009,1010\)"):
        look_up(0x00091010)
    assert dictionary.entry_for(0x00091010) is None
    assert dictionary.keyword_for(0x00091010) == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("PatientNme", "PatientName"), ("patientid", "PatientID"), ("StudyInstanceUid", "StudyInstanceUID")],
)
def test_a_misspelt_keyword_gets_a_suggestion(typed: str, meant: str) -> None:
    assert dictionary.suggest(typed) == meant


def test_nothing_is_suggested_for_nonsense() -> None:
    assert dictionary.suggest("qqqqqqqq") is None

"""Objects in another transfer syntax: the same pixels, by pydicom's reading too; what was received stays known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

import pacskit
from pacskit.core.errors import StorageError
from pacskit.storage import Store
from pacskit.storage.errors import UnderHold
from pacskit.storage.index.removing import Removal
from pacskit.storage.index.sqlite import SQLiteIndex
from pacskit.storage.lifecycle import (
    CycleLimits,
    Holds,
    Lifecycle,
    Policies,
    RecompressPolicy,
    received_digest,
    recompress,
)
from tests.unit.storage.objects import instance, put

SYNTAXES = {
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "jpeg2000": "1.2.840.10008.1.2.4.90",
    "htj2k": "1.2.840.10008.1.2.4.201",
    "rle": "1.2.840.10008.1.2.5",
}


def _file(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


def _store(store: Store, path: Path) -> str:
    """Store a file as it is; return its UID."""
    file = pydicom.dcmread(path)
    content = path.read_bytes()
    start = content.index(b"\x02\x00\x00\x00UL")
    offset = start + 12 + int.from_bytes(content[start + 8 : start + 12], "little")
    with store.begin(file.SOPClassUID, file.SOPInstanceUID, file.file_meta.TransferSyntaxUID) as ingest:
        ingest.write(content[offset:])
        ingest.commit()
    return str(file.SOPInstanceUID)


def _read(store: Store, uid: str) -> bytes:
    with store.open(uid, whole=True) as opened:
        return bytes(opened.file.read())


@pytest.mark.parametrize("blobs", [None, "blobs"])
@pytest.mark.parametrize("name", ["CT_small.dcm", "examples_rgb_color.dcm"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pixels_stay_and_what_was_received_is_known(syntax: str, name: str, blobs: str | None, tmp_path: Path) -> None:
    with Store(tmp_path / "a", blobs=None if blobs is None else f"file://{tmp_path}/blobs") as store:
        uid = _store(store, _file(name))
        before = store.get(uid)
        assert before is not None
        assert before.sha256 is not None
        content = _read(store, uid)
        done = recompress(store, uid, SYNTAXES[syntax])
        assert done.done
        assert done.size_after < done.size_before == len(content)
        after = store.get(uid)
        assert after is not None
        assert after.transfer_syntax_uid == SYNTAXES[syntax]
        assert after.key != before.key
        assert (after.study_instance_uid, after.series_instance_uid) == (
            before.study_instance_uid, before.series_instance_uid,
        )  # fmt: skip
        assert received_digest(store.index, uid) == before.sha256
        assert before.sha256 == hashlib.sha256(content[before.offset :]).digest()
        old, new = pydicom.dcmread(BytesIO(content)), pydicom.dcmread(BytesIO(_read(store, uid)))
        # pydicom alone has no decoder of HTJ2K
        pixels = pacskit.dcmread(_read(store, uid)).pixel_array if syntax == "htj2k" else new.pixel_array
        assert np.array_equal(old.pixel_array, pixels)
        assert old.SOPInstanceUID == new.SOPInstanceUID
        for tag in ("PatientName", "PatientID", "StudyInstanceUID", "InstanceNumber", "ImageType"):
            assert old.get(tag) == new.get(tag)
        assert len(store.frames(uid, [0])[0]) < len(old.PixelData)
        assert list(store.verify(digest=True)) == []
        assert recompress(store, uid, SYNTAXES["rle"], at_most=0.9).done is False
        assert received_digest(store.index, uid) == before.sha256


def test_what_is_replaced_so_can_be_had_back_for_a_while(tmp_path: Path) -> None:
    with Store(tmp_path, removal=Removal(grace=3600)) as store:
        uid = _store(store, _file("CT_small.dcm"))
        content = _read(store, uid)
        assert recompress(store, uid, SYNTAXES["jpeg-ls"]).done
        (kept,) = store.removals.listed()
        assert (kept.kind, kept.reason) == ("replaced", "recompression")
        assert store.removals.restore("ALL", None, kept.id) == 1
        assert _read(store, uid) == content
        assert list(store.verify(digest=True)) == []


def test_who_replaces_an_object_meanwhile_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path, duplicates="replace") as store:
        uid = _store(store, _file("CT_small.dcm"))
        run_alone = store.index.run_alone

        def late(work: Callable[[Any], Any]) -> Any:
            monkeypatch.undo()
            _store(store, _file("CT_small.dcm"))
            return run_alone(work)

        monkeypatch.setattr(store.index, "run_alone", late)
        done = recompress(store, uid, SYNTAXES["jpeg-ls"])
        assert (done.done, done.why) == (False, "replaced meanwhile")
        found = store.get(uid)
        assert found is not None
        assert found.transfer_syntax_uid == "1.2.840.10008.1.2.1"
        assert list(store.verify(digest=True)) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_end_on_the_way_leaves_one_of_both(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    uid = _store(store, _file("CT_small.dcm"))
    run_alone = SQLiteIndex.run_alone

    def ends(self: SQLiteIndex, work: Callable[[Any], Any]) -> Any:
        if when == "after":
            run_alone(self, work)
        raise SystemExit  # the object stays as it is then

    monkeypatch.setattr(SQLiteIndex, "run_alone", ends)
    with pytest.raises(SystemExit):
        recompress(store, uid, SYNTAXES["jpeg-ls"])
    monkeypatch.undo()
    store.close()
    with Store(tmp_path) as again:
        found = again.get(uid)
        assert found is not None
        assert found.transfer_syntax_uid == (SYNTAXES["jpeg-ls"] if when == "after" else "1.2.840.10008.1.2.1")
        assert pydicom.dcmread(BytesIO(_read(again, uid))).pixel_array.shape == (128, 128)
        assert list(again.verify(digest=True)) == []


def test_a_policy_recompresses_what_gets_smaller_once(engine: Callable[[], str | None], tmp_path: Path) -> None:
    with Store(tmp_path, index=engine()) as store:
        image, held = _store(store, _file("CT_small.dcm")), _store(store, _file("MR_small.dcm"))
        document = put(store, instance()).instance
        assert document is not None
        Holds(store.index).put(patient_id=pydicom.dcmread(_file("MR_small.dcm")).PatientID)

        def work(uid: str, syntax: str, /, *, at_most: float) -> Any:
            return recompress(store, uid, syntax, at_most=at_most)

        policies = Policies(recompress=(RecompressPolicy(syntax="jpeg-ls"),), limits=CycleLimits(parallel=2))
        cycle = Lifecycle(store.index, None, policies, recompress=work)
        assert cycle.run(dry_run=True).count("recompress")[0] == 3
        done = {one.uid: one.outcome for one in cycle.run().actions}
        assert done == {image: "done", held: "skipped", document.sop_instance_uid: "skipped"}
        assert [one.uid for one in cycle.run().actions] == [held]  # for as long as the hold is on it
        with pytest.raises(UnderHold):
            recompress(store, held, SYNTAXES["jpeg-ls"])
        assert list(store.verify(digest=True)) == []
        path = store.path(store.get(held) or document)
        path.write_bytes(path.read_bytes()[:-1] + b"\7")
        with pytest.raises(StorageError):
            recompress(store, held, SYNTAXES["jpeg-ls"])

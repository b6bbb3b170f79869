"""Every readable file goes in, comes back by C-GET and by C-MOVE, and is the same, byte for byte."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pacskit
from pacskit.core.uids import NON_PATIENT_STORAGE_SOP_CLASSES
from tests.interop.conftest import LOOPBACK, Serve, free_port
from tests.interop.files import Instance, examine, sha256

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(170)]

# Files that pydicom reads and that the archive refuses to keep, with the reason.
REFUSED = {
    "emri_small_jpeg_2k_lossless_too_short.dcm": "the file ends inside the pixel data",
    "MR_truncated.dcm": "the file ends inside the pixel data",
    "rtplan_truncated.dcm": "the file ends inside an element",
}


def candidates(corpus: Path) -> Iterator[Instance]:
    """The files that are composite instances: what PS3.4 B.2 requires of a C-STORE is there."""
    with (corpus / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["readable_by_pydicom"] == "yes"]
    for row in rows:
        path = corpus / row["file"]
        if path.read_bytes()[128:132] != b"DICM" or path.name in REFUSED:
            continue
        found = examine(path)
        belongs = found.sop_class_uid not in {str(uid) for uid in NON_PATIENT_STORAGE_SOP_CLASSES}
        uids = (found.sop_class_uid, found.sop_instance_uid, found.study_uid, found.series_uid)
        if belongs and all((*uids, found.transfer_syntax)):
            yield found


def rounds(instances: list[Instance]) -> list[list[Instance]]:
    """Divide the files so that no SOP Instance UID is twice in a round."""
    seen: Counter[str] = Counter()
    made: list[list[Instance]] = []
    for instance in instances:
        turn = seen[instance.sop_instance_uid]
        seen[instance.sop_instance_uid] += 1
        if turn == len(made):
            made.append([])
        made[turn].append(instance)
    return made


def test_what_goes_in_comes_out(corpus: Path, serve: Serve, tmp_path: Path) -> None:
    instances = list(candidates(corpus))
    assert len(instances) > 350
    for number, batch in enumerate(rounds(instances)):
        check(batch, serve, tmp_path / str(number))


def check(batch: list[Instance], serve: Serve, folder: Path) -> None:
    folder.mkdir()
    moved: dict[str, str] = {}
    scp = pacskit.SCP("DEST", port=free_port(), accept_unknown=True)

    @scp.on_store
    def keep(event: pacskit.StoreEvent) -> None:
        moved[event.sop_instance_uid] = sha256(event.save_into(folder / "moved"))

    with scp:
        archive = serve("--accept-unknown", "--node", f"DEST@{LOOPBACK}:{scp.port}", directory=folder / "archive")
        with pacskit.connect(archive.address) as peer:
            outcomes = {sent.dataset_path: sent for sent in peer.store([one.path for one in batch])}
            refused = {path.name: sent.status for path, sent in outcomes.items() if path and sent.status}
            assert refused == {}
            got: dict[str, str] = {}
            for study in sorted({one.study_uid for one in batch}):
                for instance in peer.get(pacskit.Level.STUDY, study):
                    got[instance.sop_instance_uid] = sha256(instance.save_into(folder / "got"))
                (*_, last) = peer.move(pacskit.Level.STUDY, study, to="DEST")
                assert (last.failed, last.warning) == (0, 0)
        archive.stop()
    want = {one.sop_instance_uid: one.sha256 for one in batch}
    assert {uid: digest for uid, digest in want.items() if got.get(uid) != digest} == {}
    assert {uid: digest for uid, digest in want.items() if moved.get(uid) != digest} == {}


def test_what_is_refused_leaves_nothing_behind(corpus: Path, serve: Serve) -> None:
    archive = serve()
    names = {row.name: row for row in corpus.rglob("*.dcm") if row.name in REFUSED}
    assert set(names) == set(REFUSED)
    with pacskit.connect(archive.address) as peer:
        assert not [sent.status for sent in peer.store(names.values()) if not sent.status.is_failure]
    left = [path for path in archive.directory.rglob("*") if path.suffix in {".dcm", ".part"}]
    assert [path for path in left if path.parent.name != "quarantine"] == []

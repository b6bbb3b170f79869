"""A retrieval explained: what the archive decided of each instance, and what the one who asked is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import pacskit
from pacskit import Archive, ArchiveSettings, DimseError, aio
from pacskit.cli import main
from pacskit.core.events import EventBus, SubOperation
from pacskit.network.threads import Server
from pacskit.services.outgoing import Transcode
from pacskit.services.registry import archive_services
from tests.interop.files import examine, wheel_file
from tests.network.peers import EXPLICIT, IMPLICIT, MR, Recorder

THREADS_ALONE = True  # the asyncio twin is called by name

J2K_FILE, J2K = "MR_small_jp2klossless.dcm", "1.2.840.10008.1.2.4.90"
NEVER = "JPEG 2000 Image Compression not accepted; transcode=never"


@contextmanager
def serving(directory: Path, policy: str, *files: Path) -> Iterator[tuple[Archive, list[SubOperation]]]:
    bus, seen = EventBus(), list[SubOperation]()
    bus.subscribe(SubOperation, seen.append)
    settings = ArchiveSettings(ae="ARCHIVE", transcode=Transcode(policy))
    with Archive(directory, settings=settings, events=bus) as archive:
        for path in files:
            archive.store(path)
        archive.serve(port=0)
        yield archive, seen


def get(peer: Any, path: Path, *syntaxes: str) -> list[Any]:
    arrived = peer.get("STUDY", examine(path).study_uid, transfer_syntaxes=syntaxes)
    return [event.dataset.pixel_array for event in arrived]


def test_never_is_said_to_both_ends(tmp_path: Path) -> None:
    source = wheel_file(J2K_FILE)
    with serving(tmp_path, "never", source) as (archive, seen), pacskit.connect(archive.address) as peer:
        with pytest.raises(DimseError, match="transcode=never") as refused:
            get(peer, source, EXPLICIT)
        assert refused.value.status == 0xA702  # unable to perform sub-operations (PS3.4 table C.4-3)
        told = peer.explain()
        assert told is not None
        assert told.retrieval is not None
        about = told.retrieval
        assert (about.operation, about.status, about.completed, about.failed) == ("C-GET", 0xA702, 0, 1)
        assert (about.why, about.failed_uids) == (NEVER, (examine(source).sop_instance_uid,))
        assert f"not sent, says the peer: {NEVER}" in str(told)
        assert "C-GET: 0xA702 (Failure)" in str(told)
        (step,) = seen
        assert (step.operation, step.stored_as, step.sent_as, step.status) == ("C-GET", J2K, None, 0xA900)
        assert step.action == "not sent"
        assert "the policy is never to transcode" in step.reason
        assert not step.link.is_requestor
        assert step.peer.startswith("PACSKIT@127.0.0.1:")
        assert len(get(peer, source, J2K)) == 1  # as it is, it goes
        told = peer.explain()
        assert told is not None
        assert told.retrieval is not None
        assert (told.retrieval.why, told.retrieval.received) == ("", {J2K: 1})
        assert (seen[-1].action, seen[-1].sent_as, seen[-1].status) == ("as it is", J2K, 0)
        peer.echo()
        told = peer.explain()
        assert told is not None
        assert told.retrieval is None  # which speaks of another association


def test_transcoded_says_so_and_has_the_pixels(tmp_path: Path) -> None:
    source = wheel_file(J2K_FILE)
    with serving(tmp_path, "lossless", source) as (archive, seen), pacskit.connect(archive.address) as peer:
        (pixels,) = get(peer, source, EXPLICIT)
        assert np.array_equal(pixels, pydicom.dcmread(source).pixel_array)
        told = peer.explain()
    assert told is not None
    assert told.retrieval is not None
    assert (told.retrieval.status, told.retrieval.why, told.retrieval.received) == (0, "", {EXPLICIT: 1})
    assert "1 came in Explicit VR Little Endian" in str(told)
    assert [(one.action, one.sent_as, one.status) for one in seen] == [("transcoded", EXPLICIT, 0)]
    assert "as the policy is lossless" in seen[0].reason


def study_of_two(folder: Path) -> list[Path]:
    """The same study with one instance in JPEG 2000 and one that is not compressed."""
    ds = pydicom.dcmread(wheel_file("MR_small.dcm"))
    other = pydicom.dcmread(wheel_file(J2K_FILE))
    ds.StudyInstanceUID, ds.PatientID = other.StudyInstanceUID, other.PatientID
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3.4")
    ds.save_as(folder / "plain.dcm")
    return [folder / "plain.dcm", wheel_file(J2K_FILE)]


def test_move_says_what_failed_of_several(tmp_path: Path) -> None:
    """Some went: 0xB000, and the comment says why the others did not (PS3.4 table C.4-2)."""
    files = study_of_two(tmp_path)
    study = examine(files[1]).study_uid
    with (
        serving(tmp_path / "archive", "never", *files) as (archive, seen),
        Server([Recorder(sop_classes=(MR,))], ae="DEST", transfer_syntaxes=(IMPLICIT,)) as destination,
        pacskit.connect(archive.address) as peer,
    ):
        archive.nodes.add(f"DEST@127.0.0.1:{destination.address[1]}")
        steps = list(peer.move("STUDY", study, to="DEST"))
        told = peer.explain()
        archive.nodes.add("NOWHERE@127.0.0.1:1")
        with pytest.raises(DimseError, match="NOWHERE: association not possible") as refused:
            list(peer.move("STUDY", study, to="NOWHERE"))
    assert (steps[-1].status, steps[-1].completed, steps[-1].failed) == (0xB000, 1, 1)
    assert told is not None
    assert told.retrieval is not None
    assert steps[-1].comment == told.retrieval.why == NEVER
    assert told.retrieval.failed_uids == (examine(files[1]).sop_instance_uid,)
    first, second = sorted(seen[:2], key=lambda one: one.action)
    assert (first.action, first.sent_as, first.status) == ("converted", IMPLICIT, 0)
    assert (second.action, second.sent_as, second.status) == ("not sent", None, 0xA900)
    assert {one.operation for one in seen} == {"C-MOVE"}
    assert first.peer.startswith("DEST@")  # where it goes, not who asked
    assert refused.value.status == 0xA702
    assert [(one.sent_as, one.status) for one in seen[2:]] == [(None, 0xA700)] * 2


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_command_says_it(form: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = study_of_two(tmp_path)
    with (
        serving(tmp_path / "archive", "never", *files) as (archive, _),
        Server([Recorder(sop_classes=(MR,))], ae="DEST", transfer_syntaxes=(IMPLICIT,)) as destination,
    ):
        archive.nodes.add(f"DEST@127.0.0.1:{destination.address[1]}")
        study = examine(files[1]).study_uid
        assert main(["move", str(archive.address), study, "--to", "DEST", *form]) == 1
    shown = capsys.readouterr()
    assert (f'"comment": "{NEVER}"' in shown.out) if form else (f"the peer says: {NEVER}" in shown.err)


def test_on_asyncio(run: Callable[..., Any], tmp_path: Path) -> None:
    """The same services and verbs in a loop, in both roles."""
    source = wheel_file(J2K_FILE)

    async def everything() -> None:
        with Archive(tmp_path, ae="ARCHIVE") as archive:
            archive.store(source)
            bus, seen = EventBus(), list[SubOperation]()
            bus.subscribe(SubOperation, seen.append)
            for policy in (Transcode.NEVER, Transcode.LOSSLESS):
                services = archive_services(
                    archive._store, ae="ARCHIVE", resolve=archive.nodes.get, transcode=policy, events=bus
                )
                async with aio.Server(services, ae="ARCHIVE") as server:
                    await retrieve(f"ARCHIVE@127.0.0.1:{server.address[1]}", policy)
            assert [(one.action, one.sent_as) for one in seen] == [("not sent", None), ("transcoded", EXPLICIT)]
            assert all(one.link.peer[0] == "127.0.0.1" for one in seen)

    async def retrieve(address: str, policy: Transcode) -> None:
        async with aio.connect(address) as peer:
            events = peer.get("STUDY", examine(source).study_uid, transfer_syntaxes=[EXPLICIT])
            if policy is Transcode.LOSSLESS:
                (pixels,) = [event.dataset.pixel_array async for event in events]
                assert np.array_equal(pixels, pydicom.dcmread(source).pixel_array)
                return
            with pytest.raises(DimseError, match="transcode=never"):
                [event async for event in events]
            told = await peer.explain()
            assert told is not None
            assert told.retrieval is not None
            assert (told.retrieval.status, told.retrieval.why) == (0xA702, NEVER)
            with pytest.raises(DimseError, match="not known here"):
                [step async for step in peer.move("STUDY", examine(source).study_uid, to="NOWHERE")]
            told = await peer.explain()
            assert told is not None
            assert told.retrieval is not None
            assert (told.retrieval.operation, told.retrieval.status) == ("C-MOVE", 0xA801)
            assert "not known here" in told.retrieval.why

    run(everything())

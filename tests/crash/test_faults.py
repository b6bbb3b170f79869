"""The disk is full or read-only, the index is locked or gone: the peer is told, the others are not harmed, and when it
is over everything goes on, without a restart.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

import pytest

import pacskit
from pacskit.core.dataset import Dataset
from pacskit.encoding import encode
from pacskit.network.association import Association
from pacskit.network.dimse import CEchoRequest, CStoreRequest
from pacskit.storage.records import Commit
from tests.crash.child import Child
from tests.crash.ledger import CT, EXPLICIT, study_of
from tests.crash.shim import preloaded

VERIFICATION = "1.2.840.10008.1.1"
SIZES = (1_000, 3_000_000)  # the second one goes to its file while it arrives
OUT_OF_RESOURCES = range(0xA700, 0xA800)  # PS3.4 B.2.3


class Site:
    """An archive in a process of its own and two associations with it."""

    def __init__(self, stack: ExitStack, directory: Path, *options: str, **how: Any) -> None:
        self.child = Child(directory, *options, **how)
        stack.callback(self.child.end)
        assert self.child.is_ready()
        self.one, self.other = (stack.enter_context(self._associate(name)) for name in ("ONE", "OTHER"))
        self.kept: list[str] = []
        self._numbers = iter(range(1, 1000))

    @contextmanager
    def _associate(self, name: str) -> Iterator[Any]:
        association: Any = Association.request(
            self.child.address, [(CT, [EXPLICIT]), (VERIFICATION, [EXPLICIT])], calling=name
        )
        yield association
        association.release()

    def store(self, size: int = SIZES[0]) -> int:
        """Store another object; return the status."""
        uid = f"1.2.5.1.{next(self._numbers)}"
        ds = Dataset(SOPClassUID=CT, SOPInstanceUID=uid, StudyInstanceUID=study_of(uid), SeriesInstanceUID="1.2.5.1")
        ds.PixelData = bytes(size)
        request = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid=uid)
        status = int(self.one.perform(request, encode(ds, EXPLICIT)).status)
        self.kept += [uid] if status == 0 else []
        return status

    def others_are_served(self) -> bool:
        """Whether an association that was there before, and a new one, are answered."""
        old = self.other.perform(CEchoRequest()).status == 0
        return old and pacskit.echo(self.child.address).is_success

    def found(self) -> list[str]:
        """What is there; raises DimseError where it cannot be said."""
        with pacskit.connect(self.child.address) as peer:
            found = peer.find("IMAGE", StudyInstanceUID="1.2.5", SeriesInstanceUID="1.2.5.1")
            return [str(one.SOPInstanceUID) for one in found]

    def answers_truly(self) -> bool:
        """Whether a query finds all that was acknowledged, or is refused because rows of it cannot be written."""
        try:
            return sorted(self.found()) == sorted(self.kept)
        except pacskit.DimseError as error:
            return error.status in OUT_OF_RESOURCES

    def is_whole(self) -> bool:
        """Whether exactly what was acknowledged is there, and nothing else is left."""
        with pacskit.connect(self.child.address) as peer:
            got = {
                str(event.dataset.SOPInstanceUID): len(event.dataset.PixelData)
                for event in peer.get("STUDY", "1.2.5", sop_classes=[CT])
            }
        assert sorted(self.found()) == sorted(got) == sorted(self.kept)
        assert set(got.values()) <= set(SIZES)
        return self.child.ask("verify") == "verified 0"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """What starts an archive below ``tmp_path / "archive"``."""
    with ExitStack() as stack:
        yield lambda *options, **how: Site(stack, tmp_path / "archive", *options, **how)


@pytest.mark.parametrize("commit", get_args(Commit))
@pytest.mark.parametrize("fault", ["S", "R"], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing(start: Callable[..., Site], tmp_path: Path, commit: str, fault: str) -> None:
    switch = tmp_path / "faults"
    switch.write_text("-")
    site = start(f"--commit={commit}", environment=preloaded(tmp_path / "archive", faults=switch))
    assert [site.store(size) for size in SIZES] == [0, 0]
    assert len(site.found()) == 2
    for _ in range(2):
        switch.write_text(fault)
        for size in (*SIZES, *SIZES):
            assert site.store(size) in OUT_OF_RESOURCES
        assert site.others_are_served()
        assert site.answers_truly()
        switch.write_text("-")
        assert [site.store(size) for size in SIZES] == [0, 0]
    assert site.is_whole()


def _may_mount() -> bool:
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not _may_mount(), reason="the system lets nobody mount anything")
@pytest.mark.parametrize("commit", get_args(Commit))
def test_a_file_system_that_is_full(start: Callable[..., Site], tmp_path: Path, commit: str) -> None:
    directory = tmp_path / "archive"
    directory.mkdir()
    mount = f'mount -t tmpfs -o size=24m none "{directory}" && exec "$@"'
    site = start(
        f"--commit={commit}", prefix=["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    )
    inside = Path(f"/proc/{site.child.process.pid}/root/{directory}")
    assert [site.store(size) for size in SIZES] == [0, 0]
    assert len(site.found()) == 2
    for _ in range(2):
        _fill(inside / "filler")
        assert [site.store(size) in OUT_OF_RESOURCES for size in (*SIZES, *SIZES)] == [True] * 4
        assert site.others_are_served()
        assert site.answers_truly()
        (inside / "filler").unlink()
        assert [site.store(size) for size in SIZES] == [0, 0]
    assert site.is_whole()


def _fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize("commit", get_args(Commit))
def test_an_index_that_another_process_has_locked(start: Callable[..., Site], tmp_path: Path, commit: str) -> None:
    site = start(f"--commit={commit}", "--busy=0.2")
    assert site.store() == 0
    assert len(site.found()) == 1
    path = tmp_path / "archive" / "index.sqlite"
    for _ in range(2):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            statuses = [site.store(size) for size in (*SIZES, *SIZES)]
            # what is safe without its row may be acknowledged, until that turns out not to follow
            assert all(status == 0 or status in OUT_OF_RESOURCES for status in statuses)
            if not any(statuses):
                with pytest.raises(pacskit.DimseError):  # half of the truth would be none
                    site.found()
            assert site.store() in OUT_OF_RESOURCES
            assert site.others_are_served()
            other.execute("ROLLBACK")
        assert site.store() == 0
    assert site.is_whole()


@pytest.mark.parametrize("commit", get_args(Commit))
def test_a_folder_of_the_index_that_is_gone(start: Callable[..., Site], tmp_path: Path, commit: str) -> None:
    folder, aside = tmp_path / "index", tmp_path / "aside"
    folder.mkdir()
    site = start(f"--commit={commit}", f"--index=sqlite:///{folder}/index.sqlite")
    assert site.store() == 0
    assert len(site.found()) == 1
    folder.rename(aside)
    statuses = [site.store(size) for size in SIZES]
    assert all(status == 0 or status in OUT_OF_RESOURCES for status in statuses)
    if not any(statuses):
        with pytest.raises(pacskit.DimseError):
            site.found()
    assert site.store() in OUT_OF_RESOURCES
    assert site.others_are_served()
    aside.rename(folder)
    assert [site.store(size) for size in SIZES] == [0, 0]
    assert site.is_whole()


@pytest.mark.parametrize("commit", get_args(Commit))
def test_a_folder_of_the_archive_that_is_gone(start: Callable[..., Site], tmp_path: Path, commit: str) -> None:
    site = start(f"--commit={commit}")
    assert site.store() == 0
    assert len(site.found()) == 1
    aside = tmp_path / "aside"
    (tmp_path / "archive").rename(aside)
    assert {site.store() in OUT_OF_RESOURCES for _ in range(3)} == {True}
    assert site.others_are_served()
    aside.rename(tmp_path / "archive")
    assert [site.store(size) for size in SIZES] == [0, 0]
    assert site.is_whole()

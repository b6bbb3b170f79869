"""`pacskit backup` during ingest: what was acknowledged before it began is in it, and all of it is as it was."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest

from pacskit.network.association import Association
from pacskit.storage import Store, StoredInstance
from tests.interop.conftest import Serve, Served
from tests.interop.conftest import pacskit as command
from tests.interop.test_kill import EXPLICIT
from tests.interop.test_processes import Objects, processes, until
from tests.unit.storage.objects import CT

pytestmark = [pytest.mark.interop, pytest.mark.timeout(110)]


class Ingest:
    """Four associations that store at a pace until they are told to end; what was acknowledged is noted."""

    def __init__(self, archive: Served) -> None:
        self.acknowledged: set[str] = set()
        self._archive = archive
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        objects = Objects(f"1.2.80.{number}")
        at = 0
        with Association.request(self._archive.address, [(CT, [EXPLICIT])], calling=f"IN{number}") as association:
            while not self._ended.wait(0.02):
                at += 1
                self.acknowledged.add(objects.send(association, at))

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


@pytest.mark.parametrize("how", [(), ("--copy",)], ids=["link", "copy"])
def test_a_backup_during_ingest(serve: Serve, tmp_path: Path, how: tuple[str, ...]) -> None:
    archive = serve("--processes", "2", "--verbose")
    assert len(processes(archive)) == 2
    place = tmp_path / "backups"
    ingest = Ingest(archive)
    try:
        before: list[tuple[str, set[str]]] = []
        for _ in range(2):
            until(lambda: len(ingest.acknowledged) >= 60 * (len(before) + 1))
            known = set(ingest.acknowledged)
            done = command("backup", archive.directory, place, "--json", *how)
            assert done.returncode == 0, done.stderr
            report = json.loads(done.stdout.splitlines()[-1])
            assert report["problems"] == 0
            assert report["objects"] >= len(known)
            before.append((report["name"], known))
        checked = command("verify", archive.directory, "--json")  # beside them, too
        assert json.loads(checked.stdout.splitlines()[-1])["clean"], checked.stdout
    finally:
        ingest.end()
    assert archive.stop() == 0
    with Store(archive.directory) as store:
        digests = {one.sop_instance_uid: _digest(store, one) for one in store.index.instances()}
    assert ingest.acknowledged <= digests.keys()
    for name, known in before:
        again = tmp_path / name
        done = command("restore", place, again, "--name", name)
        assert done.returncode == 0, done.stdout + done.stderr
        checked = command("verify", again)
        assert checked.returncode == 0, checked.stdout
        with Store(again) as store:
            kept = {one.sop_instance_uid: _digest(store, one) for one in store.index.instances()}
        assert known <= kept.keys()
        assert kept.items() <= digests.items()


def _digest(store: Store, instance: StoredInstance) -> str:
    with store.open(instance) as opened:
        return hashlib.sha256(opened.read()).hexdigest()

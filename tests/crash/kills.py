"""An archive is killed under load and started again, again and again; one archive for all of it."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pacskit
from pacskit.encoding import encode
from pacskit.network.association import Association
from pacskit.network.dimse import CStoreRequest
from pacskit.network.threads import Server
from pacskit.services.registry import archive_services
from pacskit.storage import Store
from tests.crash.child import Child
from tests.crash.ledger import CT, EXPLICIT, Ledger, disagreements, made, study_of
from tests.crash.server import AE
from tests.crash.shim import Point, preloaded

__all__ = ["ASSOCIATIONS", "POINTS", "Archive", "Round"]

ASSOCIATIONS = 8
PATIENCE = 60.0
SHARED = "1.2.90"  # the study of instances that everybody sends
DELETE = 0.06
ATTEMPTS = 3  # at most, to have a life end at a call that it need not come to


@dataclass(frozen=True)
class Round:
    """One life of the server."""

    acknowledged: int
    killed: bool
    problems: list[str]


@dataclass
class Archive:
    """What is killed, and what is known of it."""

    directory: Path
    commit: str = "os"
    index: str | None = None
    seed: int = 0
    grace: float = 0.0  # seconds for which what was removed can come back
    ledger: Ledger = field(default_factory=Ledger)
    surprises: list[str] = field(default_factory=list)
    _version: int = 0

    def _start(self, *, point: Point | None = None, checkpoint: int = 0) -> Child:
        options = [f"--commit={self.commit}", f"--checkpoint={checkpoint}", f"--grace={self.grace}"]
        options += ["--digest"] if self.commit == "object" else []  # the bytes take other ways in without it
        options += [] if self.index is None else [f"--index={self.index}"]
        environment = None if point is None else preloaded(self.directory, point=point)
        return Child(self.directory, *options, environment=environment)

    # what may end a life

    def kill_after(self, seconds: float) -> Round:
        """Kill it under load, some time after that has begun."""
        child = self._start()
        self._version += 1
        before = self.ledger.acknowledged
        if not child.is_ready():
            return Round(0, False, [f"it does not start: {child.end()}"])
        with self._load(child) as (touched, _):
            threading.Event().wait(seconds)  # the moment of the kill, not a wait for anything
            child.process.kill()
        child.end()
        return Round(self.ledger.acknowledged - before, True, self._check(touched))

    def kill_as_it_starts(self, seconds: float) -> Round:
        """Kill it while it recovers from the kill before, or a little earlier or later."""
        child = self._start()
        threading.Event().wait(seconds)
        child.process.kill()
        child.end()
        return Round(0, True, self._check(set()))

    def kill_at_point(self, name: str, chance: random.Random) -> Round:
        """Kill it at one of `POINTS`: at any of the first calls there are of that kind."""
        first, *others = POINTS[name][0]
        later = [replace(one, count=1) for one in others]
        for attempt in range(1, ATTEMPTS + 1):
            done = self.kill_at(replace(first, count=chance.randint(1, first.count)), *later)
            if done.killed or done.problems or attempt == ATTEMPTS:
                return done
        raise AssertionError(name)

    def kill_at(self, *points: Point, enough: int = 800) -> Round:
        """Kill it at a call that it makes under load, then at one that it makes as it starts again, and so on.

        ``killed`` says whether it made all of them, before it had ``enough`` instances.
        """
        before, killed = self.ledger.acknowledged, True
        touched: set[str] = set()
        for number, point in enumerate(points):
            child = self._start(point=point, checkpoint=20)
            self._version += 1
            if child.is_ready() and not number:
                with self._load(child, enough=enough) as (touched, done):
                    done.wait(PATIENCE)
            killed = child.end() == -signal.SIGKILL and killed
        return Round(self.ledger.acknowledged - before, killed, self._check(touched))

    # load

    @contextmanager
    def _load(self, child: Child, *, enough: int = 1 << 30) -> Iterator[tuple[set[str], threading.Event]]:
        """Associations that store until the server is gone or has taken enough; the studies that they store to."""
        touched: set[str] = set()
        done = threading.Event()
        running = threading.Semaphore(0)
        each = enough // ASSOCIATIONS

        def run(worker: int) -> None:
            try:
                self._store(child, worker, each, touched)
            except (pacskit.ConnectError, pacskit.AssociationAborted, pacskit.AssociationReleased):
                done.set()  # it is gone
            except BaseException as error:
                self.surprises.append(f"{type(error).__name__}: {error}")
                done.set()
            finally:
                running.release()

        threads = [threading.Thread(target=run, args=(worker,)) for worker in range(ASSOCIATIONS)]
        for thread in threads:
            thread.start()

        def wait_for_all() -> None:
            for thread in threads:
                thread.join()
            done.set()

        last = threading.Thread(target=wait_for_all)
        last.start()
        try:
            yield touched, done
        finally:
            last.join(PATIENCE)

    def _store(self, child: Child, worker: int, most: int, touched: set[str]) -> None:
        chance = random.Random(f"{self.seed} {self._version} {worker}")
        association: Any = Association.request(child.address, [(CT, [EXPLICIT])], calling=f"LOAD{worker}")
        mine: list[str] = []
        for number in range(most):
            draw = chance.random()
            shared = draw < 0.08
            if shared:
                uid = f"{SHARED}.1.{chance.randrange(5)}"
            elif mine and draw < 0.25:
                uid = chance.choice(mine)
            else:
                series = number if draw > 1 - DELETE else chance.randrange(2)  # one that goes with its only instance
                uid = f"1.2.{worker}.{self._version}.{series}.{number}"
                mine.append(uid)
            touched.add(study_of(uid))
            data, digest = made(uid, self._version * 100_000 + worker * 10_000 + number)
            self.ledger.storing(uid, digest)
            status = association.perform(
                CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid=uid), data
            ).status
            if status != 0:
                raise AssertionError(f"status {status}")
            self.ledger.stored(uid, digest, shared=shared)
            if not shared and draw > 1 - DELETE:
                self.ledger.deleting(uid)
                if child.ask(f"delete {uid}") == f"deleted {uid}":
                    self.ledger.deleted(uid)
                    mine.remove(uid)
                if self.grace:
                    child.ask("sweep")
        association.release()

    # afterwards

    def _check(self, touched: set[str]) -> list[str]:
        """Start it again, in this process, ask for all that was stored last, and look at what it has."""
        problems, self.surprises = self.surprises, []
        commit: Any = self.commit
        with Store(self.directory, commit=commit, index=self.index) as store:
            services = archive_services(store, ae=AE, resolve=lambda ae: None)
            with (
                Server(services, ae=AE, host="127.0.0.1", port=0) as server,
                pacskit.connect(f"{AE}@127.0.0.1:{server.address[1]}", calling="CHECK") as peer,
            ):
                for study in sorted(touched):
                    problems += self._ask(peer, study)
            wrong, found = disagreements(store)
        problems += wrong
        problems += self.ledger.problems(found)
        self.ledger.settle(found)
        return problems

    def _ask(self, peer: Any, study: str) -> Iterator[str]:
        """Find and retrieve a study."""
        instances = {
            str(one.SOPInstanceUID)
            for series in peer.find("SERIES", StudyInstanceUID=study)
            for one in peer.find("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series.SeriesInstanceUID)
        }
        missing = {uid for uid in self.ledger.present() if study_of(uid) == study} - instances
        yield from (f"{uid}: C-FIND does not find it" for uid in missing)
        got: dict[str, bytes] = {}
        if instances:
            for event in peer.get("STUDY", study, sop_classes=[CT]):
                got[str(event.dataset.SOPInstanceUID)] = _digest(event.dataset)
        yield from self.ledger.problems(got, within={study})
        yield from (f"{uid}: C-GET does not give it" for uid in instances - got.keys())


def _digest(dataset: Any) -> bytes:
    return sha256(encode(dataset, EXPLICIT)).digest()


_OFTEN = 80  # a call of every instance: which one of them is left to chance
_WRITTEN = Point("write", "*/staging/*", "half", _OFTEN)
_WHOLE = Point("rename", "*/staging/*~*", "after", _OFTEN)
_LINKED = Point("link", "*/objects/*", "after", _OFTEN)
_REMOVED = Point("unlink", "*/objects/*", count=10)

# Where a life may end: each is a call that changes the disk, or what a database is told. The second of two is one that
# it makes while it recovers from the first. The index of that kind alone has it, where one is named.
POINTS: dict[str, tuple[tuple[Point, ...], str]] = {
    # store
    "as an object is written": ((_WRITTEN,), ""),
    "before an object is called whole": ((Point("rename", "*/staging/*~*", count=_OFTEN),), ""),
    "after an object is called whole": ((_WHOLE,), ""),
    "after a folder is made": ((Point("mkdir", "*/objects/*", "after", 10),), ""),
    "before the final name": ((Point("link", "*/objects/*", count=_OFTEN),), ""),
    "after the final name": ((_LINKED,), ""),
    "before a staging name goes": ((Point("unlink", "*/staging/*~*", count=_OFTEN),), ""),
    "after a staging name has gone": ((Point("unlink", "*/staging/*~*", "after", _OFTEN),), ""),
    # index batch
    "in the midst of a transaction": ((Point("write", "*-wal", "half", _OFTEN),), "sqlite"),
    "after a part of a transaction": ((Point("write", "*-wal", "after", _OFTEN),), "sqlite"),
    "in a checkpoint": ((Point("write", "*/index.sqlite", "half", 20),), "sqlite"),
    "before the rows": ((Point("send", "*INSERT INTO instance*"),), "postgresql"),
    "before COMMIT": ((Point("send", "*COMMIT*", count=5),), "postgresql"),
    "after COMMIT": ((Point("send", "*COMMIT*", "after", 5),), "postgresql"),
    # replace and delete
    "before a removed object goes": ((_REMOVED,), ""),
    "after a removed object has gone": ((Point("unlink", "*/objects/*", "after", 10),), ""),
    "as an empty folder goes": ((Point("rmdir", "*/objects/*", "after", 5),), ""),
    # recover
    "before recovery names an object": ((_WHOLE, Point("link", "*/objects/*")), ""),
    "after recovery has named an object": ((_WHOLE, _LINKED), ""),
    "as recovery writes the index": ((_LINKED, Point("write", "*-wal", "half")), "sqlite"),
    "before recovery ends a transaction": ((_LINKED, Point("send", "*COMMIT*")), "postgresql"),
    "after recovery has ended a transaction": ((_LINKED, Point("send", "*COMMIT*", "after")), "postgresql"),
    "before recovery drops a staging name": ((_LINKED, Point("unlink", "*/staging/*")), ""),
    "after recovery has dropped a staging name": ((_WRITTEN, Point("unlink", "*/staging/*", "after")), ""),
    "before recovery removes an object": ((_REMOVED, _REMOVED), ""),
    "before recovery drops a session": ((_WRITTEN, Point("rmdir", "*/staging/*")), ""),
    "before recovery drops a lock": ((_WRITTEN, Point("unlink", "*.lock")), ""),
}

"""Power cuts: a workload is recorded once, and what each of many cuts may leave of it has to keep its word."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pacskit.core.errors import PacsError
from pacskit.storage import Store
from tests.crash.child import ROOT
from tests.crash.disk import Disk, Op, Record, Taste, read_journal
from tests.crash.ledger import CT, EXPLICIT, Ledger, disagreements, made
from tests.crash.shim import preloaded

__all__ = ["Outcome", "Trial", "record"]


AGAIN = 4  # cuts of one start
# that ``commit="os"`` allows
HARM = {"damaged", "missing", "orphan", "half-written, and visible", "in staging", "tombstones"}


@dataclass
class Outcome:
    """What came of the cuts."""

    cuts: int = 0
    calls: int = 0
    acknowledged: int = 0  # at the end of the recording
    checked: int = 0  # acknowledged instances looked for, over all cuts
    lost: int = 0
    problems: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def note(self, where: str, problems: list[str], harm: list[str]) -> None:
        """Take note of what one cut brought to light."""
        self.lost += sum(one.endswith("lost") for one in problems)
        self.kinds.update(map(_kind, (*problems, *harm)))
        self.problems += [f"{where}: {one}" for one in problems]


def _kind(problem: str) -> str:
    return problem.rpartition(": ")[2] if problem[0].isdigit() else problem.partition(":")[0]


def record(folder: Path, commit: str, *, seed: int, count: int) -> list[Record]:
    """Run the workload on ``folder / "disk"``; return what it called and said."""
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    archive = disk.resolve() / "archive"
    command = [sys.executable, "-m", "tests.crash.workload", str(archive), commit, str(seed), str(count)]
    environment = preloaded(disk, journal=folder / "journal")
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    return list(read_journal(folder / "journal"))


@dataclass
class Trial:
    """Power cuts of a recorded workload below ``folder``; ``syncs`` off: on a disk that lies about them.

    Every ``again``-th time, what is left is started, and the power is cut a few times while that settles what it finds.
    """

    folder: Path
    commit: Any
    seed: int
    syncs: bool = True
    again: int = 0
    outcome: Outcome = field(default_factory=Outcome)

    def cut(self, records: list[Record], cuts: int) -> Outcome:
        """Cut the power at chosen calls; look at what may be left of each."""
        chance = random.Random(self.seed)
        disk, ledger = Disk(self._root(self.folder), syncs=self.syncs), Ledger()
        points = Counter(chance.randrange(1, len(records) + 1) for _ in range(cuts))
        for number, one in enumerate(records, 1):
            if one.op is Op.MARK:
                _note(ledger, one.data.decode())
            else:
                disk.play(one)
            for _ in range(points[number]):
                self._cut_once(disk, ledger, chance, f"call {number}")
                if self.again and self.outcome.cuts % self.again == 0:
                    self._cut_again(disk, ledger, chance, f"call {number}")
        self.outcome.calls = len(records)
        self.outcome.acknowledged = ledger.acknowledged
        return self.outcome

    @staticmethod
    def _root(folder: Path) -> str:
        return str((folder / "disk").resolve())

    def _cut_once(self, disk: Disk, ledger: Ledger, chance: random.Random, where: str) -> None:
        taste, left = Taste.any(chance), self.folder / f"left {self.outcome.cuts}"
        disk.leave(left, chance, taste)
        problems, harm = _look(left / "archive", self.commit, ledger)
        shutil.rmtree(left)
        self.outcome.cuts += 1
        self.outcome.checked += len(ledger.present())
        self.outcome.note(f"{where}, {taste}", problems, harm)

    def _cut_again(self, disk: Disk, ledger: Ledger, chance: random.Random, where: str) -> None:
        """Cut the power while a start settles what another cut has left."""
        below = self.folder / "again"
        below.mkdir()
        disk.leave(below / "disk", chance, Taste.any(chance))
        second = Disk(self._root(below), syncs=self.syncs)
        second.load(below / "disk")
        records = record(below, self.commit, seed=0, count=0)
        points = Counter(chance.randrange(1, len(records) + 1) for _ in range(AGAIN))
        for number, one in enumerate(records, 1):
            second.play(one)
            for _ in range(points[number]):
                self._cut_once(second, ledger, chance, f"{where}, then {number} of {len(records)}")
        shutil.rmtree(below)


def _note(ledger: Ledger, text: str) -> None:
    what, uid, *digest = text.split()
    getattr(ledger, what)(uid, *map(bytes.fromhex, digest))


def _look(directory: Path, commit: Any, ledger: Ledger) -> tuple[list[str], list[str]]:
    """Open what is left, twice, and store something; return what is wrong, and what harm was done that may be done."""
    try:
        with Store(directory, commit=commit) as store:
            problems, found = disagreements(store)
            named = {one.sop_instance_uid for one in store.verify(digest=True)} if commit == "os" else set()
        unnamed = {uid: digest for uid, digest in found.items() if uid not in named}
        problems += ledger.problems(found) if commit != "os" else ledger.strangers(unnamed)
        with Store(directory, commit=commit) as store:
            uid, (data, _) = "1.2.99.1.1", made("1.2.99.1.1", 1)
            with store.begin(CT, uid, EXPLICIT) as ingest:
                ingest.write(data)
                ingest.commit()
            again, after = disagreements(store)
            problems += [f"the second time {one}" for one in again if one not in problems]
            problems += [] if after.keys() == found.keys() | {uid} else ["the second time other instances are there"]
    except PacsError as error:
        return [f"{type(error).__name__}: {error}"], []
    if commit != "os":
        return problems, []
    # what was not synced may be lost: it is enough that the archive opens, answers, counts well and takes more
    harm = [one for one in problems if _kind(one) in HARM]
    return [one for one in problems if one not in harm], harm

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

__all__ = ["Outcome", "cut", "record"]


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

    def note(self, where: str, problems: list[str]) -> None:
        """Take note of what one cut brought to light."""
        self.lost += sum(one.endswith("lost") for one in problems)
        self.kinds.update(one.rpartition(": ")[2] if one[0].isdigit() else one.partition(":")[0] for one in problems)
        self.problems += [f"{where}: {one}" for one in problems]


def record(folder: Path, commit: str, *, seed: int, count: int) -> list[Record]:
    """Run the workload below ``folder``; return what it called and said."""
    disk = folder / "disk"
    disk.mkdir()
    command = [
        sys.executable,
        "-m",
        "tests.crash.workload",
        str(disk.resolve() / "archive"),
        commit,
        str(seed),
        str(count),
    ]
    environment = preloaded(disk, journal=folder / "journal")
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    return list(read_journal(folder / "journal"))


def cut(records: list[Record], folder: Path, commit: Any, *, seed: int, cuts: int, syncs: bool = True) -> Outcome:
    """Cut the power at chosen points; look at what may be left of each."""
    chance = random.Random(seed)
    root = str((folder / "disk").resolve())
    disk, ledger, outcome = Disk(root, syncs=syncs), Ledger(), Outcome(calls=len(records))
    points = Counter(chance.randrange(1, len(records) + 1) for _ in range(cuts))
    for number, one in enumerate(records, 1):
        if one.op is Op.MARK:
            _note(ledger, one.data.decode())
        else:
            disk.play(one)
        for again in range(points[number]):
            taste = Taste.any(chance)
            left = folder / "left"
            disk.leave(left, chance, taste)
            problems = _look(left / "archive", commit, ledger)
            outcome.cuts += 1
            outcome.checked += len(ledger.present())
            outcome.note(f"call {number}.{again} {taste}", problems)
            shutil.rmtree(left)
    outcome.acknowledged = ledger.acknowledged
    return outcome


def _note(ledger: Ledger, text: str) -> None:
    what, uid, *digest = text.split()
    getattr(ledger, what)(uid, *map(bytes.fromhex, digest))


def _look(directory: Path, commit: Any, ledger: Ledger) -> list[str]:
    """Open what is left, twice, and store something."""
    try:
        with Store(directory, commit=commit) as store:
            problems, found = disagreements(store)
        problems += ledger.problems(found) if commit != "os" else ledger.strangers(found)
        with Store(directory, commit=commit) as store:
            uid, (data, _) = "1.2.99.1.1", made("1.2.99.1.1", 1)
            with store.begin(CT, uid, EXPLICIT) as ingest:
                ingest.write(data)
                ingest.commit()
            again, after = disagreements(store)
            problems += [f"the second time {one}" for one in again if one not in problems]
            problems += [] if after.keys() == found.keys() | {uid} else ["the second time other instances are there"]
    except PacsError as error:
        return [f"{type(error).__name__}: {error}"]
    return problems

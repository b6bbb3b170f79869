"""``python -m tests.crash kills|points|powercuts [options]``: see README.md beside this file.

Loopback and a temporary directory only; the report goes to standard output, progress to standard error, and the exit
code says whether the archive has kept its word.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from pacskit.storage.records import Commit
from tests.crash.kills import ASSOCIATIONS, POINTS, Archive
from tests.crash.powercut import Trial, record
from tests.postgres import PostgresServer

COMMITS = get_args(Commit)
MOMENT = 0.9  # seconds of load, at most, before a kill


@contextmanager
def _schemas(wanted: str) -> Iterator[Callable[[], str]]:
    if wanted != "postgresql":
        yield str
        return
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="pacskit-postgres-")))
    try:
        yield server.schema
    finally:
        server.stop()


def _report(lines: list[str], problems: list[str]) -> int:
    print(*lines, *problems[:40], sep="\n", flush=True)
    return 1 if problems else 0


def _kills(options: argparse.Namespace, folder: Path, schema: Callable[[], str]) -> int:
    """Kill at chosen moments, in one archive of each commit policy."""
    chance = random.Random(options.seed)
    made = [_archive(options, folder, commit, schema) for commit in options.commit]
    began, killed, starting = time.monotonic(), 0, 0
    problems: list[str] = []
    for number in range(options.rounds):
        archive = made[number % len(made)]
        as_it_starts = chance.random() < 0.15
        seconds = chance.uniform(0.1, 0.7) if as_it_starts else chance.uniform(0.01, MOMENT)
        done = (archive.kill_as_it_starts if as_it_starts else archive.kill_after)(seconds)
        killed, starting = killed + done.killed, starting + as_it_starts
        problems += [f"round {number}, {archive.commit}: {one}" for one in done.problems]
        _progress(f"{number + 1}: {archive.commit}, {done.acknowledged} acknowledged, {len(done.problems)} problems")
    lost = Counter(one.partition(", ")[2].partition(":")[0] for one in problems if one.endswith("lost"))
    lines = [
        f"{killed} kills of an archive on {options.index} under {ASSOCIATIONS} associations, {starting} of them as it "
        f"started (seed {options.seed}, {time.monotonic() - began:.0f} s)",
        *(
            f"  commit={one.commit}: {one.ledger.acknowledged} acknowledged, {len(one.ledger.present())} to be kept, "
            f"{lost[one.commit]} lost"
            for one in made
        ),
        f"  problems: {len(problems)}",
    ]
    return _report(lines, problems)


def _archive(options: argparse.Namespace, folder: Path, commit: str, schema: Callable[[], str]) -> Archive:
    directory = folder / commit
    directory.mkdir()
    return Archive(directory, commit, schema() or None, options.seed, options.grace)


def _points(options: argparse.Namespace, folder: Path, schema: Callable[[], str]) -> int:
    """Kill at each named point, with each commit policy."""
    chance = random.Random(options.seed)
    problems: list[str] = []
    lines = [f"kills of an archive on {options.index} at named points under 8 associations (seed {options.seed})"]
    for commit in options.commit:
        archive = _archive(options, folder, commit, schema)
        reached = 0
        names = [name for name, (_, index) in POINTS.items() if index in {"", options.index}]
        for name in names:
            done = archive.kill_at_point(name, chance)
            reached += done.killed
            problems += [f"{commit}, {name}: {one}" for one in done.problems]
            problems += [] if done.killed else [f"{commit}, {name}: not reached"]
            _progress(f"{commit}, {name}: {done.acknowledged} acknowledged, {len(done.problems)} problems")
        lines.append(f"  commit={commit}: {reached} of {len(names)} points, {archive.ledger.acknowledged} acknowledged")
    return _report([*lines, f"  problems: {len(problems)}"], problems)


def _powercuts(options: argparse.Namespace, folder: Path, schema: Callable[[], str]) -> int:
    """Cut the power at chosen calls of recorded workloads, and try the trial itself on a disk that ignores syncs."""
    problems: list[str] = []
    lines: list[str] = []
    for commit in options.commit:
        below = folder / commit
        below.mkdir()
        records = record(below, commit, seed=options.seed, count=options.instances)
        done = Trial(below, commit, options.seed, again=10).cut(records, options.rounds)
        lines.append(
            f"commit={commit}: {done.cuts} power cuts in {done.calls} calls; {done.acknowledged} acknowledged, "
            f"{done.checked} looked for, {done.lost} lost, {len(done.problems)} problems {dict(done.kinds) or ''}"
        )
        problems += [f"{commit}: {one}" for one in done.problems]
        if commit != "os":
            lying = Trial(below, commit, options.seed, syncs=False).cut(records, max(10, options.rounds // 10))
            lines.append(f"  the same on a disk that ignores syncs: {lying.lost} of {lying.checked} lost")
            problems += [] if lying.lost else [f"{commit}: the trial does not see what is lost"]
    return _report(lines, problems)


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run what is asked for."""
    what: dict[str, Any] = {"kills": _kills, "points": _points, "powercuts": _powercuts}
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("what", choices=list(what))
    parser.add_argument("--rounds", type=int, default=200, help="kills or cuts (of each policy) (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--index", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--commit", choices=COMMITS, action="append", help="default: each of them")
    parser.add_argument("--grace", type=float, default=0.0, help="seconds for which what was removed can come back")
    parser.add_argument("--instances", type=int, default=160, help="of a workload for power cuts (default %(default)s)")
    options = parser.parse_args()
    options.commit = options.commit or list(COMMITS)
    logging.getLogger("pacskit").setLevel(logging.CRITICAL)
    os.nice(10)
    with tempfile.TemporaryDirectory(prefix="pacskit-crash-") as folder, _schemas(options.index) as schema:
        return what[options.what](options, Path(folder), schema)  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main())

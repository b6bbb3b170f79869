"""Mutated code streams, decoded in a child process: what a codec does with them must be an error or a whole frame.

A test makes ``Case`` objects (a good frame each) and asserts that ``mutate_and_decode(cases).findings`` is empty.
A finding is a crash, an error outside ``CodecError``, a frame of which a part was never written, a mutation that takes
more than its CPU time or memory. The mutations of a case follow from its name and their number, so that a finding is
repeated by its number. A codec gets 2,000, divided among its cases; ``PACSKIT_MUTATIONS`` says how many of each case
are made at least.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from pacskit.encoding.codecs import CodecError, PixelFormat, decode_frame

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = int(os.environ.get("PACSKIT_MUTATIONS", "40"))
PER_CODEC = 2000
CPU_SECONDS = 1.0
MEMORY = 256 << 20
"""What a mutation may take, beside what the process has when all is loaded."""
HANG = 30


@dataclass(frozen=True)
class Case:
    """A good frame of a codec."""

    name: str
    syntax: str
    format: PixelFormat
    frame: bytes
    knows_cuts: bool = True
    """Whether a frame cut short is refused although an end marker follows."""
    end: bytes = b""
    """The end marker of the code stream."""
    part: tuple[int, tuple[int, int, int, int] | None] | None = None
    """How often it is halved and the region that is asked for, where not the whole frame is."""


@dataclass
class Report:
    """What became of the mutations."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    slowest: float = 0.0
    peak: int = 0


# -- mutations ---------------------------------------------------------------------------------------------------------


def _flip(data: bytearray, random: Random) -> None:
    for _ in range(random.randint(1, 4)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set(data: bytearray, random: Random) -> None:
    for _ in range(random.randint(1, 4)):
        data[random.randrange(len(data))] = random.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, random.randrange(256)))


def _head(data: bytearray, random: Random) -> None:
    for _ in range(random.randint(1, 3)):
        data[random.randrange(min(len(data), 128))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))


def _span(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data))
    data[at : at + random.randint(1, 64)] = bytes((random.choice((0, 0xFF, 0x55)),)) * random.randint(1, 64)


def _delete(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data))
    del data[at : at + random.randint(1, 32)]


def _insert(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.randbytes(random.randint(1, 32))


def _cut(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data)) :]


_KINDS: tuple[Callable[[bytearray, Random], None], ...] = (_flip, _set, _head, _span, _delete, _insert, _cut, _cut)


def mutation(case: Case, number: int) -> tuple[str, bytes]:
    """What is done to the frame, and the result."""
    random = Random(f"{case.name} {number}")
    kind = number % len(_KINDS)
    data = bytearray(case.frame)
    _KINDS[kind](data, random)
    name = _KINDS[kind].__name__[1:]
    if name == "cut" and kind == len(_KINDS) - 1 and case.end:
        return "cut and ended", bytes(data) + case.end
    return name, bytes(data)


# -- the child ---------------------------------------------------------------------------------------------------------


def _outcome(case: Case, kind: str, data: bytes) -> str:
    """``refused``, ``decoded``, or what is wrong."""
    import numpy as np

    if case.part is not None:
        return _part_outcome(case, data)
    frames = []
    for fill in (0x55, 0xAA):
        out = np.empty(case.format.shape, case.format.dtype)
        out.view("u1").fill(fill)
        try:
            decode_frame(data, case.syntax, case.format, out=out)
        except CodecError:
            return "refused"
        except BaseException as error:
            return f"raised {error!r}"
        frames.append(out.tobytes())
    if frames[0] != frames[1]:
        return "left a part of the frame unwritten"
    short = len(data) < len(case.frame) - 8
    if short and (kind == "cut" or (kind == "cut and ended" and case.knows_cuts)):
        return "decoded although it is cut short"
    return "decoded"


def _part_outcome(case: Case, data: bytes) -> str:
    """The same for a part of the frame, which need not have what was cut off."""
    assert case.part is not None
    reduce, region = case.part
    wanted = decode_frame(case.frame, case.syntax, case.format, reduce=reduce, region=region)
    try:
        found = decode_frame(data, case.syntax, case.format, reduce=reduce, region=region)
    except CodecError:
        return "refused"
    except BaseException as error:
        return f"raised {error!r}"
    return "decoded" if (found.shape, found.dtype) == (wanted.shape, wanted.dtype) else f"gave {found.shape}"


def _child(path: str) -> None:
    cases, start, stop = pickle.loads(Path(path).read_bytes())
    for case in cases:
        decode_frame(case.frame, case.syntax, case.format)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if "PACSKIT_NATIVE" not in os.environ:  # a sanitizer needs its terabytes
        room = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 4 * MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
    total = sum(stop for _ in cases)
    for number in range(start, total):
        case, index = cases[number // stop], number % stop
        kind, data = mutation(case, index)
        os.write(1, b"%d\n" % number)
        signal.setitimer(signal.ITIMER_PROF, HANG)
        begun = time.process_time()
        outcome = _outcome(case, kind, data)
        took = time.process_time() - begun
        signal.setitimer(signal.ITIMER_PROF, 0)
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
        os.write(1, f"{number}\t{took:.4f}\t{peak}\t{kind}: {outcome}\n".encode())


# -- the parent --------------------------------------------------------------------------------------------------------


def _note(report: Report, case: Case, index: int, line: str) -> None:
    _, took, peak, text = line.split("\t")
    kind, _, outcome = text.partition(": ")
    report.outcomes[outcome if outcome in {"refused", "decoded"} else "wrong"] += 1
    report.slowest = max(report.slowest, float(took))
    report.peak = max(report.peak, int(peak))
    if outcome not in {"refused", "decoded"}:
        report.findings.append(f"{case.name} {index} ({kind}): {outcome}")
    elif float(took) > 2 * CPU_SECONDS:  # it is decoded twice
        report.findings.append(f"{case.name} {index} ({kind}): {took} s of CPU time")
    elif int(peak) > MEMORY:
        report.findings.append(f"{case.name} {index} ({kind}): {int(peak) >> 20} MiB")


def mutate_and_decode(cases: Sequence[Case]) -> Report:
    """Decode mutations of each case in child processes: one, and another after each crash."""
    report = Report()
    count = max(MUTATIONS, -(-PER_CODEC // len(cases)))
    start = 0
    while start < count * len(cases):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cases"
            path.write_bytes(pickle.dumps((list(cases), start, count)))
            command = [sys.executable, "-P", "-m", "tests.fuzz.codec_mutations", str(path)]
            environment = os.environ | {"PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}{os.pathsep}{ROOT}"}
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        for line in lines:
            if "\t" in line:
                number = int(line.split("\t")[0])
                _note(report, cases[number // count], number % count, line)
        if done.returncode == 0:
            break
        if not lines:
            raise RuntimeError(f"the child did not begin: {done.stderr}")
        number = int(lines[-1].split("\t")[0])
        report.outcomes["crashed"] += 1
        report.findings.append(f"{cases[number // count].name} {number % count}: exit code {done.returncode}")
        start = number + 1
    return report


if __name__ == "__main__":
    _child(sys.argv[1])

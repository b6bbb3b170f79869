"""Search for inputs that crash, hang or fill the memory: ``python -m tests.fuzz.run [--seconds N] [target …]``.

Each target runs in a process of its own with an address space of little more than it starts with, and each
execution has a few seconds of processor time. The input of the moment lies in a file that both processes map, so
that it is there when the process is not. An input that took a way not seen before becomes a seed. What is found is
saved under ``build/fuzz`` and is run again with ``--replay FILE target``.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import mmap
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[2]
FOUND = Path(os.environ.get("PACSKIT_FUZZ_FOUND", ROOT / "build" / "fuzz"))
MAIN = ("scanner", "json", "xml", "charset")

_LONGEST: Final = 1 << 16
_KEPT: Final = 4_000
_HEAD = struct.Struct("<QQ")  # executions; length of the input
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")


@dataclass
class Report:
    """What came of a target."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    kept: int = 0
    slowest: float = 0.0  # seconds of processor time
    base: int = 0  # KiB resident before the first execution
    peak: int = 0  # KiB resident at most
    findings: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        self.executions += other.executions
        self.kept = max(self.kept, other.kept)
        self.slowest = max(self.slowest, other.slowest)
        self.base = self.base or other.base
        self.peak = max(self.peak, other.peak)
        self.findings += [one for one in other.findings if one not in self.findings]


class Window:
    """The memory that both processes see: how many executions there have been, and the input of the last."""

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            file.truncate(_HEAD.size + _LONGEST)
            self._map = mmap.mmap(file.fileno(), 0)

    def put(self, executions: int, data: bytes) -> None:
        self._map[_HEAD.size : _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._map, 0, executions, len(data))

    def get(self) -> tuple[int, bytes]:
        executions, size = _HEAD.unpack_from(self._map, 0)
        return executions, self._map[_HEAD.size : _HEAD.size + size]


def save(target: str, kind: str, data: bytes, text: str) -> str:
    """Keep an input and what was said of it; return the name of the file."""
    FOUND.mkdir(parents=True, exist_ok=True)
    name = f"{target.rpartition(':')[2]}-{kind}-{sha256(data).hexdigest()[:10]}"
    (FOUND / f"{name}.bin").write_bytes(data)
    (FOUND / f"{name}.txt").write_text(text)
    return f"{name}.bin"


# ---- the process that searches --------------------------------------------------------------------------------------


def find(name: str) -> Any:
    """A target by its name, or by ``module:attribute``."""
    module, colon, attribute = name.partition(":")
    return getattr(import_module(module), attribute) if colon else import_module("tests.fuzz.targets").TARGETS[name]


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _limit_memory(megabytes: int) -> None:
    """Let the process have so much more than it has; a sanitizer's shadow is its own affair, and it has its own."""
    if not SANITIZED:
        now = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (now + (megabytes << 20),) * 2)


def search(options: argparse.Namespace, target: Any, window: Window) -> Report:
    """Run one target until the time is over. What no PacsError accounts for is a finding; the search goes on."""
    from pacskit.core.errors import PacsError
    from tests.fuzz.mutate import mutate

    random = Random(options.seed)
    report = Report(options.targets[0])
    seeds: list[bytes] = target.seeds()
    first, seen, reasons = len(seeds), set[str](), set[str]()
    queue = list(seeds)
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)  # a traceback of all threads, then the end
    _limit_memory(options.memory)
    report.base = _resident()
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        data = (queue.pop() if queue else mutate(random, seeds, target.words, _LONGEST))[:_LONGEST]
        report.executions += 1
        window.put(report.executions, data)
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, options.hang)
        try:
            way = target.run(data)
        except PacsError as error:
            way = type(error).__name__ + re.split(r"['\"\[(0-9]", str(error), maxsplit=1)[0]
        except Exception as error:
            way = f"{type(error).__name__} {traceback.extract_tb(error.__traceback__)[-1][:2]}"
            if way not in reasons:
                reasons.add(way)
                report.findings.append(save(report.target, type(error).__name__, data, traceback.format_exc()))
        signal.setitimer(signal.ITIMER_PROF, 0)
        report.slowest = max(report.slowest, time.process_time() - began)
        if way not in seen and len(seen) < _KEPT:
            seen.add(way)
            seeds.append(data)
    report.kept, report.peak = len(seeds) - first, _resident()
    if report.peak - report.base > options.memory << 10:
        report.findings.append(f"{(report.peak - report.base) >> 10} MiB more than at the start")
    return report


# ---- the process that watches ---------------------------------------------------------------------------------------


def watch(options: argparse.Namespace, target: str) -> Report:
    """Run a target in processes, a new one after each that dies, until the time is over."""
    report = Report(target)
    began = time.monotonic()
    seed = options.seed
    while (left := options.seconds - (time.monotonic() - began)) > 0.5 or not report.executions:
        report.add(_one_process(options, target, left, seed))
        seed += 1
        if len(report.findings) > 20:
            break
    report.seconds = time.monotonic() - began
    return report


def _one_process(options: argparse.Namespace, target: str, seconds: float, seed: int) -> Report:
    with tempfile.NamedTemporaryFile() as shared:
        window = Window(shared.name)
        command = [
            sys.executable, "-P", "-m", "tests.fuzz.run", "--window", shared.name, "--seconds", str(seconds), "--seed",
            str(seed), "--memory", str(options.memory), "--hang", str(options.hang), target,
        ]  # fmt: skip
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
        if SANITIZED:
            budget = f":quarantine_size_mb=16:hard_rss_limit_mb={1024 + options.memory}:max_allocation_size_mb=1024"
            environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + budget
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace", check=False,
                timeout=seconds + 60 + 20 * options.hang,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            code, out, said = "stuck", "", str(error)
        else:
            code, out, said = str(done.returncode), done.stdout, done.stderr
        if code == "0":
            return Report(**json.loads(out))
        executions, data = window.get()
        if not executions:
            raise SystemExit(f"{target} does not start: {said}")
        kind = {str(-signal.SIGPROF): "hang", "stuck": "hang"}.get(code, "crash")
        return Report(target, executions, findings=[save(target, kind, data, f"exit code {code}\n{said}")])


def line(report: Report) -> str:
    rate = report.executions / max(report.seconds, 0.001)
    return (
        f"{report.target:9} {report.executions:11,} executions in {report.seconds:5.0f} s, {rate:7,.0f}/s, "
        f"{report.kept:5} kept, slowest {report.slowest * 1000:7.1f} ms, "
        f"memory {report.base >> 10} MiB, at most {report.peak >> 10} MiB, {len(report.findings)} findings"
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=MAIN, help=f"(default: {' '.join(MAIN)}; dicomdir, pdu too)")
    parser.add_argument("--seconds", type=float, default=600, help="for each target (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time (default: %(default)s)")
    parser.add_argument("--memory", type=int, default=256, help="MiB beyond those at the start (default: %(default)s)")
    parser.add_argument("--hang", type=float, default=5, help="seconds of processor time (default: %(default)s)")
    parser.add_argument("--replay", metavar="FILE", type=Path, help="run this input alone, outside any limits")
    parser.add_argument("--window", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if options.replay:
        print(find(options.targets[0]).run(options.replay.read_bytes()))
        return 0
    if options.window:
        print(json.dumps(asdict(search(options, find(options.targets[0]), Window(options.window)))))
        return 0
    found = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for report in pool.map(lambda target: watch(options, target), options.targets):
            print(line(report), flush=True)
            for finding in report.findings:
                print(f"    {finding}", flush=True)
            found += len(report.findings)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

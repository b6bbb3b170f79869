"""What it costs to be there: idle associations, memory while a large object arrives, imports."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from asv_bench.benchmarks import inputs
from asv_bench.compare.processes import Server, archive, need, peer, storescp
from asv_bench.compare.rows import Missing, Row, Scale, Subject
from asv_bench.compare.wire import Wire

__all__ = ["ROWS", "idle"]

Begin: TypeAlias = "Callable[[], AbstractContextManager[Server]]"


_roomy = partial(archive, "--max-associations", "600")


def _cpu_seconds(pid: int) -> float:
    import psutil

    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def idle(server: Begin, associations: int, seconds: float) -> float:
    """Percent of a core that a server uses while associations are open and nothing is said."""
    need("psutil")
    with server() as found, ExitStack() as stack:
        for _ in range(associations):
            wire = Wire(found.port, found.ae)
            stack.callback(wire.abort)
            wire.echo(1)
        time.sleep(1)
        before, began = _cpu_seconds(found.pid), time.perf_counter()
        time.sleep(seconds)
        return 100 * (_cpu_seconds(found.pid) - before) / (time.perf_counter() - began)


def _resident(pid: int, line: str) -> float:
    """A line of Linux's account of a process's memory, in MB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        raise Missing("this system has no /proc") from None
    return int(status.split(f"{line}:")[1].split()[0]) * 1024 / 1e6


def _held(server: Begin, associations: int) -> float:
    """MB that a server takes for associations that are open while nothing is said."""
    with server() as found, ExitStack() as stack:
        with Wire(found.port, found.ae) as wire:
            wire.echo(10)
        before = _resident(found.pid, "VmRSS")
        for _ in range(associations):
            wire = Wire(found.port, found.ae)
            stack.callback(wire.abort)
            wire.echo(1)
        return _resident(found.pid, "VmRSS") - before


def _growth(server: Begin, size: int) -> float:
    """MB that a server's peak is over what it has when it is idle, while it receives one object of this size."""
    with server() as found:
        with Wire(found.port, found.ae) as wire:
            wire.echo(10)
        idle = _resident(found.pid, "VmRSS")
        uid, head = inputs.multiframe_head(size)
        with Wire(found.port, found.ae, sop_class=inputs.SECONDARY, syntax=inputs.EXPLICIT) as wire:
            if wire.store_zeros(uid, head, size):
                raise Missing("the object was refused")
        return _resident(found.pid, "VmHWM") - idle


_OPENED = """
import gc, sys
{prepare}
def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * {page}
few = opened(sys.argv[1])
before = resident()
dataset = opened(sys.argv[2])
print(resident() - before)
"""
_READERS = {
    "pacskit": "from pacskit.encoding import dcmread as opened",
    "pydicom": "from pydicom import dcmread as opened",
    "dicomsdl": "from dicomsdl import open as opened",
    "fastdicom": "from fastdicom import dcmread as opened",
}


@cache
def _opened(reader: str, small: Path, path: Path) -> float:
    """Memory that an opened file takes in a process that has opened another one, in sizes of the file.

    Measured once for all rounds: it is not a time.
    """
    need(reader)
    if not Path("/proc/self/statm").exists():
        raise Missing("this system has no /proc")
    code = _OPENED.format(prepare=_READERS[reader], page=os.sysconf("SC_PAGESIZE"))
    command = [sys.executable, "-c", code, str(small), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2])
    return int(done.stdout) / path.stat().st_size


def _openings(scale: Scale, stack: ExitStack) -> list[Subject]:
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="compare-")))
    paths = []
    for frames in (10, scale(2000, 12_000)):
        paths.append(folder / f"{frames}.dcm")
        data = inputs.segmentation(frames)
        paths[-1].write_bytes(inputs.part10(data, inputs.SEG_STORAGE, inputs.instance_uid(0, 9)))
    return [Subject(reader, partial(_opened, reader, *paths)) for reader in _READERS]


def _import(modules: str, times: int) -> float:
    """Milliseconds that a new interpreter takes to import and leave: the median of several."""
    for module in modules.split(", "):
        if module:
            need(module)
    code = f"import {modules}" if modules else "pass"

    def once() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
        return time.perf_counter() - began

    return 1000 * statistics.median(once() for _ in range(times))


def _import_pacskit(times: int) -> float:
    """The import, after having made sure that it brings no numpy."""
    code = "import sys, pacskit; sys.exit('numpy' in sys.modules)"
    if subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).resolve().parents[2]).returncode:
        raise Missing("`import pacskit` imports numpy")
    return _import("pacskit", times)


def _idles(scale: Scale, stack: ExitStack) -> list[Subject]:
    seconds = scale(3, 10)
    return [
        Subject("pacskit, 100 associations", lambda: idle(archive, 100, seconds)),
        Subject("pynetdicom, 8 associations", lambda: idle(partial(peer, "pynetdicom:tuned"), 8, seconds)),
    ]


def _idles_many(scale: Scale, stack: ExitStack) -> list[Subject]:
    seconds = scale(3, 10)
    return [Subject("pacskit, 500 associations", lambda: idle(_roomy, 500, seconds))]


def _memory_many(scale: Scale, stack: ExitStack) -> list[Subject]:
    return [
        Subject("pacskit, 500 associations", lambda: _held(_roomy, 500)),
        Subject("pynetdicom, 50 associations", lambda: _held(partial(peer, "pynetdicom:tuned"), 50)),
    ]


def _memory(scale: Scale, stack: ExitStack) -> list[Subject]:
    size = scale(100, 500) * 1_000_000
    return [
        Subject("pacskit", lambda: _growth(archive, size)),
        Subject("storescp", lambda: _growth(partial(storescp, tuned=True), size)),
    ]


def _imports(scale: Scale, stack: ExitStack) -> list[Subject]:
    times = scale(7, 25)
    return [
        Subject("pacskit", lambda: _import_pacskit(times)),
        Subject("the interpreter alone", lambda: _import("", times)),
        Subject("pydicom", lambda: _import("pydicom", max(3, times // 5))),
        Subject("pydicom, pynetdicom", lambda: _import("pydicom, pynetdicom", max(3, times // 5))),
    ]


ROWS = [
    Row("opened", "memory of an opened SEG of 12,000 frames, nothing touched", "x its size", _openings, below=3),
    Row("idle", "CPU of idle associations", "% of a core", _idles, below=1),
    Row("idle-many", "CPU of 500 idle associations", "% of a core", _idles_many, below=1),
    Row("idle-memory", "memory of idle associations", "MB", _memory_many, below=60),
    Row("memory", "memory over idle while a large object arrives", "MB", _memory, below=40),
    Row("import", "import in a new interpreter, wall clock", "ms", _imports, below=60),
]

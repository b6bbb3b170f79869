"""What it costs to be there: idle associations, memory while a large object arrives, imports."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TypeAlias

from asv_bench.benchmarks import inputs
from asv_bench.compare.processes import Server, archive, need, peer, storescp
from asv_bench.compare.rows import Missing, Row, Scale, Subject
from asv_bench.compare.wire import Wire

__all__ = ["ROWS"]

Begin: TypeAlias = "Callable[[], AbstractContextManager[Server]]"


def _cpu_seconds(pid: int) -> float:
    import psutil

    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _idle(server: Begin, associations: int, seconds: float) -> float:
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
        Subject("pacskit, 100 associations", lambda: _idle(archive, 100, seconds)),
        Subject("pynetdicom, 8 associations", lambda: _idle(partial(peer, "pynetdicom:tuned"), 8, seconds)),
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
    Row("idle", "CPU of idle associations", "% of a core", _idles, below=1),
    Row("memory", "memory over idle while a large object arrives", "MB", _memory, below=40),
    Row("import", "import in a new interpreter, wall clock", "ms", _imports, below=60),
]

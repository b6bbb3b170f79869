"""One of several processes that serve; started by `pacskit.facade.processes.Supervisor`, never by hand.

It reads its `Job` from standard input, says on standard output that it serves, and stops when standard input ends:
a process whose supervisor is gone does not stay behind.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import os
import pickle
import signal
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from pacskit.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pacskit.facade.archive import Archive
    from pacskit.facade.settings import ArchiveSettings

__all__ = ["ARCHIVE", "Job", "archive", "main"]

ARCHIVE = "pacskit.facade.worker:archive"
_GRACE = 1.5


@dataclass(frozen=True, slots=True)
class Job:
    """What a process does: call ``target`` (``module:function``) with ``options``; it returns what serves."""

    target: str
    options: dict[str, Any] = field(default_factory=dict)
    level: int = logging.WARNING
    """Of the log, which goes to standard error."""


def archive(*, directory: str, settings: ArchiveSettings, host: str, port: int, **options: Any) -> Archive:
    """Serve an archive beside others."""
    from pacskit.facade.archive import Archive

    made = Archive(directory, settings=settings)
    try:
        made.serve(port, host, reuse_port=True, **options)
    except BaseException:
        made.close()
        raise
    return made


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{target!r} cannot be imported: {error}") from error
    if not callable(found):
        raise ConfigurationError(f"{target!r} cannot be called")
    return found


def _serve(job: Job, report: int, told: list[float]) -> None:
    made = _load(job.target)(**job.options)
    if inspect.iscoroutinefunction(getattr(made, "start", None)):
        asyncio.run(_serve_async(made, report, told))
        return
    if hasattr(made, "start"):
        made.start()
    _say(report, serves=True)
    signal.sigwait({signal.SIGTERM})
    made.stop(told[0] if told else _GRACE)
    if hasattr(made, "close"):
        made.close()


async def _serve_async(made: Any, report: int, told: list[float]) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await made.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _say(report, serves=True)
    await ended.wait()
    await made.stop(told[0] if told else _GRACE)


def main() -> int:
    """Serve until standard input ends or SIGTERM comes."""
    # Blocked before any thread starts. An interrupt from the keyboard reaches the supervisor too, which sees to us.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    report = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what handlers print is no report
    stdin = sys.stdin.buffer
    job: Job = pickle.load(stdin)
    logging.basicConfig(
        level=job.level, format="%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s", stream=sys.stderr
    )
    told: list[float] = []
    threading.Thread(target=_await_end, args=(stdin, told), name="pacskit-supervised", daemon=True).start()
    try:
        _serve(job, report, told)
    except Exception as error:
        _say(report, error=f"{type(error).__name__}: {error}")
        return 1
    return 0


def _say(report: int, **what: Any) -> None:
    os.write(report, json.dumps(what).encode() + b"\n")


def _await_end(stdin: BinaryIO, told: list[float]) -> None:
    """Wait for the supervisor to end, or to say how much time there is and close."""
    last = stdin.read().strip()
    if last:
        told.append(float(last))
    os.kill(os.getpid(), signal.SIGTERM)

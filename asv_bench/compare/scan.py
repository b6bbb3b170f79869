"""Headers of many files, by the clock, in the page cache: threads must show what they gain."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from asv_bench.benchmarks import inputs
from asv_bench.compare.rows import Missing, Row, Scale, Subject
from pacskit.encoding.scan import scan

__all__ = ["ROWS"]

_KEYS = inputs.INDEX_KEYS
_PADDING = struct.pack("<HH2sH", 0x0077, 0x0010, b"LO", 8) + b"PADDING " + (
    struct.pack("<HH2sHI", 0x0077, 0x1000, b"OB", 0, 5000) + bytes(5000)
)  # fmt: skip


def _headers(stack: ExitStack, count: int) -> Path:
    """Files of CT images whose pixels are a hole: 10 kB of header each, a hundred different ones."""
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="compare-")))
    heads = []
    for number in range(min(count, 100)):
        whole = inputs.part10(inputs.ct_slice(number), inputs.CT_STORAGE, inputs.instance_uid(number))
        pixels = whole.rindex(b"\xe0\x7f\x10\x00")
        heads.append((whole[:pixels] + _PADDING + whole[pixels : pixels + 12], len(whole) + len(_PADDING)))
    for number in range(count):
        head, size = heads[number % len(heads)]
        place = folder / f"series{number // 200:04}"
        place.mkdir(exist_ok=True)
        with (place / f"{number:06}.dcm").open("wb") as file:
            file.write(head)
            file.truncate(size)
    return folder


def _rate(work: Callable[[], int]) -> float:
    began = time.perf_counter()
    done = work()
    return done / max(time.perf_counter() - began, 1e-9)


def _ours(folder: Path, workers: int) -> int:
    rows = scan(folder, _KEYS, workers=workers)
    return sum(row.error is None and row["SOPInstanceUID"] is not None for row in rows)


def _pydicom(paths: list[Path]) -> int:
    try:
        import pydicom
    except ImportError:
        raise Missing("pydicom is not installed") from None
    for path in paths:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_KEYS))
        for key in _KEYS:
            dataset.get(key)
    return len(paths)


def _build(workers: int, quick: int, full: int) -> Callable[[Scale, ExitStack], list[Subject]]:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        folder = _headers(stack, scale(quick, full))
        some = sorted(folder.rglob("*.dcm"))[: scale(50, 1000)]
        return [
            Subject("pacskit", lambda: _rate(lambda: _ours(folder, workers))),
            Subject("pydicom", lambda: _rate(lambda: _pydicom(some))),
        ]

    return build


ROWS = [
    Row(
        "scan-headers", "scan 10,000 headers, 2 workers", "headers/s", _build(2, 500, 10_000),
        at_least=45, against="pydicom",
    ),
    Row(
        "scan-alone", "scan 1,000 headers, one thread", "headers/s", _build(1, 200, 1000),
        at_least=25, against="pydicom",
    ),
]  # fmt: skip

"""Pixels beside pydicom's, by CPU time, and two threads beside one, by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from io import BytesIO
from typing import Any

import numpy as np

from asv_bench.benchmarks.pixels import SYNTAXES, ct_file, stack
from asv_bench.compare.parse import _cpu, _module
from asv_bench.compare.rows import Row, Scale, Subject
from pacskit.core.dataset import Dataset
from pacskit.encoding import dcmread
from pacskit.encoding.pixels import PixelReader, convert_color

__all__ = ["ROWS"]


def _each(use: Callable[[Any], object], make: Callable[[], Any], count: int) -> float:
    """Data sets a second; each is read before the clock starts and used once, as pydicom keeps what it decoded."""
    fresh = [make() for _ in range(count)]

    def work() -> int:
        for one in fresh:
            use(one)
        return count

    return _cpu(work)


def _pixel_array(scale: Scale, stack: ExitStack) -> list[Subject]:
    file = ct_file()
    pydicom = _module("pydicom")

    def ours() -> float:
        return _each(lambda ds: ds.pixel_array, lambda: dcmread(file), scale(100, 1000))

    def theirs() -> float:
        return _each(lambda ds: ds.pixel_array, lambda: pydicom.dcmread(BytesIO(file)), scale(20, 200))

    return [Subject("pacskit", ours), Subject("pydicom", theirs)]


def _bits(scale: Scale, stack: ExitStack) -> list[Subject]:
    pydicom = _module("pydicom")
    data = np.random.default_rng(1).bytes(501 * 501 * 40 // 8 + 2)
    facts = {
        "Rows": 501, "Columns": 501, "NumberOfFrames": 40, "SamplesPerPixel": 1, "BitsAllocated": 1, "BitsStored": 1,
        "HighBit": 0, "PixelRepresentation": 0, "PhotometricInterpretation": "MONOCHROME2",
    }  # fmt: skip

    def ours() -> float:
        return _each(lambda ds: ds.pixel_array, lambda: Dataset(**facts, PixelData=data), scale(3, 20))

    def make() -> Any:
        ds = pydicom.Dataset()
        ds.update(facts)
        ds.PixelData = data
        ds["PixelData"].VR = "OB"
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        return ds

    def theirs() -> float:
        return _each(lambda ds: ds.pixel_array, make, scale(3, 20))

    return [Subject("pacskit", ours), Subject("pydicom", theirs)]


def _color(scale: Scale, stack: ExitStack) -> list[Subject]:
    pixels = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), np.uint8)
    processing = _module("pydicom.pixels.processing")

    def ours() -> float:
        return _each(lambda one: convert_color(one, "YBR_FULL", "RGB"), lambda: pixels, scale(3, 20))

    def theirs() -> float:
        return _each(lambda one: processing.convert_color_space(one, "YBR_FULL", "RGB"), lambda: pixels, scale(2, 8))

    return [Subject("pacskit", ours), Subject("pydicom", theirs)]


def _threads(syntax: str) -> Callable[[Scale, ExitStack], list[Subject]]:
    def build(scale: Scale, stack_: ExitStack) -> list[Subject]:
        reader = PixelReader(stack(scale(20, 100), SYNTAXES[syntax]))
        reader.array(threads=2)

        def run(threads: int) -> Callable[[], float]:
            def work() -> float:
                best = 0.0
                for _ in range(scale(1, 3)):
                    began = time.perf_counter()
                    for _ in reader.frames(threads=threads):
                        continue
                    best = max(best, reader.number_of_frames / (time.perf_counter() - began))
                return best

            return work

        return [Subject("two threads", run(2)), Subject("one thread", run(1))]

    return build


ROWS = [
    Row("pixels", "pixel_array of a CT, 512x512, 12 of 16 bits (CPU)", "slices/s", _pixel_array, 5, "pydicom"),
    Row("bits", "40 frames of 501x501 single bits (CPU)", "objects/s", _bits, 1, "pydicom"),
    Row("color", "YBR_FULL to RGB, 1024x1024 (CPU)", "images/s", _color, 1.5, "pydicom"),
    *(
        Row(f"threads-{name}", f"100 frames of {name} by two threads (clock)", "frames/s", _threads(name), *required)
        for name, required in (("rle", ()), ("jpegll", (1.7, "one thread")), ("jpegls", (1.7, "one thread")))
    ),
]

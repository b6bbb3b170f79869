"""Images for a screen beside numpy alone, volumes beside SimpleITK with as many threads, by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from typing import Any

import numpy as np

from asv_bench.benchmarks import display
from asv_bench.compare.rows import Missing, Row, Scale, Subject
from pacskit.encoding.display import render
from pacskit.encoding.volume import Grid, Volume

__all__ = ["ROWS"]

_THREADS = 2


def _rate(work: Callable[[], object], count: int, times: int) -> float:
    """Millions of values a second; the first time is not counted."""
    work()
    began = time.perf_counter()
    for _ in range(times):
        work()
    return count * times / 1e6 / (time.perf_counter() - began)


def _numpy(pixels: Any, center: float, width: float) -> Any:
    """PS3.3 C.11.2.1.2.1 as one writes it with numpy."""
    x = pixels.astype(np.float64)
    y = ((x - (center - 0.5)) / (width - 1) + 0.5) * 255
    return np.clip(np.rint(y), 0, 255).astype(np.uint8)


def _render(scale: Scale, stack: ExitStack) -> list[Subject]:
    ds, pixels = display.mammogram()
    times = scale(2, 10)
    return [
        Subject("pacskit", lambda: _rate(lambda: render(ds, pixels=pixels), pixels.size, times)),
        Subject("numpy", lambda: _rate(lambda: _numpy(pixels, 2000, 3000), pixels.size, times)),
        Subject("pydicom", lambda: _pydicom(pixels, times)),
    ]


def _pydicom(pixels: Any, times: int) -> float:
    try:
        from pydicom import Dataset
        from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
    except ImportError:
        raise Missing("pydicom is not installed") from None
    ds = Dataset()
    ds.BitsStored, ds.PixelRepresentation, ds.PhotometricInterpretation = 12, 0, "MONOCHROME2"
    ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter, ds.WindowWidth = 1, 0, 2000, 3000

    def work() -> Any:
        return (apply_voi_lut(apply_modality_lut(pixels, ds), ds) * (255 / 4095)).astype(np.uint8)

    return _rate(work, pixels.size, times)


def _itk(volume: Volume, grid: Grid) -> Callable[[], object]:
    try:
        sitk: Any = import_module("SimpleITK")
    except ImportError:
        raise Missing("SimpleITK is not installed") from None
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.grid.origin)
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(_THREADS)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(-1000)
    resampler.SetSize(grid.shape[::-1])
    resampler.SetOutputOrigin(grid.origin)
    resampler.SetOutputSpacing(grid.spacing)
    resampler.SetOutputDirection(grid.directions.T.ravel().tolist())
    return lambda: resampler.Execute(image)


def _resample(of: Callable[[Volume], Grid]) -> Callable[[Scale, ExitStack], list[Subject]]:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        volume = display.plain_volume(scale(20, 300), scale(128, 512))
        grid = of(volume)
        count = int(np.prod(grid.shape))
        return [
            Subject("pacskit", lambda: _rate(lambda: volume.resample_to(grid, fill=-1000, threads=_THREADS), count, 1)),
            Subject("SimpleITK", lambda: _rate(_itk(volume, grid), count, 1)),
        ]

    return build


ROWS = [
    Row("render", "window and render 2048 x 2560", "Mpixel/s", _render, at_least=5, against="numpy"),
    Row(
        "mpr-oblique", "512 x 512 x 300 turned, 2 threads", "Mvoxel/s", _resample(display.oblique),
        at_least=1, against="SimpleITK",
    ),
    Row(
        "mpr-coronal", "512 x 512 x 300 to coronal slices, 2 threads", "Mvoxel/s",
        _resample(lambda volume: volume.grid.facing("coronal")), at_least=1, against="SimpleITK",
    ),
    Row(
        "mpr-sagittal", "512 x 512 x 300 to sagittal slices, 2 threads", "Mvoxel/s",
        _resample(lambda volume: volume.grid.facing("sagittal")), at_least=1, against="SimpleITK",
    ),
]  # fmt: skip

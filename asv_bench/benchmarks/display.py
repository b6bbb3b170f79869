"""Images for a screen, and volumes read between their voxels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.encoding.display import render
from pacskit.encoding.volume import Grid, Volume

from .common import PROFILE, Benchmark

__all__ = ["RenderFrame", "ResampleVolume", "mammogram", "oblique", "plain_volume", "smooth"]


def smooth(shape: tuple[int, ...], kind: Any, low: int, high: int) -> NDArray[Any]:
    """Values that change slowly, with some noise, the same on every machine."""
    axes = np.meshgrid(*[np.linspace(0, 6, size, dtype=np.float32) for size in shape], indexing="ij", sparse=True)
    wave = sum(np.sin(axis) for axis in axes) / len(shape)
    noise = np.random.default_rng(0).random(shape, dtype=np.float32) * 0.1
    return np.asarray(low + (high - low) * ((wave + 1) / 2.1 + noise) / 1.1).astype(kind)


def mammogram() -> tuple[Dataset, NDArray[Any]]:
    """2048 by 2560 pixels of 12 bits with a window."""
    ds = Dataset(
        Rows=2560, Columns=2048, BitsAllocated=16, BitsStored=12, PixelRepresentation=0, SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2", RescaleSlope=1, RescaleIntercept=0,
        WindowCenter=2000, WindowWidth=3000,
    )  # fmt: skip
    return ds, smooth((2560, 2048), np.uint16, 0, 4095)


def plain_volume(slices: int, size: int = 512) -> Volume:
    """A CT of 0.7 by 0.7 by 1 mm."""
    affine = np.diag([0.7, 0.7, 1.0, 1.0])
    return Volume(smooth((slices, size, size), np.int16, -1000, 2000), Grid((slices, size, size), affine))


def oblique(volume: Volume) -> Grid:
    """As many points, turned about two axes."""
    a, b = 0.2, 0.3
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    turn = about_z @ about_x
    middle = (np.array(volume.grid.shape[::-1]) - 1) / 2 * volume.spacing
    return Grid.build(volume.grid.center - turn @ middle, turn.T, volume.spacing, volume.grid.shape)


class RenderFrame(Benchmark):
    """A mammogram to 8 bits."""

    def setup(self) -> None:
        self.dataset, self.pixels = mammogram()
        self.floats = self.pixels[:512, :512].astype(np.float32)
        self.small = Dataset({})
        self.small.update(self.dataset)
        self.small.Rows = self.small.Columns = 512

    def time_window(self) -> None:
        render(self.dataset, pixels=self.pixels)

    def time_sigmoid_of_floats(self) -> None:
        render(self.small, pixels=self.floats)


class ResampleVolume(Benchmark):
    """A CT turned, and sliced from the front and the side."""

    params: ClassVar[list[int]] = [1, 2]
    param_names: ClassVar[list[str]] = ["threads"]

    def setup(self, threads: int) -> None:
        self.volume = plain_volume(PROFILE.scaled(300), 256)
        self.grid = oblique(self.volume)

    def time_oblique(self, threads: int) -> None:
        self.volume.resample_to(self.grid, threads=threads)

    def time_coronal(self, threads: int) -> None:
        self.volume.reformat("coronal", threads=threads)

    def time_sagittal(self, threads: int) -> None:
        self.volume.reformat("sagittal", threads=threads)

    def time_project(self, threads: int) -> None:
        self.volume.project("max")

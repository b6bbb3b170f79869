"""Pixels as arrays: native slices, frames of single bits, frames of code streams, colours."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pacskit.core.dataset import Dataset
from pacskit.encoding import dcmread
from pacskit.encoding.codecs import PixelFormat, encode_frame
from pacskit.encoding.frames import set_frames
from pacskit.encoding.pixels import PixelReader, convert_color

from . import inputs
from .common import PROFILE, Benchmark

__all__ = ["FramesOfCodeStreams", "NativePixels", "ct_file", "stack"]

RLE = "1.2.840.10008.1.2.5"
SYNTAXES = {"rle": RLE, "jpegll": "1.2.840.10008.1.2.4.70", "jpegls": "1.2.840.10008.1.2.4.80"}


def ct_file(number: int = 0) -> bytes:
    """A DICOM file of a slice of 512 x 512 pixels of 12 bits, as a scanner writes it."""
    file = bytearray(inputs.part10(inputs.ct_slice(number), inputs.CT_STORAGE, inputs.instance_uid(number)))
    cells = np.frombuffer(file, np.uint8)[-512 * 512 * 2 :].view("<u2")
    cells &= 0x0FFF
    del cells
    return bytes(file)


def smooth(frames: int, size: int = 512) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Frames of 12 bits that compress as anatomy does: waves and a little noise."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:size, 0:size] / size
    waves = 1500 + 900 * np.sin(9 * rows + 4 * columns) + 400 * np.cos(31 * columns)
    return np.stack([(waves + rng.normal(0, 12, (size, size))).astype(np.uint16) for _ in range(frames)])


def stack(frames: int, syntax: str, size: int = 512) -> Dataset:
    """A multi-frame data set of code streams; ten frames, over and over."""
    format = PixelFormat(size, size, 1, 16, 12)
    streams = [encode_frame(frame, syntax, format) for frame in smooth(min(frames, 10), size)]
    dataset = Dataset(
        Rows=size, Columns=size, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=16,
        BitsStored=12, HighBit=11, PixelRepresentation=0,
    )  # fmt: skip
    set_frames(dataset, [streams[number % len(streams)] for number in range(frames)], syntax)
    return dataset


class NativePixels(Benchmark):
    """Slices, masks and colours that need no codec."""

    def setup(self) -> None:
        self.file = ct_file()
        self.dataset = dcmread(self.file)
        rng = np.random.default_rng(1)
        facts = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0}
        size, count = 501, PROFILE.scaled(100)
        self.mask = Dataset(Rows=size, Columns=size, BitsAllocated=1, BitsStored=1, HighBit=0, **facts)
        self.mask.NumberOfFrames = count
        self.mask.PixelData = rng.bytes((size * size * count + 15) // 16 * 2)
        self.planes = Dataset(Rows=512, Columns=512, BitsAllocated=8, BitsStored=8, HighBit=7, **facts)
        self.planes.update({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 1})
        self.planes.PixelData = rng.bytes(3 * 512 * 512)
        self.rgb = self.planes.pixel_array

    def time_pixel_array(self) -> None:
        _ = self.dataset.pixel_array

    def time_read_and_pixel_array(self) -> None:
        _ = dcmread(self.file).pixel_array

    def time_single_bits(self) -> None:
        _ = self.mask.pixel_array

    def time_planes_to_pixels(self) -> None:
        _ = self.planes.pixel_array

    def time_rgb_to_ybr(self) -> None:
        convert_color(self.rgb, "RGB", "YBR_FULL")


class FramesOfCodeStreams(Benchmark):
    """A hundred compressed frames by one thread and by two."""

    params: ClassVar[list[list[object]]] = [list(SYNTAXES), [1, 2]]
    param_names: ClassVar[list[str]] = ["syntax", "threads"]

    def setup(self, syntax: str, threads: int) -> None:
        self.reader = PixelReader(stack(PROFILE.scaled(100), SYNTAXES[syntax]))

    def time_array(self, syntax: str, threads: int) -> None:
        self.reader.array(threads=threads)

    def time_frames(self, syntax: str, threads: int) -> None:
        for _ in self.reader.frames(threads=threads):
            pass

    def time_one_frame(self, syntax: str, threads: int) -> None:
        self.reader.frame(self.reader.number_of_frames - 1)

"""Files from one transfer syntax to another."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np

from pacskit.core.dataset import Dataset
from pacskit.encoding.transcoding import SYNTAX_NAMES, transcode_file

from .common import PROFILE, Benchmark
from .pictures import FORMATS, picture

__all__ = ["TranscodeFile"]


class TranscodeFile(Benchmark):
    """A multi-frame CT from native to a syntax, and back."""

    params: ClassVar[list[str]] = ["rle", "jpeg-lossless", "jpeg-ls", "j2k", "htj2k", "deflated-frame"]
    param_names: ClassVar[list[str]] = ["syntax"]

    def setup(self, syntax: str) -> None:
        format, pixels, frames = FORMATS["CT"], picture("CT"), PROFILE.scaled(20)
        self.folder = TemporaryDirectory()
        self.native, self.made = (Path(self.folder.name) / name for name in ("native.dcm", "made.dcm"))
        dataset = Dataset(
            SOPClassUID="1.2.840.10008.5.1.4.1.1.7.3", SOPInstanceUID="1.2.3", Rows=format.rows, Columns=format.columns,
            SamplesPerPixel=1, BitsAllocated=16, BitsStored=12, HighBit=11, PixelRepresentation=0,
            PhotometricInterpretation="MONOCHROME2", NumberOfFrames=frames,
        )  # fmt: skip
        dataset.add_new("PixelData", "OW", b"".join(np.roll(pixels, number, 0).tobytes() for number in range(frames)))
        dataset.save_as(self.native)
        transcode_file(self.native, self.made, SYNTAX_NAMES[syntax])

    def teardown(self, syntax: str) -> None:
        self.folder.cleanup()

    def time_compress(self, syntax: str) -> None:
        transcode_file(self.native, self.made, SYNTAX_NAMES[syntax])

    def time_decompress(self, syntax: str) -> None:
        transcode_file(self.made, self.native.with_name("back.dcm"), SYNTAX_NAMES["explicit"])

    def peakmem_compress(self, syntax: str) -> None:
        transcode_file(self.native, self.made, SYNTAX_NAMES[syntax])

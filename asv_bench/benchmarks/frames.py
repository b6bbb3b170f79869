"""Stored frames, and headers of many files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from pacskit.core.dataset import Dataset
from pacskit.encoding.frames import FrameIndex, encapsulate, set_frames
from pacskit.encoding.scan import scan

from . import inputs
from .common import PROFILE, Benchmark, seeded_bytes

RLE = "1.2.840.10008.1.2.5"


class StoredFrames(Benchmark):
    """Encapsulated frames of 500 bytes, as segmentations have by the thousand."""

    def setup(self) -> None:
        count = PROFILE.scaled(12_000)
        data = seeded_bytes(500 * count)
        self.frames = [data[at : at + 500] for at in range(0, len(data), 500)]
        self.dataset = Dataset()
        set_frames(self.dataset, self.frames, RLE)

    def time_encapsulate(self) -> None:
        encapsulate(self.frames)

    def time_last_frame(self) -> None:
        index = FrameIndex(self.dataset)
        index.frame(len(index) - 1)

    def time_every_frame(self) -> None:
        for _ in FrameIndex(self.dataset):
            pass


class ScanHeaders(Benchmark):
    """Files of whole slices in a folder."""

    params: ClassVar[list[int]] = [1, 2]
    param_names: ClassVar[list[str]] = ["workers"]

    def setup(self, workers: int) -> None:
        self.folder = TemporaryDirectory(prefix="scan-")
        slice_ = inputs.ct_slice()
        for number in range(PROFILE.scaled(1000)):
            head = inputs.part10(slice_, inputs.CT_STORAGE, inputs.instance_uid(number))[:16384]
            (Path(self.folder.name) / f"{number}.dcm").write_bytes(head)

    def teardown(self, workers: int) -> None:
        self.folder.cleanup()

    def time_index_keys(self, workers: int) -> None:
        for _ in scan(self.folder.name, inputs.INDEX_KEYS, workers=workers):
            pass

"""Data sets: opening, touching every value, writing."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, ClassVar

from pacskit.core.dataset import Dataset
from pacskit.encoding import dcmread, decode, encode, transcode

from . import inputs
from .common import PROFILE, Benchmark

Inputs = dict[str, tuple[str, bytes]]


def touch(dataset: Iterable[Any]) -> int:
    """Make the value of every element at every depth."""
    count = 0
    for element in dataset:
        value = element.value
        count += 1
        if element.VR == "SQ":
            for item in value:
                count += touch(item)
    return count


def _objects() -> Inputs:
    frames, items = PROFILE.scaled(1000), PROFILE.scaled(5000)
    return {
        "ct": (inputs.EXPLICIT, inputs.ct_slice()),
        "ct implicit": (inputs.IMPLICIT, inputs.ct_slice(implicit=True)),
        "enhanced mr": (inputs.EXPLICIT, inputs.enhanced_mr(frames)),
        "enhanced mr implicit": (inputs.IMPLICIT, inputs.enhanced_mr(frames, implicit=True)),
        "sr": (inputs.EXPLICIT, inputs.sr_tree(items)),
    }


class ReadHeader(Benchmark):
    """A slice's file, up to its pixels."""

    def setup_cache(self) -> bytes:
        return inputs.part10(inputs.ct_slice(), inputs.CT_STORAGE, inputs.instance_uid(0))

    def time_open(self, file: bytes) -> None:
        dcmread(file, stop_before_pixels=True)

    def time_index_keys(self, file: bytes) -> None:
        dataset = dcmread(file, stop_before_pixels=True)
        for keyword in inputs.INDEX_KEYS:
            dataset.get(keyword)

    def time_every_value(self, file: bytes) -> None:
        touch(dcmread(file, stop_before_pixels=True))


class _Kinds(Benchmark):
    """Data sets of several kinds."""

    params: ClassVar[list[str]] = ["ct", "ct implicit", "enhanced mr", "enhanced mr implicit", "sr"]
    param_names: ClassVar[list[str]] = ["kind"]

    def setup_cache(self) -> Inputs:
        return _objects()

    def setup(self, objects: Inputs, kind: str) -> None:
        self.syntax, self.data = objects[kind]


class ReadWhole(_Kinds):
    """Whole data sets."""

    def time_scan(self, objects: Inputs, kind: str) -> None:
        decode(self.data, self.syntax)

    def time_every_value(self, objects: Inputs, kind: str) -> None:
        touch(decode(self.data, self.syntax))

    def peakmem_every_value(self, objects: Inputs, kind: str) -> None:
        touch(decode(self.data, self.syntax))


class WriteDataset(_Kinds):
    """Data sets that were read, back to bytes."""

    def setup(self, objects: Inputs, kind: str) -> None:
        super().setup(objects, kind)
        self.unchanged = decode(self.data, self.syntax)
        self.changed = decode(self.data, self.syntax)
        self.changed.PatientID = "changed"
        self.other = inputs.EXPLICIT if self.syntax == inputs.IMPLICIT else inputs.IMPLICIT

    def time_unchanged(self, objects: Inputs, kind: str) -> None:
        encode(self.unchanged, self.syntax)

    def time_one_element_changed(self, objects: Inputs, kind: str) -> None:
        encode(self.changed, self.syntax)

    def time_transcode(self, objects: Inputs, kind: str) -> None:
        transcode(self.data, self.syntax, self.other)


class Segmentation(Benchmark):
    """Many frames whose sequences have undefined lengths."""

    def setup_cache(self) -> bytes:
        return inputs.segmentation(PROFILE.scaled(12_000))

    def time_open(self, data: bytes) -> None:
        decode(data)

    def time_open_and_walk(self, data: bytes) -> None:
        touch(decode(data))

    def peakmem_open(self, data: bytes) -> None:
        decode(data)


class Contours(Benchmark):
    """Decimal strings to arrays."""

    def setup_cache(self) -> bytes:
        return inputs.structure_set(PROFILE.scaled(500))

    def time_arrays(self, data: bytes) -> None:
        for region in decode(data, inputs.IMPLICIT).ROIContourSequence:
            for contour in region.ContourSequence:
                contour.array("ContourData")


class ByteOrder(Benchmark):
    """Pixels from little to big endian."""

    def setup_cache(self) -> bytes:
        return inputs.big_words(PROFILE.scaled(200) * 1_000_000)

    def time_little_to_big(self, data: bytes) -> None:
        transcode(data, inputs.EXPLICIT, inputs.BIG)


class MakeAndCopy(Benchmark):
    """Data sets that are made, changed inside, and copied."""

    def setup_cache(self) -> tuple[bytes, bytes]:
        return inputs.ct_slice(pixels=0), inputs.enhanced_mr(PROFILE.scaled(1000))

    def setup(self, data: tuple[bytes, bytes]) -> None:
        self.header, self.frames = decode(data[0]), decode(data[1])

    def time_identifier(self, data: tuple[bytes, bytes]) -> None:
        made = Dataset(QueryRetrieveLevel="STUDY", PatientName="DOE*", StudyDate="20240101-", StudyInstanceUID="")
        encode(made, inputs.IMPLICIT)

    def time_deep_copy(self, data: tuple[bytes, bytes]) -> None:
        copy.deepcopy(self.header)

    def time_change_inside(self, data: tuple[bytes, bytes]) -> None:
        self.frames.PerFrameFunctionalGroupsSequence[0].FrameContentSequence[0].StackID = "2"
        encode(self.frames, inputs.EXPLICIT)

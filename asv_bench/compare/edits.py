"""Data sets that are changed, converted, made and copied, by CPU time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from typing import Any

from asv_bench.benchmarks import inputs
from asv_bench.compare.parse import _cpu, _module, pydicom_bytes
from asv_bench.compare.rows import Row, Scale, Subject
from pacskit.core.dataset import Dataset
from pacskit.encoding import dcmread, encode, transcode

__all__ = ["ROWS"]

_IDENTIFIER = {
    "QueryRetrieveLevel": "STUDY",
    "PatientName": "DOE*",
    "PatientID": "",
    "PatientBirthDate": "",
    "PatientSex": "",
    "StudyInstanceUID": "",
    "StudyDate": "20240101-20240331",
    "StudyTime": "",
    "AccessionNumber": "",
    "StudyID": "",
    "StudyDescription": "",
    "ModalitiesInStudy": ["CT", "MR"],
    "ReferringPhysicianName": "",
    "NumberOfStudyRelatedSeries": None,
    "NumberOfStudyRelatedInstances": None,
    "InstanceAvailability": "",
}


def _repeated(work: Callable[[], object], times: int) -> float:
    def all_of_them() -> int:
        for _ in range(times):
            work()
        return times

    return _cpu(all_of_them)


def _mr_file(frames: int, implicit: bool = False) -> bytes:
    syntax = inputs.IMPLICIT if implicit else inputs.EXPLICIT
    data = inputs.enhanced_mr(frames, implicit=implicit)
    return inputs.part10(data, inputs.MR_STORAGE, inputs.instance_uid(0, 6), syntax)


def _change(dataset: Any, frame: int) -> None:
    """A value of the data set, and one of an item of an item of it."""
    dataset.PatientID = "CHANGED"
    groups = dataset.PerFrameFunctionalGroupsSequence[frame]
    groups.FrameContentSequence[0].StackID = "2"


def _rewrite(scale: Scale, stack: ExitStack) -> list[Subject]:
    frames = scale(60, 500)
    file = _mr_file(frames)
    size = len(file) / 1e6

    def ours() -> float:
        dataset = dcmread(file)

        def work() -> None:
            _change(dataset, frames // 2)
            encode(dataset, inputs.EXPLICIT)

        work()
        return size * _repeated(work, scale(20, 100))

    def theirs() -> float:
        dataset = _module("pydicom").dcmread(BytesIO(file))

        def work() -> None:
            _change(dataset, frames // 2)
            pydicom_bytes(dataset, implicit=False)

        work()  # the first one decodes what has been read
        return size * _repeated(work, 1)

    return [Subject("pacskit", ours), Subject("pydicom", theirs)]


def _convert(implicit: bool, scale: Scale, stack: ExitStack) -> list[Subject]:
    """From implicit VR, or to it; pydicom reads and writes."""
    frames = scale(60, 300)
    file = _mr_file(frames, implicit)
    data = inputs.enhanced_mr(frames, implicit=implicit)
    size = len(data) / 1e6
    source, target = (inputs.IMPLICIT, inputs.EXPLICIT) if implicit else (inputs.EXPLICIT, inputs.IMPLICIT)

    def theirs() -> float:
        read = _module("pydicom").dcmread
        return size * _repeated(lambda: pydicom_bytes(read(BytesIO(file)), implicit=not implicit), 1)

    return [
        Subject("pacskit", lambda: size * _repeated(lambda: transcode(data, source, target), scale(10, 40))),
        Subject("pydicom", theirs),
    ]


def _swap(scale: Scale, stack: ExitStack) -> list[Subject]:
    """Into new bytes; numpy turns what there is, or makes a new array."""
    size = scale(50, 500) * 1_000_000
    data = inputs.big_words(size)
    words = _module("numpy").frombuffer(bytearray(data[-size:]), "u2")

    def rate(work: Callable[[], object]) -> float:
        return size / 1e6 * _repeated(work, 1)

    return [
        Subject("pacskit", lambda: rate(lambda: transcode(data, inputs.EXPLICIT, inputs.BIG))),
        Subject("numpy, in place", lambda: rate(lambda: words.byteswap(inplace=True))),
        Subject("numpy, a new array", lambda: rate(words.byteswap)),
    ]


def _identifier(scale: Scale, stack: ExitStack) -> list[Subject]:
    def made(dataset: Any) -> Any:
        for keyword, value in _IDENTIFIER.items():
            setattr(dataset, keyword, value)
        return dataset

    def theirs() -> float:
        dataset_class = _module("pydicom").Dataset
        return _repeated(lambda: pydicom_bytes(made(dataset_class()), implicit=True), scale(50, 200))

    return [
        Subject("pacskit", lambda: _repeated(lambda: encode(made(Dataset()), inputs.IMPLICIT), scale(500, 5000))),
        Subject("pydicom", theirs),
    ]


def _copies(scale: Scale, stack: ExitStack) -> list[Subject]:
    file = inputs.part10(inputs.ct_slice(), inputs.CT_STORAGE, inputs.instance_uid(0))

    def ours(prepare: Callable[[Dataset], object]) -> float:
        dataset = dcmread(file, stop_before_pixels=True)
        prepare(dataset)
        return _repeated(lambda: copy.deepcopy(dataset), scale(500, 5000))

    def changed(dataset: Dataset) -> None:
        dataset.PatientID = "CHANGED"
        dataset.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"

    def theirs() -> float:
        dataset = _module("pydicom").dcmread(BytesIO(file), stop_before_pixels=True)
        return _repeated(lambda: copy.deepcopy(dataset), scale(10, 40))

    return [
        Subject("pacskit", lambda: ours(lambda dataset: None)),
        Subject("pydicom", theirs),
        Subject("pacskit, with changes", lambda: ours(changed)),
    ]


ROWS = [
    Row("rewrite", "enhanced MR with two changed values to bytes (CPU)", "MB/s", _rewrite, 60, "pydicom",
        known="DCMTK's C++: 43x"),
    Row("to-implicit", "enhanced MR, explicit to implicit VR (CPU)", "MB/s", partial(_convert, False), 150, "pydicom",
        known="DCMTK's C++: 38x"),
    Row("to-explicit", "enhanced MR, implicit to explicit VR (CPU)", "MB/s", partial(_convert, True), 150, "pydicom",
        known="DCMTK's C++: 30x"),
    Row("swap", "500 MB of 16-bit words, little to big endian (CPU)", "MB/s", _swap, 0.9, "numpy, in place"),
    Row("identifier", "make a C-FIND identifier of 16 keys and encode it (CPU)", "sets/s", _identifier, 10, "pydicom"),
    Row("copy", "deep copy of the header of a CT (CPU)", "headers/s", _copies, 50, "pydicom"),
]  # fmt: skip

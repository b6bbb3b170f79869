"""Data sets to and from JSON and XML, by CPU time. The data sets are opened before the clock starts, and used once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from asv_bench.benchmarks import inputs
from asv_bench.compare.parse import _cpu, _module
from asv_bench.compare.rows import Row, Scale, Subject
from pacskit.core.dataset import Dataset
from pacskit.encoding import dcmread

__all__ = ["ROWS"]


def _file() -> bytes:
    return inputs.part10(inputs.ct_slice(), inputs.CT_STORAGE, inputs.instance_uid(0))


def _each(use: Callable[[Any], object], make: Callable[[], Any], count: int) -> float:
    """Pieces a second; every one is fresh, as those that were used before know their values."""
    fresh = [make() for _ in range(count)]

    def work() -> int:
        for one in fresh:
            use(one)
        return count

    return _cpu(work)


def _header(file: bytes) -> Callable[[], Any]:
    from io import BytesIO

    pydicom = _module("pydicom")
    return lambda: pydicom.dcmread(BytesIO(file), stop_before_pixels=True)


def _to_json(scale: Scale, stack: ExitStack) -> list[Subject]:
    file = _file()

    def ours() -> float:
        return _each(lambda ds: ds.to_json(), lambda: dcmread(file, stop_before_pixels=True), scale(500, 5000))

    def changed() -> float:
        def make() -> Dataset:
            ds = dcmread(file, stop_before_pixels=True)
            ds.PatientID = "changed"
            return ds

        return _each(lambda ds: ds.to_json(), make, scale(500, 5000))

    def theirs() -> float:
        return _each(lambda ds: ds.to_json(), _header(file), scale(20, 100))

    return [Subject("pacskit", ours), Subject("pydicom", theirs), Subject("pacskit, one value changed", changed)]


def _from_json(scale: Scale, stack: ExitStack) -> list[Subject]:
    text = dcmread(_file(), stop_before_pixels=True).to_json()

    def ours() -> float:
        return _each(Dataset.from_json, lambda: text, scale(100, 1000))

    def theirs() -> float:
        return _each(_module("pydicom").Dataset.from_json, lambda: text, scale(20, 100))

    return [Subject("pacskit", ours), Subject("pydicom", theirs)]


def _xml(scale: Scale, stack: ExitStack) -> list[Subject]:
    file = _file()
    text = dcmread(file, stop_before_pixels=True).to_xml()

    def write() -> float:
        return _each(lambda ds: ds.to_xml(), lambda: dcmread(file, stop_before_pixels=True), scale(100, 1000))

    def read() -> float:
        return _each(Dataset.from_xml, lambda: text, scale(100, 1000))

    return [Subject("pacskit", write), Subject("pacskit, reading", read)]


ROWS = [
    Row("json", "header of a CT to JSON (CPU)", "headers/s", _to_json, 15, "pydicom"),
    Row("fromjson", "header of a CT from JSON (CPU)", "headers/s", _from_json),
    Row("xml", "header of a CT to Native XML, and back (CPU)", "headers/s", _xml),
]

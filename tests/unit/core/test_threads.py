"""Many threads and processes over one data set: what each reads is what one alone reads."""

from __future__ import annotations

import copy
import gc
import io
import multiprocessing
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import pacskit.compat.pydicom
from pacskit import Dataset, dcmread, dcmwrite
from pacskit.encoding.frames import FrameIndex

THREADS = 8


@pytest.fixture(autouse=True)
def threads_take_turns_often() -> Iterator[None]:
    """Python code runs, and so lets other threads run, wherever an object is made that the collector knows."""
    before, limits = sys.getswitchinterval(), gc.get_threshold()

    def collected(phase: str, info: dict[str, int]) -> None:
        del phase, info

    sys.setswitchinterval(1e-6)
    gc.set_threshold(20, 1000, 1000)
    gc.callbacks.append(collected)
    yield
    gc.callbacks.remove(collected)
    gc.set_threshold(*limits)
    sys.setswitchinterval(before)


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What eight threads that start together return."""
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def report(depth: int = 4) -> Dataset:
    """A tree of items with text, numbers, private attributes and names in a character set of their own."""
    ds = Dataset(
        SpecificCharacterSet="ISO_IR 192", PatientName="Jörg^Dvořák", SOPInstanceUID="1.2.3", TextValue="größer"
    )
    ds.PixelSpacing = ["0.50", "1.250"]
    ds.add_new(0x00090010, "LO", "SIEMENS CSA HEADER")
    ds.add_new(0x00091010, "OB", bytes(100))
    ds.add_new("PixelData", "OB", bytes(range(256)) * 400)
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated, ds.NumberOfFrames = 8, 400
    if depth:
        ds.ContentSequence = [report(depth - 1) for _ in range(3)]
    return ds


def data() -> bytes:
    out = io.BytesIO()
    dcmwrite(out, report(), transfer_syntax="1.2.840.10008.1.2")
    return out.getvalue()


def texts(ds: Any) -> list[str]:
    """Every element of a data set at every depth, decoded and printed."""
    return [f"{element.tag} {element.VR} {element.value!r:.60}" for element in ds.iterall()]


@pytest.mark.parametrize("read", [dcmread, lambda data: pacskit.compat.pydicom.dcmread(io.BytesIO(data))])
def test_one_data_set_is_read_by_many_threads(read: Callable[[bytes], Any]) -> None:
    source = data()
    expected = texts(read(source))
    for _ in range(5):
        shared = read(source)
        assert at_once(lambda _, shared=shared: texts(shared)) == [expected] * THREADS  # type: ignore[misc]


def test_every_reading_form_at_once() -> None:
    source = data()
    alone = dcmread(source)
    forms: list[Callable[[Any], Any]] = [
        lambda ds: ds.to_json(), str, lambda ds: len(ds.to_xml()), lambda ds: ds.walk(lambda *_: None),
        lambda ds: [path for path, _ in ds.find("TextValue")], lambda ds: ds.array("PixelSpacing").tolist(),
        lambda ds: FrameIndex(ds).frame(399), lambda ds: ds == alone,
    ]  # fmt: skip
    expected = [form(dcmread(source)) for form in forms]
    for _ in range(3):
        shared = dcmread(source)
        assert at_once(lambda number: forms[number](shared)) == expected  # noqa: B023


def test_copies_are_made_and_changed_at_once() -> None:
    source = data()
    shared = dcmread(source)
    expected = texts(dcmread(source))

    def change(number: int) -> tuple[Any, ...]:
        twin = copy.deepcopy(shared)
        twin.PatientID = str(number)
        twin.ContentSequence[number % 3].TextValue = f"changed {number}"
        out = io.BytesIO()
        dcmwrite(out, twin)
        again = dcmread(out.getvalue())
        return again.PatientID, [item.TextValue for item in again.ContentSequence]

    for number, (patient_id, values) in enumerate(at_once(change)):
        assert patient_id == str(number)
        assert values == [f"changed {number}" if n == number % 3 else "größer" for n in range(3)]
    assert texts(shared) == expected
    assert not shared.is_modified


def test_deferred_values_are_fetched_by_many_threads(tmp_path: Any) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(data())
    shared = dcmread(path, defer_size=1000)
    assert at_once(lambda _: hash(shared.PixelData)) == [hash(report().PixelData)] * THREADS
    with path.open("rb") as file:
        turns = dcmread(file, defer_size=1000)
        assert at_once(lambda number: FrameIndex(turns).frame(number)) == [
            FrameIndex(turns).frame(number) for number in range(THREADS)
        ]


def measure(ds: Dataset) -> tuple[list[str], bytes]:
    """What a worker process finds, and the data set that it changed."""
    found = texts(ds)
    ds.PatientID = "worker"
    return found, pickle.dumps(ds)


def test_data_sets_go_to_worker_processes_and_back(tmp_path: Any) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(data())
    whole, late = dcmread(path), dcmread(path, defer_size=1000)
    changed = dcmread(path)
    changed.StudyDescription = "changed"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(measure, [whole, late, changed])
    for (seen, back), sent in zip(found, (whole, late, changed), strict=True):
        assert seen == texts(sent)
        again = pickle.loads(back)
        assert again.PatientID == "worker"
        del again.PatientID
        assert texts(again) == texts(sent)

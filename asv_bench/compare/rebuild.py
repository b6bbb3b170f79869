"""The index made anew from the objects, and what pydicom takes to read their headers alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from asv_bench.compare.processes import folder
from asv_bench.compare.rows import Row, Scale, Subject

__all__ = ["ROWS"]

_EXPLICIT = "1.2.840.10008.1.2.1"
_A_STUDY = 500  # instances


def _filled(directory: Path, count: int, pixels: int) -> None:
    from pacskit.core.dataset import Dataset
    from pacskit.encoding import encode
    from pacskit.storage import Store

    made = Dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.2", PatientName="Doe^Jane", StudyDate="20260101", Modality="CT")
    if pixels:
        made.add_new(0x7FE00010, "OW", bytes(pixels))
    else:
        made.ImageComments = "x" * 600
    with Store(directory, commit="os", digest=False) as store:
        for number in range(count):
            made.StudyInstanceUID = study = f"1.2.3.{number // _A_STUDY}"
            made.SeriesInstanceUID = f"{study}.{number // 100}"
            made.SOPInstanceUID, made.PatientID = f"{study}.{number}", study
            ingest = store.begin(made.SOPClassUID, made.SOPInstanceUID, _EXPLICIT)
            ingest.write(encode(made, _EXPLICIT))
            ingest.secure()


def _rebuilt(directory: Path, count: int) -> float:
    from pacskit.storage.rebuild import Rebuild

    began = time.perf_counter()
    report = Rebuild(directory, restart=True).run()
    if report.indexed != count:
        raise RuntimeError(f"{report.indexed} of {count} objects are in the index")
    return (time.perf_counter() - began) / count * 1e6


def _read(directory: Path, count: int) -> float:
    import pydicom

    began = time.perf_counter()
    for path in (directory / "objects").rglob("*.dcm"):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            dataset.get(keyword)
    return (time.perf_counter() - began) / count * 1e6


def _rows(pixels: int) -> Callable[[Scale, ExitStack], list[Subject]]:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        count, directory = scale(1000, 10_000), Path(stack.enter_context(folder()))
        _filled(directory, count, pixels)
        return [
            Subject("pacskit rebuild, digests too", partial(_rebuilt, directory, count)),
            Subject("pydicom, headers alone", partial(_read, directory, count)),
        ]

    return build


ROWS = [
    Row("rebuild", "The index anew, 39 kB objects", "µs", _rows(38_000), below=333.0),
    Row("rebuild-small", "The index anew, 1 kB objects", "µs", _rows(0), below=333.0),
]

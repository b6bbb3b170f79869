"""Reading and writing data sets, by CPU time, files in the page cache."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asv_bench.benchmarks import inputs
from asv_bench.compare.rows import Missing, Row, Scale, Subject
from pacskit.encoding import dcmread, encode

__all__ = ["ROWS"]


def _cpu(work: Callable[[], int]) -> float:
    """Pieces of work a second of CPU time; ``work`` says how many it did."""
    gc.collect()  # nobody pays for what another one left behind
    began = time.process_time()
    done = work()
    return done / max(time.process_time() - began, 1e-9)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Missing(f"{name} is not installed") from None


def _import_all() -> None:
    """Import the others before anything is timed; one that is missing says so in its turn."""
    for name in ("pydicom", "pydicom.filewriter", "dicomsdl", "fastdicom"):
        with contextlib.suppress(Missing):
            _module(name)


def _folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(TemporaryDirectory(prefix="compare-")))


def _slices(stack: ExitStack, count: int) -> list[str]:
    """Files of whole slices, different ones."""
    _import_all()
    folder = _folder(stack)
    paths = []
    for number in range(count):
        path = folder / f"{number}.dcm"
        path.write_bytes(inputs.part10(inputs.ct_slice(number), inputs.CT_STORAGE, inputs.instance_uid(number)))
        paths.append(str(path))
    return paths


# ---- touching every value -----------------------------------------------------------------------


def touch(dataset: Iterable[Any]) -> int:
    """Make the value of every element at every depth, in a loop that pacskit and pydicom share."""
    count = 0
    for element in dataset:
        value = element.value
        count += 1
        if element.VR == "SQ":
            for item in value:
                count += touch(item)
    return count


def _touch_dicomsdl(dataset: Any) -> int:
    count = 0
    for element in dataset:
        count += 1
        sequence = element.toSequence() if element.vr() == _SQ else None
        if sequence is None:
            element.value()
        else:
            for number in range(len(sequence)):
                count += _touch_dicomsdl(sequence[number])
    return count


_SQ: Any = None


def _touch_fastdicom(dataset: Any) -> int:
    count = 0
    for _, value in dataset.items():
        count += 1
        if isinstance(value, list) and value and type(value[0]) is type(dataset):
            for item in value:
                count += _touch_fastdicom(item)
    return count


def _pydicom_read(path: str, **options: Any) -> Any:
    return _module("pydicom").dcmread(path, **options)


def pydicom_bytes(dataset: Any, *, implicit: bool) -> bytes:
    """The bytes of a data set without preamble and meta, in little endian, by pydicom's writer."""
    buffer = _module("pydicom.filebase").DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    _module("pydicom.filewriter").write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())


# ---- the rows -----------------------------------------------------------------------------------


def _index(scale: Scale, stack: ExitStack) -> list[Subject]:
    files = _slices(stack, scale(20, 50))
    paths = files * (scale(400, 2000) // len(files))

    def keys(read: Callable[[str], Any], get: Callable[[Any, str], Any], paths: list[str]) -> int:
        for path in paths:
            dataset = read(path)
            for keyword in inputs.INDEX_KEYS:
                get(dataset, keyword)
        return len(paths)

    def by_get(dataset: Any, keyword: str) -> Any:
        return dataset.get(keyword)

    def dicomsdl() -> float:
        sdl = _module("dicomsdl")
        return _cpu(lambda: keys(sdl.open, getattr, paths))

    def fastdicom() -> float:
        fast = _module("fastdicom")
        return _cpu(lambda: keys(partial(fast.dcmread, stop_before_pixels=True), by_get, paths))

    ours = partial(dcmread, stop_before_pixels=True)
    theirs = partial(_pydicom_read, stop_before_pixels=True)
    chosen = partial(dcmread, specific_tags=inputs.INDEX_KEYS)
    chosen_theirs = partial(_pydicom_read, stop_before_pixels=True, specific_tags=list(inputs.INDEX_KEYS))
    return [
        Subject("pacskit", lambda: _cpu(lambda: keys(ours, by_get, paths))),
        Subject("pydicom", lambda: _cpu(lambda: keys(theirs, by_get, paths))),
        Subject("pydicom, specific_tags", lambda: _cpu(lambda: keys(chosen_theirs, by_get, paths))),
        Subject("pacskit, specific_tags", lambda: _cpu(lambda: keys(chosen, by_get, paths))),
        Subject("dicomsdl (C++)", dicomsdl),
        Subject("fastdicom (Rust)", fastdicom),
    ]


def _touching(paths: list[str], options: dict[str, Any], count: int) -> list[Subject]:
    """Subjects that open each file and touch all; pydicom and the others do fewer, and are as exact."""
    _import_all()
    many = (paths * count)[:count]
    few = many[: max(1, count // 5)]

    def every(read: Callable[..., Any], visit: Callable[[Any], int], paths: list[str], **options: Any) -> float:
        return _cpu(lambda: sum(visit(read(path, **options)) for path in paths) and len(paths))

    def dicomsdl() -> float:
        global _SQ  # noqa: PLW0603 - the enumeration of a module that may be absent
        sdl = _module("dicomsdl")
        _SQ = sdl.VR.SQ
        return every(sdl.open, _touch_dicomsdl, few)

    def fastdicom() -> float:
        return every(_module("fastdicom").dcmread, _touch_fastdicom, few, **options)

    return [
        Subject("pacskit", lambda: every(dcmread, touch, many, **options)),
        Subject("pydicom", lambda: every(_pydicom_read, touch, few, **options)),
        Subject("dicomsdl (C++)", dicomsdl),
        Subject("fastdicom (Rust)", fastdicom),
    ]


def _touch_header(scale: Scale, stack: ExitStack) -> list[Subject]:
    return _touching(_slices(stack, 10), {"stop_before_pixels": True}, scale(200, 1000))


def _touch_whole(scale: Scale, stack: ExitStack) -> list[Subject]:
    return _touching(_slices(stack, 10), {}, scale(200, 1000))


def _enhanced(implicit: bool, scale: Scale, stack: ExitStack) -> list[Subject]:
    path = _folder(stack) / "mr.dcm"
    data = inputs.enhanced_mr(scale(100, 500), implicit=implicit)
    syntax = inputs.IMPLICIT if implicit else inputs.EXPLICIT
    path.write_bytes(inputs.part10(data, inputs.MR_STORAGE, inputs.instance_uid(0, 6), syntax))
    return _touching([str(path)], {}, scale(5, 5))


def _report(scale: Scale, stack: ExitStack) -> list[Subject]:
    path = _folder(stack) / "sr.dcm"
    data = inputs.sr_tree(scale(300, 3000))
    path.write_bytes(inputs.part10(data, inputs.SR_STORAGE, inputs.instance_uid(0, 7)))
    return _touching([str(path)], {}, scale(5, 5))


def _write(scale: Scale, stack: ExitStack) -> list[Subject]:
    paths = _slices(stack, scale(5, 20))
    size = sum(Path(path).stat().st_size for path in paths) / 1e6

    def repeated(write: Callable[[Any], object], datasets: list[Any], times: int) -> float:
        def work() -> int:
            for _ in range(times):
                for dataset in datasets:
                    write(dataset)
            return times

        return size * _cpu(work)

    ours = [dcmread(path) for path in paths]

    def pacskit() -> float:
        return repeated(lambda dataset: encode(dataset, inputs.EXPLICIT), ours, scale(20, 60))

    def pydicom() -> float:
        return repeated(partial(pydicom_bytes, implicit=False), [_pydicom_read(path) for path in paths], 2)

    def pydicom_file() -> float:
        return repeated(lambda dataset: dataset.save_as(io.BytesIO()), [_pydicom_read(path) for path in paths], 2)

    def dicomsdl() -> float:
        sdl = _module("dicomsdl")
        return repeated(lambda dataset: dataset.saveToMemory(), [sdl.open(path) for path in paths], 10)

    return [
        Subject("pacskit", pacskit),
        Subject("pydicom", pydicom),
        Subject("pydicom, save_as", pydicom_file),
        Subject("dicomsdl (C++)", dicomsdl),
    ]


def _segments(scale: Scale, stack: ExitStack) -> list[Subject]:
    _import_all()
    frames = scale(300, 12_000)
    path = str(_folder(stack) / "seg.dcm")
    Path(path).write_bytes(inputs.part10(inputs.segmentation(frames), inputs.SEG_STORAGE, inputs.instance_uid(0, 9)))

    def rate(read: Callable[[str], Any], visit: Callable[[Any], int]) -> float:
        return frames * _cpu(lambda: 1 if visit(read(path)) else 0)

    def dicomsdl() -> float:
        global _SQ  # noqa: PLW0603 - the enumeration of a module that may be absent
        sdl = _module("dicomsdl")
        _SQ = sdl.VR.SQ
        return rate(sdl.open, _touch_dicomsdl)

    return [
        Subject("pacskit", lambda: rate(dcmread, touch)),
        Subject("pydicom", lambda: rate(_pydicom_read, touch)),
        Subject("dicomsdl (C++)", dicomsdl),
    ]


def _contours(scale: Scale, stack: ExitStack) -> list[Subject]:
    """Numbers a second of the contours of a structure set, opened and made arrays; pydicom gets fewer contours."""
    _import_all()
    numpy, folder, points = _module("numpy"), _folder(stack), 900
    contours, fewer = scale(50, 500), scale(20, 50)

    def file(count: int) -> str:
        path = folder / f"{count}.dcm"
        data = inputs.structure_set(count, points)
        path.write_bytes(inputs.part10(data, inputs.RT_STORAGE, inputs.instance_uid(0, 10), inputs.IMPLICIT))
        return str(path)

    whole, part = file(contours), file(fewer)

    def ours() -> int:
        dataset = dcmread(whole)
        return sum(
            len(contour.array("ContourData"))
            for region in dataset.ROIContourSequence
            for contour in region.ContourSequence
        )

    def pydicom() -> int:
        dataset = _pydicom_read(part)
        return sum(
            len(numpy.array(contour.ContourData, dtype="f8"))
            for region in dataset.ROIContourSequence
            for contour in region.ContourSequence
        )

    def dicomsdl() -> int:
        count = 0
        regions = _module("dicomsdl").open(whole).getDataElement("ROIContourSequence").toSequence()
        for region in range(len(regions)):
            found = regions[region].getDataElement("ContourSequence").toSequence()
            for contour in range(len(found)):
                count += len(numpy.array(found[contour].getDataElement("ContourData").toDoubleVector()))
        return count

    return [
        Subject("pacskit", lambda: _cpu(ours)),
        Subject("pydicom", lambda: _cpu(pydicom)),
        Subject("dicomsdl (C++)", lambda: _cpu(dicomsdl)),
    ]


_SDL, _FAST = "dicomsdl (C++)", "fastdicom (Rust)"
ROWS = [
    Row("headers", "open 2,000 CT headers, 10 index keys each (CPU)", "files/s", _index, 25, "pydicom",
        also=((1.5, _SDL),)),
    Row("touch", "open a CT, touch every value, no pixels (CPU)", "files/s", _touch_header, 40, "pydicom",
        also=((1.3, _FAST),)),
    Row("whole", "open a CT, touch every value and the pixels' bytes (CPU)", "files/s", _touch_whole, 20, "pydicom"),
    Row("enhanced", "enhanced MR, every value, explicit VR (CPU)", "files/s", partial(_enhanced, False), 40, "pydicom",
        also=((2, _FAST),)),
    Row("implicit", "enhanced MR, every value, implicit VR (CPU)", "files/s", partial(_enhanced, True), 40, "pydicom",
        also=((2, _FAST),)),
    Row("report", "SR tree, every value (CPU)", "files/s", _report, 30, "pydicom", known="DCMTK's C++: 16x"),
    Row("segments", "SEG of 12,000 frames, opened and walked (CPU)", "frames/s", _segments, 60, "pydicom",
        also=((1, _SDL),)),
    Row("contours", "RTSTRUCT, 1.35 M decimal strings to arrays (CPU)", "numbers/s", _contours, 60, "pydicom",
        also=((3, _SDL),)),
    Row("write", "unchanged CT data set to bytes (CPU)", "MB/s", _write, 60, "pydicom", known="DCMTK's C++: 25x"),
]  # fmt: skip

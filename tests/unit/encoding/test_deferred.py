"""Values that stay where they are until they are touched: files, range sources, frames; against the ordinary reader."""

from __future__ import annotations

import copy
import gc
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.misc import size_in_bytes as their_size

from pacskit import Dataset, RangeSource, ReadOptions, SourceError, dcmread, dcmwrite
from pacskit.core.element import DeferredElement
from pacskit.core.errors import DecodeError, LimitError, PacsError, TruncatedError
from pacskit.encoding import TransferSyntax, decode
from pacskit.encoding.deferred import size_in_bytes
from pacskit.encoding.frames import FrameIndex, set_frames
from pacskit_ext._frames import parse_fragments
from tests.fuzz.run import SANITIZED

ROOT = Path(__file__).resolve().parents[3]


class Store:
    """A range source that counts what is asked of it."""

    def __init__(self, data: bytes, size: Any = ...) -> None:
        self.data = data
        self.size = len(data) if size is ... else size
        self.asked: list[tuple[int, int]] = []

    def read_at(self, offset: int, size: int) -> bytes:
        self.asked.append((offset, size))
        return self.data[offset : offset + size]

    @property
    def bytes_given(self) -> int:
        return sum(len(self.data[offset : offset + size]) for offset, size in self.asked)


def written(ds: Dataset, **options: Any) -> bytes:
    out = io.BytesIO()
    dcmwrite(out, ds, check=False, **options)
    return out.getvalue()


def image(frames: int = 1, rows: int = 256) -> Dataset:
    ds = Dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID="1.2.3", PatientName="DOE^JANE")
    ds.Rows = ds.Columns = rows
    ds.SamplesPerPixel, ds.BitsAllocated, ds.NumberOfFrames = 1, 16, frames
    ds.add_new("PixelData", "OW", b"".join(bytes([n + 1]) * (rows * rows * 2) for n in range(frames)))
    return ds


def nested(fill: int = 5000) -> Dataset:
    item = Dataset(WaveformSampleInterpretation="SS", WaveformBitsAllocated=16)
    item.add_new("WaveformData", "OW", b"\1\2" * fill)
    item.TextValue = "text " * fill
    ds = Dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.1", SOPInstanceUID="1.2.3")
    ds.WaveformSequence = [Dataset(WaveformBitsAllocated=8), item]
    ds.add_new("EncapsulatedDocument", "OB", b"%PDF" * fill)
    return ds


def deferred(ds: Dataset) -> list[DeferredElement]:
    return [element for element in ds.iterall() if isinstance(element, DeferredElement) and element.is_deferred]


# -- the same data set -------------------------------------------------------------------------------------------------


def both(path: Path, limit: int) -> tuple[Any, Any]:
    """What the two readers make of a file: its values and what it is written as, or the error."""
    found: list[Any] = []
    for options in ({}, {"defer_size": limit}):
        try:
            ds = dcmread(path, **options)  # type: ignore[arg-type]
            again = dcmread(written(ds))
            found.append(([(e.tag, str(e.VR), e.raw or e.value) for e in again if e.VR != "SQ"], again))
        except PacsError as error:
            found.append((type(error), str(error)))
    return found[0], found[1]


@pytest.mark.parametrize("limit", [64, 2048])
def test_a_file_says_the_same_whatever_is_deferred(pydicom_files: tuple[Path, ...], limit: int) -> None:
    seen = 0
    for path in pydicom_files:
        whole, late = both(path, limit)
        try:
            assert whole == late, path
        except DecodeError:  # a value that does not parse, in both
            assert whole[0] == late[0], path
        seen += isinstance(whole[1], Dataset) and bool(deferred(dcmread(path, defer_size=limit)))
    assert seen > 30


@pytest.mark.parametrize("syntax", [TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN, TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN])
def test_values_in_sequences_are_left_out_too(tmp_path: Path, syntax: str) -> None:
    path = tmp_path / "nested.dcm"
    path.write_bytes(written(nested(), transfer_syntax=syntax))
    ds = dcmread(path, defer_size="1 KB")
    assert [element.keyword for element in deferred(ds)] == ["EncapsulatedDocument", "TextValue", "WaveformData"]
    theirs = pydicom.dcmread(path)
    item = theirs.WaveformSequence[1]
    assert ds.WaveformSequence[1].WaveformData == item.WaveformData
    assert ds.WaveformSequence[1].TextValue == item.TextValue
    assert ds.EncapsulatedDocument == theirs.EncapsulatedDocument
    assert [e.offset for e in dcmread(path).iterall() if e.keyword == "WaveformData"] == [
        e.offset for e in ds.iterall() if e.keyword == "WaveformData"
    ]
    assert deferred(ds) == []


@pytest.mark.parametrize("target", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
def test_writing_streams_into_every_syntax(tmp_path: Path, target: str) -> None:
    path = tmp_path / "nested.dcm"
    path.write_bytes(written(nested()))
    late = dcmread(path, defer_size=1000)
    out = written(late, transfer_syntax=target)
    assert dcmread(out) == dcmread(written(dcmread(path), transfer_syntax=target))
    if target != "1.2.840.10008.1.2.2":  # the bytes of words have to be swapped for it
        assert len(deferred(late)) >= 2
    theirs = pydicom.dcmread(io.BytesIO(out))
    assert theirs.WaveformSequence[1].TextValue == "text " * 4999 + "text"


def test_undefined_lengths(tmp_path: Path) -> None:
    theirs = pydicom.dcmread(io.BytesIO(written(nested())))
    theirs["WaveformSequence"].is_undefined_length = True
    for item in theirs.WaveformSequence:
        item.is_undefined_length_sequence_item = True
    path = tmp_path / "undefined.dcm"
    theirs.save_as(path)
    ds = dcmread(path, defer_size=1000)
    assert ds["WaveformSequence"].is_undefined_length
    assert len(deferred(ds)) == 3
    assert dcmread(written(ds)) == dcmread(path)


def test_copies_pickles_and_changes(tmp_path: Path) -> None:
    path = tmp_path / "nested.dcm"
    path.write_bytes(written(nested()))
    ds = dcmread(path, defer_size=1000)
    twin = copy.deepcopy(ds)
    assert ds == twin
    assert len(deferred(twin)) == len(deferred(ds)) == 3
    twin.EncapsulatedDocument = b"new"
    assert twin["EncapsulatedDocument"].offset is None
    assert deferred(ds)[0].keyword == "EncapsulatedDocument"
    again = pickle.loads(pickle.dumps(ds))
    path.unlink()
    assert again == nested_as_read()
    assert str(ds["EncapsulatedDocument"].tag) in str(again)


def nested_as_read() -> Dataset:
    return dcmread(written(nested()))


@pytest.mark.parametrize(("make", "head"), [(decode, b""), (parse_fragments, b"\xfe\xff\0\xe0\0\0\0\0")])
def test_the_garbage_collector_gives_buffers_back(make: Any, head: bytes) -> None:
    data = bytearray(head)
    cycle: list[Any] = [make(data)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    data.append(0)  # BufferError while something holds it


# -- memory ------------------------------------------------------------------------------------------------------------

_CHILD = """
import resource, sys
from pacskit import dcmread, dcmwrite
def peak():
    try:  # ru_maxrss starts with that of the parent
        return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ds = dcmread(sys.argv[1], defer_size="512 KB")
assert ds.PatientName == "DOE^JANE" and ds["PixelData"].length == 500 << 20
before = peak()
dcmread(sys.argv[1], defer_size="512 KB").save_as(sys.argv[2])
print(before, peak())
"""


def test_a_file_of_500_mb_in_a_few(tmp_path: Path) -> None:
    head = image(rows=2)
    del head.PixelData
    path, out = tmp_path / "big.dcm", tmp_path / "copy.dcm"
    path.write_bytes(written(head) + b"\xe0\x7f\x10\x00OB\0\0" + (500 << 20).to_bytes(4, "little"))
    os.truncate(path, path.stat().st_size + (500 << 20))
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, path, out],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    if not SANITIZED:  # what a sanitizer puts aside is no use of ours
        assert before < 60_000
        assert after - before < 40_000
    assert out.stat().st_size == path.stat().st_size
    with path.open("rb") as one, out.open("rb") as other:
        assert one.read(4096) == other.read(4096)
    out.unlink()


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_file_that_changed_or_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(written(image()))
    ds = dcmread(path, defer_size=1000)
    place = ds["PixelData"].offset
    path.write_bytes(written(image(2)))
    for _ in range(2):
        with pytest.raises(SourceError) as caught:
            ds.PixelData  # noqa: B018
        assert (caught.value.path, caught.value.offset, caught.value.tag) == (str(path), place, 0x7FE00010)
        assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args
        path.unlink(missing_ok=True)
    assert ds.PatientName == "DOE^JANE"


def test_an_open_file_may_be_deferred_too(tmp_path: Path) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(b"before" + written(image()))
    with path.open("rb") as file:
        file.seek(6)
        ds = dcmread(file, defer_size=1000)
        kept = ds.copy()
        assert ds.PixelData == image().PixelData
    with pytest.raises(SourceError, match="closed"):
        kept.PixelData  # noqa: B018


@given(cut=st.integers(0, 40_000))
def test_a_source_that_ends_early(cut: int) -> None:
    data = written(nested())[:cut]
    for size in (len(data), None):
        try:
            expected: Any = dcmread(data)
        except DecodeError as error:
            with pytest.raises(type(error)):
                dcmread(Store(data, size), defer_size=100)
        else:
            assert dcmread(Store(data, size), defer_size=100) == expected


@given(
    data=st.data(),
    syntax=st.sampled_from(["", ".1", ".2", ".4.50"]),
    undefined=st.booleans(),
    limit=st.sampled_from([0, 8, 40]),
)
def test_damage_reads_the_same(data: st.DataObject, syntax: str, undefined: bool, limit: int) -> None:
    ds = nested(20)
    ds.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", bytes(44))
    if syntax == ".4.50":
        set_frames(ds, [b"abc" * 20, b"d" * 30], "1.2.840.10008.1.2.4.50", table="none")
    source = bytearray(written(ds, transfer_syntax=f"1.2.840.10008.1.2{syntax}"))
    if undefined and syntax != ".2":
        at = source.index(b"\x00\x54\x00\x01") + (4 if syntax == "" else 8)
        end = at + 4 + int.from_bytes(source[at : at + 4], "little")
        source[end:end] = b"\xfe\xff\xdd\xe0\0\0\0\0"
        source[at : at + 4] = b"\xff\xff\xff\xff"
    start = source.index(b"\x08\0\x16\0" if syntax != ".2" else b"\0\x08\0\x16")
    stop = source.rindex(b"\xe0\x7f\x10\0OB") if syntax == ".4.50" else len(source)  # an offset table is believed
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(start, stop - 1))
        source[at] = data.draw(st.sampled_from([0, 1, 8, 0x10, 0x42, 0x4F, 0xFE, 0xFF, source[at] ^ 1]))
    found: list[Any] = []
    for give in (bytes(source), Store(bytes(source))):
        try:
            late = dcmread(give, defer_size=limit)
            found.append([(e.tag, str(e.VR), bytes(e.raw or b"")) for e in late.iterall() if e.VR != "SQ"])
        except DecodeError as error:
            found.append(type(error))
    assert found[0] == found[1]


@pytest.mark.parametrize("size", [10**18, -1, "1", 1.5, True])
def test_a_source_that_lies_about_its_size(size: Any) -> None:
    with pytest.raises(SourceError):
        dcmread(Store(written(nested()), size)).EncapsulatedDocument  # noqa: B018


def test_a_source_that_is_shorter_than_it_says_is_cut() -> None:
    with pytest.raises(TruncatedError) as caught:
        dcmread(Store(written(image()), 2000))
    assert caught.value.tag == 0x7FE00010


def test_a_source_that_fails() -> None:
    class Failing(Store):
        def read_at(self, offset: int, size: int) -> Any:
            if offset:
                raise RuntimeError("503")
            return super().read_at(offset, size)

    class Wrong(Store):
        def read_at(self, offset: int, size: int) -> Any:
            return "text" if offset else super().read_at(offset, size)

    class Short(Store):
        def read_at(self, offset: int, size: int) -> Any:
            return super().read_at(offset, size // 2 if offset else size)

    class Long(Store):
        def read_at(self, offset: int, size: int) -> Any:
            return super().read_at(offset, size) + b"more"

    for kind in (Failing, Wrong, Short):
        ds = dcmread(kind(written(image())))
        with pytest.raises(SourceError) as caught:
            ds.PixelData  # noqa: B018
        assert caught.value.tag == 0x7FE00010
    with pytest.raises(SourceError):
        dcmread(Long(written(image())))


def test_what_is_kept_has_a_budget() -> None:
    class Endless:
        def read_at(self, offset: int, size: int) -> bytes:
            return (
                (written(Dataset(PatientID="1")) + bytes(size))[offset : offset + size] if offset == 0 else bytes(size)
            )

    with pytest.raises(LimitError):
        dcmread(Endless(), options=ReadOptions(max_kept=8 << 20))


# -- how little is read ------------------------------------------------------------------------------------------------


def test_a_header_takes_few_reads() -> None:
    store = Store(written(image(40)))
    assert isinstance(store, RangeSource)
    ds = dcmread(store)
    assert ds.NumberOfFrames == 40
    assert len(store.asked) <= 3
    assert store.bytes_given < 100_000 < len(store.data) // 50
    store.asked.clear()
    index = FrameIndex(ds)
    assert index.frame(7) == b"\x08" * 131072
    assert store.asked == [(index.spans(7)[0].offset, 131072)]
    assert ds.PixelData == image(40).PixelData


@pytest.mark.parametrize("table", ["basic", "extended", "none"])
@pytest.mark.parametrize("per_frame", [1, 3])
def test_an_encapsulated_frame_reads_its_range(table: Any, per_frame: int) -> None:
    frames = [bytes([n]) * (20_000 + 2 * n) for n in range(50)]
    ds = image(1, 4)
    set_frames(ds, frames, "1.2.840.10008.1.2.4.50", table=table, fragments_per_frame=per_frame)
    ds.add_new(0xFFFAFFFA, "SQ", [Dataset(MACIDNumber=1)])
    store = Store(written(ds))
    late = dcmread(store)
    assert late[0xFFFAFFFA].value[0].MACIDNumber == 1
    if table != "none":
        assert len(store.asked) <= 3 + per_frame
        assert store.bytes_given < 150_000
    whole = FrameIndex(dcmread(store.data), ignore_tables=False) if (table, per_frame) != ("none", 3) else None
    store.asked.clear()
    if whole is None:
        with pytest.raises(DecodeError):
            FrameIndex(late)
        return
    index = FrameIndex(late)
    assert len(index) == 50
    assert index.divided_by == whole.divided_by
    store.asked.clear()
    for n in (49, 0, 17):
        assert index.frame(n) == whole.frame(n) == frames[n]
    assert sum(size for _, size in store.asked) < 3 * 20_200
    assert index.spans(17) == whole.spans(17)
    assert index.fragment_range(2) == whole.fragment_range(2)
    assert [bytes(view) for view in index.views(3)] == [bytes(view) for view in whole.views(3)]
    assert written(late) == store.data


def test_the_pixels_are_not_asked_for_where_they_are_not_wanted() -> None:
    store = Store(written(image(40)))
    ds = dcmread(store, stop_before_pixels=True)
    assert "PixelData" not in ds
    assert len(store.asked) == 1
    ds = dcmread(store, specific_tags=["PatientName"])
    assert [element.keyword for element in ds] == ["PatientName"]


@pytest.mark.parametrize("text", ["512 KB", "1.5 MB", "2GB", "17", "3 KiB", 4096])
def test_sizes_are_pydicoms(text: Any) -> None:
    assert size_in_bytes(text) == their_size(text)
    assert size_in_bytes(float("inf")) >= 1 << 31


@pytest.mark.parametrize("text", ["", "KB", "12 parsec", "-1", "1 2"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="size in bytes"):
        size_in_bytes(text)

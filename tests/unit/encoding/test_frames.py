"""Frames as they are stored: pydicom and DCMTK see the same ones, and damaged tables say where they are wrong."""

from __future__ import annotations

import csv
import io
import struct
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import encaps
from pydicom.pixels.utils import unpack_bits

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, EncodeError, LimitError, PacsError, TruncatedError
from pacskit.encoding import dcmopen, dcmread, dcmwrite, decode, encode, transcode
from pacskit.encoding.frames import (
    FrameIndex,
    encapsulate,
    encapsulate_extended,
    frame_bytes,
    generate_fragments,
    generate_frames,
    get_frame,
    iter_frames,
    parse_basic_offsets,
    set_frames,
)
from pacskit.encoding.transfer_syntax import TransferSyntax
from tests.conftest import Dcmtk
from tests.foreign import wheel_files

JPEG = TransferSyntax.JPEG_BASELINE


def item(data: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(data)) + data


def jpeg(number: int, size: int = 30) -> bytes:
    return b"\xff\xd8\xff\xe0" + bytes([number]) * size + b"\xff\xd9"


def image(pixels: bytes, **attributes: Any) -> Dataset:
    """A data set of encapsulated pixel data that was assigned."""
    dataset = Dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID="1.2.3", Rows=1, Columns=1, **attributes)
    dataset.add_new(0x7FE00010, "OB", pixels)
    dataset.transfer_syntax = JPEG
    dataset.file_meta.TransferSyntaxUID = JPEG
    return dataset


def theirs(path: Path) -> list[bytes] | None:
    """The encapsulated frames of a file as pydicom divides them; None for native or no pixel data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        if "PixelData" not in dataset or not dataset["PixelData"].is_undefined_length:
            return None
        extended = None
        if "ExtendedOffsetTable" in dataset:
            extended = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
        count = int(dataset.get("NumberOfFrames") or 1)
        return list(encaps.generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=extended))


def compare(path: Path) -> bool:
    expected = theirs(path)
    if expected is None:
        return False
    dataset = dcmread(path, force=True)
    index = FrameIndex(dataset)
    assert list(iter_frames(dataset)) == expected
    whole = path.read_bytes()
    for n, frame in enumerate(expected):
        assert b"".join(whole[span.offset : span.offset + span.length] for span in index.spans(n)) == frame
        assert b"".join(index.views(n)) == frame
        assert len(index.fragment_range(n)) == len(index.spans(n))
    with dcmopen(path, force=True) as mapped:
        assert frame_bytes(mapped, len(expected) - 1) == expected[-1]
    return True


def test_the_frames_of_pydicoms_files_are_pydicoms() -> None:
    assert sum(compare(path) for path in wheel_files() if "DICOMDIR" not in path.name) >= 10


@pytest.mark.corpus
def test_the_frames_of_the_corpus_are_pydicoms(corpus: Path) -> None:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["readable_by_pydicom"] == "yes" and row["pixels"] == "yes"]
    compared = 0
    for row in rows:
        try:
            compared += compare(corpus / row["file"])
        except (TruncatedError, UnicodeError):
            assert "runcat" in row["file"] or "too_short" in row["file"], row["file"]
    assert compared >= 50


# ---- native ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SC_rgb_small_odd.dcm", "CT_small.dcm"])
def test_native_frames_hold_the_pixels(name: str) -> None:
    (found,) = [path for path in wheel_files() if path.name == name]
    assert frame_bytes(dcmread(found)) == pydicom.dcmread(found).pixel_array.tobytes()


@pytest.mark.corpus
def test_frames_of_single_bits_hold_the_pixels(corpus: Path) -> None:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row["file"] for row in csv.DictReader(file) if row["bits_allocated"] == "1" and row["pixels"] == "yes"]
    compared = 0
    for name in rows:
        theirs = pydicom.dcmread(corpus / name)
        if theirs.file_meta.TransferSyntaxUID.is_compressed:
            continue
        index = FrameIndex(dcmread(corpus / name))
        pixels = theirs.pixel_array.reshape(len(index), -1)
        for n in range(len(index)):
            assert np.array_equal(unpack_bits(index.frame(n))[: pixels.shape[1]], pixels[n])
        compared += len(index)
    assert compared > 1


@given(st.binary(min_size=1, max_size=40), st.integers(1, 30), st.integers(1, 12))
def test_frames_of_single_bits_are_moved_to_a_byte(data: bytes, columns: int, count: int) -> None:
    dataset = Dataset(Rows=1, Columns=columns, BitsAllocated=1, NumberOfFrames=count)
    dataset.add_new(0x7FE00010, "OB", data)
    if len(data) * 8 < columns * count:
        with pytest.raises(TruncatedError):
            FrameIndex(dataset)
        return
    bits = int.from_bytes(data, "little")
    index = FrameIndex(dataset)
    for n in range(count):
        frame = (bits >> (n * columns)) & ((1 << columns) - 1)
        assert index.frame(n) == frame.to_bytes((columns + 7) // 8, "little")
        assert index.bit_range(n) == (n * columns // 8, n * columns % 8, columns)
        if n * columns % 8:
            with pytest.raises(ValueError, match="bit_range"):
                index.spans(n)


def test_big_endian_bytes_come_in_order() -> None:
    found = [path for path in wheel_files() if path.name == "ExplVR_BigEnd.dcm"]
    pixels = pydicom.dcmread(found[0]).pixel_array
    dataset = dcmread(found[0])
    assert (dataset.BitsAllocated, dataset.PlanarConfiguration) == (8, 1)
    planes = np.frombuffer(frame_bytes(dataset), "u1").reshape(3, dataset.Rows, dataset.Columns)
    assert np.array_equal(planes.transpose(1, 2, 0), pixels)


def test_big_endian_words_of_bytes_are_put_right() -> None:
    dataset = Dataset(Rows=1, Columns=3, BitsAllocated=8, NumberOfFrames=2)
    dataset.add_new(0x7FE00010, "OW", b"\1\2\3\4\5\6")
    little, big = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN, TransferSyntax.EXPLICIT_VR_BIG_ENDIAN
    read = decode(transcode(encode(dataset, little), little, big), big)
    assert bytes(read["PixelData"].raw or b"") == b"\2\1\4\3\6\5"
    assert list(iter_frames(read)) == [b"\1\2\3", b"\4\5\6"]


# ---- tables ---------------------------------------------------------------------------------------------------------

frames_strategy = st.lists(st.binary(min_size=6, max_size=60), min_size=1, max_size=12)


def padded(frame: bytes) -> bytes:
    return frame + b"\0" * (len(frame) % 2)


@given(frames_strategy, st.integers(1, 3), st.booleans())
def test_what_is_encapsulated_is_what_pydicom_makes(frames: list[bytes], parts: int, basic: bool) -> None:
    ours = encapsulate(frames, table="basic" if basic else "none", fragments_per_frame=parts)
    assert ours == encaps.encapsulate(frames, fragments_per_frame=parts, has_bot=basic)
    if basic:
        assert list(generate_frames(ours)) == [padded(frame) for frame in frames]
        assert parse_basic_offsets(ours) == tuple(encaps.parse_basic_offsets(ours))
    assert list(generate_fragments(ours)) == [
        fragment for frame in encaps.generate_fragmented_frames(encaps.encapsulate(frames, fragments_per_frame=parts))
        for fragment in frame
    ]  # fmt: skip


@given(frames_strategy)
def test_an_extended_table_is_what_pydicom_makes(frames: list[bytes]) -> None:
    data, offsets, lengths = encapsulate_extended(frames)
    assert (data, offsets, lengths) == encaps.encapsulate_extended(frames)
    for n, frame in enumerate(frames):
        assert get_frame(data, n, extended_offsets=(offsets, lengths)) == padded(frame)


@given(frames_strategy, st.sampled_from(["basic", "extended"]), st.integers(1, 3))
def test_frames_that_were_set_come_back_from_the_file(frames: list[bytes], table: Any, parts: int) -> None:
    dataset = image(b"")
    set_frames(dataset, frames, JPEG, table=table, fragments_per_frame=parts)
    assert list(iter_frames(dataset)) == [padded(frame) for frame in frames]
    file = io.BytesIO()
    dcmwrite(file, dataset)
    read = dcmread(file.getvalue())
    assert FrameIndex(read).divided_by == table
    assert list(iter_frames(read)) == [padded(frame) for frame in frames]
    assert pydicom.dcmread(io.BytesIO(file.getvalue())).PixelData == dataset.PixelData
    if parts == 1 and table == "extended":
        theirs = pydicom.dcmread(io.BytesIO(file.getvalue()))
        extended = (theirs.ExtendedOffsetTable, theirs.ExtendedOffsetTableLengths)
        assert list(encaps.generate_frames(theirs.PixelData, extended_offsets=extended)) == list(iter_frames(read))


def test_a_length_without_padding_cuts_the_frame() -> None:
    data, offsets, _ = encapsulate_extended([b"odd", b"even"])
    lengths = struct.pack("<2Q", 3, 4)
    assert list(generate_frames(data, extended_offsets=(offsets, lengths))) == [b"odd", b"even"]


@pytest.mark.parametrize(
    "parts", [[jpeg(1), jpeg(2)], [jpeg(1), jpeg(2), b"more"], [jpeg(1)[:8], jpeg(1)[8:], jpeg(2)]]
)
def test_markers_divide_fragments(parts: list[bytes]) -> None:
    data = item(b"") + b"".join(item(padded(part)) for part in parts)
    index = FrameIndex(image(data, NumberOfFrames=2))
    assert b"".join(index) == b"".join(padded(part) for part in parts)
    assert index.frame(0).startswith(jpeg(1))
    assert index.divided_by == ("fragments" if len(parts) == 2 else "markers")


def test_rle_headers_and_code_stream_ends_divide_fragments() -> None:
    header = struct.pack("<16I", 1, 64, *([0] * 14))
    data = item(b"") + item(header + b"ab") + item(header + b"cd") + item(b"ef")
    assert [len(frame) for frame in FrameIndex(image(data, NumberOfFrames=2))] == [66, 68]
    ends = item(b"") + item(b"abcd") + item(b"ef\xff\xd9") + item(b"gh\xff\xd9\0\0")
    assert list(FrameIndex(image(ends, NumberOfFrames=2))) == [b"abcdef\xff\xd9", b"gh\xff\xd9\0\0"]


def test_nothing_that_divides_fragments_is_an_error() -> None:
    with pytest.raises(DecodeError, match="no markers"):
        FrameIndex(image(item(b"") + item(b"ab") + item(b"cd") + item(b"ef"), NumberOfFrames=2))


def test_one_frame_takes_all_fragments() -> None:
    data = item(b"") + item(b"abcd") + item(b"ef")
    assert list(FrameIndex(image(data))) == [b"abcdef"]
    assert FrameIndex(image(data)).fragment_range(0) == range(2)


TWO = item(b"abcd") + item(b"efgh")


@pytest.mark.parametrize(
    ("data", "attributes", "offset"),
    [
        (item(struct.pack("<2I", 0, 10)) + TWO, {"NumberOfFrames": 2}, 12),
        (item(struct.pack("<2I", 4, 12)) + TWO, {"NumberOfFrames": 2}, 8),
        (item(struct.pack("<2I", 0, 0)) + TWO, {"NumberOfFrames": 2}, 12),
        (item(struct.pack("<I", 0)) + TWO, {"NumberOfFrames": 2}, 8),
        (item(b"\0\0") + TWO, {"NumberOfFrames": 2}, 8),
        (item(b"") + TWO, {"NumberOfFrames": 3}, 8),
        (item(b""), {}, 8),
    ],
)
def test_a_wrong_basic_table_says_where(data: bytes, attributes: dict[str, Any], offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        FrameIndex(image(data, **attributes))
    assert caught.value.offset == offset
    assert caught.value.tag == 0x7FE00010


def test_wrong_tables_can_be_passed_over() -> None:
    dataset = image(item(struct.pack("<I", 0)) + TWO, NumberOfFrames=2)
    assert list(FrameIndex(dataset, ignore_tables=True)) == [b"abcd", b"efgh"]


@pytest.mark.parametrize(
    ("offsets", "lengths", "tag"),
    [
        ((0, 13), (4, 4), 0x7FE00001),
        ((0, 1 << 63), (4, 4), 0x7FE00001),
        ((0, 12), (4, 5), 0x7FE00002),
        ((0, 12), (4, (1 << 64) - 1), 0x7FE00002),
        ((0, 12, 24), (4, 4, 4), 0x7FE00001),
        ((0, 12), (4,), 0x7FE00001),
        ((), (), 0x7FE00001),
    ],
)
def test_a_wrong_extended_table_says_which(offsets: tuple[int, ...], lengths: tuple[int, ...], tag: int) -> None:
    dataset = image(item(b"") + TWO)
    dataset.add_new(0x7FE00001, "OV", struct.pack(f"<{len(offsets)}Q", *offsets))
    dataset.add_new(0x7FE00002, "OV", struct.pack(f"<{len(lengths)}Q", *lengths))
    with pytest.raises(DecodeError) as caught:
        FrameIndex(dataset)
    assert caught.value.tag == tag


def test_frames_that_cannot_be_encapsulated() -> None:
    for frames, parts in (([], 1), ([b""], 1), ([b"ab"], 2), ([b"abc"], 3), ([b"ab"], 0)):
        with pytest.raises(EncodeError):
            encapsulate(frames, fragments_per_frame=parts)
    with pytest.raises(ValueError, match="not an encapsulated"):
        set_frames(Dataset(), [b"ab"], TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN)


def test_budgets_videos_and_absent_pixels() -> None:
    with pytest.raises(LimitError):
        FrameIndex(image(item(b"") + item(b"") * 20), options=ReadOptions(max_elements=10))
    video = image(item(b"") + TWO, NumberOfFrames=2)
    video.transfer_syntax = TransferSyntax.MPEG4_HIGH_41
    with pytest.raises(DecodeError, match="video"):
        FrameIndex(video)
    with pytest.raises(DecodeError, match="no pixel data"):
        FrameIndex(Dataset())
    with pytest.raises(IndexError):
        FrameIndex(image(item(b"") + TWO)).frame(1)


@given(st.binary(max_size=200), st.integers(0, 5))
def test_any_bytes_are_frames_or_an_error(data: bytes, count: int) -> None:
    for value in (data, item(data[:8]) + item(data[8:])):
        try:
            frames = list(generate_frames(value, number_of_frames=count or None))
        except (PacsError, ValueError):
            continue
        assert sum(map(len, frames)) <= len(value)


# ---- DCMTK ----------------------------------------------------------------------------------------------------------


def written(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    for table in ("basic", "extended", "none"):
        dataset = image(b"")
        set_frames(dataset, [jpeg(1), jpeg(2, 31)], JPEG, table=table)
        path = tmp_path / f"{table}.dcm"
        dcmwrite(path, dataset)
        yield path, table


@pytest.mark.interop
def test_dcmdump_reads_what_is_written(tmp_path: Path, dcmtk: Dcmtk) -> None:
    for path, table in written(tmp_path):
        done = subprocess.run(
            [dcmtk.tool("dcmdump"), "-Un", str(path)], capture_output=True, text=True, check=False, timeout=20
        )
        assert done.returncode == 0, done.stderr
        assert "W:" not in done.stderr
        assert "E:" not in done.stderr
        items = [line for line in done.stdout.splitlines() if line.strip().startswith("(fffe,e000) pi")]
        assert len(items) == 3
        assert ("# 8" in items[0].replace("   ", " ")) == (table == "basic") or table != "basic"
        assert ("(7fe0,0001)" in done.stdout) == (table == "extended")

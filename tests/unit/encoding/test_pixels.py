"""Pixel data as arrays: slow twins give the same values, nothing is copied that need not be, errors say where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pacskit as pk
from pacskit import Dataset, DecodeError, LimitError, TransferSyntax, TruncatedError
from pacskit.encoding import decode, encode
from pacskit.encoding.codecs import CodecError, DecodeLimits, encode_frame
from pacskit.encoding.frames import FrameIndex, set_frames
from pacskit.encoding.pixels import PixelFormat, PixelReader, pixel_array
from tests.oracles.pixels import bits_of, stored_values

LITTLE, BIG = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN, TransferSyntax.EXPLICIT_VR_BIG_ENDIAN
IMPLICIT = TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN
RLE = TransferSyntax.RLE_LOSSLESS


def image(pixels: bytes | None, **changes: Any) -> Dataset:
    """An image of 2 x 3 pixels of 16 bits, but for ``changes``; None takes an attribute away."""
    facts: dict[str, Any] = {
        "Rows": 2, "Columns": 3, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0, **changes,
    }  # fmt: skip
    facts = {keyword: value for keyword, value in facts.items() if value is not None}
    dataset = Dataset(**facts)
    if pixels is not None:
        dataset.add_new(0x7FE00010, "OW" if facts.get("BitsAllocated", 16) > 8 else "OB", pixels)
    return dataset


def read(dataset: Dataset, syntax: TransferSyntax = LITTLE) -> Dataset:
    """The data set as it is after having been written; what was assigned is little endian, and swapped from there."""
    little = decode(encode(dataset, LITTLE), LITTLE)
    return little if syntax == LITTLE else decode(encode(little, syntax), syntax)


# ---- cells ----------------------------------------------------------------------------------------------------------


@st.composite
def cells(draw: st.DrawFn) -> tuple[int, int, int, bool]:
    allocated = draw(st.sampled_from([8, 16, 32, 64]))
    stored = draw(st.integers(1, allocated))
    return allocated, stored, draw(st.integers(stored - 1, allocated - 1)), draw(st.booleans())


@given(cells(), st.binary(min_size=16, max_size=200), st.booleans())
def test_stored_values_are_those_of_the_slow_twin(cell: tuple[int, int, int, bool], data: bytes, big: bool) -> None:
    allocated, stored, high, signed = cell
    count = len(data) * 8 // allocated
    facts = {"BitsAllocated": allocated, "BitsStored": stored, "HighBit": high, "PixelRepresentation": int(signed)}
    data = data[: count * allocated // 8]
    ours = image(data + b"\0" * (len(data) % 2), Rows=1, Columns=count, **facts)
    if big:
        ours = read(ours, BIG)
    found = ours.pixel_array
    assert found.dtype == np.dtype(f"{'i' if signed else 'u'}{allocated // 8}")
    assert found.tolist() == [stored_values(data, allocated, stored, high, signed=signed)]


@given(st.binary(min_size=6, max_size=80), st.integers(1, 9), st.integers(1, 7), st.integers(1, 4))
def test_single_bits_are_those_of_the_slow_twin(data: bytes, rows: int, columns: int, count: int) -> None:
    facts = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "Rows": rows, "Columns": columns}
    dataset = image(data, NumberOfFrames=count, **facts)
    size = rows * columns
    if size * count > len(data) * 8:
        with pytest.raises(TruncatedError):
            dataset.pixel_array  # noqa: B018 - it raises
        return
    expected = np.array(bits_of(data, 0, size * count), np.uint8).reshape(count, rows, columns)
    assert np.array_equal(dataset.pixel_array, expected if count > 1 else expected[0])
    for number, frame in enumerate(dataset.frames()):
        assert np.array_equal(frame, expected[number])
    words = read(dataset, BIG)
    assert np.array_equal(words.pixel_array.reshape(expected.shape), expected)
    assert np.array_equal(next(words.frames([count - 1])), expected[-1])


@pytest.mark.parametrize("allocated", [8, 16, 32])
@pytest.mark.parametrize("syntax", [LITTLE, BIG], ids=["little", "big"])
def test_planes_become_pixels(allocated: int, syntax: TransferSyntax) -> None:
    kind = np.dtype(f"u{allocated // 8}")
    pixels = np.random.default_rng(0).integers(0, 1 << allocated, (2, 3, 5, 3), kind)
    facts = {
        "Rows": 3, "Columns": 5, "NumberOfFrames": 2, "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB",
        "BitsAllocated": allocated, "BitsStored": allocated, "HighBit": allocated - 1,
    }  # fmt: skip
    whole = image(pixels.tobytes(), PlanarConfiguration=0, **facts)
    planes = image(np.moveaxis(pixels, 3, 1).tobytes(), PlanarConfiguration=1, **facts)
    for dataset in (whole, planes, read(whole, syntax), read(planes, syntax)):
        assert np.array_equal(dataset.pixel_array, pixels)
        assert np.array_equal(next(dataset.frames([1])), pixels[1])


@pytest.mark.parametrize("syntax", [LITTLE, BIG], ids=["little", "big"])
@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_floating_point_numbers(keyword: str, syntax: TransferSyntax) -> None:
    kind, bits = ("f4", 32) if keyword == "FloatPixelData" else ("f8", 64)
    values = np.array([[1.5, -0.0, np.inf], [np.nan, 1e-30, 7]], kind)
    dataset = image(None, BitsAllocated=bits, BitsStored=None, HighBit=None, PixelRepresentation=None)
    setattr(dataset, keyword, values.tobytes())
    for one in (dataset, read(dataset, syntax)):
        assert one.pixel_format.dtype == one.pixel_array.dtype == np.dtype(kind)
        assert one.pixel_array.tobytes() == values.tobytes()


def test_bytes_of_an_odd_number_of_them() -> None:
    facts = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Rows": 3, "Columns": 3, "NumberOfFrames": 3}
    pixels = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    dataset = image(pixels.tobytes() + b"\0", **facts)
    words = Dataset(list(dataset))
    words.add_new(0x7FE00010, "OW", pixels.tobytes() + b"\0")
    for one in (dataset, read(dataset, BIG), read(words, BIG), read(words, IMPLICIT)):
        assert np.array_equal(one.pixel_array, pixels)
        assert all(np.array_equal(frame, pixels[n]) for n, frame in enumerate(one.frames()))


def test_chrominance_that_two_pixels_share_is_given_to_both() -> None:
    facts = {
        "Rows": 1, "Columns": 4, "SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422",
        "PlanarConfiguration": 0, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
    }  # fmt: skip
    dataset = image(bytes([1, 2, 100, 200, 3, 4, 110, 210]), **facts)
    reader = PixelReader(dataset)
    assert reader.photometric == "YBR_FULL"
    assert reader.array().tolist() == [[[1, 100, 200], [2, 100, 200], [3, 110, 210], [4, 110, 210]]]
    with pytest.raises(DecodeError, match="odd"):
        image(bytes(12), **{**facts, "Columns": 3}).pixel_array  # noqa: B018


@pytest.mark.parametrize("syntax", [LITTLE, BIG], ids=["little", "big"])
def test_an_icon_is_in_the_order_of_its_data_set(syntax: TransferSyntax) -> None:
    words = np.arange(6, dtype=np.uint16).reshape(2, 3) * 300
    small = image(bytes(range(6)), BitsAllocated=8, BitsStored=8, HighBit=7)
    small.add_new(0x7FE00010, "OW", bytes(range(6)))
    dataset = read(Dataset(IconImageSequence=[image(words.tobytes()), small]), syntax)
    first, second = dataset.IconImageSequence
    assert first.pixel_array.tolist() == words.tolist()
    assert second.pixel_array.tolist() == [[0, 1, 2], [3, 4, 5]]


# ---- no copies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stored", "signed"), [(16, 0), (12, 0), (12, 1)])
def test_nothing_is_copied_that_is_right_already(stored: int, signed: int) -> None:
    low = -(1 << stored - 1) if signed else 0
    values = np.array([[0, 1, 2], [low, low + 9, low + (1 << stored) - 1]], "i2" if signed else "u2")
    source = encode(image(values.tobytes(), BitsStored=stored, HighBit=stored - 1, PixelRepresentation=signed), LITTLE)
    dataset = decode(source, LITTLE)
    found = dataset.pixel_array
    assert np.shares_memory(found, np.frombuffer(source, np.uint8))
    assert np.array_equal(found, values)
    assert not found.flags.writeable
    assert np.shares_memory(next(dataset.frames()), found)


def test_what_is_around_the_stored_bits_is_left_out() -> None:
    dataset = image(np.array([0xF123, 0x0FFF, 0x8000, 0x1000, 1, 0], "u2").tobytes(), BitsStored=12, HighBit=11)
    assert dataset.pixel_array.tolist() == [[0x123, 0xFFF, 0], [0, 1, 0]]
    dataset.HighBit = 15
    assert dataset.pixel_array.tolist() == [[0xF12, 0xFF, 0x800], [0x100, 0, 0]]


# ---- frames ---------------------------------------------------------------------------------------------------------


def stack(count: int = 5, syntax: TransferSyntax = RLE) -> tuple[Dataset, np.ndarray[Any, np.dtype[np.uint16]]]:
    pixels = np.random.default_rng(1).integers(0, 4096, (count, 40, 50)).astype(np.uint16)
    facts = {"Rows": 40, "Columns": 50, "BitsStored": 12, "HighBit": 11}
    dataset = image(None, **facts)
    format = PixelFormat(40, 50, 1, 16, 12)
    set_frames(dataset, [encode_frame(frame, syntax, format) for frame in pixels], syntax)
    return dataset, pixels


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_frames_come_in_the_order_asked_for(threads: int | None) -> None:
    dataset, pixels = stack()
    assert np.array_equal(list(dataset.frames(threads=threads)), pixels)
    wanted = [4, 0, 0, 3]
    assert np.array_equal(list(dataset.frames(iter(wanted), threads=threads)), pixels[wanted])
    with pytest.raises(IndexError):
        list(dataset.frames([1, 5], threads=threads))


def test_an_iterator_that_is_left_leaves_no_thread() -> None:
    import threading

    dataset, pixels = stack()
    iterator: Any = dataset.frames(threads=2)
    assert np.array_equal(next(iterator), pixels[0])
    assert any(thread.name.startswith("pacskit-frames") for thread in threading.enumerate())
    del iterator
    assert not any(thread.name.startswith("pacskit-frames") for thread in threading.enumerate())


@pytest.mark.parametrize("threads", [1, 2])
def test_the_frames_before_a_damaged_one_come(threads: int) -> None:
    dataset, pixels = stack()
    streams = [FrameIndex(dataset).frame(number) for number in range(5)]
    set_frames(dataset, [*streams[:3], streams[3][:200], streams[4]], RLE)
    found: list[Any] = []
    with pytest.raises(CodecError) as caught:
        found.extend(dataset.frames(threads=threads))
    assert np.array_equal(found, pixels[:3])
    assert caught.value.tag == 0x7FE00010
    assert caught.value.__notes__ == ["frame 3 of 5"]
    assert np.array_equal(next(dataset.frames([4], threads=threads)), pixels[4])


@pytest.mark.parametrize("native", [True, False], ids=["native", "RLE"])
def test_frames_decode_into_an_array_of_ones_own(native: bool) -> None:
    dataset, pixels = stack()
    if native:
        dataset = image(pixels.tobytes(), Rows=40, Columns=50, BitsStored=12, HighBit=11, NumberOfFrames=5)
    out = np.zeros((5, 40, 50), np.uint16)
    dataset.decode_into(out)
    assert np.array_equal(out, pixels)
    dataset.decode_into(out[:2], [3, 1])
    assert np.array_equal(out[:2], pixels[[3, 1]])
    dataset.decode_into(out[0], [2])
    assert np.array_equal(out[0], pixels[2])
    for wrong in (out[:, ::2], out[:4], out.astype(np.int16), dataset.pixel_array):
        with pytest.raises(ValueError, match="out"):
            dataset.decode_into(wrong)
    with pytest.raises(IndexError):
        dataset.decode_into(out[:1], [-1])


def test_bits_around_the_stored_ones_are_left_out_of_code_streams_that_keep_them() -> None:
    cells = np.array([[0xF123, 0x0FFF, 0x8000], [0x1000, 1, 0]], "u2")
    dataset = image(None, BitsStored=12, HighBit=11)
    set_frames(dataset, [encode_frame(cells, RLE, PixelFormat(2, 3, 1, 16, 16))], RLE)
    assert dataset.pixel_array.tolist() == [[0x123, 0xFFF, 0], [0, 1, 0]]
    assert PixelReader(dataset).cells(0).tolist() == cells.ravel().tolist()
    with pytest.raises(ValueError, match="read-only"):
        dataset.pixel_array[0, 0] = 1


def test_single_bits_of_code_streams_become_bytes() -> None:
    pixels = np.random.default_rng(8).integers(0, 2, (3, 5, 7), np.uint8)
    facts = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "Rows": 5, "Columns": 7}
    for syntax in (RLE, TransferSyntax.DEFLATED_IMAGE_FRAME):
        dataset = image(None, **facts)
        set_frames(dataset, [encode_frame(frame, syntax, dataset.pixel_format) for frame in pixels], syntax)
        assert np.array_equal(dataset.pixel_array, pixels)


def test_the_frames_of_a_video_come_in_any_order() -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    from pacskit.encoding.codecs.video import decode_video, encode_video

    syntax = TransferSyntax.MPEG2_MAIN
    colors = np.zeros((6, 64, 80, 3), np.uint8)
    colors[...] = np.arange(0, 240, 40)[:, None, None, None]  # each frame of another gray
    facts = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_PARTIAL_420", "BitsAllocated": 8, "BitsStored": 8}
    dataset = image(None, Rows=64, Columns=80, HighBit=7, NumberOfFrames=6, **facts)
    stream = encode_video(colors, syntax, 25)
    expected = np.stack(list(decode_video(stream, dataset.pixel_format)))
    set_frames(dataset, [stream], syntax)
    dataset.NumberOfFrames = 6
    assert np.array_equal(dataset.pixel_array, expected)
    assert np.array_equal(list(dataset.frames([4, 1, 1, 5])), expected[[4, 1, 1, 5]])
    reader, out = PixelReader(dataset), np.empty((2, 64, 80, 3), np.uint8)
    dataset.decode_into(out, [2, 3])
    assert np.array_equal(out, expected[2:4])
    assert (reader.photometric, reader.number_of_frames) == ("RGB", 6)
    assert np.array_equal(reader.rgb(3), expected[3])
    dataset.NumberOfFrames = 7
    with pytest.raises(DecodeError, match="frame 6"):
        list(dataset.frames([6]))


def test_an_array_of_many_frames_has_a_limit() -> None:
    blank, frames, syntax = image(None, Rows=512, Columns=512), 40, TransferSyntax.DEFLATED_IMAGE_FRAME
    stream = encode_frame(np.zeros((512, 512), np.uint16), syntax, PixelFormat(512, 512))
    set_frames(blank, [stream] * frames, syntax)
    limits = DecodeLimits(max_bytes=512 * 512 * 2)
    assert pixel_array(blank).shape == (frames, 512, 512)
    with pytest.raises(LimitError):
        pixel_array(blank, limits=limits)
    assert sum(int(frame.sum()) for frame in PixelReader(blank, limits=limits).frames()) == 0


# ---- what is wrong --------------------------------------------------------------------------------------------------

WRONG: list[tuple[str, dict[str, Any], int]] = [
    *((f"no {keyword}", {keyword: None}, tag) for keyword, tag in (
        ("Rows", 0x00280010), ("Columns", 0x00280011), ("SamplesPerPixel", 0x00280002), ("BitsStored", 0x00280101),
        ("BitsAllocated", 0x00280100), ("PhotometricInterpretation", 0x00280004), ("PixelRepresentation", 0x00280103),
    )),
    ("no rows", {"Rows": 0}, 0x00280010),
    ("two numbers of rows", {"Rows": [1, 2]}, 0x00280010),
    ("12 bits allocated", {"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11}, 0x00280100),
    ("more stored than allocated", {"BitsStored": 17}, 0x00280101),
    ("high bit below the stored ones", {"HighBit": 14}, 0x00280102),
    ("high bit outside", {"HighBit": 16}, 0x00280102),
    ("a third representation", {"PixelRepresentation": 2}, 0x00280103),
    ("colour of one sample", {"PhotometricInterpretation": "RGB"}, 0x00280002),
    ("gray of three", {"SamplesPerPixel": 3}, 0x00280002),
    ("unknown colours", {"PhotometricInterpretation": "MONOCHROME3"}, 0x00280004),
    ("no planar configuration", {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, 0x00280006),
    ("frames that are not there", {"NumberOfFrames": 2}, 0x7FE00010),
    ("rows that are not there", {"Rows": 0xFFFF, "Columns": 0xFFFF, "NumberOfFrames": 0x7FFFFFFF}, 0x7FE00010),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "tag"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_missing_or_wrong_is_named(changes: dict[str, Any], tag: int) -> None:
    dataset = image(bytes(12), **changes)
    asked: list[Callable[[], object]] = [
        lambda: dataset.pixel_array, lambda: dataset.pixel_format, lambda: list(dataset.frames()),
        lambda: dataset.decode_into(np.empty((2, 3), np.uint16)),
    ]  # fmt: skip
    for ask in asked:
        with pytest.raises(DecodeError) as caught:
            ask()
        assert caught.value.tag == tag


def test_a_header_without_pixels_has_a_format() -> None:
    dataset = image(None)
    assert dataset.pixel_format == PixelFormat(2, 3)
    with pytest.raises(DecodeError, match="no pixel data"):
        dataset.pixel_array  # noqa: B018
    two = image(bytes(12))
    two.FloatPixelData = bytes(24)
    with pytest.raises(DecodeError, match="several kinds"):
        two.pixel_array  # noqa: B018


def test_code_streams_have_a_planar_configuration_of_their_own() -> None:
    pixels = np.random.default_rng(9).integers(0, 256, (2, 3, 3), np.uint8)
    facts = {
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
    }
    dataset = image(None, **facts)
    set_frames(dataset, [encode_frame(pixels, RLE, dataset.pixel_format)], RLE)
    assert np.array_equal(dataset.pixel_array, pixels)


def test_what_comes_after_the_last_frame_is_told() -> None:
    dataset = image(bytes(12) + b"\1\2", BitsAllocated=16)
    assert dataset.pixel_array.shape == (2, 3)
    (found,) = pk.pixels.pixel_diagnostics(dataset)
    assert (found.kind, found.path) == (pk.DiagnosticKind.EXCESS_PIXELS, "PixelData")
    assert "2 bytes" in found.detail
    odd = image(bytes(10), Rows=3, Columns=3, BitsAllocated=8, BitsStored=8, HighBit=7)
    assert pk.pixels.pixel_diagnostics(odd) == []  # the tenth makes the length even

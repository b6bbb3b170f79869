"""The native JPEG Lossless decoder and encoder against ITU-T T.81 done one bit at a time, and against damage."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit_ext._errors import DecodeError, EncodeError, TruncatedError
from pacskit_ext._jpegll_decode import decode
from pacskit_ext._jpegll_encode import encode
from tests.oracles import jpeg_lossless as twin

FLAT = dict.fromkeys(range(17), 5)
STEEP = {category: min(category + 1, 16) if category < 14 else 16 for category in range(17)}


@dataclass
class Image:
    planes: list[twin.Plane]
    precision: int

    @property
    def size(self) -> tuple[int, int, int]:
        return len(self.planes[0]), len(self.planes[0][0]), len(self.planes)

    def samples(self, shift: int = 0) -> list[int]:
        """Colour by pixel, without the bits that the point transform drops."""
        rows, columns, _ = self.size
        return [plane[y][x] >> shift << shift for y in range(rows) for x in range(columns) for plane in self.planes]

    def cells(self) -> array[int]:
        return array("B" if self.precision <= 8 else "H", self.samples())


@st.composite
def images(draw: st.DrawFn, components: int = 4) -> Image:
    precision = draw(st.integers(2, 16))
    rows, columns, count = draw(st.integers(1, 7)), draw(st.integers(1, 9)), draw(st.integers(1, components))
    top = (1 << precision) - 1
    value = draw(
        st.sampled_from([st.integers(0, top), st.sampled_from([0, top]), st.integers(top // 2, min(top, top // 2 + 3))])
    )
    row = st.lists(value, min_size=columns, max_size=columns)
    plane = st.lists(row, min_size=rows, max_size=rows)
    return Image(draw(st.lists(plane, min_size=count, max_size=count)), precision)


@st.composite
def codes(draw: st.DrawFn) -> twin.Code:
    """Any prefix code of the 17 categories that leaves the code of ones alone."""
    lengths = draw(st.sampled_from([list(STEEP.values()), list(FLAT.values()), [4] * 8 + [5] * 9]))
    return twin.code_of_lengths(dict(zip(draw(st.permutations(range(17))), lengths, strict=True)))


def decoded(data: bytes, image: Image, *, sign_bits: int = 0) -> list[int]:
    rows, columns, count = image.size
    kind = "B" if image.precision <= 8 else "H"
    out = array(kind, [0x55] * (rows * columns * count))
    assert decode(data, out, rows, columns, count, sign_bits=sign_bits) == len(data)
    return out.tolist()


@given(data=st.data(), image=images(), predictor=st.integers(1, 7))
def test_every_form_of_code_stream_is_decoded_by_the_letter(data: st.DataObject, image: Image, predictor: int) -> None:
    shift = data.draw(st.integers(0, image.precision - 1), label="shift")
    stream = twin.encode(
        image.planes,
        image.precision,
        [data.draw(codes(), label="code") for _ in image.planes],
        predictor=predictor,
        shift=shift,
        restart_rows=data.draw(st.integers(0, 3), label="restart_rows"),
        interleaved=data.draw(st.booleans(), label="interleaved"),
        lines_behind=data.draw(st.booleans(), label="lines_behind"),
        fill=data.draw(st.integers(0, 2), label="fill"),
    )
    assert decoded(stream, image) == image.samples(shift)


@given(data=st.data(), image=images(), predictor=st.integers(1, 7))
def test_what_is_encoded_reads_by_the_letter(data: st.DataObject, image: Image, predictor: int) -> None:
    shift = data.draw(st.integers(0, image.precision - 1), label="shift")
    restart_rows = data.draw(st.integers(0, 3), label="restart_rows")
    stream = encode(
        image.cells(),
        *image.size,
        precision=image.precision,
        predictor=predictor,
        point_transform=shift,
        restart_rows=restart_rows,
    )
    planes = Image(twin.decode(stream), image.precision)
    assert planes.samples() == image.samples(shift)
    assert decoded(stream, image) == image.samples(shift)
    assert twin.restarts(stream) == ((image.size[0] - 1) // restart_rows if restart_rows else 0)


@given(data=st.data(), precision=st.integers(2, 16))
def test_signed_samples_keep_their_sign(data: st.DataObject, precision: int) -> None:
    half = 1 << (precision - 1)
    values = data.draw(st.lists(st.integers(-half, half - 1), min_size=1, max_size=40))
    cells = array("b" if precision <= 8 else "h", values)
    stream = encode(cells, 1, len(values), precision=precision, signed=True)
    out = array(cells.typecode, bytes(cells.itemsize * len(values)))
    decode(stream, out, 1, len(values), sign_bits=precision)
    assert out == cells
    assert [value % (2 * half) for value in values] == twin.decode(stream)[0][0]


@given(counts=st.lists(st.integers(0, 400), min_size=17, max_size=17))
def test_the_code_is_the_best_one_of_at_most_16_bits(counts: list[int]) -> None:
    """As short as Huffman's own lengths where these are within 16 bits; the code of ones alone stays free (K.2)."""
    columns = sum(counts) + 1
    values = [0]
    for category, count in enumerate(counts):
        step = 1 << (category - 1) if category else 0
        for _ in range(count):
            values.append((values[-1] + step) & 0xFFFF)
    stream = encode(array("H", values), 1, columns, precision=16)
    lengths = twin.code_lengths(stream)
    used = {c: n + (c == 16) for c, n in enumerate(counts) if n or c == 16}  # the first difference is against 32768
    best = twin.huffman_lengths(used)
    cost = sum(n * lengths[c] for c, n in used.items())
    assert set(lengths) == set(used)
    assert cost == sum(n * best[c] for c, n in used.items())
    assert sum(2.0**-n for n in lengths.values()) < 1


def test_rare_categories_get_codes_of_16_bits_at_most() -> None:
    counts = [1, 1]
    while len(counts) < 17:
        counts.append(counts[-1] + counts[-2])  # Fibonacci: the deepest tree
    values = [32768]
    for category, count in enumerate(reversed(counts)):
        step = 1 << (category - 1) if category else 0
        for _ in range(count):
            values.append((values[-1] + step) & 0xFFFF)
    stream = encode(array("H", values), 1, len(values), precision=16)
    assert max(twin.code_lengths(stream).values()) == 16
    out = array("H", bytes(2 * len(values)))
    decode(stream, out, 1, len(values))
    assert out.tolist() == values


def test_components_that_differ_get_tables_of_their_own() -> None:
    steps = [n * n * 40503 % 251 for n in range(4000)]
    mixed = array("B", [value for step in steps for value in (step, 7, 7 + step % 2)])
    alike = array("B", [step for step in steps for _ in range(3)])
    for cells, tables in ((mixed, 3), (alike, 1)):
        stream = encode(cells, 40, 100, 3, precision=8)
        assert twin.table_count(stream) == tables
        out = array("B", bytes(len(cells)))
        decode(stream, out, 40, 100, 3)
        assert out == cells


@given(image=images())
def test_predictor_0_is_the_one_with_the_fewest_bits(image: Image) -> None:
    """But for the first row, which all predict alike and which is not looked at."""
    streams = [encode(image.cells(), *image.size, precision=image.precision, predictor=n) for n in range(8)]
    first_row = 4 * image.size[1] * image.size[2]
    assert streams[0] in streams[1:]
    assert len(streams[0]) <= min(map(len, streams)) + first_row


# -- what is refused ---------------------------------------------------------------------------------------------------

PLANE = [[(x * x * 3 + y * 29) % 256 for x in range(8)] for y in range(6)]
IMAGE = Image([PLANE], 8)
CODE = twin.code_of_lengths(FLAT)
GOOD = twin.encode([PLANE], 8, [CODE], restart_rows=2)


def refusal(stream: bytes, image: Image = IMAGE) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decoded(stream, image)
    assert caught.value.offset is not None
    assert 0 <= caught.value.offset <= len(stream)
    return caught.value


def replaced(old: bytes, new: bytes, stream: bytes = GOOD) -> bytes:
    assert stream.count(old) == 1
    return stream.replace(old, new)


@pytest.mark.parametrize("cut", range(len(GOOD) - 2))
def test_every_cut_is_refused(cut: int) -> None:
    error = refusal(GOOD[:cut])
    assert isinstance(error, TruncatedError)


def test_a_missing_end_is_left_to_the_caller() -> None:
    out = bytearray(48)
    assert decode(GOOD[:-2], out, 6, 8) == len(GOOD) - 2
    assert list(out) == IMAGE.samples()


def test_the_offset_counts_stuffed_bytes() -> None:
    noisy = [[255 * ((x * 7 + y) % 3 == 0) for x in range(64)] for y in range(4)]
    steep = twin.code_of_lengths(dict(sorted(STEEP.items(), reverse=True)))
    stream = twin.encode([noisy], 8, [steep])
    assert stream.count(b"\xff\0") > 10
    cut = stream[:-2].rindex(b"\xff\0")
    assert refusal(stream[:cut], Image([noisy], 8)).offset == cut


SOF = bytes([8, 0, 6, 0, 8, 1, 1, 0x11, 0])
SOS = b"\xff\xda\0\x08\x01\x01\0\x01\0\0"


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (b"\x00" + GOOD, "marker"),
        (GOOD[2:], "SOI"),
        (replaced(SOF, bytes([17, *SOF[1:]])), "precision of 17"),
        (replaced(SOF, bytes([1, *SOF[1:]])), "precision of 1 "),
        (replaced(SOF, bytes([12, *SOF[1:]])), "do not fit"),
        (replaced(SOF, bytes([8, 0, 7, *SOF[3:]])), "7 x 8"),
        (replaced(SOF, bytes([8, 0, 0, *SOF[3:]])), "number of lines"),
        (replaced(SOF, bytes([8, 0xFF, 0xFF, 0xFF, 0xFF, *SOF[5:]])), "65535 x 65535"),
        (replaced(SOF, bytes([8, 0, 6, 0, 8, 0, 1, 0x11, 0])), "0 components"),
        (replaced(SOF, bytes([8, 0, 6, 0, 8, 2, 1, 0x11, 0])), "length"),
        (replaced(b"\xff\xc3", b"\xff\xc0"), "not JPEG Lossless"),
        (replaced(b"\xff\xc3", b"\xff\xcb"), "not JPEG Lossless"),
        (replaced(SOS, b"\xff\xda\0\x08\x01\x01\0\0\0\0"), "predictor 0"),
        (replaced(SOS, b"\xff\xda\0\x08\x01\x01\0\x08\0\0"), "predictor 8"),
        (replaced(SOS, b"\xff\xda\0\x08\x01\x01\0\x01\x3f\0"), "Se 63"),
        (replaced(SOS, b"\xff\xda\0\x08\x01\x01\0\x01\0\x10"), "Ah 1"),
        (replaced(SOS, b"\xff\xda\0\x08\x01\x01\0\x01\0\x08"), "point transform of 8"),
        (replaced(SOS, b"\xff\xda\0\x08\x01\x02\0\x01\0\0"), "component 2"),
        (replaced(SOS, b"\xff\xda\0\x08\x01\x01\x10\x01\0\0"), "table 1"),
        (replaced(b"\xff\xdd\0\x04\0\x10", b"\xff\xdd\0\x04\0\x11"), "restart interval"),
        (replaced(b"\xff\xd0", b"\xff\xd1"), "restart marker"),
        (replaced(b"\xff\xd1", b""), "behind the last sample"),
        (replaced(b"\xff\xd0", b"\xff\xd9"), "restart marker"),
        (replaced(SOS, b"\xff\xd9" + SOS), "EOI"),
        (replaced(SOS, b"\xff\x01" + SOS), "0xFF01"),
        (replaced(SOS, b"\xff\x00" + SOS), "stuffed"),
        (replaced(b"\xff\xfe\0\x0b", b"\xff\xfe\0\x01"), "too short"),
        (GOOD[:-2] + bytes(20) + b"\xff\xd9", "behind the last sample"),
    ],
)
def test_what_is_not_a_code_stream_of_the_format_is_refused(stream: bytes, says: str) -> None:
    assert says in str(refusal(stream))


def test_bits_that_are_no_code_are_refused() -> None:
    data = GOOD.index(SOS) + len(SOS)
    assert "no Huffman code" in str(refusal(GOOD[:data] + b"\xfe" * 30 + b"\xff\xd9"))


@pytest.mark.parametrize(
    ("counts", "symbols"),
    [
        ([3] + [0] * 15, [0, 1, 2]),  # three codes of one bit
        ([0, 0, 0, 0, 17] + [0] * 11, [*range(16), 17]),  # a difference of 17 bits
        ([0, 0, 0, 0, 18] + [0] * 11, [*range(17), 3]),
    ],
)
def test_a_table_that_is_no_code_is_refused(counts: list[int], symbols: list[int]) -> None:
    table = bytes([0, *counts, *symbols])
    at = GOOD.index(b"\xff\xc4")
    stream = GOOD[:at] + b"\xff\xc4" + (2 + len(table)).to_bytes(2, "big") + table + GOOD[at:]
    assert "Huffman table" in str(refusal(stream))


def test_tables_of_other_coefficients_and_other_segments_are_passed_over() -> None:
    at = GOOD.index(b"\xff\xc4")
    table = bytes([0x11, 0, 2] + [0] * 14 + [0xF0, 0xA5])
    more = b"\xff\xc4" + (2 + len(table)).to_bytes(2, "big") + table + b"\xff\xee\0\x04\xff\xd9" + b"\xff\xdb\0\x03\0"
    assert decoded(GOOD[:at] + more + GOOD[at:], IMAGE) == IMAGE.samples()


def test_samples_outside_the_precision_are_refused() -> None:
    """A difference that leads beyond 8 bits: the data are damaged, whatever a wider cell could hold."""
    over = twin.encode([[[200, 300], [1, 2]]], 8, [CODE])
    assert "outside the precision" in str(refusal(over, Image([[[0, 0], [0, 0]]], 8)))


def test_sampling_factors_are_refused_but_for_a_single_component() -> None:
    three = Image([PLANE, PLANE, PLANE], 8)
    stream = twin.encode(three.planes, 8, [CODE] * 3)
    assert "sampling" in str(refusal(replaced(b"\x01\x11\0\x02\x11\0", b"\x01\x22\0\x02\x11\0", stream), three))
    assert decoded(replaced(SOF, bytes([*SOF[:7], 0x22, 0])), IMAGE) == IMAGE.samples()


def test_a_missing_or_repeated_scan_is_refused() -> None:
    two = Image([PLANE, PLANE], 8)
    stream = twin.encode(two.planes, 8, [CODE] * 2, interleaved=False)
    first, second = (at for at in range(len(stream)) if stream.startswith(b"\xff\xda", at))
    refusal(stream[:second] + b"\xff\xd9", two)
    assert "not a new one" in str(refusal(stream[:second] + stream[first:], two))


@pytest.mark.parametrize(
    "wrong",
    [
        {"precision": 1},
        {"precision": 9},
        {"predictor": -1},
        {"predictor": 8},
        {"point_transform": 8},
        {"point_transform": -1},
        {"restart_rows": -1},
        {"restart_rows": 8192},
        {"component_ids": (1, 2)},
        {"component_ids": (256,)},
        {"precision": 7},
    ],
)
def test_what_the_process_cannot_hold_is_not_encoded(wrong: dict[str, Any]) -> None:
    with pytest.raises(EncodeError):
        encode(IMAGE.cells(), 6, 8, **{"precision": 8, **wrong})


def test_buffers_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="samples"):
        encode(bytes(47), 6, 8, precision=8)
    with pytest.raises(ValueError, match="samples"):
        decode(GOOD, bytearray(47), 6, 8)
    with pytest.raises(ValueError, match="samples"):
        decode(GOOD, array("I", [0] * 48), 6, 8)
    with pytest.raises(ValueError, match="image"):
        decode(GOOD, bytearray(), 0, 8)
    with pytest.raises(BufferError):
        decode(GOOD, bytes(48), 6, 8)
    assert encode(array("h", [-1, 0]), 1, 2, precision=12, signed=True)
    with pytest.raises(EncodeError, match="row 0"):
        encode(array("h", [-2049, 0]), 1, 2, precision=12, signed=True)

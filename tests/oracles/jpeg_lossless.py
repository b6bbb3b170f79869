"""JPEG Lossless by the letter of ITU-T T.81, one bit and one sample at a time: slow, and nothing else.

``decode`` reads what the native decoder reads; ``encode`` writes forms that no encoder at hand writes: code tables of
any shape, components in scans of their own, fill bytes, the number of lines behind the scan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Code", "code_of_lengths", "decode", "encode"]

Plane = list[list[int]]
Code = Mapping[int, str]
"""The bits of each category as text."""


def code_of_lengths(lengths: Mapping[int, int]) -> Code:
    """Number codes of the given lengths (annex C): by length, then in the order given."""
    codes: dict[int, str] = {}
    value, before = 0, 0
    for category, length in sorted(lengths.items(), key=lambda pair: pair[1]):
        value <<= length - before
        codes[category] = format(value, f"0{length}b")
        value, before = value + 1, length
    return codes


def predicted(plane: Plane, y: int, x: int, predictor: int, start: int, first_row: int) -> int:
    """Table H.1 and H.1.2.1; ``first_row`` is the first one after the beginning or a restart."""
    if y == first_row:
        return plane[y][x - 1] if x else start
    if x == 0:
        return plane[y - 1][0]
    a, b, c = plane[y][x - 1], plane[y - 1][x], plane[y - 1][x - 1]
    values = [0, a, b, c, a + b - c, a + ((b - c) >> 1), b + ((a - c) >> 1), (a + b) >> 1]
    return values[predictor]


# -- decoding ----------------------------------------------------------------------------------------------------------


def _bits(data: bytes) -> Iterator[int]:
    for byte in data:
        for shift in range(7, -1, -1):
            yield byte >> shift & 1


def _difference(bits: Iterator[int], categories: Mapping[str, int]) -> int:
    code = ""
    while code not in categories:
        code += str(next(bits))
    category = categories[code]
    if category == 16:
        return 32768
    value = 0
    for _ in range(category):
        value = value << 1 | next(bits)
    return value if category == 0 or value >> (category - 1) else value - (1 << category) + 1


def _unstuffed(data: bytes, at: int) -> tuple[bytes, int]:
    out = bytearray()
    while not (data[at] == 0xFF and data[at + 1] != 0):
        out.append(data[at])
        at += 2 if data[at] == 0xFF else 1
    return bytes(out), at


@dataclass
class _State:
    precision: int = 0
    rows: int = 0
    columns: int = 0
    interval: int = 0
    ids: list[int] = field(default_factory=list)
    tables: dict[int, dict[str, int]] = field(default_factory=dict)
    planes: dict[int, Plane] = field(default_factory=dict)

    def read_tables(self, body: bytes) -> None:
        while body:
            counts = body[1:17]
            symbols = body[17 : 17 + sum(counts)]
            lengths = [length for length, count in enumerate(counts, 1) for _ in range(count)]
            codes = code_of_lengths(dict(zip(symbols, lengths, strict=True)))
            self.tables[body[0]] = {code: category for category, code in codes.items()}
            body = body[17 + len(symbols) :]

    def read_scan(self, body: bytes, data: bytes, at: int) -> int:
        parts = [(body[1 + 2 * n], body[2 + 2 * n] >> 4) for n in range(body[0])]
        predictor, shift = body[-3], body[-1] & 15
        start = 1 << (self.precision - shift - 1)
        every = self.interval // self.columns or self.rows
        planes: dict[int, Plane] = {name: [] for name, _ in parts}
        bits: Iterator[int] = iter(())
        for y in range(self.rows):
            if y % every == 0:
                if y:
                    at += 2
                segment, at = _unstuffed(data, at)
                bits = _bits(segment)
            for plane in planes.values():
                plane.append([])
            for x in range(self.columns):
                for name, table in parts:
                    plane = planes[name]
                    guess = predicted(plane, y, x, predictor, start, y - y % every)
                    plane[y].append((guess + _difference(bits, self.tables[table])) & 0xFFFF)
        for name, plane in planes.items():
            self.planes[name] = [[value << shift for value in row] for row in plane]
        return at


def decode(data: bytes) -> list[Plane]:
    """The component planes of a code stream without errors."""
    state = _State()
    at = 2
    while data[at + 1] != 0xD9:
        if data[at + 1] == 0xFF:
            at += 1
            continue
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xC3:
            state.precision = body[0]
            state.rows, state.columns = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            state.ids = list(body[6::3])
        elif marker == 0xC4:
            state.read_tables(body)
        elif marker == 0xDD:
            state.interval = int.from_bytes(body, "big")
        elif marker == 0xDA:
            at = state.read_scan(body, data, at)
    return [state.planes[name] for name in state.ids]


# -- encoding ----------------------------------------------------------------------------------------------------------


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _code_bits(difference: int, code: Code) -> str:
    difference = (difference + 32767) % 65536 - 32767  # -32767 to 32768
    category = abs(difference).bit_length()
    if category in {0, 16}:
        return code[category]
    if difference < 0:
        difference += (1 << category) - 1
    return code[category] + format(difference, f"0{category}b")


def _stuffed(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return data.replace(b"\xff", b"\xff\0")


def _table_segment(where: int, code: Code) -> bytes:
    order = sorted(code, key=lambda category: (len(code[category]), code[category]))
    counts = [sum(len(bits) == length for bits in code.values()) for length in range(1, 17)]
    return _segment(0xC4, bytes([where, *counts, *order]))


def _scan(planes: Sequence[Plane], codes: Sequence[Code], predictor: int, start: int, every: int) -> bytes:
    out = b""
    bits = ""
    for y in range(len(planes[0])):
        if y and y % every == 0:
            out += _stuffed(bits) + bytes([0xFF, 0xD0 + (y // every - 1) % 8])
            bits = ""
        for x in range(len(planes[0][0])):
            for plane, code in zip(planes, codes, strict=True):
                bits += _code_bits(plane[y][x] - predicted(plane, y, x, predictor, start, y - y % every), code)
    return out + _stuffed(bits)


def encode(
    planes: Sequence[Plane],
    precision: int,
    codes: Sequence[Code],
    *,
    predictor: int = 1,
    shift: int = 0,
    restart_rows: int = 0,
    interleaved: bool = True,
    lines_behind: bool = False,
    fill: int = 0,
) -> bytes:
    """The code stream of planes of samples; ``codes`` has one table for each."""
    rows, columns, count = len(planes[0]), len(planes[0][0]), len(planes)
    shifted = [[[value >> shift for value in row] for row in plane] for plane in planes]
    more = b"\xff" * fill
    frame = bytes([precision]) + (0 if lines_behind else rows).to_bytes(2, "big") + columns.to_bytes(2, "big")
    frame += bytes([count]) + b"".join(bytes([n + 1, 0x11, 0]) for n in range(count))
    out = b"\xff\xd8" + more + _segment(0xFE, b"a comment") + more + _segment(0xC3, frame)
    out += b"".join(more + _table_segment(n, code) for n, code in enumerate(codes))
    if restart_rows:
        out += more + _segment(0xDD, (restart_rows * columns).to_bytes(2, "big"))
    for number, group in enumerate([list(range(count))] if interleaved else [[n] for n in range(count)]):
        head = bytes([len(group), *(byte for n in group for byte in (n + 1, n << 4)), predictor, 0, shift])
        every = restart_rows or rows
        start = 1 << (precision - shift - 1)
        out += more + _segment(0xDA, head)
        out += _scan([shifted[n] for n in group], [codes[n] for n in group], predictor, start, every)
        if lines_behind and number == 0:
            out += more + _segment(0xDC, rows.to_bytes(2, "big"))
    return out + more + b"\xff\xd9"


# -- what a code stream has ------------------------------------------------------------------------------------------


def _bodies(data: bytes, wanted: int) -> list[bytes]:
    """The bodies of the marker segments of one kind before the first scan."""
    found, at = [], 2
    while True:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == wanted:
            found.append(data[at + 4 : at + 2 + length])
        if data[at + 1] == 0xDA:
            return found
        at += 2 + length


def restarts(data: bytes) -> int:
    """How many restart markers there are."""
    return sum(data.count(bytes([0xFF, marker])) for marker in range(0xD0, 0xD8))


def code_lengths(data: bytes) -> dict[int, int]:
    """The code lengths of the categories in the first table."""
    body = _bodies(data, 0xC4)[0]
    lengths = [length for length, count in enumerate(body[1:17], 1) for _ in range(count)]
    return dict(zip(body[17 : 17 + len(lengths)], lengths, strict=True))


def table_count(data: bytes) -> int:
    """How many tables there are."""
    state = _State()
    for body in _bodies(data, 0xC4):
        state.read_tables(body)
    return len(state.tables)


def huffman_lengths(counts: Mapping[int, int]) -> dict[int, int]:
    """Huffman's code lengths, with one symbol more whose own length does not count."""
    groups: list[tuple[int, int, list[int]]] = [(64 * count, symbol, [symbol]) for symbol, count in counts.items()]
    groups.append((1, -1, [-1]))
    lengths = dict.fromkeys([*counts, -1], 0)
    while len(groups) > 1:
        groups.sort()
        (one, name, left), (other, _, right) = groups[:2]
        for symbol in left + right:
            lengths[symbol] += 1
        groups[:2] = [(one + other, name, left + right)]
    del lengths[-1]
    return lengths

"""Bytes that nobody vouches for: they parse, or a PacsError says where; never a crash, a hang or a flood of memory.

``make asan`` runs this under the sanitizers, ``make fuzz`` for a long time. The seeds are pydicom's own files
and the corpus, damaged in ways that keep most of their structure.
"""

from __future__ import annotations

import csv
import resource
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.config import ReadOptions, Strictness
from pacskit.core.errors import LimitError, PacsError, TruncatedError
from pacskit.encoding import decode, encode, read_part10
from pacskit_ext._table import ElementTable
from tests.foreign import wheel_files

SYNTAXES = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
SMALL = ReadOptions(max_inflated=1 << 20)


@cache
def seeds() -> list[bytes]:
    """Small files of pydicom's wheel, every kind of syntax among them."""
    return [path.read_bytes() for path in wheel_files(40_000)]


def touch(dataset: ElementTable) -> int:
    """Decode every value; give the number of elements."""
    count = 0
    for element in dataset:
        value = element.value
        count += 1
        if element.VR == "SQ":
            count += sum(touch(item) for item in value)
    return count


def read_and_write(data: bytes | memoryview) -> None:
    """Take a file as far as it goes: read, decode all, write what was read."""
    dataset = read_part10(data, force=True, options=SMALL)
    touch(dataset)
    touch(dataset.file_meta)
    for syntax in SYNTAXES[:3]:
        encode(dataset, syntax)


@given(st.binary(max_size=400), st.sampled_from(SYNTAXES))
def test_any_bytes_parse_or_say_where(data: bytes, syntax: str) -> None:
    with suppress(PacsError):
        touch(decode(data, syntax, options=SMALL))


@st.composite
def elements(draw: st.DrawFn, *, depth: int = 3) -> bytes:
    """Explicit little endian elements, most of them well formed, with lengths that now and then lie."""
    parts = []
    for _ in range(draw(st.integers(0, 6))):
        tag = struct.pack("<HH", draw(st.sampled_from([0x0008, 0x0010, 0x0028, 0x0009, 0x7FE0, 0xFFFE])),
                          draw(st.sampled_from([0x0000, 0x0005, 0x0010, 0x1001, 0xE000, 0xE00D, 0xE0DD])))  # fmt: skip
        vr = draw(st.sampled_from([b"CS", b"DS", b"IS", b"PN", b"US", b"FD", b"AT", b"OB", b"UN", b"SQ", b"UT", b"??"]))
        value = draw(elements(depth=depth - 1)) if vr in {b"SQ", b"UN"} and depth else draw(st.binary(max_size=12))
        if vr == b"SQ":
            value = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(value)) + value
        lie = draw(st.sampled_from([0, 0, 0, 0, 1, -1, 1000, 0xFFFFFFFF]))
        length = 0xFFFFFFFF if lie == 0xFFFFFFFF else max(0, len(value) + lie)
        if vr in {b"OB", b"UN", b"SQ", b"UT"}:
            parts.append(tag + vr + b"\0\0" + struct.pack("<I", length) + value)
        else:
            parts.append(tag + vr + struct.pack("<H", min(length, 0xFFFF)) + value)
        if length == 0xFFFFFFFF:
            parts.append(b"\xfe\xff\xdd\xe0\0\0\0\0")
    return b"".join(parts)


@given(elements())
def test_elements_with_wrong_lengths_parse_or_say_where(data: bytes) -> None:
    with suppress(PacsError):
        dataset = decode(data, SYNTAXES[1], options=SMALL)
        touch(dataset)
        encode(dataset, SYNTAXES[0])


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
@given(data=st.one_of(elements(), st.binary(max_size=200)))
def test_salvage_always_gives_what_can_be_written(syntax: str, data: bytes) -> None:
    salvaged = decode(data, syntax, options=ReadOptions(strictness=Strictness.SALVAGE))
    assert furthest(salvaged) <= len(data)
    with suppress(PacsError):
        touch(salvaged)
    again = decode(encode(salvaged, SYNTAXES[1]), SYNTAXES[1])
    lengths_apart = [[tag for tag in one.tags() if tag & 0xFFFF] for one in (again, salvaged)]
    assert lengths_apart[0] == lengths_apart[1]


def furthest(dataset: ElementTable) -> int:
    """Where the last of all values ends."""
    end = 0
    for element in dataset:
        end = max(end, (element.offset or 0) + (element.length or 0))
        with suppress(PacsError):
            end = max(end, *map(furthest, element.value)) if element.VR == "SQ" and element.value else end
    return end


def test_a_sequence_that_the_source_ends_in_ends_with_it() -> None:
    undefined = b"\xff\xff\xff\xff"
    data = b"\x08\x00\x05\x00SQ\0\0" + undefined + b"\xfe\xff\x00\xe0" + undefined + b"\x10\x00\x10\x00PN\x02\x00A "
    for end in range(20, len(data) + 1):
        salvaged = decode(data[:end], SYNTAXES[1], options=ReadOptions(strictness=Strictness.SALVAGE))
        assert furthest(salvaged) <= end
        assert touch(salvaged) == (2 if end >= 28 else 1)


def test_a_character_set_is_never_left_to_be_supplied() -> None:
    data = b"\x08\x00\x05\x00CS\xfe\xff" + b"ISO_IR 192".ljust(0xFFFE)
    with pytest.raises(TruncatedError):
        decode(data[:4096], SYNTAXES[1], total=len(data))
    assert decode(data, SYNTAXES[1], total=len(data)).SpecificCharacterSet == "ISO_IR 192"


@given(st.data())
def test_a_damaged_file_parses_or_says_where(data: st.DataObject) -> None:
    file = bytearray(seeds()[data.draw(st.integers(0, len(seeds()) - 1))])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, min(len(file), 4000) - 1)))
        how = data.draw(st.sampled_from(["set", "cut", "remove", "double", "length"]))
        if how == "set":
            file[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
        elif how == "cut":
            del file[at + 132 :]
        elif how == "remove":
            del file[at : at + data.draw(st.integers(1, 16))]
        elif how == "double":
            file[at:at] = file[at : at + data.draw(st.integers(1, 64))]
        else:
            file[at : at + 4] = struct.pack(
                "<I", data.draw(st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]))
            )
    with suppress(PacsError):
        read_and_write(bytes(file))


def cuts(data: bytes) -> Iterator[memoryview]:
    """The data cut short at every 97th byte."""
    view = memoryview(data)
    return (view[:end] for end in range(0, len(view), 97))


def truncate(paths: Iterable[Path]) -> None:
    for path in paths:
        for part in cuts(path.read_bytes()):
            with suppress(PacsError):
                read_part10(part, force=True)


def test_pydicoms_files_cut_at_every_97th_byte_raise_typed_errors_only() -> None:
    truncate(wheel_files(300_000))


@pytest.mark.corpus
def test_the_corpus_cut_at_every_97th_byte_raises_typed_errors_only(corpus: Path) -> None:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        truncate([corpus / row["file"] for row in csv.DictReader(lines)])


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_depth_is_limited(syntax: str) -> None:
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    tag = struct.pack(order + "HH", 0x0008, 0x1140)
    item = struct.pack(order + "HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    vr = b"" if syntax == SYNTAXES[0] else b"SQ\0\0"
    bomb = (tag + vr + b"\xff\xff\xff\xff" + item) * 100_000
    with pytest.raises(LimitError):
        decode(bomb, syntax)


def test_the_number_of_elements_is_limited() -> None:
    data = b"".join(struct.pack("<HHI", 0x0009, 0x1000 + n, 0) for n in range(200))
    with pytest.raises(LimitError):
        decode(data, SYNTAXES[0], options=ReadOptions(max_elements=100))


def test_a_length_that_lies_costs_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for length in (0x7FFFFFFE, 0xFFFFFFFE):
        data = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, length) + bytes(100)
        with pytest.raises(PacsError):
            decode(data, SYNTAXES[1])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_a_deflate_bomb_stops_at_its_budget() -> None:
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = machine.compress(bytes(64 << 20)) + machine.flush()
    with pytest.raises(LimitError):
        decode(bomb, SYNTAXES[3], options=SMALL)
    with pytest.raises(TruncatedError):
        decode(bomb[:1000], SYNTAXES[3])

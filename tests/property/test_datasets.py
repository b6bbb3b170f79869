"""Data sets made at random, read and written by the native ring and by a slow twin."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom._dicom_dict import DicomDictionary

from pacskit.core.dataset import Dataset
from pacskit.encoding import TransferSyntax, decode, encode, transcode
from tests.oracles.datasets import Node, read, write

EXPLICIT = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
IMPLICIT = TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN
BIG = TransferSyntax.EXPLICIT_VR_BIG_ENDIAN
DEFLATED = TransferSyntax.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
GRAMMAR = {EXPLICIT: (False, False), IMPLICIT: (True, False), BIG: (False, True)}


def _some_tags() -> dict[int, str]:
    """Two tags of each VR, from pydicom's dictionary; not those that other elements depend on."""
    chosen: dict[str, list[int]] = {}
    for tag, (vr, _, _, retired, _) in sorted(DicomDictionary.items()):
        special = tag >> 16 <= 4 or tag & 0xFFFF == 0 or tag in (0x00080005, 0x00280103, 0x7FE00010)
        if not (special or retired or " " in vr or vr in ("NONE", "UN")):
            chosen.setdefault(vr, []).append(tag)
    return {tag: vr for vr, tags in chosen.items() for tag in tags[:2]}


TAGS = _some_tags()
# The width of the units that byte order turns round.
WIDTH = {"US": 2, "SS": 2, "AT": 2, "OW": 2, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4}
WIDTH |= {"FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8}


def swapped(node: Node) -> Node:
    """The same element with its value in the other byte order."""
    if node.items is not None:
        items = [[swapped(inner) for inner in item] for item in node.items]
        return Node(node.tag, node.vr, None, items, node.undefined, node.undefined_items)
    width = WIDTH.get(node.vr, 1)
    value = node.value or b""
    value = b"".join(value[i : i + width][::-1] for i in range(0, len(value), width))
    return Node(node.tag, node.vr, value)


def values(vr: str) -> st.SearchStrategy[bytes]:
    unit = max(2, 4 if vr == "AT" else WIDTH.get(vr, 2))
    return st.integers(0, 4).flatmap(lambda n: st.binary(min_size=n * unit, max_size=n * unit))


def datasets(depth: int) -> st.SearchStrategy[list[Node]]:
    def one(tag: int) -> st.SearchStrategy[Node]:
        vr = TAGS[tag]
        if vr != "SQ":
            return values(vr).map(lambda value: Node(tag, vr, value))
        items = st.lists(datasets(depth - 1), max_size=3) if depth else st.just([])
        return st.tuples(items, st.booleans(), st.booleans()).map(lambda t: Node(tag, vr, None, t[0], t[1], t[2]))

    tags = st.lists(st.sampled_from(sorted(TAGS)), unique=True, max_size=6).map(sorted)
    return tags.flatmap(lambda chosen: st.tuples(*(one(tag) for tag in chosen)).map(list))


def nodes_of(dataset: Dataset) -> list[Node]:
    """What the native ring read, as the twin would say it."""
    out = []
    for element in dataset:
        if element.VR == "SQ":
            out.append(Node(int(element.tag), "SQ", items=[nodes_of(item) for item in element.value]))
        else:
            out.append(Node(int(element.tag), str(element.VR), value=bytes(element.raw or b"")))
    return out


def written(nodes: list[Node], syntax: TransferSyntax) -> bytes:
    implicit, big = GRAMMAR[syntax]
    return write([swapped(node) for node in nodes] if big else nodes, implicit=implicit, big=big)


def reread(data: bytes, syntax: TransferSyntax) -> list[Node]:
    implicit, big = GRAMMAR[syntax]
    nodes = read(data, TAGS | {0x00100010: "PN"}, implicit=implicit, big=big)
    return [swapped(node) for node in nodes] if big else nodes


@pytest.mark.parametrize("syntax", GRAMMAR)
@given(nodes=datasets(4))
def test_native_reader_sees_what_the_slow_writer_wrote(syntax: TransferSyntax, nodes: list[Node]) -> None:
    data = written(nodes, syntax)
    seen = nodes_of(decode(data, syntax))
    assert ([swapped(n) for n in seen] if syntax == BIG else seen) == nodes
    assert encode(decode(data, syntax), syntax) == data


@pytest.mark.parametrize("target", GRAMMAR)
@pytest.mark.parametrize("source", GRAMMAR)
@given(nodes=datasets(3))
def test_conversion_keeps_every_value_and_kind_of_length(
    source: TransferSyntax, target: TransferSyntax, nodes: list[Node]
) -> None:
    converted = transcode(written(nodes, source), source, target)
    assert converted == written(nodes, target)
    assert transcode(converted, target, source) == written(nodes, source)


@given(nodes=datasets(3))
def test_deflated_is_the_explicit_data_set_inside(nodes: list[Node]) -> None:
    plain = written(nodes, EXPLICIT)
    packed = transcode(plain, EXPLICIT, DEFLATED)
    assert len(packed) % 2 == 0
    assert transcode(packed, DEFLATED, EXPLICIT) == plain
    assert encode(decode(packed, DEFLATED), DEFLATED) == packed


@pytest.mark.parametrize("syntax", GRAMMAR)
@given(nodes=datasets(2), name=st.text("ABC^ ", max_size=10))
def test_a_change_leaves_the_other_elements_as_they_were(syntax: TransferSyntax, nodes: list[Node], name: str) -> None:
    dataset = decode(written(nodes, syntax), syntax)
    dataset.PatientName = name
    text = name.encode() + b" " * (len(name) % 2)
    expected = sorted([n for n in nodes if n.tag != 0x00100010] + [Node(0x00100010, "PN", text)], key=lambda n: n.tag)
    assert reread(encode(dataset, syntax), syntax) == expected


@given(numbers=st.lists(st.floats(-1e20, 1e20), min_size=1, max_size=5))
def test_decimal_strings_read_as_python_reads_them(numbers: list[float]) -> None:
    text = "\\".join(f"{number:.10g}" for number in numbers)
    data = b"\x18\x00\x50\x00DS" + struct.pack("<H", len(text)) + text.encode()
    value = decode(data, EXPLICIT).get("SliceThickness")
    assert (value if isinstance(value, list) else [value]) == [float(f"{number:.10g}") for number in numbers]


@given(text=st.from_regex(r"[+-]?[0-9]{0,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_every_decimal_string_is_the_float_that_python_makes(text: str) -> None:
    data = b"\x18\x00\x50\x00DS" + struct.pack("<H", len(text)) + text.encode()
    dataset = decode(data, EXPLICIT)
    try:
        expected = float(text)
    except ValueError:
        if text:
            with pytest.raises(ValueError, match="decimal string"):
                dataset.get("SliceThickness")
        return
    assert dataset.SliceThickness == expected
    assert dataset.SliceThickness.original_string == text

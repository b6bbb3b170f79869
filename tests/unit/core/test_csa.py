"""Siemens CSA headers made here: both formats, cut and damaged."""

from __future__ import annotations

import struct
import warnings
from contextlib import suppress
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.csa import CSAHeader, csa_header, parse_ascconv, parse_csa
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, LimitError, TruncatedError

Element = tuple[str, str, int, list[str]]

SAMPLE: list[Element] = [
    ("EchoLinePosition", "IS", 1, ["64"]),
    ("B_value", "IS", 1, []),
    ("ImagePositionPatient", "DS", 3, ["-1.5", "  2", "3e1"]),
    ("ImaPATModeText", "LO", 1, ["é p2"]),
    ("ImageHistory", "UT", 0, ["one", "two"]),
]


def build(version: int, elements: list[Element], *, filled: int = 4) -> bytes:
    """A header as the scanner writes it: each element with at least ``filled`` items, the rest of them empty."""
    out = b"SV10\4\3\2\1" if version == 2 else b""
    out += struct.pack("<2I", len(elements), 77)
    shift = max(filled, len(elements[0][3])) if elements else 0  # CSA1: the items of the first element
    for name, vr, vm, items in elements:
        padded = items + [""] * (filled - len(items))
        out += struct.pack("<64si4s3i", name.encode(), vm, vr.encode(), 1, len(padded), 77)
        for item in padded:
            raw = item.encode("latin-1") + b"\0" if item else b""
            lengths = (len(raw) + shift, 77, 77, 77) if version == 1 else (len(raw), len(raw), 77, len(raw))
            out += struct.pack("<4i", *lengths) + raw + bytes(-len(raw) % 4)
    return out + bytes(4)


@pytest.fixture(scope="module")
def nibabel_reader() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("nibabel.nicom.csareader", reason="nibabel is not installed")  # type: ignore[no-any-return]


@pytest.mark.parametrize("version", [1, 2])
def test_both_formats_give_typed_values(version: int) -> None:
    header = parse_csa(build(version, SAMPLE))
    assert header.version == version
    assert dict(header) == {
        "EchoLinePosition": (64,),
        "B_value": (),
        "ImagePositionPatient": (-1.5, 2.0, 30.0),
        "ImaPATModeText": ("é p2",),
        "ImageHistory": ("one", "two"),
    }
    assert (header.elements["ImageHistory"].vm, header.elements["B_value"].vr) == (0, "IS")
    assert (header.value("B_value"), header.value("B_value", 0), header.protocol_text, header.protocol) == (
        None,
        0,
        None,
        {},
    )


@pytest.mark.parametrize("version", [1, 2])
def test_nibabel_reads_the_same(version: int, nibabel_reader: ModuleType) -> None:
    # Its CSA1 reader takes the second element for the first, and fails where that one has items: both are empty here.
    elements = [("Empty", "LO", 1, []), ("AlsoEmpty", "IS", 0, []), *SAMPLE]
    data = build(version, elements, filled=0)
    theirs = nibabel_reader.read(data)
    assert theirs["type"] == version
    for name, values in parse_csa(data).items():
        items = [item.decode("latin-1") if isinstance(item, bytes) else item for item in theirs["tags"][name]["items"]]
        assert list(values) == [item for item in items if item != ""]


def test_a_data_set_gives_its_headers_in_any_block() -> None:
    dataset = Dataset()
    dataset.private_block(0x0029, "SIEMENS MEDCOM HEADER", create=True)
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    text = "<XProtocol>\n### ASCCONV BEGIN @checksum=x ###\na = 1.5\n### ASCCONV END ###\n"
    block.add_new(0x10, "OB", build(2, SAMPLE))
    block.add_new(0x20, "OB", build(2, [("MrPhoenixProtocol", "UN", 0, [text])]))
    assert block.block_start == 0x1100
    assert csa_header(dataset)["EchoLinePosition"] == (64,)
    assert csa_header(dataset, "series").protocol == {"a": 1.5}
    assert csa_header(dataset, "series").protocol_text == text
    block.add_new(0x10, "LO", "text")
    with pytest.raises(DecodeError):
        csa_header(dataset)
    del block[0x10]
    with pytest.raises(KeyError):
        csa_header(dataset)


def test_the_protocol_is_read_as_numbers_and_text() -> None:
    text = """junk = 0
### ASCCONV BEGIN object=MrProtDataImpl@MrProtocolData version=41340006 ###
ulVersion                                = 0x14b44b6
tSequenceFileName                        = ""%SiemensSeq%\\ep2d_diff""
tName = "once"
sProtConsistencyInfo.flNominalB0         = 2.89362
lNeg = -12	# 0xfffffff4
sKSpace.dSeqPhasePartialFourierForSNR    = 1
empty =
= 3
no assignment
### ASCCONV END ###
after = 1
"""
    assert parse_ascconv(text) == {
        "ulVersion": 0x14B44B6,
        "tSequenceFileName": "%SiemensSeq%\\ep2d_diff",
        "tName": "once",
        "sProtConsistencyInfo.flNominalB0": 2.89362,
        "lNeg": -12,
        "sKSpace.dSeqPhasePartialFourierForSNR": 1,
        "empty": "",
    }
    assert parse_ascconv("") == parse_ascconv("### ASCCONV BEGIN ###\nno end = 1") == {}


@pytest.mark.parametrize("version", [1, 2])
def test_a_header_that_ends_early_is_truncated(version: int) -> None:
    data = build(version, SAMPLE)
    for cut in range(len(data) - 4 - 64):  # the last two items are empty
        try:
            header = parse_csa(data[:cut])
        except DecodeError:
            continue
        assert version == 1, cut  # whose elements may end so
        assert len(header) == len(SAMPLE)


def test_what_is_no_header_is_refused() -> None:
    for data in (
        b"",
        b"SV10",
        b"STEP;\nHEADER;" * 9,
        bytes(200),
        b"SV10\4\3\2\1" + struct.pack("<2I", 2, 78) + bytes(500),
    ):
        with pytest.raises(DecodeError):
            parse_csa(data)


@pytest.mark.parametrize("version", [1, 2])
def test_counts_over_the_limit_are_refused(version: int) -> None:
    head = b"SV10\4\3\2\1" if version == 2 else b""
    with pytest.raises(LimitError):
        parse_csa(head + struct.pack("<2I", 1001, 77) + bytes(90_000))
    for vm, count in ((1, 1001), (1, -1), (-1, 1), (1 << 30, 1)):
        with pytest.raises(LimitError):
            parse_csa(head + struct.pack("<2I64si4s3i", 1, 77, b"X", vm, b"IS", 0, count, 77) + bytes(90_000))


def test_an_item_longer_than_the_header_is_truncated() -> None:
    for length in (0x7FFFFFFF, -1, 5):
        data = b"SV10\4\3\2\1" + struct.pack("<2I64si4s3i4i", 1, 77, b"X", 1, b"LO", 0, 1, 77, 0, length, 0, 0)
        with pytest.raises(TruncatedError):
            parse_csa(data + b"four")


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(DecodeError, match="VR IS"):
        parse_csa(build(2, [("X", "IS", 1, ["1.5 apples"])]))


@given(
    st.binary(max_size=600), st.sampled_from([b"", b"SV10\4\3\2\1", b"SV10\4\3\2\1\2\0\0\0M\0\0\0", b"\2\0\0\0M\0\0\0"])
)
def test_any_bytes_give_a_header_or_a_decode_error(tail: bytes, head: bytes) -> None:
    with suppress(DecodeError):
        assert isinstance(parse_csa(head + tail), CSAHeader)


@given(st.integers(0, 1200), st.binary(min_size=1, max_size=8), st.sampled_from([1, 2]))
def test_a_damaged_header_gives_a_header_or_a_decode_error(at: int, damage: bytes, version: int) -> None:
    data = bytearray(build(version, SAMPLE))
    data[at : at + len(damage)] = damage
    with suppress(DecodeError):
        assert isinstance(parse_csa(bytes(data)), CSAHeader)


@given(st.text(max_size=300))
def test_any_text_is_no_danger_to_the_protocol_reader(text: str) -> None:
    parse_ascconv(text)
    parse_ascconv(f"### ASCCONV BEGIN ###\n{text}\n### ASCCONV END ###")

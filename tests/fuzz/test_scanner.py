"""Any bytes at all give a data set or a DecodeError: no crash, no hang, no memory beyond the budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, LimitError, PacsError, TruncatedError
from pacskit.encoding import TransferSyntax, dcmread, decode, encode

SYNTAXES = [
    TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN,
    TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN,
    TransferSyntax.EXPLICIT_VR_BIG_ENDIAN,
    TransferSyntax.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    TransferSyntax.RLE_LOSSLESS,
]
BUDGET = ReadOptions(max_depth=32, max_elements=10_000, max_inflated=1 << 20)
PIECES = [
    b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100",
    b"\x08\x00\x15\x11SQ\x00\x00\xff\xff\xff\xff",
    b"\x08\x00\x15\x11\xff\xff\xff\xff",
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"\xfe\xff\x0d\xe0\x00\x00\x00\x00",
    b"\xfe\xff\xdd\xe0\x00\x00\x00\x00",
    b"\xfe\xff\x00\xe0\x08\x00\x00\x00",
    b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff",
    b"\x10\x00\x10\x00PN\x04\x00A^B=",
    b"\x18\x00\x50\x00DS\x04\x001.5\\",
    b"\x20\x00\x13\x00IS\x02\x001 ",
    b"\x09\x00\x10\x10UN\x00\x00\xff\xff\xff\xff",
    b"\x28\x00\x06\x01\x02\x00\x00\x00\xff\x7f",
]


def touch(dataset: Dataset) -> None:
    """Make every value at every depth, and write the data set back."""
    for element in dataset.iterall():
        try:
            element.value  # noqa: B018
            str(element)
        except DecodeError:
            continue
    try:
        encode(dataset, TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN)
        encode(dataset, TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN)
    except PacsError:
        return


@pytest.mark.parametrize("syntax", SYNTAXES)
@given(data=st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)))
def test_garbage_is_a_data_set_or_a_typed_error(syntax: TransferSyntax, data: bytes) -> None:
    try:
        dataset = decode(data, syntax, options=BUDGET)
    except DecodeError:
        return
    touch(dataset)


@given(data=st.data())
def test_a_damaged_file_is_a_data_set_or_a_typed_error(data: st.DataObject) -> None:
    from pydicom.data import get_testdata_file

    name = data.draw(st.sampled_from(["CT_small.dcm", "test-SR.dcm", "rtplan.dcm", "image_dfl.dcm", "priv_SQ.dcm"]))
    with open(str(get_testdata_file(name)), "rb") as file:
        damaged = bytearray(file.read())
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(132, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        dataset = dcmread(bytes(damaged), force=True, options=BUDGET)
    except DecodeError:
        return
    touch(dataset)


def test_depth_is_limited() -> None:
    deep = (b"\x08\x00\x15\x11SQ\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 100_000
    with pytest.raises(LimitError) as caught:
        decode(deep)
    assert caught.value.tag == 0x00081115


def test_element_count_is_limited() -> None:
    many = b"".join(b"\x09\x10" + i.to_bytes(2, "little") + b"UN\x00\x00\x00\x00\x00\x00" for i in range(2000))
    with pytest.raises(LimitError):
        decode(many, options=ReadOptions(max_elements=1000))


def test_a_length_beyond_the_end_reserves_nothing() -> None:
    with pytest.raises(TruncatedError) as caught:
        decode(b"\xe0\x7f\x10\x00OW\x00\x00\xfe\xff\xff\xff" + bytes(100))
    assert (caught.value.tag, caught.value.offset) == (0x7FE00010, 0)


def test_a_deflate_bomb_stops_at_its_budget() -> None:
    import zlib

    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = machine.compress(bytes(64 << 20)) + machine.flush()
    with pytest.raises(LimitError):
        decode(bomb, TransferSyntax.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, options=BUDGET)
    with pytest.raises(TruncatedError):
        decode(bomb[:1000], TransferSyntax.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)

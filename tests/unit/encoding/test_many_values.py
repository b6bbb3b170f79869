"""Values that come again and again, and values that are large, are what they are alone and small."""

from __future__ import annotations

import io
import struct

import numpy as np
import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from pacskit.core.values import DS, MultiValue
from pacskit.encoding import decode, transcode
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE

_BIG = "1.2.840.10008.1.2.2"
_SETS = (b"ISO_IR 100", b"ISO_IR 144", b"ISO_IR 101")


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def _items(count: int) -> bytes:
    """Items that differ in little: in the character set, or only in the VR of the same bytes."""
    out = []
    for number in range(count):
        charset = _element(0x00080005, b"CS", _SETS[number % 3]) if number % 2 else b""
        text = [
            _element(0x00080060, b"CS", b"12.50"),
            _element(0x00080070, b"LO", b"\xb5\xd0\xc0"),
            _element(0x00080080, b"LO", b"12.50"),
            _element(0x00081155, b"UI", b"1.2.%d\0" % (number % 1500 + 1000)),
            _element(0x00100010, b"PN", b"\xb5\xd0^\xc0"),
            _element(0x00180050, b"DS", b"12.50"),
            _element(0x00200013, b"IS", b"%d" % (number % 7)),
            _element(0x00200032, b"DS", b"1\\2\\3.50"),
        ]
        body = charset + b"".join(text)
        out.append(struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body)
    items = b"".join(out)
    head = _element(0x00080005, b"CS", b"ISO_IR 126")
    return head + struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, len(items)) + items


def test_values_that_come_again_are_read_in_their_own_context() -> None:
    """Each as pydicom reads it; more of them than are remembered."""
    data = _items(2000)
    ours = decode(data, EXPLICIT_LITTLE)
    assert ours.scan is not None
    assert ours.scan.slot_count > 4096
    theirs = pydicom.dcmread(io.BytesIO(data), force=True)
    assert len(ours.ReferencedImageSequence) == len(theirs.ReferencedImageSequence) == 2000
    for one, other in zip(ours.ReferencedImageSequence, theirs.ReferencedImageSequence, strict=True):
        for element, expected in zip(one, other, strict=True):
            assert element.value == expected.value
            assert str(element.value) == str(expected.value)


def test_values_are_shared_unless_they_can_be_changed() -> None:
    first, second = decode(_items(2000), EXPLICIT_LITTLE).ReferencedImageSequence[2:5:2]
    assert first.SliceThickness is second.SliceThickness
    assert isinstance(first.ImagePositionPatient, MultiValue)
    first.ImagePositionPatient.append(DS(4))
    assert second.ImagePositionPatient == [1, 2, 3.5]


@pytest.mark.parametrize(
    ("tag", "vr", "kind"), [(0x7FE00010, "OW", "u2"), (0x7FE00008, "OF", "u4"), (0x7FE00009, "OD", "u8")]
)
@pytest.mark.parametrize("units", [0, 1, 31, 33, 9_000_000])
def test_byte_order_of_large_values(tag: int, vr: str, kind: str, units: int) -> None:
    """Both ways, as numpy turns them."""
    size = units if units < 100 else units // np.dtype(kind).itemsize
    words = np.random.default_rng(0).integers(0, 256, size * np.dtype(kind).itemsize, np.uint8).view(kind)
    head = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode(), 0, words.nbytes)
    big = transcode(head + words.tobytes(), EXPLICIT_LITTLE, _BIG)
    assert big[12:] == words.byteswap().tobytes()
    assert transcode(big, _BIG, EXPLICIT_LITTLE) == head + words.tobytes()


def test_a_large_data_set_is_copied_whole() -> None:
    dataset = pydicom.Dataset()
    dataset.PatientID = "1"
    dataset.add_new(0x7FE00010, "OW", np.random.default_rng(1).bytes(10_000_002))
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    data = bytes(buffer.getvalue())
    assert (
        transcode(transcode(data, EXPLICIT_LITTLE, "1.2.840.10008.1.2"), "1.2.840.10008.1.2", EXPLICIT_LITTLE) == data
    )

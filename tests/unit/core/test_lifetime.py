"""What is read goes when nobody holds it, although the collector does not look at values that were only read."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom import Dataset as TheirDataset
from pydicom import Sequence as TheirSequence
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.valuerep import IS as TheirIS

from pacskit import Dataset
from pacskit.core.element import DataElement
from pacskit.core.values import IS
from pacskit.encoding import decode
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE

pytestmark = pytest.mark.filterwarnings("ignore")


def _nested() -> bytes:
    inner = TheirDataset()
    inner.SeriesInstanceUID = "1.2.3"
    outer = TheirDataset()
    outer.SpecificCharacterSet = "ISO_IR 100"
    outer.ImageType = ["ORIGINAL", "PRIMARY"]
    outer.ReferencedSeriesSequence = TheirSequence([inner, inner])
    outer.PatientName = "DOE^JANE"
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, outer)
    return bytes(buffer.getvalue())


@pytest.fixture
def manual() -> Iterator[None]:
    """Only reference counts let go of anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class _Bytes(bytearray):
    """A source that can be watched."""


@pytest.mark.parametrize("how", ["tags", "values", "items", "copy", "changed"])
def test_dropped_data_sets_go_at_once(manual: None, how: str) -> None:
    """Data set, items and source, whatever was touched; an element of a sequence that was not decoded holds none."""
    source = _Bytes(_nested())
    ds = decode(source, EXPLICIT_LITTLE)
    watched: list[weakref.ref[Any]] = [weakref.ref(ds), weakref.ref(source)]
    if how == "tags":
        assert len([element.tag for element in ds]) == 4
    elif how == "values":
        assert len([element.value for element in ds]) == 4
    elif how == "items":
        watched.append(weakref.ref(ds.ReferencedSeriesSequence[1]))
    elif how == "copy":
        twin = copy.deepcopy(ds)
        twin.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2"
        watched.append(weakref.ref(twin))
        del twin
    else:
        ds.ImageType.append("AXIAL")
        ds.ReferencedSeriesSequence.append(Dataset(PatientID="1"))
    del ds, source
    assert [one() for one in watched] == [None] * len(watched)


def test_an_element_outlives_its_data_set() -> None:
    """A sequence that is decoded after its data set went still has the character set that it inherits."""
    inner = TheirDataset()
    inner.PatientName = "MÜLLER"
    outer = TheirDataset()
    outer.SpecificCharacterSet = "ISO_IR 192"
    outer.PixelRepresentation = 1
    outer.ReferencedSeriesSequence = TheirSequence([inner])
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_dataset(buffer, outer)
    element = decode(bytes(buffer.getvalue()), "1.2.840.10008.1.2")["ReferencedSeriesSequence"]
    gc.collect()
    assert isinstance(element, DataElement)
    assert element.value[0].PatientName == "MÜLLER"


def test_what_is_put_in_is_collected() -> None:
    """A circle that a user makes of values that were read is found."""
    ds = decode(_nested(), EXPLICIT_LITTLE)
    values: Any = ds.ImageType
    item: Any = ds.ReferencedSeriesSequence[0]
    assert not gc.is_tracked(values)
    assert not gc.is_tracked(item)
    values.append([values])
    watched = weakref.ref(item)
    item.transfer_syntax = [item]
    assert gc.is_tracked(values)
    assert gc.is_tracked(item)
    del ds, values, item
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))])
def test_a_circle_round_what_was_read_is_collected(kind: Any) -> None:
    """Whatever the collector meets first: CPython dies of a memoryview that is cleared while it is being read."""
    for _ in range(3):
        ds = decode(kind(_nested()), EXPLICIT_LITTLE)
        watched = weakref.ref(ds)
        circle: list[Any] = [ds]
        circle.append(circle)
        del ds, circle
        gc.collect()
        assert watched() is None


@pytest.mark.parametrize("text", ["0", "-0", "+7", "007", "-12", "12.0", " 5", "999999999999", "-", "1e3"])
def test_integer_strings(text: str) -> None:
    """The number and the text of an IS as pydicom has them, through pickling too."""
    data = b"\x20\x00\x13\x00IS" + len(padded := text.encode().ljust(len(text) + len(text) % 2)).to_bytes(2, "little")
    ds = decode(data + padded, EXPLICIT_LITTLE)
    try:
        theirs = TheirIS(text.strip())
    except ValueError:
        with pytest.raises(ValueError, match="integer string"):
            _ = ds.InstanceNumber
        return
    ours = ds.InstanceNumber
    for value in (ours, pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours), IS(text)):
        assert isinstance(value, IS)
        assert type(value).__name__ == "IS"
        assert value == theirs
        assert value.original_string == text.strip()
        assert str(value) == text.strip()
    assert sys.getsizeof(ours) <= sys.getsizeof(theirs)

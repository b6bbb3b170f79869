"""Numeric values as numpy arrays, without a Python object for each number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacskit.core.errors import DecodeError
from pacskit_ext._numbers import decimals, integers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pacskit.core.element import DataElement

__all__ = ["array_of"]

_TYPES = {
    "FD": "f8",
    "FL": "f4",
    "OB": "u1",
    "OD": "f8",
    "OF": "f4",
    "OL": "u4",
    "OV": "u8",
    "OW": "u2",
    "SL": "i4",
    "SS": "i2",
    "SV": "i8",
    "UL": "u4",
    "UN": "u1",
    "US": "u2",
    "UV": "u8",
}


def array_of(element: DataElement) -> NDArray[Any]:
    """The numbers of an element as an array of one dimension.

    DS gives float64 (NaN for an empty one), IS int64, both parsed natively. The binary VRs of an element that was read
    and not changed give a read-only view of the source, copying nothing; of a source in the other byte order a copy, in
    the machine's. Every array is read-only.

    Raises TypeError for a VR without numbers, DecodeError with tag and offset for text that is none.
    """
    import numpy as np

    vr = str(element.VR)
    raw = None if element.is_modified else element.raw
    if vr in ("DS", "IS"):
        if raw is None:
            return _from_values(element, np.dtype("f8" if vr == "DS" else "i8"))
        try:
            parsed = decimals(raw) if vr == "DS" else integers(raw)
        except DecodeError as error:
            error.tag, error.offset = element.tag, (element.offset or 0) + (error.offset or 0)
            raise
        return np.frombuffer(parsed, dtype="f8" if vr == "DS" else "i8")
    if vr not in _TYPES:
        raise TypeError(f"{element.tag} is {vr}, which has no numbers")
    kind = np.dtype(("<" if element.is_little_endian else ">") + _TYPES[vr])
    if raw is None:
        return _from_values(element, kind)
    if len(raw) % kind.itemsize:
        raise DecodeError(f"a value of {len(raw)} bytes is no multiple of {kind.itemsize}", tag=element.tag)
    found = np.frombuffer(raw, dtype=kind)
    return found if kind.isnative else _sealed(found.astype(kind.newbyteorder("=")))


def _sealed(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def _from_values(element: DataElement, kind: np.dtype[Any]) -> NDArray[Any]:
    import numpy as np

    value = element.value
    if value is None:
        return np.empty(0, kind)
    if isinstance(value, bytes):
        return np.frombuffer(value, kind)
    return _sealed(np.array(value if isinstance(value, list) else [value], kind))

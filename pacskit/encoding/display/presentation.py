"""From values of interest to P-values: presentation table or shape (PS3.3 C.11.4, C.11.6)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import items, text
from pacskit.encoding.display.lut import LookupTable, read_table

__all__ = ["Shape", "apply_presentation_lut", "is_inverted", "presentation_transform"]

Shape = Literal["IDENTITY", "INVERSE"]


def presentation_transform(ds: Dataset) -> LookupTable | Shape | None:
    """The Presentation LUT of a data set, else its shape; None where it says nothing."""
    tables = items(ds, "PresentationLUTSequence")
    if tables:
        table = read_table(tables[0], signed=False)
        if table.first:
            raise DecodeError(f"a Presentation LUT begins at {table.first}, not at 0", tag=0x00283002)
        return table
    shape = text(ds, "PresentationLUTShape")
    if shape is None:
        return None
    if shape.upper() == "IDENTITY":
        return "IDENTITY"
    if shape.upper() == "INVERSE":
        return "INVERSE"
    raise DecodeError(f"{shape!r} is not a Presentation LUT Shape for display", tag=0x20500020)


def is_inverted(ds: Dataset) -> bool:
    """Whether the least value of an image is shown white: MONOCHROME1, which an INVERSE shape says again.

    PS3.3 C.7.6.3.1.2 has MONOCHROME1 shown inverted; objects with a shape have INVERSE just for those, so that the two
    are never both applied.
    """
    return text(ds, "PhotometricInterpretation") == "MONOCHROME1" or presentation_transform(ds) == "INVERSE"


def normalized(table: LookupTable, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Look up values from 0 to 1 in a Presentation LUT whose input is scaled to its entries; output from 0 to 1."""
    index = np.rint(values * (len(table) - 1)).astype(np.intp)
    out: NDArray[np.float64] = table.data[index] / np.float64(table.largest)
    return out


def apply_presentation_lut(arr: NDArray[Any], ds: Dataset) -> NDArray[Any]:
    """Turn values of interest into P-values; unchanged where the data set says nothing.

    The input of a table is the range of ``arr``, as that of an inversion is.
    """
    transform = presentation_transform(ds)
    if isinstance(transform, LookupTable):
        if not arr.size:
            return arr
        low, high = float(arr.min()), float(arr.max())
        scaled = (arr.astype(np.float64) - low) / (high - low) if high > low else np.zeros(arr.shape)
        return transform.data[np.rint(scaled * (len(transform) - 1)).astype(np.intp)]
    if transform == "INVERSE" and arr.size:
        inverted: NDArray[Any] = arr.max() - arr
        return inverted
    return arr

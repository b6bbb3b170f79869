"""Decoder output into the array of the frame: width of the cell, sign, colour by pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacskit.encoding.codecs.base import PixelFormat, extend_sign

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["direct", "extend", "place"]


def direct(out: NDArray[Any], precision: int, signed: bool = False) -> NDArray[Any] | None:
    """Return ``out`` as the type in which a decoder gives samples of ``precision`` bits, None where cells differ."""
    width = 1 if precision <= 8 else 2 if precision <= 16 else 4
    if out.itemsize != width:
        return None
    kind = "i" if signed else "u"
    return out if out.dtype.kind == kind else out.view(f"{kind}{width}")


def place(values: NDArray[Any], out: NDArray[Any], *, planar: bool = False) -> None:
    """Copy what a decoder gave, colour by plane or by pixel, into ``out``, whose cells may be wider."""
    if values.size != out.size:
        raise ValueError(f"{values.size} samples were decoded; the frame has {out.size}")
    if planar:
        out[...] = values.reshape(out.shape[2], *out.shape[:2]).transpose(1, 2, 0)
    else:
        out[...] = values.reshape(out.shape)


def extend(out: NDArray[Any], precision: int, signed: bool, format: PixelFormat) -> None:
    """Make ``out`` what Pixel Representation says (PS3.5 8.1.1), whatever the sign of the code stream was.

    Samples of an unsigned code stream are two's complement where the data set is signed, and the reverse: the bits
    stay, their meaning is the data set's.
    """
    if precision <= 0 or signed == format.signed:
        return
    if format.signed:
        extend_sign(out, min(precision, format.bits_stored))
    elif precision < 8 * out.itemsize:
        out &= (1 << precision) - 1

"""Colour spaces of stored values (PS3.3 C.7.6.3.1.2), and the profile that says what RGB means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit_ext._color import change_colors

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["convert_color", "icc_profile"]

_PHOTOMETRIC: Final = 0x00280004
_KINDS: Final = ("u1", "u2", "i2", "i4")


class _Space(NamedTuple):
    """A colour space as a linear function of RGB: (matrix, its inverse, the origin in units of the range)."""

    forward: tuple[float, ...]
    backward: tuple[float, ...]
    luma: float  # what black has, in 256ths of the range


def _space(red: float, blue: float, luma: float, luma_range: float, chroma_range: float) -> _Space:
    """A luma and two colour differences, from the luma of red and blue (Recommendation ITU-R BT.601-7, 2.5)."""
    green = 1 - red - blue
    y, c = luma_range, chroma_range / 2
    forward = (
        red * y, green * y, blue * y,
        -red / (1 - blue) * c, -green / (1 - blue) * c, c,
        c, -green / (1 - red) * c, -blue / (1 - red) * c,
    )  # fmt: skip
    of_red, of_blue = (1 - red) / c, (1 - blue) / c
    backward = (
        1 / y, 0.0, of_red,
        1 / y, -of_blue * blue / green, -of_red * red / green,
        1 / y, of_blue, 0.0,
    )  # fmt: skip
    return _Space(forward, backward, luma)


_FULL: Final = _space(0.299, 0.114, 0, 1, 1)
_PARTIAL: Final = _space(0.299, 0.114, 16, 219 / 255, 224 / 255)
_SPACES: Final = {
    "YBR_FULL": _FULL,
    "YBR_FULL_422": _FULL,  # once its chrominance has full resolution
    "YBR_ICT": _FULL,
    "YBR_PARTIAL_422": _PARTIAL,
    "YBR_PARTIAL_420": _PARTIAL,
}


def convert_color(
    array: NDArray[Any], source: str, target: str, *, bits: int | None = None, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return pixels, (..., 3), in another colour space, rounded to the nearest and held in range.

    Parameters
    ----------
    array
        8 or 16 bits to a sample; chrominance at full resolution, as ``pixel_array`` gives it.
    source, target
        Terms of Photometric Interpretation: RGB, YBR_FULL, YBR_FULL_422, YBR_PARTIAL_422, YBR_PARTIAL_420, YBR_ICT or
        YBR_RCT. Where both mean the same space, ``array`` itself comes back.
    bits
        Bits Stored; by default all of the array's type, but 8 of ``int16`` and 16 of ``int32``.
    out
        Where to put it, an array of the same shape and type; ``array`` itself will do. Not for YBR_RCT.

    The differences of YBR_RCT need a bit more and a sign: to it an array becomes ``int16`` or ``int32``, and from it
    ``uint8`` or ``uint16``. A signed array of YBR_ICT has its chrominance about 0, any other about half of the range.

    >>> import numpy as np
    >>> convert_color(np.array([[[76, 85, 255]]], np.uint8), "YBR_FULL", "RGB").tolist()
    [[[254, 0, 0]]]
    """
    for name in (source, target):
        if name not in _SPACES and name not in {"RGB", "YBR_RCT"}:
            raise ValueError(f"{name} is no colour space that can be converted")
    kind, bits = _kind_of(array, bits)
    if source == target or _SPACES.get(source, source) is _SPACES.get(target, target):
        return array
    if "YBR_RCT" in {source, target}:
        if out is not None:
            raise ValueError("YBR_RCT needs another type, so out cannot hold it")
        return _to_reversible(array, source, bits) if target == "YBR_RCT" else _from_reversible(array, target, bits)
    pixels = np.ascontiguousarray(array)
    if out is None:
        out = np.empty_like(pixels)
    elif out.shape != array.shape or out.dtype != array.dtype or not out.flags.c_contiguous:
        raise ValueError("out must be C-contiguous, of the array's shape and type")
    for name, into in ((source, False), (target, True)):
        if name != "RGB":
            _change(pixels, out, kind, _SPACES[name], into, bits)
            pixels = out
    return out


def _kind_of(array: NDArray[Any], bits: int | None) -> tuple[str, int]:
    """The type of a sample, and how many bits of it count."""
    if array.ndim < 1 or array.shape[-1] != 3:
        raise ValueError("a pixel of these colour spaces has three samples")
    kind = array.dtype.str[1:]
    if kind not in _KINDS or array.dtype.byteorder == ">":
        raise TypeError(f"samples are uint8, uint16, int16 or int32, not {array.dtype}")
    bits = (array.dtype.itemsize * (4 if kind[0] == "i" else 8)) if bits is None else bits
    if not 1 <= bits <= min(16, 8 * array.dtype.itemsize - (kind[0] == "i")):
        raise ValueError(f"{bits} bits do not fit in {array.dtype}, or are more than 16")
    return kind, bits


def _change(pixels: NDArray[Any], out: NDArray[Any], kind: str, space: _Space, into: bool, bits: int) -> None:
    """To a space from RGB, or back."""
    half = 0.0 if kind[0] == "i" else float(1 << (bits - 1))
    origin = (space.luma * 2.0 ** (bits - 8), half, half)
    black = (0.0, 0.0, 0.0)
    high = float((1 << bits) - 1)
    if into:
        low = -float(1 << (bits - 1)) if kind[0] == "i" else 0.0
        change_colors(pixels, out, kind, space.forward, black, origin, (low, high))
    else:
        change_colors(pixels, out, kind, space.backward, origin, black, (0.0, high))


def _to_reversible(array: NDArray[Any], source: str, bits: int) -> NDArray[Any]:
    """The reversible transform of JPEG 2000, which has no rounding to lose anything in."""
    red, green, blue = _planes(convert_color(array, source, "RGB", bits=bits))
    planes = ((red + 2 * green + blue) >> 2, blue - green, red - green)
    return np.stack(planes, axis=-1).astype(np.int16 if bits <= 8 else np.int32)


def _from_reversible(array: NDArray[Any], target: str, bits: int) -> NDArray[Any]:
    luma, blue, red = _planes(array)
    green = luma - ((blue + red) >> 2)
    held = np.stack((red + green, green, blue + green), axis=-1).clip(0, (1 << bits) - 1)
    return convert_color(held.astype(np.uint8 if bits <= 8 else np.uint16), "RGB", target, bits=bits)


def _planes(array: NDArray[Any]) -> tuple[NDArray[np.int32], ...]:
    return tuple(array[..., number].astype(np.int32) for number in range(3))


def icc_profile(dataset: Dataset, optical_path: int = 0) -> bytes | None:
    """Return the ICC profile of an image, or that of one of its optical paths; None where there is none.

    PS3.3 C.11.15. Pixels are given as they are: applying the profile is left to a colour management system.
    """
    found = dataset.get("ICCProfile")
    paths = dataset.get("OpticalPathSequence") or []
    if not found and optical_path < len(paths):
        found = paths[optical_path].get("ICCProfile")
    if not found:
        return None
    profile = bytes(found)
    length = int.from_bytes(profile[:4], "big")  # which leaves out the byte that makes the value even
    if not 128 <= length <= len(profile):
        raise DecodeError("the ICC profile is not as long as it says", tag=0x00282000)
    return profile[:length]

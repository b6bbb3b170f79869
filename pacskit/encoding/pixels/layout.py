"""What a data set says of its pixels, checked (PS3.3 C.7.6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pacskit.core.dataset import Dataset
from pacskit.core.diagnostics import Diagnostic, DiagnosticKind
from pacskit.core.dictionary import keyword_for, tag_for
from pacskit.core.errors import DecodeError
from pacskit.encoding.codecs.base import PixelFormat
from pacskit.encoding.frames import FrameIndex
from pacskit.encoding.transfer_syntax import grammar

if TYPE_CHECKING:
    import numpy as np

__all__ = ["FloatPixelFormat", "Layout", "layout_of", "pixel_diagnostics", "pixel_format"]

_PIXEL_DATA: Final = 0x7FE00010
_FLOATS: Final = {0x7FE00008: 32, 0x7FE00009: 64}  # Float and Double Float Pixel Data
_GE_PRIVATE: Final = "1.2.840.113619.5.2"  # implicit little endian, but for its pixels

_SAMPLES: Final = {
    **dict.fromkeys(("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"), 1),
    **dict.fromkeys(("RGB", "HSV", "XYB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"), 3),
    **dict.fromkeys(("YBR_ICT", "YBR_RCT"), 3),
    **dict.fromkeys(("ARGB", "CMYK"), 4),
}


@dataclass(frozen=True, slots=True)
class FloatPixelFormat(PixelFormat):
    """The format of Float Pixel Data or Double Float Pixel Data (PS3.3 C.7.6.24, C.7.6.25)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """``float32`` or ``float64``."""
        import numpy as np

        return np.dtype(f"f{self.itemsize}")


class Layout(NamedTuple):
    """How stored values stand in their cells, besides the format of a frame (PS3.5 8.1.1 and 8.2).

    ``tag`` is the attribute that has the pixels, ``high_bit`` the place of the highest stored bit in its cell; with
    ``swap`` native cells of several bytes are in the order that is not the machine's.
    """

    format: PixelFormat
    tag: int
    high_bit: int
    swap: bool

    @property
    def is_float(self) -> bool:
        """Whether the pixels are floating point numbers."""
        return self.tag in _FLOATS

    @property
    def has_unused_bits(self) -> bool:
        """Whether cells have bits that are no part of the stored value."""
        return self.format.bits_stored < self.format.bits_allocated


def _fail(keyword: str, message: str) -> DecodeError:
    return DecodeError(message, tag=tag_for(keyword))


def _count(dataset: Dataset, keyword: str, least: int = 0, most: int = 0xFFFF) -> int:
    value = dataset.get(keyword)
    if value is None or value == "":
        raise _fail(keyword, f"{keyword} is missing")
    if not isinstance(value, int) or not least <= value <= most:
        raise _fail(keyword, f"{keyword} is not from {least} to {most}")
    return int(value)


def _pixel_tag(dataset: Dataset) -> int:
    """The attribute with the pixels; Pixel Data where there is none, as in a header that was read alone."""
    found = [tag for tag in (_PIXEL_DATA, *_FLOATS) if tag in dataset]
    if len(found) > 1:
        raise DecodeError("pixel data of several kinds in one data set", tag=found[1])
    return found[0] if found else _PIXEL_DATA


def _photometric(dataset: Dataset, samples: int) -> str:
    value = dataset.get("PhotometricInterpretation")
    if value is None or value == "":
        raise _fail("PhotometricInterpretation", "PhotometricInterpretation is missing")
    known = _SAMPLES.get(value) if isinstance(value, str) else None
    if known is None:
        raise _fail("PhotometricInterpretation", "not a term for PhotometricInterpretation")
    if known != samples:
        raise _fail("SamplesPerPixel", f"{value} has {known} sample(s) per pixel, not {samples}")
    return str(value)


def _planar(dataset: Dataset) -> int:
    """Planar Configuration; code streams have their own, so that theirs may be missing."""
    if "PlanarConfiguration" not in dataset and not _is_native(dataset):
        return 0
    return _count(dataset, "PlanarConfiguration", 0, 1)


def _format(dataset: Dataset, tag: int) -> PixelFormat:
    samples = _count(dataset, "SamplesPerPixel", 1, 4)
    facts: dict[str, Any] = {
        "rows": _count(dataset, "Rows", 1),
        "columns": _count(dataset, "Columns", 1),
        "samples": samples,
        "photometric": _photometric(dataset, samples),
        "planar": _planar(dataset) if samples > 1 else 0,
    }
    if tag in _FLOATS:
        bits = _FLOATS[tag]
        if "BitsAllocated" in dataset and _count(dataset, "BitsAllocated") != bits:
            raise _fail("BitsAllocated", f"BitsAllocated of floating point numbers is {bits} here")
        return FloatPixelFormat(**facts, bits_allocated=bits, bits_stored=bits, signed=True)
    allocated = _count(dataset, "BitsAllocated", 1)
    if allocated not in {1, 8, 16, 32, 64}:
        raise _fail("BitsAllocated", f"cells of {allocated} bits are not 1, 8, 16, 32 or 64")
    stored = _count(dataset, "BitsStored", 1)
    if stored > allocated:
        raise _fail("BitsStored", f"{stored} bits stored do not fit in {allocated} bits allocated")
    signed = _count(dataset, "PixelRepresentation", 0, 1) == 1
    return PixelFormat(**facts, bits_allocated=allocated, bits_stored=stored, signed=signed)


def _high_bit(dataset: Dataset, format: PixelFormat) -> int:
    """High Bit; by default the stored bits are the low ones."""
    if isinstance(format, FloatPixelFormat) or dataset.get("HighBit") in (None, ""):
        return format.bits_stored - 1
    high = _count(dataset, "HighBit")
    if not format.bits_stored - 1 <= high < format.bits_allocated:
        raise _fail("HighBit", f"{format.bits_stored} bits do not end at bit {high} of {format.bits_allocated}")
    return high


def layout_of(dataset: Dataset) -> Layout:
    """Return how the pixels of a data set are laid out; DecodeError with the tag of what is missing or wrong."""
    tag = _pixel_tag(dataset)
    format = _format(dataset, tag)
    return Layout(format, tag, _high_bit(dataset, format), format.bits_allocated > 8 and _is_swapped(dataset, tag))


def _is_swapped(dataset: Dataset, tag: int) -> bool:
    """Whether cells are big endian; a value that was assigned is not, whatever the data set was read in."""
    element = dataset.get(tag)
    if element is None or element.offset is None:
        return False
    return not element.is_little_endian or dataset.transfer_syntax == _GE_PRIVATE


def _is_native(dataset: Dataset) -> bool:
    tag = _pixel_tag(dataset)
    if tag not in dataset or dataset[tag].is_undefined_length:
        return False
    syntax = dataset.transfer_syntax or dataset.file_meta.get("TransferSyntaxUID")
    return dataset[tag].offset is not None or syntax is None or not grammar(str(syntax)).encapsulated


def pixel_format(dataset: Dataset) -> PixelFormat:
    """Return the format of a frame, of Image Pixel's attributes (PS3.3 C.7.6.3.1).

    Raises DecodeError with the tag of what is missing or contradicts the rest, TruncatedError where native pixel data
    has fewer bytes than its frames need. A data set that was read without its pixel data has a format, too.
    """
    found = layout_of(dataset).format
    if _is_native(dataset):
        FrameIndex(dataset)
    return found


def pixel_diagnostics(dataset: Dataset) -> list[Diagnostic]:
    """Return what reading pixels tolerates and leaves out: native pixel data after the last frame.

    Number of Frames is what counts; a file whose pixel data would hold more frames may have a wrong one. A byte that
    makes the length even is none.
    """
    if not _is_native(dataset):
        return []
    layout_of(dataset)
    index = FrameIndex(dataset)
    place = index.bit_range(index.number_of_frames - 1)
    start, data = index.bit_range(0).offset, index.native
    used = place.offset - start + -(-(place.bit + place.bits) // 8)
    over = 0 if data is None else len(data) - used
    if over <= used % 2:
        return []
    tag = _pixel_tag(dataset)
    detail = f"{over} bytes after the last of {index.number_of_frames} frame(s)"
    return [Diagnostic(DiagnosticKind.EXCESS_PIXELS, keyword_for(tag), start + used, detail)]

"""``pixel_array`` as pydicom's Dataset has it: to be written to, in RGB, and the same until the data set changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacskit.core.dataset import Dataset as CoreDataset
from pacskit.encoding.pixels import PixelReader, convert_color, overlay_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["kept_pixel_array", "overlay_array"]

_PIXELS = (0x7FE00010, 0x7FE00008, 0x7FE00009)
_DESCRIBED = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip
_HELD = "_pixels"


def _decoded(dataset: Any) -> NDArray[Any]:
    if not hasattr(dataset, "file_meta"):  # it was made, and so were its elements
        dataset = CoreDataset([element for element in dataset if element.tag >> 16 in {0x0028, 0x7FE0}])
    reader = PixelReader(dataset)
    found = reader.array()
    if reader.photometric == "YBR_FULL":
        return convert_color(found, "YBR_FULL", "RGB", bits=reader.format.bits_stored)
    return found.copy()


def kept_pixel_array(dataset: Any) -> NDArray[Any]:
    """Return the pixels: those of the last time, unless what describes them, or Pixel Data, was assigned anew."""
    tag = next((tag for tag in _PIXELS if tag in dataset), None)
    if tag is None:
        raise AttributeError("the data set has no pixel data")
    element = dataset[tag]
    source = None if element.raw is not None else element.value
    facts = [tag, element.offset, *(dataset.get(keyword) for keyword in _DESCRIBED)]
    held = dataset.__dict__.get(_HELD)
    if held is None or held[0] is not source or held[1] != facts:
        held = dataset.__dict__[_HELD] = (source, facts, _decoded(dataset))
    array: NDArray[Any] = held[2]
    return array

"""Values of interest: windows and tables (PS3.3 C.11.2, C.7.6.16.2.10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import items, numbers, text
from pacskit.encoding.display.lut import LookupTable, read_table
from pacskit.encoding.display.modality import modality_range, modality_transform
from pacskit.encoding.functional_groups import functional_groups, is_enhanced

__all__ = [
    "VoiFunction",
    "Window",
    "apply_voi",
    "apply_voi_lut",
    "apply_windowing",
    "voi_tables",
    "windows",
]

VoiFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

_Choice = TypeVar("_Choice")

_FUNCTIONS: Final = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_CENTER: Final = 0x00281050
_WIDTH: Final = 0x00281051
_FUNCTION: Final = 0x00281056


@dataclass(frozen=True, slots=True)
class Window:
    """A window of values that is spread over the whole output range (PS3.3 C.11.2.1.2, C.11.2.1.3).

    >>> Window(40, 400).normalize(np.array([-160.0, 39.5, 240.0])).tolist()
    [0.0, 0.5, 1.0]
    """

    center: float
    width: float
    function: VoiFunction = "LINEAR"
    explanation: str | None = None

    def __post_init__(self) -> None:
        if self.function not in _FUNCTIONS:
            raise DecodeError(f"{self.function!r} is no VOI LUT Function", tag=_FUNCTION)
        if not (np.isfinite(self.center) and np.isfinite(self.width)):
            raise DecodeError("a window of center or width that is not finite", tag=_WIDTH)
        if self.width < 1 if self.function == "LINEAR" else self.width <= 0:
            least = "at least 1" if self.function == "LINEAR" else "above 0"
            raise DecodeError(f"Window Width is {self.width:g}; for {self.function} it is {least}", tag=_WIDTH)

    def normalize(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The output of the window, from 0 to 1."""
        x = np.asarray(values, np.float64)
        if self.function == "SIGMOID":
            power = np.clip((x - self.center) * (-4.0 / self.width), -700.0, 700.0)
            return 1.0 / (1.0 + np.exp(power))
        center, width = self.center, self.width
        if self.function == "LINEAR":
            center, width = center - 0.5, width - 1.0
        if width == 0:
            return (x > center).astype(np.float64)
        out = (x - center) / width
        out += 0.5
        return np.clip(out, 0.0, 1.0, out=out)

    def apply(self, values: NDArray[Any], low: float, high: float) -> NDArray[np.float64]:
        """The output of the window, from ``low`` to ``high``."""
        out = self.normalize(values)
        out *= high - low
        out += low
        return out


def windows(ds: Dataset, frame: int = 0) -> tuple[Window, ...]:
    """The windows that a frame comes with, in their order; none where there are none.

    Raises DecodeError where centers and widths are not as many, or where a width is not allowed.
    """
    place = _place(ds, frame)
    centers, widths = numbers(place, "WindowCenter"), numbers(place, "WindowWidth")
    if centers is None and widths is None:
        return ()
    if centers is None or widths is None or len(centers) != len(widths):
        counts = f"{len(centers or ())} centers and {len(widths or ())} widths"
        raise DecodeError(f"windows of {counts}", tag=_CENTER)
    function = cast("VoiFunction", (text(place, "VOILUTFunction") or "LINEAR").upper())
    said: Any = place.get("WindowCenterWidthExplanation")
    names = [str(name) for name in said] if isinstance(said, list | tuple) else [str(said)] if said else []
    names += [""] * (len(centers) - len(names))
    return tuple(
        Window(center, width, function, name or None)
        for center, width, name in zip(centers, widths, names, strict=False)
    )


def _place(ds: Dataset, frame: int) -> Dataset:
    """Where the window of a frame is: its functional group, or the data set."""
    if is_enhanced(ds):
        item = functional_groups(ds, frame).get("FrameVOILUTSequence")
        if item is not None:
            return item
    return ds


def voi_tables(ds: Dataset, *, signed: bool | None = None) -> tuple[LookupTable, ...]:
    """The tables of the VOI LUT Sequence, in their order.

    ``signed`` says whether values of the modality can be negative; by default the data set tells.
    """
    sequence = items(ds, "VOILUTSequence")
    if not sequence:
        return ()
    if signed is None:
        signed = modality_range(ds, modality_transform(ds))[0] < 0
    return tuple(read_table(item, signed=signed) for item in sequence if item.get("LUTDescriptor") is not None)


def _output_range(ds: Dataset, frame: int) -> tuple[float, float]:
    return modality_range(ds, modality_transform(ds, frame))


def apply_windowing(arr: NDArray[Any], ds: Dataset, index: int = 0, *, frame: int = 0) -> NDArray[Any]:
    """Apply a window of the data set to values of the modality; unchanged where it has none.

    The output, float64, has the range that the modality transformation can give. ``index`` counts windows from 0.
    """
    found = windows(ds, frame)
    if not found:
        return arr
    if text(ds, "PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError("only images of one gray channel have windows")
    return _choose(found, index, "windows").apply(arr, *_output_range(ds, frame))


def apply_voi(arr: NDArray[Any], ds: Dataset, index: int = 0) -> NDArray[Any]:
    """Apply a table of the VOI LUT Sequence to values of the modality; unchanged where there is none."""
    tables = voi_tables(ds)
    return _choose(tables, index, "VOI LUTs").apply(arr) if tables else arr


def apply_voi_lut(
    arr: NDArray[Any], ds: Dataset, index: int = 0, prefer_lut: bool = True, *, frame: int = 0
) -> NDArray[Any]:
    """Apply a VOI table or a window; where the data set has both, the table unless ``prefer_lut`` is false."""
    tables = voi_tables(ds)
    if tables and (prefer_lut or not windows(ds, frame)):
        return _choose(tables, index, "VOI LUTs").apply(arr)
    return apply_windowing(arr, ds, index, frame=frame)


def _choose(found: tuple[_Choice, ...], index: int, what: str) -> _Choice:
    if not 0 <= index < len(found):
        raise IndexError(f"there are {len(found)} {what}")
    return found[index]

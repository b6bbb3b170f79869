"""Where the display pipeline gets its stored values from."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.encoding.pixels.reader import PixelReader

__all__ = ["stored_frame"]


def stored_frame(ds: Dataset, frame: int) -> NDArray[Any]:
    """The stored values of one frame; the others are not decoded."""
    return PixelReader(ds).frame(frame)


def colors(ds: Dataset, pixels: NDArray[Any]) -> NDArray[Any]:
    """TEMPORARY."""
    raise NotImplementedError

"""pylibjpeg-libjpeg: GPL, slow, holds the GIL; tried last and only where it is installed (``pacskit[gpl]``).

It reads what no other back end does, such as subsampled JPEG-LS, and accepts truncated code streams without a word,
so that it is not asked after another one has found damage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacskit.core.errors import CodecError
from pacskit.encoding.codecs.base import LibraryCodec, PixelFormat, extend_sign

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LibjpegCodec"]

_JPEG = "1.2.840.10008.1.2.4."


class LibjpegCodec(LibraryCodec):
    """Thomas Richter's libjpeg through pylibjpeg-libjpeg, decode only."""

    name = "pylibjpeg-libjpeg"
    licence = "GPL-3.0-only"
    module = "libjpeg"
    distribution = "pylibjpeg-libjpeg"
    hint = "pacskit[gpl]"
    decodes = tuple(_JPEG + number for number in ("50", "51", "57", "70", "80", "81"))

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether the cells have 8 or 16 bits."""
        return format.bits_allocated in {8, 16} and format.samples in {1, 3}

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: NDArray[Any]) -> None:
        """Fill ``out`` with the components as they are stored."""
        from libjpeg.utils import decode

        found = decode(bytes(frame), colour_transform=0)
        if found.shape != format.shape or found.itemsize > out.itemsize:
            raise CodecError(f"decoded to {found.shape} {found.dtype}; the frame is {format.shape} {format.dtype}")
        out.view(f"u{out.itemsize}")[...] = found
        if format.signed:
            extend_sign(out, format.bits_stored)

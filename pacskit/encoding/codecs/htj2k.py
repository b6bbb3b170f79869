"""High-Throughput JPEG 2000 (PS3.5 8.2.14 and 10.18, ISO/IEC 15444-15), by OpenJPH.

OpenJPEG (see ``jpeg2000``) decodes the streams that OpenJPH would get wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from struct import error as StructError
from struct import unpack_from
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import CodecTruncatedError
from pacskit.encoding.codecs.base import CodeStreamCodec, Declined, EncodeOptions, PixelFormat
from pacskit.encoding.codecs.headers import CodeStreamHeader
from pacskit.encoding.codecs.jpeg2000 import DEFAULT_RATIO, check_options, has_transform
from pacskit.encoding.codecs.samples import direct, extend, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OpenJphCodec"]

_LOSSLESS: Final = "1.2.840.10008.1.2.4.201"
_RPCL: Final = "1.2.840.10008.1.2.4.202"
_ANY: Final = "1.2.840.10008.1.2.4.203"
_SSIZ: Final = 42  # from SOC to the first Ssiz, one every three bytes (15444-1 A.5.1)
_COD, _COC, _SOT, _SOD = 0xFF52, 0xFF53, 0xFF90, 0xFF93
_THUMBNAIL: Final = 64  # the most a base resolution may measure (PS3.5 10.18)
_LEVELS: Final = 5
_TRIES: Final = 12


class SwallowedErrors:
    """Raises what a library loses: errors of a callback that end in ``sys.unraisablehook``.

    imagecodecs decodes HTJ2K in such a callback; a damaged stream leaves zeros from some row on and no error. The
    hook is ours only while a frame is decoded, in however many threads, and passes on what is not meant for it.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = Lock()
        self._inside = 0
        self._before: Callable[[Any], object] = sys.unraisablehook
        self._hook: Callable[[Any], object] = sys.unraisablehook
        self._lost: dict[int, BaseException | None] = {}

    def __enter__(self) -> None:
        """Begin to note such errors."""
        with self._lock:
            if not self._inside:
                self._before = sys.unraisablehook
                self._hook = sys.unraisablehook = partial(self._note, self._before)
            self._inside += 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Raise the one of this thread, where there was one."""
        with self._lock:
            self._inside -= 1
            if not self._inside and sys.unraisablehook is self._hook:
                sys.unraisablehook = self._before
            lost = self._lost.pop(get_ident(), None) if self._lost else None
        if lost is not None and error is None:
            raise RuntimeError(str(lost)) from lost

    def _note(self, before: Callable[[Any], object], unraisable: Any) -> None:
        if self._inside and self._module in str(unraisable.object):
            self._lost[get_ident()] = unraisable.exc_value
        else:
            before(unraisable)


class OpenJphCodec(CodeStreamCodec):
    """OpenJPH in imagecodecs: releases the GIL, several times as fast as OpenJPEG; decodes reversible streams only.

    It does not clamp what an irreversible wavelet overshoots: 0 becomes the largest value. Such streams are left to
    OpenJPEG.
    """

    name = "imagecodecs.htj2k"
    licence = "BSD-3-Clause AND BSD-2-Clause"
    module = "imagecodecs"
    distribution = "imagecodecs"
    hint = "imagecodecs"
    decodes = (_LOSSLESS, _RPCL, _ANY)
    encodes = (_LOSSLESS, _RPCL, _ANY)

    def __init__(self) -> None:
        self._swallowed = SwallowedErrors("imagecodecs._htj2k")

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded: up to 16 bits; above, OpenJPEG could not read them."""
        return syntax in self.encodes and format.bits_stored <= 16 and format.samples in {1, 3}

    def decode_parsed(
        self, frame: memoryview, header: CodeStreamHeader, format: PixelFormat, out: NDArray[Any]
    ) -> None:
        """Fill ``out``."""
        import imagecodecs

        if not (header.high_throughput and header.reversible):
            raise Declined("only reversible HTJ2K streams")
        check_tile_parts(frame, header)
        target = direct(out, header.bits, header.signed)
        planar = format.samples > 1 and not header.transform  # without one the library gives planes
        with self._swallowed:
            if target is None or planar:
                place(imagecodecs.htj2k_decode(frame), out, planar=planar)
            else:
                imagecodecs.htj2k_decode(frame, out=target)
        extend(out, header.bits, header.signed, format)

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the code stream: RPCL, blocks of 64 by 64, for .202 with tile-part lengths."""
        if check_options(syntax, syntax != _ANY, options):
            return _encode(centred(array, format, 0), syntax, format, None)
        samples = centred(array, format, 16 - format.bits_stored if format.bits_stored > 8 else 8 - format.bits_stored)
        if options.psnr is not None:
            return _to_psnr(samples, array, syntax, format, options.psnr)
        return _to_ratio(samples, array, syntax, format, options.ratio or DEFAULT_RATIO)


def centred(array: NDArray[Any], format: PixelFormat, shift: int) -> NDArray[Any]:
    """Return samples about 0 in signed cells, ``shift`` bits to the left.

    The library writes the precision of the cell. With the level shift done here the coefficients do not depend on
    it, and the precision can be set to Bits Stored afterwards.
    """
    import numpy as np

    cell = np.dtype("i1" if format.bits_stored <= 8 else "i2")
    found = array.astype(np.int32)
    if not format.signed:
        found -= 1 << format.bits_stored - 1
    found <<= shift
    return found.astype(cell)


def _encode(samples: NDArray[Any], syntax: str, format: PixelFormat, step: float | None) -> bytes:
    import imagecodecs

    ordered: dict[str, Any] = {"tlm": True, "tilepart": 1} if syntax == _RPCL else {}
    stream = bytearray(
        imagecodecs.htj2k_encode(
            samples,
            level=step,
            rgb=has_transform(format) if format.samples == 3 else None,
            resolutions=levels_of(format),
            reversible=step is None,
            **ordered,
        )
    )
    depth = format.bits_stored - 1 | (0x80 if format.signed else 0)
    for component in range(format.samples):
        stream[_SSIZ + 3 * component] = depth
    return bytes(stream)


def levels_of(format: PixelFormat) -> int:
    """Return how many decompositions make the base resolution at most 64 samples wide and high, 5 or more."""
    levels = _LEVELS
    while -(-max(format.rows, format.columns) >> levels) > _THUMBNAIL:
        levels += 1
    return levels


def _to_ratio(samples: NDArray[Any], array: NDArray[Any], syntax: str, format: PixelFormat, ratio: float) -> bytes:
    """Encode with the finest quantisation that makes the frame ``ratio`` times smaller than its bits stored."""
    room = array.size * format.bits_stored / 8 / ratio
    return _search(samples, syntax, format, lambda stream: len(stream) <= room)


def _to_psnr(samples: NDArray[Any], array: NDArray[Any], syntax: str, format: PixelFormat, psnr: float) -> bytes:
    """Encode with the coarsest quantisation that keeps a peak signal to noise ratio."""
    import imagecodecs
    import numpy as np

    worst = ((1 << format.bits_stored) - 1) ** 2 / 10 ** (psnr / 10)

    def too_good(stream: bytes) -> bool:
        error = imagecodecs.jpeg2k_decode(stream, numthreads=1).astype(np.float64) - array
        return float(np.mean(error * error)) <= worst

    return _search(samples, syntax, format, too_good, coarsest=True)


def _search(
    samples: NDArray[Any],
    syntax: str,
    format: PixelFormat,
    fits: Callable[[bytes], bool],
    *,
    coarsest: bool = False,
) -> bytes:
    """Halve the range of the quantisation step until what fits is close; sizes fall and errors grow with the step."""
    low, high = -24.0, 0.0
    best: bytes | None = None
    stream = b""
    for _ in range(_TRIES):
        middle = (low + high) / 2
        stream = _encode(samples, syntax, format, 2.0**middle)
        good = fits(stream)
        if good:
            best = stream
        if good == coarsest:
            low = middle
        else:
            high = middle
    return best if best is not None else stream


def check_tile_parts(frame: memoryview, header: CodeStreamHeader) -> None:
    """Follow the tile-parts to EOC, since OpenJPH takes what was cut for zeros.

    Raises CodecTruncatedError where they do not end at EOC; Declined where a component or tile has a
    coding style of its own, perhaps an irreversible one.
    """
    if header.own_styles:
        raise Declined("a component with a coding style of its own")
    end = len(frame) if header.end is None else header.end - 2
    try:
        at = header.data
        while at < end:
            marker, length, first = unpack_from(">H4xI2xH", frame, at)
            if marker != _SOT or (length and length < 14):
                raise CodecTruncatedError("tile-parts do not follow one another", offset=at)
            if first != _SOD:
                _check_tile_header(frame, at + 12)
            at = at + length if length else end
    except StructError as error:
        raise CodecTruncatedError("the code stream ends within a tile-part header", offset=len(frame)) from error
    if at != end:
        raise CodecTruncatedError("the last tile-part ends behind the code stream", offset=len(frame))


def _check_tile_header(frame: memoryview, at: int) -> None:
    while True:
        (marker,) = unpack_from(">H", frame, at)
        if marker == _SOD:
            return
        if marker in {_COD, _COC}:
            raise Declined("a tile with a coding style of its own")
        (length,) = unpack_from(">H", frame, at + 2)
        if marker < 0xFF00 or length < 2:
            raise CodecTruncatedError("a marker segment was expected in a tile-part header", offset=at)
        at += 2 + length

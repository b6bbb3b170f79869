"""JPEG 2000 Part 1 (PS3.5 8.2.4, ISO/IEC 15444-1), by OpenJPEG; it reads HTJ2K too.

Part 2 multi-component frames (1.2.840.10008.1.2.4.92 and .93) are in no installed library and are refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import CodecError, EncodeError
from pacskit.encoding.codecs.base import (
    TRANSFORMED_BITS,
    CodeStreamCodec,
    Declined,
    EncodeOptions,
    PixelFormat,
    Region,
)
from pacskit.encoding.codecs.headers import CodeStreamHeader
from pacskit.encoding.codecs.parts import part_of
from pacskit.encoding.codecs.samples import direct, extend, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DEFAULT_RATIO", "Jpeg2kCodec", "OpenJpegCodec", "has_transform"]

_LOSSLESS: Final = "1.2.840.10008.1.2.4.90"
_LOSSY: Final = "1.2.840.10008.1.2.4.91"
_HIGH_THROUGHPUT: Final = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203))

DEFAULT_RATIO: Final = 10.0
"""How many times smaller a lossy frame becomes where nothing is asked."""

_MAX_BITS: Final = 24
_TRIES: Final = 8
_SMALLEST: Final = 32  # pylibjpeg-openjpeg encodes no frame that is narrower or lower


class _Jpeg2000(CodeStreamCodec):
    """What both bindings of OpenJPEG share: 1 to 24 bits, signed or not."""

    decodes = (_LOSSLESS, _LOSSY, *_HIGH_THROUGHPUT)
    encodes = (_LOSSLESS, _LOSSY)

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be decoded."""
        return syntax in self.decodes and format.bits_stored <= _MAX_BITS

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded."""
        return syntax in self.encodes and format.bits_stored <= _MAX_BITS and format.samples in {1, 3}

    def decode_part(
        self,
        frame: memoryview,
        syntax: str,
        format: PixelFormat,
        levels: int,
        region: Region | None,
        header: CodeStreamHeader | None,
    ) -> NDArray[Any]:
        """Return ``region`` of the frame at 1/2**levels of its resolution; HTJ2K too, which OpenJPH would let wrap."""
        import numpy as np

        if header is None:
            raise Declined(f"frames of transfer syntax {syntax} have no header")
        part = part_of(frame, header, levels, region)
        if not levels and (part.rows, part.columns) == (format.rows, format.columns):
            raise Declined("the region is in one tile with all the rest")
        small = replace(format, rows=part.rows, columns=part.columns)
        out = np.empty(small.shape, small.dtype)
        found = replace(header, rows=part.rows, columns=part.columns, start=0)
        self.decode_parsed(memoryview(part.stream), found, small, out)
        if region is None:
            return out
        rows, columns = region.slices(levels)
        return out[
            rows.start - part.top : rows.stop - part.top, columns.start - part.left : columns.stop - part.left
        ].copy()


class Jpeg2kCodec(_Jpeg2000):
    """OpenJPEG in imagecodecs: releases the GIL, decodes in place; encodes lossless or to a PSNR."""

    name = "imagecodecs.jpeg2k"
    licence = "BSD-3-Clause AND BSD-2-Clause"
    module = "imagecodecs"
    distribution = "imagecodecs"
    hint = "imagecodecs"

    def decode_parsed(
        self, frame: memoryview, header: CodeStreamHeader, format: PixelFormat, out: NDArray[Any]
    ) -> None:
        """Fill ``out``."""
        import imagecodecs

        target = direct(out, header.bits, header.signed)
        try:
            if target is None:
                place(imagecodecs.jpeg2k_decode(frame, numthreads=1), out)
            else:
                imagecodecs.jpeg2k_decode(frame, numthreads=1, out=target)
        except imagecodecs.Jpeg2kError as error:
            raise CodecError(str(error)) from error
        extend(out, header.bits, header.signed, format)

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the code stream."""
        lossless = check_options(syntax, syntax == _LOSSLESS, options)
        samples = _cells(array, format)
        if not lossless and samples.min() == samples.max():
            lossless = (
                True  # of one value nothing is left by a PSNR, and it comes back as another; 5/3 does it for free
            )
        if not lossless and options.psnr is None:
            if min(format.rows, format.columns) >= _SMALLEST:
                raise Declined(f"{self.name} encodes to a PSNR, not to a ratio")
            return _to_ratio(samples, format, options.ratio or DEFAULT_RATIO)
        level = None if lossless else options.psnr
        try:
            return _encode(samples, format, level)
        except RuntimeError:
            # OpenJPEG reserves too little for noise of 1 bit; without a wavelet it fits
            return _encode(samples, format, level, resolutions=1)


class OpenJpegCodec(_Jpeg2000):
    """OpenJPEG in pylibjpeg-openjpeg: holds the GIL; encodes lossless, to a ratio or to a PSNR."""

    name = "pylibjpeg-openjpeg"
    licence = "MIT AND BSD-2-Clause"
    module = "openjpeg"
    distribution = "pylibjpeg-openjpeg"
    hint = "pylibjpeg-openjpeg"

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded: it has six resolutions, so none that are narrower or lower."""
        return super().can_encode(syntax, format) and min(format.rows, format.columns) >= _SMALLEST

    def decode_parsed(
        self, frame: memoryview, header: CodeStreamHeader, format: PixelFormat, out: NDArray[Any]
    ) -> None:
        """Fill ``out``."""
        import openjpeg

        place(openjpeg.decode(bytes(frame)), out)
        extend(out, header.bits, header.signed, format)

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the code stream."""
        from openjpeg.utils import encode_array

        rates: dict[str, list[float]] = {}
        if not check_options(syntax, syntax == _LOSSLESS, options):
            if options.psnr is not None:
                rates["signal_noise_ratios"] = [options.psnr]
            else:
                rates["compression_ratios"] = [options.ratio or DEFAULT_RATIO]
        return bytes(
            encode_array(
                _cells(array, format),
                bits_stored=format.bits_stored,
                photometric_interpretation=2 if format.samples == 1 else 1 if has_transform(format) else 3,
                use_mct=has_transform(format),
                **rates,
            )
        )


def has_transform(format: PixelFormat) -> bool:
    """Whether an encoder uses the multiple component transform: for RGB, whose photometric interpretation becomes
    YBR_RCT or YBR_ICT; YBR_FULL stays as it is (PS3.5 8.2.4)."""
    rgb = format.photometric in {"RGB", "YBR_RCT", "YBR_ICT"}
    return format.samples == 3 and rgb and format.bits_stored <= TRANSFORMED_BITS


def check_options(syntax: str, lossless: bool, options: EncodeOptions) -> bool:
    """Return ``lossless``, after refusing a ratio or PSNR that cannot be."""
    if lossless and (options.ratio is not None or options.psnr is not None):
        raise EncodeError(f"transfer syntax {syntax} is lossless: no ratio and no PSNR can be asked of it")
    if options.ratio is not None and options.psnr is not None:
        raise EncodeError("a ratio or a PSNR, not both")
    if options.ratio is not None and not options.ratio > 1:
        raise EncodeError(f"a compression ratio of {options.ratio} is none")
    if options.psnr is not None and not options.psnr > 0:
        raise EncodeError(f"a PSNR of {options.psnr} dB is none")
    return lossless


def _encode(array: NDArray[Any], format: PixelFormat, level: float | None, resolutions: int | None = None) -> bytes:
    import imagecodecs

    return bytes(
        imagecodecs.jpeg2k_encode(
            array,
            level=level,
            codecformat="j2k",
            reversible=level is None,
            bitspersample=format.bits_stored,
            mct=has_transform(format),
            resolutions=resolutions,
            numthreads=1,
        )
    )


def _to_ratio(array: NDArray[Any], format: PixelFormat, ratio: float) -> bytes:
    """Encode a small frame with the most of PSNR that makes it ``ratio`` times smaller, the least where none does."""
    room = array.size * format.bits_stored / 8 / ratio
    low, high = 1.0, 6.0 * format.bits_stored + 20
    best = _encode(array, format, low)
    for _ in range(_TRIES):
        middle = (low + high) / 2
        stream = _encode(array, format, middle)
        if len(stream) <= room:
            best, low = stream, middle
        else:
            high = middle
    return best


def _cells(array: NDArray[Any], format: PixelFormat) -> NDArray[Any]:
    """Samples in the narrowest cell that holds them, which is what the libraries take."""
    width = 1 if format.bits_stored <= 8 else 2 if format.bits_stored <= 16 else 4
    return array.astype(f"{array.dtype.kind}{width}", copy=False)

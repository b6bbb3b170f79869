"""JPEG-LS, lossless and near-lossless (PS3.5 8.2.3, ISO/IEC 14495-1), by CharLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import CodecError, EncodeError
from pacskit.encoding.codecs.base import CodeStreamCodec, Declined, EncodeOptions, PixelFormat, unsigned_bits
from pacskit.encoding.codecs.headers import CodeStreamHeader
from pacskit.encoding.codecs.samples import direct, extend, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CharlsCodec", "PyJpeglsCodec"]

_LOSSLESS: Final = "1.2.840.10008.1.2.4.80"
_NEAR: Final = "1.2.840.10008.1.2.4.81"
_EOI: Final = b"\xff\xd9"
_DEFAULT_NEAR: Final = 2
_LEAST: Final = 128
_NONE, _SAMPLE = 0, 2  # interleave modes (14495-1 C.2.3); 1 is by line


class _JpegLs(CodeStreamCodec):
    """What both bindings share: JPEG-LS holds 2 to 16 bits, unsigned (PS3.5 table 8.2.3-1)."""

    decodes = (_LOSSLESS, _NEAR)
    encodes = (_LOSSLESS, _NEAR)

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be decoded."""
        return syntax in self.decodes and format.bits_allocated in {8, 16}

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded."""
        return self.can_decode(syntax, format) and format.bits_stored >= 2 and format.samples in {1, 3}


class CharlsCodec(_JpegLs):
    """CharLS in imagecodecs: releases the GIL, decodes in place; encodes 8 and 16 bits stored."""

    name = "imagecodecs.jpegls"
    licence = "BSD-3-Clause"
    module = "imagecodecs"
    distribution = "imagecodecs"
    hint = "imagecodecs"

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded: it always writes the precision of the cell."""
        return super().can_encode(syntax, format) and format.bits_stored == format.bits_allocated

    def decode_parsed(
        self, frame: memoryview, header: CodeStreamHeader, format: PixelFormat, out: NDArray[Any]
    ) -> None:
        """Fill ``out``."""
        import imagecodecs

        _check(header)
        data = with_end(frame)
        target = direct(out, header.bits)
        try:
            if target is not None and (format.samples == 1 or header.interleave != _NONE):
                imagecodecs.jpegls_decode(data, out=target)
            else:
                place(imagecodecs.jpegls_decode(data), out)
        except imagecodecs.JpeglsError as error:
            raise CodecError(str(error)) from error
        extend(out, header.bits, False, format)

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the code stream."""
        import imagecodecs

        near = near_of(array, syntax, format, options)
        if options.interleave not in {None, _SAMPLE if format.samples > 1 else _NONE}:
            raise Declined(f"{self.name} writes colour interleaved by sample only")
        room = 2 * array.nbytes + 4096  # what the library reserves itself is too small for noise
        return bytes(imagecodecs.jpegls_encode(unsigned_bits(array, format.bits_stored), level=near, out=room))


class PyJpeglsCodec(_JpegLs):
    """CharLS in pyjpegls: holds the GIL; encodes any precision from 2 to 16 bits and every interleave mode."""

    name = "pyjpegls"
    licence = "MIT AND BSD-3-Clause"
    module = "jpeg_ls"
    distribution = "pyjpegls"
    hint = "pyjpegls"

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded: it reserves too little for the headers of tiny ones."""
        return super().can_encode(syntax, format) and format.rows * format.columns * format.samples >= _LEAST

    def decode_parsed(
        self, frame: memoryview, header: CodeStreamHeader, format: PixelFormat, out: NDArray[Any]
    ) -> None:
        """Fill ``out``."""
        import jpeg_ls
        import numpy as np

        _check(header)
        data, facts = jpeg_ls.decode_buffer(bytes(with_end(frame)))
        values = np.frombuffer(data, "u1" if header.bits <= 8 else "<u2")
        place(values, out, planar=format.samples > 1 and facts["interleave_mode"] == _NONE)
        extend(out, header.bits, False, format)

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the code stream."""
        import jpeg_ls

        near = near_of(array, syntax, format, options)
        mode = interleave_of(format, options)
        samples = unsigned_bits(array, format.bits_stored)
        if format.bits_stored <= 8:
            samples = samples.astype("u1", copy=False)
        if format.samples > 1 and mode == _NONE:
            samples = samples.transpose(2, 0, 1)
        return bytes(
            jpeg_ls.encode_buffer(
                samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes(),
                format.rows,
                format.columns,
                format.samples,
                format.bits_stored,
                lossy_error=near,
                interleave_mode=mode,
            )
        )


def with_end(frame: memoryview) -> memoryview | bytes:
    """Return the frame, with an EOI marker where it has none.

    CharLS searches for seconds in a code stream that was cut; with the marker it fails within milliseconds.
    """
    return frame if bytes(frame[-64:]).rstrip(b"\0").endswith(_EOI) else bytes(frame) + _EOI


def near_of(array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> int:
    """Return the NEAR parameter, checked: at most half the range and 255 (14495-1 C.2.3), 0 in the lossless syntax."""
    largest = min(255, ((1 << format.bits_stored) - 1) // 2)
    near = options.near
    if near is None:
        near = min(_DEFAULT_NEAR, largest) if syntax == _NEAR else 0
    if syntax == _LOSSLESS and near:
        raise EncodeError(f"JPEG-LS Lossless cannot be near-lossless (near {near})")
    if not 0 <= near <= largest:
        raise EncodeError(f"near {near} is not within 0 to {largest}, the most for {format.bits_stored} bits stored")
    if near and format.signed:
        _check_signed(array, format, near)
    return near


def _check_signed(array: NDArray[Any], format: PixelFormat, near: int) -> None:
    """Refuse signed samples that an error of ``near`` would turn from the highest to the lowest or back."""
    half = 1 << format.bits_stored - 1
    low, high = int(array.min()), int(array.max())
    if high + near >= half or low - near < -half:
        raise EncodeError(
            f"signed samples from {low} to {high}, within {near} of the end of {format.bits_stored} bits, cannot "
            "be near-lossless: JPEG-LS holds two's complement, where an error there changes the sign"
        )


def interleave_of(format: PixelFormat, options: EncodeOptions) -> int:
    """Return the interleave mode, checked."""
    mode = options.interleave
    if mode is None:
        return _SAMPLE if format.samples > 1 else _NONE
    if mode not in {0, 1, 2} or (mode and format.samples == 1):
        raise EncodeError(f"no JPEG-LS interleave mode {mode} for {format.samples} samples per pixel")
    return mode


def _check(header: CodeStreamHeader) -> None:
    if header.kind != "jpeg-ls":
        raise ValueError("not a JPEG-LS code stream")

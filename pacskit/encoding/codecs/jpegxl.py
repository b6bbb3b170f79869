"""JPEG XL (PS3.5 8.2.15 and A.4.12, ISO/IEC 18181), by libjxl: lossless, lossy, and JPEG recompressed.

A frame may be a bare code stream or the container of 18181-2 (PS3.5 says neither): both are read. What is written is
the bare code stream, except where the format itself asks for the container: a lossless one above 12 bits is of
level 10, and what rebuilds a JPEG is in a box.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import CodecError, CodecTruncatedError, CodecUnavailable, EncodeError
from pacskit.encoding.codecs.base import CodeStreamCodec, EncodeOptions, PixelFormat, unsigned_bits
from pacskit.encoding.codecs.headers import CodeStreamHeader, parse_header
from pacskit.encoding.codecs.samples import direct, extend, place

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

__all__ = ["JpegXlCodec", "recompress_jpeg", "reconstruct_jpeg"]

_LOSSLESS: Final = "1.2.840.10008.1.2.4.110"
_JPEG: Final = "1.2.840.10008.1.2.4.111"
_LOSSY: Final = "1.2.840.10008.1.2.4.112"
_BASELINE: Final = "1.2.840.10008.1.2.4.50"
_CONTAINER: Final = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_MAX_BOXES: Final = 4096
_FASTEST: Final = 1
_SOUND_PALETTE: Final = 2  # at 1 libjxl 0.11.2 loses pixels of some pictures with a little over 256 colours
_LOSSY_EFFORT: Final = 3
_DEFAULT_DISTANCE: Final = 1.0
_MAX_DISTANCE: Final = 25.0


class JpegXlCodec(CodeStreamCodec):
    """libjxl in imagecodecs: releases the GIL, decodes in place."""

    name = "imagecodecs.jpegxl"
    licence = "BSD-3-Clause"
    module = "imagecodecs"
    distribution = "imagecodecs"
    hint = "imagecodecs"
    decodes = (_LOSSLESS, _JPEG, _LOSSY)
    encodes = (_LOSSLESS, _LOSSY)

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be decoded."""
        return syntax in self.decodes and format.bits_stored <= 16

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded; a lossy one would change the sign of samples about 0."""
        if syntax not in self.encodes or format.bits_stored > 16 or format.samples not in {1, 3}:
            return False
        return syntax == _LOSSLESS or not (format.signed or format.photometric.startswith(("YBR", "PALETTE")))

    def decode_parsed(
        self, frame: memoryview, header: CodeStreamHeader, format: PixelFormat, out: NDArray[Any]
    ) -> None:
        """Fill ``out``."""
        import imagecodecs

        _check_boxes(frame)
        bits = header.bits or format.bits_stored
        target = direct(out, bits)
        try:
            if target is None:
                place(imagecodecs.jpegxl_decode(frame, numthreads=1), out)
            else:
                imagecodecs.jpegxl_decode(frame, numthreads=1, out=target)
        except imagecodecs.JpegxlError as error:
            raise CodecError(str(error)) from error
        extend(out, bits, False, format)

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the code stream."""
        import imagecodecs

        distance = _distance(syntax, options)
        lossless = not distance
        effort = options.effort if options.effort is not None else _FASTEST if lossless else _LOSSY_EFFORT
        if not 1 <= effort <= 9:
            raise EncodeError(f"a JPEG XL effort of {effort} is not within 1 to 9")
        if lossless and format.samples == 3 and format.bits_stored <= 8:
            effort = max(effort, _SOUND_PALETTE)
        samples = unsigned_bits(array, format.bits_stored)
        samples = samples.astype("u1" if format.bits_stored <= 8 else "u2", copy=False)
        return bytes(
            imagecodecs.jpegxl_encode(
                samples,
                lossless=lossless,
                distance=None if lossless else distance,
                effort=effort,
                bitspersample=format.bits_stored,
                usecontainer=False,
                numthreads=1,
            )
        )


def recompress_jpeg(jpeg: Buffer) -> bytes:
    """Return a JPEG Baseline code stream as JPEG XL that gives it back byte for byte (1.2.840.10008.1.2.4.111).

    Raises CodecError where it is none that can be, as extended and lossless ones.
    """
    import_error = _missing()
    if import_error:
        raise import_error
    import imagecodecs

    data = _unpadded(jpeg)
    header = parse_header(data, _BASELINE)
    if header is None or header.process not in {0, 1, 2} or header.bits != 8:
        raise CodecError("only 8-bit DCT JPEG code streams become JPEG XL without loss", syntax=_JPEG)
    try:
        found = bytes(imagecodecs.jpegxl_encode_jpeg(data, usecontainer=True, numthreads=1))
    except (RuntimeError, ValueError) as error:
        raise CodecError(f"this JPEG cannot be recompressed: {error}", syntax=_JPEG) from error
    if reconstruct_jpeg(found) != bytes(data):
        raise CodecError("this JPEG cannot be recompressed: it would not come back byte for byte", syntax=_JPEG)
    return found


def reconstruct_jpeg(frame: Buffer) -> bytes:
    """Return the JPEG code stream that a frame of 1.2.840.10008.1.2.4.111 was made from, byte for byte.

    Raises CodecError where the frame does not hold one.
    """
    import_error = _missing()
    if import_error:
        raise import_error
    import imagecodecs

    view = memoryview(frame).cast("B")
    if b"jbrd" not in _check_boxes(view):
        raise CodecError("this JPEG XL frame does not rebuild a JPEG", syntax=_JPEG)
    try:
        return bytes(imagecodecs.jpegxl_decode_jpeg(view, numthreads=1))
    except (RuntimeError, ValueError) as error:
        raise CodecError(f"the JPEG cannot be rebuilt: {error}", syntax=_JPEG) from error


def _missing() -> CodecUnavailable | None:
    if JpegXlCodec().version() is None:
        return CodecUnavailable("JPEG XL needs imagecodecs", syntax=_JPEG)
    return None


def _unpadded(jpeg: Buffer) -> memoryview:
    """The code stream without the zero that made its fragment even."""
    view = memoryview(jpeg).cast("B").toreadonly()
    return view[:-1] if len(view) > 2 and bytes(view[-3:]) == b"\xff\xd9\x00" else view


def _distance(syntax: str, options: EncodeOptions) -> float:
    distance = options.distance
    if distance is None:
        return _DEFAULT_DISTANCE if syntax == _LOSSY else 0.0
    if syntax == _LOSSLESS and distance:
        raise EncodeError(f"JPEG XL Lossless cannot have a distance of {distance}")
    if not 0 <= distance <= _MAX_DISTANCE:
        raise EncodeError(f"a JPEG XL distance of {distance} is not within 0 to {_MAX_DISTANCE:g}")
    return distance


def _check_boxes(view: memoryview) -> tuple[bytes, ...]:
    """Return the types of the boxes of a container, none for a bare code stream; refuse one that ends too early."""
    if bytes(view[:12]) != _CONTAINER:
        return ()
    found: list[bytes] = []
    at = 0
    while at + 8 <= len(view) and len(found) < _MAX_BOXES:
        size, head = int.from_bytes(view[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(view[at + 8 : at + 16], "big"), 16
        if size and size < head:
            raise CodecError(f"a JPEG XL box of {size} bytes", offset=at)
        found.append(bytes(view[at + 4 : at + 8]))
        at = at + size if size else len(view)
    if at > len(view):
        raise CodecTruncatedError("a JPEG XL container ends within a box", offset=len(view))
    return tuple(found)

"""JPEG by imagecodecs (libjpeg-turbo): Baseline and Extended, and JPEG Lossless where our own is not asked.

Components are never converted: which colours they are is for ``decoded_photometric`` to say. libjpeg-turbo guesses
when it is not told, and is wrong about RGB without an Adobe marker.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from pacskit.core.errors import CodecError, EncodeError
from pacskit.encoding.codecs.base import (
    Declined,
    EncodeOptions,
    LibraryCodec,
    PixelFormat,
    Region,
    extend_sign,
    unsigned_bits,
)
from pacskit.encoding.codecs.headers import CodeStreamHeader, parse_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["JpegCodec"]

_JPEG = "1.2.840.10008.1.2.4."
_BASELINE, _EXTENDED, _LOSSLESS, _SV1 = (_JPEG + number for number in ("50", "51", "57", "70"))
_SCALES = 3  # libjpeg scales by eighths; whole powers of two here
_AS_STORED: dict[str, Any] = {"colorspace": "YCBCR", "outcolorspace": "YCBCR"}


class JpegCodec(LibraryCodec):
    """libjpeg-turbo through imagecodecs; releases the GIL."""

    name = "imagecodecs.jpeg8"
    licence = "BSD-3-Clause AND IJG"
    module = "imagecodecs"
    distribution = "imagecodecs"
    hint = "imagecodecs"
    decodes = (_BASELINE, _EXTENDED, _LOSSLESS, _SV1)
    encodes = (_BASELINE, _EXTENDED, _LOSSLESS, _SV1)

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether the cells have 8 or 16 bits, in one sample or three."""
        return format.bits_allocated in {8, 16} and format.samples in {1, 3}

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether the process holds such samples: 8 bits (.50), 8 or 12 unsigned (.51), 2 to 16 (lossless)."""
        if not self.can_decode(syntax, format):
            return False
        if syntax in {_LOSSLESS, _SV1}:
            # it would mark the components of YBR as RGB
            return format.bits_stored >= 2 and (format.samples == 1 or format.photometric == "RGB")
        return not format.signed and format.bits_stored <= (8 if syntax == _BASELINE else 12)

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: NDArray[Any]) -> None:
        """Fill ``out`` with the components as they are stored, subsampled ones at full resolution."""
        import imagecodecs
        import numpy as np

        bits = format.bits_stored
        if format.bits_allocated > 8 or format.signed:  # else it has 8 bits, as the guard has seen
            header = parse_header(frame, syntax)
            bits = 0 if header is None else header.bits
        plain = out.view(f"u{out.itemsize}")
        width = 1 if bits <= 8 else 2
        target = plain if out.itemsize == width else np.empty(format.shape, f"u{width}")
        stream: Any = frame  # its stub does not know that it takes views
        try:
            imagecodecs.jpeg8_decode(stream, out=target, **(_AS_STORED if format.samples == 3 else {}))
        except imagecodecs.Jpeg8Error as error:
            if "nsupported" in str(error) or "not supported" in str(error):
                raise  # another back end may know it
            raise CodecError(str(error)) from error
        if target is not plain:
            plain[...] = target
        if format.signed:
            extend_sign(out, min(bits, format.bits_stored))

    def decode_part(
        self,
        frame: memoryview,
        syntax: str,
        format: PixelFormat,
        levels: int,
        region: Region | None,
        header: CodeStreamHeader | None,
    ) -> NDArray[Any]:
        """Return the frame at 1/2, 1/4 or 1/8 of its resolution, by fewer frequencies of its blocks, or a region of it.

        Pillow is asked for it, whose libjpeg-turbo scales; imagecodecs does not.
        """
        if header is None or not 1 <= levels <= _SCALES or header.process not in {0, 1, 2} or header.bits != 8:
            raise Declined("only 8-bit DCT JPEG is scaled, to 1/2, 1/4 or 1/8")
        found = _scaled(frame, header, format, levels)
        return found if region is None else found[region.slices(levels)].copy()

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return a code stream whose components are those of ``array``."""
        if syntax in {_LOSSLESS, _SV1}:
            return _encode_lossless(array, syntax, format, options)
        return _encode_dct(array, syntax, format, options)


def _scaled(frame: memoryview, header: CodeStreamHeader, format: PixelFormat, levels: int) -> NDArray[Any]:
    import numpy as np
    from PIL import Image

    small = format.reduced(levels)
    with Image.open(io.BytesIO(frame), formats=("JPEG",)) as image:
        # libjpeg takes components for YCbCr unless markers say RGB; asked for what it takes them for, it leaves them
        mode = "L" if format.samples == 1 else "RGB" if image.mode == "RGB" and _is_rgb(header) else "YCbCr"
        image.draft(mode, (max(1, format.columns >> levels), max(1, format.rows >> levels)))
        try:
            image.load()
        except OSError as error:
            raise CodecError(str(error)) from error
        if image.mode != mode or image.size != (small.columns, small.rows):
            raise Declined(f"libjpeg gives {image.size} pixels of {image.mode}")
        out = np.array(image).astype(f"u{small.itemsize}", copy=False).view(small.dtype)
    if format.signed:
        extend_sign(out, min(8, format.bits_stored))
    return out


def _is_rgb(header: CodeStreamHeader) -> bool:
    """Whether libjpeg takes three components for RGB: by APP14 without JFIF, else by their identifiers."""
    if header.jfif:
        return False
    return header.adobe == 0 if header.adobe is not None else header.components == (82, 71, 66)


def _encode_dct(array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
    import imagecodecs

    quality = 90 if options.quality is None else options.quality
    if not 1 <= quality <= 100:
        raise EncodeError(f"JPEG quality {quality} is not within 1 to 100")
    keywords: dict[str, Any] = {"level": quality}
    if format.bits_stored <= 8:
        array = array.astype("u1", copy=False)
    else:
        array, keywords["bitspersample"] = array.astype("u2", copy=False), 12
    if format.samples == 3:
        keywords |= _colours(format, options)
    elif options.subsampling not in {None, "444"}:
        raise EncodeError("one sample per pixel has nothing to subsample")
    return bytes(imagecodecs.jpeg8_encode(array, **keywords))


def _colours(format: PixelFormat, options: EncodeOptions) -> dict[str, Any]:
    """The components as they come, marked as what they are; YBR_FULL_422 halves the chrominance (PS3.3 C.7.6.3.1.2)."""
    if format.photometric == "RGB":
        if options.subsampling not in {None, "444"}:
            raise EncodeError("RGB is not subsampled: convert it to YBR_FULL_422 before")
        return {"colorspace": "RGB", "outcolorspace": "RGB"}
    usual: dict[str, str] = {"YBR_FULL": "444", "YBR_FULL_422": "422"}
    if format.photometric not in usual:
        raise EncodeError(f"JPEG does not hold {format.photometric} in three samples")
    subsampling = options.subsampling or usual[format.photometric]
    if format.photometric == "YBR_FULL" and subsampling != "444":
        raise EncodeError("YBR_FULL is not subsampled: that is YBR_FULL_422")
    return _AS_STORED | {"subsampling": subsampling}


def _encode_lossless(array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
    import imagecodecs

    predictor = 1 if options.predictor is None else options.predictor
    if not 1 <= predictor <= 7 or (syntax == _SV1 and predictor != 1):
        raise EncodeError(f"predictor {predictor} is not allowed here")
    if options.point_transform or options.restart_interval:
        raise Declined("point transform and restart intervals are not to be had")
    plain = unsigned_bits(array, format.bits_stored)
    plain = plain.astype("u1" if format.bits_stored <= 8 else "u2", copy=False)
    # the colour spaces must be left alone: told of them it writes a corrupt file without an error
    return bytes(imagecodecs.jpeg8_encode(plain, lossless=True, predictor=predictor, bitspersample=format.bits_stored))

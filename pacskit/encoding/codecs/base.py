"""What a codec is: the shape of a frame, the options of an encoder, and the protocol that every back end follows.

Nothing here imports a codec library, nor numpy before a format is asked for its dtype.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import metadata, util
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pacskit.encoding.codecs.headers import CodeStreamHeader

__all__ = [
    "CodeStreamCodec",
    "Codec",
    "Declined",
    "DecodeLimits",
    "Direction",
    "EncodeOptions",
    "LibraryCodec",
    "PartialCodec",
    "PixelFormat",
    "Region",
    "decoded_photometric",
    "encoded_photometric",
    "extend_sign",
    "is_lossless",
    "unsigned_bits",
]

Direction = Literal["decode", "encode"]


class Declined(NotImplementedError):
    """A back end leaves a frame to the next one; no verdict about the frame, as a DecodeError would be."""


_UID = "1.2.840.10008.1.2"
_JPEG_2000 = frozenset(_UID + suffix for suffix in (".4.90", ".4.91", ".4.92", ".4.93", ".4.201", ".4.202", ".4.203"))
_REVERSIBLE = frozenset(_UID + suffix for suffix in (".4.90", ".4.92", ".4.201", ".4.202"))
TRANSFORMED_BITS = 16
"""The most bits of which encoders of JPEG 2000 make the multiple component transform: OpenJPEG overflows above 23."""
_CELLS = frozenset(_UID + suffix for suffix in (".1.98", ".8.1"))
_JPEG_DCT = frozenset(_UID + suffix for suffix in (".4.50", ".4.51"))
_JPEG_XL_LOSSLESS = _UID + ".4.110"
_LOSSY = frozenset(
    f"{_UID}.4.{number}{suffix}"
    for number in (50, 51, 81, 91, 93, *range(100, 109), 112, 203)
    for suffix in ("", ".1")  # .1: fragmentable video
)
_JPEG_XL = frozenset(_UID + suffix for suffix in (".4.110", ".4.111", ".4.112"))


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """What a data set says of one frame (PS3.3 C.7.6.3.1).

    Parameters
    ----------
    rows, columns
        The size of the frame.
    samples
        Samples per Pixel, 1 or 3 (4 for retired photometric interpretations).
    bits_allocated, bits_stored
        The width of a sample's cell and of the sample; code streams hold it with high bit ``bits_stored - 1``.
    signed
        Whether Pixel Representation is 1.
    photometric
        Photometric Interpretation.
    planar
        Planar Configuration of the native encoding; a decoded frame is always colour by pixel.
    """

    rows: int
    columns: int
    samples: int = 1
    bits_allocated: int = 16
    bits_stored: int = 16
    signed: bool = False
    photometric: str = "MONOCHROME2"
    planar: int = 0

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1 or self.samples < 1:
            raise ValueError(f"{self.rows} rows, {self.columns} columns, {self.samples} samples are no frame")
        if self.bits_allocated not in {1, 8, 16, 32, 64} or not 1 <= self.bits_stored <= self.bits_allocated:
            raise ValueError(f"{self.bits_stored} bits stored in {self.bits_allocated} allocated are no sample")

    @property
    def itemsize(self) -> int:
        """Bytes of one decoded sample."""
        return max(1, self.bits_allocated // 8)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of a decoded sample, in the byte order of the machine; 1 bit becomes ``uint8``."""
        import numpy as np

        return np.dtype(f"{'i' if self.signed and self.bits_allocated > 1 else 'u'}{self.itemsize}")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a decoded frame: rows, columns, and the samples where there are several."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def nbytes(self) -> int:
        """Bytes of a decoded frame."""
        return self.rows * self.columns * self.samples * self.itemsize

    def reduced(self, levels: int) -> PixelFormat:
        """Return the format of the frame at 1/2**levels of its resolution (ISO/IEC 15444-1 B.5: rounded up)."""
        return replace(self, rows=-(-self.rows >> levels), columns=-(-self.columns >> levels))

    def __str__(self) -> str:
        sign = "signed" if self.signed else "unsigned"
        size = f"{self.columns}x{self.rows}x{self.samples}"
        return f"{size}, {self.bits_stored} of {self.bits_allocated} bits, {sign}, {self.photometric}"


class Region(NamedTuple):
    """A rectangle of a frame, in its pixels at full resolution; row and column 0 are the first."""

    top: int
    left: int
    rows: int
    columns: int

    def slices(self, levels: int = 0) -> tuple[slice, slice]:
        """Return where it is in the frame at 1/2**levels of its resolution."""
        return (
            slice(-(-self.top >> levels), -(-(self.top + self.rows) >> levels)),
            slice(-(-self.left >> levels), -(-(self.left + self.columns) >> levels)),
        )

    def check(self, rows: int, columns: int) -> Region:
        """Return it, if it is a rectangle of so large a frame; else raise ValueError."""
        bottom, right = self.top + self.rows, self.left + self.columns
        inside = min(self.top, self.left) >= 0 and bottom <= rows and right <= columns
        if self.rows < 1 or self.columns < 1 or not inside:
            raise ValueError(f"{self} is no part of {columns}x{rows} pixels")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How to encode; None leaves it to the codec.

    Parameters
    ----------
    quality
        JPEG: 1 to 100.
    near
        JPEG-LS: the largest difference of a sample (0 is lossless).
    ratio, psnr
        JPEG 2000: how many times smaller than the raw frame, or the peak signal to noise ratio in dB.
    distance
        JPEG XL: Butteraugli distance (0 is lossless, 1 visually so).
    subsampling
        JPEG: ``444``, ``422`` or ``420``.
    predictor
        JPEG Lossless: the selection value, 1 to 7.
    point_transform
        JPEG Lossless: how many low bits are dropped.
    restart_interval
        JPEG Lossless: MCUs between restart markers.
    interleave
        JPEG-LS: 0 none, 1 by line, 2 by sample.
    effort
        JPEG XL and Deflate: 1 (fast) to 9.
    """

    quality: int | None = None
    near: int | None = None
    ratio: float | None = None
    psnr: float | None = None
    distance: float | None = None
    subsampling: Literal["444", "422", "420"] | None = None
    predictor: int | None = None
    point_transform: int | None = None
    restart_interval: int | None = None
    interleave: int | None = None
    effort: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """What a frame nobody has vouched for may cost.

    Parameters
    ----------
    max_bytes
        How many bytes the decoded frame may have.
    allow_missing_end
        Whether a code stream without its end marker (EOI, EOC) is decoded as far as it goes instead of refused.
    check_scans
        Whether every block of a sequential JPEG is read before it is decoded: libjpeg-turbo makes grey of what is
        damaged or missing in between, and says nothing. Costs a fifth to a third of the decoding.
    """

    max_bytes: int = 2 << 30
    allow_missing_end: bool = False
    check_scans: bool = True


@runtime_checkable
class Codec(Protocol):
    """One back end: a library, or code of our own, that decodes or encodes frames of some transfer syntaxes.

    A back end that cannot do what it is asked raises anything but a ``DecodeError``, and the next one is tried; a
    ``DecodeError`` (``CodecError``) is its verdict on the code stream and ends the attempt.
    """

    @property
    def name(self) -> str:
        """What it is called, as in errors."""
        ...

    @property
    def licence(self) -> str:
        """Its licence, an SPDX expression."""
        ...

    @property
    def decodes(self) -> tuple[str, ...]:
        """The transfer syntaxes whose frames it decodes."""
        ...

    @property
    def encodes(self) -> tuple[str, ...]:
        """The transfer syntaxes whose frames it makes."""
        ...

    def version(self) -> str | None:
        """Return the version of the library, None where it is not installed; without importing it."""
        ...

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be decoded."""
        ...

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded."""
        ...

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: NDArray[Any]) -> None:
        """Fill ``out``: C-contiguous, of the format's shape and dtype.

        The values are the stored components, without colour conversion, colour by pixel, sign-extended.
        """
        ...

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the code stream of ``array``: C-contiguous, of the format's shape and dtype, values in range."""
        ...


@runtime_checkable
class PartialCodec(Protocol):
    """A back end that can decode less than a frame without decoding all of it."""

    def decode_part(
        self,
        frame: memoryview,
        syntax: str,
        format: PixelFormat,
        levels: int,
        region: Region | None,
        header: CodeStreamHeader | None,
    ) -> NDArray[Any]:
        """Return ``region`` of the frame (all where None) at 1/2**levels of its resolution.

        ``header`` is what ``parse_header`` gave, None for a syntax that it does not know. Raises Declined where the
        code stream does not let it.
        """
        ...


class LibraryCodec:
    """What back ends over an installed library share; a subclass sets the facts and adds ``decode`` or ``encode``."""

    name: ClassVar[str]
    licence: ClassVar[str]
    module: ClassVar[str]
    """The top-level module that must be importable."""
    distribution: ClassVar[str]
    """The distribution that has its version."""
    decodes: ClassVar[tuple[str, ...]] = ()
    encodes: ClassVar[tuple[str, ...]] = ()
    hint: ClassVar[str] = ""
    """How to install it, as in an error that says it is missing."""

    def version(self) -> str | None:
        """Return the version of the library, None where it is not installed; without importing it."""
        if util.find_spec(self.module) is None:
            return None
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return "unknown"

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be decoded."""
        return syntax in self.decodes

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded."""
        return syntax in self.encodes

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: NDArray[Any]) -> None:
        """Fill ``out``; for a back end that encodes only, refuse."""
        raise Declined(f"{self.name} does not decode")

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the code stream; for a back end that decodes only, refuse."""
        raise Declined(f"{self.name} does not encode")


def is_lossless(syntax: str) -> bool:
    """Whether a transfer syntax always gives the same pixels back; one that may lose some is not."""
    return str(syntax) not in _LOSSY


class CodeStreamCodec(LibraryCodec):
    """A back end that wants the header which the guard has read anyway: a subclass adds ``decode_parsed``."""

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: NDArray[Any]) -> None:
        """Fill ``out``."""
        from pacskit.encoding.codecs.headers import parse_header

        header = parse_header(frame, syntax)
        if header is None:
            raise Declined(f"frames of transfer syntax {syntax} have no header")
        self.decode_parsed(frame, header, format, out)

    def decode_parsed(
        self, frame: memoryview, header: CodeStreamHeader, format: PixelFormat, out: NDArray[Any]
    ) -> None:
        """Fill ``out`` from a frame whose header this is; for a back end that encodes only, refuse."""
        raise Declined(f"{self.name} does not decode")


def extend_sign(out: NDArray[Any], bits: int) -> None:
    """Make the signed samples of ``out``, of which ``bits`` are right, whole; a decoder left the others 0."""
    import numpy as np

    shift = 8 * out.itemsize - bits
    if shift > 0:
        np.left_shift(out, shift, out=out)
        np.right_shift(out, shift, out=out)


def unsigned_bits(array: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return the low ``bits`` of each sample as unsigned numbers, for code streams that know no sign."""
    import numpy as np

    plain = array.view(f"u{array.itemsize}")
    return plain & np.asarray((1 << bits) - 1, plain.dtype) if array.dtype.kind == "i" else plain


def decoded_photometric(syntax: str, format: PixelFormat, header: CodeStreamHeader | None = None) -> str:
    """Return the photometric interpretation of a decoded frame.

    A decoder of JPEG 2000 undoes the multiple component transform (PS3.5 8.2.4), one of JPEG XL what it made itself,
    and shows a recompressed JPEG (PS3.5 8.2.15); one of JPEG leaves YCbCr as it is, its chrominance at full resolution
    (PS3.5 8.2.1). With the ``header`` of a frame a JPEG whose markers contradict the data set is believed: writers
    label RGB as YBR and the reverse.
    """
    stored = format.photometric
    if syntax in _JPEG_2000 and stored in {"YBR_RCT", "YBR_ICT"}:
        return "RGB"
    if syntax in _JPEG_XL and format.samples == 3:
        return stored if syntax == _JPEG_XL_LOSSLESS and stored == "YBR_FULL" else "RGB"
    if header is not None and header.kind == "jpeg" and header.samples == 3:
        told = _told_by_markers(header)
        if told == "RGB" or (told and stored == "RGB"):
            return told
    if syntax in _JPEG_DCT and stored in {"YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"}:
        return "YBR_FULL"
    if syntax in _CELLS and stored == "YBR_FULL_422":
        return "YBR_FULL"
    if stored == "YBR_PARTIAL_420":  # video: a decoder gives what is shown
        return "RGB"
    return stored


def encoded_photometric(syntax: str, format: PixelFormat) -> str:
    """Return the photometric interpretation of a frame that an encoder of this package has made of ``format``.

    JPEG 2000 of RGB is YBR_RCT where the syntax is lossless, else YBR_ICT (PS3.5 8.2.4), up to the 16 bits of which
    the encoders make the transform.
    """
    if syntax in _JPEG_2000 and format.samples == 3 and format.photometric in {"RGB", "YBR_RCT", "YBR_ICT"}:
        if format.bits_stored > TRANSFORMED_BITS:
            return "RGB"
        return "YBR_RCT" if syntax in _REVERSIBLE else "YBR_ICT"
    return format.photometric


def _told_by_markers(header: CodeStreamHeader) -> str:
    """What the markers of a JPEG of three components say of its colours; nothing where there are none."""
    if header.adobe is not None:
        return "YBR_FULL" if header.adobe == 1 else "RGB"
    if header.components in {(82, 71, 66), (114, 103, 98)}:  # "RGB"
        return "RGB"
    return "YBR_FULL" if header.jfif else ""

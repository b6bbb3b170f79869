"""What surrounds every codec: header, budget and end of the code stream are checked before a library sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacskit.core.errors import (
    CodecError,
    CodecLimitError,
    CodecTruncatedError,
    CodecUnavailable,
    DecodeError,
    EncodeError,
    LimitError,
    TruncatedError,
)
from pacskit.core.uid import UID
from pacskit.encoding.codecs.base import (
    Codec,
    CodeStreamCodec,
    DecodeLimits,
    Direction,
    EncodeOptions,
    PartialCodec,
    PixelFormat,
    Region,
    is_lossless,
)
from pacskit.encoding.codecs.headers import CodeStreamHeader, parse_header
from pacskit.encoding.codecs.registry import CodecRegistry
from pacskit.encoding.codecs.registry import registry as default_registry
from pacskit_ext import _jpegscan

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

__all__ = ["check_frame", "decode_frame", "encode_frame"]

_UID = "1.2.840.10008.1.2"
_WHOLE_CELLS = frozenset(_UID + suffix for suffix in (".5", ".1.98", ".8.1"))
"""Syntaxes that keep every bit of a cell, also those above Bits Stored."""
_LIMITS = DecodeLimits()
_MOST_LEVELS = 32  # decompositions of JPEG 2000 (ISO/IEC 15444-1 A.6.1)
_OPTIONS = EncodeOptions()


def decode_frame(
    frame: Buffer,
    syntax: str,
    format: PixelFormat,
    *,
    out: NDArray[Any] | None = None,
    registry: CodecRegistry = default_registry,
    limits: DecodeLimits = _LIMITS,
    reduce: int = 0,
    region: Region | tuple[int, int, int, int] | None = None,
) -> NDArray[Any]:
    """Decode one frame, or less than it.

    Parameters
    ----------
    frame
        Its bytes, fragments joined.
    syntax
        The transfer syntax.
    format
        What the data set says of it.
    out
        Where to put it: C-contiguous, of the format's shape and dtype; made where None. Not for a part.
    registry
        Which back ends there are.
    limits
        What it may cost.
    reduce
        How often width and height are halved (rounded up), by decoding less: JPEG 2000 and HTJ2K at lower resolutions,
        JPEG Baseline by 1 to 3 in its frequencies. Other code streams have one resolution only.
    region
        Which part: (top, left, rows, columns) at full resolution. Of JPEG 2000 in tiles only those are decoded that it
        touches; from other code streams, decoded whole, it is cut out.

    Returns
    -------
    The stored components, colour by pixel, without colour conversion; see ``decoded_photometric``.

    Raises
    ------
    CodecError
        The code stream is damaged, or contradicts ``format``; CodecTruncatedError where it ends too early,
        CodecLimitError over the budget, CodecUnavailable where no installed back end decodes it, or none at a lower
        resolution.
    """
    view = memoryview(frame).cast("B").toreadonly()
    syntax = str(syntax)
    if reduce or region is not None:
        if out is not None:
            raise ValueError("a part of a frame is returned, not decoded into out")
        return _decode_part(view, syntax, format, registry, limits, reduce, region)
    header = check_frame(view, syntax, format, limits)
    target = _target(out, format)
    failures: list[tuple[Codec, Exception]] = []
    for codec in registry.codecs(syntax, "decode"):
        if not codec.can_decode(syntax, format):
            continue
        try:
            if header is not None and isinstance(codec, CodeStreamCodec):
                codec.decode_parsed(view, header, format, target)
            else:
                codec.decode(view, syntax, format, target)
        except DecodeError as error:
            raise _verdict(error, codec, syntax) from error
        except MemoryError:
            raise
        except Exception as error:
            failures.append((codec, error))
            continue
        return target
    if not failures:
        raise CodecUnavailable(_nobody(registry, syntax, format, "decode"), syntax=syntax)
    message = "; ".join(f"{codec.name}: {str(error) or type(error).__name__}" for codec, error in failures)
    raise CodecError(message, syntax=syntax) from failures[0][1]


def _decode_part(
    view: memoryview,
    syntax: str,
    format: PixelFormat,
    registry: CodecRegistry,
    limits: DecodeLimits,
    levels: int,
    region: tuple[int, int, int, int] | None,
) -> NDArray[Any]:
    """Decode less where a back end can, else everything, and cut the region out."""
    if not 0 <= levels <= _MOST_LEVELS:
        raise ValueError(f"a frame is halved 0 to {_MOST_LEVELS} times, not {levels}")
    wanted = None if region is None else Region(*region).check(format.rows, format.columns)
    header = check_frame(view, syntax, format, limits)
    failures: list[str] = []
    for codec in registry.codecs(syntax, "decode"):
        if not isinstance(codec, PartialCodec) or not codec.can_decode(syntax, format):
            continue
        try:
            return codec.decode_part(view, syntax, format, levels, wanted, header)
        except DecodeError as error:
            raise _verdict(error, codec, syntax) from error
        except MemoryError:
            raise
        except Exception as error:
            failures.append(str(error) or type(error).__name__)
    if levels:
        why = f": {failures[0]}" if failures else ""
        raise CodecUnavailable(f"no lower resolution of {UID(syntax).name} can be decoded{why}", syntax=syntax)
    whole = decode_frame(view, syntax, format, registry=registry, limits=limits)
    return whole if wanted is None else whole[wanted.slices()].copy()


def check_frame(view: memoryview, syntax: str, format: PixelFormat, limits: DecodeLimits) -> CodeStreamHeader | None:
    """Check the budget, the header against the format, and the end marker; return the header if there is one."""
    if format.nbytes > limits.max_bytes:
        raise CodecLimitError(f"a frame of {format.nbytes} bytes; the limit is {limits.max_bytes}", syntax=syntax)
    if not len(view):
        raise CodecTruncatedError("an empty frame", offset=0, syntax=syntax)
    header = parse_header(view, syntax)
    if header is None:
        return None
    _compare(header, syntax, format)
    if header.end is None and header.kind != "jpegxl" and not limits.allow_missing_end:
        marker = "EOC" if header.kind == "jpeg2000" else "EOI"
        raise CodecTruncatedError(f"the code stream has no end marker ({marker})", offset=len(view), syntax=syntax)
    if header.process in {0, 1} and header.end is not None and limits.check_scans:
        try:
            _jpegscan.check_scans(view[: header.end])
        except DecodeError as error:
            raise _verdict(error, None, syntax) from error
    return header


def _compare(header: CodeStreamHeader, syntax: str, format: PixelFormat) -> None:
    if (header.rows, header.columns) != (format.rows, format.columns):
        raise CodecError(
            f"the code stream has {header.columns}x{header.rows} pixels, the data set {format.columns}x{format.rows}",
            syntax=syntax,
        )
    if header.samples not in {0, format.samples}:
        raise CodecError(
            f"the code stream has {header.samples} samples per pixel, the data set {format.samples}", syntax=syntax
        )
    if header.bits > format.bits_allocated:
        raise CodecError(
            f"samples of {header.bits} bits do not fit in {format.bits_allocated} bits allocated", syntax=syntax
        )


def _target(out: NDArray[Any] | None, format: PixelFormat) -> NDArray[Any]:
    import numpy as np

    if out is None:
        return np.empty(format.shape, format.dtype)
    if out.shape != format.shape or out.dtype != format.dtype:
        raise ValueError(f"out is {out.shape} {out.dtype}; the frame is {format.shape} {format.dtype}")
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError("out must be C-contiguous and writeable")
    return out


def _verdict(error: DecodeError, codec: Codec | None, syntax: str) -> CodecError:
    kind: type[CodecError] = CodecError
    if isinstance(error, CodecError):
        kind = type(error)
    elif isinstance(error, TruncatedError):
        kind = CodecTruncatedError
    elif isinstance(error, LimitError):
        kind = CodecLimitError
    name = codec.name if codec is not None else None
    return kind(error.message, codec=name, syntax=syntax, offset=error.offset, tag=error.tag, path=error.path)


def _nobody(registry: CodecRegistry, syntax: str, format: PixelFormat, direction: Direction) -> str:
    """Why there is no back end: none known, none installed, or none for such pixels."""
    name = UID(syntax).name
    known = registry.known(syntax, direction)
    if not known:
        return f"nothing here can {direction} {name}"
    able = [entry for entry in known if entry.version is not None]
    if not able:
        hints = [str(getattr(entry.codec, "hint", "")) or entry.codec.name for entry in known]
        return f"to {direction} {name}, install one of: {', '.join(hints)}"
    return f"no back end can {direction} {name} of {format}; asked {', '.join(entry.codec.name for entry in able)}"


# -- encoding ----------------------------------------------------------------------------------------------------------


def encode_frame(
    array: NDArray[Any],
    syntax: str,
    format: PixelFormat,
    options: EncodeOptions = _OPTIONS,
    *,
    registry: CodecRegistry = default_registry,
    verify: bool = False,
) -> bytes:
    """Encode one frame.

    Parameters
    ----------
    array
        The stored components, colour by pixel: of the format's shape and dtype, values within Bits Stored.
    syntax
        The transfer syntax.
    format
        What the data set says, or will say, of it.
    options
        Quality, predictor and so on.
    registry
        Which back ends there are.
    verify
        Whether to decode the result; a lossless one must be equal, else EncodeError.

    Raises
    ------
    EncodeError
        The array does not fit the format, or the transfer syntax cannot hold it; the message says why.
    """
    syntax = str(syntax)
    pixels = _source(array, syntax, format)
    failures: list[tuple[Codec, Exception]] = []
    for codec in registry.codecs(syntax, "encode"):
        if not codec.can_encode(syntax, format):
            continue
        try:
            frame = codec.encode(pixels, syntax, format, options)
        except (EncodeError, MemoryError):
            raise
        except Exception as error:
            failures.append((codec, error))
            continue
        if verify:
            _verify(frame, pixels, syntax, format, registry, codec, options)
        return frame
    if not failures:
        raise EncodeError(_nobody(registry, syntax, format, "encode"))
    message = "; ".join(f"{codec.name}: {str(error) or type(error).__name__}" for codec, error in failures)
    raise EncodeError(message) from failures[0][1]


def _source(array: NDArray[Any], syntax: str, format: PixelFormat) -> NDArray[Any]:
    import numpy as np

    if array.shape != format.shape:
        raise EncodeError(f"an array of shape {array.shape}; the frame has {format.shape}")
    if array.dtype.newbyteorder("=") != format.dtype:
        raise EncodeError(f"an array of {array.dtype}; the frame has {format.dtype}")
    pixels = np.ascontiguousarray(array, dtype=format.dtype)
    if format.bits_stored == 8 * format.itemsize or (syntax in _WHOLE_CELLS and format.bits_allocated > 1):
        return pixels
    low, high = (-(1 << format.bits_stored - 1), (1 << format.bits_stored - 1) - 1)
    if not format.signed or format.bits_allocated == 1:
        low, high = 0, (1 << format.bits_stored) - 1
    found = int(pixels.min()), int(pixels.max())
    if found[0] < low or found[1] > high:
        raise EncodeError(f"samples from {found[0]} to {found[1]} do not fit in {format.bits_stored} bits stored")
    return pixels


def _verify(
    frame: bytes,
    pixels: NDArray[Any],
    syntax: str,
    format: PixelFormat,
    registry: CodecRegistry,
    codec: Codec,
    options: EncodeOptions,
) -> None:
    try:
        again = decode_frame(frame, syntax, format, registry=registry)
    except CodecError as error:
        raise EncodeError(f"{codec.name} made a frame that cannot be read: {error}") from error
    if is_lossless(syntax) and not options.point_transform and again.tobytes() != pixels.tobytes():
        raise EncodeError(f"{codec.name} made a frame that does not give the same pixels")

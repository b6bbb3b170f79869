"""What a conversion has to do: which step, which format of frames, and whether anything is lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pacskit.core.dataset import Dataset
from pacskit.core.errors import TranscodeError
from pacskit.core.uid import UID
from pacskit.encoding.codecs import (
    CodeStreamHeader,
    EncodeOptions,
    PixelFormat,
    decoded_photometric,
    encoded_photometric,
    is_lossless,
    parse_header,
)
from pacskit.encoding.codecs import registry as default_registry
from pacskit.encoding.codecs.registry import CodecRegistry
from pacskit.encoding.transfer_syntax import UNCOMPRESSED, TransferSyntax, grammar

if TYPE_CHECKING:
    from pacskit.encoding.pixels.reader import PixelReader

__all__ = ["PIXEL_DATA", "Frames", "Step", "can_transcode", "frames_of", "source_syntax", "step_of"]

PIXEL_DATA: Final = 0x7FE00010
_FLOATS: Final = (0x7FE00008, 0x7FE00009)
_JPEG: Final = TransferSyntax.JPEG_BASELINE
_JPEG_XL: Final = TransferSyntax.JPEG_XL_RECOMPRESSION
_DCT: Final = frozenset({str(_JPEG), str(TransferSyntax.JPEG_EXTENDED)})
_POINT_TRANSFORMED: Final = frozenset({str(TransferSyntax.JPEG_LOSSLESS), str(TransferSyntax.JPEG_LOSSLESS_SV1)})
_VIDEO: Final = "1.2.840.10008.1.2.4.10"
_BY_PLANE: Final = str(TransferSyntax.RLE_LOSSLESS)


class Step(StrEnum):
    """How frames get from one transfer syntax to another."""

    NOTHING = "as it is"
    BYTES = "without touching the pixels"
    RECOMPRESS = "JPEG as JPEG XL, byte for byte"
    REBUILD = "JPEG XL as the JPEG that it was, byte for byte"
    PIXELS = "frames decoded and encoded"

    @property
    def decodes(self) -> bool:
        """Whether pixels are decoded."""
        return self is Step.PIXELS


def source_syntax(dataset: Dataset) -> UID:
    """The transfer syntax of a data set: what it was read in or given, Explicit VR Little Endian for one just made."""
    found = dataset.transfer_syntax or dataset.file_meta.get("TransferSyntaxUID")
    return UID(found or TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN)


def _is_video(syntax: str) -> bool:
    from pacskit.encoding.codecs.video import is_video

    return syntax.startswith(_VIDEO) and is_video(syntax)


def step_of(dataset: Dataset, source: str, target: str) -> Step:
    """Return what is to be done; TranscodeError where it cannot be."""
    if source == target:
        return Step.NOTHING

    def refuse(message: str) -> TranscodeError:
        return TranscodeError(message, source=source, target=target, tag=PIXEL_DATA)

    if not any(tag in dataset for tag in (PIXEL_DATA, *_FLOATS)):
        if grammar(target).encapsulated:
            raise refuse(f"there is no pixel data to convert to {UID(target).name}")
        return Step.BYTES
    if source in UNCOMPRESSED and target in UNCOMPRESSED:
        return Step.BYTES
    if any(tag in dataset for tag in _FLOATS):
        raise refuse("floating point pixel data is not compressed")
    if _is_video(source) or _is_video(target):
        raise refuse("video passes through only: it is neither made of frames nor taken apart")
    if (source, target) == (_JPEG, _JPEG_XL):
        return Step.RECOMPRESS
    if (source, target) == (_JPEG_XL, _JPEG):
        return Step.REBUILD
    if target == _JPEG_XL:
        raise refuse(f"{UID(target).name} is made from {_JPEG.name} only")
    if target not in UNCOMPRESSED and not default_registry.known(target, "encode"):
        raise refuse(f"nothing here makes {UID(target).name}")
    return Step.PIXELS


def can_transcode(source: str, target: str, *, registry: CodecRegistry = default_registry) -> bool:
    """Whether pixels get from one transfer syntax to another in principle; their format may still forbid it.

    >>> can_transcode("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1")
    True
    """
    if source == target or (source in UNCOMPRESSED and target in UNCOMPRESSED):
        return True
    if _is_video(source) or _is_video(target):
        return False
    if target == _JPEG_XL:
        return source == _JPEG
    reads = source in UNCOMPRESSED or bool(registry.codecs(source, "decode"))
    return reads and (target in UNCOMPRESSED or bool(registry.codecs(target, "encode")))


@dataclass(frozen=True, slots=True)
class Frames:
    """How decoded frames become those of the target.

    ``decoded`` is the format of what a decoder gives, in its own colours; ``format`` what the encoder gets, and
    ``photometric`` and ``planar`` what the data set says then. ``lossy`` is whether this step loses anything,
    ``was_lossy`` whether the source had lost something by its code stream's own account.
    """

    decoded: PixelFormat
    format: PixelFormat
    photometric: str
    planar: int
    lossy: bool
    was_lossy: bool


def frames_of(
    reader: PixelReader, first: memoryview | None, source: str, target: str, options: EncodeOptions
) -> Frames:
    """Return how frames are converted; ``first`` is the first code stream, None for native pixels."""
    header = None if first is None else parse_header(first, source)
    photometric = reader.photometric if header is None else decoded_photometric(source, reader.format, header)
    decoded = replace(reader.format, photometric=photometric, planar=0)
    format = _target_format(decoded, target, options)
    told = encoded_photometric(target, format) if grammar(target).encapsulated else format.photometric
    return Frames(
        decoded=decoded,
        format=format,
        photometric=told,
        planar=1 if target == _BY_PLANE else 0,
        lossy=_loses(target, options),
        was_lossy=_has_lost(source, header),
    )


def _target_format(format: PixelFormat, target: str, options: EncodeOptions) -> PixelFormat:
    """The format that an encoder of ``target`` is given (PS3.5 8.2)."""
    if not is_lossless(target):
        _check_bearable(format, target)
    if target in _DCT and format.photometric in {"RGB", "YBR_FULL"}:
        whole = options.subsampling == "444"
        return _narrowed(replace(format, photometric="YBR_FULL" if whole else "YBR_FULL_422"), target)
    if target == TransferSyntax.JPEG_XL and format.photometric == "YBR_FULL":
        return replace(format, photometric="RGB")
    return _narrowed(format, target)


def _check_bearable(format: PixelFormat, target: str) -> None:
    """Refuse loss where a value that is a little off means something else."""
    if format.photometric == "PALETTE COLOR":
        message = "PALETTE COLOR is not compressed with loss: another index is another colour"
        raise TranscodeError(message, target=target, tag=0x00280004)
    if format.bits_allocated == 1:
        raise TranscodeError("single bits are not compressed with loss", target=target, tag=0x00280100)


def _narrowed(format: PixelFormat, target: str) -> PixelFormat:
    """JPEG Baseline has cells of 8 bits (PS3.5 table 8.2.1-1)."""
    wide = target == _JPEG and format.bits_allocated == 16 and format.bits_stored <= 8
    return replace(format, bits_allocated=8) if wide else format


def _loses(target: str, options: EncodeOptions) -> bool:
    if target in _POINT_TRANSFORMED:
        return bool(options.point_transform)
    if target == TransferSyntax.JPEG_LS_NEAR_LOSSLESS:
        return options.near != 0
    if target == TransferSyntax.JPEG_XL:
        return options.distance != 0
    return not is_lossless(target)


def _has_lost(source: str, header: CodeStreamHeader | None) -> bool:
    """Whether a code stream says itself that something was lost."""
    if header is None or is_lossless(source):
        return header is not None and header.point_transform > 0
    if header.kind == "jpeg-ls":
        return header.near > 0
    if header.kind == "jpeg2000":
        return not header.reversible
    return header.kind == "jpeg"

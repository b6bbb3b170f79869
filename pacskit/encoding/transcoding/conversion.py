"""A data set in another transfer syntax: what is decided once for data sets in memory and for files."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError, EncodeError, TranscodeError
from pacskit.core.uid import UID
from pacskit.encoding.codecs import DecodeLimits, EncodeOptions
from pacskit.encoding.codecs import registry as default_registry
from pacskit.encoding.codecs.registry import CodecRegistry
from pacskit.encoding.frames import FrameIndex, set_frames
from pacskit.encoding.pixels.layout import layout_of
from pacskit.encoding.pixels.reader import PixelReader
from pacskit.encoding.reader import decode
from pacskit.encoding.transcoding.attributes import (
    Identity,
    NewUid,
    forget_tables,
    free_overlays,
    plain_icons,
    ratio_text,
    set_loss,
    set_pixels,
)
from pacskit.encoding.transcoding.pipeline import coded_frames, native_chunks, stream_frames
from pacskit.encoding.transcoding.plan import (
    PIXEL_DATA,
    Frames,
    Step,
    frames_of,
    source_syntax,
    step_of,
)
from pacskit.encoding.transfer_syntax import TransferSyntax, grammar
from pacskit.encoding.writer import encode

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Conversion",
    "Policy",
    "Settings",
    "native_length",
    "own_meta",
    "prepare",
    "put_ratio",
    "reported",
    "swapped_words",
    "transcode",
]

_OPTIONS: Final = EncodeOptions()
_LIMITS: Final = DecodeLimits()
_REACH: Final = 0xFFFFFFFF  # of a Basic Offset Table
_PENDING: Final = "00000000"  # the ratio, as long as it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to convert: all that is the same for many data sets."""

    options: EncodeOptions = _OPTIONS
    new_uid: NewUid = "lossy"
    sop_instance_uid: str | Callable[[str], str] | None = None
    threads: int = 1
    limits: DecodeLimits = _LIMITS
    registry: CodecRegistry = default_registry

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError("there is at least one thread")
        if self.new_uid not in {"lossy", "always", "never"}:
            raise ConfigurationError(f"new_uid is lossy, always or never, not {self.new_uid!r}")

    @property
    def identity(self) -> Identity:
        """When the result is an instance of its own."""
        return Identity(self.new_uid, self.sop_instance_uid)


class Policy(TypedDict, total=False):
    """What may be said of a conversion besides the options of the encoder.

    Parameters
    ----------
    new_uid
        When the result gets a SOP Instance UID of its own, with the old one in Source Image Sequence: where something
        is lost now (``lossy``, the default), ``always`` or ``never``.
    sop_instance_uid
        The UID that it gets then, or a function that makes it of the old one; one made up by default.
    threads
        How many frames are converted at a time, 1 by default.
    limits, registry
        What a frame may cost, and the codecs.
    """

    new_uid: NewUid
    sop_instance_uid: str | Callable[[str], str] | None
    threads: int
    limits: DecodeLimits
    registry: CodecRegistry


@dataclass(slots=True)
class Conversion:
    """One data set on its way: ``dataset`` says what it will say, its pixels are still those of the source.

    ``lossy`` is whether a ratio is still to be put in, once ``raw`` bytes have become fewer.
    """

    dataset: Dataset
    step: Step
    source: UID
    target: UID
    settings: Settings
    frames: Frames | None = None
    reader: PixelReader | None = None
    index: FrameIndex | None = None
    number_of_frames: int = 0
    raw: int = 0
    lossy: bool = False
    renamed: bool = False

    def code_streams(self) -> Iterator[bytes]:
        """The frames of an encapsulated target."""
        settings = self.settings
        if self.index is not None and not self.step.decodes:
            return stream_frames(self.index, self.step, self.source, self.target, settings.threads)
        reader, frames = self._pixels()
        return coded_frames(
            reader, frames, self.target, settings.options, threads=settings.threads, registry=settings.registry
        )

    def cells(self) -> Iterator[bytes]:
        """The frames of a native target, little endian."""
        reader, frames = self._pixels()
        return native_chunks(reader, frames, threads=self.settings.threads)

    def _pixels(self) -> tuple[PixelReader, Frames]:
        if self.reader is None or self.frames is None:
            raise TranscodeError("there are no frames", source=self.source, target=self.target, tag=PIXEL_DATA)
        return self.reader, self.frames

    def ratio(self, encoded: int) -> str:
        """The compression ratio of so many encoded bytes."""
        return ratio_text(self.raw, encoded)

    @property
    def vr(self) -> str:
        """The VR of native pixel data (PS3.5 8.1.2 and A)."""
        _, frames = self._pixels()
        return "OW" if frames.format.bits_allocated > 8 or grammar(self.target).implicit else "OB"


def swapped_words(cells: bytes) -> bytes:
    """Words of OW in the other order (PS3.5 8.2)."""
    words = array("H")
    words.frombytes(cells)
    words.byteswap()
    return words.tobytes()


def native_length(frames: Frames, count: int) -> int:
    """Bytes of native pixel data, with the one that makes them even."""
    format = frames.format
    bits = format.rows * format.columns * format.samples * format.bits_allocated * count
    length = -(-bits // 8)
    return length + length % 2


def prepare(dataset: Dataset, syntax: str, settings: Settings) -> Conversion:
    """Decide what is to be done, and make the data set say so. The one given is not changed.

    Raises TranscodeError where it cannot be done, DecodeError for pixels that cannot be read.
    """
    source, target = source_syntax(dataset), UID(syntax)
    step = step_of(dataset, source, target)
    twin = dataset.copy()
    made = Conversion(twin, step, source, target, settings)
    if step is Step.BYTES or step is Step.NOTHING:
        if step is Step.BYTES:
            made.renamed = set_loss(twin, None, source, target, ("", ""), settings.identity)
        return made
    if step is Step.PIXELS:
        _prepare_pixels(dataset, made)
    else:
        made.index = FrameIndex(dataset)
        made.number_of_frames = made.index.number_of_frames
        made.renamed = set_loss(twin, None, source, target, ("", ""), settings.identity)
    forget_tables(twin)
    plain_icons(twin, source)
    return made


def _prepare_pixels(dataset: Dataset, made: Conversion) -> None:
    settings, twin = made.settings, made.dataset
    layout = layout_of(dataset)
    reader = PixelReader(dataset, limits=settings.limits, registry=settings.registry)
    first, before = None, 0
    if reader.is_encapsulated:
        index = FrameIndex(dataset)
        first = memoryview(index.frame(0))
        before = sum(span.length for number in range(index.number_of_frames) for span in index.spans(number))
    frames = frames_of(reader, first, made.source, made.target, settings.options)
    _check_held(made, frames)
    made.reader, made.frames, made.number_of_frames = reader, frames, reader.number_of_frames
    made.raw = frames.decoded.nbytes * reader.number_of_frames
    free_overlays(twin)
    set_pixels(twin, frames, layout.high_bit)
    ratios = ratio_text(made.raw, before), _PENDING
    made.renamed = set_loss(twin, frames, made.source, made.target, ratios, settings.identity)
    made.lossy = frames.lossy


def _check_held(made: Conversion, frames: Frames) -> None:
    """Refuse, before anything is written, pixels that no encoder of the target takes."""
    target = made.target
    if not grammar(target).encapsulated:
        return
    able = made.settings.registry.codecs(target, "encode")
    if not any(codec.can_encode(target, frames.format) for codec in able):
        why = f"{target.name} does not hold {frames.decoded}" if able else f"nothing installed makes {target.name}"
        raise TranscodeError(why, source=made.source, target=target, tag=PIXEL_DATA)


def transcode(dataset: Dataset, syntax: str, options: EncodeOptions = _OPTIONS, **policy: Unpack[Policy]) -> Dataset:
    """Return the data set in another transfer syntax; the one given is not changed.

    Pixels are decoded and encoded only where they must be: not among the uncompressed syntaxes, nor between JPEG
    Baseline and JPEG XL JPEG Recompression. In the syntax that it is in already a data set comes back as a copy.

    Parameters
    ----------
    syntax
        The transfer syntax to convert to.
    options
        Quality, ratio, predictor and so on.
    policy
        ``new_uid``, ``sop_instance_uid``, ``threads``, ``limits``, ``registry``: see ``Policy``.

    Raises TranscodeError (an EncodeError) where the target cannot hold such pixels, DecodeError where they cannot be
    read.
    """
    made = prepare(dataset, syntax, Settings(options=options, **policy))
    if made.step is Step.NOTHING:
        return made.dataset
    if made.step is Step.BYTES:
        return _converted(made)
    twin = made.dataset
    if not grammar(made.target).encapsulated:
        return _converted(_with_cells(made))
    streams = list(reported(made))
    if made.lossy:
        put_ratio(twin, made.ratio(sum(map(len, streams))))
    far = sum(map(len, streams)) + 9 * len(streams) > _REACH
    set_frames(twin, streams, made.target, table="extended" if far else "basic")
    _name(twin, made.target)
    return twin


def _with_cells(made: Conversion) -> Conversion:
    """The data set with native pixels, still to be laid out in its grammar."""
    twin = made.dataset
    data = b"".join(made.cells())
    data += b"\0" * (len(data) % 2)
    if grammar(made.target).big and made.vr == "OW":
        data = swapped_words(data)
    twin.add_new(PIXEL_DATA, made.vr, data)
    twin.transfer_syntax = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
    return made


def _converted(made: Conversion) -> Dataset:
    """The data set laid out in an uncompressed syntax, as if it had been read in it."""
    twin = made.dataset
    found = decode(encode(twin, made.target), made.target)
    found.file_meta = twin.file_meta
    found.preamble = twin.preamble
    _name(found, made.target)
    return found


def _name(dataset: Dataset, target: UID) -> None:
    dataset.transfer_syntax = target
    own_meta(dataset, target)


def own_meta(dataset: Dataset, target: UID) -> None:
    """The File Meta Information of a file that this package makes (PS3.10 7.1)."""
    from pacskit.encoding.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

    meta = dataset.file_meta
    meta.TransferSyntaxUID = target
    if len(meta) > 1:
        meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
        meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    uid = dataset.get("SOPInstanceUID")
    if uid and "MediaStorageSOPInstanceUID" in meta and meta.MediaStorageSOPInstanceUID != uid:
        meta.MediaStorageSOPInstanceUID = uid


def put_ratio(dataset: Dataset, ratio: str) -> None:
    """The ratio of this compression, after those that were there."""
    value = dataset.LossyImageCompressionRatio
    before = [str(one) for one in value][:-1] if isinstance(value, (list, tuple)) else []
    dataset.LossyImageCompressionRatio = [*before, ratio] if before else ratio


def reported(made: Conversion) -> Iterator[bytes]:
    """The code streams; what an encoder refuses names both syntaxes."""
    try:
        yield from made.code_streams()
    except TranscodeError:
        raise
    except EncodeError as error:
        raise TranscodeError(
            error.message, source=made.source, target=made.target, tag=error.tag or PIXEL_DATA
        ) from error

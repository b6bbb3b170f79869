"""Video objects of MPEG-2, H.264 and HEVC files, kept as they are (PS3.5 8.2.5 to 8.2.11; PS3.3 A.32)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib import util
from io import BytesIO
from typing import Any, Final, NamedTuple

from pacskit.core.dataset import Dataset
from pacskit.core.errors import (
    CodecError,
    CodecLimitError,
    CodecTruncatedError,
    CodecUnavailable,
    EncodeError,
    PacsError,
)
from pacskit.encoding.codecs.video import video_container
from pacskit.encoding.images.classes import object_class
from pacskit.encoding.images.formats import name_of, read_source
from pacskit.encoding.images.options import BuildLimits, BuildOptions, Source
from pacskit.encoding.images.pixels import Lossy, PixelSource, video_object

__all__ = ["VideoFacts", "from_video", "video_facts"]

_UID: Final = "1.2.840.10008.1.2.4."
_DEFAULT: Final = BuildOptions()
_LIMITS: Final = BuildLimits()
_MPEG2_MAIN: Final = 4  # profile and levels of ISO/IEC 13818-2 8
_AVC_PROFILES: Final = frozenset({77, 100})  # Main and High (ISO/IEC 14496-10 A.2)
_CONSTRAINED: Final = 66  # Baseline, which Main decoders read where constraint_set1_flag is set
_AVC_LEVELS: Final = ((41, "102"), (42, "104"))
_HEVC_LEVEL: Final = 153  # 5.1, thirty times (ISO/IEC 23008-2 A.4)
_METHODS: Final = {"mpeg2video": "ISO_13818_2", "h264": "ISO_14496_10", "hevc": "ISO_23008_2"}
_BYTES: Final = 1.5  # of a pixel of 8 bits in 4:2:0


class VideoFacts(NamedTuple):
    """What a bit stream says of itself, and the transfer syntax that holds it."""

    syntax: str
    codec: str
    rows: int
    columns: int
    frames: int
    rate: Fraction
    bits: int
    aspect: Fraction
    has_audio: bool


def from_video(source: Source, options: BuildOptions = _DEFAULT, /, **attributes: Any) -> Dataset:
    """Make a video object of an MPEG-2, H.264 or HEVC file: MP4, transport stream, program stream or elementary stream.

    Its bytes become the pixel data as they are. ``sop_class`` of the options is ``video-photographic`` unless given;
    ``frame_time`` is for elementary streams that say none. It needs ``pacskit[video]``, which reads the headers and
    counts the pictures.

    Raises CodecError for a file that is damaged or no video, CodecUnavailable without the extra, EncodeError for video
    that is beyond the profiles and levels of DICOM's transfer syntaxes.
    """
    try:
        data = read_source(source, options.limits)
        facts = video_facts(data, limits=options.limits)
        rate = facts.rate if options.frame_time is None else Fraction(1000) / Fraction(options.frame_time)
        if not 0 < rate < 1000:
            raise EncodeError(f"the video says {float(rate):g} frames a second: give the frame time", tag=0x00181063)
        kind = object_class(options.sop_class or "video-photographic", "video")
        ratio = facts.rows * facts.columns * facts.frames * _BYTES * (2 if facts.bits > 8 else 1) / len(data)
        held = PixelSource(
            rows=facts.rows,
            columns=facts.columns,
            samples=3,
            bits_allocated=8 if facts.bits == 8 else 16,
            bits_stored=facts.bits,
            photometric="YBR_PARTIAL_420",
            frames=(data + b"\0" if len(data) & 1 else data,),
            count=facts.frames,
            syntax=facts.syntax,
            lossy=Lossy(ratio, _METHODS[facts.codec]),
            has_audio=facts.has_audio,
        )
        ds = video_object(held, kind, float(1000 / rate), options, attributes)
    except (CodecError, EncodeError) as error:
        error.path = error.path or name_of(source)
        raise
    ds.CineRate = round(rate)
    if facts.aspect not in {0, 1}:
        ds.PixelAspectRatio = [facts.aspect.denominator, facts.aspect.numerator]  # rows first (PS3.3 C.7.6.3.1.7)
    return ds


def video_facts(data: bytes, *, limits: BuildLimits = _LIMITS) -> VideoFacts:
    """Read what a video says of itself, and name the transfer syntax that holds it; no picture is decoded.

    Raises EncodeError where none does.
    """
    if not data:
        raise CodecTruncatedError("an empty video", offset=0)
    container = video_container(data)
    if container == "mp4" and data[8:12] == b"qt  ":
        raise EncodeError("a QuickTime file: DICOM holds MP4 and MPEG transport streams")
    if util.find_spec("av") is None:
        raise CodecUnavailable("to read the headers of a video PyAV is needed: install pacskit[video]")
    import av

    with _translated(), av.open(BytesIO(data), format=container) as opened:
        if len(opened.streams.video) != 1:
            raise EncodeError(f"a file of {len(opened.streams.video)} videos: an object holds one")
        stream = opened.streams.video[0]
        context = stream.codec_context
        codec, extra = context.name, bytes(context.extradata or b"")
        rate = Fraction(stream.average_rate or stream.guessed_rate or 0)
        rows, columns, aspect = context.height, context.width, Fraction(context.sample_aspect_ratio or 1)
        pixel_format = str(context.pix_fmt)
        level, profile = context.level, str(context.profile or "")
        count, first, has_audio = 0, b"", bool(opened.streams.audio)
        for packet in opened.demux(stream):
            if packet.size:
                first = first or bytes(packet)
                count += 1
                if count > limits.max_frames * 100:
                    raise CodecLimitError(f"a video of more than {count - 1} pictures", codec="PyAV")
    if not count or not rows or not columns:
        raise CodecTruncatedError("a video without pictures", offset=len(data))
    facts = (codec, profile, level, extra + first, pixel_format)
    syntax, bits = _syntax(*facts)
    _check_size(syntax, rows, columns)
    return VideoFacts(syntax, codec, rows, columns, count, rate, bits, aspect, has_audio)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PacsError:
        raise
    except Exception as error:  # FFmpeg's errors, and those of its binding
        raise CodecError(f"the video cannot be read: {error}", codec="PyAV") from error


def _check_size(syntax: str, rows: int, columns: int) -> None:
    if syntax == _UID + "100" and (rows > 576 or columns > 720):
        raise EncodeError(f"{columns}x{rows} pixels at Main Level", tag=0x00280010)
    if max(rows, columns) > 0xFFFF:
        raise EncodeError(f"{columns}x{rows} pixels", tag=0x00280010)


def _syntax(codec: str, profile: str, level: int, head: bytes, pixel_format: str) -> tuple[str, int]:
    """The transfer syntax for a codec with its profile and level, and the bits of a sample."""
    if codec == "mpeg2video":
        return _UID + _mpeg2(head, pixel_format), 8
    if codec == "h264":
        return _UID + _avc(head, pixel_format), 8
    if codec == "hevc":
        bits = {"yuv420p": 8, "yuvj420p": 8, "yuv420p10le": 10}.get(pixel_format, 0)
        if profile not in {"Main", "Main 10"} or not bits or not 0 < level <= _HEVC_LEVEL:
            what = f"HEVC of profile {profile}, level {level / 30:g}, {pixel_format}"
            raise EncodeError(f"{what}: DICOM has Main and Main 10 to level 5.1")
        return _UID + ("107" if profile == "Main" and bits == 8 else "108"), bits
    raise EncodeError(f"video of {codec}: DICOM holds MPEG-2, H.264 and HEVC")


def _mpeg2(head: bytes, pixel_format: str) -> str:
    """Main Profile at Main, High 1440 or High Level, as its sequence extension says (ISO/IEC 13818-2 6.3.5)."""
    at = head.find(b"\0\0\1\xb5")
    while at >= 0 and head[at + 4 : at + 5] and head[at + 4] >> 4 != 1:
        at = head.find(b"\0\0\1\xb5", at + 4)
    if at < 0 or len(head) < at + 6:
        raise EncodeError("MPEG-1 video: DICOM holds MPEG-2")
    indication = (head[at + 4] & 15) << 4 | head[at + 5] >> 4
    profile, level = indication >> 4 & 7, indication & 15
    if indication & 0x80 or profile != _MPEG2_MAIN or pixel_format not in {"yuv420p", "yuvj420p"}:
        raise EncodeError("MPEG-2 of another profile than Main")
    if level in {8, 10}:
        return "100"
    if level in {4, 6}:
        return "101"
    raise EncodeError(f"MPEG-2 of level {level}")


def _avc(head: bytes, pixel_format: str) -> str:
    """High Profile at level 4.1 or 4.2, or what its decoders read, too (ISO/IEC 14496-10 7.3.2.1.1)."""
    found = _avc_parameters(head)
    if found is None:
        raise CodecError("the H.264 stream has no sequence parameters")
    profile, constraints, level = found
    decodable = profile in _AVC_PROFILES or (profile == _CONSTRAINED and constraints & 0x40)
    if not decodable or pixel_format not in {"yuv420p", "yuvj420p"}:
        raise EncodeError(f"H.264 of profile {profile}, {pixel_format}: DICOM has High, in 4:2:0 of 8 bits")
    for highest, suffix in _AVC_LEVELS:
        if level <= highest:
            return suffix
    raise EncodeError(f"H.264 of level {level / 10:g}: DICOM has levels to 4.2")


def _avc_parameters(head: bytes) -> tuple[int, int, int] | None:
    """profile_idc, constraint flags and level_idc, of an avcC record or of the first sequence parameter set."""
    if len(head) >= 4 and head[0] == 1:
        return head[1], head[2], head[3]
    at = head.find(b"\0\0\1")
    while at >= 0 and at + 7 <= len(head):
        if head[at + 3] & 0x1F == 7:
            return head[at + 4], head[at + 5], head[at + 6]
        at = head.find(b"\0\0\1", at + 3)
    return None

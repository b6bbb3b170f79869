"""MPEG-2, H.264 and HEVC video (PS3.5 8.2.5 to 8.2.8, 8.2.10, 8.2.11): one bit stream holds all frames.

Decoding and encoding need ``pacskit[video]`` (PyAV); without it video is stored, sent and counted as it is.
``decode_frame`` refuses video, since no frame stands alone; ``decode_video`` and ``encode_video`` do the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib import util
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pacskit.core.errors import (
    CodecError,
    CodecLimitError,
    CodecTruncatedError,
    CodecUnavailable,
    EncodeError,
)
from pacskit.encoding.codecs.base import DecodeLimits, EncodeOptions, LibraryCodec, PixelFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

__all__ = ["VIDEO", "VideoCodec", "decode_video", "encode_video", "is_video", "video_container", "video_frame_count"]

_UID: Final = "1.2.840.10008.1.2.4."
_FRAGMENTABLE: Final = ".1"  # the same bit stream, in several fragments
VIDEO: Final = (*(f"{_UID}{n}" for n in range(100, 109)), *(f"{_UID}{n}{_FRAGMENTABLE}" for n in range(100, 107)))
"""Every video transfer syntax (PS3.5 A.4.5 to A.4.7 and A.4.9 to A.4.10)."""

_EXTRA: Final = "pacskit[video]"
_LIMITS: Final = DecodeLimits()
_TS_PACKET: Final = 188
_TS_SYNC: Final = 0x47

Container = Literal["mpegts", "mp4"]


class _Profile(NamedTuple):
    """What a transfer syntax allows (PS3.5 8.2.5 to 8.2.11; the levels of ISO/IEC 13818-2, 14496-10, 23008-2)."""

    encoder: str
    options: tuple[tuple[str, str], ...]
    bits: int
    max_size: tuple[int, int]  # columns, rows
    max_frame: int  # samples of luminance
    max_rate: int  # samples of luminance a second


_MAIN_LEVEL = _Profile("mpeg2video", (("profile", "4"), ("level", "8")), 8, (720, 576), 720 * 576, 10_368_000)
_HIGH_LEVEL = _Profile("mpeg2video", (("profile", "4"), ("level", "4")), 8, (1920, 1152), 1920 * 1152, 62_668_800)
_AVC_41 = _Profile("libx264", (("profile", "high"), ("level", "4.1")), 8, (2880, 2880), 8192 * 256, 245_760 * 256)
_AVC_42 = _Profile("libx264", (("profile", "high"), ("level", "4.2")), 8, (2944, 2944), 8704 * 256, 522_240 * 256)
_HEVC = _Profile(
    "libx265", (("x265-params", "profile=main:level-idc=51:log-level=none"),), 8, (8444, 8444), 8_912_896, 534_773_760
)
_HEVC_10 = _HEVC._replace(options=(("x265-params", "profile=main10:level-idc=51:log-level=none"),), bits=10)

_PROFILES: Final = {
    _UID + "100": _MAIN_LEVEL,
    _UID + "101": _HIGH_LEVEL,
    _UID + "102": _AVC_41,
    _UID + "104": _AVC_42,
    _UID + "107": _HEVC,
    _UID + "108": _HEVC_10,
}


class VideoCodec(LibraryCodec):
    """PyAV, for the registry: says which video syntaxes there are; frames come from ``decode_video``."""

    name = "av"
    licence = "BSD-3-Clause AND GPL-2.0-or-later"
    module = "av"
    distribution = "av"
    hint = _EXTRA
    decodes = VIDEO
    encodes = ()

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: NDArray[Any]) -> None:
        """Refuse: the bit stream holds every frame, and most depend on others."""
        raise CodecError("video is one bit stream for all frames: use decode_video", syntax=syntax)


def is_video(syntax: str) -> bool:
    """Whether a transfer syntax is one of video."""
    return str(syntax) in VIDEO


def decode_video(
    stream: Buffer,
    format: PixelFormat,
    *,
    number_of_frames: int | None = None,
    limits: DecodeLimits = _LIMITS,
) -> Iterator[NDArray[Any]]:
    """Yield the frames of a video bit stream in the order in which they are shown.

    Parameters
    ----------
    stream
        The bit stream, fragments joined.
    format
        What the data set says of a frame.
    number_of_frames
        How many there have to be; fewer raise CodecTruncatedError after the last.
    limits
        What one frame may cost.

    Yields
    ------
    Arrays of the format's shape and dtype: RGB, which YBR_PARTIAL_420 and its kin become, or gray.

    Raises
    ------
    CodecError
        The bit stream is damaged, or has another size than ``format``; CodecUnavailable without PyAV.
    """
    av = _library()
    if format.nbytes > limits.max_bytes:
        raise CodecLimitError(f"a frame of {format.nbytes} bytes; the limit is {limits.max_bytes}")
    pixel_format = _pixel_format(format)
    return _frames(av, bytes(memoryview(stream).cast("B")), format, pixel_format, number_of_frames)


def _frames(av: Any, data: bytes, format: PixelFormat, pixel_format: str, wanted: int | None) -> Iterator[NDArray[Any]]:
    found = 0
    with _opened(av, data) as container:
        _compare(container.streams.video[0].codec_context, format)
        with _translated(av):
            decoded = container.decode(video=0)
        while True:
            with _translated(av):
                picture = next(decoded, None)
                if picture is None:
                    break
                _compare(picture, format)
                values = picture.to_ndarray(format=pixel_format)
            found += 1
            yield values.astype(format.dtype, copy=False).reshape(format.shape)
            if found == wanted:
                return
    if not found or (wanted is not None and found < wanted):
        raise CodecTruncatedError(f"the video has {found} frames, fewer than {wanted or 1}", offset=len(data))


def video_frame_count(stream: Buffer, *, number_of_frames: int | None = None) -> int:
    """Return how many frames a video has: ``number_of_frames`` where the data set says it, else the coded pictures.

    Nothing is decoded; PyAV is needed only where ``number_of_frames`` is None.
    """
    if number_of_frames is not None:
        return number_of_frames
    av = _library()
    with _opened(av, bytes(memoryview(stream).cast("B"))) as container, _translated(av):
        return sum(1 for packet in container.demux(video=0) if packet.size)


def encode_video(
    frames: Iterable[NDArray[Any]],
    syntax: str,
    rate: float | Fraction,
    *,
    container: Container = "mpegts",
    bit_rate: int | None = None,
    options: EncodeOptions = EncodeOptions(),  # noqa: B008 - frozen
) -> bytes:
    """Return frames as a bit stream of a video transfer syntax.

    Parameters
    ----------
    frames
        Arrays of one shape: gray or RGB of 8 bits; for HEVC Main 10 ``uint16`` of 10 bits.
    syntax
        The transfer syntax: MPEG-2 (.100, .101), H.264 (.102, .104) or HEVC (.107, .108), also as fragmentable.
    rate
        Frames a second.
    container
        ``mpegts``, of which a cut one still shows its frames, or ``mp4``.
    bit_rate
        Bits a second; None for constant quality.
    options
        ``quality`` from 1 to 100 where there is no bit rate.

    Raises
    ------
    EncodeError
        The frames do not fit the profile and level of the syntax, or no encoder makes it.
    """
    profile = _profile(syntax)
    speed = Fraction(rate).limit_denominator(1001)
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise EncodeError("a video without frames")
    _check(first, profile, speed, syntax)
    av = _library()
    target = BytesIO()
    try:
        with av.open(target, "w", format=container) as out:
            track = out.add_stream(profile.encoder, rate=speed, options=_options(profile, options, bit_rate))
            track.width, track.height = first.shape[1], first.shape[0]
            track.pix_fmt = "yuv420p10le" if profile.bits == 10 else "yuv420p"
            if bit_rate is not None:
                track.bit_rate = bit_rate
            for number, picture in enumerate(chain([first], pictures)):
                if picture.shape != first.shape or picture.dtype != first.dtype:
                    raise EncodeError(f"frame {number} is {picture.shape} {picture.dtype}, the first {first.shape}")
                out.mux(track.encode(_picture(av, picture, profile)))
            out.mux(track.encode(None))
    except av.error.FFmpegError as error:
        raise EncodeError(f"{profile.encoder}: {error}") from error
    return target.getvalue()


# -- the library -------------------------------------------------------------------------------------------------------


def _library() -> Any:
    if util.find_spec("av") is None:
        raise CodecUnavailable(f"video needs PyAV: install {_EXTRA}")
    import av

    return av


@contextmanager
def _opened(av: Any, data: bytes) -> Iterator[Any]:
    """Open a bit stream as what its first bytes are; nothing is guessed, a playlist that names files is no video."""
    if not data:
        raise CodecTruncatedError("an empty video", offset=0)
    kind = video_container(data)
    with _translated(av):
        container = av.open(BytesIO(data), format=kind)
    try:
        if not container.streams.video:
            raise CodecError("a bit stream without video")
        yield container
    finally:
        container.close()


@contextmanager
def _translated(av: Any) -> Iterator[None]:
    try:
        yield
    except av.error.FFmpegError as error:
        raise CodecError(f"the video cannot be decoded: {error}") from error


def video_container(data: bytes) -> str:
    """FFmpeg's name of a container or elementary stream (PS3.5 8.2.5 and 8.2.7 leave the choice)."""
    if data[0] == _TS_SYNC and data[_TS_PACKET : _TS_PACKET + 1] in {b"\x47", b""}:
        return "mpegts"
    if data[4:8] in {b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide"}:
        return "mp4"
    start = data[data[:4].find(b"\x00\x00\x01") + 3 :] if b"\x00\x00\x01" in data[:4] else b""
    if not start:
        raise CodecError("neither a transport stream, a program stream, MP4 nor an elementary stream", offset=0)
    if start[0] == 0xBA:
        return "mpeg"
    if start[0] == 0xB3:
        return "mpegvideo"
    if start[0] & 0x80:
        raise CodecError(f"a bit stream that begins with start code {start[0]:02X}", offset=0)
    hevc = start[0] >> 1 in {32, 33, 34, 35, 39} and start[1:2] == b"\x01"  # VPS, SPS, PPS, AUD, SEI; layer 0
    return "hevc" if hevc else "h264"


def _compare(picture: Any, format: PixelFormat) -> None:
    if (picture.height, picture.width) != (format.rows, format.columns):
        raise CodecError(
            f"the video has {picture.width}x{picture.height} pixels, the data set {format.columns}x{format.rows}"
        )


def _pixel_format(format: PixelFormat) -> str:
    names = {(1, 8): "gray", (3, 8): "rgb24", (1, 10): "gray10le", (3, 10): "gbrp10le"}
    try:
        return names[format.samples, format.bits_stored]
    except KeyError:
        raise CodecError(f"no video has samples of {format.bits_stored} bits") from None


# -- encoding ----------------------------------------------------------------------------------------------------------


def _profile(syntax: str) -> _Profile:
    plain = str(syntax)
    if plain in VIDEO:
        plain = plain.removesuffix(_FRAGMENTABLE) if plain.count(".") > _UID.count(".") else plain
    profile = _PROFILES.get(plain)
    if profile is None:
        raise EncodeError(f"no encoder for video of transfer syntax {syntax}")
    return profile


def _check(first: NDArray[Any], profile: _Profile, rate: Fraction, syntax: str) -> None:
    rows, columns = first.shape[:2]
    if first.ndim not in {2, 3} or (first.ndim == 3 and first.shape[2] != 3):
        raise EncodeError(f"frames of shape {first.shape} are neither gray nor RGB")
    if first.dtype != ("u1" if profile.bits == 8 else "u2"):
        raise EncodeError(f"frames of {first.dtype}; transfer syntax {syntax} takes {profile.bits} bits, unsigned")
    if rows % 2 or columns % 2:
        raise EncodeError(f"frames of {columns}x{rows}: 4:2:0 video has even sides")
    if rate <= 0:
        raise EncodeError(f"a rate of {rate} frames a second")
    size = rows * columns
    wide, high = profile.max_size
    if columns > wide or rows > high or size > profile.max_frame or size * rate > profile.max_rate:
        raise EncodeError(f"{columns}x{rows} at {float(rate):g} frames a second is above the level of {syntax}")


def _options(profile: _Profile, options: EncodeOptions, bit_rate: int | None) -> dict[str, str]:
    quality = 80 if options.quality is None else options.quality
    if not 1 <= quality <= 100:
        raise EncodeError(f"a quality of {quality} is not within 1 to 100")
    found = dict(profile.options)
    if bit_rate is None:
        if profile.encoder == "mpeg2video":  # a quantiser from 1 to 31
            found["qmin"] = found["qmax"] = str(max(1, round((100 - quality) * 31 / 100)))
        else:  # a rate factor from 0 to 51
            found["crf"] = str(max(1, round((100 - quality) * 51 / 100)))
    return found


def _picture(av: Any, array: NDArray[Any], profile: _Profile) -> Any:
    import numpy as np

    gray = array.ndim == 2
    if profile.bits == 8:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="gray" if gray else "rgb24")
    if int(array.max()) >= 1 << profile.bits:
        raise EncodeError(f"samples of up to {int(array.max())} do not fit in {profile.bits} bits")
    wide = np.ascontiguousarray(array << (16 - profile.bits))
    return av.VideoFrame.from_ndarray(wide, format="gray16le" if gray else "rgb48le")

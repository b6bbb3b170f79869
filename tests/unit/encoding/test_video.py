"""Video: frames in, bit stream, frames out; and what there is without PyAV."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pacskit.core.errors import CodecError, CodecLimitError, CodecTruncatedError, CodecUnavailable, EncodeError
from pacskit.encoding.codecs import DecodeLimits, EncodeOptions, PixelFormat, decode_frame, registry
from pacskit.encoding.codecs.video import VIDEO, Container, decode_video, encode_video, is_video, video_frame_count

av = pytest.importorskip("av", reason="PyAV is not installed")

U = "1.2.840.10008.1.2.4."
MPEG2, H264, HEVC, HEVC_10 = U + "100", U + "102", U + "107", U + "108"
COLOUR = PixelFormat(128, 160, 3, 8, 8, photometric="YBR_PARTIAL_420")
DEEP = PixelFormat(128, 160, 3, 16, 10, photometric="YBR_PARTIAL_420")
COUNT = 9


def frames(format: PixelFormat, count: int = COUNT) -> Iterator[NDArray[Any]]:
    """A wave that moves over smooth colours."""
    y, x = np.mgrid[: format.rows, : format.columns]
    top = (1 << format.bits_stored) - 1
    for number in range(count):
        gray = (np.sin((x + 3 * number) / 17) + np.cos(y / 13) + 2) / 4 * top
        planes = gray if format.samples == 1 else np.stack([gray, gray, top - gray], axis=-1)
        yield planes.astype(format.dtype)


def noise(ours: list[NDArray[Any]], format: PixelFormat) -> float:
    """The peak signal to noise ratio of all frames."""
    pairs = zip(ours, frames(format), strict=True)
    error = np.mean([np.mean((mine.astype(float) - other) ** 2) for mine, other in pairs])
    return float(10 * np.log10(((1 << format.bits_stored) - 1) ** 2 / error))


@pytest.mark.parametrize("container", ["mpegts", "mp4"])
@pytest.mark.parametrize("syntax", [MPEG2, U + "101", H264, U + "104", HEVC, HEVC_10])
def test_what_is_encoded_is_decoded_and_counted(syntax: str, container: Container, tmp_path: Path) -> None:
    for samples in (1, 3):
        deep = syntax == HEVC_10
        format = PixelFormat(128, 160, samples, 16 if deep else 8, 10 if deep else 8, photometric="YBR_PARTIAL_420")
        stream = encode_video(frames(format), syntax, 25, container=container)
        ours = list(decode_video(stream, format, number_of_frames=COUNT))
        assert all(one.shape == format.shape and one.dtype == format.dtype for one in ours)
        assert noise(ours, format) > 32
        assert video_frame_count(stream) == COUNT


def headers(stream: bytes, code: bytes) -> bytes:
    """What follows a start code, without the bytes that keep start codes out of the data."""
    at = stream.index(b"\0\0\1" + code) + 3 + len(code)
    return stream[at : at + 20].replace(b"\0\0\3", b"\0\0")


def test_profile_and_level_are_those_of_the_syntax() -> None:
    def stream(syntax: str) -> bytes:
        return encode_video(frames(DEEP if syntax == HEVC_10 else COLOUR, 3), syntax, 25)

    # ISO/IEC 13818-2 8: main profile 4 and main level 8 in the sequence extension; level 4 is the high one
    assert (int.from_bytes(headers(stream(MPEG2), b"\xb5")[:2], "big") >> 4) & 0xFF == 0x48
    assert (int.from_bytes(headers(stream(U + "101"), b"\xb5")[:2], "big") >> 4) & 0xFF == 0x44
    # 14496-10 7.3.2.1: profile_idc and level_idc; 100 is High
    for syntax, level in ((H264, 41), (U + "104", 42)):
        sequence = headers(stream(syntax), b"\x67")
        assert (sequence[0], sequence[2]) == (100, level)
    # 23008-2 7.3.3: profile 1 is Main, 2 Main 10; levels are times 30
    for syntax, profile in ((HEVC, 1), (HEVC_10, 2)):
        sequence = headers(stream(syntax), b"\x42\x01")
        assert (sequence[1] & 31, sequence[12]) == (profile, 153)


def test_elementary_and_program_streams_are_read() -> None:
    import io

    for codec, name in (("mpeg2video", "mpeg2video"), ("libx264", "h264"), ("libx265", "hevc"), ("mpeg2video", "vob")):
        target = io.BytesIO()
        with av.open(target, "w", format=name) as out:
            track = out.add_stream(codec, rate=25)
            track.width, track.height, track.pix_fmt = 160, 128, "yuv420p"
            if codec == "libx265":
                track.options = {"x265-params": "log-level=none"}
            for one in frames(COLOUR):
                out.mux(track.encode(av.VideoFrame.from_ndarray(one, format="rgb24")))
            out.mux(track.encode(None))
        assert len(list(decode_video(target.getvalue(), COLOUR, number_of_frames=COUNT))) == COUNT, name


def test_a_frame_is_had_before_the_last_is_decoded() -> None:
    stream = encode_video(frames(COLOUR, 40), MPEG2, 25)
    decoding = decode_video(stream[: len(stream) // 2], COLOUR, number_of_frames=40)
    assert next(decoding).shape == COLOUR.shape
    with pytest.raises(CodecTruncatedError, match="fewer than 40"):
        list(decoding)


def test_the_number_of_frames_of_the_data_set_is_believed() -> None:
    assert video_frame_count(b"no stream at all", number_of_frames=7) == 7


def test_damaged_and_foreign_streams_are_refused() -> None:
    stream = encode_video(frames(COLOUR), H264, 25, container="mp4")
    for data in (
        b"",
        b"#EXTM3U\nfile:///etc/passwd",
        bytes(4096),
        b"\0\0\1\xff" + bytes(99),
        stream[:-1000],
        stream[:40],
    ):
        with pytest.raises(CodecError):
            list(decode_video(data, COLOUR))
    with pytest.raises(CodecError, match="160x128 pixels, the data set 80x64"):
        list(decode_video(stream, PixelFormat(64, 80, 3, 8, 8)))
    with pytest.raises(CodecLimitError, match="the limit is 100"):
        decode_video(stream, COLOUR, limits=DecodeLimits(max_bytes=100))
    with pytest.raises(CodecError, match="12 bits"):
        decode_video(stream, PixelFormat(128, 160, 3, 16, 12))


def test_mutated_streams_end_in_frames_or_codec_errors() -> None:
    random = np.random.default_rng(5)
    for syntax in (MPEG2, H264, HEVC):
        stream = encode_video(frames(COLOUR, 4), syntax, 25)
        for _ in range(15):
            data = bytearray(stream)
            for at in random.integers(0, len(data), 8):
                data[at] = random.integers(0, 256)
            try:
                found = list(decode_video(bytes(data), COLOUR))
            except CodecError:
                continue
            assert all(one.shape == COLOUR.shape for one in found)


def test_what_a_profile_cannot_hold_is_refused() -> None:
    def encode(format: PixelFormat, syntax: str, rate: float = 25, **keywords: Any) -> None:
        encode_video(frames(format, 2), syntax, rate, **keywords)

    for format, syntax, message in (
        (PixelFormat(127, 160, 3, 8, 8), H264, "even sides"),
        (PixelFormat(600, 800, 3, 8, 8), MPEG2, "above the level"),
        (PixelFormat(2160, 3840, 3, 8, 8), H264, "above the level"),
        (DEEP, HEVC, "takes 8 bits"),
        (COLOUR, HEVC_10, "takes 10 bits"),
        (COLOUR, U + "103", "no encoder"),
        (COLOUR, U + "106", "no encoder"),
        (COLOUR, "1.2.840.10008.1.2.4.50", "no encoder"),
        (PixelFormat(128, 160, 3, 16, 12), HEVC_10, "do not fit in 10 bits"),
    ):
        with pytest.raises(EncodeError, match=message):
            encode(format, syntax)
    with pytest.raises(EncodeError, match="above the level"):
        encode(COLOUR, MPEG2, 1000)
    with pytest.raises(EncodeError, match="without frames"):
        encode_video([], H264, 25)
    with pytest.raises(EncodeError, match="frame 1 is"):
        encode_video([next(frames(COLOUR)), next(frames(COLOUR))[:64]], H264, 25)
    with pytest.raises(EncodeError, match="quality of 0"):
        encode(COLOUR, H264, options=EncodeOptions(quality=0))


def test_quality_and_bit_rate_are_heeded() -> None:
    noisy = [np.random.default_rng(n).integers(0, 256, COLOUR.shape).astype("u1") for n in range(12)]
    for syntax in (MPEG2, H264, HEVC):
        low, high = (len(encode_video(noisy, syntax, 25, options=EncodeOptions(quality=q))) for q in (30, 95))
        assert low < high
        assert len(encode_video(noisy, syntax, 25, bit_rate=200_000)) < high


def test_fragmentable_syntaxes_are_the_same_stream() -> None:
    assert encode_video(frames(COLOUR, 2), MPEG2 + ".1", 25) == encode_video(frames(COLOUR, 2), MPEG2, 25)
    assert is_video(MPEG2 + ".1")
    assert not is_video("1.2.840.10008.1.2.4.50")


def test_no_frame_of_video_is_decoded_alone() -> None:
    for syntax in VIDEO:
        assert syntax in registry.syntaxes("decode")
        with pytest.raises(CodecError, match="decode_video"):
            decode_frame(b"\x47" * 188, syntax, COLOUR)


WITHOUT = """
import sys
sys.modules["av"] = None
import importlib.util as u
find = u.find_spec
u.find_spec = lambda name, package=None: None if name == "av" else find(name, package)
from pacskit.core.errors import CodecUnavailable
from pacskit.encoding.codecs import PixelFormat, decode_frame
from pacskit.encoding.codecs.video import decode_video, encode_video, video_frame_count
import numpy as np
format = PixelFormat(2, 2, 3, 8, 8)
calls = (
    lambda: decode_video(b"x", format),
    lambda: video_frame_count(b"x"),
    lambda: encode_video([np.zeros((2, 2, 3), "u1")], "1.2.840.10008.1.2.4.102", 25),
    lambda: decode_frame(b"x", "1.2.840.10008.1.2.4.102", format),
)
for call in calls:
    try:
        call()
    except CodecUnavailable as error:
        assert "pacskit[video]" in str(error), error
    else:
        raise SystemExit("no error")
assert video_frame_count(b"x", number_of_frames=3) == 3
"""


def test_without_pyav_the_error_names_the_extra() -> None:
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", WITHOUT], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert issubclass(CodecUnavailable, CodecError)

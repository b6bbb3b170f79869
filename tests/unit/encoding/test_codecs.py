"""The registry, and what the guard finds before and after a back end."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pacskit.core.errors import (
    CodecError,
    CodecLimitError,
    CodecTruncatedError,
    CodecUnavailable,
    ConfigurationError,
    DecodeError,
    EncodeError,
    LimitError,
    TruncatedError,
)
from pacskit.encoding.codecs import (
    CodecRegistry,
    DecodeLimits,
    EncodeOptions,
    LibraryCodec,
    PixelFormat,
    decode_frame,
    decoded_photometric,
    encode_frame,
    parse_header,
    registry,
)
from tests.conftest import ROOT

UID = "1.2.840.10008.1.2"
RLE, BASELINE, LOSSLESS, LS, J2K = (UID + suffix for suffix in (".5", ".4.50", ".4.70", ".4.80", ".4.90"))
GRAY = PixelFormat(4, 6, 1, 8, 8)
PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6)


class Plain(LibraryCodec):
    """Frames that are the pixels themselves, under the UID of RLE."""

    name = "plain"
    licence = "MIT"
    module = distribution = "numpy"
    decodes = encodes = (RLE,)

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: Any) -> None:
        if self.error is not None:
            raise self.error
        out[...] = np.frombuffer(frame, format.dtype).reshape(format.shape)

    def encode(self, array: Any, syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        if self.error is not None:
            raise self.error
        return bytes(array.tobytes())


class Missing(Plain):
    name = "missing"
    module = distribution = "no_such_library"
    hint = "pacskit[none]"


def test_higher_priority_is_tried_first_and_equals_in_order() -> None:
    mine = CodecRegistry()
    first, second, early, late = Plain(), Plain(), Plain(), Plain()
    for codec, priority in ((first, 0), (late, -1), (second, 0), (early, 1), (Missing(), 9)):
        mine.register(codec, priority=priority)
    assert mine.codecs(RLE, "decode") == (early, first, second, late)
    assert [entry.version is None for entry in mine.entries()] == [True, False, False, False, False]
    mine.unregister(early)
    assert mine.codecs(RLE, "encode") == (first, second, late)
    with pytest.raises(ConfigurationError):
        mine.unregister(early)
    with pytest.raises(ConfigurationError):
        mine.register(object())  # type: ignore[arg-type]


def test_override_holds_within_the_block() -> None:
    before = registry.codecs(RLE, "decode")
    codec = Plain()
    with registry.override(codec):
        assert registry.codecs(RLE, "decode") == (codec,)
        assert np.array_equal(decode_frame(PIXELS.tobytes(), RLE, GRAY), PIXELS)
    assert registry.codecs(RLE, "decode") == before


def plug_in(folder: Path, target: str) -> None:
    """An installed distribution with a codec."""
    (folder / "acme_codec.py").write_text(
        "from pacskit.encoding.codecs import LibraryCodec\n"
        "class Fast(LibraryCodec):\n"
        "    name, licence, module, distribution, priority = 'acme', 'MIT', 'acme_codec', 'acme', 3\n"
        f"    decodes = ({RLE!r},)\n"
    )
    about = folder / "acme-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text(f"[acme.codecs]\nfast = {target}\n")


def test_a_codec_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(tmp_path, "acme_codec:Fast")
    monkeypatch.syspath_prepend(str(tmp_path))
    ((codec, priority, version),) = CodecRegistry(entry_points="acme.codecs").entries()
    assert (codec.name, priority, version) == ("acme", 3, "1.5")


@pytest.mark.parametrize("target", ["acme_codec:Slow", "no_such_module:Fast", "acme_codec:LibraryCodec"])
def test_a_plug_in_that_does_not_work_is_named(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(tmp_path, target)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError, match="entry point fast"):
        CodecRegistry(entry_points="acme.codecs").entries()


def test_the_gpl_back_end_is_last() -> None:
    for syntax in (BASELINE, LOSSLESS, LS):
        assert [codec.name for codec in registry.codecs(syntax, "decode")][-1] == "pylibjpeg-libjpeg"


def test_another_back_end_is_tried_after_a_failure_but_not_after_a_verdict() -> None:
    mine = CodecRegistry()
    mine.register(Plain(RuntimeError("cannot do that")))
    mine.register(Plain())
    assert np.array_equal(decode_frame(PIXELS.tobytes(), RLE, GRAY, registry=mine), PIXELS)
    assert encode_frame(PIXELS, RLE, GRAY, registry=mine) == PIXELS.tobytes()
    mine.register(Plain(TruncatedError("it ends", offset=3)), priority=1)
    with pytest.raises(CodecTruncatedError, match=r"plain: it ends \[offset 3\]") as caught:
        decode_frame(PIXELS.tobytes(), RLE, GRAY, registry=mine)
    assert (caught.value.codec, caught.value.syntax, caught.value.offset) == ("plain", RLE, 3)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.syntax == RLE


def test_an_error_names_every_back_end_that_failed() -> None:
    mine = CodecRegistry()
    mine.register(Plain(RuntimeError("one")))
    mine.register(Plain(KeyError()))
    with pytest.raises(CodecError, match="plain: one; plain: KeyError"):
        decode_frame(PIXELS.tobytes(), RLE, GRAY, registry=mine)


def test_what_is_missing_is_named() -> None:
    mine = CodecRegistry()
    with pytest.raises(CodecUnavailable, match="nothing here can decode RLE Lossless"):
        decode_frame(b"x", RLE, GRAY, registry=mine)
    mine.register(Missing())
    with pytest.raises(CodecUnavailable, match=r"install one of: pacskit\[none\]"):
        decode_frame(b"x", RLE, GRAY, registry=mine)
    with pytest.raises(EncodeError, match=r"install one of: pacskit\[none\]"):
        encode_frame(PIXELS, RLE, GRAY, registry=mine)


def test_budget_comes_before_everything() -> None:
    huge = PixelFormat(60_000, 60_000, 3, 16, 16)
    with pytest.raises(CodecLimitError) as caught:
        decode_frame(b"", RLE, huge)
    assert isinstance(caught.value, LimitError)
    with pytest.raises(CodecLimitError):
        decode_frame(b"", RLE, GRAY, limits=DecodeLimits(max_bytes=23))
    with pytest.raises(CodecTruncatedError, match="empty frame"):
        decode_frame(b"", RLE, GRAY, limits=DecodeLimits(max_bytes=24))


def test_out_must_fit() -> None:
    frame = encode_frame(PIXELS, RLE, GRAY)
    volume = np.zeros((3, 4, 6), np.uint8)
    assert decode_frame(frame, RLE, GRAY, out=volume[1]) is not None
    assert np.array_equal(volume[1], PIXELS)
    assert not volume[[0, 2]].any()
    sealed = np.zeros((4, 6), np.uint8)
    sealed.flags.writeable = False
    for out in (np.zeros((6, 4), np.uint8), np.zeros((4, 6), np.int8), np.zeros((6, 4), np.uint8).T, sealed):
        with pytest.raises(ValueError, match="out"):
            decode_frame(frame, RLE, GRAY, out=out)


@pytest.mark.parametrize("array", [PIXELS.T, PIXELS.astype("i1"), PIXELS.astype("u2")])
def test_an_array_that_is_no_such_frame_is_refused(array: Any) -> None:
    with pytest.raises(EncodeError):
        encode_frame(array, RLE, GRAY)


def test_samples_beyond_bits_stored_are_refused_where_they_would_be_lost() -> None:
    """Old files keep overlays above Bits Stored: RLE takes them along, a code stream of 12 bits cannot."""
    format = PixelFormat(4, 6, 1, 16, 12)
    pixels = PIXELS.astype(np.uint16) | 0xF000
    assert np.array_equal(decode_frame(encode_frame(pixels, RLE, format), RLE, format), pixels)
    with pytest.raises(EncodeError, match="do not fit in 12 bits stored"):
        encode_frame(pixels, LOSSLESS, format)
    signed = PixelFormat(4, 6, 1, 16, 12, signed=True)
    with pytest.raises(EncodeError, match="from -2049"):
        encode_frame(np.full((4, 6), -2049, np.int16), LOSSLESS, signed)


def test_big_endian_and_strided_arrays_are_encoded() -> None:
    format = PixelFormat(4, 6, 1, 16, 16)
    pixels = np.arange(96, dtype=">u2").reshape(8, 12)[::2, ::2]
    assert np.array_equal(decode_frame(encode_frame(pixels, RLE, format), RLE, format), pixels)


def test_verify_finds_a_frame_that_differs() -> None:
    class Wrong(Plain):
        def encode(self, array: Any, syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
            return bytes(array.tobytes()[::-1])

    mine = CodecRegistry()
    mine.register(Wrong())
    assert encode_frame(PIXELS, RLE, GRAY, registry=mine)
    with pytest.raises(EncodeError, match="does not give the same pixels"):
        encode_frame(PIXELS, RLE, GRAY, registry=mine, verify=True)


# -- headers -----------------------------------------------------------------------------------------------------------


def jpeg(format: PixelFormat = GRAY, pixels: Any = PIXELS) -> bytes:
    return encode_frame(pixels, BASELINE, format)


@pytest.mark.parametrize(
    ("format", "message"),
    [
        (PixelFormat(6, 4, 1, 8, 8), "6x4 pixels, the data set 4x6"),
        (PixelFormat(4, 6, 3, 8, 8), "1 samples per pixel, the data set 3"),
        (PixelFormat(4, 6, 1, 1, 1), "8 bits do not fit"),
    ],
)
def test_the_header_must_agree_with_the_data_set(format: PixelFormat, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        decode_frame(jpeg(), BASELINE, format)


def test_trap_header_bomb_is_refused_before_a_decoder_sees_it() -> None:
    bomb = bytearray(jpeg())
    at = bomb.index(b"\xff\xc0") + 5
    bomb[at : at + 4] = (60_000).to_bytes(2, "big") * 2
    with registry.override(Plain(AssertionError("asked"))), pytest.raises(CodecError, match="60000x60000"):
        decode_frame(bomb, BASELINE, GRAY)
    assert parse_header(bytes(bomb), BASELINE).rows == 60_000  # type: ignore[union-attr]


def test_trap_decoders_that_crash_on_damage_are_not_used() -> None:
    """imagecodecs has others for JPEG Lossless and RLE, and a flipped bit ends the process in each of them."""
    folder = ROOT / "pacskit" / "encoding" / "codecs"
    text = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    assert "jpeg8_decode" in text
    assert not re.search(r"jpegsof3|ljpeg_|dicomrle|import (gdcm|dicomsdl)", text)


def test_trap_truncated_data_is_never_accepted_in_silence() -> None:
    frame = jpeg()
    for size in range(len(frame) - 1):
        with pytest.raises(CodecError):
            decode_frame(frame[:size], BASELINE, GRAY)
    with pytest.raises(CodecTruncatedError, match="no end marker"):
        decode_frame(frame[:-2], BASELINE, GRAY)
    assert decode_frame(frame[:-2], BASELINE, GRAY, limits=DecodeLimits(allow_missing_end=True)).shape == (4, 6)
    assert np.array_equal(decode_frame(frame + bytes(300), BASELINE, GRAY), decode_frame(frame, BASELINE, GRAY))


@pytest.mark.parametrize("frame", [b"\0" * 40, b"\xff\xd8\xff\xd9", b"\xff\xd8\0\0\0", b"\xff\xd8\xff\xc0\0\1"])
@pytest.mark.parametrize("syntax", [BASELINE, LS, J2K, UID + ".4.110"])
def test_what_is_no_code_stream_is_a_codec_error(frame: bytes, syntax: str) -> None:
    with pytest.raises(CodecError):
        decode_frame(frame, syntax, GRAY)


def test_codec_errors_are_decode_errors() -> None:
    assert issubclass(CodecError, DecodeError)
    assert issubclass(CodecTruncatedError, TruncatedError)


@pytest.mark.parametrize(
    ("suffix", "stored", "decoded"),
    [
        (".4.90", "YBR_RCT", "RGB"),
        (".4.203", "YBR_ICT", "RGB"),
        (".4.90", "YBR_FULL", "YBR_FULL"),
        (".4.50", "YBR_FULL_422", "YBR_FULL"),
        (".4.50", "RGB", "RGB"),
        (".5", "YBR_FULL", "YBR_FULL"),
        (".4.110", "XYB", "RGB"),
    ],
)
def test_decoded_photometric(suffix: str, stored: str, decoded: str) -> None:
    assert decoded_photometric(UID + suffix, PixelFormat(1, 1, 3, 8, 8, photometric=stored)) == decoded


def test_importing_codecs_imports_no_codec_and_no_numpy() -> None:
    code = (
        "import sys, pacskit, pacskit.encoding.codecs as c; c.registry.entries();"
        "heavy = {'imagecodecs', 'openjpeg', 'libjpeg', 'jpeg_ls', 'av', 'isal', 'PIL', 'numpy', 'rle'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

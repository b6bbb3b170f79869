"""What codec libraries get wrong, each in a test: the library is seen to do it, and ours does not."""

from __future__ import annotations

import subprocess
import sys
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pacskit.core.errors import CodecError, CodecLimitError, CodecTruncatedError, EncodeError
from pacskit.encoding.codecs import (
    DecodeLimits,
    EncodeOptions,
    PixelFormat,
    decode_frame,
    decoded_photometric,
    encode_frame,
    encoded_photometric,
    registry,
)
from pacskit.encoding.codecs.htj2k import SwallowedErrors
from pacskit.encoding.codecs.jpegls import CharlsCodec, PyJpeglsCodec
from tests.conftest import corpus_folder
from tests.oracles import encapsulated as foreign
from tests.oracles.wavelet import low_pass

imagecodecs = pytest.importorskip("imagecodecs")

U = "1.2.840.10008.1.2"
JPEG_LS, JPEG_LS_NEAR = f"{U}.4.80", f"{U}.4.81"
J2K, J2K_LOSSY = f"{U}.4.90", f"{U}.4.91"
HTJ2K, HTJ2K_RPCL, HTJ2K_ANY = f"{U}.4.201", f"{U}.4.202", f"{U}.4.203"
JXL, JXL_LOSSY = f"{U}.4.110", f"{U}.4.112"
DEFLATED, UNCOMPRESSED = f"{U}.8.1", f"{U}.1.98"
GRAY = PixelFormat(64, 80)
LOOSE = DecodeLimits(allow_missing_end=True)


def extremes() -> np.ndarray:
    """Sharp edges between the ends of the range, which an irreversible wavelet overshoots."""
    array = np.zeros((64, 80), "u2")
    array[8:40, 10:50] = 65535
    array[20:60:3, ::7] = 65535
    return array


def test_trap_1_openjph_wraps_what_an_irreversible_wavelet_overshoots() -> None:
    array = extremes()
    frame = encode_frame(array, HTJ2K_ANY, GRAY, EncodeOptions(ratio=4))
    right = foreign.openjpeg_array(frame, GRAY)
    wrong = imagecodecs.htj2k_decode(frame)
    assert np.abs(wrong.astype(np.int64) - right).max() > 60_000, "the library has learnt to clamp: use it again"
    ours = decode_frame(frame, HTJ2K_ANY, GRAY)
    assert np.array_equal(ours, right)
    assert np.abs(ours.astype(np.int64) - array).max() < 30_000


def test_trap_1_openjph_wraps_lower_resolutions_of_reversible_streams_too() -> None:
    array = extremes()
    frame = encode_frame(array, HTJ2K, GRAY)
    wrong = imagecodecs.htj2k_decode(frame, skipres=1).astype(np.int64)
    ours = decode_frame(frame, HTJ2K, GRAY, reduce=1)
    assert np.array_equal(ours, low_pass(array, 1).clip(0, 65535))
    assert np.abs(wrong - ours).max() > 60_000, "the library has learnt to clamp: use it again"


def test_trap_1_a_component_or_tile_with_a_wavelet_of_its_own_is_left_to_openjpeg() -> None:
    frame = encode_frame(extremes(), HTJ2K, GRAY)
    coc = b"\xff\x53\x00\x09\x00\x00" + frame[frame.index(b"\xff\x52") + 9 :][:5]  # COC: what COD says anyway
    first = frame.index(b"\xff\x90")
    ((codec, *_),) = [registry.codecs(HTJ2K, "decode")]
    out = np.empty(GRAY.shape, GRAY.dtype)
    codec.decode(memoryview(frame), HTJ2K, GRAY, out)
    assert np.array_equal(out, extremes())
    with pytest.raises(NotImplementedError, match="of its own"):
        codec.decode(memoryview(frame[:first] + coc + frame[first:]), HTJ2K, GRAY, out)
    length = int.from_bytes(frame[first + 6 : first + 10], "big") + len(coc)
    tile = frame[: first + 6] + length.to_bytes(4, "big") + frame[first + 10 : first + 12] + coc + frame[first + 12 :]
    with pytest.raises(NotImplementedError, match="of its own"):
        codec.decode(memoryview(tile), HTJ2K, GRAY, out)
    assert np.array_equal(decode_frame(tile, HTJ2K, GRAY), extremes())


def test_trap_2_charls_does_not_search_a_cut_frame_for_seconds() -> None:
    format = PixelFormat(256, 320)
    frame = encode_frame(foreign.pixels(format, noisy=True), JPEG_LS, format)
    random = np.random.default_rng(2)
    slowest = 0.0
    for cut in random.integers(60, len(frame) - 2, 60):
        for codec in (CharlsCodec(), PyJpeglsCodec()):
            out = np.empty(format.shape, format.dtype)
            begun = time.process_time()
            with pytest.raises((CodecError, RuntimeError)):
                codec.decode(memoryview(frame[:cut]), JPEG_LS, format, out)
            slowest = max(slowest, time.process_time() - begun)
    assert slowest < 1, "5 to 7 seconds without an end marker"


@pytest.mark.parametrize("syntax", [JPEG_LS, J2K, HTJ2K, HTJ2K_RPCL, JXL, DEFLATED, UNCOMPRESSED])
def test_trap_3_no_cut_frame_is_taken_for_a_whole_one(syntax: str) -> None:
    array = foreign.pixels(GRAY)
    frame = encode_frame(array, syntax, GRAY)
    end = b"\xff\xd9" if ".4.1" not in syntax and ".4." in syntax else b""
    for cut in [1, 2, *range(3, len(frame) - 2, max(1, len(frame) // 40)), len(frame) - 3]:
        for data in {frame[:cut], frame[:cut] + end}:
            with pytest.raises(CodecError):
                decode_frame(data, syntax, GRAY)
            with pytest.raises(CodecError):
                decode_frame(data, syntax, GRAY, limits=LOOSE)


def lost_errors(frame: bytes) -> list[object]:
    """What htj2k_decode loses while it decodes a damaged frame into zeros."""
    lost: list[object] = []
    before, sys.unraisablehook = sys.unraisablehook, lambda unraisable: lost.append(unraisable.object)
    try:
        imagecodecs.htj2k_decode(frame)
    finally:
        sys.unraisablehook = before
    return lost


def test_trap_3_openjph_takes_what_was_cut_for_zeros() -> None:
    frame = encode_frame(foreign.pixels(GRAY), HTJ2K, GRAY)
    cut = frame[: len(frame) * 3 // 4] + b"\xff\xd9"
    lost_errors(cut)  # returns: no error is raised
    with pytest.raises(CodecTruncatedError, match="tile-part"):
        decode_frame(cut, HTJ2K, GRAY)


def test_errors_that_imagecodecs_loses_are_found() -> None:
    # found while mutating: the callback that decodes cannot raise, and the rest of the frame is zeros
    array = foreign.pixels(PixelFormat(300, 300))
    frame = encode_frame(array, HTJ2K, PixelFormat(300, 300))
    random = np.random.default_rng(3)
    codec = registry.codecs(HTJ2K, "decode")[0]
    before = sys.unraisablehook
    swallowed = 0
    for _ in range(60):
        damaged = bytearray(frame)
        at = random.integers(200, len(frame) - 4)
        damaged[at : at + 3] = b"\xff\xff\xff"
        if lost_errors(bytes(damaged)):
            swallowed += 1
            with pytest.raises(RuntimeError, match="ojph"):
                codec.decode(memoryview(bytes(damaged)), HTJ2K, PixelFormat(300, 300), np.empty_like(array))
    assert swallowed > 5
    assert sys.unraisablehook is before


def test_other_lost_errors_go_where_they_went() -> None:
    class Sulky:
        def __del__(self) -> None:
            raise ValueError("not meant for the codec")

    lost: list[object] = []
    before, sys.unraisablehook = sys.unraisablehook, lambda unraisable: lost.append(unraisable.exc_value)
    try:
        errors = SwallowedErrors("imagecodecs._htj2k")
        with errors:
            Sulky()
            with errors:  # as of another thread
                Sulky()
    finally:
        sys.unraisablehook = before
    assert [str(error) for error in lost] == ["not meant for the codec"] * 2


def test_a_hook_that_comes_while_a_frame_is_decoded_stays() -> None:
    lost: list[object] = []
    one = SimpleNamespace(object="something else")
    errors = SwallowedErrors("imagecodecs._htj2k")
    before = sys.unraisablehook
    sys.unraisablehook = lost.append
    try:
        with errors:
            within = sys.unraisablehook

            def theirs(unraisable: object) -> None:
                within(unraisable)

            sys.unraisablehook = theirs
        assert sys.unraisablehook is theirs
        with errors:
            sys.unraisablehook(one)
        assert sys.unraisablehook is theirs
    finally:
        sys.unraisablehook = before
    assert lost == [one]


EVERYTHING = """
import sys
import numpy as np
from pacskit.encoding.codecs import PixelFormat, decode_frame, encode_frame, registry

format = PixelFormat(8, 8, 1, 8, 8)
for syntax in registry.syntaxes("encode"):
    decode_frame(encode_frame(np.arange(64, dtype="u1").reshape(8, 8), syntax, format), syntax, format)
print(*sys.modules)
"""


def test_trap_4_codecs_that_crash_are_not_used() -> None:
    # imagecodecs' jpegsof3, ljpeg and dicomrle crash on damaged frames; python-gdcm and dicomsdl abort the process
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", EVERYTHING], cwd=root, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "imagecodecs._htj2k" in loaded
    assert not loaded & {"gdcm", "dicomsdl", "imagecodecs._jpegsof3", "imagecodecs._ljpeg", "imagecodecs._dicomrle"}


@pytest.mark.parametrize("syntax", [JPEG_LS, J2K, HTJ2K, JXL])
def test_trap_5_a_small_frame_that_claims_to_be_huge_costs_nothing(syntax: str) -> None:
    frame = bytearray(encode_frame(foreign.pixels(GRAY), syntax, GRAY))
    if syntax == JPEG_LS:
        at = frame.index(b"\xff\xf7") + 5
        frame[at : at + 4] = b"\xea\x60\xea\x60"
    elif syntax == JXL:  # 2^30 columns: the fourth way to say a length
        big = encode_frame(foreign.pixels(PixelFormat(2000, 8)), JXL, PixelFormat(2000, 8))
        frame[:] = big
    else:
        frame[8:16] = frame[24:32] = b"\x00\x00\xea\x60" * 2  # the image and its one tile
    with pytest.raises(CodecError, match="the code stream has"):
        decode_frame(bytes(frame), syntax, GRAY)


@pytest.mark.parametrize("syntax", [J2K, HTJ2K])
def test_tiles_that_do_not_cover_the_image_are_refused(syntax: str) -> None:
    # found while mutating: OpenJPH divides by a tile size of 0 (SIGFPE), and does not end with a tile offset too large
    frame = encode_frame(foreign.pixels(GRAY), syntax, GRAY)
    for at, value, message in ((24, 0, "cover"), (28, 0, "cover"), (32, 1, "cover"), (36, 99, "cover")):
        damaged = frame[:at] + value.to_bytes(4, "big") + frame[at + 4 :]
        with pytest.raises(CodecError, match=message):
            decode_frame(damaged, syntax, GRAY)
    big = PixelFormat(300, 300)
    frame = encode_frame(foreign.pixels(big), syntax, big)
    with pytest.raises(CodecError, match="more than 65535 tiles"):
        decode_frame(frame[:24] + b"\0\0\0\1\0\0\0\1" + frame[32:], syntax, big)


def test_trap_5_a_frame_over_the_budget_is_not_made() -> None:
    with pytest.raises(CodecLimitError, match="the limit is"):
        decode_frame(b"\0\0", DEFLATED, PixelFormat(60_000, 60_000), limits=DecodeLimits(max_bytes=1 << 20))


def test_trap_8_noise_fits_in_jpeg_ls() -> None:
    for format in (PixelFormat(64, 64), PixelFormat(64, 64, 3, 8, 8, photometric="RGB"), PixelFormat(1, 1)):
        array = foreign.pixels(format, noisy=True) if format.rows > 1 else np.full((1, 1), 513, "u2")
        assert np.array_equal(decode_frame(encode_frame(array, JPEG_LS, format), JPEG_LS, format), array)
    with pytest.raises(imagecodecs.JpeglsError, match="too small"):
        imagecodecs.jpegls_encode(foreign.pixels(PixelFormat(64, 64, 3, 8, 8), noisy=True))


def test_trap_8_near_is_checked_here() -> None:
    # 14495-1 C.2.3: at most half of MAXVAL; pyjpegls writes an unreadable frame
    format = PixelFormat(16, 16, 1, 8, 2)
    array = foreign.pixels(format)
    with pytest.raises(EncodeError, match="near 2 is not within 0 to 1"):
        encode_frame(array, JPEG_LS_NEAR, format, EncodeOptions(near=2))
    frame = encode_frame(array, JPEG_LS_NEAR, format, EncodeOptions(near=1))
    assert np.abs(decode_frame(frame, JPEG_LS_NEAR, format).astype(int) - array).max() == 1


def test_trap_9_noise_of_one_bit_is_jpeg_2000_without_a_wavelet() -> None:
    format = PixelFormat(300, 300, 1, 1, 1)
    array = foreign.pixels(format, noisy=True)
    with pytest.raises(imagecodecs.Jpeg2kError):
        imagecodecs.jpeg2k_encode(array, reversible=True, codecformat="j2k", bitspersample=1)
    for syntax in (J2K, HTJ2K):
        frame = encode_frame(array, syntax, format)
        assert np.array_equal(foreign.openjpeg_array(frame, format), array)
        assert np.array_equal(decode_frame(frame, syntax, format), array)


@pytest.mark.parametrize("syntax", [JPEG_LS, J2K, HTJ2K, JXL, DEFLATED])
def test_trap_10_signed_samples_keep_their_sign(syntax: str) -> None:
    format = PixelFormat(37, 58, bits_stored=12, signed=True)
    array = foreign.pixels(format)
    assert (int(array.min()), int(array.max())) == (-2048, 2047)
    frame = encode_frame(array, syntax, format)
    assert np.array_equal(decode_frame(frame, syntax, format), array)
    wide = PixelFormat(37, 58, bits_allocated=32, bits_stored=12, signed=True)
    if syntax not in {JPEG_LS, DEFLATED}:  # JPEG-LS has cells of 8 and 16 bits; deflate is of the cells
        assert np.array_equal(decode_frame(frame, syntax, wide), array)


def test_trap_10_near_lossless_does_not_turn_the_highest_into_the_lowest() -> None:
    format = PixelFormat(16, 16, bits_stored=12, signed=True)
    for value in (2047, -2048):
        array = np.full((16, 16), value, "i2")
        with pytest.raises(EncodeError, match="changes the sign"):
            encode_frame(array, JPEG_LS_NEAR, format, EncodeOptions(near=2))
        assert np.array_equal(decode_frame(encode_frame(array, JPEG_LS, format), JPEG_LS, format), array)


@pytest.mark.parametrize(("bits", "stream"), [(13, np.uint16), (16, np.uint16), (16, np.int16), (12, np.int16)])
def test_trap_10_pixel_representation_wins_over_the_sign_of_the_code_stream(bits: int, stream: type) -> None:
    # TOSHIBA_J2K_SIZ0_PixRep1 and SIZ1_PixRep0, J2K_pixelrep_mismatch: the bits are right, their sign is not
    values = np.arange(-64, 64).reshape(8, 16)
    signed = values if stream is np.int16 else values % (1 << bits)
    frame = imagecodecs.jpeg2k_encode(
        signed.astype(stream), reversible=True, codecformat="j2k", bitspersample=bits, numthreads=1
    )
    for reading in (True, False):
        format = PixelFormat(8, 16, bits_stored=bits, signed=reading)
        expected = values if reading else values % (1 << bits)
        assert np.array_equal(decode_frame(frame, J2K, format), expected)


def test_trap_11_both_forms_of_jpeg_xl_are_read() -> None:
    for bits, container in ((12, False), (16, True)):
        format = PixelFormat(37, 58, bits_stored=bits)
        array = foreign.pixels(format)
        frame = encode_frame(array, JXL, format)
        assert frame.startswith(b"\0\0\0\x0cJXL " if container else b"\xff\x0a")
        boxed = bytes(imagecodecs.jpegxl_encode(array, lossless=True, bitspersample=bits, usecontainer=True))
        bare = boxed[boxed.index(b"jxlc") + 4 :]
        assert bare.startswith(b"\xff\x0a")
        for data in (frame, boxed, bare, bare + b"\0"):  # the last as padded in a fragment
            assert np.array_equal(decode_frame(data, JXL, format), array)


def test_trap_14_a_view_of_the_file_is_enough() -> None:
    # pylibjpeg-openjpeg and pyjpegls want bytes; what is first asked takes a view, read-only as a mapped file is
    for syntax in (JPEG_LS, J2K, HTJ2K, JXL, DEFLATED, UNCOMPRESSED):
        array = foreign.pixels(GRAY)
        frame = encode_frame(array, syntax, GRAY)
        within = memoryview(b"xx" + frame + b"yy")[2:-2]
        assert np.array_equal(decode_frame(within, syntax, GRAY), array)
        with registry.override(*registry.codecs(syntax, "decode")[-1:]):
            assert np.array_equal(decode_frame(within, syntax, GRAY), array)


def test_a_deflate_bomb_stops_at_the_size_of_the_frame() -> None:
    bomb = zlib.compress(bytes(200 << 20), 9, wbits=-15)
    begun = time.process_time()
    with pytest.raises(CodecLimitError, match="larger than its 10240 bytes"):
        decode_frame(bomb, DEFLATED, GRAY)
    assert time.process_time() - begun < 1
    with pytest.raises(CodecError, match="no deflate stream"):
        decode_frame(b"\xff" * 99, DEFLATED, GRAY)


def test_frames_that_are_too_long_are_refused() -> None:
    with pytest.raises(CodecError, match="its cells take"):
        decode_frame(bytes(GRAY.nbytes + 2), UNCOMPRESSED, GRAY)


def test_planes_of_a_three_by_three_image_are_not_taken_for_pixels() -> None:
    # shapes do not tell colour by plane from colour by pixel here
    format = PixelFormat(3, 3, 3, 8, 8, photometric="RGB")
    array = np.arange(27, dtype="u1").reshape(3, 3, 3)
    ybr = PixelFormat(3, 3, 3, 8, 8, photometric="YBR_FULL")
    for mode in (0, 1, 2):
        frame = encode_frame(
            np.tile(array, (8, 8, 1)), JPEG_LS, PixelFormat(24, 24, 3, 8, 8), EncodeOptions(interleave=mode)
        )
        assert np.array_equal(decode_frame(frame, JPEG_LS, PixelFormat(24, 24, 3, 8, 8))[:3, :3], array)
    for syntax in (J2K, HTJ2K, JXL, DEFLATED):
        for one in (format, ybr):
            assert np.array_equal(decode_frame(encode_frame(array, syntax, one), syntax, one), array)


def test_what_a_decoder_and_an_encoder_make_of_the_colours() -> None:
    colour = {name: PixelFormat(4, 4, 3, 8, 8, photometric=name) for name in
              ("RGB", "YBR_RCT", "YBR_ICT", "YBR_FULL", "YBR_FULL_422", "XYB")}  # fmt: skip
    deep = PixelFormat(4, 4, 3, 32, 20, photometric="RGB")
    for syntax in (J2K, J2K_LOSSY, HTJ2K, HTJ2K_RPCL, HTJ2K_ANY):
        told = "YBR_ICT" if syntax in {J2K_LOSSY, HTJ2K_ANY} else "YBR_RCT"
        assert encoded_photometric(syntax, colour["RGB"]) == told
        assert decoded_photometric(syntax, colour[told]) == "RGB"
        assert encoded_photometric(syntax, colour["YBR_FULL"]) == decoded_photometric(syntax, colour["YBR_FULL"])
        assert encoded_photometric(syntax, deep) == "RGB"
        assert encoded_photometric(syntax, GRAY) == "MONOCHROME2"
    assert decoded_photometric(JXL, colour["YBR_FULL"]) == "YBR_FULL"
    assert decoded_photometric(f"{U}.4.111", colour["YBR_FULL_422"]) == "RGB"
    assert decoded_photometric(JXL_LOSSY, colour["XYB"]) == "RGB"
    assert decoded_photometric(UNCOMPRESSED, colour["YBR_FULL_422"]) == "YBR_FULL"
    assert encoded_photometric(JPEG_LS, colour["RGB"]) == decoded_photometric(JPEG_LS, colour["RGB"]) == "RGB"


@pytest.mark.corpus
def test_jp2_files_in_frames_are_read() -> None:
    # PS3.5 A.4.4 forbids the JP2 header; ELSCINT and MAROTECH wrote it
    folder = corpus_folder()
    if folder is None:
        pytest.skip("no corpus")
    import pydicom
    from pydicom.encaps import get_frame

    path = folder / "pylibjpeg-data/ljdata/ds/JPEG2000/ELSCINT1_JP2vsJ2K.dcm"
    frame = get_frame(pydicom.dcmread(path).PixelData, 0)
    assert frame[4:8] == b"jP  "
    format = PixelFormat(512, 512, bits_stored=12)
    assert np.array_equal(decode_frame(frame, J2K_LOSSY, format), foreign.openjpeg_array(frame, format))

"""What our encoders of JPEG-LS, JPEG 2000, HTJ2K, JPEG XL and deflate write, read by decoders from elsewhere."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from pacskit.core.errors import EncodeError
from pacskit.encoding.codecs import EncodeOptions, PixelFormat, decode_frame, encode_frame
from pacskit.encoding.codecs.base import unsigned_bits
from pacskit.encoding.codecs.headers import parse_header
from tests.conftest import Dcmtk
from tests.oracles import encapsulated as foreign

U = "1.2.840.10008.1.2"
JPEG_LS, JPEG_LS_NEAR = f"{U}.4.80", f"{U}.4.81"
J2K, J2K_LOSSY = f"{U}.4.90", f"{U}.4.91"
HTJ2K, HTJ2K_RPCL, HTJ2K_ANY = f"{U}.4.201", f"{U}.4.202", f"{U}.4.203"
JXL, JXL_JPEG, JXL_LOSSY = f"{U}.4.110", f"{U}.4.111", f"{U}.4.112"
DEFLATED, UNCOMPRESSED = f"{U}.8.1", f"{U}.1.98"
DEPTHS = (1, 2, 8, 10, 12, 14, 16)


def formats(lowest: int = 1) -> list[PixelFormat]:
    """Gray and RGB, signed and not, of every depth that a transfer syntax has."""
    return [
        PixelFormat(37, 58, samples, 1 if bits == 1 else 8 if bits <= 8 else 16, bits, signed, photometric)
        for bits in DEPTHS
        for samples, photometric in ((1, "MONOCHROME2"), (3, "RGB"))
        for signed in ((False, True) if bits > 1 else (False,))
        if bits >= lowest
    ]


def label(format: PixelFormat) -> str:
    return f"{'s' if format.signed else 'u'}{format.bits_stored}x{format.samples}"


@pytest.mark.interop
@pytest.mark.parametrize("format", formats(2), ids=label)
def test_jpeg_ls_is_read_elsewhere(format: PixelFormat, tmp_path: Path, dcmtk: Dcmtk) -> None:
    import libjpeg

    array = foreign.pixels(format)
    frame = encode_frame(array, JPEG_LS, format)
    header = parse_header(frame, JPEG_LS)
    assert header is not None
    assert header.bits == format.bits_stored
    path = foreign.part10(tmp_path / "a.dcm", [frame], JPEG_LS, format)
    # Thomas Richter's decoder shares nothing with CharLS; it knows no sign
    richter = np.asarray(libjpeg.decode(frame)).reshape(format.shape)
    assert np.array_equal(richter, unsigned_bits(array, format.bits_stored))
    if format.bits_stored >= 6:  # DCMTK's CharLS refuses fewer; it leaves the bits above Bits Stored 0
        theirs = foreign.dcmdjpls(dcmtk.tool("dcmdjpls"), path)
        assert np.array_equal(unsigned_bits(theirs, format.bits_stored), unsigned_bits(array, format.bits_stored))
    assert np.array_equal(foreign.pydicom_array(path), array)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_jpeg_ls_interleave_modes_are_read_elsewhere(mode: int) -> None:
    import libjpeg

    format = PixelFormat(37, 58, 3, 8, 8, photometric="RGB")
    array = foreign.pixels(format)
    frame = encode_frame(array, JPEG_LS, format, EncodeOptions(interleave=mode))
    header = parse_header(frame, JPEG_LS)
    assert header is not None
    assert frame[header.data - 2] == mode
    assert np.array_equal(np.asarray(libjpeg.decode(frame)), array)
    assert np.array_equal(decode_frame(frame, JPEG_LS, format), array)


@pytest.mark.parametrize("format", [f for f in formats(2) if f.bits_stored in {2, 8, 12, 16}], ids=label)
def test_near_lossless_is_as_near_as_asked(format: PixelFormat) -> None:
    array = foreign.pixels(format)
    if format.signed:  # away from the ends of the range, where an error would change the sign
        array = (array // 2).astype(format.dtype)
    near = 1 if format.bits_stored == 2 else 3
    frame = encode_frame(array, JPEG_LS_NEAR, format, EncodeOptions(near=near))
    header = parse_header(frame, JPEG_LS_NEAR)
    assert header is not None
    assert header.near == near
    wrong = np.abs(decode_frame(frame, JPEG_LS_NEAR, format).astype(np.int64) - array).max()
    assert wrong == near


@pytest.mark.parametrize("syntax", [J2K, HTJ2K, HTJ2K_RPCL])
@pytest.mark.parametrize("format", formats(), ids=label)
def test_jpeg_2000_is_read_elsewhere(syntax: str, format: PixelFormat, tmp_path: Path) -> None:
    array = foreign.pixels(format)
    frame = encode_frame(array, syntax, format)
    header = parse_header(frame, syntax)
    assert header is not None
    assert (header.bits, header.signed, header.reversible) == (format.bits_stored, format.signed, True)
    assert header.transform == (format.samples == 3)
    assert header.high_throughput == (syntax != J2K)
    assert np.array_equal(foreign.openjpeg_array(frame, format), array)
    path = foreign.part10(tmp_path / "a.dcm", [frame], syntax, format)
    if format.bits_allocated > 1:  # GDCM packs bits
        assert np.array_equal(foreign.gdcm_array(path, format), array)
    else:
        import imagecodecs

        assert np.array_equal(imagecodecs.jpeg2k_decode(frame), array)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("bits", [20, 24])
def test_jpeg_2000_of_more_than_16_bits(bits: int, samples: int) -> None:
    # with the component transform OpenJPEG loses the lowest bits of 24-bit RGB
    import imagecodecs

    format = PixelFormat(37, 58, samples, 32, bits, photometric="RGB" if samples == 3 else "MONOCHROME2")
    array = foreign.pixels(format, noisy=True)
    frame = encode_frame(array, J2K, format)
    assert np.array_equal(foreign.openjpeg_array(frame, format), array)
    assert np.array_equal(imagecodecs.jpeg2k_decode(frame), array)


def test_ybr_is_not_transformed_again() -> None:
    format = PixelFormat(37, 58, 3, 8, 8, photometric="YBR_FULL")
    array = foreign.pixels(format)
    for syntax in (J2K, HTJ2K):
        frame = encode_frame(array, syntax, format)
        header = parse_header(frame, syntax)
        assert header is not None
        assert not header.transform
        assert np.array_equal(foreign.openjpeg_array(frame, format), array)
        assert np.array_equal(decode_frame(frame, syntax, format), array)


@pytest.mark.parametrize("syntax", [J2K_LOSSY, HTJ2K_ANY])
@pytest.mark.parametrize("format", [f for f in formats() if f.bits_stored in {8, 12, 16}], ids=label)
def test_lossy_jpeg_2000_has_the_ratio_and_the_noise_asked_for(syntax: str, format: PixelFormat) -> None:
    import dataclasses

    format = dataclasses.replace(format, rows=200, columns=180)
    array = foreign.pixels(format)
    raw = array.size * format.bits_stored / 8
    frame = encode_frame(array, syntax, format, EncodeOptions(ratio=8))
    header = parse_header(frame, syntax)
    assert header is not None
    assert (header.bits, header.reversible) == (format.bits_stored, False)
    assert 7 < raw / len(frame) < 13  # OpenJPEG counts the bits of cells, not of samples
    frame = encode_frame(array, syntax, format, EncodeOptions(psnr=45))
    for theirs in (foreign.openjpeg_array(frame, format), decode_frame(frame, syntax, format)):
        error = theirs.astype(np.float64) - array
        noise = 20 * np.log10((1 << format.bits_stored) - 1) - 10 * np.log10(np.mean(error**2))
        assert 44 < noise < 48


@pytest.mark.parametrize("size", [(37, 58), (300, 4100)])
def test_rpcl_is_what_the_standard_asks_for(size: tuple[int, int]) -> None:
    # PS3.5 10.18: progression RPCL, a base resolution of at most 64, tile-part lengths present
    format = PixelFormat(*size)
    frame = encode_frame(foreign.pixels(format), HTJ2K_RPCL, format)
    style = frame.index(b"\xff\x52") + 4
    levels = frame[style + 5]
    assert frame[style + 1] == 2
    assert -(-max(size) >> levels) <= 64
    assert frame.index(b"\xff\x55") < frame.index(b"\xff\x90")


@pytest.mark.parametrize("format", formats(), ids=label)
def test_jpeg_xl_is_read_elsewhere(format: PixelFormat) -> None:
    array = foreign.pixels(format)
    frame = encode_frame(array, JXL, format)
    plain = unsigned_bits(array, format.bits_stored)
    assert np.array_equal(foreign.jxl_oxide(frame, format), plain)
    assert np.array_equal(foreign.libjxl(frame, format), plain)
    assert np.array_equal(decode_frame(frame, JXL, format), array)


@pytest.mark.parametrize("format", [f for f in formats(8) if not f.signed], ids=label)
def test_lossy_jpeg_xl_is_near(format: PixelFormat) -> None:
    array = foreign.pixels(format)
    frame = encode_frame(array, JXL_LOSSY, format)
    ours = decode_frame(frame, JXL_LOSSY, format).astype(np.float64)
    top = (1 << format.bits_stored) - 1
    assert np.abs(ours - foreign.libjxl(frame, format)).max() <= 1
    assert 20 * np.log10(top / np.sqrt(np.mean((ours - array) ** 2))) > 28


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("effort", [None, 1, 9])
def test_deflated_frames_are_raw_deflate_of_native_cells(effort: int | None, planar: int) -> None:
    # PS3.5 A.4.13: RFC 1951, without the header and sum of zlib
    import imagecodecs

    for format in formats():
        format = PixelFormat(
            7, 9, format.samples, format.bits_allocated, format.bits_stored, format.signed, format.photometric, planar
        )
        array = foreign.pixels(format)
        frame = encode_frame(array, DEFLATED, format, EncodeOptions(effort=effort))
        cells = zlib.decompress(frame, -15)
        assert bytes(imagecodecs.deflate_decode(frame, raw=True, out=len(cells))) == cells  # libdeflate
        theirs = array.transpose(2, 0, 1) if planar and format.samples == 3 else array
        if format.bits_allocated == 1:
            unpacked = np.unpackbits(np.frombuffer(cells, "u1"), bitorder="little")[: array.size]
            assert np.array_equal(unpacked, theirs.reshape(-1))
        else:
            assert cells == theirs.astype(array.dtype.newbyteorder("<")).tobytes()
        assert encode_frame(array, UNCOMPRESSED, format) == cells
        for syntax, data in ((DEFLATED, frame + b"\0"), (UNCOMPRESSED, cells)):
            assert np.array_equal(decode_frame(data, syntax, format), array)


def test_a_deflated_frame_of_422_gets_its_chrominance() -> None:
    # PS3.3 C.7.6.3.1.2: two luminance samples, then one of each chrominance
    format = PixelFormat(1, 4, 3, 8, 8, photometric="YBR_FULL_422")
    expected = np.array([[[1, 9, 8], [2, 9, 8], [3, 7, 6], [4, 7, 6]]], "u1")
    cells = bytes([1, 2, 9, 8, 3, 4, 7, 6])
    assert np.array_equal(decode_frame(cells, UNCOMPRESSED, format), expected)
    assert encode_frame(expected, UNCOMPRESSED, format) == cells


REFUSED = [
    (JPEG_LS, PixelFormat(4, 4, bits_allocated=1, bits_stored=1)),  # 14495-1: 2 to 16 bits
    (JPEG_LS, PixelFormat(4, 4, bits_allocated=32, bits_stored=32)),
    (J2K, PixelFormat(4, 4, bits_allocated=32, bits_stored=32)),
    (HTJ2K, PixelFormat(4, 4, bits_allocated=32, bits_stored=20)),
    (JXL, PixelFormat(4, 4, bits_allocated=32, bits_stored=20)),
    (JXL_LOSSY, PixelFormat(4, 4, signed=True)),  # would change the sign about 0
    (JXL_LOSSY, PixelFormat(4, 4, 1, 8, 8, photometric="PALETTE COLOR")),
    (JXL_JPEG, PixelFormat(4, 4, 1, 8, 8)),  # made of a JPEG, not of pixels
    (f"{U}.4.92", PixelFormat(4, 4)),
    (f"{U}.4.93", PixelFormat(4, 4)),
    (f"{U}.4.102", PixelFormat(4, 4, 3, 8, 8, photometric="RGB")),
]


@pytest.mark.parametrize(("syntax", "format"), REFUSED, ids=[f"{s[18:]}-{f}" for s, f in REFUSED])
def test_what_a_syntax_cannot_hold_is_refused(syntax: str, format: PixelFormat) -> None:
    with pytest.raises(EncodeError, match=r"can encode|no back end|nothing here"):
        encode_frame(np.zeros(format.shape, format.dtype), syntax, format)


WRONG_OPTIONS = [
    (JPEG_LS, EncodeOptions(near=1), "near"),
    (JPEG_LS_NEAR, EncodeOptions(near=300), "near 300"),
    (JPEG_LS_NEAR, EncodeOptions(near=-1), "near -1"),
    (JPEG_LS, EncodeOptions(interleave=1), "interleave"),
    (J2K, EncodeOptions(ratio=10), "lossless"),
    (J2K, EncodeOptions(psnr=40), "lossless"),
    (J2K_LOSSY, EncodeOptions(psnr=40, ratio=10), "not both"),
    (J2K_LOSSY, EncodeOptions(ratio=0.5), "ratio of 0.5"),
    (J2K_LOSSY, EncodeOptions(psnr=-3), "PSNR of -3"),
    (HTJ2K_RPCL, EncodeOptions(ratio=10), "lossless"),
    (JXL, EncodeOptions(distance=1), "Lossless"),
    (JXL_LOSSY, EncodeOptions(distance=99), "distance of 99"),
    (JXL, EncodeOptions(effort=12), "effort"),
    (DEFLATED, EncodeOptions(effort=0), "effort"),
]


@pytest.mark.parametrize(("syntax", "options", "message"), WRONG_OPTIONS)
def test_wrong_options_are_refused(syntax: str, options: EncodeOptions, message: str) -> None:
    format = PixelFormat(16, 16)
    with pytest.raises(EncodeError, match=message):
        encode_frame(foreign.pixels(format), syntax, format, options)

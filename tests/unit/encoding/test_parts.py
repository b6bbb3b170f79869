"""Lower resolutions and regions: less is decoded where the code stream lets it, and it is the same as of the whole."""

from __future__ import annotations

import io
from itertools import product
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pacskit import Dataset, dcmread
from pacskit.core.errors import CodecError, CodecTruncatedError, CodecUnavailable
from pacskit.encoding.codecs import EncodeOptions, PixelFormat, Region, decode_frame, encode_frame, parse_header
from pacskit.encoding.codecs.base import Declined
from pacskit.encoding.codecs.parts import part_of
from pacskit.pixels import PixelReader
from tests.interop.files import wheel_file
from tests.oracles.wavelet import low_pass

J2K, J2K_LOSSY, HT, HT_RPCL, HT_LOSSY = (f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
JPEG, EXPLICIT = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.1"


def picture(rows: int, columns: int, bits: int, *, samples: int = 1, signed: bool = False) -> NDArray[Any]:
    """A smooth picture with edges and noise, so that low passes over and under shoot."""
    rng = np.random.default_rng(rows * columns + bits)
    y, x = np.mgrid[:rows, :columns]
    planes = [np.sin(x / (7 + n)) + np.cos(y / (11 - n)) + ((x // 16 + y // 16) % 2) * 2 for n in range(samples)]
    found = np.stack(planes, -1) + rng.normal(0, 0.2, (rows, columns, samples))
    found = (found - found.min()) / (found.max() - found.min()) * ((1 << bits) - 1)
    found = np.rint(found) - ((1 << bits - 1) if signed else 0)
    made: NDArray[Any] = found.astype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")
    return made[..., 0] if samples == 1 else made


def format_of(array: NDArray[Any], bits: int) -> PixelFormat:
    samples = 1 if array.ndim == 2 else array.shape[2]
    photometric = "MONOCHROME2" if samples == 1 else "RGB"
    rows, columns = array.shape[:2]
    return PixelFormat(rows, columns, samples, 8 * array.itemsize, bits, array.dtype.kind == "i", photometric)


@pytest.mark.parametrize("syntax", [J2K, HT, HT_RPCL])
@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, False), (12, True), (16, False)])
def test_reduced_is_the_low_pass_of_the_standard(syntax: str, bits: int, signed: bool) -> None:
    """Clamped to Bits Stored: imagecodecs lets what OpenJPH gives of such a band wrap."""
    image = picture(131, 167, bits, signed=signed)
    format = format_of(image, bits)
    frame = encode_frame(image, syntax, format)
    low = -(1 << bits - 1) if signed else 0
    for levels in (1, 2, 3):
        found = decode_frame(frame, syntax, format, reduce=levels)
        wanted = low_pass(image, levels).clip(low, low + (1 << bits) - 1)
        assert (found.dtype, found.shape) == (image.dtype, wanted.shape)
        assert np.array_equal(found, wanted)


def pillow(frame: bytes, reduce: int) -> NDArray[Any]:
    with Image.open(io.BytesIO(frame)) as image:
        image.reduce = reduce  # type: ignore[method-assign, assignment]
        return np.asarray(image)


def saved(array: NDArray[Any], **options: Any) -> bytes:
    to = io.BytesIO()
    Image.fromarray(array).save(to, "JPEG2000", no_jp2=True, num_resolutions=4, **options)
    return to.getvalue()


ORDERS = list(product(("LRCP", "RLCP", "RPCL", "PCRL", "CPRL"), ([20], [40, 10]), (None, (64, 64))))


@pytest.mark.parametrize(("order", "layers", "tile"), ORDERS)
def test_every_progression_is_right_or_refused(order: str, layers: list[int], tile: tuple[int, int] | None) -> None:
    """Against OpenJPEG's own reduction, in Pillow; orders by position or layer do not begin with low resolutions."""
    image = picture(150, 203, 8, samples=3)
    tiles: dict[str, Any] = {} if tile is None else {"tile_size": tile, "precinct_size": (64, 64)}
    frame = saved(image, progression=order, quality_layers=layers, irreversible=True, **tiles)
    format = format_of(image, 8)
    if order in {"PCRL", "CPRL"} or (order == "LRCP" and len(layers) > 1):
        with pytest.raises(CodecUnavailable, match="does not begin with its lower resolutions"):
            decode_frame(frame, J2K_LOSSY, format, reduce=1)
    else:
        assert np.array_equal(decode_frame(frame, J2K_LOSSY, format, reduce=1), pillow(frame, 1))
    whole = decode_frame(frame, J2K_LOSSY, format)
    for region in (Region(0, 0, 1, 1), Region(63, 60, 10, 70), Region(100, 130, 50, 73), Region(0, 0, 150, 203)):
        assert np.array_equal(decode_frame(frame, J2K_LOSSY, format, region=region), whole[region.slices()])


@pytest.mark.parametrize("syntax", [J2K, HT])
def test_a_region_of_a_lower_resolution(syntax: str) -> None:
    """The same as of the whole lower resolution, also where tiles are left out, and where the grid has an offset."""
    image = picture(150, 203, 8)
    frame = saved(image, progression="RPCL", tile_size=(64, 32), offset=(5, 3), tile_offset=(0, 0))
    if syntax == HT:
        frame = encode_frame(image, syntax, format_of(image, 8))
    header = parse_header(memoryview(frame), syntax)
    assert header is not None
    format = PixelFormat(header.rows, header.columns, bits_allocated=8, bits_stored=8)
    for levels in range(3):
        whole = decode_frame(frame, syntax, format, reduce=levels)
        for region in (Region(0, 0, 40, 60), Region(63, 60, 10, 70), Region(90, 130, 57, 68)):
            found = decode_frame(frame, syntax, format, reduce=levels, region=region)
            assert np.array_equal(found, whole[region.slices(levels)])
    if syntax == J2K:
        some = part_of(memoryview(frame), header, 0, Region(64, 64, 8, 8))
        assert len(some.stream) < len(frame) / 4  # two tiles of twenty
        assert imagecodecs.jpeg2k_decode(some.stream).shape == (some.rows, some.columns)


@pytest.mark.parametrize("file", ["SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "examples_rgb_color.dcm"])
def test_jpeg_is_scaled_in_its_frequencies(file: str) -> None:
    """Components as they are stored, as of the whole: the mean of the pixels that each one stands for, nearly."""
    ds = dcmread(wheel_file(file))
    if not str(ds.file_meta.TransferSyntaxUID).startswith("1.2.840.10008.1.2.4.5"):
        ds = ds.transcode(JPEG, EncodeOptions(quality=95))
    whole = PixelReader(ds).frame(0).astype(float)
    for levels in (1, 2, 3):
        (found, *_) = ds.frames([0], reduce=levels)
        size = 1 << levels
        assert found.shape[:2] == tuple(-(-side // size) for side in whole.shape[:2])
        rows, columns = (side // size * size for side in whole.shape[:2])
        blocks = whole[:rows, :columns].reshape(rows // size, size, columns // size, size, -1)
        mean = blocks.mean((1, 3)).reshape(rows // size, columns // size, *whole.shape[2:])
        assert np.abs(found[: rows // size, : columns // size] - mean).mean() < 2
        (corner,) = ds.frames([0], reduce=levels, region=(8, 16, 16, 24))
        assert np.array_equal(corner, found[Region(8, 16, 16, 24).slices(levels)])


@pytest.mark.parametrize("name", ["rle", "jpeg-lossless", "jpeg-ls", "jxl", "deflated-frame", "explicit"])
def test_others_have_one_resolution_and_every_region(name: str) -> None:
    from pacskit.encoding.transcoding import SYNTAX_NAMES

    ds = dcmread(wheel_file("CT_small.dcm"))
    whole = ds.pixel_array
    made = ds.transcode(SYNTAX_NAMES[name])
    with pytest.raises(CodecUnavailable, match="resolution"):
        next(iter(made.frames(reduce=1)))
    (found,) = made.frames(region=(5, 7, 11, 13))
    assert np.array_equal(found, whole[5:16, 7:20])


def test_a_region_of_native_frames_is_a_view_and_of_many_in_threads() -> None:
    ds = dcmread(wheel_file("CT_small.dcm"))
    (found,) = ds.frames(region=(5, 7, 11, 13))
    assert found.base is not None
    color = dcmread(wheel_file("SC_rgb_rle_2frame.dcm")).transcode(J2K)
    whole = list(color.frames())
    for index, part in enumerate(color.frames(threads=2, region=(10, 20, 30, 40))):
        assert np.array_equal(part, whole[index][10:40, 20:60])
    assert [part.shape for part in color.frames(threads=2, reduce=2)] == [(25, 25, 3)] * 2


@pytest.mark.parametrize("region", [(0, 0, 0, 1), (-1, 0, 2, 2), (0, 0, 129, 1), (120, 120, 9, 8)])
def test_what_is_no_region(region: tuple[int, int, int, int]) -> None:
    native = dcmread(wheel_file("CT_small.dcm"))
    for ds in (native, native.transcode(J2K)):
        with pytest.raises(ValueError, match="is no part of"):
            next(iter(ds.frames(region=region)))
    reader = PixelReader(native.transcode(J2K))
    with pytest.raises(ValueError, match="not decoded into"):
        reader.frame(0, out=np.empty((128, 128), np.int16), reduce=1)
    with pytest.raises(CodecUnavailable, match="4 lower resolutions, not 6"):
        reader.frame(0, reduce=6)


def test_damaged_streams_are_errors_of_their_own() -> None:
    """Cut anywhere, or with bytes changed in its headers: an error of ours or a picture, never anything else."""
    image = picture(150, 203, 8)
    frame = saved(image, progression="RPCL", tile_size=(64, 32))
    format, rng = format_of(image, 8), np.random.default_rng(7)
    for _ in range(300):
        bad = bytearray(frame)
        for at in rng.integers(2, 260, 2):
            bad[at] = rng.integers(256)
        if rng.integers(2):
            bad = bad[: rng.integers(10, len(bad))] + b"\xff\xd9"
        try:
            found = decode_frame(bytes(bad), J2K_LOSSY, format, reduce=1, region=(10, 10, 60, 60))
        except CodecError:
            continue
        assert found.shape == (30, 30)
    header = parse_header(memoryview(frame), J2K)
    assert header is not None
    with pytest.raises((CodecTruncatedError, Declined)):
        part_of(memoryview(frame[:130]), header, 1, None)


def test_data_sets_say_it_too() -> None:
    ds: Dataset = dcmread(wheel_file("MR_small_jp2klossless.dcm"))
    (half,) = ds.frames(reduce=1)
    assert np.array_equal(half, low_pass(np.asarray(ds.pixel_array), 1).clip(-32768, 32767))

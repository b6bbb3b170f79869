"""What a data set says after it was transcoded, and what is left when it cannot be."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pacskit import (
    DataElement,
    Dataset,
    DecodeError,
    EncodeError,
    TranscodeError,
    TransferSyntax,
    dcmread,
    transcode_file,
)
from pacskit.core.errors import CodecError, ConfigurationError
from pacskit.encoding.codecs import EncodeOptions, PixelFormat, encode_frame, is_lossless, registry
from pacskit.encoding.codecs.video import encode_video
from pacskit.encoding.frames import FrameIndex, set_frames
from pacskit.encoding.pixels import convert_color, overlay_array
from pacskit.encoding.transcoding import (
    SYNTAX_NAMES,
    Place,
    can_transcode,
    compare_pixels,
    syntax_named,
    transcode_body,
)
from pacskit.encoding.transcoding import files as transcoding_files
from tests.conftest import ROOT

EXPLICIT = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
JPEG, SV1, JPEG_LS, RLE = (SYNTAX_NAMES[name] for name in ("jpeg", "jpeg-lossless", "jpeg-ls", "rle"))
J2K_LOSSY, NEAR = SYNTAX_NAMES["j2k-lossy"], SYNTAX_NAMES["jpeg-ls-near"]
UID = "1.2.826.0.1.3680043.10.1337.7"


def made(pixels: Any, bits: int = 0, **facts: Any) -> Dataset:
    """A native data set of (frames, rows, columns[, samples])."""
    size = pixels.itemsize * 8
    ds = Dataset(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID=UID, ImageType=["ORIGINAL", "PRIMARY"],
        Rows=pixels.shape[1], Columns=pixels.shape[2], SamplesPerPixel=pixels.shape[3] if pixels.ndim == 4 else 1,
        BitsAllocated=size, BitsStored=bits or size, HighBit=(bits or size) - 1,
        PixelRepresentation=int(pixels.dtype.kind == "i"), PhotometricInterpretation="MONOCHROME2",
    )  # fmt: skip
    if pixels.ndim == 4:
        ds.update({"PhotometricInterpretation": "RGB", "PlanarConfiguration": 0})
    if len(pixels) > 1:
        ds.NumberOfFrames = len(pixels)
    ds.add_new("PixelData", "OW" if size > 8 else "OB", pixels.tobytes() + b"\0" * (pixels.nbytes % 2))
    ds.update(facts)
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return dcmread(buffer.getvalue())


def gradient(frames: int = 1, samples: int = 1, top: int = 255, dtype: str = "u1") -> Any:
    y, x = np.mgrid[:48, :64]
    planes = [((x * (one + 2) + y + 5 * frame) * top // 400) % (top + 1) for frame in range(frames) for one in
              range(samples)]  # fmt: skip
    stacked = np.stack(planes).reshape(frames, samples, 48, 64).transpose(0, 2, 3, 1).astype(dtype)
    return np.ascontiguousarray(stacked if samples > 1 else stacked[..., 0])


# -- loss (PS3.3 C.7.6.1.1.5, C.12.4) ----------------------------------------------------------------------------------


def test_loss_is_told_and_makes_another_instance() -> None:
    source = made(gradient())
    lossy = source.transcode(JPEG, EncodeOptions(quality=60))
    assert source.SOPInstanceUID == UID
    assert "LossyImageCompression" not in source
    assert (lossy.LossyImageCompression, lossy.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    raw, encoded = 48 * 64, sum(span.length for span in FrameIndex(lossy).spans(0))
    assert float(str(lossy.LossyImageCompressionRatio)) == pytest.approx(raw / encoded, rel=0.01)
    assert lossy.ImageType == ["DERIVED", "PRIMARY"]
    assert "JPEG Baseline" in lossy.DerivationDescription
    assert [code.CodeValue for code in lossy.DerivationCodeSequence] == ["113040"]
    (reference,) = lossy.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == UID != lossy.SOPInstanceUID
    assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121320"
    assert lossy.file_meta.MediaStorageSOPInstanceUID == lossy.SOPInstanceUID
    assert not compare_pixels(source, lossy).is_equal
    again = lossy.transcode(NEAR, EncodeOptions(near=3))
    assert again.LossyImageCompressionMethod == ["ISO_10918_1", "ISO_14495_1"]
    assert again["LossyImageCompressionRatio"].value[0] == lossy.LossyImageCompressionRatio
    assert len(again.SourceImageSequence) == len(again.DerivationCodeSequence) == 2
    assert again.SourceImageSequence[1].PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    for kept in (lossy.transcode(EXPLICIT), lossy.transcode(RLE)):
        assert {change.path for change in lossy.diff(kept)} == {"PixelData"}


@pytest.mark.parametrize(
    ("syntax", "options", "lossy"),
    [
        (NEAR, EncodeOptions(near=0), False),
        (NEAR, EncodeOptions(), True),
        (SV1, EncodeOptions(point_transform=2), True),
        (SYNTAX_NAMES["jxl-lossy"], EncodeOptions(distance=0), False),
        (SYNTAX_NAMES["htj2k-lossy"], EncodeOptions(psnr=40), True),
    ],
)
def test_what_is_lossy_depends_on_the_options(syntax: str, options: EncodeOptions, lossy: bool) -> None:
    source = made(gradient())
    found = source.transcode(syntax, options)
    assert compare_pixels(source, found).is_equal is not lossy
    assert ("LossyImageCompression" in found) is lossy
    assert (found.SOPInstanceUID != UID) is lossy


def test_the_policy_of_uids() -> None:
    source = made(gradient())
    assert source.transcode(JPEG, new_uid="never").SOPInstanceUID == UID
    assert "SourceImageSequence" not in source.transcode(JPEG, new_uid="never")
    assert source.transcode(RLE).SOPInstanceUID == UID
    assert source.transcode(RLE, new_uid="always").SourceImageSequence[0].ReferencedSOPInstanceUID == UID
    assert source.transcode(JPEG, sop_instance_uid="1.2.3").SOPInstanceUID == "1.2.3"
    assert source.transcode(JPEG, sop_instance_uid=lambda uid: uid + ".1").SOPInstanceUID == UID + ".1"
    with pytest.raises(ConfigurationError, match="always"):
        source.transcode(JPEG, new_uid="sometimes")  # type: ignore[arg-type]


def test_a_stream_that_was_lossy_is_said_to_be() -> None:
    """A JPEG whose data set does not say so: the flag stays behind when the JPEG is gone."""
    format = PixelFormat(48, 64, 1, 8, 8)
    source = made(gradient())
    set_frames(source, [encode_frame(gradient()[0], JPEG, format)], JPEG)
    native = source.transcode(EXPLICIT)
    assert (native.LossyImageCompression, native.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert float(str(native.LossyImageCompressionRatio)) > 1
    assert native.SOPInstanceUID == UID


# -- pixels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("planar", [0, 1])
def test_colours(planar: int) -> None:
    pixels = gradient(2, 3)
    stored = pixels.transpose(0, 3, 1, 2) if planar else pixels
    source = made(pixels, PlanarConfiguration=planar)
    source.add_new("PixelData", "OB", np.ascontiguousarray(stored).tobytes())
    for name, photometric in [
        ("rle", "RGB"), ("jpeg-lossless", "RGB"), ("jpeg-ls", "RGB"), ("j2k", "YBR_RCT"), ("htj2k", "YBR_RCT"),
        ("jpeg", "YBR_FULL_422"), ("j2k-lossy", "YBR_ICT"), ("deflated-frame", "RGB"), ("encapsulated", "RGB"),
    ]:  # fmt: skip
        found = source.transcode(SYNTAX_NAMES[name])
        assert found.PhotometricInterpretation == photometric, name
        assert found.PlanarConfiguration == (1 if name == "rle" else 0)
        if is_lossless(SYNTAX_NAMES[name]):
            assert np.array_equal(found.pixel_array, pixels), name
        else:
            assert compare_pixels(source, found).psnr > 25, name
        native = found.transcode(EXPLICIT)
        assert native.PlanarConfiguration == 0
        assert native.PhotometricInterpretation == ("YBR_FULL" if name == "jpeg" else "RGB")
        assert np.array_equal(native.pixel_array, found.pixel_array)
    whole = source.transcode(JPEG, EncodeOptions(subsampling="444", quality=100))
    assert whole.PhotometricInterpretation == "YBR_FULL"
    assert compare_pixels(source, whole).largest < 8


def test_colours_whose_space_the_encoder_does_not_take_are_converted() -> None:
    pixels = gradient(1, 3)
    ybr = convert_color(pixels, "RGB", "YBR_FULL")
    found = made(ybr, PhotometricInterpretation="YBR_FULL").transcode(SYNTAX_NAMES["jxl-lossy"])
    assert found.PhotometricInterpretation == "RGB"
    assert np.abs(found.pixel_array.astype(int) - pixels[0]).mean() < 4


def test_jpeg_and_jpeg_xl_byte_for_byte() -> None:
    source = made(gradient(3, 3)).transcode(JPEG)
    there = source.transcode(SYNTAX_NAMES["jxl-jpeg"])
    back = there.transcode(JPEG)
    assert there.SOPInstanceUID == source.SOPInstanceUID
    assert [FrameIndex(back).frame(n).rstrip(b"\0") for n in range(3)] == [
        FrameIndex(source).frame(n).rstrip(b"\0") for n in range(3)
    ]
    assert {change.path for change in source.diff(there)} <= {"PixelData"}
    assert back.diff(source) == []
    with pytest.raises(TranscodeError, match="JPEG Baseline"):
        made(gradient()).transcode(SYNTAX_NAMES["jxl-jpeg"])


@pytest.mark.parametrize("shape", [(5, 7, 9), (3, 8, 8)])
def test_single_bits_of_many_frames(shape: tuple[int, ...], tmp_path: Path) -> None:
    """Frames follow one another within a byte (PS3.5 8.1.1)."""
    bits = np.random.default_rng(1).integers(0, 2, shape).astype("u1")
    source = made(bits, BitsAllocated=1, BitsStored=1, HighBit=0)
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    source.add_new("PixelData", "OB", packed + b"\0" * (len(packed) % 2))
    source.save_as(tmp_path / "a.dcm")
    for syntax in (RLE, SYNTAX_NAMES["deflated-frame"], SYNTAX_NAMES["jxl"]):
        assert np.array_equal(source.transcode(syntax).transcode(EXPLICIT).pixel_array, bits)
        transcode_file(tmp_path / "a.dcm", tmp_path / "b.dcm", syntax)
        transcode_file(tmp_path / "b.dcm", tmp_path / "c.dcm", EXPLICIT)
        native = dcmread(tmp_path / "c.dcm")
        assert bytes(native.PixelData) == bytes(source.PixelData)
    with pytest.raises(TranscodeError, match="single bits"):
        source.transcode(J2K_LOSSY)


def test_overlays_in_unused_bits_get_data_of_their_own() -> None:
    pixels = gradient(2, top=4095, dtype="u2")
    plane = np.random.default_rng(2).integers(0, 2, pixels.shape).astype("u2")
    source = made(pixels | plane << 13, bits=12)
    for tag, value in ((0x10, 48), (0x11, 64), (0x100, 16), (0x102, 13)):
        source.add_new(0x60000000 | tag, "US", value)
    source.add_new(0x60000015, "IS", "2")
    source.add_new(0x60000040, "CS", "G")
    source.add_new(0x60000050, "SS", [1, 1])
    assert np.array_equal(overlay_array(source), plane)
    for syntax in (SV1, JPEG_LS, RLE):
        found = source.transcode(syntax)
        assert np.array_equal(overlay_array(found), plane)
        assert np.array_equal(found.pixel_array, pixels)
        assert (found[0x60000100].value, found[0x60000102].value) == (1, 0)
    assert source.transcode(TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN)[0x60000102].value == 13


def test_the_high_bit_is_where_the_code_stream_has_it() -> None:
    pixels = gradient(top=4095, dtype="u2")
    source = made(pixels << 4, bits=12, HighBit=15)
    found = source.transcode(SV1)
    assert found.HighBit == 11
    assert np.array_equal(found.pixel_array, pixels[0])
    assert found.transcode(EXPLICIT).HighBit == 11


def test_icons_that_were_compressed_are_native_afterwards() -> None:
    icon = made(gradient())
    source = made(gradient()).transcode(RLE)
    plain = Dataset([element for element in icon if element.tag >> 16 in {0x28, 0x7FE0}])
    source.IconImageSequence = [plain]
    frame = encode_frame(gradient()[0], RLE, PixelFormat(48, 64, 1, 8, 8))
    fragments = Dataset(plain)
    set_frames(fragments, [frame], RLE)
    source.IconImageSequence = [fragments]
    buffer = io.BytesIO()
    source.save_as(buffer)
    source = dcmread(buffer.getvalue())
    assert source.IconImageSequence[0]["PixelData"].is_undefined_length
    for syntax in (EXPLICIT, JPEG_LS):
        buffer = io.BytesIO()
        source.transcode(syntax).save_as(buffer)
        found = dcmread(buffer.getvalue()).IconImageSequence[0]
        assert bytes(found.PixelData) == gradient().tobytes()
        assert not found["PixelData"].is_undefined_length
        assert source.IconImageSequence[0]["PixelData"].is_undefined_length


def test_everything_else_stays() -> None:
    source = made(gradient(3))
    source.PatientName = "DOE^JANE"
    source.ReferencedImageSequence = [Dataset(ReferencedSOPInstanceUID="1.2.3")]
    source.add_new(0x7FE10011, "LO", "after the pixels")
    source.add_new(0xFFFCFFFC, "OB", bytes(8))
    buffer = io.BytesIO()
    source.save_as(buffer)
    source = dcmread(buffer.getvalue())
    for syntax in SYNTAX_NAMES.values():
        if is_lossless(syntax) and syntax != TransferSyntax.JPEG_XL_RECOMPRESSION:
            assert {change.path for change in source.diff(source.transcode(syntax))} <= {"PixelData"}
    same = source.transcode(EXPLICIT)
    assert same is not source
    assert same.diff(source) == []


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rle", "jpeg-ls", "explicit", "deflated", "big-endian", "j2k-lossy"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_is_what_it_is_in_memory(name: str, threads: int, tmp_path: Path) -> None:
    source = made(gradient(7, top=4095, dtype="u2"), bits=12).transcode(SV1)
    source.save_as(tmp_path / "a.dcm")
    syntax = SYNTAX_NAMES[name]
    given: Any = {"sop_instance_uid": "1.2.3", "threads": threads}
    result = transcode_file(tmp_path / "a.dcm", tmp_path / "b.dcm", syntax, **given)
    buffer = io.BytesIO()
    dcmread(tmp_path / "a.dcm").transcode(syntax, **given).save_as(buffer)
    assert (tmp_path / "b.dcm").read_bytes() == buffer.getvalue()
    assert (result.frames, result.size_after) == (7, len(buffer.getvalue()))
    assert result.lossy is (name == "j2k-lossy")


def test_far_frames_have_an_extended_offset_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = made(gradient(5))
    source.save_as(tmp_path / "a.dcm")
    monkeypatch.setattr(transcoding_files, "_BASIC", 1000)
    transcode_file(tmp_path / "a.dcm", tmp_path / "b.dcm", JPEG_LS)
    found = dcmread(tmp_path / "b.dcm")
    assert FrameIndex(found).divided_by == "extended"
    assert np.array_equal(found.pixel_array, source.pixel_array)
    monkeypatch.undo()
    transcode_file(tmp_path / "b.dcm", tmp_path / "b.dcm", RLE)
    assert "ExtendedOffsetTable" not in dcmread(tmp_path / "b.dcm")


def test_a_data_set_within_an_open_file(tmp_path: Path) -> None:
    source = made(gradient(3)).transcode(JPEG_LS)
    source.save_as(tmp_path / "a.dcm")
    data = (tmp_path / "a.dcm").read_bytes()
    offset = (dcmread(tmp_path / "a.dcm")[0x00080008].offset or 0) - 8
    with (tmp_path / "a.dcm").open("rb") as file, (tmp_path / "body").open("w+b") as body:
        result = transcode_body(file.fileno(), Place(offset, len(data) - offset, JPEG_LS), body, EXPLICIT)
    whole = io.BytesIO()
    source.transcode(EXPLICIT).save_as(whole)
    assert whole.getvalue().endswith((tmp_path / "body").read_bytes())
    assert result.size_after == (tmp_path / "body").stat().st_size


def test_verify_and_overwrite(tmp_path: Path) -> None:
    made(gradient()).save_as(tmp_path / "a.dcm")
    result = transcode_file(tmp_path / "a.dcm", tmp_path / "b.dcm", JPEG_LS, verify=True)
    assert result.difference is not None
    assert result.difference.is_equal
    lossy = transcode_file(tmp_path / "a.dcm", tmp_path / "c.dcm", NEAR, EncodeOptions(near=2), verify=True)
    assert lossy.difference is not None
    assert (lossy.difference.largest, lossy.difference.psnr > 40) == (2, True)
    with pytest.raises(FileExistsError):
        transcode_file(tmp_path / "a.dcm", tmp_path / "b.dcm", RLE, overwrite=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dcm", "b.dcm", "c.dcm"]


def test_an_encoder_that_lies_is_found_out(tmp_path: Path) -> None:
    class Liar:
        name, licence, decodes, encodes = "liar", "MIT", (), (RLE,)

        def version(self) -> str:
            return "1"

        def can_decode(self, syntax: str, format: PixelFormat) -> bool:
            return False

        def can_encode(self, syntax: str, format: PixelFormat) -> bool:
            return True

        def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: Any) -> None:
            raise NotImplementedError

        def encode(self, array: Any, syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
            return encode_frame(array ^ 1, syntax, format, registry=registry)

    from pacskit.encoding.codecs import CodecRegistry

    lying = CodecRegistry()
    lying.register(Liar())
    made(gradient()).save_as(tmp_path / "a.dcm")
    with pytest.raises(TranscodeError, match="differ by up to 1"):
        transcode_file(tmp_path / "a.dcm", tmp_path / "b.dcm", RLE, verify=True, registry=lying)
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


@pytest.mark.parametrize("cut", ["middle", "marker", "fragment"])
def test_damage_leaves_no_file(cut: str, tmp_path: Path) -> None:
    source = made(gradient(6)).transcode(JPEG_LS)
    streams = [bytes(FrameIndex(source).frame(n)) for n in range(6)]
    streams[4] = {"middle": streams[4][: len(streams[4]) // 2], "marker": streams[4][:-3], "fragment": b"\xff\xd8"}[cut]
    set_frames(source, streams, JPEG_LS)
    source.save_as(tmp_path / "a.dcm")
    for syntax in (EXPLICIT, RLE, SYNTAX_NAMES["deflated"], SYNTAX_NAMES["j2k-lossy"]):
        for threads in (1, 3):
            with pytest.raises(CodecError) as caught:
                transcode_file(tmp_path / "a.dcm", tmp_path / "b.dcm", syntax, threads=threads)
            assert caught.value.tag == 0x7FE00010
            assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]
    data = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(data[: len(data) - 2000])
    with pytest.raises(DecodeError):
        transcode_file(tmp_path / "a.dcm", tmp_path / "a.dcm", EXPLICIT)
    assert (tmp_path / "a.dcm").stat().st_size == len(data) - 2000


def test_writing_in_another_syntax(tmp_path: Path) -> None:
    """``dcmwrite`` converts what it must where nothing is lost; loss is asked for by ``transcode``."""
    source = made(gradient(2))
    source.save_as(tmp_path / "a.dcm", transfer_syntax=RLE)
    found = dcmread(tmp_path / "a.dcm")
    assert (found.transfer_syntax, found.SOPInstanceUID) == (RLE, UID)
    assert np.array_equal(found.pixel_array, source.pixel_array)
    assert source.transfer_syntax == EXPLICIT
    with pytest.raises(EncodeError, match="transcode"):
        source.save_as(tmp_path / "b.dcm", transfer_syntax=JPEG)
    assert not (tmp_path / "b.dcm").exists()


# -- what cannot be ----------------------------------------------------------------------------------------------------


def test_refusals() -> None:
    report = made(gradient())
    del report.PixelData
    with pytest.raises(TranscodeError, match="no pixel data"):
        report.transcode(RLE)
    with pytest.raises(TranscodeError, match="does not hold") as caught:
        made(gradient(top=4000, dtype="i2"), bits=16).transcode(JPEG)
    error = caught.value
    assert (error.source, error.target, error.tag) == (EXPLICIT, JPEG, 0x7FE00010)
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), twin.message, twin.target) == (TranscodeError, error.message, JPEG)
    palette = made(gradient(), PhotometricInterpretation="PALETTE COLOR")
    assert np.array_equal(palette.transcode(JPEG_LS).pixel_array, gradient()[0])
    with pytest.raises(TranscodeError, match="another index"):
        palette.transcode(JPEG)
    floats = made(gradient(dtype="u4"))
    floats.add(DataElement(0x7FE00008, "OF", gradient().astype("f4").tobytes()))
    del floats.PixelData
    with pytest.raises(TranscodeError, match="floating"):
        floats.transcode(RLE)
    with pytest.raises(TranscodeError, match="nothing here makes"):
        made(gradient()).transcode("1.2.840.10008.1.2.4.92")


def test_video_passes_through_only() -> None:
    frames = gradient(4, 3)
    mpeg = TransferSyntax.MPEG2_MAIN
    source = made(frames)
    stream = encode_video(frames, mpeg, 25)
    set_frames(source, [stream], mpeg)
    source.NumberOfFrames = 4
    assert bytes(source.transcode(mpeg).PixelData) == bytes(source.PixelData)
    for syntax in (EXPLICIT, RLE):
        with pytest.raises(TranscodeError, match="video"):
            source.transcode(syntax)
    with pytest.raises(TranscodeError, match="video"):
        made(frames).transcode(mpeg)
    assert not can_transcode(mpeg, EXPLICIT)
    assert can_transcode(mpeg, mpeg)


def test_names() -> None:
    assert syntax_named("JPEG-LS") == JPEG_LS == syntax_named(str(JPEG_LS))
    with pytest.raises(ConfigurationError, match="no transfer syntax"):
        syntax_named("1.2.840.10008.1.1")


# -- memory ------------------------------------------------------------------------------------------------------------

_CHILD = """
import resource, sys
import imagecodecs
from pacskit.encoding.transcoding import transcode_file
from pacskit.encoding.codecs import registry
registry.entries()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for source, target, syntax in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]):
    transcode_file(source, target, syntax, threads=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_is_a_few_frames_whatever_the_size(tmp_path: Path) -> None:
    """500 MB of native frames, and the same compressed: less than 64 MB over one frame."""
    frames, side = 250, 1024
    source = made(gradient(2, dtype="u2"))
    source.update({"Rows": side, "Columns": side, "NumberOfFrames": frames})
    big, small, back = tmp_path / "big.dcm", tmp_path / "small.dcm", tmp_path / "back.dcm"
    source.add_new("PixelData", "OW", b"")
    source.save_as(big)
    with big.open("r+b") as file:  # a sparse file: what is not written is zeros
        file.seek(-4, 2)
        file.write((frames * side * side * 2).to_bytes(4, "little"))
        file.truncate(file.tell() + frames * side * side * 2)
    arguments = [big, small, RLE, small, back, EXPLICIT]
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 64 << 10
    assert back.stat().st_size == big.stat().st_size > 500_000_000
    back.unlink()

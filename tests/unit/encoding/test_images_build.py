"""What objects made of files say and hold: code streams, orientation, alpha, profiles, pages, and whose they are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms, ImageOps

from pacskit import dcmread, images
from pacskit.core.dataset import Dataset
from pacskit.core.errors import CodecUnavailable, ConfigurationError, EncodeError
from pacskit.encoding.codecs.video import video_container
from pacskit.encoding.frames import FrameIndex
from tests.unit.encoding.picture_files import (
    CDA,
    DEEP,
    DOCUMENTS,
    EYE,
    GRAY,
    HEAD,
    MADE,
    MM,
    MTL,
    OBJ,
    PDF,
    RGB,
    STL,
    SYNTAX,
    Array,
    obj_and_mtl,
    of_class,
    oriented,
    picture,
    video,
)

Options = images.BuildOptions


def again(ds: Dataset) -> Dataset:
    target = io.BytesIO()
    ds.save_as(target)
    return dcmread(target.getvalue())


# -- arrays --------------------------------------------------------------------------------

shapes = st.one_of(
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(4, 9)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.just(3)),
)


@given(shape=shapes, data=st.data())
@settings(max_examples=60)
def test_an_array_comes_back(shape: tuple[int, ...], data: st.DataObject) -> None:
    is_color = shape[-1] == 3 and len(shape) > 2
    several = len(shape) > (3 if is_color else 2) and shape[0] > 1
    kinds = ["u1"] if is_color and several else ["u1", "u2"] if is_color or several else ["u1", "u2", "i2"]
    kinds += [] if is_color else ["?"]
    array = data.draw(hnp.arrays(np.dtype(data.draw(st.sampled_from(kinds))), shape))
    back = again(images.from_array(array, photometric="RGB" if is_color else "MONOCHROME2")).pixel_array
    expected = array[0] if len(shape) > (3 if is_color else 2) and shape[0] == 1 else array
    assert np.array_equal(back, expected)


@pytest.mark.parametrize(
    ("array", "options", "keywords"),
    [
        (GRAY.astype(float), {}, {}),
        (GRAY.astype(np.uint32), {}, {}),
        (np.zeros((0, 5), np.uint8), {}, {}),
        (np.zeros(5, np.uint8), {}, {}),
        (np.zeros((2, 2, 2, 2), np.uint8), {}, {}),
        (DEEP, {"bits_stored": 12}, {}),
        (GRAY, {"bits_stored": 9}, {}),
        (GRAY, {"photometric": "PALETTE COLOR"}, {}),
        (np.stack([GRAY, GRAY]).astype(np.int16), {}, {}),
        (np.stack([RGB, RGB]).astype(np.uint16), {}, {}),
        (np.stack([GRAY, GRAY]), {"photometric": "MONOCHROME1"}, {}),
        (np.stack([RGB, RGB]), {}, {"sop_class": "vl-photographic"}),
        (DEEP, {}, {"sop_class": "vl-photographic"}),
        (GRAY, {}, {"sop_class": "true-color"}),
        (GRAY > 3, {}, {"sop_class": "secondary-capture"}),
        (RGB, {}, {"sop_class": "ophthalmic-8-bit"}),
    ],
)
def test_pixels_that_no_object_holds_are_refused(array: Array, options: Any, keywords: Any) -> None:
    with pytest.raises(EncodeError):
        images.from_array(array, Options(**keywords), **options)


def test_what_is_asked_of_the_caller_is_named() -> None:
    with pytest.raises(
        EncodeError, match="give ImageLaterality, AnatomicRegionSequence, AcquisitionDeviceType"
    ) as told:
        images.from_array(RGB, of_class("ophthalmic-8-bit"))
    assert told.value.tag == 0x00200062
    with pytest.raises(EncodeError, match="give AnatomicRegionSequence"):
        images.from_video(video("102"))
    with pytest.raises(EncodeError, match="frame time"):
        images.from_array(np.stack([GRAY, GRAY]), of_class("ophthalmic-8-bit"), **EYE)


# -- whose it is -----------------------------------------------------------------------------------------------------


def reference() -> Dataset:
    ds = Dataset(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jürgen", PatientID="42", PatientSex="O")
    ds.update({"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "Modality": "CT", "AccessionNumber": "A1"})
    ds.update({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": "1.2.3.4.5", "WindowCenter": 40.0})
    ds.ProcedureCodeSequence = [Dataset(CodeValue="X", CodingSchemeDesignator="99", CodeMeaning="Größe")]
    ds.Manufacturer, ds.SeriesDescription = "ACME", "Thorax"
    target = io.BytesIO()
    ds.save_as(target)
    return dcmread(target.getvalue())


def test_an_object_belongs_to_the_patient_study_or_series_of_another(tmp_path: Path) -> None:
    like = reference()
    like.save_as(tmp_path / "like.dcm")
    for source in (like, tmp_path / "like.dcm"):
        patient = again(images.from_array(GRAY, Options(like=source, same="patient")))
        study = again(images.from_array(GRAY, Options(like=source)))
        series = again(images.from_array(GRAY, Options(like=source, same="series"), InstanceNumber=7))
        for ds in (patient, study, series):
            assert (str(ds.PatientName), ds.PatientID, ds.SpecificCharacterSet) == ("Müller^Jürgen", "42", "ISO_IR 192")
            assert ds.SOPInstanceUID != "1.2.3.4.5"
            assert "WindowCenter" not in ds
        assert patient.StudyInstanceUID != study.StudyInstanceUID == series.StudyInstanceUID == "1.2.3"
        assert study.ProcedureCodeSequence[0].CodeMeaning == "Größe"
        assert (study.Modality, study.AccessionNumber) == ("OT", "A1")
        assert study.SeriesInstanceUID != series.SeriesInstanceUID == "1.2.3.4"
        assert (series.Modality, series.Manufacturer, series.SeriesDescription) == ("CT", "ACME", "Thorax")
        assert series.InstanceNumber == 7


def test_what_the_caller_says_wins_over_another_object_and_that_over_the_template() -> None:
    template = Dataset(PatientID="template", StudyDescription="S", Rows=9, WindowCenter=3.0, SOPInstanceUID="1.9")
    template.InstitutionName, template.Modality, template.StudyInstanceUID = "Klinik", "MR", "1.8"
    template.IconImageSequence = [Dataset(Rows=1)]
    ds = images.from_array(GRAY, Options(like=reference(), template=template), PatientSex="F")
    assert (ds.PatientID, ds.PatientSex, ds.StudyDescription, ds.InstitutionName) == ("42", "F", "S", "Klinik")
    assert (ds.Rows, "WindowCenter" in ds, ds.SOPInstanceUID == "1.9") == (40, False, False)
    ds = images.from_array(GRAY, of_class("vl-photographic", template=template))
    assert (ds.Modality, ds.StudyInstanceUID == "1.8", "IconImageSequence" in ds) == ("XC", False, False)


def test_a_series_has_one_modality() -> None:
    with pytest.raises(EncodeError, match="modality XC, not CT"):
        images.from_array(GRAY, Options(like=reference(), same="series", sop_class="vl-photographic"))


@pytest.mark.parametrize(
    "attributes",
    [{"Rows": 3}, {"PixelData": b""}, {"SOPClassUID": "1.2"}, {"NoKeyword": 1}, {"SpecificCharacterSet": "ISO_IR 100"},
     {"TransferSyntaxUID": "1.2"}, {"PatientName[0].X": 1}],
)  # fmt: skip
def test_attributes_that_are_not_the_callers_are_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        images.from_array(GRAY, **attributes)


@pytest.mark.parametrize(
    "wrong",
    [{"same": "x"}, {"alpha": "x"}, {"orientation": "x"}, {"frame_time": 0}, {"background": (0, 0, 300)}],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Options(**wrong)
    with pytest.raises(ConfigurationError):
        images.from_array(GRAY, Options(sop_class="encapsulated-pdf"))


# -- code streams ----------------------------------------------------------------------------------------------------

KEPT = {
    "baseline": (picture(RGB, "JPEG"), "50", "YBR_FULL_422", "01"),
    "baseline 444": (picture(RGB, "JPEG", subsampling=0), "50", "YBR_FULL_422", "01"),
    "adobe rgb": (picture(RGB, "JPEG", keep_rgb=True), "50", "RGB", "01"),
    "gray": (picture(GRAY, "JPEG"), "50", "MONOCHROME2", "01"),
    "extended": (imagecodecs.jpeg8_encode(DEEP >> 4, bitspersample=12), "51", "MONOCHROME2", "01"),
    "lossless sv1": (
        imagecodecs.jpeg8_encode(DEEP, lossless=True, bitspersample=16, predictor=1),
        "70",
        "MONOCHROME2",
        None,
    ),
    "lossless": (
        imagecodecs.jpeg8_encode(DEEP, lossless=True, bitspersample=16, predictor=4),
        "57",
        "MONOCHROME2",
        None,
    ),
    "jpeg-ls": (imagecodecs.jpegls_encode(DEEP), "80", "MONOCHROME2", None),
    "near-lossless": (imagecodecs.jpegls_encode(RGB, level=3), "81", "RGB", "01"),
    "jpeg 2000": (imagecodecs.jpeg2k_encode(RGB, codecformat="j2k", reversible=True), "90", "YBR_RCT", None),
    "jpeg 2000 lossy": (imagecodecs.jpeg2k_encode(RGB, codecformat="j2k", level=30), "91", "YBR_ICT", "01"),
    "jpeg 2000 gray": (imagecodecs.jpeg2k_encode(DEEP, codecformat="j2k", reversible=True), "90", "MONOCHROME2", None),
    "jpeg xl": (imagecodecs.jpegxl_encode(RGB, level=90), "112", "RGB", "01"),
}


FAMILIES = {"jpegxl": ["112"], "jpegls": ["80", "81"], "jpeg2k": ["90", "91"], "jpeg8": ["50", "51", "57", "70"]}


@pytest.mark.parametrize("name", sorted(KEPT))
def test_a_code_stream_is_kept_byte_for_byte(name: str) -> None:
    data, number, photometric, lossy = KEPT[name]
    ds = again(images.from_file(data))
    assert ds.file_meta.TransferSyntaxUID == SYNTAX + number
    assert (ds.PhotometricInterpretation, ds.get("LossyImageCompression")) == (photometric, lossy)
    assert FrameIndex(ds).frame(0) == data + b"\0" * (len(data) & 1)
    family = next(one for one in ("jpegxl", "jpegls", "jpeg2k", "jpeg8") if number in FAMILIES[one])
    expected = getattr(imagecodecs, f"{family}_decode")(data)
    shown = images.to_image(ds, 0, images.ExportOptions(format="npy", rendered=photometric != "MONOCHROME2"))
    ours = np.load(io.BytesIO(shown))
    assert int(np.abs(ours.astype(int) - expected).max()) <= (3 if photometric == "YBR_FULL_422" else 0)


def test_what_is_behind_a_jpeg_is_left_out() -> None:
    """A camera's file with a preview behind the picture, each with its own end."""
    data = picture(RGB, "JPEG")
    for more in (picture(GRAY, "JPEG"), b"\0" * 10, b"text"):
        assert FrameIndex(images.from_file(data + more)).frame(0).rstrip(b"\0") == data
    kept, decoded = images.from_file(data), images.from_file(data, Options(keep_code_stream=False))
    assert decoded.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert (decoded.LossyImageCompression, decoded.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert kept.LossyImageCompressionRatio == pytest.approx(RGB.nbytes / len(data), rel=1e-4)
    with Image.open(io.BytesIO(data)) as file:
        assert np.array_equal(decoded.pixel_array, np.asarray(file))


def test_a_jp2_file_gives_its_code_stream_alone() -> None:
    data = picture(RGB, "JPEG2000")
    frame = FrameIndex(images.from_file(data)).frame(0)
    assert frame[:4] == b"\xff\x4f\xff\x51"
    assert frame.rstrip(b"\0") in data


def test_a_progressive_jpeg_is_decoded_and_says_so() -> None:
    data = picture(RGB, "JPEG", progressive=True)
    ds = images.from_file(data)
    with Image.open(io.BytesIO(data)) as file:
        assert np.array_equal(ds.pixel_array, np.asarray(file))
    assert (ds.LossyImageCompression, ds.PhotometricInterpretation) == ("01", "RGB")


# -- orientation, alpha, profiles, depth -----------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_is_applied_as_pillow_does(format: str, orientation: int) -> None:
    data = oriented(RGB, format, orientation)
    with Image.open(io.BytesIO(data)) as file:
        expected = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
    ds = images.from_file(data)
    if format == "JPEG" and orientation == 1:
        assert ds.file_meta.TransferSyntaxUID == SYNTAX + "50"
        return
    assert (ds.Rows, ds.Columns) == expected.shape[:2]
    assert np.array_equal(ds.pixel_array, expected)


def test_an_orientation_is_refused_or_ignored_where_that_is_said() -> None:
    data = oriented(RGB, "JPEG", 6)
    with pytest.raises(EncodeError, match="orientation 6"):
        images.from_file(data, Options(orientation="refuse"))
    kept = images.from_file(data, Options(orientation="ignore"))
    assert FrameIndex(kept).frame(0).rstrip(b"\0") == data
    for format in ("PNG", "TIFF"):
        with pytest.raises(EncodeError, match="turned"):
            images.from_file(oriented(RGB, format, 6), Options(orientation="refuse"))
    assert np.array_equal(images.from_file(oriented(RGB, "PNG", 6), Options(orientation="ignore")).pixel_array, RGB)
    with pytest.raises(EncodeError, match="TIFF"):
        images.from_file(oriented(RGB, "TIFF", 6), Options(orientation="ignore"))


@pytest.mark.parametrize("pixels", [RGB, GRAY], ids=["rgb", "gray"])
@pytest.mark.parametrize("deep", [False, True])
def test_alpha_is_refused_blended_or_dropped(pixels: Array, deep: bool) -> None:
    wide = pixels.astype(np.uint16) * 257 if deep else pixels
    top = int(np.iinfo(wide.dtype).max)
    alpha = np.full(pixels.shape[:2], top, wide.dtype)

    def file() -> bytes:
        return bytes(imagecodecs.png_encode(np.dstack([wide, alpha])))

    assert np.array_equal(images.from_file(file()).pixel_array, wide)  # opaque everywhere
    alpha[:20] = top // 4
    with pytest.raises(EncodeError, match="transparent"):
        images.from_file(file())
    assert np.array_equal(images.from_file(file(), Options(alpha="drop")).pixel_array, wide)
    blended = images.from_file(file(), Options(alpha="blend", background=(255, 255, 255))).pixel_array
    share = alpha.astype(float) / top
    share = share[..., None] if pixels.ndim == 3 else share
    assert np.abs(blended - (wide * share + top * (1 - share))).max() <= 0.5001


def test_palettes_and_transparent_colors_become_rgb_or_gray() -> None:
    image = Image.fromarray(RGB).convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    target = io.BytesIO()
    image.save(target, "PNG")
    assert np.array_equal(images.from_file(target.getvalue()).pixel_array, np.asarray(image.convert("RGB")))
    target = io.BytesIO()
    image.save(target, "PNG", transparency=0)
    with pytest.raises(EncodeError, match="transparent"):
        images.from_file(target.getvalue())


def test_an_rgb_profile_is_kept_and_no_other() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for format in ("PNG", "JPEG", "TIFF", "WEBP"):
        ds = again(images.from_file(picture(RGB, format, icc_profile=profile)))
        assert ds.ICCProfile.rstrip(b"\0") == profile.rstrip(b"\0"), format
        if format != "WEBP":  # which has no gray
            assert "ICCProfile" not in images.from_file(picture(GRAY, format, icc_profile=profile))
        back = images.to_image(ds, 0, images.ExportOptions(format="png"))
        with Image.open(io.BytesIO(back)) as file:
            assert file.info["icc_profile"].rstrip(b"\0") == profile.rstrip(b"\0")
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert "ICCProfile" not in images.from_file(picture(RGB, "PNG", icc_profile=lab))
    assert "ICCProfile" not in images.from_file(picture(RGB, "PNG", icc_profile=profile[:200]))


def test_deep_pictures_keep_their_depth() -> None:
    deep_color = RGB.astype(np.uint16) * 257 - np.uint16(5)
    assert np.array_equal(images.from_file(picture(DEEP, "PNG")).pixel_array, DEEP)
    assert np.array_equal(images.from_file(picture(DEEP, "TIFF")).pixel_array, DEEP)
    assert np.array_equal(images.from_file(imagecodecs.png_encode(deep_color)).pixel_array, deep_color)
    white = picture(DEEP, "TIFF", tiffinfo={262: 0})
    with Image.open(io.BytesIO(white)) as file:
        assert file.tag_v2[262] in {0, 1}  # type: ignore[attr-defined]


def test_pages_become_frames() -> None:
    target = io.BytesIO()
    pages = [Image.fromarray(GRAY), Image.fromarray(255 - GRAY)]
    pages[0].save(target, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    ds = again(images.from_file(target.getvalue()))
    assert (int(ds.NumberOfFrames), ds["PageNumberVector"].value) == (2, [1, 2])
    assert np.array_equal(ds.pixel_array, np.stack([GRAY, 255 - GRAY]))
    target = io.BytesIO()
    pages[0].save(target, "TIFF", save_all=True, append_images=[Image.fromarray(RGB)])
    with pytest.raises(EncodeError, match="frames are all alike"):
        images.from_file(target.getvalue())
    bits = Image.fromarray(GRAY > 50)
    target = io.BytesIO()
    bits.save(target, "TIFF", compression="group4")
    assert np.array_equal(images.from_file(target.getvalue()).pixel_array, GRAY > 50)


def test_frames_of_a_gif_become_frames() -> None:
    target = io.BytesIO()
    shown = [Image.fromarray(np.roll(GRAY, 9 * n, 1)) for n in range(3)]
    shown[0].save(target, "GIF", save_all=True, append_images=shown[1:], duration=40)
    ds = again(images.from_file(target.getvalue(), Options(frame_time=40)))
    assert np.array_equal(
        ds.pixel_array[..., 0] if ds.SamplesPerPixel == 3 else ds.pixel_array,
        np.stack([np.asarray(one) for one in shown]),
    )
    back = images.to_animation(ds)
    with Image.open(io.BytesIO(back)) as file:
        assert (file.n_frames, file.info["duration"]) == (3, 40)  # type: ignore[attr-defined]


def test_several_files_are_joined() -> None:
    one = [picture(RGB, "JPEG"), picture(255 - RGB, "JPEG")]
    ds = again(images.from_files(one, Options(frame_time=40)))
    assert (int(ds.NumberOfFrames), float(ds.FrameTime)) == (2, 40.0)
    assert ds.file_meta.TransferSyntaxUID == SYNTAX + "50"
    assert [frame.rstrip(b"\0") for frame in FrameIndex(ds)] == one
    odd = GRAY[:5, :7] > 3
    joined = images.from_files([picture(odd, "PNG"), picture(~odd, "PNG")]).pixel_array
    assert np.array_equal(joined, np.stack([odd, ~odd]))
    with pytest.raises(EncodeError, match="frames are all alike"):
        images.from_files([picture(RGB, "JPEG"), picture(GRAY, "JPEG")])
    with pytest.raises(EncodeError, match="without frames"):
        images.from_files([])


# -- documents and videos --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
@pytest.mark.parametrize("odd", [False, True])
def test_a_document_comes_out_as_it_went_in(name: str, odd: bool, tmp_path: Path) -> None:
    data = DOCUMENTS[name] + (b"\n" if odd and name != "stl" else b"")
    if name == "obj":
        ds = obj_and_mtl()[0]
        data = OBJ
    else:
        ds = images.encapsulate_document(data, document=MM)
    for held in (ds, again(ds)):
        assert images.extract_document(held).data == data
    suffix = ".xml" if name == "cda" else f".{name}"
    assert images.export_payload(ds, tmp_path).suffix == suffix
    del ds["EncapsulatedDocumentLength"]
    assert images.extract_document(again(ds)).data == data


def test_a_clinical_document_gives_identifier_title_and_code() -> None:
    ds = images.encapsulate_document(CDA)
    assert (ds.HL7InstanceIdentifier, ds.DocumentTitle) == ("1.2.3.4^9", "Good Health Clinic")
    code = ds.ConceptNameCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("11488-4", "LN", "Consult note")
    own = images.DocumentOptions(title="Mine", code=("1", "99X", "Y"))
    ds = images.encapsulate_document(CDA, document=own)
    assert (ds.DocumentTitle, ds.ConceptNameCodeSequence[0].CodeValue) == ("Mine", "1")


def test_a_clinical_document_is_of_its_patient() -> None:
    ds = images.encapsulate_document(CDA)
    assert [str(ds[word].value) for word in ("PatientID", "PatientName", "PatientSex")] == ["42", "Doe^Jane", "F"]
    assert images.encapsulate_document(CDA, Options(like=reference())).PatientSex == "O"  # of the same ID
    other = images.from_array(GRAY, PatientID="43")
    with pytest.raises(EncodeError, match="another Patient ID"):
        images.encapsulate_document(CDA, Options(like=other))
    ds = images.encapsulate_document(CDA, Options(like=other), PatientID="44")
    assert (ds.PatientID, str(ds.PatientName)) == ("44", "")
    second = CDA.replace(b"</ClinicalDocument>", CDA[CDA.index(b"<recordTarget") :].replace(b"Jane", b"Joan"))
    assert str(images.encapsulate_document(second).PatientName) == "Doe^Jane"
    strange = CDA.replace(b"Jane", b"J^a\\n=e").replace(b"19700102", b"x").replace(b"'F'", b"'?'")
    ds = images.encapsulate_document(strange)
    assert (str(ds.PatientName), ds.PatientBirthDate, ds.PatientSex) == ("Doe^J a n e", "", "")


def test_models_say_their_units_and_their_materials() -> None:
    for data in (STL, MTL):
        with pytest.raises(EncodeError, match="give the units"):
            images.encapsulate_document(data)
    with pytest.raises(EncodeError, match=r"uses red\.mtl"):
        images.encapsulate_document(OBJ, document=MM)
    model, material = obj_and_mtl()
    (reference,) = model.ReferencedInstanceSequence
    assert reference.ReferencedSOPInstanceUID == material.SOPInstanceUID
    assert reference.RelativeURIReferenceWithinEncapsulatedDocument == "red.mtl"
    stranger = images.DocumentOptions(units="mm", materials={"red.mtl": material})
    with pytest.raises(EncodeError, match="another study"):
        images.encapsulate_document(OBJ, document=stranger)


@pytest.mark.parametrize("number", ["100", "101", "102", "104", "107", "108"])
@pytest.mark.parametrize("container", ["mp4", "mpegts"])
def test_a_video_is_kept_and_its_syntax_seen(number: str, container: str) -> None:
    data = video(number, container=container)
    facts = images.video_facts(data)
    expected = "102" if number == "104" else number  # which is of level 4.1 where it is small
    assert facts.syntax in {SYNTAX + number, SYNTAX + expected}
    assert (facts.rows, facts.columns, facts.frames, float(facts.rate)) == (160, 224, 4, 25.0)
    ds = again(images.from_video(data, AnatomicRegionSequence=HEAD))
    assert [ds.Rows, ds.Columns, int(ds.NumberOfFrames), float(ds.FrameTime), int(ds.CineRate)] == [
        160,
        224,
        4,
        40.0,
        25,
    ]
    assert images.extract_video(ds).data.rstrip(b"\0") == data.rstrip(b"\0")
    assert images.extract_video(ds).suffix == {"mp4": ".mp4", "mpegts": ".ts"}[container]
    assert len(list(ds.frames())) == 4


def test_without_pyav_an_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import util

    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *rest: None if name == "av" else found(name, *rest))
    with pytest.raises(CodecUnavailable, match=r"pacskit\[video\]"):
        images.from_video(video("102"))
    with pytest.raises(CodecUnavailable, match=r"pacskit\[video\]"):
        images.to_animation(images.from_array(GRAY), images.ExportOptions(format="mp4"))
    assert video_container(video("102")) == "mp4"


def test_every_kind_is_made_of_its_file_by_its_first_bytes(tmp_path: Path) -> None:
    for name, data in {"a.dat": PDF, "b.dat": CDA, "c.txt": picture(RGB, "JPEG"), "d": picture(RGB, "WEBP")}.items():
        (tmp_path / name).write_bytes(data)
        assert images.from_file(tmp_path / name).SOPInstanceUID
    uids = {images.from_file(PDF).SOPInstanceUID for _ in range(3)}
    assert len(uids) == 3
    assert {str(one.SOPClassUID) for one in (make() for make in MADE.values())} == {
        str(kind.uid) for kind in images.OBJECT_CLASSES.values()
    }

"""Presentation states: gray scale and turns as DCMTK renders them, areas, shutters and graphics by the standard."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from pydicom.dataset import Dataset as Foreign

from pacskit import dcmread
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, LimitError
from pacskit.encoding.display import PresentationState, render
from pacskit.encoding.display.cielab import lab_to_rgb
from pacskit.encoding.display.shutter import inside_polygon
from tests.conftest import Dcmtk
from tests.unit.encoding.phantoms import foreign_image

ROWS, COLUMNS = 60, 80
GSPS = pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.11.1")


def pixels() -> NDArray[np.int16]:
    noise = np.random.default_rng(0).integers(0, 60, (ROWS, COLUMNS))
    ramp = np.add.outer(np.arange(ROWS) * 40, np.arange(COLUMNS) * 20)
    return (ramp + noise - 800).astype(np.int16)


def image(**attributes: Any) -> Foreign:
    return foreign_image(pixels(), **{"RescaleSlope": 1, "RescaleIntercept": -100, **attributes})


def state(**attributes: Any) -> Foreign:
    """A presentation state for that image, with a window."""
    ds = Foreign()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = GSPS
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.826.0.1.3680043.10.511.4.1")
    ds.PatientID, ds.PatientName, ds.Modality = "PHANTOM", "PHANTOM", "PR"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.0.1.3680043.10.511.3.2", "1.2.826.0.1.3680043.10.511.4.2"
    reference = Foreign()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image().SOPClassUID, image().SOPInstanceUID
    series = Foreign()
    series.SeriesInstanceUID, series.ReferencedImageSequence = image().SeriesInstanceUID, [reference]
    ds.ReferencedSeriesSequence = [series]
    ds.InstanceNumber, ds.ContentLabel, ds.ContentDescription = 1, "TEST", ""
    ds.PresentationCreationDate, ds.PresentationCreationTime, ds.ContentCreatorName = "20260101", "120000", ""
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -100, "HU"
    ds.SoftcopyVOILUTSequence = [item(WindowCenter=200, WindowWidth=700)]
    ds.DisplayedAreaSelectionSequence = [
        item(
            DisplayedAreaTopLeftHandCorner=[1, 1], DisplayedAreaBottomRightHandCorner=[COLUMNS, ROWS],
            PresentationSizeMode="SCALE TO FIT", PresentationPixelAspectRatio=[1, 1],
        )
    ]  # fmt: skip
    ds.PresentationLUTShape = "IDENTITY"
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def item(**attributes: Any) -> Foreign:
    ds = Foreign()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def table(data: list[int], first: int, bits: int) -> Foreign:
    found = Foreign()
    found.add_new(0x00283002, "SS" if first < 0 else "US", [len(data), first, bits])
    found.add_new(0x00283006, "US", data)
    found.ModalityLUTType = "US"
    return found


def ours(foreign: Foreign) -> Dataset:
    file = io.BytesIO()
    foreign.save_as(file, enforce_file_format=True)
    return dcmread(file.getvalue())


def shown(state_: Foreign, image_: Foreign | None = None, **options: Any) -> NDArray[np.uint8]:
    return PresentationState(ours(state_)).render(ours(image_ or image()), **options)


def add_overlay(ds: Foreign, mask: NDArray[np.uint8], layer: str | None) -> None:
    values = {0x10: ("US", ROWS), 0x11: ("US", COLUMNS), 0x40: ("CS", "G"), 0x50: ("SS", [1, 1]), 0x100: ("US", 1)}
    for element, (vr, value) in {**values, 0x102: ("US", 0)}.items():
        ds.add_new(0x60000000 | element, vr, value)
    ds.add_new(0x60003000, "OW", np.packbits(mask.ravel(), bitorder="little").tobytes())
    if layer is not None:
        ds.add_new(0x60001001, "CS", layer)


LINE = np.zeros((ROWS, COLUMNS), np.uint8)
LINE[10:20, 5:70] = 1


# ---- as DCMTK renders them ----


def bitmap_shutter() -> Foreign:
    ds = state(ShutterShape="BITMAP", ShutterOverlayGroup=0x6000, ShutterPresentationValue=20000)
    add_overlay(ds, LINE, None)
    return ds


RANDOM = np.random.default_rng(7)
CASES: dict[str, Callable[[], Foreign]] = {
    "window": state,
    "inverse": lambda: state(PresentationLUTShape="INVERSE"),
    "no VOI": lambda: state(SoftcopyVOILUTSequence=None),
    "no modality": lambda: state(RescaleSlope=None, RescaleIntercept=None, RescaleType=None),
    "VOI table": lambda: state(
        SoftcopyVOILUTSequence=[item(VOILUTSequence=[table(RANDOM.integers(0, 4096, 500).tolist(), -100, 12)])]
    ),
    "modality table": lambda: state(
        RescaleSlope=None, RescaleIntercept=None, RescaleType=None,
        ModalityLUTSequence=[table(RANDOM.integers(0, 4096, 3000).tolist(), -900, 12)],
        SoftcopyVOILUTSequence=[item(WindowCenter=2000, WindowWidth=3000)],
    ),
    "presentation table": lambda: state(
        PresentationLUTShape=None,
        PresentationLUTSequence=[table(np.rint(4095 * np.linspace(0, 1, 4096) ** 0.8).astype(int).tolist(), 0, 12)],
    ),
    "bitmap shutter": bitmap_shutter,
    **{
        f"turned {angle} {flip}": partial(state, ImageRotation=angle, ImageHorizontalFlip=flip)
        for angle in (0, 90, 180, 270)
        for flip in "NY"
    },
}  # fmt: skip


@pytest.mark.interop
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_gray_pictures_are_dcmtks(dcmtk: Dcmtk, tmp_path: Path, name: str, photometric: str) -> None:
    foreign, ps = image(PhotometricInterpretation=photometric, WindowCenter=0, WindowWidth=50), CASES[name]()
    foreign.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    ps.save_as(tmp_path / "state.dcm", enforce_file_format=True)
    command = [dcmtk.tool("dcmp2pgm"), "-p", "state.dcm", "image.dcm", "out.pgm"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with Image.open(tmp_path / "out.pgm") as picture:
        expected = np.array(picture)
    got = render(dcmread(tmp_path / "image.dcm"), presentation_state=dcmread(tmp_path / "state.dcm"))
    assert got.shape == expected.shape
    assert np.abs(got.astype(int) - expected).max() <= 1


@pytest.mark.interop
def test_what_dcmtk_makes_of_an_image_applies_to_it(dcmtk: Dcmtk, tmp_path: Path) -> None:
    image(WindowCenter=100, WindowWidth=500).save_as(tmp_path / "image.dcm", enforce_file_format=True)
    subprocess.run([dcmtk.tool("dcmpsmk"), tmp_path / "image.dcm", tmp_path / "state.dcm"], check=True)
    ds, ps = dcmread(tmp_path / "image.dcm"), PresentationState(dcmread(tmp_path / "state.dcm"))
    assert ps.applies_to(ds)
    assert ps.referenced == (ds.SOPInstanceUID,)
    assert np.array_equal(ps.render(ds), render(ds))


@pytest.mark.corpus
def test_published_presentation_states_are_read(corpus: Path) -> None:
    folder = corpus / "weasis-dicom-tools/weasis-dicom-tools/src/test/resources/org/dcm4che3/img"
    luts, overlays = (PresentationState(dcmread(folder / name)) for name in ("prLUTs.dcm", "prOverlay.dcm"))
    assert (luts.label, overlays.label) == ("XLUT_P03", "OVLY_P01")
    assert sorted(layer.order for layer in overlays.layers.values()) == [1, 2, 3, 4, 5, 6]
    ds = Dataset(
        SOPInstanceUID=luts.referenced[0], Rows=16, Columns=16, BitsAllocated=8, BitsStored=8, PixelRepresentation=0,
        SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
    )  # fmt: skip
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    modality, voi, last = (
        np.array(sequence[0].LUTData)
        for sequence in (
            luts.dataset.ModalityLUTSequence,
            luts.dataset.SoftcopyVOILUTSequence[0].VOILUTSequence,
            luts.dataset.PresentationLUTSequence,
        )
    )
    picture = luts.pipeline(ds).render(stored)
    assert np.array_equal(picture, last[voi[modality[stored]]])


@pytest.mark.corpus
@pytest.mark.interop
def test_a_published_presentation_state_shows_what_dcmtk_shows(corpus: Path, dcmtk: Dcmtk, tmp_path: Path) -> None:
    """Three scrambled tables, on an image made for it: a value that is a neighbour's would show at once."""
    path = corpus / "weasis-dicom-tools/weasis-dicom-tools/src/test/resources/org/dcm4che3/img/prLUTs.dcm"
    ps = PresentationState(dcmread(path))
    values = np.random.default_rng(2).integers(0, 256, (512, 512), np.uint8)
    foreign = foreign_image(values, SOPClassUID=pydicom.uid.SecondaryCaptureImageStorage)
    foreign.SOPInstanceUID = ps.referenced[0]
    foreign.StudyInstanceUID = ps.dataset.StudyInstanceUID
    foreign.SeriesInstanceUID = ps.dataset.ReferencedSeriesSequence[0].SeriesInstanceUID
    foreign.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    command = [dcmtk.tool("dcmp2pgm"), "-p", str(path), "image.dcm", "out.pgm"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with Image.open(tmp_path / "out.pgm") as picture:
        assert np.array_equal(np.asarray(picture), ps.render(dcmread(tmp_path / "image.dcm")))


# ---- areas, shutters, overlays ----


def area(left: int, top: int, right: int, bottom: int, mode: str = "SCALE TO FIT", **attributes: Any) -> list[Foreign]:
    return [
        item(
            DisplayedAreaTopLeftHandCorner=[left, top], DisplayedAreaBottomRightHandCorner=[right, bottom],
            PresentationSizeMode=mode, **attributes,
        )
    ]  # fmt: skip


def test_a_displayed_area_is_cut_out_and_scaled() -> None:
    whole = shown(state())
    part = area(11, 6, 50, 45)
    assert np.array_equal(shown(state(DisplayedAreaSelectionSequence=part)), whole[5:45, 10:50])
    turned = state(DisplayedAreaSelectionSequence=area(50, 45, 11, 6), ImageRotation=180, ImageHorizontalFlip="N")
    assert np.array_equal(shown(turned), whole[5:45, 10:50][::-1, ::-1])
    beyond = shown(state(DisplayedAreaSelectionSequence=area(-9, -4, COLUMNS + 5, ROWS)))
    assert np.array_equal(beyond[5:, 10:-5], whole)
    assert not beyond[:5].any()
    assert not beyond[:, :10].any()
    assert shown(state(DisplayedAreaSelectionSequence=part), size=(200, 300)).shape == (200, 200)
    double = shown(
        state(DisplayedAreaSelectionSequence=area(11, 6, 50, 45, "MAGNIFY", PresentationPixelMagnificationRatio=2.0))
    )
    expected = Image.fromarray(whole[5:45, 10:50]).resize((80, 80), Image.Resampling.BILINEAR)
    assert np.array_equal(double, np.asarray(expected))
    true = area(1, 1, COLUMNS, ROWS, "TRUE SIZE", PresentationPixelSpacing=[0.5, 0.25])
    assert shown(state(DisplayedAreaSelectionSequence=true), pitch=0.25).shape == (120, 80)
    wide = area(1, 1, COLUMNS, ROWS, PresentationPixelAspectRatio=[1, 2])
    assert shown(state(DisplayedAreaSelectionSequence=wide)).shape == (60, 160)
    assert shown(state(DisplayedAreaSelectionSequence=wide), size=(320, 320)).shape == (120, 320)


def test_shutters_cover_what_is_outside_of_all_shapes() -> None:
    whole = shown(state())
    ps = state(
        ShutterShape=["RECTANGULAR", "CIRCULAR", "POLYGONAL"], ShutterPresentationValue=20000,
        ShutterLeftVerticalEdge=10, ShutterRightVerticalEdge=60, ShutterUpperHorizontalEdge=5,
        ShutterLowerHorizontalEdge=50, CenterOfCircularShutter=[30, 40], RadiusOfCircularShutter=25,
        VerticesOfThePolygonalShutter=[3, 3, 3, 75, 55, 60, 40, 30, 55, 5],
    )  # fmt: skip
    got = shown(ps)
    own = image(WindowCenter=200, WindowWidth=700)
    for element in ps:
        if "Shutter" in element.keyword:
            own.add(element)
    assert np.array_equal(render(ours(own)), got)
    triangle_and_more = inside_polygon((ROWS, COLUMNS), [(2, 2), (74, 2), (59, 54), (29, 39), (4, 54)], edges=True)
    for row in range(ROWS):
        for column in range(COLUMNS):
            seen = 5 <= row + 1 <= 50 and 10 <= column + 1 <= 60
            seen = seen and (row + 1 - 30) ** 2 + (column + 1 - 40) ** 2 <= 625 and triangle_and_more[row, column]
            assert got[row, column] == (whole[row, column] if seen else 78)


def test_polygons_hold_what_pillow_fills() -> None:
    from PIL import ImageDraw

    points = np.array([(5.3, 3.6), (60.7, 8.2), (50.1, 40.4), (30.2, 15.9), (8.8, 44.1)])
    picture = Image.new("L", (COLUMNS * 101, ROWS * 101))  # fine enough that an edge touches the middle of no pixel
    ImageDraw.Draw(picture).polygon([tuple(point) for point in ((points + 0.5) * 101 - 0.5).tolist()], fill=1)
    assert np.array_equal(inside_polygon((ROWS, COLUMNS), points), np.asarray(picture)[50::101, 50::101] == 1)


def test_overlays_are_drawn_by_their_layer() -> None:
    whole = shown(state())
    layer = item(GraphicLayer="A", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayGrayscaleValue=40000)
    own = state(GraphicLayerSequence=[layer])
    add_overlay(own, LINE, "A")
    got = shown(own)
    assert (got[LINE == 1] == 156).all()
    assert np.array_equal(got[LINE == 0], whole[LINE == 0])
    activated, holder = state(GraphicLayerSequence=[layer]), image()
    activated.add_new(0x60001001, "CS", "A")
    add_overlay(holder, LINE, None)
    assert np.array_equal(shown(activated, holder), got)
    assert np.array_equal(shown(state(), holder), whole)
    assert np.array_equal(shown(own, annotations=False), whole)


# ---- graphics and text ----


def annotated(*graphics: Foreign, texts: tuple[Foreign, ...] = (), **attributes: Any) -> Foreign:
    layer = item(GraphicLayer="A", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayGrayscaleValue=65535)
    annotation = item(GraphicLayer="A")
    if graphics:
        annotation.GraphicObjectSequence = list(graphics)
    if texts:
        annotation.TextObjectSequence = list(texts)
    dark = [item(WindowCenter=30000, WindowWidth=10)]
    return state(
        GraphicLayerSequence=[layer], GraphicAnnotationSequence=[annotation], SoftcopyVOILUTSequence=dark, **attributes
    )


def graphic(kind: str, data: list[float], units: str = "PIXEL", filled: str = "N") -> Foreign:
    return item(
        GraphicAnnotationUnits=units, GraphicDimensions=2, NumberOfGraphicPoints=len(data) // 2, GraphicData=data,
        GraphicType=kind, GraphicFilled=filled,
    )  # fmt: skip


def test_graphics_are_where_their_points_are() -> None:
    got = shown(annotated(graphic("POLYLINE", [10.5, 20.5, 40.5, 20.5])))
    assert np.argwhere(got).tolist() == [[20, column] for column in range(10, 41)]
    got = shown(annotated(graphic("POINT", [70.5, 5.5])))
    assert np.argwhere(got).tolist() == [[5, 70]]
    got = shown(annotated(graphic("POINT", [0.5, 0.25], "DISPLAY")))
    assert np.argwhere(got).tolist() == [[15, 40]]
    got = shown(annotated(graphic("CIRCLE", [40, 30, 40, 50], filled="Y")))
    row, column = np.indices(got.shape) + 0.5
    distance = np.hypot(row - 30, column - 40)
    assert (got[distance < 18.5] == 255).all()
    assert not got[distance > 21.5].any()
    got = shown(annotated(graphic("ELLIPSE", [10, 30, 70, 30, 40, 20, 40, 40])))
    off = ((column - 40) / 30) ** 2 + ((row - 30) / 10) ** 2
    assert got.any()
    assert (np.abs(off[got == 255] - 1) < 0.25).all()
    knots = [10.5, 10.5, 30.5, 40.5, 60.5, 12.5]
    got = shown(annotated(graphic("INTERPOLATED", [*knots])))
    assert got[10, 10] == got[40, 30] == got[12, 60] == 255


@pytest.mark.parametrize(("angle", "flip"), [(90, "N"), (180, "Y"), (270, "Y"), (0, "Y")])
def test_graphics_turn_with_the_image(angle: int, flip: str) -> None:
    line = graphic("POLYLINE", [10.5, 20.5, 40.5, 20.5])
    straight = shown(annotated(line, DisplayedAreaSelectionSequence=area(5, 5, 60, 50)))
    turned = shown(
        annotated(
            line, DisplayedAreaSelectionSequence=area(5, 5, 60, 50), ImageRotation=angle, ImageHorizontalFlip=flip
        )
    )
    expected = np.rot90(straight, -angle // 90)
    # A line through the middle of pixels may begin or end a pixel later.
    assert np.abs(turned.astype(int) - (expected[:, ::-1] if flip == "Y" else expected)).astype(bool).sum() <= 2


def test_text_is_written_in_its_box_or_at_its_anchor() -> None:
    box = item(
        UnformattedTextValue="Left\r\nknee", BoundingBoxAnnotationUnits="DISPLAY",
        BoundingBoxTopLeftHandCorner=[0.5, 0.0], BoundingBoxBottomRightHandCorner=[1.0, 0.5],
        BoundingBoxTextHorizontalJustification="CENTER",
    )  # fmt: skip
    got = shown(annotated(texts=(box,)), size=(640, 480))
    rows, columns = np.nonzero(got)
    assert rows.max() < 240
    assert columns.min() > 320
    assert columns.mean() == pytest.approx(480, abs=12)
    anchor = item(
        UnformattedTextValue="7 mm", AnchorPoint=[20.0, 30.0], AnchorPointAnnotationUnits="PIXEL",
        AnchorPointVisibility="Y",
    )  # fmt: skip
    got = shown(annotated(texts=(anchor,)), size=(640, 480))
    rows, columns = np.nonzero(got)
    assert got[240, 160] == 255
    assert (rows.min() < 240 < rows.max(), columns.max() > 165) == (True, True)


def test_layers_are_drawn_in_their_order_and_colour() -> None:
    red, green = ([35000, 53000, 50000], [57000, 10000, 53000])
    layers = [
        item(GraphicLayer="TOP", GraphicLayerOrder=2, GraphicLayerRecommendedDisplayCIELabValue=red),
        item(GraphicLayer="LOW", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayCIELabValue=green),
    ]
    notes = [
        item(GraphicLayer="TOP", GraphicObjectSequence=[graphic("POLYLINE", [10.5, 20.5, 40.5, 20.5])]),
        item(GraphicLayer="LOW", GraphicObjectSequence=[graphic("POLYLINE", [20.5, 10.5, 20.5, 40.5])]),
    ]
    got = shown(state(GraphicLayerSequence=layers, GraphicAnnotationSequence=notes))
    assert got.shape == (ROWS, COLUMNS, 3)
    assert tuple(got[20, 20]) == lab_to_rgb((35000, 53000, 50000))
    assert tuple(got[30, 20]) == lab_to_rgb((57000, 10000, 53000))


def test_colours_are_those_of_a_colour_management_system() -> None:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    change = ImageCms.buildTransform(lab, srgb, "LAB", "RGB", renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC)
    for lightness, a, b in ((50, 40, 30), (70, -30, 25), (30, 10, -40), (100, 0, 0), (0, 0, 0), (60, 0, 0)):
        picture = Image.merge(
            "LAB", [Image.new("L", (1, 1), each) for each in (round(lightness * 2.55), a + 128, b + 128)]
        )
        changed = ImageCms.applyTransform(picture, change)
        assert changed is not None
        encoded = (lightness / 100 * 65535, (a + 128) / 255 * 65535, (b + 128) / 255 * 65535)
        assert np.abs(np.subtract(lab_to_rgb(encoded), np.array(changed)[0, 0])).max() <= 2


# ---- what cannot be ----


@pytest.mark.parametrize(
    "attributes",
    [
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.4"},
        {"ImageRotation": 45},
        {"ImageHorizontalFlip": "X"},
        {"ShutterShape": "STAR"},
        {"ShutterShape": "RECTANGULAR"},
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [1, 1], "RadiusOfCircularShutter": 0},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1, 2]},
        {"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x6001},
        {"PresentationLUTShape": "LIN OD"},
        {"DisplayedAreaSelectionSequence": area(1, 1, 5, 5, "HUGE")},
        {"DisplayedAreaSelectionSequence": area(1, 1, 5, 5, "MAGNIFY")},
        {"DisplayedAreaSelectionSequence": area(1, 1, 5, 5, PresentationPixelAspectRatio=[0, 1])},
        {"DisplayedAreaSelectionSequence": area(-(2**31), -(2**31), 2**31 - 1, 2**31 - 1)},
        {"DisplayedAreaSelectionSequence": [item(PresentationSizeMode="SCALE TO FIT")]},
        {"SoftcopyVOILUTSequence": [item(WindowCenter=1, WindowWidth=0)]},
    ],
)
def test_presentation_states_that_cannot_be(attributes: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        shown(state(**attributes), size=(100, 100))


@pytest.mark.parametrize(
    "wrong",
    [
        graphic("SQUIGGLE", [1, 1, 2, 2]), graphic("POLYLINE", [1.0, 1.0]), graphic("POLYLINE", [1.0, 2.0, 3.0]),
        graphic("CIRCLE", [1e30, 1e30, 0, 0]), graphic("POLYLINE", [1, 1, 2, 2], "METRE"),
    ],
)  # fmt: skip
def test_graphics_that_cannot_be(wrong: Foreign) -> None:
    with pytest.raises(DecodeError):
        shown(annotated(wrong))


def test_huge_pictures_and_other_images_are_refused() -> None:
    huge = area(1, 1, COLUMNS, ROWS, "MAGNIFY", PresentationPixelMagnificationRatio=9999.0)
    with pytest.raises(LimitError):
        shown(state(DisplayedAreaSelectionSequence=huge))
    with pytest.raises(LimitError):
        shown(state(), size=(10**6, 10**6))
    other = image()
    other.SOPInstanceUID = "1.2.3"
    with pytest.raises(ValueError, match="does not refer"):
        shown(state(), other)
    unnamed = annotated(graphic("POINT", [1, 1]))
    del unnamed.GraphicLayerSequence
    with pytest.raises(DecodeError):
        shown(unnamed)

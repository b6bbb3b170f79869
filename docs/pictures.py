"""Draw the pictures of the how-to pages from a phantom: python docs/pictures.py [FOLDER]"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pacskit import Dataset
from pacskit.pixels import Grid, PresentationState, Volume, Window, render

SHAPE = (72, 150, 180)
SPACING = (2.0, 2.0, 3.0)


def phantom() -> Volume:
    """A chest: body, lungs, spine, heart, vessels and a nodule, in Hounsfield units."""
    z, y, x = np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in SHAPE], indexing="ij")
    x, y, z = x * SPACING[0], y * SPACING[1], z * SPACING[2]

    def ball(cx: float, cy: float, cz: float, a: float, b: float, c: float) -> NDArray[np.bool_]:
        return np.asarray(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 + ((z - cz) / c) ** 2 < 1)

    def tube(cx: float, cy: float, a: float, b: float) -> NDArray[np.bool_]:
        return np.asarray(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 < 1)

    out = np.full(SHAPE, -1000.0)
    out[tube(0, 0, 165, 118)] = -90
    out[tube(0, 0, 152, 106)] = 45
    for side in (-1, 1):
        out[ball(side * 78, -8, 0, 56, 78, 95)] = -820
        for step in range(5):
            out[ball(side * (60 + 8 * step), -30 + 16 * step, 20 - 14 * step, 5, 5, 30)] = 30
    out[ball(25, -42, -20, 52, 44, 48)] = 60
    out[tube(0, 74, 26, 22)] = 420
    out[tube(0, 78, 9, 8)] = 20
    out[tube(18, 42, 13, 13)] = 140
    for angle in np.linspace(0.3, 2 * np.pi - 0.3, 16):
        out[ball(150 * np.sin(angle), -102 * np.cos(angle), 40 * np.sin(5 * angle), 7, 7, 50)] = 650
    out[ball(-86, 2, 6, 8, 8, 8)] = 40
    noise = np.random.default_rng(0).normal(0, 9, SHAPE)
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = [-(n - 1) / 2 * step for n, step in zip(SHAPE[::-1], SPACING, strict=True)]
    return Volume((out + noise).astype(np.int16), Grid(SHAPE, affine))


def image(values: NDArray[np.int16]) -> Dataset:
    """What `render` has to know of an image."""
    return Dataset(
        SOPInstanceUID="1.2.826.0.1.3680043.10.511.3.1", Rows=values.shape[0], Columns=values.shape[1],
        BitsAllocated=16, BitsStored=16, PixelRepresentation=1, SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
    )  # fmt: skip


def windows(volume: Volume) -> NDArray[np.uint8]:
    """One slice by four windows."""
    values = volume.array[38]
    choices = [Window(-600, 1600), Window(40, 400), Window(300, 1500), Window(40, 400, "SIGMOID")]
    return np.hstack([render(image(values), pixels=values, window=each) for each in choices])


def planes(volume: Volume) -> NDArray[np.uint8]:
    """Axial, coronal and sagittal slices and a projection of the greatest values."""
    coronal = volume.reformat("coronal", spacing=2)
    slices = [
        volume.axial(5, spacing=2),
        volume.coronal(4, spacing=2),
        volume.sagittal(-80, spacing=2),
        coronal.project("max").array[0],
    ]
    height = max(each.shape[0] for each in slices)
    shown = [render(image(each), pixels=each, window=(0, 1600)) for each in slices]
    return np.hstack([np.pad(each, ((0, height - each.shape[0]), (0, 0))) for each in shown])


def annotated(volume: Volume) -> NDArray[np.uint8]:
    """A slice by a presentation state: window, shutter, an enlarged part, an ellipse and a text."""
    values = volume.array[38]
    ds = image(values)
    reference = Dataset(ReferencedSOPInstanceUID=ds.SOPInstanceUID)
    ellipse = Dataset(
        GraphicAnnotationUnits="PIXEL", GraphicDimensions=2, NumberOfGraphicPoints=4, GraphicType="ELLIPSE",
        GraphicData=[39.0, 75.5, 54.0, 75.5, 46.5, 68.0, 46.5, 83.0], GraphicFilled="N",
    )  # fmt: skip
    label = Dataset(
        UnformattedTextValue="nodule, 16 mm", AnchorPoint=[54.0, 75.5], AnchorPointAnnotationUnits="PIXEL",
        AnchorPointVisibility="N",
    )  # fmt: skip
    state = Dataset(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.11.1", PresentationLUTShape="IDENTITY",
        ReferencedSeriesSequence=[Dataset(ReferencedImageSequence=[reference])],
        SoftcopyVOILUTSequence=[Dataset(WindowCenter=-500, WindowWidth=1500)],
        ShutterShape="CIRCULAR", CenterOfCircularShutter=[76, 55], RadiusOfCircularShutter=48,
        ShutterPresentationValue=0,
        DisplayedAreaSelectionSequence=[
            Dataset(
                DisplayedAreaTopLeftHandCorner=[6, 26], DisplayedAreaBottomRightHandCorner=[105, 125],
                PresentationSizeMode="SCALE TO FIT", PresentationPixelAspectRatio=[1, 1],
            )
        ],
        GraphicLayerSequence=[Dataset(GraphicLayer="READER", GraphicLayerOrder=1)],
        GraphicAnnotationSequence=[
            Dataset(GraphicLayer="READER", GraphicObjectSequence=[ellipse], TextObjectSequence=[label])
        ],
    )  # fmt: skip
    return PresentationState(state).render(ds, pixels=values, size=(300, 300))


def main(folder: Path) -> None:
    volume = phantom()
    for draw in (windows, planes, annotated):
        Image.fromarray(draw(volume)).quantize(48).save(folder / f"{draw.__name__}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "how-to" / "pictures")

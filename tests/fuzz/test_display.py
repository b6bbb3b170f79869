"""Bytes of images and presentation states changed at random: a picture comes out, or one of our errors."""

from __future__ import annotations

import io
import random

import pytest
from pydicom.dataset import Dataset as Foreign

from pacskit import dcmread
from pacskit.core.errors import PacsError
from pacskit.encoding.display import PresentationState, render
from tests.unit.encoding.test_presentation_state import (
    LINE,
    add_overlay,
    annotated,
    graphic,
    image,
    item,
    ours,
    table,
)

SHUTTERS = {
    "ShutterShape": ["RECTANGULAR", "CIRCULAR", "POLYGONAL"],
    "ShutterPresentationValue": 20000,
    "ShutterLeftVerticalEdge": 10,
    "ShutterRightVerticalEdge": 60,
    "ShutterUpperHorizontalEdge": 5,
    "ShutterLowerHorizontalEdge": 50,
    "CenterOfCircularShutter": [30, 40],
    "RadiusOfCircularShutter": 25,
    "VerticesOfThePolygonalShutter": [3, 3, 3, 75, 55, 60, 40, 30, 55, 5],
}


def full_state() -> Foreign:
    """A presentation state with one of everything."""
    label = item(
        UnformattedTextValue="a\nb", AnchorPoint=[20.0, 30.0], AnchorPointAnnotationUnits="PIXEL",
        AnchorPointVisibility="Y",
    )  # fmt: skip
    ellipse = graphic("ELLIPSE", [10, 30, 70, 30, 40, 20, 40, 40])
    curve = graphic("INTERPOLATED", [1, 2, 3, 4, 5, 9, 20, 30])
    ps = annotated(ellipse, curve, texts=(label,), ImageRotation=90, ImageHorizontalFlip="Y", **SHUTTERS)
    ps.PresentationLUTSequence = [table(list(range(256)), 0, 8)]
    add_overlay(ps, LINE, "A")
    return ps


def encoded(foreign: Foreign) -> bytes:
    file = io.BytesIO()
    foreign.save_as(file, enforce_file_format=True)
    return file.getvalue()


def mutated(data: bytes, end: int, seed: int) -> bytes:
    chosen, out = random.Random(seed), bytearray(data)
    for _ in range(chosen.randint(1, 3)):
        at = chosen.randrange(132, end)
        out[at] = chosen.choice([0, 255, chosen.randrange(256), out[at] ^ (1 << chosen.randrange(8)), 0x2D, 0x39])
    return bytes(out)


@pytest.mark.parametrize("seed", range(4))
def test_changed_presentation_states(seed: int) -> None:
    data, picture, shown = encoded(full_state()), ours(image()), 0
    for number in range(100):
        try:
            state = PresentationState(dcmread(mutated(data, len(data), 1000 * seed + number), force=True))
            if not state.applies_to(picture):
                continue
            assert state.render(picture, size=(200, 200)).size <= 200 * 200 * 3
            shown += 1
        except PacsError:
            continue
    assert shown > 10


@pytest.mark.parametrize("seed", range(4))
def test_changed_images(seed: int) -> None:
    data, shown = encoded(image(WindowCenter=[1, 2], WindowWidth=[3, 4], **SHUTTERS)), 0
    end = data.rindex(b"\xe0\x7f\x10\x00")
    for number in range(100):
        try:
            shown += render(dcmread(mutated(data, end, 1000 * seed + number), force=True)).size > 0
        except PacsError:
            continue
    assert shown > 10

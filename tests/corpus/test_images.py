"""Every small file of the corpus becomes a picture, a document, a film, or one of our errors."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pacskit import dcmread, images
from pacskit.core.errors import PacsError

pytestmark = pytest.mark.corpus
LARGEST = 300_000


def test_every_file_becomes_a_picture_or_an_error(corpus: Path) -> None:
    made = refused = 0
    for path in sorted(corpus.rglob("*")):
        if not path.is_file() or path.stat().st_size > LARGEST:
            continue
        try:
            ds = dcmread(path)
            if images.payload_of(ds) != "frames":
                continue
            shown = images.to_image(ds, 0, images.ExportOptions(format="bmp"))
        except PacsError:
            refused += 1
            continue
        made += 1
        with Image.open(io.BytesIO(shown)) as file:
            assert file.size == (ds.Columns, ds.Rows), path
    assert made > 150
    assert refused < 40


def test_a_picture_of_stored_values_becomes_the_same_values(corpus: Path) -> None:
    """Out as PNG and in again: the pixels of real files, of every depth, and their study."""
    seen = set()
    for path in sorted(corpus.rglob("*.dcm")):
        if path.stat().st_size > LARGEST:
            continue
        try:
            ds = dcmread(path)
            kind = (ds.get("BitsAllocated"), ds.get("SamplesPerPixel"))
            if kind in seen or ds.get("PhotometricInterpretation") not in {"MONOCHROME2", "RGB"}:
                continue
            data = images.to_image(ds, 0, images.ExportOptions(rendered=False))
            again = images.from_file(data, images.BuildOptions(like=ds, same="patient"))
        except PacsError:
            continue
        seen.add(kind)
        first = next(iter(ds.frames([0])))
        assert np.array_equal(again.pixel_array, first), path
        assert again.get("PatientID") == ds.get("PatientID", "")
    assert {(8, 1), (16, 1), (8, 3), (16, 3)} <= seen

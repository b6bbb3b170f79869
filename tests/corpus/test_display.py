"""Real files as DCMTK shows them: windows, VOI tables, overlays and palettes, one gray level apart at most."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pacskit import Dataset, dcmread, transcode_file
from pacskit.encoding.transfer_syntax import UNCOMPRESSED
from pacskit.pixels import overlay_groups, render
from tests.conftest import Dcmtk, corpus_folder

pytestmark = [pytest.mark.corpus, pytest.mark.interop]

EXPLICIT = str(UNCOMPRESSED[0])
MOST_PIXELS = 1100 * 1100
TABLES = ("vlut_04.dcm",)
OVERLAYS = ("examples_overlay.dcm", "MR-SIEMENS-DICOM-WithOverlays.dcm", "slicethickness_empty_string.dcm")


def _images() -> Iterator[tuple[str, Dataset]]:
    """Files whose pixels are read, and that are not too large, with their data sets."""
    folder = corpus_folder()
    if folder is None:
        return
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["pixels"] == "yes" and row["transfer_syntax"]]
    for row in rows:
        if int(row["rows"]) * int(row["columns"]) <= MOST_PIXELS:
            yield row["file"], dcmread(folder / row["file"], force=True)


def windowed() -> list[str]:
    """One file of each kind: modality, depth, sign, photometric interpretation, slope."""
    kinds: dict[tuple[str, ...], str] = {}
    about = ("Modality", "BitsStored", "PixelRepresentation", "PhotometricInterpretation", "RescaleSlope")
    for name, ds in _images():
        if ds.get("WindowCenter") is not None and ds.PhotometricInterpretation in {"MONOCHROME1", "MONOCHROME2"}:
            kinds.setdefault(tuple(str(ds.get(keyword)) for keyword in about), name)
    return sorted(kinds.values())


def palettes() -> list[str]:
    """Whole ones: DCMTK does not read tables in segments."""
    found = ((name, ds) for name, ds in _images() if ds.PhotometricInterpretation == "PALETTE COLOR")
    return sorted(name for name, ds in found if "RedPaletteColorLookupTableData" in ds)


def shown_by_dcmtk(path: Path, folder: Path, dcmtk: Dcmtk, *options: str) -> np.ndarray:
    """The first frame; decompressed by us, since what is compared is the display."""
    transcode_file(path, folder / "native.dcm", EXPLICIT)
    command: list[str | Path] = [dcmtk.tool("dcmj2pnm"), *options, folder / "native.dcm", folder / "shown.pnm"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with Image.open(folder / "shown.pnm") as picture:
        return np.asarray(picture)


def apart(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize("name", windowed(), ids=lambda name: Path(name).name)
def test_windows(name: str, corpus: Path, tmp_path: Path, dcmtk: Dcmtk) -> None:
    theirs = shown_by_dcmtk(corpus / name, tmp_path, dcmtk, "+Wi", "1", "-O")
    assert apart(render(dcmread(corpus / name), window=0, overlays=False), theirs) <= 1


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_values_of_interest(name: str, corpus: Path, tmp_path: Path, dcmtk: Dcmtk) -> None:
    (path,) = corpus.rglob(name)
    theirs = shown_by_dcmtk(path, tmp_path, dcmtk, "+Wl", "1", "-O")
    assert apart(render(dcmread(path), overlays=False), theirs) <= 1


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlays(name: str, corpus: Path, tmp_path: Path, dcmtk: Dcmtk) -> None:
    (path,) = corpus.rglob(name)
    ds = dcmread(path)
    assert overlay_groups(ds)
    theirs = shown_by_dcmtk(path, tmp_path, dcmtk, "+Wi", "1", "+O", "0", "+Omr")
    assert apart(render(ds, window=0), theirs) <= 1


@pytest.mark.parametrize("name", palettes(), ids=lambda name: Path(name).name)
def test_palettes(name: str, corpus: Path, tmp_path: Path, dcmtk: Dcmtk) -> None:
    ds = dcmread(corpus / name)
    theirs = shown_by_dcmtk(corpus / name, tmp_path, dcmtk)
    assert apart(render(ds, overlays=False), theirs) <= 1

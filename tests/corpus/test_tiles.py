"""Regions of total pixel matrices: slides and their segmentations, as highdicom puts them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pacskit import Dataset, DecodeError, dcmopen, dcmread
from pacskit.core.errors import LimitError
from pacskit.pixels import DecodeLimits, TotalPixelMatrix
from tests.conftest import corpus_folder

REGIONS = [(0, 0, 50, 50), (0, 0, 1, 1), (9, 19, 2, 2), (13, 7, 25, 40), (40, 40, 10, 10)]
J2K, JPEG_LS = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80"


def files() -> list[str]:
    folder = corpus_folder()
    if folder is None:
        return []
    found = (folder / "highdicom/data/test_files").glob("*sm_*.dcm")
    return sorted(str(path.relative_to(folder)) for path in found if "TotalPixelMatrixRows" in dcmread(path))


def by_highdicom(path: Path, ds: Dataset, channel: str) -> Any:
    """The whole matrix of stored values."""
    import highdicom

    if "SegmentSequence" not in ds:
        return highdicom.imread(path).get_total_pixel_matrix(
            dtype=np.int64, apply_real_world_transform=False, apply_modality_transform=False,
            apply_palette_color_lut=False, apply_icc_profile=False, apply_presentation_lut=False,
        )  # fmt: skip
    image = highdicom.seg.segread(path)
    if not channel:
        return image.get_total_pixel_matrix(combine_segments=True)
    return image.get_total_pixel_matrix(segment_numbers=[int(channel)], rescale_fractional=False)[..., 0]


@pytest.mark.corpus
@pytest.mark.parametrize("name", files(), ids=lambda name: Path(name).stem)
def test_regions_are_highdicoms(name: str, corpus: Path) -> None:
    ds = dcmread(corpus / name)
    matrix = TotalPixelMatrix(ds)
    assert (matrix.rows, matrix.columns, matrix.focal_planes) == (50, 50, 1)
    assert (matrix.channels == ("",)) == (ds.get("SegmentationType") == "LABELMAP")
    for channel in {0, len(matrix.channels) // 2, len(matrix.channels) - 1}:
        whole = by_highdicom(corpus / name, ds, matrix.channels[channel])
        for top, left, rows, columns in REGIONS:
            found = matrix.region(top, left, rows, columns, channel=channel)
            assert np.array_equal(found, whole[top : top + rows, left : left + columns])


def slide(**attributes: Any) -> tuple[Dataset, np.ndarray]:
    """Two optical paths, three focal planes, tiles of 4 by 6 over 10 by 15, in the order of PS3.3 C.7.6.17.3."""
    values = np.random.default_rng(5).integers(0, 256, (2, 3, 12, 18)).astype(np.uint8)
    tiles = [
        values[path, plane, row : row + 4, column : column + 6]
        for path in range(2) for plane in range(3) for row in range(0, 12, 4) for column in range(0, 18, 6)
    ]  # fmt: skip
    ds = Dataset(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6", SOPInstanceUID="1.2.3", Rows=4, Columns=6, NumberOfFrames=54,
        TotalPixelMatrixRows=10, TotalPixelMatrixColumns=15, TotalPixelMatrixFocalPlanes=3, SamplesPerPixel=1,
        BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0, PhotometricInterpretation="MONOCHROME2",
        DimensionOrganizationType="TILED_FULL",
        OpticalPathSequence=[Dataset(OpticalPathIdentifier="a"), Dataset(OpticalPathIdentifier="b")],
    )  # fmt: skip
    ds.update(attributes)
    ds.add_new("PixelData", "OB", np.stack(tiles).tobytes())
    return ds, values


@pytest.mark.parametrize("syntax", [None, J2K, JPEG_LS])
def test_paths_and_planes(syntax: str | None) -> None:
    ds, values = slide()
    matrix = TotalPixelMatrix(ds if syntax is None else ds.transcode(syntax))
    assert (matrix.channels, matrix.focal_planes, matrix.is_full) == (("a", "b"), 3, True)
    for channel, plane in ((0, 0), (0, 2), (1, 0), (1, 1)):
        name = matrix.channels[channel]
        for top, left, rows, columns in ((0, 0, 10, 15), (3, 5, 2, 2), (4, 6, 4, 6), (9, 14, 1, 1)):
            found = matrix.region(top, left, rows, columns, channel=name, focal_plane=plane)
            assert np.array_equal(found, values[channel, plane, top : top + rows, left : left + columns])


def test_only_the_tiles_that_are_touched_are_named() -> None:
    ds, _ = slide()
    matrix = TotalPixelMatrix(ds)
    assert [(tile.frame, tile.top, tile.left) for tile in matrix.tiles((3, 5, 2, 2))] == [
        (0, 0, 0), (1, 0, 6), (3, 4, 0), (4, 4, 6),
    ]  # fmt: skip
    assert [tile.frame for tile in matrix.tiles((4, 6, 4, 6), channel=1, focal_plane=2)] == [49]
    assert len(list(matrix.tiles())) == 9


def position(row: int, column: int, path: str, depth: float) -> Dataset:
    place = Dataset(
        RowPositionInTotalImagePixelMatrix=row, ColumnPositionInTotalImagePixelMatrix=column,
        ZOffsetInSlideCoordinateSystem=depth,
    )  # fmt: skip
    of = Dataset(OpticalPathIdentifier=path)
    return Dataset(PlanePositionSlideSequence=[place], OpticalPathIdentificationSequence=[of])


def test_sparse_tiles_are_where_they_say_and_the_rest_is_filled() -> None:
    places = [(1, 1, "b", 0.5), (5, 7, "b", 0.5), (2, 3, "b", 0.0), (1, 1, "a", 0.0)]
    ds, values = slide(
        DimensionOrganizationType="TILED_SPARSE", NumberOfFrames=4,
        PerFrameFunctionalGroupsSequence=[position(*place) for place in places],
    )  # fmt: skip
    frames = [values[0, 0, 0:4, 6 * n : 6 * n + 6] for n in range(3)] + [values[0, 0, 4:8, 0:6]]
    matrix = TotalPixelMatrix(ds)
    assert (matrix.channels, matrix.focal_planes, matrix.is_full) == (("a", "b"), 2, False)
    for (row, column, path, depth), frame in zip(places, frames, strict=True):
        wanted = np.full((10, 15), 7, np.uint8)
        for other, pixels in zip(places, frames, strict=True):
            if other[2:] == (path, depth):
                wanted[other[0] - 1 : other[0] + 3, other[1] - 1 : other[1] + 5] = pixels
        plane = [0.0, 0.5].index(depth)
        found = matrix.region(0, 0, 10, 15, channel=path, focal_plane=plane, fill=7)
        assert np.array_equal(found, wanted)
        part = matrix.region(row, column, 2, 3, channel=path, focal_plane=plane, fill=7)
        assert np.array_equal(part, wanted[row : row + 2, column : column + 3])
        assert np.array_equal(part, frame[1:3, 1:4])
    assert not matrix.region(8, 0, 2, 2, channel="a").any()


def test_what_cannot_be() -> None:
    ds, _ = slide(NumberOfFrames=53)
    with pytest.raises(DecodeError, match="53 frames; 3 by 3 tiles of 3 focal planes and 2 channels are 54"):
        TotalPixelMatrix(ds)
    with pytest.raises(DecodeError, match="TotalPixelMatrixRows"):
        TotalPixelMatrix(Dataset())
    ds, _ = slide(DimensionOrganizationType="TILED_SPARSE")
    with pytest.raises(DecodeError, match="0 items of functional groups for 54 frames"):
        TotalPixelMatrix(ds)
    ds, _ = slide(
        DimensionOrganizationType="TILED_SPARSE", NumberOfFrames=1, PerFrameFunctionalGroupsSequence=[Dataset()]
    )
    with pytest.raises(DecodeError, match="frame 0 does not say where it is"):
        TotalPixelMatrix(ds)
    matrix = TotalPixelMatrix(slide()[0], limits=DecodeLimits(max_bytes=100))
    with pytest.raises(LimitError):
        matrix.region(0, 0, 10, 15)
    with pytest.raises(ValueError, match="is no part of"):
        matrix.region(0, 0, 11, 15)
    with pytest.raises(IndexError):
        matrix.region(0, 0, 1, 1, focal_plane=3)
    with pytest.raises(IndexError):
        matrix.region(0, 0, 1, 1, channel=2)
    with pytest.raises(KeyError):
        matrix.region(0, 0, 1, 1, channel="c")


def test_of_a_mapped_file(tmp_path: Path) -> None:
    ds, values = slide()
    ds.save_as(tmp_path / "slide.dcm")
    with dcmopen(tmp_path / "slide.dcm") as opened:
        assert np.array_equal(TotalPixelMatrix(opened).region(2, 2, 7, 9), values[0, 0, 2:9, 2:11])

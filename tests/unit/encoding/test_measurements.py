"""Measurements, real world values and SUV: answers that are known, and SimpleITK's of the same regions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit import dcmread
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.volume import (
    angle,
    angle_between,
    apply_real_world_map,
    apply_suv,
    distance,
    ellipse_area,
    ellipse_mask,
    functional_groups,
    perimeter,
    polygon_area,
    polygon_mask,
    real_world_maps,
    statistics,
    suv_factor,
)
from tests.unit.encoding.phantoms import sitk


def test_distances_angles_and_areas_are_those_of_geometry() -> None:
    assert distance((1, 2, 3), (4, 6, 15)) == 13.0
    assert distance((0, 0), (3, 4), spacing=(2, 1)) == pytest.approx(math.sqrt(52))
    assert angle((1, 0), (0, 0), (0, 5)) == pytest.approx(90)
    assert angle((1, 0), (0, 0), (1, math.sqrt(3))) == pytest.approx(60)
    assert angle((1, 0), (0, 0), (-1, 0)) == pytest.approx(180)
    assert angle((1, 0), (0, 0), (1, 1e-9)) == pytest.approx(math.degrees(1e-9), rel=1e-6)
    assert angle((1, 0), (0, 0), (1, 1), spacing=(1, 2)) == pytest.approx(math.degrees(math.atan(2)))
    assert angle_between([(0, 0), (1, 0)], [(0, 5), (-1, 4)]) == pytest.approx(45)
    assert polygon_area([(0, 0), (4, 0), (4, 3), (0, 3)], spacing=(0.5, 2)) == 12.0
    assert perimeter([(0, 0), (3, 0), (3, 4)]) == 12.0
    assert perimeter([(0, 0), (3, 0), (3, 4)], closed=False) == 7.0
    assert ellipse_area(4, 2) == pytest.approx(2 * math.pi)


@given(st.integers(3, 40), st.floats(1, 50), st.floats(0.2, 3), st.floats(0.2, 3))
def test_the_area_of_a_regular_polygon(corners: int, radius: float, across: float, down: float) -> None:
    turn = 2 * np.pi * np.arange(corners) / corners
    points = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius
    expected = corners / 2 * radius**2 * math.sin(2 * math.pi / corners) * across * down
    assert polygon_area(points, (across, down)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda: distance((0, 0), (1, float("nan"))),
        lambda: distance((0, 0), (1, 1), spacing=(0, 1)),
        lambda: distance((0, 0), (1, 1), spacing=(float("nan"), 1)),
        lambda: angle((0, 0), (0, 0), (1, 1)),
        lambda: polygon_area([(0, 0), (1, 1)]),
        lambda: ellipse_area(-1, 1),
        lambda: ellipse_mask((5, 5), (2, 2), (0, 1)),
        lambda: statistics(np.zeros((3, 3)), np.zeros((3, 3))),
        lambda: statistics(np.full(4, np.nan)),
        lambda: statistics(np.zeros((3, 3)), spacing=(1, 1, 1)),
    ],
)
def test_measurements_that_cannot_be(call: Any) -> None:
    with pytest.raises(ValueError, match=r"finite|point|polygon|radii|value|spacing|axes"):
        call()


def test_regions_have_the_statistics_of_simpleitk() -> None:
    values = np.random.default_rng(0).normal(40, 15, (12, 50, 60)).astype(np.float32)
    mask = np.zeros(values.shape, np.uint8)
    mask[2:9] = ellipse_mask((50, 60), (30, 20), (14.5, 9.5))
    mask[5] |= polygon_mask((50, 60), [(3, 3), (20.5, 5), (12, 30)])
    found = statistics(values, mask, spacing=(0.5, 0.7, 3))
    image, label = sitk.GetImageFromArray(values), sitk.GetImageFromArray(mask)
    for each in (image, label):
        each.SetSpacing((0.5, 0.7, 3))
    theirs, shape = sitk.LabelIntensityStatisticsImageFilter(), sitk.LabelShapeStatisticsImageFilter()
    theirs.Execute(label, image)
    shape.Execute(label)
    assert found.count == shape.GetNumberOfPixels(1)
    assert found.volume == pytest.approx(shape.GetPhysicalSize(1))
    assert found.mean == pytest.approx(theirs.GetMean(1))
    assert found.total == pytest.approx(theirs.GetSum(1))
    assert (found.minimum, found.maximum) == pytest.approx((theirs.GetMinimum(1), theirs.GetMaximum(1)))
    # Theirs is of the sample, n - 1.
    assert found.std * math.sqrt(found.count / (found.count - 1)) == pytest.approx(theirs.GetStandardDeviation(1))
    assert found.median == pytest.approx(np.median(values[mask == 1]))
    assert statistics(values[5], mask[5], spacing=(0.5, 0.7)).area == pytest.approx(mask[5].sum() * 0.35)


# ---- real world values ----


def test_real_world_values_of_lines_and_tables() -> None:
    line = Dataset(LUTLabel="ADC", RealWorldValueSlope=0.5, RealWorldValueIntercept=-3.0)
    line.add_new(0x00409216, "US", 10)
    line.add_new(0x00409211, "US", 20)
    line.MeasurementUnitsCodeSequence = [Dataset(CodeValue="um2/s")]
    table = Dataset(LUTLabel="T1", RealWorldValueLUTData=[1.5, 2.5, -7.0])
    table.add_new(0x00409216, "US", 0xFFFF)
    table.add_new(0x00409211, "US", 1)
    ds = Dataset(PixelRepresentation=1, RealWorldValueMappingSequence=[line, table])
    stored = np.array([-1, 0, 1, 9, 10, 15, 20, 21], np.int16)
    nan = float("nan")
    np.testing.assert_array_equal(apply_real_world_map(stored, ds), [nan, nan, nan, nan, 2, 4.5, 7, nan])
    np.testing.assert_array_equal(apply_real_world_map(stored, ds, "T1"), [1.5, 2.5, -7, nan, nan, nan, nan, nan])
    assert real_world_maps(ds)[0].units == "um2/s"
    with pytest.raises(KeyError):
        apply_real_world_map(stored, ds, "T2")
    with pytest.raises(IndexError):
        apply_real_world_map(stored, ds, 2)
    table.RealWorldValueLUTData = [1.0, 2.0]
    with pytest.raises(DecodeError):
        apply_real_world_map(stored, ds)
    with pytest.raises(DecodeError):
        apply_real_world_map(stored, Dataset())


@pytest.mark.corpus
def test_a_parametric_map_has_its_frames_map(corpus: Path) -> None:
    ds = dcmread(corpus / "pydicom-data" / "parametric_map_float.dcm")
    (found,) = real_world_maps(ds, 0)
    assert (found.slope, found.intercept, found.units, found.explanation) == (1.0, 0.0, "1", "feature_001")
    groups = functional_groups(ds, 0)
    assert "PixelMeasuresSequence" in groups
    assert groups["PixelMeasuresSequence"].PixelSpacing == groups.value("PixelMeasuresSequence", "PixelSpacing")
    with pytest.raises(KeyError):
        groups["CTExposureSequence"]
    with pytest.raises(IndexError):
        functional_groups(ds, 1)


# ---- SUV ----


def pet(**attributes: Any) -> Dataset:
    agent = Dataset(RadionuclideTotalDose=370e6, RadionuclideHalfLife=6586.2, RadiopharmaceuticalStartTime="090000")
    ds = Dataset(
        Units="BQML", CorrectedImage=["DECY", "ATTN", "SCAT"], DecayCorrection="START", PatientWeight=70,
        SeriesDate="20260102", SeriesTime="100000", AcquisitionDate="20260102", AcquisitionTime="100005",
        RescaleSlope=2, RescaleIntercept=0, RadiopharmaceuticalInformationSequence=[agent],
    )  # fmt: skip
    for keyword, value in attributes.items():
        target = agent if keyword.startswith("Radio") else ds
        if value is None:
            delattr(target, keyword)
        else:
            setattr(target, keyword, value)
    return ds


HOUR = 70_000 / (370e6 * 0.5 ** (3600 / 6586.2))


def test_suv_by_the_profile() -> None:
    # A third of fluorine 18 decays in an hour: 0.685 remains, so 1 kBq/ml in 70 kg after 370 MBq is 0.276 g/ml.
    assert suv_factor(pet()) == pytest.approx(HOUR)
    assert HOUR * 1000 == pytest.approx(0.276, abs=5e-4)
    np.testing.assert_allclose(apply_suv(np.array([0, 500]), pet()), [0, 1000 * HOUR])
    assert suv_factor(pet(DecayCorrection="ADMIN")) == pytest.approx(70_000 / 370e6)
    assert suv_factor(pet(Units="GML", PatientWeight=None)) == 1.0
    exact = pet(RadiopharmaceuticalStartDateTime="20260102090000.000000")
    assert suv_factor(exact) == pytest.approx(HOUR)
    night = pet(RadiopharmaceuticalStartTime="233000", SeriesTime="003000")
    assert suv_factor(night) == pytest.approx(HOUR)


def test_suv_by_private_factors() -> None:
    philips = pet(Units="CNTS")
    block = philips.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x00, "DS", "0.0005")
    assert suv_factor(philips) == 0.0005
    block.add_new(0x00, "DS", "0")
    block.add_new(0x09, "DS", "3")
    assert suv_factor(philips) == pytest.approx(3 * HOUR)
    derived = pet(SeriesTime="120000")
    with pytest.raises(DecodeError):
        suv_factor(derived)
    derived.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20260102100000.00")
    assert suv_factor(derived) == pytest.approx(HOUR)


@pytest.mark.parametrize(
    ("attributes", "keyword"),
    [
        ({"Units": None}, "Units"),
        ({"Units": "PROPCPS"}, "Units"),
        ({"Units": "CNTS"}, "Units"),
        ({"PatientWeight": None}, "PatientWeight"),
        ({"PatientWeight": 0}, "PatientWeight"),
        ({"CorrectedImage": ["DECY"]}, "CorrectedImage"),
        ({"CorrectedImage": None}, "CorrectedImage"),
        ({"DecayCorrection": "NONE"}, "DecayCorrection"),
        ({"RadionuclideTotalDose": None}, "RadionuclideTotalDose"),
        ({"RadionuclideTotalDose": -5}, "RadionuclideTotalDose"),
        ({"RadionuclideHalfLife": None}, "RadionuclideHalfLife"),
        ({"RadiopharmaceuticalStartTime": None}, "RadiopharmaceuticalStartDateTime"),
        ({"RadiopharmaceuticalStartTime": "990000"}, "RadiopharmaceuticalStartTime"),
        ({"RadiopharmaceuticalStartDateTime": "20250101000000"}, "DecayCorrection"),
        ({"RadiopharmaceuticalInformationSequence": []}, "RadiopharmaceuticalInformationSequence"),
        ({"SeriesTime": "120000"}, "SeriesTime"),
    ],
)
def test_what_suv_lacks_is_named(attributes: dict[str, Any], keyword: str) -> None:
    ds = pet()
    for name, value in attributes.items():
        inner = name.startswith("Radio") and "Sequence" not in name
        target = ds.RadiopharmaceuticalInformationSequence[0] if inner else ds
        if value is None:
            delattr(target, name)
        else:
            setattr(target, name, value)
    with pytest.raises(DecodeError) as caught:
        suv_factor(ds)
    assert caught.value.tag == Dataset(**{keyword: None})[keyword].tag

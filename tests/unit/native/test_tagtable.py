"""The native dictionary against every row of the committed table, against pydicom, and at its edges."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

from pacskit_ext import _tagtable

TABLES = Path(__file__).parents[3] / "pacskit_ext/codegen/tables"
with (TABLES / "dictionary.csv").open(newline="", encoding="ascii") as lines:
    ROWS = list(csv.DictReader(lines))
EXACT = {int(row["tag"], 16): row for row in ROWS if "x" not in row["tag"]}

# Rows that pydicom lacks: (0006,0001) is newer than its edition; the others are the first rows of
# retired repeating groups, which DCMTK lists one by one and pydicom as (0028,08x0) and so on.
NOT_IN_PYDICOM = {
    0x00060001,
    *(0x00280410, 0x00280411, 0x00280412, 0x00280413),
    *(0x00280800, 0x00280802, 0x00280803, 0x00280804, 0x00280808),
    *(0x10000010, 0x10000011, 0x10000012, 0x10000013, 0x10000014, 0x10000015),
    0x10100004,
}


def expected(row: dict[str, str]) -> tuple[str, str, str, str, bool]:
    return row["vr"], row["vm"], row["keyword"], row["name"], bool(row["retired"])


def test_every_row_of_the_table_is_found() -> None:
    wrong = [tag for tag, row in EXACT.items() if _tagtable.lookup(tag) != expected(row)]
    assert wrong == []
    assert list(_tagtable.iter_tags()) == sorted(EXACT)


def test_every_keyword_names_its_tag_and_back() -> None:
    named = {row["keyword"]: tag for tag, row in EXACT.items() if row["keyword"]}
    assert {keyword: _tagtable.tag_for(keyword) for keyword in named} == named
    assert {keyword: _tagtable.keyword_for(tag) for keyword, tag in named.items()} == {k: k for k in named}
    assert set(_tagtable.iter_keywords()) == set(named)


def test_every_row_equals_pydicom() -> None:
    ours = {tag: _tagtable.lookup(tag) for tag in _tagtable.iter_tags()}
    theirs = {
        tag: (vr, vm, keyword, name, bool(retired)) for tag, (vr, vm, name, retired, keyword) in DicomDictionary.items()
    }
    assert {tag for tag in ours if tag not in theirs} == NOT_IN_PYDICOM
    assert {tag: ours.get(tag) for tag in theirs} == theirs


@pytest.mark.parametrize("digit", "02468ACE")
def test_every_repeating_group_equals_pydicom(digit: str) -> None:
    for pattern, (vr, vm, name, retired, keyword) in RepeatersDictionary.items():
        tag = int(pattern.replace("x", digit), 16)
        if tag not in EXACT:
            assert _tagtable.lookup(tag) == (vr, vm, keyword, name, bool(retired)), pattern


@pytest.mark.parametrize(
    ("tag", "keyword"),
    [
        (0x50200005, "CurveDimensions"),
        (0x60000010, "OverlayRows"),
        (0x60FE3000, "OverlayData"),
        (0x00280400, "TransformLabel"),  # the exact row goes before (0028,04x0)
        (0x002804F0, "RowsForNthOrderCoefficients"),
        (0x10001231, "RunLengthTriplet"),
        (0x1010FFFF, "ZonalMap"),
        (0x002031FF, "SourceImageIDs"),
        (0x7F020010, "VariablePixelData"),
        (0x7FE00010, "PixelData"),
    ],
)
def test_a_repeating_group_is_found_by_its_mask(tag: int, keyword: str) -> None:
    assert _tagtable.keyword_for(tag) == keyword


def test_a_repeating_keyword_names_no_one_tag() -> None:
    assert _tagtable.tag_for("OverlayRows") is None


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x00100010, b"PN"),
        (0x7FE00010, b"ox"),
        (0x00280106, b"xs"),
        (0x00283006, b"uw"),
        (0x00281200, b"xw"),
        (0xFFFEE000, b"na"),
        (0x60020010, b"US"),
        (0x60010010, b"LO"),  # an odd group is private even where 60xx is not
        (0x00090000, b"UL"),
        (0x00080000, b"UL"),
        (0x00090010, b"LO"),
        (0x000900FF, b"LO"),
    ],
)
def test_vr_codes_are_the_two_characters_little_endian(tag: int, vr: bytes) -> None:
    assert _tagtable.vr_code(tag) == int.from_bytes(vr, "little")


@pytest.mark.parametrize("tag", [0x0009000F, 0x00090100, 0x00091010, 0x00081234, 0xFFFFFFFF, 0x50010005])
def test_an_unknown_tag_has_no_entry(tag: int) -> None:
    assert _tagtable.vr_code(tag) == 0
    assert _tagtable.lookup(tag) is None
    assert _tagtable.keyword_for(tag) == ""


@given(st.integers(0, 0xFFFFFFFF))
def test_vr_code_and_lookup_agree_on_any_tag(tag: int) -> None:
    found = _tagtable.lookup(tag)
    code = _tagtable.vr_code(tag)
    assert (found is None) == (code == 0)
    if found is not None and len(found[0]) == 2:
        assert code == int.from_bytes(found[0].encode(), "little")


@given(st.text(max_size=300))
def test_a_keyword_that_is_none_finds_nothing(text: str) -> None:
    tag = _tagtable.tag_for(text)
    assert tag is None or EXACT[tag]["keyword"] == text


@pytest.mark.parametrize("tag", [-1, 1 << 32])
def test_a_number_that_is_no_tag_overflows(tag: int) -> None:
    with pytest.raises(OverflowError):
        _tagtable.lookup(tag)

"""Statuses against every row of the service classes' tables."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.enums import Level, Priority
from pacskit.core.status import Status, StatusCategory

TABLES = Path(__file__).parents[3] / "pacskit_ext/codegen/tables"
with (TABLES / "dimse_status.csv").open(newline="", encoding="ascii") as lines:
    ROWS = list(csv.DictReader(lines))


def test_every_row_has_its_category_and_text() -> None:
    for row in ROWS:
        service = row["table"].removesuffix("_STATUS").removesuffix("_SERVICE_CLASS").lower()
        first, last = int(row["first"], 16), int(row["last"], 16)
        for code in {first, (first + last) // 2, last}:
            status = Status(code)
            assert status.category == row["category"], row
            narrower = [
                other
                for other in ROWS
                if other["table"] == row["table"] and int(other["first"], 16) <= code <= int(other["last"], 16)
            ]
            if narrower == [row]:
                assert status.describe(service) == (row["description"] or row["category"])


@given(st.integers(0, 0xFFFF))
def test_every_code_has_exactly_one_category(code: int) -> None:
    status = Status(code)
    claims = {
        StatusCategory.SUCCESS: status.is_success,
        StatusCategory.PENDING: status.is_pending,
        StatusCategory.WARNING: status.is_warning,
        StatusCategory.FAILURE: status.is_failure,
        StatusCategory.CANCEL: status.is_cancel,
    }
    assert [category for category, claim in claims.items() if claim] == [status.category]
    assert status.describe()
    assert status == code


@pytest.mark.parametrize("code", [-1, 0x10000])
def test_a_status_has_16_bits(code: int) -> None:
    with pytest.raises(ValueError, match="16 bits"):
        Status(code)


def test_a_status_shows_its_code_and_survives_pickling() -> None:
    status = Status.OUT_OF_RESOURCES
    assert repr(status) == "Status(0xA700)"
    assert str(status) == "0xA700 (Failure)"
    assert pickle.loads(pickle.dumps(status)) is not None
    assert type(pickle.loads(pickle.dumps(status))) is Status


def test_levels_and_priorities_are_the_wire_values() -> None:
    assert [str(level) for level in Level] == ["PATIENT", "STUDY", "SERIES", "IMAGE"]
    assert {priority.name: int(priority) for priority in Priority} == {"MEDIUM": 0, "HIGH": 1, "LOW": 2}

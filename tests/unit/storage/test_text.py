"""Values in the form in which they are compared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pacskit.storage.matching import _like
from pacskit.storage.text import datetime_bounds, integer, name_groups, prefix_end, split_range, time_bounds
from tests.oracles import matching as oracle


def test_a_date_time_has_bounds_in_utc() -> None:
    assert datetime_bounds("2020") == ("20200101000000.000000", "20201231235959.999999")
    assert datetime_bounds("202002") == ("20200201000000.000000", "20200229235959.999999")
    assert datetime_bounds("20200131") == ("20200131000000.000000", "20200131235959.999999")
    assert datetime_bounds("2020013123+0100") == ("20200131220000.000000", "20200131225959.999999")
    assert datetime_bounds("20200101003000-0930") == ("20200101100000.000000", "20200101100000.999999")
    assert datetime_bounds("20200101003000.25") == ("20200101003000.250000", "20200101003000.259999")
    assert datetime_bounds("99991231") == ("99991231000000.000000", "99991231235959.999999")
    for wrong in ("", "20201", "20201301", "2020+1500", "2020-1201", "00010101+0100", "x"):
        assert datetime_bounds(wrong) is None


def test_ranges_are_told_from_offsets() -> None:
    assert split_range("DT", "20200101-20200201") == ("20200101", "20200201")
    assert split_range("DT", "20200101-0500") is None
    assert split_range("DT", "20200101-0500-20200201-0500") == ("20200101-0500", "20200201-0500")
    assert split_range("DT", "2020-2021") == ("2020", "2021")
    assert split_range("DT", "-20200101+0100") == ("", "20200101+0100")
    assert split_range("DT", "20200101-") == ("20200101", "")
    assert split_range("DA", "20200101 - 20200201") == ("20200101", "20200201")
    assert split_range("TM", "10-") == ("10", "")
    assert split_range("DA", "20200101") is None


def test_times() -> None:
    assert time_bounds("10:30:15") == ("103015.000000", "103015.999999")
    assert time_bounds("103015.5") == ("103015.500000", "103015.599999")
    for wrong in ("", "1", "24", "1060", "101061", "10.5", "1030.5", "٣٣"):
        assert time_bounds(wrong) is None


def test_integers_that_an_index_can_hold() -> None:
    assert [integer(one) for one in ("7", " -7 ", "+007", "", "7.0", "x", "9" * 19, "٣", "--1")] == [
        7, -7, 7, None, None, None, None, None, None,
    ]  # fmt: skip


def test_names() -> None:
    assert name_groups("Dvořák^Antonín^^^") == ("dvorak^antonin", "", "")
    assert name_groups("a=b=c=d") == ("a", "b", "c")
    assert name_groups("=が") == ("", "が", "")  # a voiced kana is not an accent


@given(prefix=st.text(min_size=1), other=st.text())
def test_what_begins_with_a_prefix_comes_before_its_end(prefix: str, other: str) -> None:
    end = prefix_end(prefix)
    within = prefix <= other and (end is None or other < end)
    assert within == other.startswith(prefix)
    assert prefix <= prefix + other
    assert end is None or prefix + other < end


@given(pattern=st.text("ab*?[]", max_size=8), text=st.text("ab[]", max_size=8))
def test_wild_cards(pattern: str, text: str) -> None:
    assert _like(pattern, text) == oracle.wild(pattern, text)


def test_wild_cards_take_no_exponential_time() -> None:
    assert not _like("*a" * 500 + "b", "a" * 5000)

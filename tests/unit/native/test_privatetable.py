"""The private dictionary against the table it was made from, and against pydicom's."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import get_private_entry

from pacskit.core.errors import EncodeError
from pacskit_ext._privatetable import PrivateDictionary, name_of, vr_code
from tests.foreign import wheel_files

ROOT = Path(__file__).resolve().parents[3]
TABLE: dict[str, dict[str, list[str]]] = json.loads(
    (ROOT / "pacskit_ext/codegen/tables/private_dictionary.json").read_text("utf-8")
)
SPELLED = {"OB_OW": "OB or OW"}


def names_a_creator(pattern: str) -> bool:
    """Rows such as 001910xx, "Private Element Creator": they are (0019,0010), not data."""
    return pattern.endswith("xx")


def tag_of(pattern: str) -> int:
    """A tag that the pattern fits, in a block of its own choosing."""
    if "x" not in pattern and int(pattern[4:], 16) >= 0x1000:
        return int(pattern, 16)
    if pattern[2:6] == "xxxx":
        return int(f"{pattern[:2]}11{0x37:02X}{pattern[6:]}", 16)
    return int(f"{pattern[:4]}{0x37:02X}{pattern[6:]}", 16)


def test_every_row_is_found_by_creator_and_tag() -> None:
    dictionary = PrivateDictionary()
    wrong = []
    count = 0
    for creator, rows in TABLE.items():
        for pattern, (vr, vm, name, *_) in rows.items():
            if names_a_creator(pattern):
                continue
            count += 1
            found = dictionary.entry(creator, tag_of(pattern))
            if found != (SPELLED.get(vr, vr), vm, name):
                wrong.append((creator, pattern, found))
    assert wrong == []
    assert count > 10_700
    assert len({row[:2] for row in dictionary}) == len(dictionary) == count - 1  # one row stands there twice


def test_every_row_of_pydicom_is_ours() -> None:
    dictionary = PrivateDictionary()
    wrong = []
    for creator, rows in private_dictionaries.items():
        for pattern in rows:
            if names_a_creator(pattern):
                continue
            tag = int(pattern.replace("xxxx", "1137").replace("xx", "37"), 16)
            vr, vm, name, _ = get_private_entry(tag, creator)
            if tag & 0xFFFF >= 0x1000 and dictionary.entry(creator, tag) != (SPELLED.get(vr, vr), vm, name):
                wrong.append((creator, pattern))
    assert wrong == []


@given(
    st.sampled_from(sorted(private_dictionaries)), st.integers(0, 0x7FFF), st.integers(0x10, 0xFF), st.integers(0, 255)
)
def test_other_tags_are_found_where_pydicom_finds_them(creator: str, half: int, block: int, offset: int) -> None:
    tag = (half * 2 + 1) << 16 | block << 8 | offset
    try:
        vr, vm, name, _ = get_private_entry(tag, creator)
    except KeyError:
        by_offset = TABLE[creator].get(f"{tag >> 16:04X}00{offset:02X}")  # the offset alone, which pydicom never finds
        expected = (by_offset[0], by_offset[1], by_offset[2]) if by_offset else None
    else:
        expected = (SPELLED.get(vr, vr), vm, name)
    assert PrivateDictionary().entry(creator, tag) == expected


@given(st.text(max_size=70), st.integers(0, 0xFFFFFFFF))
def test_an_unknown_creator_is_unknown(creator: str, tag: int) -> None:
    if creator not in TABLE:
        assert PrivateDictionary().entry(creator, tag) is None
        assert vr_code(None, creator, tag) == 0x4E55
        assert name_of(None, creator, tag) == "Private tag data"


def test_own_rows_come_first_and_stay_their_own() -> None:
    mine = PrivateDictionary().add("SIEMENS CSA HEADER", "0029xx10", "UT", "1", "Mine")
    assert mine.entry("SIEMENS CSA HEADER", 0x00291010) == ("UT", "1", "Mine")
    assert mine.entry("SIEMENS CSA HEADER", 0x00291020) == ("OB", "1", "CSA Series Header Info")
    assert PrivateDictionary().entry("SIEMENS CSA HEADER", 0x00291010) == ("OB", "1", "CSA Image Header Info")
    assert "ACME" not in mine
    assert "SIEMENS CSA HEADER" in PrivateDictionary()
    assert PrivateDictionary(standard=False).entry("SIEMENS CSA HEADER", 0x00291010) is None


def test_the_exact_tag_is_before_the_offset_and_the_offset_before_the_wide_pattern() -> None:
    acme = PrivateDictionary(standard=False)
    acme.add("ACME", "60xxxx01", "LO").add("ACME", "6011xx01", "SH").add("ACME", "(6011,1201)", "US")
    assert [acme.entry("ACME", tag)[0] for tag in (0x60111201, 0x60111001, 0x60131001)] == ["US", "SH", "LO"]  # type: ignore[index]
    assert sorted(row[1:3] for row in acme) == [("60111201", "US"), ("6011xx01", "SH"), ("60xxxx01", "LO")]


def test_merging_makes_a_third() -> None:
    one = PrivateDictionary(standard=False).add("ACME", "0011xx01", "DS").add("ACME", "0011xx02", "DS")
    two = PrivateDictionary(standard=False).add("ACME", "0011xx01", "IS").add("BETA", "0011xx01", "PN")
    both = one.merged(two)
    assert [both.entry(*key) for key in (("ACME", 0x00111001), ("ACME", 0x00111002), ("BETA", 0x00111001))] == [
        ("IS", "1", "Unknown"),
        ("DS", "1", "Unknown"),
        ("PN", "1", "Unknown"),
    ]
    both.add("ACME", "0011xx02", "US")
    assert one.entry("ACME", 0x00111002) == ("DS", "1", "Unknown")
    assert list(pickle.loads(pickle.dumps(both))) == list(both)


@pytest.mark.parametrize("pattern", ["0010xx10", "0011xx", "00110010", "0011xxxx", "00x1xx10", "hello", "", "0011xx1G"])
def test_a_pattern_that_names_no_private_elements_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is no pattern"):
        PrivateDictionary().add("ACME", pattern, "LO")


@pytest.mark.parametrize("creator", ["", "  ", "A\\B", "A" * 65])
def test_a_creator_that_is_no_lo_is_refused(creator: str) -> None:
    with pytest.raises(ValueError, match="is no private creator"):
        PrivateDictionary().add(creator, "0011xx10", "LO")


def test_a_vr_that_is_none_is_refused() -> None:
    with pytest.raises(EncodeError):
        PrivateDictionary().add("ACME", "0011xx10", "XX")


def test_the_table_is_loaded_by_nobody_who_does_not_need_it() -> None:
    import pydicom

    def has_private(path: Path) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return any(element.tag.is_private for element in pydicom.dcmread(path, force=True))

    plain = next(path for path in wheel_files(50_000) if path.name == "MR_small.dcm" or not has_private(path))
    code = (
        "import sys\nfrom pacskit.encoding import dcmread\nimport pacskit.core.private\n"
        f"dataset = dcmread({str(plain)!r}, force=True)\n"
        "values = [element.value for element in dataset if not element.is_private]\n"
        "assert 'pacskit_ext._privatetable' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr

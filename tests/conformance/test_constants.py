"""Every tag and every UID that we know against newer tables of PS3.6, and every one of theirs against ours.

The tables are a folder beside the corpus, or ``PACSKIT_STANDARD``: what is in them and not in the edition that we
generate from (PS3.6 2024c) is listed here, with everything else that differs.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from pacskit.core import dictionary, uids
from pacskit.core.uid import UID
from pacskit_ext import _tagtable
from pacskit_ext._uid import iter_uids
from tests.conftest import ROOT, corpus_folder

pytestmark = pytest.mark.corpus

# Attributes of the editions after 2024c: group, elements.
NEWER = (
    ("0008", "001D 114C 114D 1301 1302 1303 1304"),
    ("0010", "0011 0012 0013 0014 0015 0016 0041 0042 0043 0044 0045 0046 0047 2162"),
    ("0014", "4101 4102 4103 4104 4105 4106 4107 4108 4109 410A 410B 410C 6001 6002 6003 6004 6005 6006 6007 6008"),
    ("0014", "6009 600A 600B 600C 600D 600E 600F 6010 6011 6012 6013 6014 6015 6016 6017 6018 6019 601A 601B 601C"),
    ("0014", "601D 601E 601F 6020 6021 6022 6023 6024 6025 6026 6027 6028 6029 602A 602B 602C 602D 602E 602F 6030"),
    ("0014", "6031 6032 6033 6034 6035 6036 6037 6038 6039 603A 603B 603C 603D 603E 603F 6040 6041 6042 6043 6044"),
    ("0014", "6045 6046 6047 6048 6049 604A 604C 604D 604E 604F 6050 6051 6052 6053 6056 6057 6059 605A 605B 605C"),
    ("0014", "605D 605E 605F 6060"),
    ("0018", "9390 9391 9392"),
    ("0022", "1623 1627 1629 1632 1633 1634"),
    ("0040", "A034 A035 B030 B031 B032 B033 B034 B035 B036 B037 B038 B039 B03A B03B B03C B03D B03E B03F B040 B041"),
    ("0040", "B042"),
    ("0044", "0110"),
    ("0048", "0304"),
    ("0066", "0005"),
    ("3002", "0136"),
    ("3004", "0016 0020 0021 0022 0023 0024 0080 0081 0082 0083 0084"),
    ("300A", "0135 02EC 039B 039C"),
)
NEWER_TAGS = {group + element for group, elements in NEWER for element in elements.split()}

# What a later edition changed: tag, column, ours, theirs.
CHANGED = {
    ("00102160", "retired", "", "Retired"): "retired after 2024c",
    ("30040012", "retired", "Retired", ""): "retired in 2024c by pydicom's table alone; DCMTK's and 2024d's have it",
    ("003A0320", "keyword", "SummarizedFilterLookupTable", "SummarizedFilterLookupTableSequence"): "corrected later",
    ("003A0325", "keyword", "AnalogFilterType", "AnalogFilterTypeCodeSequence"): "corrected later",
    ("00180061", "name", "", "Retired-blank"): "a retired element without name or keyword in PS3.6",
    ("04000315", "name", "", "Retired-blank"): "a retired element without name or keyword in PS3.6",
    ("300A0782", "name", "", "Retired-blank"): "a retired element without name or keyword in PS3.6",
}

NEWER_UIDS = {
    "1.2.840.10008.5.1.4.1.1.601.3": "ThermographyImageStorage",
    "1.2.840.10008.5.1.4.1.1.601.4": "ThermographyMultiFrameImageStorage",
    "1.2.840.10008.5.1.4.1.1.601.5": "UltrasoundWaveformStorage",
}
# Of a kind that no published package lists: context groups of PS3.16, which are no constants here.
UNLISTED_KIND = "Context Group Name"
# Transfer syntaxes of vendors, which PS3.6 does not have.
OF_VENDORS = {"1.2.826.0.1.3680043.2.494.1.1", "1.2.840.113619.5.2"}


@pytest.fixture(scope="module")
def tables() -> Path:
    named = os.environ.get("PACSKIT_STANDARD")
    corpus = corpus_folder()
    beside = corpus.parent / "standard" if corpus else ROOT.parent / "shared" / "standard"
    folder = Path(named) if named else beside
    if not (folder / "dictionary.csv").is_file():
        pytest.skip("no tables of PS3.6: set PACSKIT_STANDARD to a folder with dictionary.csv and uids.csv")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def ours(tag: str) -> dict[str, str] | None:
    """Our row of a tag, or of the first of a repeating group."""
    found = dictionary.entry_for(int(tag.replace("x", "0"), 16))
    if found is None:
        return None
    retired = "Retired" if found.is_retired else ""
    return {"keyword": found.keyword, "name": found.name, "vr": found.vr, "vm": found.vm, "retired": retired}


def test_every_attribute_is_that_of_the_newer_table(tables: Path) -> None:
    missing, changed = set(), set()
    table = rows(tables / "dictionary.csv")
    for row in table:
        mine = ours(row["tag"])
        if mine is None:
            missing.add(row["tag"])
            continue
        # A pattern such as 0028xx01 may have an exact row before it: then that row is looked at on its own.
        exact = "x" not in row["tag"] or row["tag"].replace("x", "0") not in {one["tag"] for one in table}
        for column, value in mine.items():
            theirs = row[column] if column != "retired" else "Retired" if row["retired"] else ""
            if value != theirs and exact:
                changed.add((row["tag"], column, value, theirs))
    assert missing == NEWER_TAGS
    assert changed == set(CHANGED)


def test_every_attribute_of_ours_is_in_the_newer_table(tables: Path) -> None:
    theirs = {row["tag"] for row in rows(tables / "dictionary.csv")}
    mine = {f"{tag:08X}" for tag in _tagtable.iter_tags()}
    assert len(mine) > 5000
    assert mine - theirs == set()
    assert {dictionary.tag_for(word) for word in dictionary.iter_keywords()} <= {int(tag, 16) for tag in mine}


def test_every_uid_is_that_of_the_newer_table(tables: Path) -> None:
    theirs = {row["uid"]: row for row in rows(tables / "uids.csv")}
    mine = {str(uid): uid for uid in iter_uids()}
    missing = {uid: row for uid, row in theirs.items() if uid not in mine}
    assert {uid: row["keyword"] for uid, row in missing.items() if row["type"] != UNLISTED_KIND} == NEWER_UIDS
    assert mine.keys() - theirs.keys() == OF_VENDORS
    wrong = []
    for uid in mine.keys() & theirs.keys():
        row, one = theirs[uid], UID(uid)
        same = (one.keyword, one.name, one.type) == (row["keyword"], row["name"], row["type"])
        constant = getattr(uids, one.keyword) if one.keyword else uid
        if not same or one.is_retired != bool(row["retired"]) or constant != uid:
            wrong.append((uid, one.name, row))
    assert wrong == []

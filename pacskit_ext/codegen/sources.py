"""The committed tables of the standard, read into plain records and checked."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLES = Path(__file__).resolve().parent / "tables"

PSEUDO_VRS = {"US or SS": "xs", "OB or OW": "ox", "US or SS or OW": "xw", "US or OW": "uw", "NONE": "na"}


@dataclass(frozen=True)
class Element:
    """A row of PS3.6 tables 6-1, 7-1, 8-1, 9-1 or PS3.7 E.1; ``pattern`` has ``x`` where any digit fits."""

    pattern: str
    keyword: str
    name: str
    vr: str
    vm: str
    retired: bool

    @property
    def repeats(self) -> bool:
        return "x" in self.pattern

    @property
    def tag(self) -> int:
        """The tag, with 0 for each open digit."""
        return int(self.pattern.replace("x", "0"), 16)

    @property
    def mask(self) -> int:
        return int("".join("0" if digit == "x" else "F" for digit in self.pattern), 16)

    @property
    def vr_code(self) -> str:
        return PSEUDO_VRS.get(self.vr, self.vr)


@dataclass(frozen=True)
class Uid:
    """A row of PS3.6 table A-1; ``encoding`` is set for transfer syntaxes."""

    uid: str
    keyword: str
    name: str
    type: str
    info: str
    retired: bool
    encoding: dict[str, Any] | None


@dataclass(frozen=True)
class Status:
    """A range of DIMSE statuses in one service class (PS3.4, PS3.7 annex C)."""

    service: str
    first: int
    last: int
    category: str
    description: str


@dataclass(frozen=True)
class Source:
    """Everything that the generators read."""

    elements: list[Element]
    uids: list[Uid]
    statuses: list[Status]
    services: dict[str, dict[str, str]]


def _rows(name: str) -> list[dict[str, str]]:
    with (TABLES / name).open(newline="", encoding="ascii") as lines:
        return list(csv.DictReader(lines))


def _elements() -> list[Element]:
    rows = [
        Element(row["tag"], row["keyword"], row["name"], row["vr"], row["vm"], bool(row["retired"]))
        for row in _rows("dictionary.csv")
    ]
    rows.sort(key=lambda element: (element.tag, element.repeats))
    return rows


def _uids(services: dict[str, dict[str, str]]) -> list[Uid]:
    syntaxes = json.loads((TABLES / "transfer_syntaxes.json").read_text("ascii"))
    found = {
        row["uid"]: Uid(
            row["uid"],
            row["keyword"],
            row["name"],
            row["type"],
            row["info"],
            bool(row["retired"]),
            syntaxes.get(row["uid"]) if row["type"] == "Transfer Syntax" else None,
        )
        for row in _rows("uids.csv")
    }
    for uid, facts in syntaxes.items():  # the private syntaxes whose encoding is known
        if uid not in found:
            found[uid] = Uid(uid, facts["keyword"], facts["name"], "Transfer Syntax", "", facts["retired"], facts)
    for group in services.values():  # SOP classes newer than the UID table
        for uid, keyword in group.items():
            if uid not in found:
                found[uid] = Uid(uid, keyword, _spaced(keyword), "SOP Class", "", False, None)
    keywords = [uid.keyword for uid in found.values() if uid.keyword]
    if len(keywords) != len(set(keywords)):
        raise ValueError("two UIDs share a keyword")
    return sorted(found.values(), key=lambda uid: [int(part) for part in uid.uid.split(".")])


def _spaced(keyword: str) -> str:
    """``LabelMapSegmentationStorage`` → ``Label Map Segmentation Storage``."""
    return "".join(
        f" {char}" if i and char.isupper() and not keyword[i - 1].isupper() else char for i, char in enumerate(keyword)
    )


def load() -> Source:
    """Read every table."""
    services = json.loads((TABLES / "service_sop_classes.json").read_text("ascii"))
    statuses = [
        Status(row["table"], int(row["first"], 16), int(row["last"], 16), row["category"], row["description"])
        for row in _rows("dimse_status.csv")
    ]
    return Source(_elements(), _uids(services), statuses, services)

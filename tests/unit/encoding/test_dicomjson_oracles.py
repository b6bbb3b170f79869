"""DICOM JSON of real files: what pydicom and DCMTK make of them, and what comes back."""

from __future__ import annotations

import base64
import csv
import json
import math
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, PacsError, TruncatedError
from pacskit.encoding import TransferSyntax, dcmread
from tests.conftest import Dcmtk
from tests.foreign import wheel_files
from tests.oracles.textforms import data_set_differences, json_differences

BIG = TransferSyntax.EXPLICIT_VR_BIG_ENDIAN

# ---- pydicom ----------------------------------------------------------------------------------------------------

# Every way in which pydicom's JSON differs, and what the standard says.
EXPLAINED_PYDICOM = {
    "group length": "PS3.18 F.2.2: group lengths are not included. pydicom includes them",
    "empty sequence": "PS3.18 F.2.5: an attribute of no value has no Value. pydicom has an empty array",
    "empty value": 'PS3.18 F.2.5: an empty value among several is null. pydicom has ""',
    "byte order": "PS3.18 F.2.7, F.3.1: the bytes are those of little endian. pydicom gives the file's",
    "private": "PS3.5 6.2.2: UN is what was read; pydicom looks the VR up in the dictionaries of vendors",
    "UN in big endian": "PS3.5 6.2.2: UN is little endian whatever the data set is. pydicom turns the numbers round",
    "padding": "PS3.5 6.2: leading and trailing spaces of a CS mean nothing. pydicom keeps the leading ones",
}


def reason_pydicom(tag: str, ours: Any, theirs: Any, big: bool) -> str | None:
    """Which of the known differences this is."""
    last = tag.rpartition(".")[2]
    if last.endswith("0000") and ours is None:
        return "group length"
    if ours is None or theirs is None:
        return None
    if ours == {"vr": "SQ"} and theirs == {"vr": "SQ", "Value": []}:
        return "empty sequence"
    if int(last[:4], 16) & 1 and ours["vr"] == "UN" != theirs["vr"]:
        return "private"
    if ours["vr"] != theirs["vr"]:
        return None
    if "InlineBinary" in ours and big:
        mine, other = (base64.b64decode(one["InlineBinary"]) for one in (ours, theirs))
        return "byte order" if mine[::2] == other[1::2] or mine == other[::-1] else None
    mine, other = ours.get("Value", []), theirs.get("Value", [])
    if big and int(last[:4], 16) & 1 and len(mine) == len(other) and ours["vr"] in ("SL", "UL", "SS", "US", "FL", "FD"):
        return "UN in big endian"
    if [value or "" for value in mine] == other:
        return "empty value"
    if ours["vr"] == "CS" and [value or "" for value in mine] == [value.strip(" ") for value in other]:
        return "padding"
    return None


def compare_with_pydicom(path: Path) -> Iterator[str]:
    try:
        ours = dcmread(path, force=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = json.loads(json.dumps(pydicom.dcmread(path, force=True).to_json_dict()))
    except (TruncatedError, ValueError):
        return  # tests/corpus has these
    big = ours.transfer_syntax == BIG
    for tag, mine, other in json_differences(ours.to_json_dict(keep_character_set=True), theirs):
        if reason_pydicom(tag, mine, other, big) not in EXPLAINED_PYDICOM:
            yield f"{path.name} {tag}: {mine!s:.80} and {other!s:.80}"


def round_trips(path: Path) -> Iterator[str]:
    """What is lost between a file and what its JSON says; and between what was read and what was made."""
    try:
        ds = dcmread(path, force=True)
        text = ds.to_json()
        back = Dataset.from_json(text)
    except (TruncatedError, DecodeError) as error:
        if path.name != "badVR.dcm" and not isinstance(error, TruncatedError):
            yield f"{path.name} {error}"
        return
    for difference in data_set_differences(ds, back, big=ds.transfer_syntax == BIG):
        yield f"{path.name} {difference}"
    if back.to_json() != text and "SpecificCharacterSet" in ds:
        yield f"{path.name} another text from the data set that was made"


def test_pydicoms_files_are_what_pydicom_says_and_come_back() -> None:
    assert [line for path in wheel_files() for line in (*compare_with_pydicom(path), *round_trips(path))] == []


def corpus_files(corpus: Path, largest: int) -> list[Path]:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["readable_by_pydicom"] == "yes"]
    return [corpus / row["file"] for row in rows if int(row["size"]) <= largest]


@pytest.mark.corpus
def test_the_corpus_is_what_pydicom_says_and_comes_back(corpus: Path) -> None:
    wrong = [line for path in corpus_files(corpus, 1_000_000) for line in compare_with_pydicom(path)]
    wrong += [line for path in corpus_files(corpus, 50_000_000) for line in round_trips(path)]
    assert wrong == []


def test_pydicom_reads_what_we_write() -> None:
    for path in wheel_files(100_000):
        try:
            ds = dcmread(path, force=True)
        except TruncatedError:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pydicom.Dataset.from_json(ds.to_json(suppress_invalid_tags=True))
        lost = {tag for tag in ds.tags() if tag & 0xFFFF} - set(map(int, theirs.keys()))
        assert lost == ({0x00280008} if path.name == "badVR.dcm" else set()), path.name


# ---- DCMTK ------------------------------------------------------------------------------------------------------

EXPLAINED_DCMTK = {
    "precision": "PS3.5 6.2: DCMTK writes FL with 9 digits, FD with 17: the same float, other digits",
    "private": "PS3.5 6.2.2: UN is what was read; DCMTK looks the VR up in the dictionaries of vendors",
    "item character set": "PS3.18 F.2.2: all the text is UTF-8. DCMTK says so at the top, not in items",
    "empty character set": "PS3.18 F.2.5: what is empty stays empty. DCMTK fills it in",
    "delimiters": "PS3.5 6.2.1.1: trailing delimiters of a name may be left out. DCMTK does, we keep the text",
    "padding": "PS3.18 F.2.7, CP-1920: bytes are not padded in JSON. DCMTK pads",
    "odd digits": "PS3.18 F.2.3: text where a number would lose digits. DCMTK has the number",
}


def same_float(one: Any, other: Any) -> bool:
    return isinstance(one, (int, float)) and isinstance(other, (int, float)) and math.isclose(one, other, rel_tol=1e-8)


def stripped(value: Any) -> Any:
    if isinstance(value, dict):
        value = {group: name.rstrip("^") for group, name in value.items() if name.strip("^")}
    return value or None


def reason_dcmtk(tag: str, ours: Any, theirs: Any) -> str | None:
    """Which of the known differences this is."""
    last = tag.rpartition(".")[2]
    if ours is None or theirs is None:
        return None
    if int(last[:4], 16) & 1 and ours["vr"] == "UN" != theirs["vr"]:
        return "private"
    if ours["vr"] != theirs["vr"]:
        return None
    if last == "00080005":
        return "item character set" if "." in tag else "empty character set" if "Value" not in ours else None
    mine, other = ours.get("Value", []), theirs.get("Value", [])
    if ours["vr"] in ("FL", "FD") and all(same_float(a, b) for a, b in zip(mine, other, strict=True)):
        return "precision"
    if ours["vr"] == "PN" and [s for v in mine if (s := stripped(v))] == [s for v in other if (s := stripped(v))]:
        return "delimiters"
    if "InlineBinary" in ours:
        padded = base64.b64decode(ours["InlineBinary"]) + b"\0"
        return "padding" if padded == base64.b64decode(theirs.get("InlineBinary", "")) else None
    if ours["vr"] == "DS" and [float(value or 0) for value in mine] == [float(value or 0) for value in other]:
        return "odd digits"
    return None


@pytest.mark.interop
@pytest.mark.corpus
def test_the_corpus_is_what_dcm2json_says(corpus: Path, dcmtk: Dcmtk) -> None:
    wrong, compared = [], 0
    for path in corpus_files(corpus, 200_000)[::2]:
        command = [dcmtk.tool("dcm2json"), "-q", "-fc", str(path)]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        try:
            theirs = json.loads(done.stdout)
            ours = dcmread(path, force=True).to_json_dict()
        except (PacsError, ValueError):
            continue  # compressed pixels, sets of characters and files that DCMTK does not take
        compared += 1
        for tag, mine, other in json_differences(ours, theirs):
            if reason_dcmtk(tag, mine, other) not in EXPLAINED_DCMTK:
                wrong.append(f"{path.name} {tag}: {mine!s:.80} and {other!s:.80}")
    assert wrong == []
    assert compared > 50

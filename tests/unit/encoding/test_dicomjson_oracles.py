"""DICOM JSON of real files: what pydicom makes of them, and what comes back. The corpus is in tests/corpus."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, TruncatedError
from pacskit.encoding import TransferSyntax, dcmread
from tests.foreign import wheel_files
from tests.oracles.differences import json_reason_pydicom
from tests.oracles.textforms import data_set_differences, json_differences

BIG = TransferSyntax.EXPLICIT_VR_BIG_ENDIAN


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
        if json_reason_pydicom(tag, mine, other, big) is None:
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
def test_the_corpus_comes_back(corpus: Path) -> None:
    assert [line for path in corpus_files(corpus, 50_000_000) for line in round_trips(path)] == []


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

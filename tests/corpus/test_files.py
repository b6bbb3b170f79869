"""Every real file: read as pydicom reads it, written back byte for byte, cut anywhere without harm."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.dataset import Dataset
from pacskit.core.element import DataElement
from pacskit.core.errors import DecodeError, TruncatedError
from pacskit.encoding import dcmread, dcmwrite, encode
from tests.oracles.differences import INVALID, TRUNCATED

pytestmark = pytest.mark.corpus

# Private attributes of VR UN, resolved by their creator's dictionary: UN is little endian in every data set (PS3.5
# 6.2.2), where pydicom takes the order of the data set. The file that each was made from says who is right.
_IMAGE = "cornerstoneWADOImageLoader/examples/test-images/CTImage.dcm"
BIG_UNKNOWN = {f"{_IMAGE}_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm": _IMAGE}


def rows(corpus: Path) -> list[str]:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return [row["file"] for row in csv.DictReader(file) if row["readable_by_pydicom"] == "yes"]


def plain(value: Any) -> Any:
    """A value without the types that each library has of its own; trailing blanks carry nothing (PS3.5 6.2)."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return [plain(one) for one in value]
    if isinstance(value, (int, float)):
        return float(value)
    return str(value).rstrip(" ")


def explained(element: DataElement, theirs: Any) -> bool:
    """Whether the VRs differ for a reason that is known.

    A group length is UL (PS3.5 7.2), for pydicom UN where implicit VR left it open.
    """
    return element.tag.element == 0 and element.VR == "UL" and theirs.VR == "UN"


def differences(ours: Dataset, theirs: Any, name: str) -> Iterator[str]:
    assert [int(element.tag) for element in ours] == sorted(map(int, theirs.keys()))
    for element in ours:
        if (name, int(element.tag)) in INVALID:
            with pytest.raises(DecodeError):
                element.value  # noqa: B018
            continue
        their = theirs[int(element.tag)]
        if element.VR != their.VR:
            if not explained(element, their):
                yield f"{element.tag} VR {element.VR}, not {their.VR}"
        elif element.VR == "SQ":
            assert len(element.value) == len(their.value)
            for one, other in zip(element.value, their.value, strict=True):
                yield from differences(one, other, name)
        elif element.is_private and name in BIG_UNKNOWN:
            continue
        elif plain(element.value) != plain(their.value) and plain(element.value) == plain(element.value):
            yield f"{element.tag} {element.VR} {element.value!r}, not {their.value!r}"


def test_every_element_is_what_pydicom_reads(corpus: Path) -> None:
    import pydicom

    wrong: list[str] = []
    for name in rows(corpus):
        if name in TRUNCATED:
            with pytest.raises(TruncatedError):
                dcmread(corpus / name, force=True)
            continue
        ours = dcmread(corpus / name, force=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pydicom.dcmread(corpus / name, force=True)
            wrong += [f"{name}: {difference}" for difference in differences(ours, theirs, name)]
    assert wrong == []


@pytest.mark.parametrize("name", BIG_UNKNOWN)
def test_unknown_values_of_a_big_endian_file_are_those_of_its_original(corpus: Path, name: str) -> None:
    private = [element for element in dcmread(corpus / name) if element.is_private and element.tag.element]
    original = dcmread(corpus / BIG_UNKNOWN[name])
    assert len(private) > 100
    assert [element.value for element in private] == [original[element.tag].value for element in private]


def has_right_head(raw: bytes, body: bytes, dataset: Dataset) -> bool:
    """Whether preamble and meta are what PS3.10 7.1 asks for and agree with the data set."""
    meta = dataset.file_meta
    required = {0x00020000, 0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012}
    return (
        dataset.preamble is not None
        and required <= set(meta.tags())
        and meta.FileMetaInformationGroupLength == len(raw) - len(body) - 128 - 4 - 12
        and meta.MediaStorageSOPInstanceUID == dataset.get("SOPInstanceUID", meta.MediaStorageSOPInstanceUID)
        and meta.MediaStorageSOPClassUID == dataset.get("SOPClassUID", meta.MediaStorageSOPClassUID)
    )


def test_unmodified_files_come_back_byte_for_byte(corpus: Path) -> None:
    same = []
    for name in rows(corpus):
        if name in TRUNCATED:
            continue
        raw = (corpus / name).read_bytes()
        for source in (corpus / name, raw):
            dataset = dcmread(source, force=True)
            assert dataset.transfer_syntax is not None
            body = encode(dataset, dataset.transfer_syntax)
            assert raw.endswith(body), name
            out = io.BytesIO()
            dcmwrite(out, dataset)
            assert out.getvalue().endswith(body), name
            if out.getvalue() == raw:
                same.append(name)
            else:
                assert not has_right_head(raw, body, dataset), name
    assert len(same) > 800

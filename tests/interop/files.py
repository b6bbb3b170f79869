"""The files that the tests send, read by pydicom alone."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom


@dataclass(frozen=True)
class Instance:
    """What pydicom says of a file; ``sha256`` is of the data set bytes alone."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    transfer_syntax: str
    sha256: str


def data_set_bytes(path: Path) -> bytes:
    """The bytes after the File Meta Information."""
    data = path.read_bytes()
    assert data[128:132] == b"DICM"
    return data[_after_meta(data) :]


def _after_meta(data: bytes) -> int:
    """Where group 0002, in Explicit Little Endian, ends (PS3.10 7.1)."""
    at = 132
    while data[at : at + 2] == b"\x02\x00":
        vr = data[at + 4 : at + 6]
        if vr in {b"OB", b"UN", b"OW", b"SQ", b"UT"}:
            at += 12 + int.from_bytes(data[at + 8 : at + 12], "little")
        else:
            at += 8 + int.from_bytes(data[at + 6 : at + 8], "little")
    return at


def sha256(path: Path) -> str:
    return hashlib.sha256(data_set_bytes(path)).hexdigest()


def examine(path: Path) -> Instance:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        names = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
        uids = [str(ds.get(name, "")) for name in names]
        syntax = str(ds.file_meta.get("TransferSyntaxUID", ""))
        return Instance(path, uids[0], uids[1], uids[2], uids[3], syntax, sha256(path))


def wheel_file(name: str) -> Path:
    """A file out of pydicom's wheel."""
    from pydicom.data import get_testdata_file

    found = get_testdata_file(name, download=False)
    assert isinstance(found, str), name
    return Path(found)

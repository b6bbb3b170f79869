"""Damaged files and fragments: the scan sees what the ordinary reader sees, and neither does harm."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacskit.core.config import ReadOptions
from pacskit.core.diagnostics import DiagnosticKind
from pacskit.core.errors import DecodeError, PacsError
from pacskit.encoding import read_part10
from pacskit.encoding.frames import FrameIndex
from pacskit.encoding.scan import scan
from tests.foreign import wheel_files

KEYS = ["PatientName", "StudyInstanceUID", "SeriesNumber", "PixelSpacing", "Rows", "SmallestImagePixelValue"]
TAGS = [*KEYS, "PixelRepresentation"]
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@cache
def seeds() -> list[bytes]:
    return [path.read_bytes() for path in wheel_files(40_000)]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file of pydicom's with some bytes changed, some cut out, some put in."""
    data = bytearray(draw(st.sampled_from(seeds())))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, min(len(data), 4096)))
        what = draw(st.sampled_from(["change", "cut", "insert", "length"]))
        if what == "change":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif what == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif what == "insert":
            data[at:at] = draw(st.binary(max_size=16))
        else:
            data[at : at + 4] = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"]))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


def values(dataset: Any) -> dict[str, Any] | None:
    try:
        return {key: dataset.get(key) for key in KEYS}
    except DecodeError:
        return None


@ONE_FOLDER
@given(data=damaged())
def test_a_scan_sees_what_the_reader_sees(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.dcm"
    path.write_bytes(data)
    (row,) = scan(path, KEYS, workers=1, dicomdirs=True)
    with zipfile.ZipFile(tmp_path / "file.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("file.dcm", data)
    (member,) = scan(tmp_path / "file.zip", KEYS, workers=1, dicomdirs=True)
    assert (member.values, member.transfer_syntax, repr(member.error)) == (
        row.values, row.transfer_syntax, repr(row.error),
    )  # fmt: skip
    try:
        dataset = read_part10(data, specific_tags=TAGS)
    except PacsError:
        return  # the damage may stand after what a scan reads
    found = values(dataset)
    if len(dataset.transfer_syntax or "") > 64:
        assert row.error is not None  # no UID is so long (PS3.5 9.1)
        return
    assert row.transfer_syntax == dataset.transfer_syntax
    if row.values != found or row.error is not None:
        assert found is None or disordered(data)  # a scan may end at what it takes for the last


def disordered(data: bytes) -> bool:
    """Whether tags are not in ascending order, or what says so cannot be read."""
    try:
        return any(one.kind in {DiagnosticKind.ORDER, DiagnosticKind.DOUBLE} for one in read_part10(data).diagnostics)
    except PacsError:
        return True


@pytest.mark.parametrize("ignore_tables", [False, True])
@given(data=damaged())
def test_frames_of_anything_are_bytes_of_it_or_an_error(data: bytes, ignore_tables: bool) -> None:
    try:
        dataset = read_part10(data, force=True, options=ReadOptions(max_elements=100_000))
        index = FrameIndex(dataset, ignore_tables=ignore_tables)
        size = 0
        for n in range(min(len(index), 50)):
            frame = index.frame(n)
            size += len(frame)
            if index.is_encapsulated:
                source = memoryview(dataset.scan.source)  # type: ignore[union-attr]
                parts = [source[span.offset : span.offset + span.length] for span in index.spans(n)]
                assert b"".join(parts) == frame
        assert size <= 8 * len(memoryview(dataset.scan.source))  # type: ignore[union-attr]
    except PacsError:
        return

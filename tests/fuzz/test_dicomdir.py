"""Damaged DICOMDIRs: typed errors or a whole tree, never anything else."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pydicom
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.errors import PacsError
from pacskit.encoding.dicomdir.checks import iter_record_problems
from pacskit.encoding.dicomdir.reader import read_directory
from pacskit.encoding.dicomdir.writer import encode_directory

FOLDER = Path(str(pydicom.__file__)).parent / "data" / "test_files" / "dicomdirtests"


@cache
def seeds() -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in sorted(FOLDER.glob("DICOMDIR*")))


def consume(data: bytes) -> None:
    """Read, look at everything, write again; what was written reads without a complaint about offsets."""
    try:
        found = read_directory(data)
    except PacsError:
        return
    records = list(found.root.walk())
    assert len({id(record) for record in records}) == len(records)
    for one in found.root.iter_instances():
        assert ".." not in (one.file_id or ())
    try:
        list(iter_record_problems(found.root))
        written = encode_directory(found.header, found.root)
    except PacsError:
        return
    again = read_directory(written)
    assert [record.offset for record in again.root.walk()] == [record.offset for record in records]
    assert not again.problems


@given(
    st.sampled_from(range(8)),
    st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=8)), max_size=6),
)
def test_overwritten_bytes(seed: int, patches: list[tuple[int, bytes]]) -> None:
    data = bytearray(seeds()[seed % len(seeds())])
    for place, patch in patches:
        place %= len(data)
        data[place : place + len(patch)] = patch
    consume(bytes(data))


@given(st.sampled_from(range(8)), st.integers(0, 20_000), st.integers(0, 64))
def test_cut_and_joined(seed: int, place: int, missing: int) -> None:
    data = seeds()[seed % len(seeds())]
    place %= len(data)
    consume(data[:place])
    consume(data[:place] + data[place + missing :])


@given(st.lists(st.tuples(st.integers(0, 51), st.integers(0, 51), st.booleans()), max_size=20))
def test_links_to_anywhere(links: list[tuple[int, int, bool]]) -> None:
    data = bytearray((FOLDER / "DICOMDIR").read_bytes())
    places = [record.offset for record in read_directory(bytes(data)).root.walk()]
    for source, target, lower in links:
        at = (places[source] or 0) + (38 if lower else 16)
        data[at : at + 4] = (places[target] or 0).to_bytes(4, "little")
    found = read_directory(bytes(data))
    assert sorted(record.offset or 0 for record in found.root.walk()) == sorted(place or 0 for place in places)
    consume(bytes(data))

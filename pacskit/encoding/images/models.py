"""Whether files of three-dimensional models are what they say: STL, OBJ and MTL."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Final

from pacskit.core.errors import DecodeError, EncodeError, TruncatedError

__all__ = ["check_mtl", "check_obj", "check_stl"]

_HEAD: Final = 84
_FACET: Final = 50
_VERTICES: Final = {b"v": 0, b"vt": 1, b"vn": 2}
_LEAST: Final = {b"v": 3, b"vt": 1, b"vn": 3}
_ELEMENTS: Final = {b"f": 3, b"l": 2, b"p": 1}


def check_stl(data: bytes) -> None:
    """Raise DecodeError unless the data are a binary STL with as many facets as it says and finite coordinates."""
    is_text = data.lstrip().startswith(b"solid")
    if len(data) < _HEAD and not is_text:
        raise TruncatedError("the STL ends in its header", offset=len(data))
    wanted = _HEAD + _FACET * int.from_bytes(data[80:84], "little")
    if len(data) != wanted:
        if is_text:
            raise EncodeError("an STL in ASCII: an object holds a binary one (PS3.3 A.85)")
        kind = TruncatedError if len(data) < wanted else DecodeError
        raise kind(f"the STL has {len(data)} bytes, its facets need {wanted}", offset=80)
    if len(data) == _HEAD:
        raise DecodeError("an STL without facets", offset=80)
    import numpy as np

    facets = np.frombuffer(data, np.dtype([("numbers", "<f4", 12), ("attribute", "<u2")]), offset=_HEAD)
    if not np.isfinite(facets["numbers"]).all():
        raise DecodeError("the STL has coordinates that are not finite", offset=_HEAD)


def _statements(data: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """The words of each line with its offset, lines ending in a backslash joined, comments left out."""
    at, start, held = 0, 0, b""
    for line in data.splitlines(keepends=True):
        text = line.partition(b"#")[0].rstrip()
        start = start if held else at
        at += len(line)
        if text.endswith(b"\\"):
            held += text[:-1] + b" "
            continue
        words = (held + text).split()
        held = b""
        if words:
            yield start, words


def check_obj(data: bytes) -> tuple[str, ...]:
    """Return the material libraries that an OBJ names.

    Raises DecodeError for coordinates that are no numbers and for elements of vertices that are not there.
    """
    counts = [0, 0, 0]
    libraries: list[str] = []
    elements = 0
    for offset, words in _statements(data):
        name = words[0]
        if name in _VERTICES:
            _numbers(words[1:], _LEAST[name], offset)
            counts[_VERTICES[name]] += 1
        elif name in _ELEMENTS:
            if len(words) <= _ELEMENTS[name]:
                raise DecodeError("an element of the OBJ has too few vertices", offset=offset)
            for word in words[1:]:
                _reference(word, counts, offset)
            elements += 1
        elif name == b"mtllib":
            libraries += [word.decode("utf-8", "backslashreplace") for word in words[1:]]
    if not elements:
        raise DecodeError("the OBJ has no faces, lines or points", offset=0)
    return tuple(dict.fromkeys(libraries))


def _numbers(words: list[bytes], least: int, offset: int) -> None:
    try:
        found = [float(word) for word in words]
    except ValueError:
        raise DecodeError("a coordinate of the model is no number", offset=offset) from None
    if len(found) < least or not all(map(isfinite, found)):
        raise DecodeError("a vertex of the model has too few coordinates, or some that are not finite", offset=offset)


def _reference(word: bytes, counts: list[int], offset: int) -> None:
    """One vertex of an element: v, v/vt, v//vn or v/vt/vn, from 1, or backwards from -1."""
    parts = word.split(b"/")
    for number, part in enumerate(parts[:3]):
        if not part and number:
            continue
        try:
            index = int(part)
        except ValueError:
            raise DecodeError("a vertex of the OBJ has no number", offset=offset) from None
        if index == 0 or abs(index) > counts[number]:
            raise DecodeError(f"the OBJ uses vertex {index} of {counts[number]}", offset=offset)


def check_mtl(data: bytes) -> None:
    """Raise DecodeError unless the data are an MTL: statements, the first of which names a material."""
    first = next(_statements(data), None)
    if first is None or first[1][0] != b"newmtl" or len(first[1]) < 2:
        raise DecodeError("an MTL begins with the name of a material", offset=0 if first is None else first[0])
    for offset, words in _statements(data):
        if words[0] in {b"Ka", b"Kd", b"Ks"} and words[1:2] not in ([b"spectral"], [b"xyz"]):
            _numbers(words[1:], 1, offset)

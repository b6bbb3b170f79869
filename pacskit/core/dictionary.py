"""Look-ups in the data dictionary (PS3.6): VR, VM, keyword, name and retirement of an attribute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pacskit_ext import _tagtable

__all__ = [
    "Entry",
    "entry_for",
    "is_retired",
    "iter_keywords",
    "keyword_for",
    "name_for",
    "suggest",
    "tag_for",
    "vm_for",
    "vr_for",
]


class Entry(NamedTuple):
    """A row of the dictionary; ``vr`` may be a choice such as ``US or SS``."""

    vr: str
    vm: str
    keyword: str
    name: str
    is_retired: bool


def entry_for(tag: int) -> Entry | None:
    """Find the row of a tag; group lengths and private creators follow their rules.

    >>> entry_for(0x00100010)
    Entry(vr='PN', vm='1', keyword='PatientName', name="Patient's Name", is_retired=False)
    """
    found = _tagtable.lookup(tag)
    return None if found is None else Entry._make(found)


def _known(tag: int) -> tuple[str, str, str, str, bool]:
    found = _tagtable.lookup(tag)
    if found is None:
        raise KeyError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is not in the dictionary")
    return found


def vr_for(tag: int) -> str:
    """The VR of a tag; KeyError when the standard does not know it."""
    return _known(tag)[0]


def vm_for(tag: int) -> str:
    """The value multiplicity of a tag (``1``, ``1-n``, ``2-2n``); KeyError when the standard does not know it."""
    return _known(tag)[1]


def name_for(tag: int) -> str:
    """The name of a tag; KeyError when the standard does not know it."""
    return _known(tag)[3]


def is_retired(tag: int) -> bool:
    """Whether the standard has retired a tag; KeyError when it does not know it."""
    return _known(tag)[4]


def keyword_for(tag: int) -> str:
    """The keyword of a tag, "" when it has none."""
    return _tagtable.keyword_for(tag)


def tag_for(keyword: str) -> int | None:
    """The tag of a keyword, None when there is none; a repeating group (``OverlayRows``) has no one tag."""
    return _tagtable.tag_for(keyword)


def iter_keywords() -> Iterator[str]:
    """Yield every keyword that names one tag, in the order of the tags."""
    return _tagtable.iter_keywords()


def suggest(keyword: str) -> str | None:
    """The keyword that a misspelt one was probably meant to be, None when nothing is near.

    >>> suggest("PatientsName")
    'PatientName'
    """
    from difflib import get_close_matches

    by_folded = {known.casefold(): known for known in iter_keywords()}
    near = get_close_matches(keyword.casefold(), by_folded, n=1, cutoff=0.8)
    return by_folded[near[0]] if near else None

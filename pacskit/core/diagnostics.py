"""What reading tolerated, with the way to where it was."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pacskit.core.errors import DecodeError
from pacskit.core.paths import name_of
from pacskit.core.tag import Tag
from pacskit_ext._charset import misspelled

if TYPE_CHECKING:
    from pacskit_ext._reader import Scan

__all__ = ["Diagnostic", "DiagnosticKind", "charset_diagnostics", "diagnostics_of"]


class DiagnosticKind(StrEnum):
    """Kinds of departure from PS3.5 and PS3.10."""

    ELEMENT_IMPLICIT = "an element without VR among elements with one"
    LEVEL_IMPLICIT = "no VRs although the transfer syntax has them"
    LEVEL_EXPLICIT = "VRs although the transfer syntax has none"
    ORDER = "a tag that is not above the one before it"
    DOUBLE = "an attribute that is there twice; the last one counts"
    PADDING = "zeros after the last element"
    UNKNOWN_VR = "two capitals that are no VR"
    ODD_LENGTH = "a value of odd length"
    STRAY_DELIMITER = "a delimitation item that belongs to nothing"
    CUT_VALUE = "a value that ends before its length"
    DAMAGED = "what follows does not parse and was left out"
    CHARACTER_SET = "not a defined term of the specific character sets"
    NO_PREFIX = "no preamble and prefix"
    NO_META = "no File Meta Information"
    GUESSED_SYNTAX = "no transfer syntax is named; it was guessed"
    EXCESS_PIXELS = "more pixel data than its frames have"


_KINDS: Final = tuple(DiagnosticKind)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One departure: ``path`` as `Dataset.__getitem__` takes it, ``offset`` in bytes of the source."""

    kind: DiagnosticKind
    path: str
    offset: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        where = [self.path] if self.path else []
        if self.offset is not None:
            where.append(f"offset {self.offset}")
        text = f"{self.kind}: {self.detail}" if self.detail else str(self.kind)
        return f"{text} [{', '.join(where)}]" if where else text

    def error(self) -> DecodeError:
        """The error that strict reading raises for it."""
        text = f"{self.kind}: {self.detail}" if self.detail else str(self.kind)
        return DecodeError(text, offset=self.offset, path=self.path or None)


def _path_of(scan: Scan, tag: int, offset: int) -> str:
    steps = [f"{name_of(Tag(owner))}[{index}]" for owner, index in scan.ancestors(offset)]
    if tag:
        steps.append(name_of(Tag(tag)))
    return ".".join(steps)


def diagnostics_of(scan: Scan) -> list[Diagnostic]:
    """What the scan of a data set tolerated."""
    return [Diagnostic(_KINDS[kind - 1], _path_of(scan, tag, at), at) for kind, tag, at in scan.noted()]


def charset_diagnostics(value: bytes) -> list[Diagnostic]:
    """What is wrong with the terms of (0008,0005), from its bytes."""
    terms = [term.strip(" \0") for term in value.decode("latin-1").split("\\")]
    out = []
    for term, taken in misspelled(terms):
        detail = f"{term!r} was taken for {taken!r}" if taken is not None else f"{term!r} was left out of account"
        out.append(Diagnostic(DiagnosticKind.CHARACTER_SET, "SpecificCharacterSet", None, detail))
    return out

"""Whether a file is a PDF that is whole (ISO 32000-1 7.5)."""

from __future__ import annotations

import re
from typing import Final

from pacskit.core.errors import DecodeError, TruncatedError

__all__ = ["check_pdf"]

_HEAD: Final = re.compile(rb"%PDF-\d\.\d")
_TAIL: Final = 2048


def check_pdf(data: bytes) -> None:
    """Raise DecodeError for what is no PDF, TruncatedError for one whose end is missing; it is not rendered."""
    if not _HEAD.search(data[:1024]):
        raise DecodeError("no PDF: its first kilobyte has no header", offset=0)
    tail = data[-_TAIL:]
    found = re.search(rb"startxref\s+(\d+)\s+%%EOF", tail)
    if found is None:
        raise TruncatedError("the PDF has no end", offset=len(data))
    if int(found[1]) >= len(data):
        raise DecodeError("the cross-reference table of the PDF is said to be behind its end", offset=len(data))

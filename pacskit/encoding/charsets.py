"""Specific character sets by their defined terms (PS3.3 C.12.1.1.2), for those who hold text outside a data set."""

from __future__ import annotations

from pacskit_ext import _charset

__all__ = ["CharacterSet"]


class CharacterSet(_charset.CharacterSet):
    """The character sets of (0008,0005): ``encode`` and ``decode_bytes``.

    >>> CharacterSet(["ISO_IR 192"]).encode("é")
    b'\\xc3\\xa9'
    """

    @staticmethod
    def normal(term: str) -> str:
        """The defined term that a term stands for, or the term in capitals when there is none."""
        found = _charset.misspelled([term])
        return found[0][1] or term.upper() if found else term

"""Sequence, the items of an SQ element."""

from pacskit_ext._element import Sequence

__all__ = ["Sequence"]

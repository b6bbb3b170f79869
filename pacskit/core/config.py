"""Options for reading and writing: values that are passed in, never global settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pacskit_ext._privatetable import PrivateDictionary

__all__ = ["ReadOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Budgets for a data set whose bytes nobody has vouched for.

    Parameters
    ----------
    max_depth
        How deep sequences may nest.
    max_elements
        How many elements, items and fragments there may be in all.
    max_inflated
        How many bytes a deflated data set may become.
    private
        What is known of private attributes (PS3.5 7.8); None for what vendors have published.
    """

    max_depth: int = 128
    max_elements: int = 50_000_000
    max_inflated: int = 2 << 30
    private: PrivateDictionary | None = None

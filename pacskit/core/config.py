"""Options for reading and writing: values that are passed in, never global settings."""

from __future__ import annotations

from dataclasses import dataclass

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
    max_text
        How much JSON or XML one data set may be.
    """

    max_depth: int = 128
    max_elements: int = 50_000_000
    max_inflated: int = 2 << 30
    max_text: int = 2 << 30

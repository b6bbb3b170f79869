"""Options for reading and writing: values that are passed in, never global settings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pacskit.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pacskit_ext._privatetable import PrivateDictionary

__all__ = ["ReadOptions", "Strictness"]


class Strictness(StrEnum):
    """What reading does with a data set that is not as PS3.5 says.

    Whatever is tolerated is a diagnostic of the data set, never a silent repair and never a warning on the screen.
    """

    STRICT = "strict"
    """Raise DecodeError for the first departure."""
    LENIENT = "lenient"
    """Tolerate what loses nothing: order, doubles, padding, wrong or missing VRs. Truncated data is an error."""
    SALVAGE = "salvage"
    """Keep, too, what comes before damage or a premature end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How strictly to read, and budgets for a data set whose bytes nobody has vouched for. Immutable.

    Parameters
    ----------
    strictness
        What to do with a data set that is not as PS3.5 says.
    max_depth
        How deep sequences may nest.
    max_elements
        How many elements, items and fragments there may be in all.
    max_inflated
        How many bytes a deflated data set may become.
    max_ratio
        How many bytes each byte of a deflated data set may become, once it is over 16 MiB. A bomb has about 1000; an
        empty volume may come near that, and needs more than the default.
    max_text
        How much JSON or XML one data set may be.
    max_kept
        How many bytes may be held of a file of which big values are deferred.
    private
        What is known of private attributes (PS3.5 7.8); None for what vendors have published.
    """

    strictness: Strictness = Strictness.LENIENT
    max_depth: int = 128
    max_elements: int = 20_000_000
    max_inflated: int = 2 << 30
    max_ratio: int = 500
    max_text: int = 2 << 30
    max_kept: int = 512 << 20
    private: PrivateDictionary | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "strictness", Strictness(self.strictness))  # its name will do, too
        except ValueError as error:
            raise ConfigurationError(f"{self.strictness!r} is no strictness") from error

"""Small closed sets of the standard."""

from __future__ import annotations

from enum import IntEnum, StrEnum

__all__ = ["Level", "Priority"]


class Level(StrEnum):
    """The query/retrieve levels (PS3.4 C.6), from the root down."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


class Priority(IntEnum):
    """The priority of a DIMSE operation (PS3.7 E.1)."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2

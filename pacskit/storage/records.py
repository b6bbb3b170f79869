"""What the storage layer hands in and out: frozen records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

__all__ = [
    "Commit",
    "Counts",
    "Deletion",
    "DuplicatePolicy",
    "NewInstance",
    "Note",
    "Outcome",
    "Parents",
    "Stored",
    "StoredInstance",
]

Commit = Literal["os", "group", "object"]
"""What an acknowledged object survives, and how: the end of the process (``os``); a power cut too, by syncs that are
shared by all who store at the time, with the row to follow (``group``), or with the row before the answer (``object``).
"""
Value = str | int | bytes | None


class DuplicatePolicy(StrEnum):
    """What happens to an instance whose SOP Instance UID is stored already."""

    REJECT = "reject"
    REPLACE = "replace"
    IGNORE = "ignore"


class Outcome(StrEnum):
    """What became of an instance that was offered."""

    STORED = "stored"
    REPLACED = "replaced"
    IGNORED = "ignored"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """Where an instance is: ``length`` data set bytes from ``offset`` of the blob ``key``."""

    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    key: str
    offset: int
    length: int
    sha256: bytes | None
    correction: int = 0  # of the study, where what it says of the patient is no more what the object says


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an instance; ``instance`` is the one that the archive has now."""

    outcome: Outcome
    instance: StoredInstance | None


@dataclass(frozen=True, slots=True)
class Parents:
    """The columns and encoded attributes of the patient, study and series that an instance names."""

    patient: Mapping[str, Value]
    study: Mapping[str, Value]
    series: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Note:
    """What a rejection note says: the code of its title, and the instances that it names (IHE RAD TF-3 4.66)."""

    code: str
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewInstance:
    """An instance to index.

    ``parents`` is called only when its series is not known yet; ``frames`` is the packed table of its frames.
    """

    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: int | None
    attributes: str
    key: str
    offset: int
    length: int
    sha256: bytes | None
    received: str
    parents: Callable[[], Parents] = field(repr=False)
    frames: bytes | None = field(default=None, repr=False)
    source: str = ""  # calling AE title, called AE title and host, with backslashes between
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much an index holds."""

    patients: int
    studies: int
    series: int
    instances: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a deletion took away."""

    instances: int
    keys: tuple[str, ...]

"""What the upper layer tells its user (the indication and confirmation primitives of PS3.8 section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pacskit.network.pdu import AssociateAccept, AssociateReject, AssociateRequest

__all__ = [
    "Aborted",
    "AssociateConfirmation",
    "AssociateIndication",
    "AssociateRejected",
    "Indication",
    "ReleaseConfirmation",
    "ReleaseIndication",
]


@dataclass(frozen=True, slots=True)
class AssociateIndication:
    """The peer asks for an association; answer with `Machine.accept` or `Machine.reject`."""

    request: AssociateRequest


@dataclass(frozen=True, slots=True)
class AssociateConfirmation:
    """The peer accepted."""

    accept: AssociateAccept


@dataclass(frozen=True, slots=True)
class AssociateRejected:
    """The peer, or our own provider, rejected."""

    reject: AssociateReject


@dataclass(frozen=True, slots=True)
class ReleaseIndication:
    """The peer wants to release; ``collision`` when we asked for it too. Answer with `Machine.respond_release`."""

    collision: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseConfirmation:
    """The peer agreed to our release."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """The association is over. ``source`` is 0 user, 2 provider, None for a lost connection or an expired timer."""

    source: int | None
    reason: int | None = None
    by_us: bool = False
    detail: str = ""


Indication: TypeAlias = (
    AssociateIndication | AssociateConfirmation | AssociateRejected | ReleaseIndication | ReleaseConfirmation | Aborted
)

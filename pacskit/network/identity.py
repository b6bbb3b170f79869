"""Who somebody is, by the user identity item (PS3.7 D.3.3.7, PS3.15 B.4 to B.7)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from pacskit.network.pdu import AssociateReject, AssociateRequest

if TYPE_CHECKING:
    from pacskit.security.channel import TlsInfo

__all__ = ["NOT_IDENTIFIED", "Authenticator", "Identified", "IdentityEvent", "IdentityType", "identify"]

_log = logging.getLogger("pacskit.network")

NOT_IDENTIFIED = AssociateReject(2, 2, 1)
"""Transient, service provider (ACSE), no reason given: with other credentials, or later, it may succeed."""


class IdentityType(IntEnum):
    """PS3.7 table D.3-14."""

    USERNAME = 1
    PASSCODE = 2
    KERBEROS = 3
    SAML = 4
    JWT = 5


@dataclass(frozen=True, slots=True)
class IdentityEvent:
    """What an association requestor says who its user is; ``type`` is None when it says nothing.

    Tokens are passed on as they came, unverified. ``tls`` has the peer's certificate on a connection with TLS.
    """

    type: IdentityType | None
    primary: bytes = field(repr=False)
    secondary: bytes = field(repr=False)
    calling: str
    called: str
    peer: tuple[str, int]
    tls: TlsInfo | None = None

    @property
    def username(self) -> str:
        """The user's name, with types 1 and 2."""
        named = self.type in {IdentityType.USERNAME, IdentityType.PASSCODE}
        return self.primary.decode("utf-8", "replace") if named else ""

    @property
    def passcode(self) -> str:
        """The passcode, with type 2; compare it with `hmac.compare_digest`."""
        return self.secondary.decode("utf-8", "replace") if self.type is IdentityType.PASSCODE else ""

    @property
    def token(self) -> bytes:
        """The Kerberos ticket, SAML assertion or JSON web token, with types 3 to 5."""
        return self.primary if self.type is not None and self.type >= IdentityType.KERBEROS else b""


@dataclass(frozen=True, slots=True)
class Identified:
    """A user that was recognised; ``response`` goes to a requestor of types 3 to 5 that asked for one."""

    name: str
    response: bytes = field(default=b"", repr=False)


class Authenticator(Protocol):
    """Decides who may come in: `Identified` or True for yes, None or False for no.

    It is called for every association, also where the requestor gave no identity, and may block: only that
    association waits. An exception is a no.
    """

    def __call__(self, event: IdentityEvent, /) -> Identified | bool | None: ...


def identify(
    authenticator: Authenticator, request: AssociateRequest, peer: tuple[str, int], tls: TlsInfo | None
) -> Identified | None:
    """Ask ``authenticator`` about a request; None when it may not come in."""
    item = request.user.identity
    kind = None
    if item is not None:
        if item.type not in set(IdentityType):
            return None
        kind = IdentityType(item.type)
    event = IdentityEvent(
        type=kind,
        primary=item.primary if item is not None else b"",
        secondary=item.secondary if item is not None else b"",
        calling=request.calling,
        called=request.called,
        peer=peer,
        tls=tls,
    )
    try:
        answer = authenticator(event)
    except Exception as exc:  # what it says may hold a secret
        _log.error("the authenticator failed for %s at %s:%d: %s", request.calling, *peer, type(exc).__name__)
        return None
    if answer is True:
        return Identified(event.username)
    return answer or None


def response_to(request: AssociateRequest, identified: Identified | None) -> bytes | None:
    """Return the server response (PS3.7 table D.3-15); None where none was asked for or nobody identified the user."""
    item = request.user.identity
    if item is None or identified is None or not item.response_requested:
        return None
    return identified.response if item.type >= IdentityType.KERBEROS else b""

"""Typed PDUs of association control (PS3.8 9.3, PS3.7 annex D.3.3); P-DATA-TF is framed in the native ring."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pacskit.core.errors import DecodeError, EncodeError, LimitError, TruncatedError

__all__ = [
    "APPLICATION_CONTEXT",
    "AbortPdu",
    "AssociateAccept",
    "AssociateReject",
    "AssociateRequest",
    "AsyncWindow",
    "CommonExtendedItem",
    "ContextItem",
    "ContextResult",
    "ExtendedItem",
    "RoleItem",
    "UserIdentity",
    "UserInformation",
    "decode_associate",
    "release_request",
    "release_response",
]

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_FIXED = struct.Struct(">H2x16s16s32x")
_ITEM = struct.Struct(">BxH")
_VISIBLE = re.compile(rb"[\x21-\x7f]*").fullmatch
_MAX_ITEMS = 4096  # an A-ASSOCIATE has at most 128 contexts; this many items is an attack


def release_request() -> bytes:
    """Return an A-RELEASE-RQ PDU (PS3.8 9.3.6)."""
    return b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"


def release_response() -> bytes:
    """Return an A-RELEASE-RP PDU (PS3.8 9.3.7)."""
    return b"\x06\x00\x00\x00\x00\x04\x00\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class AbortPdu:
    """A-ABORT (PS3.8 9.3.8). Source 0 is the service user, 2 the service provider."""

    source: int = 0
    reason: int = 0

    def encode(self) -> bytes:
        return bytes((7, 0, 0, 0, 0, 4, 0, 0, self.source, self.reason))

    @classmethod
    def decode(cls, data: bytes) -> AbortPdu:
        return cls(data[2], data[3])


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    result: int
    source: int
    reason: int

    def encode(self) -> bytes:
        return bytes((3, 0, 0, 0, 0, 4, 0, self.result, self.source, self.reason))

    @classmethod
    def decode(cls, data: bytes) -> AssociateReject:
        return cls(data[1], data[2], data[3])

    def __str__(self) -> str:
        result = {1: "permanent", 2: "transient"}.get(self.result, f"result {self.result}")
        reason = _REJECT_REASONS.get((self.source, self.reason), f"source {self.source}, reason {self.reason}")
        return f"{reason} ({result})"

    def advice(self, called: str, calling: str) -> str:
        """Say what the requestor may look at; nothing where the reason says it all."""
        if (self.source, self.reason) == (1, 7):
            return f"it does not answer to {called!r}: check its AE title"
        if (self.source, self.reason) == (1, 3):
            return f"it does not know {calling!r}: have this AE title entered there"
        if self.source == 3:
            return "it has no room now: try again later"
        return "try again later" if self.result == 2 else ""


_REJECT_REASONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}


@dataclass(frozen=True, slots=True)
class ContextItem:
    """A proposed presentation context (PS3.8 9.3.2.2)."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextResult:
    """The answer to a proposed context (PS3.8 9.3.3.2): 0 acceptance, 1 user rejection, 2 no reason,
    3 abstract syntax not supported, 4 transfer syntaxes not supported."""

    id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class AsyncWindow:
    """Asynchronous operations window (PS3.7 D.3.3.3); 0 is unlimited."""

    invoked: int = 1
    performed: int = 1


@dataclass(frozen=True, slots=True)
class RoleItem:
    """SCP/SCU role selection (PS3.7 D.3.3.4), of the association requestor."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class ExtendedItem:
    """SOP class extended negotiation (PS3.7 D.3.3.5); the bytes belong to the service class."""

    sop_class_uid: str
    information: bytes


@dataclass(frozen=True, slots=True)
class CommonExtendedItem:
    """SOP class common extended negotiation (PS3.7 D.3.3.6), requests only."""

    sop_class_uid: str
    service_class_uid: str
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class UserIdentity:
    """User identity (PS3.7 D.3.3.7): 1 user name, 2 with passcode, 3 Kerberos, 4 SAML, 5 JSON web token."""

    type: int
    primary: bytes
    secondary: bytes = b""
    response_requested: bool = False

    @classmethod
    def user(cls, name: str, *, response: bool = False) -> UserIdentity:
        """A user name; ``response`` asks the peer to confirm it."""
        return cls(1, name.encode(), b"", response)

    @classmethod
    def passcode(cls, name: str, passcode: str, *, response: bool = False) -> UserIdentity:
        """A user name and a passcode; send it over TLS only."""
        return cls(2, name.encode(), passcode.encode(), response)

    @classmethod
    def kerberos(cls, ticket: bytes, *, response: bool = False) -> UserIdentity:
        """A Kerberos service ticket."""
        return cls(3, ticket, b"", response)

    @classmethod
    def saml(cls, assertion: str | bytes, *, response: bool = False) -> UserIdentity:
        """A SAML assertion."""
        return cls(4, assertion.encode() if isinstance(assertion, str) else assertion, b"", response)

    @classmethod
    def jwt(cls, token: str | bytes, *, response: bool = False) -> UserIdentity:
        """A JSON web token."""
        return cls(5, token.encode() if isinstance(token, str) else token, b"", response)

    def __repr__(self) -> str:  # a credential never reaches a log
        return f"UserIdentity(type={self.type})"


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user information item (PS3.8 annex D, PS3.7 annex D)."""

    max_length: int = 16384
    implementation_class_uid: str = ""
    implementation_version: str = ""
    async_window: AsyncWindow | None = None
    roles: tuple[RoleItem, ...] = ()
    extended: tuple[ExtendedItem, ...] = ()
    common_extended: tuple[CommonExtendedItem, ...] = ()
    identity: UserIdentity | None = None
    identity_response: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2)."""

    called: str
    calling: str
    contexts: tuple[ContextItem, ...]
    user: UserInformation = field(default_factory=UserInformation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1

    def encode(self) -> bytes:
        items = [_item(0x10, _uid(self.application_context))]
        for context in self.contexts:
            subs = [_item(0x30, _uid(context.abstract_syntax))]
            subs += [_item(0x40, _uid(syntax)) for syntax in context.transfer_syntaxes]
            items.append(_item(0x20, bytes((context.id, 0, 0, 0)) + b"".join(subs)))
        items.append(_item(0x50, _encode_user(self.user)))
        return _pdu(1, self.protocol_version, self.called, self.calling, items)


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """A-ASSOCIATE-AC (PS3.8 9.3.3); the titles are the request's, sent back and never tested."""

    called: str
    calling: str
    contexts: tuple[ContextResult, ...]
    user: UserInformation = field(default_factory=UserInformation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1

    def encode(self) -> bytes:
        items = [_item(0x10, _uid(self.application_context))]
        for context in self.contexts:
            sub = _item(0x40, _uid(context.transfer_syntax))
            items.append(_item(0x21, bytes((context.id, 0, context.result, 0)) + sub))
        items.append(_item(0x50, _encode_user(self.user)))
        return _pdu(2, self.protocol_version, self.called, self.calling, items)


def _pdu(kind: int, version: int, called: str, calling: str, items: list[bytes]) -> bytes:
    body = _FIXED.pack(version, _title(called), _title(calling)) + b"".join(items)
    return struct.pack(">BxI", kind, len(body)) + body


def _title(title: str) -> bytes:
    return title.encode("ascii", "replace")[:16].ljust(16, b" ")


def _uid(uid: str) -> bytes:
    # Not padded: PS3.8 9.3.1, and annex F's note that padding is not used here.
    try:
        raw = uid.encode("ascii")
    except UnicodeEncodeError:
        raise EncodeError(f"not a UID: {uid!r}") from None
    if len(raw) > 64:
        raise EncodeError(f"a UID has at most 64 characters: {uid!r}")
    return raw


def _item(kind: int, body: bytes) -> bytes:
    if len(body) > 0xFFFF:
        raise EncodeError(f"item {kind:02X}H is longer than 65535 bytes")
    return _ITEM.pack(kind, len(body)) + body


def _short(body: bytes) -> bytes:
    if len(body) > 0xFFFF:
        raise EncodeError("a field of the user information is longer than 65535 bytes")
    return struct.pack(">H", len(body)) + body


def _encode_user(user: UserInformation) -> bytes:
    parts = [_item(0x51, struct.pack(">I", user.max_length))]
    if user.implementation_class_uid:
        parts.append(_item(0x52, _uid(user.implementation_class_uid)))
    if user.async_window is not None:
        parts.append(_item(0x53, struct.pack(">HH", user.async_window.invoked, user.async_window.performed)))
    for role in user.roles:
        parts.append(_item(0x54, _short(_uid(role.sop_class_uid)) + bytes((role.scu, role.scp))))
    if user.implementation_version:
        parts.append(_item(0x55, user.implementation_version.encode("ascii", "replace")[:16]))
    for extended in user.extended:
        parts.append(_item(0x56, _short(_uid(extended.sop_class_uid)) + extended.information))
    for common in user.common_extended:
        related = b"".join(_short(_uid(uid)) for uid in common.related)
        body = _short(_uid(common.sop_class_uid)) + _short(_uid(common.service_class_uid)) + _short(related)
        parts.append(_item(0x57, body))
    if user.identity is not None:
        head = bytes((user.identity.type, user.identity.response_requested))
        parts.append(_item(0x58, head + _short(user.identity.primary) + _short(user.identity.secondary)))
    if user.identity_response is not None:
        parts.append(_item(0x59, _short(user.identity_response)))
    return b"".join(parts)


class _Cursor:
    """Checked reading of one span of the PDU."""

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, pos: int, end: int) -> None:
        self.data = data
        self.pos = pos
        self.end = end

    def take(self, count: int) -> bytes:
        if count > self.end - self.pos:
            raise self._short()
        self.pos += count
        return self.data[self.pos - count : self.pos]

    def _short(self) -> TruncatedError:
        return TruncatedError("an item of an A-ASSOCIATE PDU reaches past what contains it", offset=self.pos)

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def view(self) -> bytes:
        return self.data[self.pos : self.end]

    def rest(self) -> bytes:
        return self.take(self.end - self.pos)

    def items(self) -> Iterator[tuple[int, _Cursor]]:
        count = 0
        while self.pos < self.end:
            count += 1
            if count > _MAX_ITEMS:
                raise LimitError("more items than an A-ASSOCIATE PDU can have", offset=self.pos)
            start = self.pos + _ITEM.size
            if start > self.end:
                raise self._short()
            kind, length = _ITEM.unpack_from(self.data, self.pos)
            self.pos = start + length
            if self.pos > self.end:
                raise self._short()
            yield kind, _Cursor(self.data, start, self.pos)

    def uid(self) -> str:
        return _text(self.rest(), self.pos)


def _text(raw: bytes, offset: int) -> str:
    # Padded UIDs are wrong but seen in the field; both paddings are taken off.
    raw = raw.rstrip(b"\0 ")
    if len(raw) > 64 or not _VISIBLE(raw):
        raise DecodeError("not a UID", offset=offset)
    return raw.decode("ascii")


def _ae(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("ascii", "replace").strip(" ")


def decode_associate(kind: int, data: bytes) -> AssociateRequest | AssociateAccept:
    """Decode the body of an A-ASSOCIATE-RQ (1) or -AC (2); raise DecodeError when it is not sound."""
    if len(data) < _FIXED.size:
        raise TruncatedError("an A-ASSOCIATE PDU is too short", offset=len(data))
    version, called, calling = _FIXED.unpack_from(data)
    application, contexts, results = "", [], []
    user: UserInformation | None = None
    for item, cursor in _Cursor(data, _FIXED.size, len(data)).items():
        if item == 0x10:
            application = cursor.uid()
        elif item == 0x20 and kind == 1:
            contexts.append(_usual_context(cursor.view()) or _decode_context(cursor))
        elif item == 0x21 and kind == 2:
            results.append(_decode_result(cursor))
        elif item == 0x50:
            user = _decode_user(cursor)
        # Items of other types are not ours to judge (PS3.8 9.3.1: they are ignored).
    if user is None:
        raise DecodeError("an A-ASSOCIATE PDU has no user information")
    _check_ids([c.id for c in contexts] or [r.id for r in results])
    if kind == 1:
        return AssociateRequest(_ae(called), _ae(calling), tuple(contexts), user, application, version)
    return AssociateAccept(_ae(called), _ae(calling), tuple(results), user, application, version)


def _check_ids(ids: Sequence[int]) -> None:
    if any(not number & 1 for number in ids) or len(set(ids)) != len(ids):
        raise DecodeError("presentation context ids must be odd and different")


@lru_cache(maxsize=1024)
def _usual_context(raw: bytes) -> ContextItem | None:
    """A context that a peer proposes every time; None for `_decode_context` to say what is wrong with it, and where."""
    try:
        return _decode_context(_Cursor(raw, 0, len(raw)))
    except DecodeError:
        return None


def _decode_context(cursor: _Cursor) -> ContextItem:
    number = cursor.u8()
    cursor.take(3)
    abstract, transfer = None, []
    for item, sub in cursor.items():
        if item == 0x30:
            abstract = sub.uid()
        elif item == 0x40:
            transfer.append(sub.uid())
    if abstract is None or not transfer:
        raise DecodeError("a presentation context lacks its abstract or transfer syntax", offset=cursor.pos)
    return ContextItem(number, abstract, tuple(transfer))


def _decode_result(cursor: _Cursor) -> ContextResult:
    number = cursor.u8()
    cursor.take(1)
    result = cursor.u8()
    cursor.take(1)
    transfer = ""
    for item, sub in cursor.items():
        if item == 0x40:
            transfer = sub.uid() if result == 0 else ""  # not significant when not accepted
    if result == 0 and not transfer:
        raise DecodeError("an accepted presentation context has no transfer syntax", offset=cursor.pos)
    return ContextResult(number, result, transfer)


def _decode_user(cursor: _Cursor) -> UserInformation:
    values: dict[str, object] = {"max_length": 0}
    roles, extended, common = [], [], []
    for item, sub in cursor.items():
        if item == 0x51:
            values["max_length"] = int.from_bytes(sub.take(4), "big")
        elif item == 0x52:
            values["implementation_class_uid"] = sub.uid()
        elif item == 0x53:
            values["async_window"] = AsyncWindow(sub.u16(), sub.u16())
        elif item == 0x54:
            roles.append(RoleItem(_text(sub.take(sub.u16()), sub.pos), sub.u8() == 1, sub.u8() == 1))
        elif item == 0x55:
            values["implementation_version"] = sub.rest().decode("ascii", "replace").strip(" \0")[:16]
        elif item == 0x56:
            extended.append(ExtendedItem(_text(sub.take(sub.u16()), sub.pos), sub.rest()))
        elif item == 0x57:
            common.append(_decode_common(sub))
        elif item == 0x58:
            values["identity"] = _decode_identity(sub)
        elif item == 0x59:
            values["identity_response"] = sub.take(sub.u16())
    return UserInformation(
        roles=tuple(roles),
        extended=tuple(extended),
        common_extended=tuple(common),
        **values,  # type: ignore[arg-type]
    )


def _decode_common(sub: _Cursor) -> CommonExtendedItem:
    sop_class = _text(sub.take(sub.u16()), sub.pos)
    service_class = _text(sub.take(sub.u16()), sub.pos)
    length = sub.u16()
    end = sub.pos + length
    sub.take(length)
    inner = _Cursor(sub.data, end - length, end)
    related = []
    while inner.pos < inner.end:
        related.append(_text(inner.take(inner.u16()), inner.pos))
    return CommonExtendedItem(sop_class, service_class, tuple(related))


def _decode_identity(sub: _Cursor) -> UserIdentity:
    kind, wanted = sub.u8(), sub.u8() == 1
    primary = sub.take(sub.u16())
    # PS3.7 table D.3-14: the secondary field is there, with length 0, also where it has no use; some leave it out.
    secondary = sub.take(sub.u16()) if sub.pos < sub.end else b""
    return UserIdentity(kind, primary, secondary, wanted)

"""Both directions of an association's bytes, told in lines, for traces, captures and proxies; data sets are counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pacskit.core.errors import DecodeError
from pacskit.core.status import Status
from pacskit.core.uid import UID
from pacskit.network.dimse import TEMPLATES, CCancelRequest, Message, ResponseMessage
from pacskit.network.observe import message_name
from pacskit.network.pdu import AbortPdu, AssociateAccept, AssociateReject, AssociateRequest, decode_associate
from pacskit_ext._dimse import decode_command

__all__ = ["StreamDecoder"]

_LONGEST = 64 << 20  # a PDU that says to be longer is not looked into


class StreamDecoder:
    """Reads the bytes of one connection, both ways, and yields lines; what is no DICOM is said to be none.

    ``sent`` is True for what goes from the requestor to the acceptor.
    """

    def __init__(self) -> None:
        self._ways = {True: _Way(), False: _Way()}
        self._syntaxes: dict[int, str] = {}

    def feed(self, data: bytes, *, sent: bool) -> Iterator[str]:
        """Yield a line for each PDU of association control and each message that ends in ``data``."""
        for kind, body in self._ways[sent].pdus(data):
            try:
                yield from self._pdu(kind, body, self._ways[sent])
            except (DecodeError, IndexError, ValueError) as error:
                yield f"PDU {kind} that cannot be decoded: {error}"

    def rest(self) -> Iterator[str]:
        """Yield what has begun and did not end."""
        for sent, way in self._ways.items():
            side = "the requestor" if sent else "the acceptor"
            if way.held:
                yield f"{len(way.held)} bytes of a PDU of {side} that did not end"
            if way.message is not None:
                yield f"{message_name(way.message)} of {side}: its data set did not end"

    def _pdu(self, kind: int, body: bytes, way: _Way) -> Iterator[str]:
        if kind in (1, 2):
            yield from self._associate(decode_associate(kind, body))
        elif kind == 3:
            yield f"A-ASSOCIATE-RJ {AssociateReject.decode(body)}"
        elif kind == 4:
            yield from self._pdvs(body, way)
        elif kind in (5, 6):
            yield "A-RELEASE-RQ" if kind == 5 else "A-RELEASE-RP"
        elif kind == 7:
            abort = AbortPdu.decode(body)
            yield f"A-ABORT source {abort.source}, reason {abort.reason}"
        else:
            yield f"PDU type {kind}, {len(body)} bytes: no DICOM"

    def _associate(self, pdu: AssociateRequest | AssociateAccept) -> Iterator[str]:
        user = pdu.user
        window = f", window {user.async_window.invoked}/{user.async_window.performed}" if user.async_window else ""
        name = "RQ" if isinstance(pdu, AssociateRequest) else "AC"
        yield (
            f"A-ASSOCIATE-{name} {pdu.calling} -> {pdu.called}, {len(pdu.contexts)} contexts, max PDU {user.max_length}"
            f"{window}, {user.implementation_version or user.implementation_class_uid}"
        )
        if isinstance(pdu, AssociateRequest):
            for context in pdu.contexts:
                self._syntaxes[context.id] = context.abstract_syntax
                yield f"    {context.id:3d} {_named(context.abstract_syntax)}: {_list(context.transfer_syntaxes)}"
        else:
            for result in pdu.contexts:
                name = _named(self._syntaxes.get(result.id, "?"))
                verdict = _named(result.transfer_syntax) if result.result == 0 else f"rejected ({result.result})"
                yield f"    {result.id:3d} {name}: {verdict}"

    def _pdvs(self, body: bytes, way: _Way) -> Iterator[str]:
        at = 0
        while at + 6 <= len(body):
            length = int.from_bytes(body[at : at + 4], "big")
            if length < 2 or at + 4 + length > len(body):
                raise DecodeError("a PDV reaches past its PDU", offset=at)
            flags, data = body[at + 5], body[at + 6 : at + 4 + length]
            at += 4 + length
            if flags & 1:
                way.command += data
                if flags & 2:
                    yield from self._command(way)
            else:
                way.size += len(data)
                if flags & 2 and way.message is not None:
                    yield f"{_told(way.message)}, {way.size} bytes"
                    way.message = None
        if at != len(body):
            raise DecodeError("bytes after the last PDV", offset=at)

    def _command(self, way: _Way) -> Iterator[str]:
        raw, way.command = bytes(way.command), bytearray()
        message, has_data = decode_command(raw, TEMPLATES)
        way.size = 0
        if has_data:
            way.message = message
        else:
            yield _told(message)


class _Way:
    """One direction."""

    def __init__(self) -> None:
        self.held = bytearray()
        self.command = bytearray()
        self.message: Message | None = None
        self.size = 0
        self._skip = 0

    def pdus(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        self.held += data
        while len(self.held) >= 6:
            length = int.from_bytes(self.held[2:6], "big")
            if length > _LONGEST:
                self._skip = length - (len(self.held) - 6)
                yield 0, b""
                self.held.clear()
                return
            if len(self.held) < 6 + length:
                return
            kind, body = self.held[0], bytes(self.held[6 : 6 + length])
            del self.held[: 6 + length]
            yield kind, body


def _told(message: Message) -> str:
    responds = isinstance(message, (ResponseMessage, CCancelRequest))
    number = getattr(message, "message_id_being_responded_to" if responds else "message_id")
    parts = [f"{message_name(message)} {number}"]
    if isinstance(message, ResponseMessage):
        parts.append(str(Status(message.status)))
        if message.error_comment:
            parts.append(repr(message.error_comment))
    if message.sop_class_uid:
        parts.append(_named(message.sop_class_uid))
    if message.sop_instance_uid:
        parts.append(message.sop_instance_uid)
    for name, label in (("move_destination", "to"), ("event_type_id", "event"), ("action_type_id", "action")):
        value = getattr(message, name, None)
        if value is not None:
            parts.append(f"{label} {value}")
    for name in ("remaining", "completed", "failed", "warning"):
        count = getattr(message, f"number_of_{name}_suboperations", None)
        if count is not None:
            parts.append(f"{count} {name}")
    return ", ".join(parts)


def _named(uid: str) -> str:
    return UID(uid).name or uid


def _list(uids: Iterable[str]) -> str:
    return ", ".join(map(_named, uids))

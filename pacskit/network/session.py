"""DIMSE on top of the state machine, still without I/O: fragments become messages, messages become buffers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from pacskit.core.errors import AssociationReleased, DecodeError, LimitError
from pacskit.network.config import Limits
from pacskit.network.dimse import TEMPLATES, Message, encode_message
from pacskit.network.indications import Indication
from pacskit.network.machine import InvalidStateError, Machine
from pacskit.network.negotiation import AssociationInfo, PresentationContext
from pacskit.network.sink import FileSource, MemorySink, Sink
from pacskit_ext._dimse import decode_command
from pacskit_ext._fragments import frame, payload_size
from pacskit_ext._pdu import Pdv

__all__ = ["Session", "SessionEvent"]

SessionEvent: TypeAlias = Indication | Message

_PIECE = 1 << 20  # how much of a file is in memory while it is sent


def _into_memory(message: Message) -> None:
    return None


class Session:
    """Assembles messages. ``sink_for`` chooses where a data set goes (None: into memory) once its command is known."""

    __slots__ = (
        "_chunks",
        "_contexts",
        "_descriptor",
        "_diverted",
        "_length",
        "_limits",
        "_message",
        "_payload",
        "_sink",
        "_source",
        "info",
        "machine",
        "sink_for",
    )

    def __init__(self, machine: Machine, limits: Limits) -> None:
        self.machine = machine
        self.info: AssociationInfo | None = None
        self._limits = limits
        self.sink_for: Callable[[Message], Sink | None] = _into_memory
        self._contexts: dict[int, PresentationContext] = {}
        self._payload = 0
        self._chunks: bytearray | None = None  # a command set that comes in several pieces
        self._source = 0  # the context id of those pieces
        self._message: Message | None = None  # whose data set is coming in
        self._sink: Sink | None = None
        self._descriptor: Callable[[], int] | None = None  # of a DescriptorSink
        self._diverted = False  # whether its bytes go there
        self._length = 0

    def established(self, info: AssociationInfo) -> None:
        """The association is agreed: messages may be exchanged in its contexts."""
        self.info = info
        self._contexts = {context.id: context for context in info.accepted}
        self._payload = payload_size(info.max_pdu, self._limits.max_pdu or 131072)

    @property
    def diverted(self) -> bool:
        """Whether the data set that is coming in goes to a file without passing through here."""
        return self._diverted

    @property
    def receiving(self) -> bool:
        """Whether something has begun to arrive and is not complete."""
        return self._message is not None or self._chunks is not None or self.machine.framer.receiving

    def next_event(self) -> SessionEvent | None:
        """Return the next message or indication, None when more bytes are needed."""
        while True:
            item = self.machine.next_indication()
            if type(item) is not Pdv:
                if item is not None and self.machine.is_over:
                    self.discard()
                return item
            message = self._command(item) if item.is_command else self._data(item)
            if message is not None:
                return message

    def discard(self) -> None:
        """Forget what has arrived in part."""
        sink, self._sink, self._message, self._chunks = self._sink, None, None, None
        if self._diverted:  # first: the sink closes its descriptor, and the number may be another file's then
            self._diverted = False
            self.machine.framer.undivert()
        if sink is not None:
            sink.abort()

    # Receiving

    def _command(self, pdv: Pdv) -> Message | None:
        raw: Any = pdv
        if self._message is not None:
            return self._refuse("a command set before the data set of the last one is complete")
        if self._chunks is not None or not pdv.is_last:
            if self._chunks is None:
                self._chunks, self._source = bytearray(), pdv.context_id
            if pdv.context_id != self._source:
                return self._refuse("a command set in two presentation contexts")
            if len(self._chunks) + len(pdv) > self._limits.max_command:
                return self._refuse("a command set is longer than the limit")
            self._chunks += pdv
            if not pdv.is_last:
                return None
            raw, self._chunks = self._chunks, None
        context = self._contexts.get(pdv.context_id)
        if context is None:
            self.machine.fault(f"presentation context {pdv.context_id} was not accepted")
            return None
        if len(raw) > self._limits.max_command:
            return self._refuse("a command set is longer than the limit")
        try:
            message, has_data = decode_command(raw, TEMPLATES)
        except DecodeError as exc:
            return self._refuse(str(exc))
        message.context = context
        if not has_data:
            return message  # type: ignore[no-any-return]
        self._begin(message)
        return None

    def _refuse(self, detail: str) -> Message | None:
        """Abort as the service user: PS3.7 was broken, not PS3.8."""
        self.machine.abort(detail)
        return None

    def _begin(self, message: Message) -> None:
        self._message = message
        self._length = 0
        try:
            self._sink = self.sink_for(message) or MemorySink(self._limits.max_memory)
            self._descriptor = getattr(self._sink, "descriptor", None)
            if self._descriptor is not None:
                self.machine.framer.hasten(getattr(self._sink, "first", 0))
        except Exception as exc:  # a service refuses, or its disk does: take the data set off the wire, then answer
            self._spoil(message, exc)

    def _data(self, pdv: Pdv) -> Message | None:
        message = self._message
        if message is None:
            return self._refuse("a data set without a command set")
        if message.context is None or pdv.context_id != message.context.id:
            return self._refuse("a data set in another presentation context than its command set")
        sink = self._sink
        if sink is not None:
            try:
                self._take(sink, pdv)
            except Exception as exc:
                self._spoil(message, exc)
        if not pdv.is_last:
            return None
        sink, self._sink, self._message = self._sink, None, None
        if sink is not None:
            try:
                message.data = sink.close()
            except Exception as exc:
                message.error = exc
        return message

    def _take(self, sink: Any, pdv: Pdv) -> None:
        limit = self._limits.max_object
        if self._diverted:
            self._diverted = False
            count, error = self.machine.framer.undivert()
            self._length += count
            sink.wrote(count, OSError(error, os.strerror(error)) if error else None)
        self._length += len(pdv)
        if limit is not None and self._length > limit:
            raise LimitError("a data set is longer than the limit")
        if len(pdv):
            sink.write(pdv)
        if self._descriptor is not None and not pdv.is_last and (descriptor := self._descriptor()) >= 0:
            self.machine.framer.divert(descriptor, pdv.context_id, -1 if limit is None else limit - self._length)
            self._diverted = True

    def _spoil(self, message: Message, exc: Exception) -> None:
        sink, self._sink = self._sink, None
        message.error = exc
        if sink is not None:
            sink.abort()

    # Sending

    def buffers(self, message: Message) -> Iterator[list[Any]]:
        """Yield the lists of buffers that carry ``message``; one list is one write, and there is one as a rule."""
        try:
            self.machine.data()
        except InvalidStateError as exc:
            raise AssociationReleased(f"nothing can be sent: {exc}", peer=self._peer()) from None
        context = message.context
        if context is None:
            context = message.context = self._choose(message)
        command = encode_message(message)
        data = message.data
        if data is None:
            yield frame(context.id, command, self._payload, command=True)
            return
        head = b"".join(frame(context.id, command, self._payload, command=True))
        if not isinstance(data, FileSource):
            yield frame(context.id, data, self._payload, before=head)
            return
        # Whole fragments, so that only the last one of the data set is short.
        piece = max(1, _PIECE // self._payload) * self._payload
        for view, last in data.pieces(piece):
            yield frame(context.id, view, self._payload, last=last, before=head)
            head = b""

    def _peer(self) -> str | None:
        return None if self.info is None else self.info.peer_name

    def _choose(self, message: Message) -> PresentationContext:
        if self.info is None:
            raise InvalidStateError("the association is not established")
        return self.info.context_for(message.sop_class_uid or "")

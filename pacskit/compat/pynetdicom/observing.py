"""What passes on a connection, for the events that are about bytes and PDUs, and for the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pacskit.compat.pynetdicom import events as evt
from pacskit.compat.pynetdicom.pdu import PduSplitter, pdu_of
from pacskit.core.events import AssociationClosed, BytesPassed, EventBus, MessageReceived
from pacskit.network.dimse import CCancelRequest
from pacskit.network.tap import TraceTap

if TYPE_CHECKING:
    from pacskit.compat.pynetdicom.association import Association

__all__ = ["Watch"]

_log = logging.getLogger("pacskit.compat.pynetdicom")

_DATA: Final = {True: evt.EVT_DATA_SENT, False: evt.EVT_DATA_RECV}
_PDU: Final = {True: evt.EVT_PDU_SENT, False: evt.EVT_PDU_RECV}
_ACSE: Final = {True: evt.EVT_ACSE_SENT, False: evt.EVT_ACSE_RECV}
_OF_BYTES: Final = (*_DATA.values(), *_PDU.values(), *_ACSE.values())


class Watch:
    """Tells the handlers of an association what its event bus says; bytes are looked at only where one wants them."""

    def __init__(self, bus: EventBus, assoc: Association) -> None:
        self._bus, self._assoc = bus, assoc
        self._splitters = {True: PduSplitter(), False: PduSplitter()}
        self._leave: Callable[[], None] | None = None
        bus.subscribe(AssociationClosed, self._closed)
        bus.subscribe(MessageReceived, self._received)
        if _log.isEnabledFor(logging.DEBUG):
            self._trace = TraceTap(bus, _log.debug)
        self.refresh()

    def refresh(self) -> None:
        """Look at the bytes from now on, if a handler wants them."""
        if self._leave is None and any(self._assoc.handlers.of(event) for event in _OF_BYTES):
            self._leave = self._bus.subscribe(BytesPassed, self._passed)

    def _closed(self, event: AssociationClosed) -> None:
        self._assoc.how = event.how

    def _received(self, event: MessageReceived) -> None:
        """A C-CANCEL is taken in without being waited for: nobody else tells of it."""
        if event.name == "C-CANCEL-RQ":
            self._assoc.told(CCancelRequest(message_id_being_responded_to=event.message_id), False)

    def _passed(self, event: BytesPassed) -> None:
        assoc, sent = self._assoc, event.sent
        for data in self._splitters[sent].feed(event.data):
            assoc.notify(_DATA[sent], data=data)
            pdu = pdu_of(data)
            if pdu is None:
                continue
            assoc.notify(_PDU[sent], pdu=pdu)
            if pdu.pdu_type != 4 and assoc.handlers.of(_ACSE[sent]):
                assoc.notify(_ACSE[sent], primitive=pdu.to_primitive())

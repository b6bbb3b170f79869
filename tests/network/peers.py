"""A service that records, and a peer made of plain bytes."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pacskit.core.errors import DimseError
from pacskit.network.association import Association
from pacskit.network.config import Timeouts
from pacskit.network.dimse import CEchoRequest, CStoreRequest, encode_message
from pacskit.network.flow import Call, Flow, Request, Send
from pacskit.network.negotiation import AssociationInfo
from pacskit.network.pdu import AssociateRequest, ContextItem, UserInformation
from pacskit.network.sink import DiscardSink, Sink
from pacskit.security.context import TlsContext
from pacskit_ext._fragments import frame

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"

FAST = Timeouts(connect=5, handshake=1, acse=1, dimse=1, idle=1, release=1)


@dataclass
class Recorder:
    """Answers C-ECHO and C-STORE; keeps what it was asked."""

    sop_classes: tuple[str, ...] = (VERIFICATION, CT, MR)
    sinks: Callable[[], Sink | None] = DiscardSink
    seen: list[Request] = field(default_factory=list)
    hold: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        if request.command.sop_instance_uid == "1.2.3.666":
            raise DimseError(0xA700, "full")
        return self.sinks()

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        self.seen.append(request)
        self.entered.set()
        if self.hold is not None:
            yield Call(self.hold.wait, 20)
        yield Send(request.command.response())


def settle(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until ``condition`` holds: as long as a busy machine may need, at once on an idle one."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def plain_tls(tls: TlsContext) -> ssl.SSLContext:
    """The client's side by the ssl module alone, with the same certificates."""
    settings = tls.settings
    assert settings.cert is not None
    context = ssl.create_default_context(cafile=settings.ca)
    context.load_cert_chain(settings.cert, settings.key)
    return context


class RawPeer:
    """A peer that says exactly the bytes that it is given."""

    def __init__(self, server: Any) -> None:
        where = server if isinstance(server, tuple) else server.address
        self.socket = socket.create_connection(where, timeout=10)
        tls = getattr(server, "node_tls", None)
        if tls is not None:
            self.socket = plain_tls(tls).wrap_socket(self.socket, server_hostname=where[0])

    def send(self, *parts: bytes) -> None:
        try:
            self.socket.sendall(b"".join(parts))
        except ssl.SSLEOFError as error:  # what a plain socket calls a broken pipe
            raise ConnectionError(str(error)) from None

    def receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                break
            data += part
        return data

    def pdu(self) -> tuple[int, bytes]:
        """The next PDU; (0, b"") at the end of the stream."""
        try:
            head = self.receive(6)
        except ConnectionResetError:
            return 0, b""
        if len(head) < 6:
            return 0, b""
        return head[0], self.receive(int.from_bytes(head[2:6], "big"))

    def associate(self, *sop_classes: str, max_pdu: int = 16384) -> bytes:
        self.send(associate_rq(*sop_classes or (VERIFICATION, CT), max_pdu=max_pdu))
        kind, body = self.pdu()
        assert kind == 2
        return body

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def associate_rq(*sop_classes: str, called: str = "SERVER", max_pdu: int = 16384) -> bytes:
    contexts = tuple(ContextItem(2 * i + 1, uid, (IMPLICIT,)) for i, uid in enumerate(sop_classes))
    return AssociateRequest(called, "RAW", contexts, UserInformation(max_length=max_pdu)).encode()


def echo_rq(message_id: int = 1, context: int = 1) -> bytes:
    return b"".join(frame(context, encode_message(CEchoRequest(message_id=message_id)), 16378, command=True))


def store_rq(message_id: int = 1, context: int = 3, sop_class: str = CT) -> bytes:
    request = CStoreRequest(
        message_id=message_id, affected_sop_class_uid=sop_class, affected_sop_instance_uid="1.2.3", data=b""
    )
    return b"".join(frame(context, encode_message(request), 16378, command=True))


RELEASE_RQ = bytes.fromhex("0500 00000004 00000000")
RELEASE_RP = bytes.fromhex("0600 00000004 00000000")


def connect(server: Any, contexts: Any = (VERIFICATION, CT), ae: str = "SERVER", **options: Any) -> Association:
    port = server if isinstance(server, int) else server.address[1]
    options.setdefault("tls", getattr(server, "node_tls", None))
    options.setdefault("calling", "CLIENT")
    return Association.request(f"{ae}@127.0.0.1:{port}", contexts, **options)


def store(**options: Any) -> CStoreRequest:
    return CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3", **options)

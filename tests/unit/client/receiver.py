"""A receiver of webhooks on loopback that does what a test tells it."""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

__all__ = ["PATIENCE", "Answer", "Receiver", "Request", "close", "drip", "hang", "nonsense", "receiving"]

PATIENCE = 100.0

Behaviour = Callable[[BaseHTTPRequestHandler, "Receiver"], None]


class Request:
    """What came, and whether it was taken."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path, self.headers, self.body = path, headers, body
        self.taken = False

    @property
    def delivery(self) -> str:
        return self.headers["webhook-id"]


class Answer:
    """Answers with a status."""

    def __init__(self, status: int, **headers: str) -> None:
        self.status, self.headers = status, headers

    def __call__(self, handler: BaseHTTPRequestHandler, receiver: Receiver) -> None:
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()


class Receiver(ThreadingHTTPServer):
    """Verifies what comes with the library of the specification; behaves as ``script`` says, and well after that."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.secret = ""
        self.script: deque[Behaviour] = deque()
        self.requests: list[Request] = []
        self.overlapping = 0
        self.at_once = 0
        self.changed = threading.Condition()
        self.over = threading.Event()
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who is broken off is meant to be."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?of=pacs"

    def taken(self) -> list[dict[str, Any]]:
        """The changes that were taken, each delivery once: as a receiver has them that knows the IDs it has seen."""
        found: dict[str, list[dict[str, Any]]] = {}
        with self.changed:
            for one in self.requests:
                if one.taken:
                    said = Webhook(self.secret).verify(one.body, one.headers)
                    found.setdefault(one.delivery, said["data"]["changes"])
        return [change for changes in found.values() for change in changes]

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Wait until it holds after some request."""
        with self.changed:
            return self.changed.wait_for(condition, PATIENCE)

    def end(self) -> None:
        """A request is over."""
        with self.changed:
            self.at_once -= 1
            self.changed.notify_all()

    def numbers(self) -> list[int]:
        return [change["number"] for change in self.taken()]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        receiver = self.server
        headers = {name.lower(): value for name, value in self.headers.items()}
        one = Request(self.path, headers, self.rfile.read(int(headers["content-length"])))
        with receiver.changed:
            receiver.at_once += 1
            receiver.overlapping = max(receiver.overlapping, receiver.at_once)
            behave = receiver.script.popleft() if receiver.script else Answer(204)
            if receiver.secret:
                Webhook(receiver.secret).verify(one.body, headers)
            one.taken = isinstance(behave, Answer) and 200 <= behave.status < 300
            receiver.requests.append(one)
            receiver.changed.notify_all()
        if isinstance(behave, Answer):
            receiver.end()  # who sends may go on as soon as he has the answer
            behave(self, receiver)
            with receiver.changed:
                receiver.changed.notify_all()
            return
        try:
            behave(self, receiver)
        finally:
            receiver.end()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def receiving(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    made = Receiver(port, context)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.over.set()
        made.shutdown()
        made.server_close()
        thread.join(PATIENCE)


def hang(handler: BaseHTTPRequestHandler, receiver: Receiver) -> None:
    """Answer nothing."""
    receiver.over.wait(PATIENCE)


def drip(handler: BaseHTTPRequestHandler, receiver: Receiver) -> None:
    """Answer so slowly that no single wait is long."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not receiver.over.wait(0.05):
        handler.wfile.write(b"X-Slow: yes\r\n")


def close(handler: BaseHTTPRequestHandler, receiver: Receiver) -> None:
    """Close without an answer."""
    handler.close_connection = True


def nonsense(handler: BaseHTTPRequestHandler, receiver: Receiver) -> None:
    """Answer what is no HTTP."""
    handler.wfile.write(b"\x00\xff" * 40 + b"\r\n\r\n")
    handler.close_connection = True

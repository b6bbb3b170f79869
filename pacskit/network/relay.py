"""A relay between a client and a server that tells a bus what passes, for looking at systems of others."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

from pacskit.core.errors import ConnectError
from pacskit.core.events import EventBus
from pacskit.network.address import Address
from pacskit.network.observe import Observer

__all__ = ["Relay"]

_PIECE = 65536


class Relay:
    """Listens at ``host`` and ``port`` (0: any), and passes everything on to ``target`` as it is."""

    def __init__(
        self, target: tuple[str, int] | Address, bus: EventBus, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.target = (target.host, target.port) if isinstance(target, Address) else target
        self._bus = bus
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, port), family=family)
        except OSError as error:
            raise ConnectError(f"cannot listen at {host}:{port}: {error.strerror or error}") from error
        self._threads: set[threading.Thread] = set()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, name="pacskit-relay", daemon=True)
        self._acceptor.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        name = self._listener.getsockname()
        return name[0], name[1]

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is closed; return whether it is."""
        return self._stopped.wait(seconds)

    def close(self) -> None:
        """Close every connection."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, peer = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client, peer[:2]), name="pacskit-relay", daemon=True)
            with self._lock:
                self._threads.add(thread)
                self._sockets.add(client)
            thread.start()

    def _serve(self, client: socket.socket, peer: tuple[str, int]) -> None:
        observer = Observer(self._bus, self._bus.link(peer, self.target, is_requestor=True))
        try:
            with client:
                self._between(client, observer)
        except OSError:
            return  # the target is not there, or somebody closed: the client sees the same
        finally:
            observer.closed()
            with self._lock:
                self._sockets.discard(client)
                self._threads.discard(threading.current_thread())

    def _between(self, client: socket.socket, observer: Observer) -> None:
        with socket.create_connection(self.target, timeout=10) as server:
            server.settimeout(None)
            with self._lock:
                self._sockets.add(server)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lock = threading.Lock()
            back = threading.Thread(target=_pump, args=(server, client, observer, lock, False), daemon=True)
            back.start()
            try:
                _pump(client, server, observer, lock, True)
            finally:
                back.join()
                with self._lock:
                    self._sockets.discard(server)


def _pump(source: socket.socket, target: socket.socket, observer: Observer, lock: threading.Lock, sent: bool) -> None:
    """Pass one direction on until it ends."""
    try:
        while True:
            began = time.monotonic()
            data = source.recv(_PIECE)
            if not data:
                break
            with lock:
                if sent:
                    observer.waited(time.monotonic() - began)
                observer.passed(data, sent=sent)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

"""C-STORE over TLS, beside the same without it and beside OpenSSL with nothing of DICOM; loopback, by wall clock.

``python -m asv_bench.compare.tls ROLE ...`` are the processes that this needs.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any, TypeAlias

from asv_bench.benchmarks import inputs
from asv_bench.compare.peers import hold, instances, timed
from asv_bench.compare.processes import Server, archive, child, run_clients
from asv_bench.compare.rows import Row, Scale, Subject
from asv_bench.compare.wire import Wire

__all__ = ["ROWS"]

_PIXELS = 512 * 1024
_CLIENTS = 4
_ROLES = [sys.executable, "-m", "asv_bench.compare.tls"]

Begin: TypeAlias = "Callable[[], AbstractContextManager[Server]]"


# ---- processes ----------------------------------------------------------------------------------


def _client_context(folder: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=f"{folder}/ca.pem")
    context.load_cert_chain(f"{folder}/client.pem", f"{folder}/client.key")
    return context


def _sink(folder: str) -> None:
    """Our server, which forgets what it receives as it comes; ``-`` for no TLS."""
    from pacskit.network.flow import Send
    from pacskit.network.sink import DiscardSink
    from pacskit.network.threads import Server as Ours
    from pacskit.security.context import tls_context

    class Forgetting:
        sop_classes = (inputs.CT_STORAGE,)

        def sink(self, request: Any, association: Any) -> Any:
            return DiscardSink()

        def serve(self, request: Any, association: Any) -> Any:
            yield Send(request.command.response())

    made: dict[str, Any] = {"cert": f"{folder}/server.pem", "key": f"{folder}/server.key", "ca": f"{folder}/ca.pem"}
    with Ours([Forgetting()], ae="PACSKIT", tls=None if folder == "-" else tls_context(**made)) as server:
        hold(server.address[1])


def _store(port: int, called: str, first: int, count: int, size: int, folder: str) -> None:
    """C-STORE by the bare client; ``-`` for no TLS."""
    made = instances(first, count, size)
    context = None if folder == "-" else _client_context(folder)
    with Wire(port, called, sop_class=inputs.CT_STORAGE, syntax=inputs.EXPLICIT, tls=context) as wire:

        def work(some: list[tuple[str, bytes]]) -> None:
            for uid, data in some:
                if wire.store_bytes(uid, data):
                    raise SystemExit("a C-STORE has failed")

        work(made[:1])
        timed(lambda: work(made[1:]))


def _copy_server(folder: str) -> None:
    """The `ssl` module's sockets: takes messages of one size, and answers each with a byte."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=f"{folder}/ca.pem")
    context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")

    def serve(plain: socket.socket) -> None:
        buffer = memoryview(bytearray(131072))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, server_side=True) as secure:
            size = int.from_bytes(secure.recv(8), "big")
            while True:
                left = size
                while left:
                    count = secure.recv_into(buffer[:left])
                    if not count:
                        return
                    left -= count
                secure.send(b"\1")

    def accept() -> None:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        hold(listener.getsockname()[1])


def _copy(port: int, first: int, count: int, size: int, folder: str) -> None:
    made = [data for _, data in instances(first, count, size)]
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with _client_context(folder).wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(len(made[0]).to_bytes(8, "big"))

            def work(some: list[bytes]) -> None:
                for data in some:
                    secure.sendall(data)
                    secure.recv(1)

            work(made[:1])
            timed(lambda: work(made[1:]))


# ---- rows ---------------------------------------------------------------------------------------


@contextmanager
def _begin(role: str, folder: str) -> Iterator[Server]:
    with child([*_ROLES, role, folder]) as made:
        yield Server(int(made.line(role)), "PACSKIT", made.process.pid)


@contextmanager
def _archive(folder: str) -> Iterator[Server]:
    if folder == "-":
        with archive() as found:
            yield found
        return
    with archive(
        "--cert", f"{folder}/server.pem", "--key", f"{folder}/server.key", "--ca", f"{folder}/ca.pem"
    ) as found:
        yield found


def _stores(begin: Begin, folder: str, count: int) -> float:
    """Instances a second that four clients store together."""
    with begin() as server:
        words = [(number * (count + 1), count, _PIXELS, folder) for number in range(_CLIENTS)]
        return _CLIENTS * count / run_clients("store", server, words, module=_ROLES)


def _copies(folder: str, count: int) -> float:
    with _begin("copy-server", folder) as server:
        words = [(number * (count + 1), count, _PIXELS, folder) for number in range(_CLIENTS)]
        return _CLIENTS * count / run_clients("copy", server, words, module=_ROLES)


def _certificates(stack: ExitStack) -> str:
    from tempfile import TemporaryDirectory

    from pacskit.security.certificates import make_test_ca

    folder = stack.enter_context(TemporaryDirectory(prefix="compare-"))
    make_test_ca(folder)
    return folder


def _received(scale: Scale, stack: ExitStack) -> list[Subject]:
    folder, each = _certificates(stack), scale(100, 500)
    return [
        Subject("bare client -> pacskit, TLS", lambda: _stores(partial(_begin, "sink", folder), folder, each)),
        Subject("ssl sockets, no DICOM", lambda: _copies(folder, each)),
        Subject("bare client -> pacskit, plain", lambda: _stores(partial(_begin, "sink", "-"), "-", each)),
    ]


def _kept(scale: Scale, stack: ExitStack) -> list[Subject]:
    folder, each = _certificates(stack), scale(40, 200)
    return [
        Subject("bare client -> archive, TLS", lambda: _stores(partial(_archive, folder), folder, each)),
        Subject("bare client -> archive, plain", lambda: _stores(partial(_archive, "-"), "-", each)),
    ]


ROWS = [
    Row("tls", "C-STORE over TLS, 512 KiB, 4 associations", "/s", _received, 0.7, "ssl sockets, no DICOM"),
    Row("tls-kept", "the same, to disk and index, commit=os", "/s", _kept),
]


def main(arguments: list[str]) -> None:
    """Play a role."""
    role, *rest = arguments
    numbers: list[Any] = [int(word) if word.isdigit() else word for word in rest]
    match role:
        case "sink":
            _sink(rest[0])
        case "store":
            _store(*numbers)
        case "copy-server":
            _copy_server(rest[0])
        case "copy":
            _copy(numbers[0], *numbers[2:])
        case _:
            raise SystemExit(f"no role {role}")


if __name__ == "__main__":
    main(sys.argv[1:])

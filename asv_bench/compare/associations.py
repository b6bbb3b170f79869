"""Associations from end to end: opening them, storing to disk, sending to who forgets, beside a busy thread.

``python -m asv_bench.compare.associations ROLE ...`` are the processes that this needs.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from asv_bench.compare import sink
from asv_bench.compare.network import files, storescu
from asv_bench.compare.peers import hold, instances, pynetdicom_association, timed
from asv_bench.compare.processes import Server, archive, child, free_port, peer, run_clients, storescp, wait
from asv_bench.compare.rows import Missing, Row, Scale, Subject
from asv_bench.compare.wire import Wire

__all__ = ["ROWS"]

_PIXELS = 512 * 1024
_SMALL = 34_398
_ROLES = [sys.executable, "-m", "asv_bench.compare.associations"]

Begin: TypeAlias = "Callable[[], AbstractContextManager[Server]]"


# ---- processes ----------------------------------------------------------------------------------


def _open_wire(port: int, called: str, count: int) -> None:
    def work(count: int) -> None:
        for _ in range(count):
            with Wire(port, called) as wire:
                wire.echo(1)

    work(3)
    timed(lambda: work(count))


def _open_pacskit(port: int, called: str, count: int) -> None:
    from pacskit import echo

    def work(count: int) -> None:
        for _ in range(count):
            echo(f"{called}@127.0.0.1:{port}")

    work(3)
    timed(lambda: work(count))


def _open_pynetdicom(port: int, called: str, count: int) -> None:
    def work(count: int) -> None:
        for _ in range(count):
            association = pynetdicom_association(port, called, "1.2.840.10008.1.1", True)
            if association.send_c_echo().get("Status") != 0:
                raise SystemExit("a C-ECHO has failed or its response was lost")
            association.release()

    work(1)
    timed(lambda: work(count))


def _sink() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sink.serve(listener)
        hold(listener.getsockname()[1])


def _copy_server(folder: str) -> None:
    """Sockets and files with nothing of DICOM: each message becomes a file, and is answered with a byte."""

    def serve(sock: socket.socket, number: int) -> None:
        buffer = memoryview(bytearray(131072))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock:
            size = int.from_bytes(sock.recv(8), "big")
            for message in range(1 << 30):
                if not sock.recv(1, socket.MSG_PEEK):
                    return
                file = os.open(f"{folder}/{number}.{message}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
                left = size
                while left:
                    count = sock.recv_into(buffer[:left])
                    if not count:
                        return
                    os.write(file, buffer[:count])
                    left -= count
                os.close(file)
                sock.send(b"\1")

    def accept() -> None:
        for number in range(1 << 30):
            threading.Thread(target=serve, args=(listener.accept()[0], number), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        hold(listener.getsockname()[1])


def _copy(port: int, first: int, count: int, size: int) -> None:
    made = [data for _, data in instances(first, count, size)]
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(len(made[0]).to_bytes(8, "big"))

        def work(some: list[bytes]) -> None:
            for data in some:
                sock.sendall(data)
                sock.recv(1)

        work(made[:1])
        timed(lambda: work(made[1:]))


def _archive(folder: str, *, busy: bool, processes: int = 1) -> None:
    """An archive in a program that has something else to do too, or not."""
    from pacskit import Archive, ArchiveSettings

    def spin() -> None:
        while True:
            sum(range(1000))

    with Archive(folder, settings=ArchiveSettings(ae="PACSKIT", commit="os", processes=processes)) as made:
        made.serve(port=0)
        if busy:
            threading.Thread(target=spin, daemon=True).start()
        hold(made.port)


# ---- rows ---------------------------------------------------------------------------------------


@contextmanager
def _begin(role: str) -> Iterator[Server]:
    with TemporaryDirectory(prefix="compare-") as folder, child([*_ROLES, role, folder]) as made:
        yield Server(int(made.line(role)), "PACSKIT", made.process.pid)


@contextmanager
def _orthanc() -> Iterator[Server]:
    """Orthanc as it is packaged: with Nagle's algorithm."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if program is None:
        raise Missing("Orthanc is not installed")
    port = free_port()
    with TemporaryDirectory(prefix="compare-") as folder:
        settings: dict[str, Any] = {"StorageDirectory": folder, "IndexDirectory": folder, "DicomAet": "ORTHANC"}
        settings |= {"DicomPort": port, "HttpServerEnabled": False, "Plugins": [], "DicomAlwaysAllowStore": True}
        path = Path(folder) / "orthanc.json"
        path.write_text(json.dumps(settings), encoding="utf-8")
        process = subprocess.Popen([program, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait(port)
            yield Server(port, "ORTHANC", process.pid)
        finally:
            process.terminate()
            process.wait(30)


def _opened(server: Begin, client: str, count: int) -> float:
    with server() as found:
        return count / run_clients(client, found, [(count,)], module=_ROLES)


def _stored(server: Begin, client: str, clients: int, count: int, size: int) -> float:
    module = {"module": _ROLES} if client == "copy" else {}
    with server() as found:
        words = [(number * (count + 1), count, size) for number in range(clients)]
        return clients * count / run_clients(client, found, words, **module)


def _openings(scale: Scale, stack: ExitStack) -> list[Subject]:
    many, few = scale(100, 1500), scale(10, 60)
    tuned = partial(storescp, tuned=True)
    return [
        Subject("pacskit -> pacskit", lambda: _opened(partial(peer, "pacskit"), "open:pacskit", many)),
        Subject(
            "pynetdicom -> pynetdicom",
            lambda: _opened(partial(peer, "pynetdicom:tuned"), "open:pynetdicom", few),
        ),
        Subject("bare client -> storescp", lambda: _opened(tuned, "open:wire", many)),
        Subject("bare client -> pacskit", lambda: _opened(partial(peer, "pacskit"), "open:wire", many)),
    ]


def _to_disk(clients: int, scale: Scale, stack: ExitStack) -> list[Subject]:
    each, few = scale(40, 400 // clients), scale(20, 100 // clients)
    copying, dcmtk = partial(_begin, "copy-server"), partial(storescp, tuned=True, fork=clients > 1)
    return [
        Subject("bare client -> archive", lambda: _stored(archive, "store:wire", clients, each, _PIXELS)),
        *_several(clients, each),
        Subject("sockets and files, no DICOM", lambda: _stored(copying, "copy", clients, each, _PIXELS)),
        Subject("bare client -> storescp", lambda: _stored(dcmtk, "store:wire", clients, each, _PIXELS)),
        Subject(
            "bare client -> pynetdicom",
            lambda: _stored(partial(peer, "pynetdicom:tuned"), "store:wire", clients, few, _PIXELS),
        ),
    ]


def _several(clients: int, each: int) -> list[Subject]:
    """An archive of two processes, for several clients."""
    if clients == 1:
        return []
    two = partial(archive, "--processes", "2")
    return [
        Subject("bare client -> archive of 2 processes", lambda: _stored(two, "store:wire", clients, each, _PIXELS))
    ]


def _sent(size: int, scale: Scale, stack: ExitStack) -> list[Subject]:
    many, few = scale(100, 500 if size == _PIXELS else 2000), scale(20, 100)
    forgetting = partial(_begin, "sink")
    folder = files(stack, scale(40, 300), size)
    return [
        Subject("pacskit -> bare sink", lambda: _stored(forgetting, "store:pacskit", 1, many, size)),
        Subject("storescu -> bare sink", lambda: storescu(forgetting, folder, tuned=True)),
        Subject("pynetdicom -> bare sink", lambda: _stored(forgetting, "store:pynetdicom:tuned", 1, few, size)),
        Subject("bare client -> bare sink", lambda: _stored(forgetting, "store:wire", 1, many, size)),
    ]


def _to_orthanc(scale: Scale, stack: ExitStack) -> list[Subject]:
    many, few = scale(40, 300), scale(5, 20)
    return [
        Subject("pacskit -> Orthanc", lambda: _stored(_orthanc, "store:pacskit", 1, many, _PIXELS)),
        Subject("pynetdicom -> Orthanc", lambda: _stored(_orthanc, "store:pynetdicom:tuned", 1, few, _PIXELS)),
    ]


def _echo_to_orthanc(scale: Scale, stack: ExitStack) -> list[Subject]:
    def echoes(client: str, count: int) -> float:
        with _orthanc() as found:
            return count / run_clients(client, found, [(count,)])

    many, few = scale(500, 5000), scale(10, 50)
    return [
        Subject("pacskit -> Orthanc", lambda: echoes("echo:pacskit", many)),
        Subject("pynetdicom -> Orthanc", lambda: echoes("echo:pynetdicom:tuned", few)),
    ]


def _beside_others(scale: Scale, stack: ExitStack) -> list[Subject]:
    each = scale(40, 200)
    return [
        Subject(
            "beside a busy thread", lambda: _stored(partial(_begin, "archive:busy"), "store:wire", 2, each, _PIXELS)
        ),
        Subject("alone", lambda: _stored(partial(_begin, "archive"), "store:wire", 2, each, _PIXELS)),
        Subject(
            "beside a busy thread, served by 2 processes of its own",
            lambda: _stored(partial(_begin, "archive:busy:2"), "store:wire", 2, each, _PIXELS),
        ),
    ]


_NO_DICOM = "sockets and files, no DICOM"
_STORESCU, _PYNETDICOM = "storescu -> bare sink", "pynetdicom -> bare sink"
ROWS = [
    Row("open", "associate, C-ECHO, release", "/s", _openings, 60, "pynetdicom -> pynetdicom"),
    Row("disk-1", "C-STORE 512 KiB to disk, commit=os, 1 association", "/s", partial(_to_disk, 1), 0.6, _NO_DICOM),
    Row("disk-4", "the same, 4 associations", "/s", partial(_to_disk, 4), 0.6, _NO_DICOM),
    Row("send-large", "C-STORE 512 KiB sent", "/s", partial(_sent, _PIXELS), 1.5, _STORESCU, also=((8, _PYNETDICOM),)),
    Row("send-small", "C-STORE 39 kB sent", "/s", partial(_sent, _SMALL), 1.5, _STORESCU, also=((8, _PYNETDICOM),)),
    Row("stock-orthanc", "C-STORE 512 KiB to stock Orthanc", "/s", _to_orthanc),
    Row("stock-orthanc-echo", "C-ECHO to stock Orthanc", "/s", _echo_to_orthanc),
    Row("busy", "C-STORE 512 KiB, commit=os, 2 associations", "/s", _beside_others, 0.4, "alone"),
]


def main(arguments: list[str]) -> None:
    """Play a role."""
    role, *rest = arguments
    numbers: list[Any] = [int(word) if word.isdigit() else word for word in rest]
    match role:
        case "open:wire":
            _open_wire(*numbers)
        case "open:pacskit":
            _open_pacskit(*numbers)
        case "open:pynetdicom":
            _open_pynetdicom(*numbers)
        case "sink":
            _sink()
        case "copy-server":
            _copy_server(rest[0])
        case "copy":
            _copy(numbers[0], *numbers[2:])
        case "archive" | "archive:busy":
            _archive(rest[0], busy=role != "archive")
        case "archive:busy:2":
            _archive(rest[0], busy=True, processes=2)
        case _:
            raise SystemExit(f"no role {role}")


if __name__ == "__main__":
    main(sys.argv[1:])

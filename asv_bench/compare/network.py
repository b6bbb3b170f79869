"""Associations on loopback, by wall clock; clients and servers are processes of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from asv_bench.benchmarks import inputs
from asv_bench.compare.processes import Server, archive, peer, run_clients, run_tool, storescp, tool
from asv_bench.compare.rows import Missing, Row, Scale, Subject
from pacskit import connect

__all__ = ["ROWS", "files", "storescu"]

Begin: TypeAlias = "Callable[[], AbstractContextManager[Server]]"

_PIXELS = 512 * 1024  # a slice of 512 x 512 x 16 bit
_SMALL = 34_398  # makes 39 kB with the header


def _echo(server: Begin, client: str, count: int) -> float:
    """Round trips a second, against a server that is begun for it."""
    with server() as found:
        return count / run_clients(client, found, [(count,)])


def _store(server: Begin, client: str, clients: int, count: int, size: int) -> float:
    """Instances a second that so many clients store together."""
    with server() as found:
        seconds = run_clients(client, found, [(number * (count + 1), count, size) for number in range(clients)])
        return clients * count / seconds


def _echoscu(server: Begin, count: int, *, tuned: bool) -> float:
    program = tool("echoscu")
    with server() as found:
        command = [program, "-aec", found.ae, "--repeat", str(count), "127.0.0.1", str(found.port)]
        return count / run_tool(command, tuned=tuned)


def storescu(server: Begin, folder: Path, *, tuned: bool) -> float:
    """Instances a second."""
    with server() as found:
        return sum(1 for _ in folder.glob("*.dcm")) / _storing(found, folder, tuned=tuned)


def _storing(found: Server, folder: Path, *, tuned: bool) -> float:
    options = ["--max-pdu", "131072"] if tuned else []
    command = [tool("storescu"), "-aec", found.ae, *options, "+sd", "127.0.0.1", str(found.port)]
    run_tool([*command, str(folder / "first")], tuned=tuned)
    os.sync()  # what others have left in the page cache is written at somebody's expense
    return run_tool([*command, str(folder)], tuned=tuned)


def _indexed(folder: Path, *, queried: bool) -> float:
    """Instances a second that an archive stores; ``queried``: until a query has been answered that counts them.

    Rows of the index are written while it stores, and those of the last quarter of a second after that or before the
    next query.
    """
    count = sum(1 for _ in folder.glob("*.dcm"))
    keys = ["NumberOfStudyRelatedInstances"]
    with archive() as found:
        seconds, began = _storing(found, folder, tuned=True), time.perf_counter()
        with connect(f"{found.ae}@127.0.0.1:{found.port}") as peer:
            stored = sum(int(one.NumberOfStudyRelatedInstances) for one in peer.find("STUDY", return_keys=keys))
        seconds += time.perf_counter() - began if queried else 0
    if stored != count + 1:
        raise Missing(f"{stored} of {count + 1} instances are in the index")
    return count / seconds


def files(stack: ExitStack, count: int, pixels: int = _PIXELS) -> Path:
    """A folder of so many slices, and in its folder ``first`` one more, to warm a new server up with."""
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="compare-")))
    (folder / "first").mkdir()
    for number in range(count + 1):
        path = folder / ("" if number else "first") / f"{number}.dcm"
        uid = inputs.instance_uid(number)
        path.write_bytes(inputs.part10(inputs.ct_slice(number, pixels=pixels), inputs.CT_STORAGE, uid))
    return folder


_pacskit = partial(peer, "pacskit")
_pynetdicom = partial(peer, "pynetdicom:tuned")
_pynetdicom_stock = partial(peer, "pynetdicom:stock")
_dcmtk = partial(storescp, tuned=True)
_dcmtk_stock = partial(storescp, tuned=False)


def _echoes(scale: Scale, stack: ExitStack) -> list[Subject]:
    many, few, stalled = scale(3000, 20000), scale(100, 500), scale(10, 40)
    return [
        Subject("pacskit -> pacskit", lambda: _echo(_pacskit, "echo:pacskit", many)),
        Subject("pynetdicom -> pynetdicom", lambda: _echo(_pynetdicom, "echo:pynetdicom:tuned", few)),
        Subject("pynetdicom -> pynetdicom, stock", lambda: _echo(_pynetdicom_stock, "echo:pynetdicom:stock", few)),
        Subject("bare client -> storescp", lambda: _echo(_dcmtk, "echo:wire", many)),
        Subject("echoscu -> storescp", lambda: _echoscu(_dcmtk, many, tuned=True)),
        Subject("bare client -> pacskit", lambda: _echo(_pacskit, "echo:wire", many)),
        Subject("pacskit -> storescp", lambda: _echo(_dcmtk, "echo:pacskit", many)),
        Subject("bare client -> storescp, stock", lambda: _echo(_dcmtk_stock, "echo:wire", stalled)),
    ]


def _small(scale: Scale, stack: ExitStack) -> list[Subject]:
    each, slow = scale(150, 1000), scale(50, 250)
    return [
        Subject("bare client -> pacskit", lambda: _store(archive, "store:wire", 4, each, _SMALL)),
        Subject("bare client -> pynetdicom", lambda: _store(_pynetdicom, "store:wire", 4, slow, _SMALL)),
        Subject("bare client -> pynetdicom, stock", lambda: _store(_pynetdicom_stock, "store:wire", 4, slow, _SMALL)),
        Subject("pacskit -> pacskit", lambda: _store(archive, "store:pacskit", 4, each, _SMALL)),
        Subject("pynetdicom -> pynetdicom", lambda: _store(_pynetdicom, "store:pynetdicom:tuned", 4, slow, _SMALL)),
    ]


def _large(scale: Scale, stack: ExitStack) -> list[Subject]:
    folder = files(stack, scale(40, 1000))
    few = scale(20, 100)
    return [
        Subject("storescu -> pacskit", lambda: _indexed(folder, queried=False)),
        Subject("storescu -> pacskit, and queried", lambda: _indexed(folder, queried=True)),
        Subject("storescu -> storescp", lambda: storescu(_dcmtk, folder, tuned=True)),
        Subject("storescu -> pynetdicom", lambda: storescu(_pynetdicom, folder, tuned=True)),
        Subject("pacskit -> pacskit", lambda: _store(archive, "store:pacskit", 1, few, _PIXELS)),
        Subject("pynetdicom -> pynetdicom", lambda: _store(_pynetdicom, "store:pynetdicom:tuned", 1, few, _PIXELS)),
    ]


def _echo_to_stock(scale: Scale, stack: ExitStack) -> list[Subject]:
    many, stalled = scale(2000, 10000), scale(10, 50)
    return [
        Subject("pacskit -> storescp", lambda: _echo(_dcmtk_stock, "echo:pacskit", many)),
        Subject("pynetdicom -> storescp", lambda: _echo(_dcmtk_stock, "echo:pynetdicom:tuned", stalled)),
    ]


def _echo_from_stock(scale: Scale, stack: ExitStack) -> list[Subject]:
    many, stalled = scale(1000, 5000), scale(20, 100)
    return [
        Subject("echoscu -> pacskit", lambda: _echoscu(_pacskit, many, tuned=False)),
        Subject("echoscu -> pynetdicom", lambda: _echoscu(_pynetdicom, stalled, tuned=False)),
        Subject("echoscu -> storescp", lambda: _echoscu(_dcmtk_stock, stalled, tuned=False)),
    ]


def _store_to_stock(scale: Scale, stack: ExitStack) -> list[Subject]:
    many, stalled = scale(40, 200), scale(10, 40)
    return [
        Subject("pacskit -> storescp", lambda: _store(_dcmtk_stock, "store:pacskit", 1, many, _PIXELS)),
        Subject("pynetdicom -> storescp", lambda: _store(_dcmtk_stock, "store:pynetdicom:tuned", 1, stalled, _PIXELS)),
        Subject(
            "pynetdicom, stock -> storescp",
            lambda: _store(_dcmtk_stock, "store:pynetdicom:stock", 1, stalled, _PIXELS),
        ),
    ]


def _store_from_stock(scale: Scale, stack: ExitStack) -> list[Subject]:
    folder, some, stalled = files(stack, scale(40, 200)), files(stack, scale(20, 50)), scale(10, 40)
    return [
        Subject("storescu -> pacskit", lambda: storescu(archive, folder, tuned=False)),
        Subject("storescu -> pynetdicom", lambda: storescu(_pynetdicom, some, tuned=False)),
        Subject("storescu -> pynetdicom, stock", lambda: storescu(_pynetdicom_stock, some, tuned=False)),
        Subject("storescu -> storescp", lambda: storescu(_dcmtk_stock, some, tuned=False)),
        # What pynetdicom gets from a stock DCMTK: its storescu does not stall towards a server that answers late.
        Subject("pynetdicom -> storescp", lambda: _store(_dcmtk_stock, "store:pynetdicom:tuned", 1, stalled, _PIXELS)),
    ]


_PEERS = "pynetdicom -> pynetdicom"
ROWS = [
    Row("echo", "C-ECHO on one association", "/s", _echoes, 60, _PEERS, also=((0.8, "echoscu -> storescp"),)),
    Row("small", "C-STORE 39 kB, 4 associations, commit=os", "/s", _small, 3, "bare client -> pynetdicom"),
    Row("large", "C-STORE 512 KiB, 1 association, commit=os", "/s", _large, 0.9, "storescu -> storescp"),
    Row("stock-echo-to", "C-ECHO to stock DCMTK", "/s", _echo_to_stock, 30, "pynetdicom -> storescp"),
    Row("stock-echo-from", "C-ECHO from stock DCMTK", "/s", _echo_from_stock, 30, "echoscu -> pynetdicom"),
    Row("stock-store-to", "C-STORE 512 KiB to stock DCMTK", "/s", _store_to_stock, 30, "pynetdicom -> storescp"),
    Row(
        "stock-store-from",
        "C-STORE 512 KiB from stock DCMTK, commit=os",
        "/s",
        _store_from_stock,
        30,
        "pynetdicom -> storescp",
    ),
]

"""What runs in processes of its own: a server or a client of one toolkit.

``python -m asv_bench.compare.peers ROLE ...``. A server prints its port; a client prints ``ready``, waits for a line,
works, and prints how many seconds it took.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

from asv_bench.benchmarks import inputs
from asv_bench.compare import aio
from asv_bench.compare.wire import Wire

Instances: TypeAlias = "list[tuple[str, bytes]]"

_TUNED_PDU = 131072


def _say(text: object) -> None:
    print(text, flush=True)


def hold(port: int) -> None:
    """Print where the server listens, and let it live until our parent lets go of us."""
    _say(port)
    sys.stdin.read()


def timed(work: Callable[[], None]) -> None:
    _say("ready")
    sys.stdin.readline()
    began = time.perf_counter()
    work()
    _say(time.perf_counter() - began)


# ---- servers ------------------------------------------------------------------------------------


def serve_pacskit() -> None:
    """Only C-ECHO, with nothing stored."""
    from pacskit.network.threads import Server
    from pacskit.services.verification import VerificationService

    with Server([VerificationService()], ae="PEER") as server:
        hold(server.address[1])


def serve_pynetdicom(tuned: bool, folder: str) -> None:
    """C-ECHO, and C-STORE that writes the data set's bytes as they came, without an index."""
    from pynetdicom import AE, AllStoragePresentationContexts, evt

    ae = AE("PEER")
    ae.maximum_associations = 100
    ae.maximum_pdu_size = _TUNED_PDU if tuned else 16382
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context("1.2.840.10008.1.1")

    def store(event: Any) -> int:
        request = event.request
        syntax = str(event.context.transfer_syntax)
        head = inputs.part10(b"", str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID), syntax)
        with (Path(folder) / f"{request.AffectedSOPInstanceUID}.dcm").open("wb") as file:
            file.write(head)
            file.write(request.DataSet.getbuffer())
        return 0

    handlers: list[Any] = [(evt.EVT_C_STORE, store)]
    if tuned:
        handlers.append((evt.EVT_CONN_OPEN, _no_delay))
    server: Any = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    hold(server.server_address[1])
    server.shutdown()


def _no_delay(event: Any) -> None:
    connection = event.assoc.dul.socket.socket
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


# ---- clients ------------------------------------------------------------------------------------


def instances(first: int, count: int, size: int) -> Instances:
    """Objects with UIDs of their own, as long as each other; only those differ, so that making them takes no time.

    There is one more than ``count``, to warm the server up with before it is timed.
    """
    first += 1_000_000
    made = inputs.ct_slice(first, pixels=size)
    mark = inputs.instance_uid(first).encode()
    uids = [inputs.instance_uid(first + n) for n in range(count + 1)]
    return [(uid, made.replace(mark, uid.encode(), 1)) for uid in uids]


def echo_wire(port: int, called: str, count: int) -> None:
    """C-ECHO by the bare client."""
    with Wire(port, called) as wire:
        wire.echo(10)
        timed(lambda: wire.echo(count))


def echo_pacskit(port: int, called: str, count: int) -> None:
    """C-ECHO by our association."""
    from pacskit.network.association import Association
    from pacskit.network.dimse import CEchoRequest

    def work(count: int) -> None:
        for _ in range(count):
            if association.perform(CEchoRequest()).status:
                raise SystemExit("a C-ECHO has failed")

    with Association.request(f"{called}@127.0.0.1:{port}", ["1.2.840.10008.1.1"], calling="BENCH") as association:
        work(10)
        timed(lambda: work(count))


def pynetdicom_association(port: int, called: str, sop_class: str, tuned: bool) -> Any:
    from pynetdicom import AE, evt

    ae = AE("BENCH")
    ae.dimse_timeout = 5
    ae.maximum_pdu_size = _TUNED_PDU if tuned else 16382
    ae.add_requested_context(sop_class, inputs.EXPLICIT if sop_class == inputs.CT_STORAGE else inputs.IMPLICIT)
    handlers: Any = [(evt.EVT_CONN_OPEN, _no_delay)] if tuned else []
    association = ae.associate(
        "127.0.0.1", port, ae_title=called, max_pdu=_TUNED_PDU if tuned else 16382, evt_handlers=handlers
    )
    if not association.is_established:
        raise SystemExit("pynetdicom got no association")
    return association


def echo_pynetdicom(port: int, called: str, count: int, tuned: bool) -> None:
    """C-ECHO by pynetdicom."""
    association = pynetdicom_association(port, called, "1.2.840.10008.1.1", tuned)

    def work(count: int) -> None:
        for _ in range(count):
            if association.send_c_echo().get("Status") != 0:
                raise SystemExit("a C-ECHO has failed or its response was lost")

    work(2)
    timed(lambda: work(count))
    association.release()


def store_wire(port: int, called: str, first: int, count: int, size: int) -> None:
    """C-STORE by the bare client."""
    made = instances(first, count, size)

    def work(some: Instances) -> None:
        for uid, data in some:
            if status := wire.store_bytes(uid, data):
                raise SystemExit(f"a C-STORE was answered {status:04X}")

    with Wire(port, called, sop_class=inputs.CT_STORAGE, syntax=inputs.EXPLICIT) as wire:
        work(made[:1])
        timed(lambda: work(made[1:]))


def store_pacskit(port: int, called: str, first: int, count: int, size: int) -> None:
    """C-STORE by our association."""
    from pacskit.network.association import Association
    from pacskit.network.dimse import CStoreRequest
    from pacskit.network.negotiation import ContextProposal

    made = instances(first, count, size)

    def work(some: Instances) -> None:
        for uid, data in some:
            request = CStoreRequest(affected_sop_class_uid=inputs.CT_STORAGE, affected_sop_instance_uid=uid)
            if status := association.perform(request, data).status:
                raise SystemExit(f"a C-STORE was answered {status:04X}")

    contexts = [ContextProposal(inputs.CT_STORAGE, (inputs.EXPLICIT,))]
    with Association.request(f"{called}@127.0.0.1:{port}", contexts, calling="BENCH") as association:
        work(made[:1])
        timed(lambda: work(made[1:]))


def store_pynetdicom(port: int, called: str, first: int, count: int, size: int, tuned: bool) -> None:
    """C-STORE by pynetdicom: of data sets, or tuned of files whose bytes it sends as they are."""
    from tempfile import TemporaryDirectory

    from pydicom import dcmread
    from pynetdicom import _config

    _config.STORE_SEND_CHUNKED_DATASET = tuned
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="compare-")))
        files = []
        for number, (uid, data) in enumerate(instances(first, count, size)):
            path = folder / f"{number}.dcm"
            path.write_bytes(inputs.part10(data, inputs.CT_STORAGE, uid))
            files.append(path)
        association = pynetdicom_association(port, called, inputs.CT_STORAGE, tuned)

        def work(some: list[Path]) -> None:
            for path in some:
                answer = association.send_c_store(path if tuned else dcmread(path))
                if answer.get("Status") != 0:
                    raise SystemExit(f"pynetdicom: a C-STORE was answered {answer.get('Status', 'by nothing')}")

        work(files[:1])
        timed(lambda: work(files[1:]))
        association.release()


def main(arguments: list[str]) -> None:
    """Play a role."""
    role, *rest = arguments
    match role.split(":"):
        case ["serve", "pacskit"]:
            serve_pacskit()
        case ["serve", ("threads" | "asyncio" | "uvloop") as driver]:
            aio.serve(driver, rest[0])
        case ["serve", "pynetdicom", how]:
            serve_pynetdicom(how == "tuned", rest[0] if rest else "")
        case ["echo", "wire"]:
            echo_wire(int(rest[0]), rest[1], int(rest[2]))
        case ["echo", "asyncio"]:
            aio.echo_asyncio(int(rest[0]), rest[1], int(rest[2]))
        case ["echo", "pacskit"]:
            echo_pacskit(int(rest[0]), rest[1], int(rest[2]))
        case ["echo", "pynetdicom", how]:
            echo_pynetdicom(int(rest[0]), rest[1], int(rest[2]), how == "tuned")
        case ["store", toolkit, *how]:
            port, called, first, count, size = int(rest[0]), rest[1], int(rest[2]), int(rest[3]), int(rest[4])
            if toolkit == "pynetdicom":
                store_pynetdicom(port, called, first, count, size, how == ["tuned"])
            elif toolkit == "asyncio":
                aio.store_asyncio(port, called, instances(first, count, size)[1:])
            else:
                (store_wire if toolkit == "wire" else store_pacskit)(port, called, first, count, size)
        case _:
            raise SystemExit(f"no role {role}")


if __name__ == "__main__":
    main(sys.argv[1:])

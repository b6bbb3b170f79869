"""A bench: our side, one foreign peer, and a method for each DIMSE service element and who asks.

``we_ask_c_find(secure)`` is our SCU against the peer's SCP, ``they_ask_c_find(secure)`` the other way round; ``secure``
is TLS with certificates on both sides. What a peer cannot do is not a method but a line in ``lacks``, with its reason.
"""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import pacskit
from pacskit.core.enums import Level
from pacskit.core.events import EventBus, MessageReceived
from pacskit.core.uids import (
    BasicAnnotationBox,
    BasicFilmBox,
    BasicFilmSession,
    BasicGrayscaleImageBox,
    BasicGrayscalePrintManagementMeta,
    ModalityPerformedProcedureStep,
    Printer,
    PrinterInstance,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from pacskit.security.certificates import CaForTests, KeyPair, make_test_ca
from tests.interop.conftest import LOOPBACK, answers
from tests.interop.files import examine, wheel_file
from tests.interop.wire import Recording, Relay

__all__ = ["COMMITMENT", "CT", "ELEMENTS", "META", "MPPS", "MR", "WELL_KNOWN", "Bench", "Ours"]

CT, MR = wheel_file("CT_small.dcm"), wheel_file("MR_small.dcm")
STUDY: Final = examine(CT).study_uid
INSTANCE: Final = examine(CT).sop_instance_uid
MPPS, COMMITMENT = str(ModalityPerformedProcedureStep), str(StorageCommitmentPushModel)
WELL_KNOWN = str(StorageCommitmentPushModelInstance)
META = str(BasicGrayscalePrintManagementMeta)
ELEMENTS = (
    *("C-ECHO", "C-STORE", "C-FIND", "C-CANCEL", "C-MOVE", "C-GET"),
    *("N-EVENT-REPORT", "N-GET", "N-SET", "N-ACTION", "N-CREATE", "N-DELETE"),
)
Dataset = pacskit.Dataset


class Ours:
    """An archive and an SCP of handlers, each with a plain port and one with TLS for peers with a certificate."""

    def __init__(self, folder: Path) -> None:
        self.ca: CaForTests = make_test_ca(folder / "certificates")
        self.tls = pacskit.tls_context(cert=self.ca.server.cert, key=self.ca.server.key, ca=self.ca.ca)
        self.archive = pacskit.Archive(folder / "archive", ae="OURS")
        self.archive.serve(port=0, tls=self.tls, tls_port=0)
        self.asked: list[tuple[str, str]] = []
        self.reported: list[Any] = []
        self.stored: list[str] = []
        self.cancelled = threading.Event()
        self.scp = pacskit.SCP("HANDLERS", tls=self.tls, tls_port=0)
        self._register()
        self.scp.start()

    def close(self) -> None:
        self.scp.stop()
        self.archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def port(self, ae: str, *, secure: bool) -> int:
        if ae == "OURS":
            return (self.archive.tls_address if secure else self.archive.address).port
        return self.scp.tls_port if secure else self.scp.port

    def forget(self) -> None:
        self.asked.clear()
        self.reported.clear()
        self.stored.clear()
        self.cancelled.clear()

    def context(self, pair: KeyPair, purpose: ssl.Purpose) -> ssl.SSLContext:
        """TLS by the ssl module alone, for what stands on the other side; it wants our certificate too."""
        context = ssl.create_default_context(purpose, cafile=str(self.ca.ca))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(pair.cert, pair.key)
        return context

    def _register(self) -> None:
        scp, note = self.scp, self._note

        @scp.on_store
        def keep(event: pacskit.StoreEvent) -> None:
            self.stored.append(str(event.dataset.SOPInstanceUID))

        @scp.on_find(Level.STUDY)
        def endless(event: pacskit.FindEvent) -> Iterator[pacskit.Dataset]:
            pause, number = threading.Event(), 0
            while not event.cancelled:
                number += 1
                yield Dataset(StudyInstanceUID=f"1.2.{number}")
                pause.wait(0.005)  # so that the peer is not buried
            self.cancelled.set()

        for via, classes in (
            (None, (MPPS,)),
            (META, (BasicFilmSession, BasicFilmBox, BasicGrayscaleImageBox, Printer, BasicAnnotationBox)),
        ):
            scp.on_create(*classes, via=via)(self._create)
            scp.on_set(*classes, via=via)(note)
            scp.on_delete(*classes, via=via)(note)
            scp.on_get(*classes, via=via)(self._read)
            scp.on_action(*classes, via=via)(note)
        scp.on_action(COMMITMENT)(note)
        scp.on_event(COMMITMENT)(note)

    def _note(self, event: Any) -> None:
        name = {"Notification": "Event-Report"}.get(type(event).__name__[:-5], type(event).__name__[:-5])
        self.asked.append((f"N-{name.upper()}", str(event.sop_class_uid)))

    def _read(self, event: Any) -> pacskit.Dataset:
        self._note(event)
        return Dataset(PrinterStatus="NORMAL", PrinterStatusInfo="NORMAL", PatientID="4711")

    def _create(self, event: Any) -> pacskit.Reply:
        self._note(event)
        made = event.dataset
        if event.sop_class_uid == BasicFilmSession:  # and the printer has something to say (PS3.4 H.4.6)
            event.report(
                2,
                Dataset(PrinterStatusInfo="SUPPLY LOW"),
                sop_class=Printer,
                sop_instance=PrinterInstance,
                then=self.reported.append,
            )
        if event.sop_class_uid == BasicFilmBox:
            box = Dataset(ReferencedSOPClassUID=BasicGrayscaleImageBox, ReferencedSOPInstanceUID="1.2.3.9")
            made = made.copy()
            made.ReferencedImageBoxSequence = [box]
        return pacskit.Reply(sop_instance_uid=None if event.sop_instance_uid else "1.2.3.8", dataset=made)


class Bench:
    """What the three benches share."""

    name: ClassVar[str]
    lacks: ClassVar[dict[str, str]] = {}  # "we ask N-GET": why not

    def __init__(self, ours: Ours, folder: Path) -> None:
        self.ours, self.folder = ours, folder
        self.recording: Recording | None = None
        self.stack = ExitStack()
        folder.mkdir()
        self.client = ours.context(ours.ca.client, ssl.Purpose.SERVER_AUTH)
        self.server = ours.context(ours.ca.client, ssl.Purpose.CLIENT_AUTH)

    def close(self) -> None:
        self.stack.close()

    @classmethod
    def does(cls, who: str, element: str) -> bool:
        return hasattr(cls, method(who, element))

    def run(self, who: str, element: str, *, secure: bool) -> None:
        self.ours.forget()
        getattr(self, method(who, element))(secure)

    @contextmanager
    def recorded(self) -> Iterator[Recording]:
        """Have what passes without TLS recorded."""
        self.recording = Recording()
        try:
            yield self.recording
        finally:
            self.recording = None

    def way(self, port: int, *, secure: bool = False) -> int:
        """The port by which to come to ``port``: through a relay while it is recorded."""
        return port if secure or self.recording is None else self.relay(port, recording=self.recording)

    def relay(self, port: int, **options: Any) -> int:
        return self.stack.enter_context(Relay(port, **options)).port

    def to_ours(self, ae: str, *, secure: bool) -> int:
        return self.way(self.ours.port(ae, secure=secure), secure=secure)

    def process(self, command: list[str], port: int, cwd: Path, **environment: str) -> None:
        """Start a server, and end it with the bench."""
        log = self.stack.enter_context((self.folder / f"{Path(command[0]).name}-{port}.log").open("wb"))
        env = None if not environment else {"PATH": "/usr/bin", **environment}
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=cwd, env=env)
        self.stack.callback(process.wait, 30)
        self.stack.callback(process.kill)
        answers(port, process, 60)

    def connect(self, ae: str, port: int, *, secure: bool, calling: str = "OURS") -> pacskit.Peer:
        tls = self.ours.tls if secure else None
        return pacskit.connect(f"{ae}@{LOOPBACK}:{self.way(port, secure=secure)}", calling=calling, tls=tls)

    def node(self, ae: str, port: int, *, secure: bool) -> str:
        """Let our archive know a destination, which has a title of its own for each way to it."""
        name = f"{ae}_TLS" if secure else ae
        where = f"{name}@{LOOPBACK}:{self.way(port, secure=secure)}"
        self.ours.archive.nodes.add(f"tls:{where}" if secure else where)
        return name

    def fill(self) -> None:
        """Put something into our archive."""
        for path in (CT, MR):
            self.ours.archive.store(path)

    def cancels(
        self, ae: str, port: int, *, secure: bool, behind: bool = False, hold: bool = False, keys: Iterable[str] = ()
    ) -> None:
        """Query, leave after the first answer, and see that the peer says it was cancelled (PS3.4 C.4.1.3).

        With ``hold`` the rest of the answers is held back until the cancel has passed; with ``behind`` the peer has no
        TLS of its own.
        """
        if hold:
            accept = self.server if secure else None
            onward = self.client if secure and not behind else None
            port = self.relay(port, accept=accept, connect=onward, recording=self.recording, hold=True)
        elif self.recording is not None:
            port = self.way(port, secure=secure)
        bus, statuses = EventBus(), list[int | None]()
        bus.subscribe(MessageReceived, lambda event: statuses.append(event.status))
        tls = self.ours.tls if secure else None
        with pacskit.connect(f"{ae}@{LOOPBACK}:{port}", calling="OURS", tls=tls, events=bus) as peer:
            found = peer.find("STUDY", PatientID="", StudyDescription="", return_keys=keys or None)
            assert next(found).StudyInstanceUID
            found.close()
        assert (statuses[0], statuses[-1]) == (0xFF00, 0xFE00), statuses


def method(who: str, element: str) -> str:
    return f"{who} {element}".lower().replace(" ", "_").replace("-", "_")

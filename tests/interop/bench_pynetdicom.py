"""The bench with pynetdicom, in this process, as an SCU and an SCP of everything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pydicom
from pydicom.dataset import Dataset as Theirs

from pacskit.core.dataset import Dataset
from pacskit.core.uids import BasicFilmSession
from pacskit.services.sop_classes import MODELS
from tests.interop.bench import COMMITMENT, CT, INSTANCE, MPPS, MR, STUDY, WELL_KNOWN, Bench, Ours
from tests.interop.conftest import LOOPBACK
from tests.interop.files import examine

__all__ = ["Pynetdicom"]

VERIFICATION = "1.2.840.10008.1.1"
FIND, MOVE, GET = (str(uid) for uid in (MODELS[0].find, MODELS[0].move, MODELS[0].get))
KINDS = tuple(examine(path).sop_class_uid for path in (CT, MR))


def made(**values: Any) -> Theirs:
    dataset = Theirs()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def asked(ask: Callable[[], Any]) -> Any:
    """What it got for an answer. It may lose one, and says so by an empty data set: then it is asked once more."""
    for last in (False, True):
        answer = ask()
        answer = list(answer) if isinstance(answer, Iterator) else answer
        final = answer[-1] if isinstance(answer, list) else answer
        status = final[0] if isinstance(final, tuple) else final
        if "Status" in status or last:
            return answer
    raise AssertionError


class Pynetdicom(Bench):
    name: ClassVar[str] = "pynetdicom"

    def __init__(self, ours: Ours, folder: Path) -> None:
        super().__init__(ours, folder)
        self.seen: list[tuple[str, Any]] = []
        self._ports = {secure: self._listen(secure) for secure in (False, True)}

    def entity(self) -> Any:
        from pynetdicom import AE

        entity = AE("PYNET")
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
        return entity

    # ---- it answers

    def _listen(self, secure: bool) -> int:
        entity = self.entity()
        for uid in (VERIFICATION, FIND, MOVE, GET, MPPS, str(BasicFilmSession)):
            entity.add_supported_context(uid)
        for uid in (*KINDS, COMMITMENT):
            entity.add_supported_context(uid, scu_role=True, scp_role=True)
        server = entity.start_server(
            (LOOPBACK, 0), block=False, evt_handlers=self._handlers(secure), ssl_context=self.server if secure else None
        )
        self.stack.callback(server.shutdown)
        return int(server.server_address[1])

    def _handlers(self, secure: bool) -> list[Any]:
        from pynetdicom import build_context, evt

        pause = threading.Event()

        def note(name: str, answer: Any) -> Callable[[Any], Any]:
            def handle(event: Any) -> Any:
                request = event.request
                uid = getattr(request, "RequestedSOPInstanceUID", None) or request.AffectedSOPInstanceUID
                self.seen.append((name, str(uid)))
                return answer

            return handle

        def find(event: Any) -> Iterator[Any]:
            yield 0xFF00, made(StudyInstanceUID=STUDY, QueryRetrieveLevel="STUDY")
            if "StudyDescription" in event.identifier:  # the one that is to be cancelled
                while not event.is_cancelled:
                    pause.wait(0.01)
                yield 0xFE00, None

        def move(event: Any) -> Iterator[Any]:
            options = {"ae_title": "HANDLERS", "contexts": [build_context(KINDS[0])]}
            if secure:
                options["tls_args"] = (self.client, LOOPBACK)
            yield LOOPBACK, self.to_ours("HANDLERS", secure=secure), options
            yield 1
            yield 0xFF00, pydicom.dcmread(CT)

        def get(event: Any) -> Iterator[Any]:
            yield 1
            yield 0xFF00, pydicom.dcmread(CT)

        done = made(PerformedProcedureStepStatus="IN PROGRESS")
        return [
            (evt.EVT_C_STORE, note("C-STORE", 0)),
            (evt.EVT_C_FIND, find),
            (evt.EVT_C_MOVE, move),
            (evt.EVT_C_GET, get),
            (evt.EVT_N_CREATE, note("N-CREATE", (0, done))),
            (evt.EVT_N_SET, note("N-SET", (0, done))),
            (evt.EVT_N_GET, note("N-GET", (0, made(PatientID="4711")))),
            (evt.EVT_N_ACTION, note("N-ACTION", (0, None))),
            (evt.EVT_N_DELETE, note("N-DELETE", 0)),
            (evt.EVT_N_EVENT_REPORT, note("N-EVENT-REPORT", (0, None))),
        ]

    def peer(self, secure: bool) -> Any:
        self.seen.clear()
        return self.connect("PYNET", self._ports[secure], secure=secure)

    def we_ask_c_echo(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            assert peer.echo() == 0

    def we_ask_c_store(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            assert [sent.status for sent in peer.store([CT, MR])] == [0, 0]
        assert self.seen == [("C-STORE", examine(path).sop_instance_uid) for path in (CT, MR)]

    def we_ask_c_find(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            assert [found.StudyInstanceUID for found in peer.find("STUDY", return_keys=["PatientID"])] == [STUDY]

    def we_ask_c_cancel(self, secure: bool) -> None:
        self.cancels("PYNET", self._ports[secure], secure=secure)

    def we_ask_c_move(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            steps = list(peer.move("STUDY", STUDY, to="HANDLERS"))
        assert (steps[-1].completed, steps[-1].failed) == (1, 0)
        assert self.ours.stored == [INSTANCE]

    def we_ask_c_get(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            got = [one.save_into(self.folder / f"got-{secure}") for one in peer.get("STUDY", STUDY, sop_classes=KINDS)]
        assert [pydicom.dcmread(path).PixelData for path in got] == [pydicom.dcmread(CT).PixelData]

    def we_ask_n_create(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            answer = peer.n_create(MPPS, Dataset(PerformedProcedureStepStatus="IN PROGRESS"), sop_instance="1.2.3")
        assert answer.dataset is not None
        assert answer.dataset.PerformedProcedureStepStatus == "IN PROGRESS"
        assert self.seen == [("N-CREATE", "1.2.3")]

    def we_ask_n_set(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            answer = peer.n_set(MPPS, "1.2.3", Dataset(PerformedProcedureStepStatus="COMPLETED"))
        assert answer.status == 0
        assert self.seen == [("N-SET", "1.2.3")]

    def we_ask_n_get(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            answer = peer.n_get(MPPS, "1.2.3", ["PatientID"])
        assert answer.dataset is not None
        assert answer.dataset.PatientID == "4711"
        assert self.seen == [("N-GET", "1.2.3")]

    def we_ask_n_action(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            assert peer.n_action(COMMITMENT, WELL_KNOWN, 1, Dataset(TransactionUID="1.9")).status == 0
        assert self.seen == [("N-ACTION", WELL_KNOWN)]

    def we_ask_n_delete(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            assert peer.n_delete(BasicFilmSession, "1.2.3").status == 0
        assert self.seen == [("N-DELETE", "1.2.3")]

    def we_ask_n_event_report(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            assert peer.n_event_report(COMMITMENT, WELL_KNOWN, 1, Dataset(TransactionUID="1.9")).status == 0
        assert self.seen == [("N-EVENT-REPORT", WELL_KNOWN)]

    # ---- it asks

    @contextmanager
    def associated(self, ae: str, *contexts: str, secure: bool, **options: Any) -> Iterator[Any]:
        entity = self.entity()
        for uid in contexts:
            entity.add_requested_context(uid)
        if secure:
            options["tls_args"] = (self.client, LOOPBACK)
        association = entity.associate(LOOPBACK, self.to_ours(ae, secure=secure), ae_title=ae, **options)
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def they_ask_c_echo(self, secure: bool) -> None:
        with self.associated("OURS", VERIFICATION, secure=secure) as association:
            assert asked(association.send_c_echo).Status == 0

    def they_ask_c_store(self, secure: bool) -> None:
        with self.associated("HANDLERS", *KINDS, secure=secure) as association:
            assert asked(lambda: association.send_c_store(CT)).Status == 0
        assert set(self.ours.stored) == {INSTANCE}

    def they_ask_c_find(self, secure: bool) -> None:
        self.fill()
        query = made(QueryRetrieveLevel="STUDY", PatientID="1CT1", StudyInstanceUID="")
        with self.associated("OURS", FIND, secure=secure) as association:
            responses = asked(lambda: association.send_c_find(query, FIND))
        assert [status.Status for status, _ in responses] == [0xFF00, 0]
        assert responses[0][1].StudyInstanceUID == STUDY

    def they_ask_c_cancel(self, secure: bool) -> None:
        query = made(QueryRetrieveLevel="STUDY", StudyInstanceUID="")
        with self.associated("HANDLERS", FIND, secure=secure) as association:
            statuses: list[int | None] = []
            for status, _ in association.send_c_find(query, FIND, msg_id=7):
                if not statuses:
                    association.send_c_cancel(7, query_model=FIND)
                statuses.append(status.get("Status"))
        assert self.ours.cancelled.wait(60)
        assert statuses[-1] in {0xFE00, None}  # None: it lost the answer

    def they_ask_c_move(self, secure: bool) -> None:
        self.fill()
        to = self.node("PYNET", self._ports[secure], secure=secure)
        query = made(QueryRetrieveLevel="STUDY", StudyInstanceUID=STUDY)
        self.seen.clear()
        with self.associated("OURS", MOVE, secure=secure) as association:
            responses = asked(lambda: association.send_c_move(query, to, MOVE))
        assert responses[-1][0].Status == 0
        assert responses[-1][0].NumberOfCompletedSuboperations == 1
        assert set(self.seen) == {("C-STORE", INSTANCE)}

    def they_ask_c_get(self, secure: bool) -> None:
        from pynetdicom import build_role, evt

        self.fill()
        received: list[str] = []

        def keep(event: Any) -> int:
            received.append(event.dataset.SOPInstanceUID)
            return 0

        options = {
            "ext_neg": [build_role(uid, scp_role=True) for uid in KINDS],
            "evt_handlers": [(evt.EVT_C_STORE, keep)],
        }
        query = made(QueryRetrieveLevel="STUDY", StudyInstanceUID=STUDY)
        with self.associated("OURS", GET, *KINDS, secure=secure, **options) as association:
            responses = asked(lambda: association.send_c_get(query, GET))
        assert responses[-1][0].Status == 0
        assert set(received) == {INSTANCE}

    def _normalized(self, secure: bool, sop_class: str, ask: Callable[[Any], Any], **options: Any) -> Any:
        with self.associated("HANDLERS", sop_class, secure=secure, **options) as association:
            answer = asked(lambda: ask(association))
        status = answer[0] if isinstance(answer, tuple) else answer
        assert status.Status == 0
        return answer[1] if isinstance(answer, tuple) else None

    def they_ask_n_create(self, secure: bool) -> None:
        step = made(PerformedProcedureStepStatus="IN PROGRESS")
        created = self._normalized(secure, MPPS, lambda one: one.send_n_create(step, MPPS, "1.2.3"))
        assert created.PerformedProcedureStepStatus == "IN PROGRESS"
        assert ("N-CREATE", MPPS) in self.ours.asked

    def they_ask_n_set(self, secure: bool) -> None:
        step = made(PerformedProcedureStepStatus="COMPLETED")
        self._normalized(secure, MPPS, lambda one: one.send_n_set(step, MPPS, "1.2.3"))
        assert ("N-SET", MPPS) in self.ours.asked

    def they_ask_n_get(self, secure: bool) -> None:
        found = self._normalized(secure, MPPS, lambda one: one.send_n_get([0x00100020], MPPS, "1.2.3"))
        assert found.PatientID == "4711"

    def they_ask_n_action(self, secure: bool) -> None:
        wanted = made(TransactionUID="1.9")
        self._normalized(secure, COMMITMENT, lambda one: one.send_n_action(wanted, 1, COMMITMENT, WELL_KNOWN))
        assert ("N-ACTION", COMMITMENT) in self.ours.asked

    def they_ask_n_delete(self, secure: bool) -> None:
        self._normalized(secure, MPPS, lambda one: one.send_n_delete(MPPS, "1.2.3"))
        assert ("N-DELETE", MPPS) in self.ours.asked

    def they_ask_n_event_report(self, secure: bool) -> None:
        from pynetdicom import build_role

        told = made(TransactionUID="1.9")
        self._normalized(
            secure,
            COMMITMENT,
            lambda one: one.send_n_event_report(told, 1, COMMITMENT, WELL_KNOWN),
            ext_neg=[build_role(COMMITMENT, scp_role=True)],
        )
        assert ("N-EVENT-REPORT", COMMITMENT) in self.ours.asked

"""DIMSE-N with pynetdicom on the other side, in both roles: MPPS (PS3.4 F.7) and Storage Commitment (PS3.4 J.3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from pydicom.dataset import Dataset as Theirs

import pacskit
from pacskit.core.errors import DimseError
from pacskit.core.status import Status
from pacskit.core.uids import (
    BasicFilmSession,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from tests.interop.conftest import LOOPBACK
from tests.network.drivers import AsyncioDriver, Driver, ThreadDriver

pytestmark = pytest.mark.interop

Dataset = pacskit.Dataset
MPPS, COMMITMENT = str(ModalityPerformedProcedureStep), str(StorageCommitmentPushModel)
FILM, WELL_KNOWN = str(BasicFilmSession), str(StorageCommitmentPushModelInstance)


@pytest.fixture(params=[ThreadDriver, AsyncioDriver])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    made: Driver = request.param()
    yield made
    made.close()


@contextmanager
def entity() -> Iterator[Any]:
    from pynetdicom import AE

    made = AE("PYNET")
    made.acse_timeout = made.dimse_timeout = made.network_timeout = 15
    yield made


@contextmanager
def their_scp(*handlers: tuple[Any, Callable[[Any], Any]], roles: bool = False) -> Iterator[str]:
    """pynetdicom as SCP of both classes; its address."""
    with entity() as ae:
        for uid in (MPPS, COMMITMENT, FILM):
            ae.add_supported_context(uid, **({"scu_role": True, "scp_role": True} if roles else {}))
        server = ae.start_server((LOOPBACK, 0), block=False, evt_handlers=list(handlers))
        try:
            yield f"PYNET@{LOOPBACK}:{server.server_address[1]}"
        finally:
            server.shutdown()


@contextmanager
def their_scu(scp: pacskit.SCP, *handlers: tuple[Any, Callable[[Any], Any]], scp_role: bool = False) -> Iterator[Any]:
    from pynetdicom.presentation import build_role

    with entity() as ae:
        for uid in (MPPS, COMMITMENT):
            ae.add_requested_context(uid)
        roles = [build_role(COMMITMENT, scp_role=True)] if scp_role else []
        association = ae.associate(
            LOOPBACK, scp.port, ae_title=scp.ae, ext_neg=roles, evt_handlers=list(handlers)
        )  # fmt: skip
        assert association.is_established
        try:
            yield association
        finally:
            association.release()


def test_our_verbs_its_handlers(pynetdicom: ModuleType, driver: Driver) -> None:
    from pynetdicom import evt

    asked: list[tuple[str, Any]] = []

    def create(event: Any) -> tuple[Any, Any]:
        asked.append(("create", event.attribute_list.PerformedProcedureStepStatus))
        created = Theirs()
        created.PerformedProcedureStepStatus = "IN PROGRESS"
        return (0x0116 if event.request.AffectedSOPInstanceUID == "1.2.4" else 0), created

    def change(event: Any) -> tuple[Any, Any]:
        asked.append(("set", event.request.RequestedSOPInstanceUID))
        if "PatientName" not in event.modification_list:
            return 0, None
        status = Theirs()
        status.Status, status.ErrorComment, status.ErrorID = 0x0106, "not that one", 9
        return status, None

    def read(event: Any) -> tuple[Any, Any]:
        asked.append(("get", [int(tag) for tag in event.attribute_identifiers]))
        found = Theirs()
        found.PatientID = "4711"
        return 0, found

    def act(event: Any) -> tuple[Any, Any]:
        asked.append(("action", (event.action_type, event.action_information.TransactionUID)))
        return 0, None

    def delete(event: Any) -> int:
        asked.append(("delete", event.request.RequestedSOPInstanceUID))
        return 0x0112

    handlers = [
        (evt.EVT_N_CREATE, create),
        (evt.EVT_N_SET, change),
        (evt.EVT_N_GET, read),
        (evt.EVT_N_ACTION, act),
        (evt.EVT_N_DELETE, delete),
    ]
    with their_scp(*handlers) as address, driver.peer(address) as peer:
        step = Dataset(PerformedProcedureStepStatus="IN PROGRESS")
        made = peer.n_create(MPPS, step, sop_instance="1.2.3")
        assert (made.status, made.sop_instance_uid) == (0, "1.2.3")
        assert made.dataset is not None
        assert made.dataset.PerformedProcedureStepStatus == "IN PROGRESS"
        assert peer.n_create(MPPS, step, sop_instance="1.2.4").status.is_warning
        assert peer.n_set(MPPS, "1.2.3", step).status == 0
        with pytest.raises(DimseError, match="not that one") as refused:
            peer.n_set(MPPS, "1.2.3", Dataset(PatientName="X"))
        assert (refused.value.status, refused.value.error_id) == (0x0106, 9)
        found = peer.n_get(MPPS, "1.2.3", ["PatientID", "PatientName"]).dataset
        assert found is not None
        assert found.PatientID == "4711"
        with pytest.raises(DimseError) as gone:
            peer.n_delete(FILM, "1.2.3")
        assert gone.value.status == 0x0112
        assert peer.n_action(COMMITMENT, WELL_KNOWN, 1, Dataset(TransactionUID="1.9")).status == 0
    assert asked == [
        ("create", "IN PROGRESS"),
        ("create", "IN PROGRESS"),
        ("set", "1.2.3"),
        ("set", "1.2.3"),
        ("get", [0x00100020, 0x00100010]),
        ("delete", "1.2.3"),
        ("action", (1, "1.9")),
    ]


def test_its_notification_to_us_on_the_same_association(pynetdicom: ModuleType, driver: Driver) -> None:
    from pynetdicom import evt

    reported: list[int] = []

    def act(event: Any) -> tuple[int, None]:
        information = Theirs()
        information.TransactionUID = event.action_information.TransactionUID

        def report() -> None:
            status, _ = event.assoc.send_n_event_report(information, 1, COMMITMENT, WELL_KNOWN)
            reported.append(status.get("Status"))

        threading.Timer(0.05, report).start()
        return 0, None

    with their_scp((evt.EVT_N_ACTION, act)) as address, driver.peer(address) as peer:
        assert peer.n_action(COMMITMENT, WELL_KNOWN, 1, Dataset(TransactionUID="1.9")).status == 0
        event = peer.wait_event(10)
        assert event is not None
        assert (event.event_type, event.dataset.TransactionUID) == (1, "1.9")


def test_our_notification_to_it_on_another_association(pynetdicom: ModuleType, driver: Driver) -> None:
    from pynetdicom import evt

    told: list[tuple[int, str]] = []

    def note(event: Any) -> tuple[int, None]:
        told.append((event.event_type, event.event_information.TransactionUID))
        return 0, None

    with their_scp((evt.EVT_N_EVENT_REPORT, note), roles=True) as address, driver.peer(address) as peer:
        assert peer.n_event_report(COMMITMENT, WELL_KNOWN, 2, Dataset(TransactionUID="1.9")).status == 0
        explained = peer.explain()
        assert explained is not None
        assert [(context.as_scu, context.as_scp) for context in explained.accepted] == [(False, True)]
    assert told == [(2, "1.9")]


def ours(driver: Driver) -> tuple[pacskit.SCP, list[Any]]:
    scp = driver.scp("OURS")
    asked: list[Any] = []

    @scp.on_create(MPPS)
    def create(event: Any) -> Any:
        asked.append(("create", event.sop_instance_uid, event.dataset.PerformedProcedureStepStatus))
        return pacskit.Reply(sop_instance_uid="1.2.99", dataset=event.dataset)

    @scp.on_set(MPPS)
    def change(event: Any) -> Any:
        asked.append(("set", event.sop_instance_uid))
        raise DimseError(0x0106, "no", offending=[0x00400252], error_id=3)

    @scp.on_get(MPPS)
    def read(event: Any) -> Any:
        asked.append(("get", tuple(map(int, event.attributes))))
        return pacskit.Reply(status=0x0107, dataset=Dataset(PatientID="4711"), attributes=(0x00100010,))

    @scp.on_delete(MPPS)
    def delete(event: Any) -> int:
        return 0x0112

    @scp.on_action(COMMITMENT)
    def act(event: Any) -> None:
        event.report(1, Dataset(TransactionUID=event.dataset.TransactionUID), then=asked.append)

    @scp.on_event(COMMITMENT)
    def note(event: Any) -> None:
        asked.append(("event", event.event_type, event.dataset.TransactionUID))

    return scp, asked


def test_its_verbs_our_handlers(pynetdicom: ModuleType, driver: Driver) -> None:
    scp, asked = ours(driver)
    step = Theirs()
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    with scp, their_scu(scp) as association:
        status, created = association.send_n_create(step, MPPS, None)
        assert (status.Status, created.PerformedProcedureStepStatus) == (0, "IN PROGRESS")
        status, _ = association.send_n_set(step, MPPS, "1.2.99")
        assert (status.Status, status.ErrorComment, status.ErrorID) == (0x0106, "no", 3)
        status, found = association.send_n_get([0x00100020, 0x00100010], MPPS, "1.2.99")
        assert (status.Status, found.PatientID) == (0x0107, "4711")
        assert association.send_n_delete(MPPS, "1.2.99").Status == 0x0112
    assert asked == [("create", None, "IN PROGRESS"), ("set", "1.2.99"), ("get", (0x00100020, 0x00100010))]


def test_our_notification_to_its_scu_on_the_same_association(pynetdicom: ModuleType, driver: Driver) -> None:
    from pynetdicom import evt

    scp, asked = ours(driver)
    told, heard = [], threading.Event()

    def note(event: Any) -> tuple[int, None]:
        told.append((event.event_type, event.event_information.TransactionUID))
        heard.set()
        return 0, None

    transaction = Theirs()
    transaction.TransactionUID = "1.9"
    with scp, their_scu(scp, (evt.EVT_N_EVENT_REPORT, note)) as association:
        status, _ = association.send_n_action(transaction, 1, COMMITMENT, WELL_KNOWN)
        assert status.Status == 0
        assert heard.wait(10)
    assert told == [(1, "1.9")]
    assert asked == [0]


def test_its_notification_to_us_on_another_association(pynetdicom: ModuleType, driver: Driver) -> None:
    scp, asked = ours(driver)
    transaction = Theirs()
    transaction.TransactionUID = "1.9"
    with scp, their_scu(scp, scp_role=True) as association:
        status, _ = association.send_n_event_report(transaction, 2, COMMITMENT, WELL_KNOWN)
        assert status.Status == 0
    assert asked == [("event", 2, "1.9")]


def test_the_categories_of_statuses_are_those_of_its_tables(pynetdicom: ModuleType) -> None:
    """Every code in pynetdicom's tables of the normalized services (PS3.4 annexes F, H, J, R, S, CC …)."""
    from pynetdicom import status as tables

    names = [name for name in vars(tables) if name.endswith("_SERVICE_CLASS_STATUS")] + ["GENERAL_STATUS"]
    differing = {
        f"{code:04X}": (name, category, str(Status(code).category))
        for name in names
        for code, (category, *_) in getattr(tables, name).items()
        if category != str(Status(code).category)
    }
    assert differing == {}

"""DIMSE-N by our own names, both ends ours: every element, status and related field of PS3.7 10.1."""

from __future__ import annotations

import pytest

import pacskit
from pacskit.core.errors import DimseError, NetworkError
from pacskit.core.tag import Tag
from pacskit.core.uids import (
    BasicFilmSession,
    BasicGrayscalePrintManagementMeta,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from pacskit.network.dimse import CEchoRequest, CStoreRequest, NEventReportRequest
from pacskit.network.negotiation import Role
from pacskit.services.normalized import (
    ActionEvent,
    CreateEvent,
    DeleteEvent,
    GetEvent,
    NotificationEvent,
    Reply,
    SetEvent,
)
from tests.network.drivers import Driver

Dataset = pacskit.Dataset
MPPS = ModalityPerformedProcedureStep
COMMITMENT, WELL_KNOWN = StorageCommitmentPushModel, StorageCommitmentPushModelInstance


def steps(driver: Driver) -> tuple[pacskit.SCP, dict[str, Dataset]]:
    """An SCP of MPPS that keeps the steps (PS3.4 F.7)."""
    scp = driver.scp("STEPS")
    kept: dict[str, Dataset] = {}

    @scp.on_create(MPPS)
    def create(event: CreateEvent) -> Reply:
        uid = str(event.sop_instance_uid or "1.2.826.1")
        if uid in kept:
            raise DimseError(0x0111, "it is there already")
        if "PerformedProcedureStepStatus" not in event.dataset:
            raise DimseError(0x0120, "missing", offending=[0x00400252], error_id=7)
        kept[uid] = event.dataset
        return Reply(sop_instance_uid=uid, dataset=event.dataset)

    @scp.on_set(MPPS)
    def change(event: SetEvent) -> pacskit.Status | Reply:
        step = kept.get(str(event.sop_instance_uid))
        if step is None:
            return pacskit.Status.NO_SUCH_INSTANCE
        if "PatientName" in event.dataset:
            return Reply(status=0x0107, attributes=(0x00100010,), comment="not changed")
        step.PerformedProcedureStepStatus = event.dataset.PerformedProcedureStepStatus
        return pacskit.Status.SUCCESS

    @scp.on_get(MPPS)
    def read(event: GetEvent) -> Dataset:
        step = kept[str(event.sop_instance_uid)]
        return Dataset(PerformedProcedureStepStatus=step.PerformedProcedureStepStatus, PatientID=str(event.attributes))

    @scp.on_delete(MPPS)
    def delete(event: DeleteEvent) -> None:
        del kept[str(event.sop_instance_uid)]

    return scp, kept


def test_create_set_get_delete(driver: Driver) -> None:
    scp, kept = steps(driver)
    with scp, driver.peer(scp.address) as peer:
        made = peer.n_create(MPPS, Dataset(PerformedProcedureStepStatus="IN PROGRESS"), sop_instance="1.2.3")
        assert (made.status, made.sop_instance_uid) == (0, "1.2.3")
        assert made.dataset is not None
        assert made.dataset.PerformedProcedureStepStatus == "IN PROGRESS"
        theirs = peer.n_create(MPPS, Dataset(PerformedProcedureStepStatus="IN PROGRESS"))
        assert theirs.sop_instance_uid == "1.2.826.1"
        assert len(kept) == 2
        assert peer.n_set(MPPS, "1.2.3", Dataset(PerformedProcedureStepStatus="COMPLETED")).status == 0
        warned = peer.n_set(MPPS, "1.2.3", Dataset(PatientName="X"))
        assert (warned.status, warned.attributes, warned.comment) == (0x0107, (Tag("PatientName"),), "not changed")
        found = peer.n_get(MPPS, "1.2.3", ["PerformedProcedureStepStatus", 0x00100020])
        assert found.dataset is not None
        assert found.dataset.PerformedProcedureStepStatus == "COMPLETED"
        assert found.dataset.PatientID == str((Tag(0x00400252), Tag(0x00100020)))
        assert peer.n_delete(MPPS, "1.2.3").status.is_success
        assert list(kept) == ["1.2.826.1"]


def test_refusals_carry_their_fields(driver: Driver) -> None:
    scp, _ = steps(driver)
    with scp, driver.peer(scp.address) as peer:
        with pytest.raises(DimseError, match="missing") as missing:
            peer.n_create(MPPS, Dataset(PatientID="1"))
        assert (missing.value.status, missing.value.offending, missing.value.error_id) == (0x0120, (0x00400252,), 7)
        with pytest.raises(DimseError) as unknown:
            peer.n_set(MPPS, "1.2.9", Dataset(PatientID="1"))
        assert unknown.value.status == 0x0112
        assert "No Such SOP Instance" in str(unknown.value)
        with pytest.raises(DimseError) as broken:  # a KeyError of the handler
            peer.n_delete(MPPS, "1.2.9")
        assert broken.value.status == 0x0110
        with pytest.raises(DimseError) as action:
            peer.n_action(MPPS, "1.2.9", 1)
        assert action.value.status == 0x0211


def test_an_operation_that_a_class_does_not_have_is_unrecognized(driver: Driver) -> None:
    scp, _ = steps(driver)

    @scp.on_store
    def keep(event: pacskit.StoreEvent) -> None:
        raise ZeroDivisionError

    ct = "1.2.840.10008.5.1.4.1.1.2"
    with scp, driver.request(scp.address, [ct, MPPS], calling="X") as association:
        assert association.perform(CEchoRequest(affected_sop_class_uid=ct)).status == 0x0211
        store = CStoreRequest(affected_sop_class_uid=MPPS, affected_sop_instance_uid="1.2")
        assert association.perform(store, bytes(200_000)).status == 0x0211
        assert association.perform(CEchoRequest(affected_sop_class_uid=ct)).status == 0x0211


def committing(driver: Driver) -> tuple[pacskit.SCP, list[object]]:
    """Storage commitment that reports on the same association (PS3.4 J.3)."""
    scp = driver.scp("COMMIT")
    outcomes: list[object] = []

    @scp.on_action(COMMITMENT)
    def commit(event: ActionEvent) -> None:
        assert event.action_type == 1
        result = Dataset(TransactionUID=event.dataset.TransactionUID)
        event.report(1, result, then=outcomes.append)

    return scp, outcomes


def test_a_notification_on_the_same_association(driver: Driver) -> None:
    scp, outcomes = committing(driver)
    handled: list[str] = []
    with scp, driver.peer(scp.address) as peer:

        def note(event: NotificationEvent) -> int:
            handled.append(event.dataset.TransactionUID)
            return 0

        peer.on_event(COMMITMENT)(note)
        for number in range(3):
            transaction = Dataset(TransactionUID=f"1.2.{number}")
            assert peer.n_action(COMMITMENT, WELL_KNOWN, 1, transaction).status == 0
        events = [peer.wait_event(5) for _ in range(3)]
        assert [event.event_type for event in events if event] == [1, 1, 1]
        assert peer.wait_event(0.01) is None
        assert peer.n_action(COMMITMENT, WELL_KNOWN, 1, Dataset(TransactionUID="1.3")).status == 0
        assert peer.wait_event(5) is not None
    assert handled == ["1.2.0", "1.2.1", "1.2.2", "1.3"]
    assert outcomes == [0, 0, 0, 0]


def test_who_reports_learns_that_the_peer_has_left(driver: Driver) -> None:
    scp, outcomes = committing(driver)
    with scp:
        peer = driver.peer(scp.address)
        peer.n_action(COMMITMENT, WELL_KNOWN, 1, Dataset(TransactionUID="1.2"))
        peer.close()
    assert len(outcomes) == 1
    assert outcomes[0] == 0 or isinstance(outcomes[0], NetworkError)


def test_a_notification_on_another_association_in_the_scp_role(driver: Driver) -> None:
    """PS3.7 D.3.3.4: who reports proposes to be SCP, who is told accepted to be SCU."""
    scp = driver.scp("MODALITY")
    told: list[tuple[int, str]] = []

    @scp.on_event(COMMITMENT)
    def note(event: NotificationEvent) -> None:
        told.append((event.event_type, event.dataset.TransactionUID))

    with scp:
        with driver.peer(scp.address) as peer:
            assert peer.n_event_report(COMMITMENT, WELL_KNOWN, 2, Dataset(TransactionUID="1.2")).status == 0
        roles = {str(COMMITMENT): Role(scu=False, scp=True)}
        with driver.request(scp.address, [COMMITMENT], calling="X", roles=roles) as association:
            assert [(c.as_scu, c.as_scp) for c in association.accepted] == [(False, True)]
        with driver.request(scp.address, [COMMITMENT], calling="X") as association:  # without the role
            report = NEventReportRequest(
                affected_sop_class_uid=COMMITMENT, affected_sop_instance_uid=WELL_KNOWN, event_type_id=3
            )
            assert association.perform(report).status == 0x0110  # no TransactionUID
    assert told == [(2, "1.2")]


def test_a_class_by_its_meta_class(driver: Driver) -> None:
    scp = driver.scp("PRINTER")

    @scp.on_create(BasicFilmSession, via=BasicGrayscalePrintManagementMeta)
    def create(event: CreateEvent) -> Reply:
        assert event.sop_class_uid == BasicFilmSession
        return Reply(status=0xB600, sop_instance_uid="1.2.7", offending=(0x20000010,))

    with scp, driver.peer(scp.address) as peer:
        made = peer.n_create(BasicFilmSession, Dataset(NumberOfCopies=1), via=BasicGrayscalePrintManagementMeta)
        assert (made.status, made.status.is_warning, made.sop_instance_uid) == (0xB600, True, "1.2.7")
        assert made.offending == (0x20000010,)
        with pytest.raises(pacskit.NoPresentationContext):
            peer.n_create(BasicFilmSession, Dataset(NumberOfCopies=1))

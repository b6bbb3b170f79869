"""The fault matrix: each fault and each service ends in its deadline with the documented error, and leaves nothing.

``DRIVERS`` are the ways to talk to a peer; a driver gives the verbs of `SERVICES` under the same names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.core.errors import AssociationAborted, DeadlineExceeded, DimseError, PacsError
from pacskit.core.uids import ModalityPerformedProcedureStep, StorageCommitmentPushModel
from pacskit.testing import (
    TO_CLIENT,
    TO_SERVER,
    Abort,
    Close,
    Delay,
    Fault,
    FaultProxy,
    Reset,
    Rewrite,
    Split,
    Stall,
    Throttle,
)
from tests.interop.files import examine, wheel_file
from tests.network.drivers import AsyncioDriver

CT = wheel_file("CT_small.dcm")
MPPS, COMMITMENT = ModalityPerformedProcedureStep, StorageCommitmentPushModel
QUICK = pacskit.Timeouts(connect=5, acse=0.4, dimse=0.4, release=0.2)
PATIENT = pacskit.Timeouts(connect=20, acse=20, dimse=20, release=5)


def _store(peer: pacskit.Peer) -> Any:
    (sent,) = peer.store([CT])
    if sent.status.is_failure:
        raise DimseError(sent.status)


def _drain(steps: Iterator[Any]) -> None:
    for _ in steps:
        continue


SERVICES: dict[str, Callable[[pacskit.Peer], object]] = {
    "echo": lambda peer: peer.echo(),
    "store": _store,
    "find": lambda peer: _drain(peer.find("STUDY", PatientID="*")),
    "move": lambda peer: _drain(peer.move("STUDY", examine(CT).study_uid, to="DEST")),
    "get": lambda peer: _drain(peer.get("STUDY", examine(CT).study_uid, sop_classes=[examine(CT).sop_class_uid])),
    "n_create": lambda peer: peer.n_create(MPPS, pacskit.Dataset(PatientID="1")),
    "n_set": lambda peer: peer.n_set(MPPS, "1.2", pacskit.Dataset(PatientID="1")),
    "n_get": lambda peer: peer.n_get(MPPS, "1.2", ["PatientID"]),
    "n_action": lambda peer: peer.n_action(COMMITMENT, "1.2", 1, pacskit.Dataset(TransactionUID="1.2")),
    "n_delete": lambda peer: peer.n_delete(MPPS, "1.2"),
    "n_event_report": lambda peer: peer.n_event_report(COMMITMENT, "1.2", 1, pacskit.Dataset(TransactionUID="1.2")),
}
NORMALIZED = {name for name in SERVICES if name.startswith("n_")}


def _at(pdu: bytes, tag: int, change: Callable[[int], int]) -> bytes:
    """The response's command set with another number of 16 bits in the element (0000,tag)."""
    if pdu[0] != 4 or not pdu[11] & 1:
        return pdu
    head = tag.to_bytes(2, "little") + b"\x02\0\0\0"
    at = pdu.find(b"\0\0" + head)
    if at < 0:
        return pdu
    at += 2 + len(head)
    value = change(int.from_bytes(pdu[at : at + 2], "little")) & 0xFFFF
    return pdu[:at] + value.to_bytes(2, "little") + pdu[at + 2 :]


def _failing(pdu: bytes) -> bytes:
    return _at(pdu, 0x0900, lambda status: 0xA700)


def _answers_others(pdu: bytes) -> bytes:
    return _at(pdu, 0x0120, lambda number: number + 100)


def _garbage(pdu: bytes) -> bytes:
    return pdu[:6] + b"\xff" * (len(pdu) - 6) if pdu[0] == 4 else pdu


def _flood(pdu: bytes) -> bytes:
    return _answers_others(pdu) + pdu * 3000 if pdu[0] == 4 else pdu


# What happens, the deadlines, and how the verb has to end (None: well).
FAULTS: dict[str, tuple[Fault, pacskit.Timeouts, type[PacsError] | None]] = {
    "delay": (Delay(0.02), PATIENT, None),
    "split everywhere": (Split(1, where=TO_SERVER), PATIENT, None),
    "split answers": (Split(1, where=TO_CLIENT), PATIENT, None),
    "stall in the association": (Stall(30), QUICK, DeadlineExceeded),
    "stall in its answer": (Stall(30, TO_CLIENT), QUICK, DeadlineExceeded),
    "stall in the request": (Stall(20, in_data=True), QUICK, DeadlineExceeded),
    "stall in the response": (Stall(20, TO_CLIENT, in_data=True), QUICK, DeadlineExceeded),
    "close in the association": (Close(30), PATIENT, AssociationAborted),
    "close in the request": (Close(20, in_data=True), PATIENT, AssociationAborted),
    "close in the response": (Close(20, TO_CLIENT, in_data=True), PATIENT, AssociationAborted),
    "reset in the request": (Reset(20, in_data=True), PATIENT, AssociationAborted),
    "reset in the response": (Reset(20, TO_CLIENT, in_data=True), PATIENT, AssociationAborted),
    "abort before the request": (Abort(0, TO_CLIENT, in_data=True), PATIENT, AssociationAborted),
    "abort in a PDV of the request": (Abort(20, in_data=True), PATIENT, AssociationAborted),
    "abort in a PDV of the response": (Abort(20, TO_CLIENT, in_data=True), PATIENT, AssociationAborted),
    "a failure as status": (Rewrite(_failing), PATIENT, DimseError),
    "the response to something else": (Rewrite(_answers_others), PATIENT, AssociationAborted),
    "garbage": (Rewrite(_garbage), PATIENT, AssociationAborted),
    "a flood of responses": (Rewrite(_flood), PATIENT, AssociationAborted),
}


def test_a_thin_line_is_thin(targets: tuple[str, str], tmp_path: Path, nothing_left_behind: None) -> None:
    ds = pacskit.dcmread(CT)
    ds.PixelData = bytes(400_000)
    pacskit.dcmwrite(tmp_path / "large.dcm", ds)
    began = time.monotonic()
    with (
        FaultProxy(targets[0], Throttle(1_000_000, TO_SERVER)) as proxy,
        pacskit.connect(proxy.address, timeouts=PATIENT) as peer,
    ):
        assert [sent.status for sent in peer.store([tmp_path / "large.dcm"])] == [0]
    assert time.monotonic() - began > 0.35


class Threads:
    """The blocking driver."""

    def perform(self, address: object, service: str, timeouts: pacskit.Timeouts) -> None:
        with pacskit.connect(str(address), timeouts=timeouts) as peer:
            SERVICES[service](peer)


class Asyncio:
    """The other one, in a loop of its own."""

    def perform(self, address: object, service: str, timeouts: pacskit.Timeouts) -> None:
        driver = AsyncioDriver()
        try:
            with driver.peer(str(address), timeouts=timeouts) as peer:
                SERVICES[service](peer)
        finally:
            driver.close()


DRIVERS: dict[str, Threads | Asyncio] = {"threads": Threads(), "asyncio": Asyncio()}


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """An archive with an instance, and an SCP of normalized services."""
    folder: Path = tmp_path_factory.mktemp("faults") / "archive"
    scp = pacskit.SCP("NORMAL")
    for decorate in (scp.on_create, scp.on_set, scp.on_get, scp.on_delete):
        decorate(MPPS)(lambda event: None)
    scp.on_action(COMMITMENT)(lambda event: None)
    scp.on_event(COMMITMENT)(lambda event: None)
    destination = pacskit.SCP("DEST")
    destination.on_store(lambda event: None)
    with ExitStack() as stack:
        stack.enter_context(destination)
        archive = stack.enter_context(pacskit.Archive(folder))
        archive.nodes.add(destination.address)
        archive.serve(port=0)
        archive.store(CT)
        stack.enter_context(scp)
        for service in SERVICES:  # what a first use opens, stays open
            Threads().perform(scp.address if service in NORMALIZED else archive.address, service, PATIENT)
        yield str(archive.address), scp.address


@pytest.mark.parametrize("driver", sorted(DRIVERS))
@pytest.mark.parametrize("service", sorted(SERVICES))
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_each_fault_in_each_service(
    targets: tuple[str, str], driver: str, service: str, fault: str, nothing_left_behind: None
) -> None:
    what, timeouts, expected = FAULTS[fault]
    began = time.monotonic()
    with FaultProxy(targets[service in NORMALIZED], what) as proxy:
        if expected is None:
            DRIVERS[driver].perform(proxy.address, service, timeouts)
        else:
            with pytest.raises(expected) as caught:
                DRIVERS[driver].perform(proxy.address, service, timeouts)
            assert type(caught.value) is expected
    assert time.monotonic() - began < 15  # nothing waited for another deadline than its own

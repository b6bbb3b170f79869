"""pynetdicom on the other side, as client and as server.

It polls, with sleeps, and may lose the answer of a peer that is faster than that; where one of its verbs comes back
with an empty status on a good association, the test asks once more (see `once_more`).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

import pacskit
from pacskit.services.sop_classes import MODELS
from pacskit.storage import Store
from tests.interop.conftest import LOOPBACK, Serve, Served, answers, free_port, run
from tests.interop.conftest import pacskit as command
from tests.interop.files import examine, sha256, wheel_file

pytestmark = pytest.mark.interop

CT, MR = wheel_file("CT_small.dcm"), wheel_file("MR_small.dcm")
STUDY = MODELS[0]


@contextmanager
def associated(archive: Served, *contexts: str, **options: Any) -> Iterator[Any]:
    from pynetdicom import AE

    entity = AE("PYNET")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 15
    for uid in contexts:
        entity.add_requested_context(str(uid))
    association = entity.associate(LOOPBACK, archive.port, ae_title=archive.ae, **options)
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


def once_more(ask: Callable[[], Any]) -> Any:
    """Ask; if pynetdicom has lost the answer (it gives an empty data set then), ask a second time."""
    answer = ask()
    return answer if "Status" in answer else ask()


def identifier(level: str, **keys: str) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(ds, keyword, value)
    return ds


def test_echo_and_store(pynetdicom: ModuleType, archive: Served) -> None:
    with associated(archive, "1.2.840.10008.1.1", pydicom.dcmread(CT).SOPClassUID) as association:
        assert once_more(association.send_c_echo).Status == 0
        assert once_more(lambda: association.send_c_store(CT)).Status == 0
    (stored,) = archive.directory.joinpath("objects").rglob("*.dcm")
    assert pydicom.dcmread(stored) == pydicom.dcmread(CT)


def test_a_data_set_that_contradicts_its_command_is_refused(pynetdicom: ModuleType, archive: Served) -> None:
    ds = pydicom.dcmread(CT)
    del ds.StudyInstanceUID
    with associated(archive, ds.SOPClassUID) as association:
        assert once_more(lambda: association.send_c_store(ds)).Status == 0xA900
    assert not list(archive.directory.joinpath("objects").rglob("*.dcm"))


@pytest.mark.parametrize(("policy", "status"), [("ignore", 0), ("reject", 0x0111), ("replace", 0)])
def test_duplicates(pynetdicom: ModuleType, serve: Serve, policy: str, status: int) -> None:
    archive = serve("--duplicates", policy)
    ds = pydicom.dcmread(CT)
    with associated(archive, ds.SOPClassUID) as association:
        assert once_more(lambda: association.send_c_store(ds)).Status == 0
        ds.PatientName = "Second^One"
        assert once_more(lambda: association.send_c_store(ds)).Status == status
    assert archive.stop() == 0  # what is replaced is set aside when the row is written
    with Store(archive.directory) as store:
        assert [one.kind for one in store.removals.listed()] == (["replaced"] if policy == "replace" else [])
        stored = store.get(ds.SOPInstanceUID)
        assert stored is not None
        path = store.path(stored)
    assert (pydicom.dcmread(path).PatientName == "Second^One") == (policy == "replace")


def test_find(pynetdicom: ModuleType, archive: Served) -> None:
    assert command("store", archive.address, CT, MR).returncode == 0
    query = identifier("STUDY", StudyInstanceUID="", PatientName="Compressed*", ModalitiesInStudy="")
    with associated(archive, STUDY.find) as association:
        responses = list(association.send_c_find(query, STUDY.find))
        if "Status" not in responses[-1][0]:  # pynetdicom lost an answer
            responses = list(association.send_c_find(query, STUDY.find))
    assert [status.Status for status, _ in responses] == [0xFF00, 0xFF00, 0]
    assert {found.StudyInstanceUID for _, found in responses if found} == {
        examine(CT).study_uid,
        examine(MR).study_uid,
    }


def test_find_with_a_key_that_is_not_supported_says_so(pynetdicom: ModuleType, archive: Served) -> None:
    assert command("store", archive.address, CT).returncode == 0
    query = identifier("STUDY", StudyInstanceUID="", DeviceSerialNumber="X")
    with associated(archive, STUDY.find) as association:
        responses = list(association.send_c_find(query, STUDY.find))
    assert [status.Status for status, _ in responses] == [0xFF01, 0]


def test_get(pynetdicom: ModuleType, archive: Served) -> None:
    from pynetdicom import evt
    from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation

    assert command("store", archive.address, CT).returncode == 0
    ct = examine(CT)
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = ct.sop_class_uid, False, True
    received: list[Dataset] = []

    def keep(event: Any) -> int:
        received.append(event.dataset)
        return 0

    options = {"ext_neg": [role], "evt_handlers": [(evt.EVT_C_STORE, keep)]}
    with associated(archive, STUDY.get, ct.sop_class_uid, **options) as association:
        responses = list(association.send_c_get(identifier("STUDY", StudyInstanceUID=ct.study_uid), STUDY.get))
    assert responses[-1][0].Status == 0
    assert responses[-1][0].NumberOfCompletedSuboperations == 1
    assert received == [pydicom.dcmread(CT)]


def test_get_without_the_role_fails_each_instance(pynetdicom: ModuleType, archive: Served) -> None:
    assert command("store", archive.address, CT).returncode == 0
    ct = examine(CT)
    with associated(archive, STUDY.get, ct.sop_class_uid) as association:
        responses = list(association.send_c_get(identifier("STUDY", StudyInstanceUID=ct.study_uid), STUDY.get))
    status, failed = responses[-1]
    assert (status.Status, status.NumberOfFailedSuboperations) == (0xA702, 1)
    assert failed.FailedSOPInstanceUIDList == ct.sop_instance_uid


@contextmanager
def destination(refuse: str, warn: str) -> Iterator[tuple[int, list[tuple[str, str | None, int | None]]]]:
    """pynetdicom as the destination of a move: its port, and what it receives with the move originator."""
    from pynetdicom import AE, StoragePresentationContexts, evt

    received: list[tuple[str, str | None, int | None]] = []

    def keep(event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        request = event.request
        received.append((uid, request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID))
        return 0xA700 if uid == refuse else 0xB000 if uid == warn else 0

    entity = AE("DEST")
    entity.supported_contexts = StoragePresentationContexts
    server = entity.start_server((LOOPBACK, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
    assert server is not None
    try:
        yield server.server_address[1], received
    finally:
        server.shutdown()


def test_move(pynetdicom: ModuleType, serve: Serve, tmp_path: Path) -> None:
    """The counts of every response, the failed list, and the originator in the C-STOREs (PS3.4 C.4.2)."""
    ds = pydicom.dcmread(CT)
    for number in range(4):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(f"1.2.3.{number}")
        ds.save_as(tmp_path / f"{number}.dcm")
    files = sorted(tmp_path.glob("*.dcm"))
    with destination(refuse="1.2.3.1", warn="1.2.3.2") as (port, received):
        archive = serve("--node", f"DEST@{LOOPBACK}:{port}")
        assert command("store", archive.address, *files).returncode == 0
        query = identifier("STUDY", StudyInstanceUID=str(ds.StudyInstanceUID))
        with associated(archive, STUDY.move) as association:
            responses = list(association.send_c_move(query, "DEST", STUDY.move, msg_id=77))
    counts = [
        (
            status.Status,
            status.get("NumberOfRemainingSuboperations"),
            status.NumberOfCompletedSuboperations,
            status.NumberOfFailedSuboperations,
            status.NumberOfWarningSuboperations,
        )
        for status, _ in responses
    ]
    assert counts == [
        (0xFF00, 3, 1, 0, 0),
        (0xFF00, 2, 1, 1, 0),
        (0xFF00, 1, 1, 1, 1),
        (0xB000, None, 2, 1, 1),
    ]
    assert responses[-1][1].FailedSOPInstanceUIDList == "1.2.3.1"
    assert received == [(f"1.2.3.{number}", "PYNET", 77) for number in range(4)]


def app(name: str, archive: Served, *arguments: str | Path, cwd: Path) -> str:
    """Run one of pynetdicom's applications; once more where it lost an answer, which it says itself."""
    words = [sys.executable, "-m", "pynetdicom", name, LOOPBACK, str(archive.port), "-aec", archive.ae, "-v"]
    done = run(*words, *arguments, cwd=cwd)
    if "Connection closed or timed-out" in done.stdout:
        done = run(*words, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_its_applications(pynetdicom: ModuleType, serve: Serve, tmp_path: Path) -> None:
    ct = examine(CT)
    study = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={ct.study_uid}", "-S"]
    received: list[str] = []
    scp = pacskit.SCP("DEST")

    @scp.on_store
    def keep(event: pacskit.StoreEvent) -> None:
        received.append(sha256(event.save_into(tmp_path / "moved")))

    with scp:
        archive = serve("--node", scp.address)
        assert "Received Echo Response (Status: 0x0000 - Success)" in app("echoscu", archive, cwd=tmp_path)
        assert "0x0000 - Success" in app("storescu", archive, CT, cwd=tmp_path)
        assert ct.study_uid in app("findscu", archive, *study, cwd=tmp_path)
        assert "Completed: 1, Failed: 0" in app("movescu", archive, *study, "-aem", "DEST", cwd=tmp_path)
        (tmp_path / "got").mkdir()
        app("getscu", archive, *study, "-od", tmp_path / "got", cwd=tmp_path)
    assert len(received) == 1
    (got,) = (tmp_path / "got").iterdir()
    assert pydicom.dcmread(got) == pydicom.dcmread(CT)


def test_our_client_against_its_server(pynetdicom: ModuleType, tmp_path: Path) -> None:
    """Its example archive, ``python -m pynetdicom qrscp``, with our library and our command."""
    pytest.importorskip("sqlalchemy", reason="pynetdicom's qrscp needs sqlalchemy")
    port, target = free_port(), free_port()
    config = tmp_path / "qrscp.ini"
    config.write_text(
        f"[DEFAULT]\nae_title: QRSCP\nport: {port}\nmax_pdu: 16382\nacse_timeout: 10\ndimse_timeout: 10\n"
        f"network_timeout: 10\nbind_address: {LOOPBACK}\ninstance_location: {tmp_path / 'instances'}\n"
        f"database_location: {tmp_path / 'instances.sqlite'}\n"
        f"[DEST]\naddress: {LOOPBACK}\nport: {target}\n"
    )
    (tmp_path / "instances").mkdir()
    with (tmp_path / "qrscp.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pynetdicom", "qrscp", "-c", str(config)], stdout=log, stderr=log, cwd=tmp_path
        )
    try:
        answers(port, process, 20)
        talk_to(f"QRSCP@{LOOPBACK}:{port}", target, tmp_path)
    finally:
        process.kill()
        process.wait(10)


def talk_to(address: str, target: int, tmp_path: Path) -> None:
    ct = examine(CT)
    scp = pacskit.SCP("DEST", port=target)
    moved: list[Path] = []

    @scp.on_store
    def keep(event: pacskit.StoreEvent) -> None:
        moved.append(event.save_into(tmp_path / "moved"))

    with scp, pacskit.connect(address) as peer:
        assert peer.echo().is_success
        assert [sent.status for sent in peer.store([CT, MR])] == [0, 0]
        assert {study.PatientID for study in peer.find(pacskit.Level.STUDY)} == {"1CT1", "4MR1"}
        steps = list(peer.move(pacskit.Level.STUDY, ct.study_uid, to="DEST"))
        assert steps[-1].completed == 1
        got = [one.save_into(tmp_path / "got") for one in peer.get(pacskit.Level.STUDY, ct.study_uid)]
    for path in (*moved, *got):
        assert pydicom.dcmread(path) == pydicom.dcmread(CT)
    assert (len(moved), len(got)) == (1, 1)
    assert command("echo", address).returncode == 0
    assert command("get", address, ct.study_uid, "--into", tmp_path / "commanded").returncode == 0
    assert len(list((tmp_path / "commanded").iterdir())) == 1
    assert sha256(moved[0])


def test_the_asynchronous_operations_window(pynetdicom: ModuleType, archive: Served) -> None:
    """It negotiates the window and never uses it; as an acceptor it does not answer it: then one at a time holds."""
    from pynetdicom import AE, evt
    from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation

    asked = AsynchronousOperationsWindowNegotiation()
    asked.maximum_number_operations_invoked, asked.maximum_number_operations_performed = 5, 4
    ct = examine(CT)
    with associated(archive, ct.sop_class_uid, ext_neg=[asked]) as association:
        (answer,) = (
            item
            for item in association.acceptor.user_information
            if isinstance(item, AsynchronousOperationsWindowNegotiation)
        )
        assert (answer.maximum_number_operations_invoked, answer.maximum_number_operations_performed) == (5, 1)
        assert once_more(lambda: association.send_c_store(CT)).Status == 0
    windows: list[tuple[int, int]] = []
    entity = AE("DEST")
    entity.add_supported_context(ct.sop_class_uid, [ct.transfer_syntax])

    def window(event: Any) -> tuple[int, int]:
        windows.append((event.nr_invoked, event.nr_performed))
        return 1, 1

    handlers: list[Any] = [(evt.EVT_ASYNC_OPS, window), (evt.EVT_C_STORE, lambda event: 0)]
    server = entity.start_server((LOOPBACK, 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        with pacskit.connect(f"DEST@{LOOPBACK}:{server.server_address[1]}") as peer:
            assert [sent.status for sent in peer.store([CT, CT], window=8)] == [0, 0]
    finally:
        server.shutdown()
    assert windows == [(8, 1)]


def test_extended_negotiation(pynetdicom: ModuleType, archive: Served) -> None:
    """Relational queries and fuzzy names by pynetdicom's items: agreed, and then answered; time zones are not."""
    from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

    assert command("store", archive.address, CT, MR).returncode == 0
    asked = SOPClassExtendedNegotiation()
    asked.sop_class_uid, asked.service_class_application_information = str(STUDY.find), b"\x01\x00\x01\x01\x00"
    query = identifier("SERIES", SeriesInstanceUID="", Modality="MR", PatientName="mr1 compresedsampels")
    for items, expected in (([], [0xA900]), ([asked], [0xFF00, 0])):
        with associated(archive, STUDY.find, ext_neg=items) as association:
            answered = association.acceptor.sop_class_extended
            assert answered == ({str(STUDY.find): b"\x01\x00\x01\x00\x00"} if items else {})
            responses = list(association.send_c_find(query, STUDY.find))
            if "Status" not in responses[-1][0]:  # pynetdicom lost an answer
                responses = list(association.send_c_find(query, STUDY.find))
        assert [status.Status for status, _ in responses] == expected

"""C-ECHO and C-STORE with DCMTK and pynetdicom at the other end, and their PDU classes as the oracle for ours."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pacskit.core.errors import AssociationRejected
from pacskit.network.association import Association
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CEchoRequest, CStoreRequest
from pacskit.network.flow import Flow, Request, Send
from pacskit.network.negotiation import AssociationInfo, ContextProposal, Proposals, Role, propose
from pacskit.network.pdu import (
    AssociateAccept,
    AssociateRequest,
    AsyncWindow,
    CommonExtendedItem,
    ContextItem,
    ContextResult,
    ExtendedItem,
    RoleItem,
    UserIdentity,
    UserInformation,
    decode_associate,
)
from pacskit.network.sink import MemorySink, Sink
from pacskit.network.threads import Server
from pacskit.services.verification import VERIFICATION, VerificationService

pytestmark = pytest.mark.interop

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
PATIENT = Timeouts(connect=10, acse=30, dimse=30, release=5)


class Keeper:
    """A storage service that keeps the bytes in memory."""

    sop_classes = (CT,)

    def __init__(self) -> None:
        self.kept: list[Request] = []

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return MemorySink()

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        self.kept.append(request)
        yield Send(request.command.response())


@pytest.fixture(scope="module")
def ct(pydicom_files: list[Path]) -> Path:
    return next(path for path in pydicom_files if path.name == "CT_small.dcm")


def data_set_of(path: Path) -> bytes:
    """The bytes after the file meta, whose length group 0002 gives."""
    raw = path.read_bytes()
    return raw[144 + int.from_bytes(raw[140:144], "little") :]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(*command: str, port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < end, f"{command[0]} did not come up"
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(20)


def test_echoscu_of_dcmtk(dcmtk: Any) -> None:
    with Server([VerificationService()], ae="PACSKIT") as server:
        command = [dcmtk.tool("echoscu"), "-aec", "PACSKIT", "127.0.0.1", str(server.address[1])]
        for extra in ([], ["--repeat", "5"], ["-pdu", "4096"], ["--propose-pc", "128"], ["--abort"]):
            done = subprocess.run([*command, *extra], capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
        wrong = [command[0], "-aec", "OTHER", *command[3:]]
        done = subprocess.run(wrong, capture_output=True, text=True, timeout=60, check=False)
        assert "Called AE Title Not Recognized" in done.stdout + done.stderr


@pytest.mark.parametrize("max_pdu", [4096, 131072])
def test_storescu_of_dcmtk(max_pdu: int, dcmtk: Any, ct: Path) -> None:
    keeper = Keeper()
    with Server([keeper], ae="PACSKIT", limits=Limits(max_pdu=max_pdu)) as server:
        command = [dcmtk.tool("storescu"), "-R", "-aec", "PACSKIT", "127.0.0.1", str(server.address[1]), str(ct)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    assert keeper.kept[0].context.transfer_syntax == EXPLICIT
    assert len(keeper.kept[0].data) > 30_000


def test_storescp_of_dcmtk_as_packaged(dcmtk: Any, ct: Path, tmp_path: Path) -> None:
    """With Nagle's algorithm on at its end; it would take 44 ms a message without our quick ACKs."""
    port = free_port()
    data = data_set_of(ct)
    with running(dcmtk.tool("storescp"), "+B", "-od", str(tmp_path), str(port), port=port):
        contexts: Proposals = [VERIFICATION, ContextProposal(CT, (EXPLICIT,))]
        address = f"ANY@127.0.0.1:{port}"
        with Association.request(address, contexts, calling="PACSKIT", timeouts=PATIENT) as association:
            for _ in range(20):
                assert association.perform(CEchoRequest()).status.is_success
            request = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid=_uid(ct))
            assert association.perform(request, data).status.is_success
    stored = list(tmp_path.iterdir())
    assert len(stored) == 1
    assert data_set_of(stored[0]) == data


def _uid(path: Path) -> str:
    import pydicom

    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def test_pynetdicom_as_the_client(pynetdicom: ModuleType, ct: Path) -> None:
    import pydicom

    keeper = Keeper()
    with Server([VerificationService(), keeper], ae="PACSKIT") as server:
        entity = pynetdicom.AE(ae_title="PYNETDICOM")
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
        entity.add_requested_context(VERIFICATION)
        entity.add_requested_context(CT, [EXPLICIT])
        association = entity.associate("127.0.0.1", server.address[1], ae_title="PACSKIT")
        assert association.is_established
        assert association.send_c_echo().Status == 0
        assert association.send_c_store(pydicom.dcmread(ct)).Status == 0
        association.release()
        association.join(20)
        assert association.is_released
        assert association.acceptor.implementation_version_name.startswith("PACSKIT")
    assert len(keeper.kept[0].data) > 30_000


def test_pynetdicom_as_the_server(pynetdicom: ModuleType, ct: Path) -> None:
    kept = []

    def keep(event: Any) -> int:
        kept.append(event.request.DataSet.getvalue())
        return 0xB000

    entity = pynetdicom.AE(ae_title="PYNETDICOM")
    entity.require_called_aet = True
    entity.add_supported_context(VERIFICATION)
    entity.add_supported_context(CT, [EXPLICIT])
    handlers = [(pynetdicom.evt.EVT_C_STORE, keep)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    data = data_set_of(ct)
    try:
        port = server.socket.getsockname()[1]
        contexts: Proposals = [VERIFICATION, ContextProposal(CT, (EXPLICIT,)), "1.2.3"]
        address = f"PYNETDICOM@127.0.0.1:{port}"
        with Association.request(address, contexts, calling="PACSKIT", timeouts=PATIENT) as association:
            assert [c.result for c in association.info.contexts] == [0, 0, 3]
            assert association.perform(CEchoRequest()).status.is_success
            request = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3")
            assert association.perform(request, data).status == 0xB000
        with pytest.raises(AssociationRejected, match="called AE title"):
            Association.request(f"WRONG@127.0.0.1:{port}", contexts, calling="PACSKIT", timeouts=PATIENT)
    finally:
        server.shutdown()
    assert kept == [data]


FULL_USER = UserInformation(
    max_length=131072,
    implementation_class_uid="1.2.3",
    implementation_version="VERSION",
    async_window=AsyncWindow(3, 0),
    roles=(RoleItem(CT, True, True),),
    extended=(ExtendedItem(CT, b"\x01\x02\x03"),),
    common_extended=(CommonExtendedItem("1.2.5", "1.2.6", ("1.2.7", "1.2.8")),),
    identity=UserIdentity(2, b"user", b"pass", True),
)


def test_pynetdicom_decodes_our_association_request(pynetdicom: ModuleType) -> None:
    from pynetdicom.pdu import A_ASSOCIATE_RQ

    ours = AssociateRequest(
        "CALLED", "ME", (ContextItem(1, CT, (EXPLICIT, IMPLICIT)), ContextItem(3, "1.2", ("1.4",))), FULL_USER
    )
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(ours.encode())
    assert (pdu.called_ae_title, pdu.calling_ae_title) == ("CALLED", "ME")
    assert [(c.context_id, c.abstract_syntax, c.transfer_syntax) for c in pdu.presentation_context] == [
        (1, CT, [EXPLICIT, IMPLICIT]),
        (3, "1.2", ["1.4"]),
    ]
    user = pdu.user_information
    assert user is not None
    assert user.maximum_length == 131072
    assert user.async_ops_window.maximum_number_operations_invoked == 3  # type: ignore[union-attr]
    assert [(r.uid, r.scu, r.scp) for r in user.role_selection.values()] == [(CT, 1, 1)]
    assert [i.app_info for i in user.ext_neg] == [b"\x01\x02\x03"]
    assert user.common_ext_neg[0].related_general_sop_class_identification == ["1.2.7", "1.2.8"]
    assert (user.user_identity.primary_field, user.user_identity.secondary_field) == (b"user", b"pass")  # type: ignore[union-attr]
    assert decode_associate(1, pdu.encode()[6:]) == ours
    assert pdu.encode() == ours.encode()


def test_pynetdicom_decodes_our_accept(pynetdicom: ModuleType) -> None:
    from pynetdicom.pdu import A_ASSOCIATE_AC

    user = UserInformation(
        max_length=0,
        implementation_class_uid="1.2.3",
        implementation_version="V",
        roles=(RoleItem(CT, False, True),),
        extended=(ExtendedItem(CT, b"\x00"),),
        identity_response=b"token",
    )
    ours = AssociateAccept("CALLED", "ME", (ContextResult(1, 0, EXPLICIT), ContextResult(3, 4, EXPLICIT)), user)
    pdu = A_ASSOCIATE_AC()
    pdu.decode(ours.encode())
    assert [(c.context_id, c.result) for c in pdu.presentation_context] == [(1, 0), (3, 4)]
    assert pdu.user_information is not None
    assert pdu.user_information.user_identity.server_response == b"token"  # type: ignore[union-attr]
    assert pdu.encode() == ours.encode()


def test_our_proposal_is_what_pynetdicom_reads(pynetdicom: ModuleType) -> None:
    from pynetdicom.pdu import A_ASSOCIATE_RQ

    request = propose("A", "B", [CT] * 128, limits=Limits(), roles={CT: Role(True, True)})
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(request.encode())
    assert [c.context_id for c in pdu.presentation_context] == list(range(1, 256, 2))

"""The asyncio driver against DCMTK and pynetdicom, in both roles: every C-service."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

import pacskit
from pacskit.security.bindings import AeBinding
from pacskit.security.certificates import make_test_ca
from pacskit.services.sop_classes import MODELS
from tests.conftest import Dcmtk
from tests.interop.conftest import LOOPBACK, Background, run
from tests.interop.files import examine, sha256, wheel_file
from tests.interop.test_pynetdicom import destination, identifier, once_more
from tests.interop.test_tls import by_dcmtk, pynetdicom_context
from tests.network.drivers import AsyncioDriver

pytestmark = pytest.mark.interop

FILES = [wheel_file(name) for name in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm")]
CT = FILES[0]
STUDY = MODELS[0]
VERIFICATION = "1.2.840.10008.1.1"


@pytest.fixture
def driver() -> Iterator[AsyncioDriver]:
    made = AsyncioDriver()
    yield made
    made.close()


@pytest.fixture
def archive(driver: AsyncioDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pacskit.Archive]:
    """An archive that is served from an event loop."""
    monkeypatch.setattr("pacskit.facade.archive.Server", driver.server)
    with pacskit.Archive(tmp_path / "archive", ae="ARCHIVE") as made:
        made.serve(port=0)
        yield made


def stored(archive: pacskit.Archive, tmp_path: Path) -> set[str]:
    return {sha256(path) for path in (tmp_path / "archive" / "objects").rglob("*.dcm")}


def test_dcmtks_clients(
    dcmtk: Dcmtk, archive: pacskit.Archive, storescp: Callable[..., Background], tmp_path: Path
) -> None:
    target = storescp()
    archive.nodes.add(f"DEST@{LOOPBACK}:{target.port}")
    where = ["-aec", "ARCHIVE", LOOPBACK, str(archive.port)]
    study = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={examine(CT).study_uid}"]
    assert run(dcmtk.tool("echoscu"), "--repeat", "5", *where).returncode == 0
    for option, file in (([], CT), ([], FILES[1]), (["-xw"], FILES[2])):
        done = run(dcmtk.tool("storescu"), "-v", *option, *where, file)
        assert "Received Store Response (Success)" in done.stdout, done.stdout
    assert len(stored(archive, tmp_path)) == 3
    done = run(dcmtk.tool("findscu"), *study, "-k", "PatientName", *where)
    assert "CompressedSamples^CT1" in done.stdout, done.stdout
    done = run(dcmtk.tool("movescu"), "-v", "-aem", "DEST", *study, *where)
    assert "Received Final Move Response (Success)" in done.stdout, done.stdout
    (moved,) = target.directory.iterdir()
    assert sha256(moved) in stored(archive, tmp_path)  # storescu wrote it anew
    assert pydicom.dcmread(moved).PixelData == pydicom.dcmread(CT).PixelData
    got = tmp_path / "got"
    got.mkdir()
    done = run(dcmtk.tool("getscu"), "-v", *study, "-od", got, *where)
    assert done.returncode == 0, done.stdout
    assert [pydicom.dcmread(path).PixelData for path in got.iterdir()] == [pydicom.dcmread(CT).PixelData]


def test_a_client_that_waits_for_our_ack(dcmtk: Dcmtk, archive: pacskit.Archive) -> None:
    """DCMTK leaves Nagle's algorithm on: 100 round trips would take 4 s if the kernel delayed our ACKs."""
    done = run(dcmtk.tool("echoscu"), "--repeat", "400", "-aec", "ARCHIVE", LOOPBACK, str(archive.port), seconds=12)
    assert done.returncode == 0, done.stdout


def test_dcmtks_servers(
    driver: AsyncioDriver,
    dcmqrscp: Callable[..., Background],
    storescp: Callable[..., Background],
    tmp_path: Path,
) -> None:
    target = storescp()
    with driver.peer(f"DEST@{LOOPBACK}:{target.port}") as peer:
        assert peer.echo() == pacskit.Status.SUCCESS
        assert [sent.status.is_success for sent in peer.store(FILES)] == [True] * 3
    assert {sha256(path) for path in target.directory.iterdir()} == {sha256(path) for path in FILES}
    server = dcmqrscp(DEST=target.port)
    ct = examine(CT)
    with driver.peer(f"QR@{LOOPBACK}:{server.port}") as peer:
        assert all(sent.status.is_success for sent in peer.store(FILES[:2]))
        found = {str(study.StudyInstanceUID) for study in peer.find(pacskit.Level.STUDY, PatientName="Comp*")}
        assert found == {examine(path).study_uid for path in FILES[:2]}
        steps = list(peer.move(pacskit.Level.STUDY, ct.study_uid, to="DEST"))
        assert (steps[-1].completed, steps[-1].failed) == (1, 0)
        (got,) = [one.save_into(tmp_path / "got") for one in peer.get(pacskit.Level.STUDY, ct.study_uid)]
    assert pydicom.dcmread(got).PixelData == pydicom.dcmread(CT).PixelData


def test_pynetdicoms_client(pynetdicom: ModuleType, archive: pacskit.Archive, tmp_path: Path) -> None:
    from pynetdicom import AE, build_role, evt

    ct = examine(CT)
    query = identifier("STUDY", StudyInstanceUID=ct.study_uid)
    received: list[Dataset] = []

    def keep(event: Any) -> int:
        received.append(event.dataset)
        return 0

    entity = AE("PYNET")
    for uid in (VERIFICATION, ct.sop_class_uid, *map(str, (STUDY.find, STUDY.get, STUDY.move))):
        entity.add_requested_context(uid)

    def associate(*roles: Any) -> Any:
        handlers: Any = [(evt.EVT_C_STORE, keep)]
        made = entity.associate(LOOPBACK, archive.port, ae_title="ARCHIVE", ext_neg=list(roles), evt_handlers=handlers)
        assert made.is_established
        return made

    with destination(refuse="", warn="") as (port, moved):
        archive.nodes.add(f"DEST@{LOOPBACK}:{port}")
        association = associate()
        assert once_more(association.send_c_echo).Status == 0
        assert once_more(lambda: association.send_c_store(CT)).Status == 0
        responses = list(association.send_c_find(query, STUDY.find))
        assert [status.Status for status, _ in responses] == [0xFF00, 0]
        responses = list(association.send_c_move(query, "DEST", STUDY.move))
        assert responses[-1][0].Status == 0
        association.release()
    assert [uid for uid, *_ in moved] == [ct.sop_instance_uid]
    association = associate(build_role(ct.sop_class_uid, scp_role=True))
    responses = list(association.send_c_get(query, STUDY.get))
    association.release()
    assert responses[-1][0].Status == 0
    assert received == [pydicom.dcmread(CT)]


def test_pynetdicoms_server(driver: AsyncioDriver, pynetdicom: ModuleType) -> None:
    from pynetdicom import AE, evt

    ct = examine(CT)
    received: list[str] = []

    def store(event: Any) -> int:
        received.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(3):
            yield 0xFF00, identifier("STUDY", StudyInstanceUID=f"1.2.{number}")

    def get(event: Any) -> Iterator[Any]:
        yield 1
        yield 0xFF00, pydicom.dcmread(CT)

    def move(event: Any) -> Iterator[Any]:
        yield LOOPBACK, target.port
        yield 1
        yield 0xFF00, pydicom.dcmread(CT)

    entity = AE("PYNET")
    for uid in (VERIFICATION, ct.sop_class_uid, *map(str, (STUDY.find, STUDY.get, STUDY.move))):
        entity.add_supported_context(uid, scu_role=True, scp_role=True)
    entity.add_requested_context(ct.sop_class_uid)
    handlers: Any = [
        (evt.EVT_C_STORE, store),
        (evt.EVT_C_FIND, find),
        (evt.EVT_C_GET, get),
        (evt.EVT_C_MOVE, move),
    ]
    server = entity.start_server((LOOPBACK, 0), block=False, evt_handlers=handlers)
    assert server is not None
    kept: list[str] = []
    target = driver.scp("DEST", any_called=True)

    @target.on_store
    def keep(event: pacskit.StoreEvent) -> None:
        kept.append(event.sop_instance_uid)

    try:
        with target, driver.peer(f"PYNET@{LOOPBACK}:{server.server_address[1]}") as peer:
            assert peer.echo().is_success
            assert [sent.status.is_success for sent in peer.store(CT)] == [True]
            assert [one.StudyInstanceUID for one in peer.find()] == ["1.2.0", "1.2.1", "1.2.2"]
            (got,) = peer.get("STUDY", ct.study_uid, sop_classes=[ct.sop_class_uid])
            steps = list(peer.move("STUDY", ct.study_uid, to="DEST"))
    finally:
        server.shutdown()
    assert received == kept == [ct.sop_instance_uid]
    assert got.sop_instance_uid == ct.sop_instance_uid
    assert steps[-1].completed == 1


# ---- TLS, with certificates on both sides ----------------------------------------------------------


def test_dcmtk_by_tls(driver: AsyncioDriver, dcmtk: Dcmtk, storescp: Callable[..., Background], tmp_path: Path) -> None:
    ca = make_test_ca(tmp_path / "certificates")
    target = storescp(*by_dcmtk(ca.server, ca))
    bound = AeBinding.parse("BOUND=cn:other")
    settings = pacskit.ArchiveSettings(
        nodes=(f"tls:DEST@{LOOPBACK}:{target.port}",),
        tls=pacskit.TlsSettings(cert=ca.server.cert, key=ca.server.key, ca=ca.ca, bindings=(bound,)),
        tls_port=0,
    )
    with driver.archive(tmp_path / "archive", settings=settings) as archive:
        archive.serve(port=0)
        plain = ["-aec", "PACSKIT", LOOPBACK, str(archive.port)]
        secure = [*by_dcmtk(ca.client, ca), "-aec", "PACSKIT", LOOPBACK, str(archive.tls_address.port)]
        assert run(dcmtk.tool("echoscu"), "--repeat", "5", *secure).returncode == 0
        for profile in ("+px", "+py", "+pz"):
            done = run(dcmtk.tool("storescu"), "-v", profile, *secure, CT)
            assert "Received Store Response (Success)" in done.stdout, done.stdout
        assert run(dcmtk.tool("echoscu"), "-aet", "BOUND", *secure).returncode != 0
        assert run(dcmtk.tool("echoscu"), *secure[-4:]).returncode != 0  # without TLS
        study = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={examine(CT).study_uid}"]
        done = run(dcmtk.tool("movescu"), "-v", "-aem", "DEST", *study, *plain)  # which has no TLS itself
        assert "Received Final Move Response (Success)" in done.stdout, done.stdout
        assert archive.counts().instances == 1
    tls = pacskit.tls_context(cert=ca.client.cert, key=ca.client.key, ca=ca.ca)
    with driver.peer(f"tls:DEST@{LOOPBACK}:{target.port}", tls=tls) as peer:
        assert [sent.status.is_success for sent in peer.store(FILES)] == [True] * 3
        explained = peer.explain()
        assert explained.tls.common_name == "server"
    assert len(list(target.directory.iterdir())) == 3


def test_pynetdicom_by_tls(pynetdicom: ModuleType, driver: AsyncioDriver, tmp_path: Path) -> None:
    from pynetdicom import AE

    ca = make_test_ca(tmp_path / "certificates")
    entity = AE("PYNET")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 15
    entity.add_requested_context(VERIFICATION)
    entity.add_supported_context(VERIFICATION)
    mutual = pacskit.tls_context(cert=ca.server.cert, key=ca.server.key, ca=ca.ca)
    with driver.scp("OURS", tls=mutual) as scp:
        context = pynetdicom_context(ca.client, ca, ssl.Purpose.SERVER_AUTH)
        association = entity.associate(LOOPBACK, scp.port, ae_title="OURS", tls_args=(context, LOOPBACK))
        assert association.is_established
        statuses = [association.send_c_echo() for _ in range(2)]  # it may lose an answer
        association.release()
        assert any("Status" in one and one.Status == 0 for one in statuses)
    context = pynetdicom_context(ca.server, ca, ssl.Purpose.CLIENT_AUTH)
    server: Any = entity.start_server((LOOPBACK, 0), block=False, ssl_context=context)
    try:
        with driver.peer(f"PYNET@{LOOPBACK}:{server.server_address[1]}", tls=mutual) as peer:
            assert peer.echo().is_success
    finally:
        server.shutdown()

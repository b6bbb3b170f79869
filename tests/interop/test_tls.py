"""TLS against OpenSSL's own tool, DCMTK and pynetdicom, both ways, with certificates on both sides."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.core.errors import AssociationRejected, TlsError
from pacskit.network.pdu import UserIdentity
from pacskit.security.certificates import CaForTests, KeyPair, make_test_ca
from pacskit.security.profiles import TlsProfile
from tests.conftest import Dcmtk
from tests.interop.conftest import LOOPBACK, Background, Serve, Served, run
from tests.interop.conftest import pacskit as command
from tests.interop.files import wheel_file
from tests.network.peers import settle

pytestmark = pytest.mark.interop

CT, MR = wheel_file("CT_small.dcm"), wheel_file("MR_small.dcm")
VERIFICATION = "1.2.840.10008.1.1"
DCMTK_PROFILES = {
    TlsProfile.BCP195: "+px",
    TlsProfile.BCP195_NON_DOWNGRADING: "+py",
    TlsProfile.BCP195_EXTENDED: "+pz",
}
OF_TLS_1_3 = re.compile("TLS_")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CaForTests:
    return make_test_ca(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> CaForTests:
    return make_test_ca(tmp_path_factory.mktemp("stranger"))


def served(serve: Serve, ca: CaForTests, *options: str) -> tuple[Served, int]:
    """An archive with a plain port and one with TLS, and that one's number."""
    where = ["--cert", ca.server.cert, "--key", ca.server.key, "--ca", ca.ca, "--tls-port", "0", *options]
    archive = serve(*map(str, where))
    return archive, archive.ports[1]


def by_dcmtk(pair: KeyPair, ca: CaForTests) -> list[str]:
    return ["+tls", str(pair.key), str(pair.cert), "+cf", str(ca.ca)]


def by_us(pair: KeyPair, ca: CaForTests) -> list[str]:
    return ["--tls", "--cert", str(pair.cert), "--key", str(pair.key), "--ca", str(ca.ca)]


# ---- OpenSSL's s_client ----------------------------------------------------------------------------


def s_client(port: int, ca: CaForTests, *options: str) -> str:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    done = subprocess.run(
        [
            program, "s_client", "-connect", f"{LOOPBACK}:{port}", "-CAfile", str(ca.ca),
            "-cert", str(ca.client.cert), "-key", str(ca.client.key), *options,
        ],
        input="", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_s_client_sees_the_versions_and_suites_of_the_profile(serve: Serve, ca: CaForTests) -> None:
    _, port = served(serve, ca)
    said = s_client(port, ca)
    assert "Verify return code: 0 (ok)" in said
    assert re.search(r"New, TLSv1\.3, Cipher is (\S+)", said)[1] in TlsProfile.BCP195_RFC9325.suites_1_3  # type: ignore[index]
    assert "Requested Signature Algorithms" in said  # it asks for our certificate
    assert "No ALPN negotiated" in said
    said = s_client(port, ca, "-tls1_2")
    assert "ECDHE-RSA-AES256-GCM-SHA384" in said
    assert "Secure Renegotiation IS supported" in said
    assert "Compression: NONE" in said
    for options in (["-cipher", "AES128-SHA"], ["-cipher", "DHE-RSA-AES128-GCM-SHA256"]):
        assert "handshake failure" in s_client(port, ca, "-tls1_2", *options)
    for version in ("-tls1", "-tls1_1"):
        said = s_client(port, ca, version, "-cipher", "ALL:@SECLEVEL=0")
        assert "alert protocol version" in said
        assert "Cipher is (NONE)" in said


# ---- DCMTK -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", DCMTK_PROFILES)
def test_our_profiles_have_the_suites_of_dcmtks(profile: TlsProfile, dcmtk: Dcmtk, ca: CaForTests) -> None:
    """What its echoscu proposes, read from its ClientHello (RFC 8446 4.1.2)."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = str(listener.getsockname()[1])
        arguments = [*by_dcmtk(ca.client, ca), DCMTK_PROFILES[profile], LOOPBACK, port]
        process = subprocess.Popen(
            [dcmtk.tool("echoscu"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        with listener.accept()[0] as peer:
            hello = peer.recv(4096)
        process.communicate(timeout=20)
    start = 5 + 4 + 2 + 32
    start += 1 + hello[start]
    length = int.from_bytes(hello[start : start + 2], "big")
    ids = {int.from_bytes(hello[i : i + 2], "big") for i in range(start + 2, start + 2 + length, 2)}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")
    names = {one["id"] & 0xFFFF: one["name"] for one in context.get_ciphers()}
    proposed = {names[number] for number in ids if number in names}
    assert {name for name in proposed if not OF_TLS_1_3.match(name)} == set(profile.suites)
    assert {name for name in proposed if OF_TLS_1_3.match(name)} <= set(profile.suites_1_3)


@pytest.mark.parametrize("profile", ["+px", "+py", "+pz"])
def test_dcmtk_stores_here(profile: str, dcmtk: Dcmtk, serve: Serve, ca: CaForTests) -> None:
    archive, port = served(serve, ca)
    where = [*by_dcmtk(ca.client, ca), profile, "-aec", archive.ae, LOOPBACK, str(port)]
    done = run(dcmtk.tool("echoscu"), "-v", *where)
    assert "Received Echo Response (Success)" in done.stdout, done.stdout
    done = run(dcmtk.tool("storescu"), "-v", *where, CT)
    assert "Received Store Response (Success)" in done.stdout, done.stdout
    found = command("find", f"{archive.ae}@{LOOPBACK}:{port}", *by_us(ca.client, ca), "PatientID=", "--json")
    assert found.returncode == 0, found.stderr
    assert '"1CT1"' in found.stdout


def _told(message: str, said: str, log: Path) -> bool:
    """Whether DCMTK says so, or our log does."""
    return message in said or message in log.read_text()


def test_dcmtk_is_refused_here(dcmtk: Dcmtk, serve: Serve, ca: CaForTests, stranger: CaForTests) -> None:
    archive, port = served(serve, ca, "--bind", "ECHOSCU=cn:client", "--bind", "OTHER=cn:other")
    expired = ca.issue("late", days=-1)
    echoscu, where = dcmtk.tool("echoscu"), ["-aec", archive.ae, LOOPBACK, str(port)]
    for pair, title, message in [
        (stranger.client, "ECHOSCU", "not accepted: unable to get local issuer certificate"),
        (expired, "ECHOSCU", "not accepted: certificate has expired"),
        (ca.client, "OTHER", "Calling AE Title Not Recognized"),
        (ca.server, "ECHOSCU", "Calling AE Title Not Recognized"),
    ]:
        done = run(echoscu, "-v", *by_dcmtk(pair, ca), "-aet", title, *where)
        assert done.returncode != 0
        assert settle(partial(_told, message, done.stdout, archive.log)), done.stdout
    done = run(echoscu, "-v", *by_dcmtk(ca.client, stranger), *where)
    assert done.returncode != 0
    assert run(echoscu, "-v", *where).returncode != 0  # without TLS
    assert run(echoscu, "-v", *by_dcmtk(ca.client, ca), *where).returncode == 0  # and it serves as ever


def test_dcmtk_takes_what_we_store(storescp: Callable[..., Background], ca: CaForTests, stranger: CaForTests) -> None:
    server = storescp(*by_dcmtk(ca.server, ca), "+pz")
    address = f"DEST@{LOOPBACK}:{server.port}"
    done = command("store", address, *by_us(ca.client, ca), CT, MR, "--explain")
    assert done.returncode == 0, done.stderr
    assert "TLSv1.2, ECDHE-RSA-AES" in done.stderr
    sent = {str(pacskit.dcmread(path).SOPInstanceUID) for path in (CT, MR)}
    assert {str(pacskit.dcmread(path).SOPInstanceUID) for path in server.directory.iterdir()} == sent
    refused = command("echo", address, *by_us(ca.client, stranger))
    assert refused.returncode == 3
    assert "the certificate of the peer is not accepted" in refused.stderr
    refused = command("echo", address, *by_us(stranger.client, ca))
    assert refused.returncode == 3
    refused = command("echo", address)
    assert refused.returncode == 3
    assert command("echo", f"tls:{address}", *by_us(ca.client, ca)[1:]).returncode == 0


def test_a_move_goes_to_dcmtk_by_tls(serve: Serve, storescp: Callable[..., Background], ca: CaForTests) -> None:
    target = storescp(*by_dcmtk(ca.server, ca))
    archive, port = served(serve, ca, "--node", f"tls:DEST@{LOOPBACK}:{target.port}")
    address = f"{archive.ae}@{LOOPBACK}:{port}"
    assert command("store", address, *by_us(ca.client, ca), CT).returncode == 0
    study = pacskit.dcmread(CT).StudyInstanceUID
    done = command("move", address, *by_us(ca.client, ca), study, "--to", "DEST")
    assert done.returncode == 0, done.stderr
    assert len(list(target.directory.iterdir())) == 1


# ---- pynetdicom ------------------------------------------------------------------------------------


def pynetdicom_context(pair: KeyPair, ca: CaForTests, purpose: ssl.Purpose) -> ssl.SSLContext:
    context = ssl.create_default_context(purpose, cafile=str(ca.ca))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(pair.cert, pair.key)
    return context


def pynetdicom_associate(port: int, ae: str, **options: Any) -> Any:
    from pynetdicom import AE

    entity = AE("PYNET")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 15
    entity.add_requested_context(VERIFICATION)
    return entity.associate(LOOPBACK, port, ae_title=ae, **options)


def test_pynetdicom_echoes_here(pynetdicom: Any, serve: Serve, ca: CaForTests) -> None:
    archive, port = served(serve, ca)
    context = pynetdicom_context(ca.client, ca, ssl.Purpose.SERVER_AUTH)
    association = pynetdicom_associate(port, archive.ae, tls_args=(context, LOOPBACK))
    assert association.is_established
    statuses = [association.send_c_echo() for _ in range(2)]  # it may lose an answer
    association.release()
    assert any("Status" in one and one.Status == 0 for one in statuses)


def test_we_echo_there(pynetdicom: Any, ca: CaForTests, stranger: CaForTests) -> None:
    from pynetdicom import AE

    entity = AE("PYNET")
    entity.add_supported_context(VERIFICATION)
    context = pynetdicom_context(ca.server, ca, ssl.Purpose.CLIENT_AUTH)
    server: Any = entity.start_server((LOOPBACK, 0), block=False, ssl_context=context)
    address = f"PYNET@{LOOPBACK}:{server.server_address[1]}"
    try:
        tls = pacskit.tls_context(cert=ca.client.cert, key=ca.client.key, ca=ca.ca)
        assert pacskit.echo(address, tls=tls).is_success
        with pytest.raises(TlsError, match="not accepted"):
            pacskit.echo(address, tls=pacskit.tls_context(ca=stranger.ca))
    finally:
        server.shutdown()


IDENTITIES = {
    1: UserIdentity.user("ALICE", response=True),
    2: UserIdentity.passcode("ALICE", "open sesame", response=True),
    3: UserIdentity.kerberos(b"ticket", response=True),
    4: UserIdentity.saml("<Assertion/>", response=True),
    5: UserIdentity.jwt("a.b.c", response=True),
}


@pytest.mark.parametrize("kind", IDENTITIES)
def test_pynetdicom_says_who_it_is(kind: int, pynetdicom: Any) -> None:
    from pynetdicom.pdu_primitives import UserIdentityNegotiation

    ours = IDENTITIES[kind]
    item = UserIdentityNegotiation()
    item.user_identity_type, item.positive_response_requested = kind, True
    item.primary_field, item.secondary_field = ours.primary, ours.secondary
    events: list[pacskit.IdentityEvent] = []
    welcome = threading.Event()
    welcome.set()
    scp = pacskit.SCP("PACSKIT")

    @scp.on_identity
    def verify(event: pacskit.IdentityEvent) -> pacskit.Identified | None:
        events.append(event)
        return pacskit.Identified("ALICE", b"proof") if welcome.is_set() else None

    with scp:
        association = pynetdicom_associate(scp.port, "PACSKIT", ext_neg=[item])
        assert association.is_established
        answer = association.acceptor.user_identity
        association.release()
        assert answer.server_response == (b"proof" if kind >= 3 else b"")
        welcome.clear()
        # it may take a rejection that comes at once for a connection that was never made
        asked = (pynetdicom_associate(scp.port, "PACSKIT", ext_neg=[item]) for _ in range(50))
        rejected = next(one for one in asked if not one.is_aborted)
        assert rejected.is_rejected
        reject = rejected.acceptor.primitive
        assert (reject.result, reject.result_source, reject.diagnostic) == (2, 2, 1)
    assert len(events) >= 2
    assert {(one.type, one.primary, one.secondary) for one in events} == {(kind, ours.primary, ours.secondary)}


@pytest.mark.parametrize("kind", IDENTITIES)
def test_we_say_who_we_are_to_pynetdicom(kind: int, pynetdicom: Any) -> None:
    from pynetdicom import AE, evt

    ours = IDENTITIES[kind]
    seen = []

    def verify(event: Any) -> tuple[bool, bytes]:
        seen.append((event.user_id_type, event.primary_field, event.secondary_field))
        return event.primary_field != b"MALLORY", b"proof"

    entity = AE("PYNET")
    entity.add_supported_context(VERIFICATION)
    server: Any = entity.start_server((LOOPBACK, 0), block=False, evt_handlers=[(evt.EVT_USER_ID, verify)])
    address = f"PYNET@{LOOPBACK}:{server.server_address[1]}"
    try:
        with pacskit.connect(address, identity=ours) as peer:
            assert peer.echo().is_success
            info = peer._verbs._last
            assert info is not None
            assert info.peer_user.identity_response == (b"proof" if kind >= 3 else None)
        with pytest.raises(AssociationRejected):
            pacskit.echo(address, identity=UserIdentity.user("MALLORY"))
    finally:
        server.shutdown()
    assert seen[0] == (kind, ours.primary, ours.secondary)

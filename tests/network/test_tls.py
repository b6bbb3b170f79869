"""TLS between ours and the ssl module: who is refused and told why, deadlines, cut connections, new certificates."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import (
    AssociationAborted,
    AssociationRejected,
    ConfigurationError,
    DeadlineExceeded,
    TlsError,
)
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CEchoRequest
from pacskit.network.sink import FileSink, MemorySink
from pacskit.security.certificates import CaForTests, KeyPair, check_expiry, make_test_ca, read_certificates
from pacskit.security.context import TlsContext, tls_context
from pacskit.security.profiles import TlsProfile
from tests.network.drivers import Driver
from tests.network.peers import (
    CT,
    FAST,
    RELEASE_RQ,
    VERIFICATION,
    RawPeer,
    Recorder,
    associate_rq,
    plain_tls,
    settle,
    store,
)

Connect = Callable[..., Any]
Echo = Callable[..., Any]

SECRET = "correct horse"


@pytest.fixture(scope="module")
def curved(tmp_path_factory: pytest.TempPathFactory) -> CaForTests:
    """Certificates with elliptic curves, of another CA."""
    return make_test_ca(tmp_path_factory.mktemp("curved"), elliptic=True)


@pytest.fixture
def tls_server(mutual: TlsContext, driver: Driver) -> Iterator[Any]:
    with driver.server([Recorder()], ae="SERVER", tls=mutual, timeouts=Timeouts(handshake=0.5, release=1)) as server:
        yield server


def files(pair: KeyPair, ca: CaForTests, **more: Any) -> dict[str, Any]:
    return {"cert": pair.cert, "key": pair.key, "ca": ca.ca} | more


@pytest.fixture
def connect(driver: Driver) -> Connect:
    """Open associations, with the server's own certificate where it is one that has it."""

    def request(server: Any, contexts: Any = (VERIFICATION, CT), **options: Any) -> Any:
        if not isinstance(server, int):
            options.setdefault("tls", server.node_tls)
        port = server if isinstance(server, int) else server.address[1]
        options.setdefault("calling", "CLIENT")
        return driver.request(f"SERVER@127.0.0.1:{port}", contexts, **options)

    return request


@pytest.fixture
def echo(connect: Connect) -> Echo:
    """Echo once; the association, released."""

    def once(server: Any, tls: TlsContext, **options: Any) -> Any:
        port = server if isinstance(server, int) else server.address[1]
        with connect(port, [VERIFICATION], tls=tls, **options) as association:
            assert association.perform(CEchoRequest()).status.is_success
        return association

    return once


# ---- what is agreed --------------------------------------------------------------------------------


def suites_of_openssl() -> list[str]:
    """Every suite of TLS 1.2 that OpenSSL has, the bad ones too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return [one["name"] for one in context.get_ciphers() if not one["name"].startswith("TLS_")]


def agreed_with(server: Any, ca: CaForTests, version: ssl.TLSVersion, suites: str) -> str | None:
    """The suite that a server agrees to, None where it refuses."""
    context = ssl.create_default_context(cafile=str(ca.ca))
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(suites + ":@SECLEVEL=0")
    with socket.create_connection(server.address, timeout=5) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                suite = secure.cipher()
                return suite[0] if suite else None
        except (ssl.SSLError, ConnectionError):
            return None


@pytest.mark.parametrize("profile", TlsProfile)
@pytest.mark.parametrize("elliptic", [False, True], ids=["rsa", "ec"])
def test_a_server_speaks_the_suites_of_its_profile_and_no_others(
    profile: TlsProfile, elliptic: bool, ca: CaForTests, curved: CaForTests, driver: Driver
) -> None:
    whose = curved if elliptic else ca
    tls = tls_context(cert=whose.server.cert, key=whose.server.key, profile=profile)
    with driver.server([Recorder()], ae="SERVER", tls=tls, timeouts=Timeouts(release=0.1)) as server:
        found = {agreed_with(server, whose, ssl.TLSVersion.TLSv1_2, suite) for suite in suites_of_openssl()}
        assert found - {None} == {one for one in profile.suites if ("-ECDSA-" in one) is elliptic}
        assert agreed_with(server, whose, ssl.TLSVersion.TLSv1_3, "DEFAULT") in profile.suites_1_3


def test_older_versions_are_refused_by_both_sides(tls_server: Any, mutual: TlsContext) -> None:
    context = plain_tls(mutual)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection(tls_server.address, timeout=5) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)version"),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_session_is_taken_up_again_and_still_says_who_it_is(tls_server: Any, ca: CaForTests, echo: Echo) -> None:
    client = tls_context(**files(ca.client, ca))
    first, second = echo(tls_server, client), echo(tls_server, client)
    assert first.info.tls is not None
    assert second.info.tls is not None
    assert (first.info.tls.resumed, second.info.tls.resumed) == (False, True)
    assert second.info.tls.common_name == "server"
    assert second.info.tls.fingerprint == read_certificates(ca.server.cert)[0].fingerprint
    client.reload()
    third = echo(tls_server, client)
    assert third.info.tls is not None
    assert not third.info.tls.resumed


def test_a_service_knows_the_certificate(ca: CaForTests, mutual: TlsContext, driver: Driver, echo: Echo) -> None:
    seen = []

    class Noting(Recorder):
        def serve(self, request: Any, association: Any) -> Any:
            seen.append(association.tls)
            return super().serve(request, association)

    client = tls_context(**files(ca.client, ca))
    with driver.server([Noting()], ae="SERVER", tls=mutual) as server:
        echo(server, client)
        echo(server, client)
    assert [(one.common_name, one.resumed) for one in seen] == [("client", False), ("client", True)]
    assert "127.0.0.1" in seen[0].names


def test_both_listeners_serve_side_by_side(mutual: TlsContext, driver: Driver, connect: Connect, echo: Echo) -> None:
    with driver.server([Recorder()], ae="SERVER", tls=mutual, tls_port=0) as server:
        assert server.address != server.tls_address
        connect(server.address[1], [VERIFICATION]).release()
        echo(server.tls_address[1], mutual)
        addresses = server.address, server.tls_address
        server.stop()
        for address in addresses:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)


@pytest.mark.parametrize("size", [0, 1, 16_372, 16_384, 131_062, 131_072, 3_000_001])
@pytest.mark.parametrize("max_pdu", [0, 4096, 131_072])
def test_objects_of_any_size_arrive_whole(
    size: int, max_pdu: int, mutual: TlsContext, tmp_path: Path, driver: Driver, connect: Connect
) -> None:
    data = os.urandom(size)
    service = Recorder(sinks=lambda: FileSink(tmp_path / "received"))
    with (
        driver.server([service], ae="SERVER", tls=mutual, limits=Limits(max_pdu=max_pdu)) as server,
        connect(server, [CT]) as association,
    ):
        assert association.perform(store(), data).status.is_success
    assert (tmp_path / "received").read_bytes() == data


# ---- who is refused --------------------------------------------------------------------------------


def test_a_client_without_a_certificate_is_turned_away_and_told(tls_server: Any, ca: CaForTests, echo: Echo) -> None:
    with pytest.raises(TlsError, match="certificate required"):
        echo(tls_server, tls_context(ca=ca.ca))


def test_a_server_may_ask_without_insisting(ca: CaForTests, driver: Driver, echo: Echo) -> None:
    asking = tls_context(**files(ca.server, ca, require_client_cert=False))
    with driver.server([Recorder()], ae="SERVER", tls=asking) as server:
        echo(server, tls_context(ca=ca.ca))
        echo(server, tls_context(**files(ca.client, ca)))


def test_certificates_of_another_ca_are_refused_on_both_sides(
    tls_server: Any, ca: CaForTests, curved: CaForTests, caplog: pytest.LogCaptureFixture, echo: Echo
) -> None:
    with pytest.raises(TlsError, match="not accepted: self-signed certificate in certificate chain"):
        echo(tls_server, tls_context(**files(ca.client, curved)))
    with pytest.raises(TlsError, match="the peer ended TLS: unknown ca"):
        echo(tls_server, tls_context(**files(curved.client, ca)))
    assert settle(lambda: "the certificate of the peer is not accepted" in caplog.text)


def test_certificates_whose_time_is_over_are_refused_on_both_sides(
    ca: CaForTests, caplog: Any, driver: Driver, echo: Echo
) -> None:
    old = ca.issue("expired", days=-1)
    assert [one.common_name for one in check_expiry(old.cert)] == ["expired"]
    assert not check_expiry(ca.client.cert)
    expired = tls_context(**files(old, ca))
    assert "the certificate of CN=expired ends at" in caplog.text
    good = tls_context(**files(ca.client, ca))
    for ours, theirs, message in [(good, expired, "certificate has expired"), (expired, good, "certificate expired")]:
        with driver.server([Recorder()], ae="SERVER", tls=theirs) as server, pytest.raises(TlsError, match=message):
            echo(server, ours)


def test_the_host_name_counts_unless_told_otherwise(ca: CaForTests, driver: Driver, echo: Echo) -> None:
    elsewhere = ca.issue("elsewhere", hosts=["pacs.example"])
    with driver.server([Recorder()], ae="SERVER", tls=tls_context(**files(elsewhere, ca))) as server:
        with pytest.raises(TlsError, match="IP address mismatch"):
            echo(server, tls_context(**files(ca.client, ca)))
        echo(server, tls_context(**files(ca.client, ca, verify_hostname=False)))
        echo(server, tls_context(**files(ca.client, ca, server_name="pacs.example")))


def test_a_title_that_is_bound_needs_its_certificate(
    ca: CaForTests, driver: Driver, connect: Connect, echo: Echo
) -> None:
    other = ca.issue("other", hosts=["ws2.example"])
    print_of = {pair: read_certificates(pair.cert)[0].fingerprint.upper() for pair in (ca.client, other)}
    bindings = [f"WS1=sha256:{print_of[ca.client]}", "WS2=san:*.example", "NAMED*=cn:client", "NAMED*=cn:other"]
    bound = tls_context(**files(ca.server, ca, bindings=bindings))
    first, second = tls_context(**files(ca.client, ca)), tls_context(**files(other, ca))
    allowed = {("WS1", first), ("WS2", second), ("NAMED1", first), ("NAMED1", second), ("ANY", first), ("ANY", second)}
    with driver.server([Recorder()], ae="SERVER", tls=bound, tls_port=0) as server:
        for calling in ("WS1", "WS2", "NAMED1", "ANY"):
            for tls in (first, second):
                if (calling, tls) in allowed:
                    echo(server.tls_address[1], tls, calling=calling)
                    continue
                with pytest.raises(AssociationRejected) as caught:
                    echo(server.tls_address[1], tls, calling=calling)
                error = caught.value
                assert (error.result, error.source, error.reason_code) == (1, 1, 3)
        with pytest.raises(AssociationRejected, match="calling AE title not recognized"):
            connect(server.address[1], [VERIFICATION], calling="WS1")  # nor without TLS
        connect(server.address[1], [VERIFICATION], calling="ANY").release()


# ---- one of the two speaks no TLS ------------------------------------------------------------------


def test_plain_words_to_a_tls_port_and_back(
    tls_server: Any, mutual: TlsContext, caplog: Any, driver: Driver, connect: Connect, echo: Echo
) -> None:
    with pytest.raises(AssociationAborted, match=r"(?i)connection lost|perhaps the peer expects TLS"):
        connect(tls_server.address[1], [VERIFICATION])
    assert settle(lambda: "the peer does not speak TLS" in caplog.text)
    with (
        driver.server([Recorder()], ae="SERVER") as plain,
        pytest.raises(TlsError, match="the peer does not speak TLS"),
    ):
        echo(plain, mutual)


def test_a_port_that_closes_at_once_says_so(mutual: TlsContext, echo: Echo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close() -> None:
            listener.accept()[0].close()

        threading.Thread(target=close, daemon=True).start()
        with pytest.raises(TlsError, match=r"cut off|closed the connection before the TLS handshake"):
            echo(listener.getsockname()[1], mutual)


# ---- deadlines and faults --------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.5, 60.0])
def test_a_slow_handshake_ends_and_holds_nobody(seconds: float, mutual: TlsContext, driver: Driver, echo: Echo) -> None:
    timeouts = Timeouts(handshake=seconds, release=1)
    with (
        driver.server([Recorder()], ae="SERVER", tls=mutual, timeouts=timeouts) as server,
        socket.create_connection(server.address) as silent,
        socket.create_connection(server.address) as slow,
    ):
        slow.send(b"\x16\x03\x01\x02\x00\x01")  # a hello that does not go on
        if seconds > 30:
            echo(server, mutual)
            assert settle(lambda: server.associations == 2)  # nobody waited for those two
            return
        assert settle(lambda: server.associations == 0)
        silent.settimeout(30)
        assert silent.recv(100) == b""


def test_a_server_that_does_not_shake_hands_runs_into_the_deadline(mutual: TlsContext, echo: Echo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(DeadlineExceeded, match="TLS handshake"):
        echo(listener.getsockname()[1], mutual, timeouts=Timeouts(handshake=0.2))


def raw(server: Any) -> socket.socket:
    """A connection on which TLS is agreed; what is written to it after that are not records."""
    assert server.node_tls is not None
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = plain_tls(server.node_tls).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    sock = socket.create_connection(server.address, timeout=5)
    while True:
        try:
            secure.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
    sock.sendall(outgoing.read())
    secure.write(associate_rq(VERIFICATION))
    sock.sendall(outgoing.read())
    while True:
        incoming.write(sock.recv(65536))
        try:
            assert secure.read(1) == b"\x02"
            return sock
        except ssl.SSLWantReadError:
            continue


@pytest.mark.parametrize(
    "garbage", [bytes(100), b"\x17\x03\x03\x00\x40" + bytes(64), b"\x17\x03\x03\xff\xff" + bytes(9)]
)
def test_garbage_after_the_handshake_ends_the_association(garbage: bytes, tls_server: Any) -> None:
    with closing(raw(tls_server)) as sock:
        sock.sendall(garbage)
        while sock.recv(65536):
            continue
        assert settle(lambda: tls_server.associations == 0)


def test_a_connection_cut_in_the_middle_of_a_record_leaves_nothing(mutual: TlsContext, driver: Driver) -> None:
    service = Recorder(sinks=MemorySink)
    with driver.server([service], ae="SERVER", tls=mutual, timeouts=FAST) as server:
        with closing(raw(server)) as sock:
            sock.sendall(b"\x17\x03\x03\x10\x00" + bytes(100))
        assert settle(lambda: server.associations == 0)
        assert not service.seen


def test_a_cut_is_an_abort_and_not_an_end(mutual: TlsContext, driver: Driver, connect: Connect) -> None:
    """Truncation: the TCP connection ends without close_notify, in the place of a response."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert mutual.settings.cert is not None
    context.load_cert_chain(mutual.settings.cert, mutual.settings.key)

    def cut() -> None:
        with (
            listener,
            listener.accept()[0] as plain,
            context.wrap_socket(plain, server_side=True) as secure,
            driver.server([Recorder()], ae="SERVER") as server,
            RawPeer(server) as inner,
        ):
            inner.send(secure.recv(4096))
            secure.sendall(inner.socket.recv(4096))
            secure.recv(4096)
            secure.shutdown(socket.SHUT_RDWR)  # of TCP, without a word of TLS

    thread = threading.Thread(target=cut)
    thread.start()
    association = connect(listener.getsockname()[1], [VERIFICATION], tls=mutual)
    with pytest.raises(AssociationAborted, match="connection lost"):
        association.perform(CEchoRequest())
    assert not association.is_open
    thread.join()


def test_both_sides_say_goodbye_in_tls(tls_server: Any) -> None:
    with RawPeer(tls_server) as peer:
        peer.associate()
        peer.send(RELEASE_RQ)
        assert peer.pdu()[0] == 6
        assert peer.socket.recv(1) == b""  # the ssl module raises where there is no close_notify
    assert settle(lambda: tls_server.associations == 0)


# ---- files -----------------------------------------------------------------------------------------


def test_new_certificates_are_taken_up_under_load(
    ca: CaForTests, tmp_path: Path, caplog: Any, driver: Driver, connect: Connect, echo: Echo
) -> None:
    caplog.set_level(logging.INFO, "pacskit.security")
    here = KeyPair(tmp_path / "server.pem", tmp_path / "server.key")

    def install(pair: KeyPair) -> None:
        for source, target in ((pair.cert, here.cert), (pair.key, here.key)):
            shutil.copy(source, target.with_suffix(".new"))
            target.with_suffix(".new").replace(target)

    install(ca.server)
    renewed = [ca.issue(f"renewed{number}") for number in range(3)]
    clients = [tls_context(**files(ca.client, ca)) for _ in range(2)]
    names: list[str] = []
    stop = threading.Event()
    failed: list[BaseException] = []

    def load(tls: TlsContext, port: int) -> None:
        try:
            while not stop.is_set():
                done = echo(port, tls)
                assert done.info.tls is not None
                names.append(done.info.tls.common_name)
        except BaseException as error:
            failed.append(error)

    def arrived(name: str) -> bool:
        return name in names or bool(failed)

    with driver.server([Recorder()], ae="SERVER", tls=tls_context(**files(here, ca))) as server:
        port = server.address[1]
        with connect(port, [VERIFICATION], tls=clients[0]) as old:
            threads = [threading.Thread(target=load, args=(tls, port)) for tls in clients]
            for thread in threads:
                thread.start()
            for pair in [ca.server, *renewed]:
                install(pair)
                assert settle(partial(arrived, pair.cert.stem))
            stop.set()
            for thread in threads:
                thread.join()
            assert old.perform(CEchoRequest()).status.is_success  # it goes on with the certificate of its beginning
        assert not failed
        assert list(dict.fromkeys(names)) == ["server", "renewed0", "renewed1", "renewed2"]
        here.key.write_text("no key")
        assert echo(port, clients[0]).info.tls is not None
        assert "cannot be used, the earlier ones stay" in caplog.text


def test_an_encrypted_key_needs_its_password(
    ca: CaForTests, tmp_path: Path, caplog: Any, driver: Driver, echo: Echo
) -> None:
    locked = ca.issue("locked", password=SECRET)
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        return SECRET

    for given in ({"password": SECRET}, {"password": ask}, {"password_file": secret}):
        context = tls_context(**files(locked, ca), **given)
        assert SECRET not in repr(context)
        with driver.server([Recorder()], ae="SERVER", tls=context) as server:
            echo(server, context)
    assert asked == [1]
    with pytest.raises(ConfigurationError, match="encrypted and no password"):
        tls_context(**files(locked, ca))
    with pytest.raises(ConfigurationError, match="cannot be used as certificate and key") as caught:
        tls_context(**files(locked, ca), password="wrong")
    assert SECRET not in caplog.text + str(caught.value)


def test_what_a_server_and_an_address_need(ca: CaForTests, driver: Driver) -> None:
    with pytest.raises(ConfigurationError, match="a certificate and its key"):
        driver.server([Recorder()], ae="SERVER", tls=tls_context(ca=ca.ca))
    with pytest.raises(ConfigurationError, match="needs certificates"):
        driver.server([Recorder()], ae="SERVER", tls_port=0)
    with pytest.raises(ConfigurationError, match="by TLS only"):
        driver.request("tls:SERVER@127.0.0.1", [VERIFICATION], calling="CLIENT")

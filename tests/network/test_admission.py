"""Who may come in: networks, limits and rates (PS3.8 9.3.4), and user identity (PS3.7 D.3.3.7)."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pacskit.core.errors import AssociationRejected, ConfigurationError
from pacskit.network.admission import Admission, Gate
from pacskit.network.dimse import CEchoRequest
from pacskit.network.identity import Identified, IdentityEvent, IdentityType
from pacskit.network.pdu import AssociateRequest, ContextItem, UserIdentity, UserInformation
from pacskit.security.context import TlsContext
from tests.network.drivers import Driver
from tests.network.peers import IMPLICIT, VERIFICATION, RawPeer, Recorder, echo_rq, settle

Serve = Callable[..., Any]
Connect = Callable[..., Any]

SECRET, TICKET = "open sesame", b"a ticket \xff\0"
IDENTITIES = {
    "user": UserIdentity.user("ALICE", response=True),
    "passcode": UserIdentity.passcode("ALICE", SECRET, response=True),
    "kerberos": UserIdentity.kerberos(TICKET, response=True),
    "saml": UserIdentity.saml("<saml:Assertion/>", response=True),
    "jwt": UserIdentity.jwt("aaa.bbb.ccc", response=True),
}


def code(error: AssociationRejected) -> tuple[int, int, int]:
    return error.result, error.source, error.reason_code


# ---- networks, limits, rates -----------------------------------------------------------------------


def test_a_stranger_gets_a_permanent_reject(serve: Serve, connect: Connect) -> None:
    with pytest.raises(AssociationRejected) as caught:
        connect(serve(admission=Admission(networks=("10.0.0.0/8", "fd00::/8"))))
    assert code(caught.value) == (1, 1, 1)
    connect(serve(admission=Admission(networks=("10.0.0.0/8", "127.0.0.0/8")))).release()


def test_a_peer_has_so_many_associations_at_a_time(serve: Serve, connect: Connect) -> None:
    server = serve(admission=Admission(max_per_peer=2))
    first, second = connect(server), connect(server)
    with pytest.raises(AssociationRejected) as caught:
        connect(server)
    assert code(caught.value) == (2, 3, 2)
    assert caught.value.is_transient
    first.release()
    assert settle(lambda: server.associations == 1)
    connect(server).release()
    second.release()


def test_a_peer_opens_so_many_associations_a_second(serve: Serve, connect: Connect) -> None:
    server = serve(admission=Admission(per_second=0.01, burst=3))
    for _ in range(3):
        connect(server).release()
    with pytest.raises(AssociationRejected) as caught:
        connect(server)
    assert code(caught.value) == (2, 3, 1)


def test_rates_by_the_clock() -> None:
    now = [0.0]
    gate = Gate(Admission(per_second=2, burst=4), clock=lambda: now[0])

    def come(host: str, times: int) -> int:
        return sum(gate.enter(host, full=False) is None for _ in range(times))

    assert (come("a", 10), come("b", 1)) == (4, 1)
    now[0] = 1.0
    assert (come("a", 10), come("b", 10)) == (2, 4)
    now[0] = 1000.0
    assert come("a", 10) == 4
    for number in range(5000):  # a flood from many addresses is not remembered for ever
        come(f"10.{number >> 8}.{number & 255}.1", 1)
    assert len(gate._buckets) == 4096


def test_networks_know_both_families_and_each_other() -> None:
    gate = Gate(Admission(networks=("10.1.0.0/16", "192.0.2.7", "fe80::/10")))
    hosts = ["10.1.255.1", "::ffff:10.1.2.3", "192.0.2.7", "fe80::1%eth0", "10.2.0.1", "192.0.2.8", "::1"]
    assert [gate.enter(host, full=False) is None for host in hosts] == [True, True, True, True, False, False, False]


@pytest.mark.parametrize(
    "settings",
    [
        {"networks": ["10.1.2.3/8"]},
        {"networks": ["somewhere"]},
        {"networks": "10.0.0.0/8"},
        {"max_per_peer": 0},
        {"per_second": 0},
        {"burst": 0},
    ],
)
def test_an_admission_that_cannot_work_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Admission(**settings)


# ---- identity --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IDENTITIES)
def test_an_identity_is_passed_on_verified_and_answered(name: str, serve: Serve, connect: Connect) -> None:
    identity = IDENTITIES[name]
    seen: list[IdentityEvent] = []
    known: list[Identified | None] = []

    class Noting(Recorder):
        def serve(self, request: Any, association: Any) -> Any:
            known.append(association.identity)
            return super().serve(request, association)

    def verify(event: IdentityEvent) -> Identified:
        seen.append(event)
        return Identified(event.username or "somebody", b"proof")

    server = serve(Noting(), authenticator=verify)
    with connect(server, [VERIFICATION], identity=identity) as association:
        assert association.perform(CEchoRequest()).status.is_success
        tokens = identity.type >= 3
        assert association.info.peer_user.identity_response == (b"proof" if tokens else b"")
    (event,) = seen
    assert event.type == IdentityType(identity.type)
    assert (event.primary, event.secondary) == (identity.primary, identity.secondary)
    assert event.username == ("" if tokens else "ALICE")
    assert event.token == (identity.primary if tokens else b"")
    assert event.passcode == (SECRET if name == "passcode" else "")
    assert (event.calling, event.called, event.peer[0]) == ("CLIENT", "SERVER", "127.0.0.1")
    assert (event.tls is None) == (server.node_tls is None)
    assert known == [Identified("somebody" if tokens else "ALICE", b"proof")]
    for secret in (SECRET, "ticket", "Assertion", "aaa.bbb"):
        assert secret not in repr([event, identity, UserInformation(identity=identity), known])


def test_no_answer_is_sent_to_who_asked_for_none_or_where_nobody_verifies(serve: Serve, connect: Connect) -> None:
    quiet = UserIdentity.jwt("a.b.c")
    with connect(serve(authenticator=lambda event: True), [VERIFICATION], identity=quiet) as association:
        assert association.info.peer_user.identity_response is None
    with connect(serve(), [VERIFICATION], identity=IDENTITIES["jwt"]) as association:
        assert association.info.peer_user.identity_response is None


def _fail(event: IdentityEvent) -> bool:
    raise RuntimeError(f"{event.passcode} is in the message")


@pytest.mark.parametrize(
    "verify",
    [
        lambda event: hmac.compare_digest(event.passcode, "something else"),
        lambda event: None,
        lambda event: event.type is None,
        _fail,
    ],
)
def test_who_is_not_identified_is_rejected(
    verify: Any, serve: Serve, caplog: pytest.LogCaptureFixture, connect: Connect
) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises(AssociationRejected) as caught:
        connect(serve(authenticator=verify), [VERIFICATION], identity=IDENTITIES["passcode"])
    assert code(caught.value) == (2, 2, 1)
    assert SECRET not in caplog.text + str(caught.value)


def test_no_identity_is_for_the_authenticator_to_decide(serve: Serve, connect: Connect) -> None:
    server = serve(authenticator=lambda event: event.type is not None)
    with pytest.raises(AssociationRejected):
        connect(server)
    connect(server, identity=UserIdentity.user("BOB")).release()


def test_an_unheard_of_type_is_rejected_without_asking(serve: Serve) -> None:
    asked: list[IdentityEvent] = []

    def verify(event: IdentityEvent) -> bool:
        asked.append(event)
        return True

    server = serve(authenticator=verify)
    user = UserInformation(identity=UserIdentity(9, b"x"))
    with RawPeer(server) as peer:
        peer.send(AssociateRequest("SERVER", "RAW", (ContextItem(1, VERIFICATION, (IMPLICIT,)),), user).encode())
        assert peer.pdu() == (3, bytes((0, 2, 2, 1)))
    assert not asked


def test_a_slow_authenticator_holds_only_its_own_association(serve: Serve, connect: Connect) -> None:
    hold, entered = threading.Event(), threading.Event()

    def verify(event: IdentityEvent) -> bool:
        if event.username == "SLOW":
            entered.set()
            hold.wait(10)
        return True

    server = serve(authenticator=verify)
    waiting = threading.Thread(target=lambda: connect(server, identity=UserIdentity.user("SLOW")).release())
    waiting.start()
    assert entered.wait(5)
    with RawPeer(server) as peer:
        peer.associate()
        peer.send(echo_rq())
        assert peer.pdu()[0] == 4
    hold.set()
    waiting.join()


def test_the_certificate_may_decide(mutual: TlsContext, driver: Driver, connect: Connect) -> None:
    def verify(event: IdentityEvent) -> Identified | None:
        return Identified(event.tls.common_name) if event.tls is not None else None

    with driver.server([Recorder()], ae="SERVER", tls=mutual, tls_port=0, authenticator=verify) as server:
        connect(server.tls_address[1], tls=mutual).release()
        with pytest.raises(AssociationRejected):
            connect(server.address[1])

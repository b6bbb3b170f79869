"""Associations that are kept: reused, bounded, healthy when they are lent, and left alone when the peer fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pacskit.core.errors import AssociationRejected, ConfigurationError, ConnectError, DeadlineExceeded, DimseError
from pacskit.core.events import AssociationOpened, EventBus
from pacskit.network.address import Address
from pacskit.network.config import Limits
from pacskit.network.negotiation import ContextProposal
from pacskit.network.pdu import UserIdentity
from tests.interop.conftest import free_port
from tests.network.drivers import Driver
from tests.network.peers import CT, MR, VERIFICATION, Recorder, settle

Serve = Callable[..., Any]
ECHO = [ContextProposal(VERIFICATION)]


def address(server: Any) -> Address:
    return Address("SERVER", *server.address)


def test_many_peers_share_few_associations(serve: Serve, driver: Driver) -> None:
    server, bus = serve(Recorder()), EventBus()
    opened: list[AssociationOpened] = []
    bus.subscribe(AssociationOpened, opened.append)
    with driver.pool(size=2) as pool:

        def work() -> None:
            with driver.peer(address(server), pool=pool, events=bus) as peer:
                for _ in range(20):
                    assert peer.echo().is_success

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 <= len(opened) <= 2
        count, idle = pool.counts(address(server))
        assert count == idle == len(opened)
    assert pool.counts(address(server)) == (0, 0)
    assert settle(lambda: server.associations == 0)
    with pytest.raises(ConfigurationError, match="closed"), pool.lease(address(server), ECHO, calling="X"):
        pass


def test_what_is_lent_is_healthy_and_makes_room(serve: Serve, driver: Driver) -> None:
    server = serve(Recorder())
    with driver.pool(size=1, wait=0.05) as pool:
        with (
            pool.lease(address(server), ECHO, calling="X") as first,
            pytest.raises(DeadlineExceeded),
            pool.lease(address(server), ECHO, calling="X"),
        ):
            pass
        with pool.lease(address(server), [ContextProposal(CT)], calling="X") as other:
            assert other is not first
            assert not first.is_open  # it made room
        with pytest.raises(ZeroDivisionError), pool.lease(address(server), [ContextProposal(CT)], calling="X") as again:
            raise ZeroDivisionError
        assert again is other
        assert not other.is_open
        with pytest.raises(DimseError), pool.lease(address(server), ECHO, calling="X") as kept:
            raise DimseError(0x0110)
        with pool.lease(address(server), ECHO, calling="X") as same:
            assert same is kept
        server.stop()  # the peer leaves
        with pytest.raises(ConnectError), pool.lease(address_of(kept), ECHO, calling="X"):
            pass
        assert pool.counts(address_of(kept)) == (0, 0)


def address_of(association: object) -> Address:
    info = association.info  # type: ignore[attr-defined]
    return Address(info.called, *info.peer)


def test_users_do_not_share(serve: Serve, driver: Driver) -> None:
    server = serve(Recorder())
    with driver.pool() as pool:
        seen = []
        for user in (None, UserIdentity(1, b"ANNE"), UserIdentity(1, b"BEN"), UserIdentity(1, b"ANNE")):
            with pool.lease(address(server), ECHO, calling="X", identity=user) as association:
                seen.append(association)
        assert seen[3] is seen[1]
        assert len(set(map(id, seen))) == 3


def test_idle_ones_grow_old(serve: Serve, driver: Driver) -> None:
    server = serve(Recorder(sop_classes=(VERIFICATION, MR)))
    with driver.pool(idle=0.0) as pool:
        with pool.lease(address(server), ECHO, calling="X") as first:
            pass
        with pool.lease(address(server), ECHO, calling="X") as second:
            assert second is not first
        assert pool.counts(address(server)) == (1, 1)


def test_idle_ones_are_kept_alive(serve: Serve, driver: Driver) -> None:
    keeper = Recorder()
    server = serve(keeper)
    with driver.pool() as pool:
        where = address(server)
        for contexts in (ECHO, [ContextProposal(CT)]):
            with pool.lease(where, contexts, calling="X"):
                pass
        pool.keep_alive()
        assert [one.command.COMMAND_FIELD for one in keeper.seen] == [0x0030]
        assert pool.counts(where) == (2, 2)
        server.stop()
        pool.keep_alive()
        assert pool.counts(where) == (0, 0)


def test_a_peer_that_fails_is_left_alone(serve: Serve, driver: Driver) -> None:
    nobody = Address("NOBODY", "127.0.0.1", free_port())
    with driver.pool(back_off=60) as pool:
        errors = []
        for _ in range(3):
            with pytest.raises(ConnectError) as caught, pool.lease(nobody, ECHO, calling="X"):
                pass
            errors.append(caught.value)
        assert errors[0] is errors[1] is errors[2]  # it was tried once
        full = serve(Recorder(), limits=Limits(max_associations=1))
        with pool.lease(address(full), ECHO, calling="X"):
            for _ in range(2):
                contexts = [ContextProposal(CT)]
                with (
                    pytest.raises(AssociationRejected, match="try again later"),
                    pool.lease(address(full), contexts, calling="X"),
                ):
                    pass
    with driver.pool(back_off=0.0) as pool:
        server = serve(Recorder(), ae="OTHER")
        wrong = Address("WRONG", *server.address)
        for _ in range(2):  # a permanent rejection is no failure of the connection: it is said each time
            with pytest.raises(AssociationRejected), pool.lease(wrong, ECHO, calling="X"):
                pass


def test_who_waits_for_another_address_is_not_woken_instead(serve: Serve, driver: Driver) -> None:
    """What comes back goes to the one who waits for that address, whoever has waited longer."""
    first, second = (Address("SERVER", *serve(Recorder()).address) for _ in range(2))
    got: list[Address] = []
    with driver.pool(size=1, wait=600) as pool:

        def use(where: Address) -> None:
            with pool.lease(where, [ContextProposal(CT)], calling="X"):
                got.append(where)

        held = [pool.lease(where, ECHO, calling="X") for where in (first, second)]
        for lease in held:
            lease.__enter__()
        threads = [threading.Thread(target=use, args=(where,)) for where in (first, second)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            assert settle(lambda number=number: waiting(pool) == number)  # type: ignore[misc]
        held[1].__exit__(None, None, None)
        threads[1].join(60)
        assert got == [second]
        held[0].__exit__(None, None, None)
        threads[0].join(60)
        assert got == [second, first]


def waiting(pool: Any) -> int:
    """How many wait for an association."""
    inner = getattr(pool, "_inner", pool)
    return len(inner._changed._waiters if hasattr(inner, "_changed") else inner._waiters)

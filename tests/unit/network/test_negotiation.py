"""Roles and contexts by PS3.7 D.3.3.4 and PS3.8 table 9-18, addresses and settings."""

from __future__ import annotations

from typing import Any

import pytest

from pacskit.core.errors import ConfigurationError
from pacskit.network.address import Address
from pacskit.network.config import Limits, Timeouts
from pacskit.network.flow import ServiceRegistry
from pacskit.network.negotiation import (
    AcceptorPolicy,
    ContextProposal,
    Role,
    accept,
    confirm,
    propose,
)
from pacskit.network.pdu import (
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    AsyncWindow,
    RoleItem,
    UserInformation,
)

CT, IMPLICIT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
PEER = ("127.0.0.1", 104)

# What the requestor proposes (None: no item); whether the acceptor serves and uses the class;
# the context's result, the item that comes back, and then (requestor, acceptor) as (SCU, SCP) pairs.
ROLES = [
    (None, True, False, 0, None, (True, False), (False, True)),
    (None, False, True, 1, None, (False, False), (False, False)),
    (None, False, False, 3, None, (False, False), (False, False)),
    ((True, False), True, True, 0, (True, False), (True, False), (False, True)),
    ((False, True), True, True, 0, (False, True), (False, True), (True, False)),
    ((True, True), True, True, 0, (True, True), (True, True), (True, True)),
    ((True, True), True, False, 0, (True, False), (True, False), (False, True)),
    ((True, True), False, True, 0, (False, True), (False, True), (True, False)),
    ((False, True), True, False, 1, (False, False), (False, False), (False, False)),
    ((False, False), True, True, 1, (False, False), (False, False), (False, False)),
]


@pytest.mark.parametrize(("role", "serves", "uses", "result", "answer", "ours", "theirs"), ROLES)
def test_roles(
    role: tuple[bool, bool] | None,
    serves: bool,
    uses: bool,
    result: int,
    answer: tuple[bool, bool] | None,
    ours: tuple[bool, bool],
    theirs: tuple[bool, bool],
) -> None:
    request = propose("A", "B", [CT], limits=Limits(), roles=None if role is None else {CT: Role(*role)})
    policy = AcceptorPolicy(serves=lambda uid: (EXPLICIT,) if serves else None, uses=lambda uid: uses)
    reply, acceptor = accept(request, policy, Limits(), PEER)
    requestor = confirm(request, reply, PEER)
    assert reply.contexts[0].result == result
    assert reply.user.roles == (() if answer is None else (RoleItem(CT, *answer),))
    assert (requestor.contexts[0].as_scu, requestor.contexts[0].as_scp) == ours
    assert (acceptor.contexts[0].as_scu, acceptor.contexts[0].as_scp) == theirs


def test_an_acceptor_that_ignores_roles_leaves_the_defaults() -> None:
    request = propose("A", "B", [CT], limits=Limits(), roles={CT: Role(scu=False, scp=True)})
    bare = propose("A", "B", [CT], limits=Limits())
    reply, _ = accept(bare, AcceptorPolicy(serves=lambda uid: (EXPLICIT,)), Limits(), PEER)
    context = confirm(request, reply, PEER).contexts[0]
    assert (context.as_scu, context.as_scp) == (True, False)


def test_contexts_that_the_acceptor_forgot_or_made_up_are_rejected() -> None:
    request = propose("A", "B", [ContextProposal(CT, (EXPLICIT,)), CT], limits=Limits())
    other = propose("A", "B", [ContextProposal(CT, (IMPLICIT,))], limits=Limits())
    reply, _ = accept(other, AcceptorPolicy(serves=lambda uid: (IMPLICIT,)), Limits(), PEER)
    assert [c.result for c in confirm(request, reply, PEER).contexts] == [4, 2]


def test_the_window_is_answered_only_when_it_was_asked() -> None:
    policy = AcceptorPolicy(serves=lambda uid: (EXPLICIT,))
    bare = propose("A", "B", [CT], limits=Limits())
    assert accept(bare, policy, Limits(), PEER)[0].user.async_window is None


@pytest.mark.parametrize(
    ("asked", "allowed", "answered"),
    [
        ((8, 0), 16, (8, 1)),
        ((8, 8), 3, (3, 1)),
        ((0, 1), 5, (5, 1)),
        ((1, 1), 16, (1, 1)),
        ((65535, 2), 65535, (65535, 1)),
    ],
)
def test_the_window_is_the_lesser_of_both(asked: tuple[int, int], allowed: int, answered: tuple[int, int]) -> None:
    """PS3.7 D.3.3.3: an answer is never more than was asked for, and 0 is unlimited."""
    policy, limits = AcceptorPolicy(serves=lambda uid: (EXPLICIT,)), Limits(max_async_ops=allowed)
    request = propose("A", "B", [CT], limits=Limits(), window=AsyncWindow(*asked))
    answer, theirs = accept(request, policy, limits, PEER)
    assert answer.user.async_window == AsyncWindow(*answered)
    ours = confirm(request, answer, PEER)
    assert (ours.max_invoked, ours.max_performed) == answered == (theirs.max_performed, theirs.max_invoked)


@pytest.mark.parametrize(("given", "held"), [((0, 0), (8, 2)), ((99, 99), (8, 2)), ((4, 1), (4, 1)), (None, (1, 1))])
def test_an_acceptor_cannot_grant_more_than_was_asked_for(given: tuple[int, int] | None, held: tuple[int, int]) -> None:
    request = propose("A", "B", [CT], limits=Limits(), window=AsyncWindow(8, 2))
    answer, _ = accept(request, AcceptorPolicy(serves=lambda uid: (EXPLICIT,)), Limits(), PEER)
    user = UserInformation(async_window=None if given is None else AsyncWindow(*given))
    info = confirm(request, AssociateAccept("A", "B", answer.contexts, user), PEER)
    assert (info.max_invoked, info.max_performed) == held


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"protocol_version": 2}, AssociateReject(1, 2, 2)),
        ({"protocol_version": 3}, None),
        ({"application_context": "1.2.3"}, AssociateReject(1, 1, 2)),
        ({"called": "X"}, AssociateReject(1, 1, 7)),
        ({"calling": "X"}, AssociateReject(1, 1, 3)),
        ({"calling": "BC"}, None),
        ({"user": UserInformation(max_length=6)}, AssociateReject(1, 1, 1)),
        ({}, None),
    ],
)
def test_rejects(changes: dict[str, object], expected: AssociateReject | None) -> None:
    values: dict[str, object] = {"called": "A", "calling": "B", "contexts": (), **changes}
    policy = AcceptorPolicy(serves=lambda uid: None, called=("A",), calling=("B*",))
    assert policy.refuse(AssociateRequest(**values)) == expected  # type: ignore[arg-type]


def test_the_registry_falls_back() -> None:
    class Some:
        sop_classes = (CT,)

    some: Any = Some()
    other: Any = Some()
    registry = ServiceRegistry([some], fallback=other, accepts=lambda uid: uid.startswith("1.2"))
    assert registry.get(CT) == some
    assert registry.get("1.2.99") == other
    assert registry.get("1.3") is None
    assert ServiceRegistry([some]).get("1.2.99") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A@host", ("A", "host", 104)),
        (" MY AE @host:11112", ("MY AE", "host", 11112)),
        ("A@[::1]:1", ("A", "::1", 1)),
        ("A@B@host", ("A@B", "host", 104)),
    ],
)
def test_addresses(text: str, expected: tuple[str, str, int]) -> None:
    address = Address.parse(text)
    assert (address.ae, address.host, address.port) == expected
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text", ["host", "@host", "A@", "A@host:x", "A@host:0", "A@host:65536", "A\\B@h", "A" * 17 + "@h", "A@[::1", "Ä@h"]
)
def test_bad_addresses(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Address.parse(text)


def test_settings_that_cannot_work_are_refused() -> None:
    for bad in ({"dimse": 0}, {"acse": None}, {"idle": -1}):
        with pytest.raises(ConfigurationError):
            Timeouts(**bad)
    for limits in ({"max_pdu": 100}, {"max_associations": 0}, {"min_rate": 0}):
        with pytest.raises(ConfigurationError):
            Limits(**limits)
    assert Timeouts(idle=None).idle is None

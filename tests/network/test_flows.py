"""Services as flows: many responses, cancel, sub-operations, other associations, failures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pacskit.core.errors import (
    AssociationRejected,
    ConnectError,
    DimseError,
    NoPresentationContext,
)
from pacskit.network.address import Address
from pacskit.network.config import Limits
from pacskit.network.dimse import (
    CEchoRequest,
    CFindRequest,
    CGetRequest,
    CStoreRequest,
    NGetRequest,
)
from pacskit.network.flow import END, Call, Cancelled, Close, Flow, Next, Open, Perform, PerformOn, Request, Send
from pacskit.network.negotiation import AssociationInfo, ContextProposal, Role
from pacskit.network.sink import MemorySink, Sink
from pacskit.network.threads import Server
from tests.network.peers import (
    CT,
    FIND,
    GET,
    MR,
    VERIFICATION,
    Recorder,
    connect,
    store,
)

Serve = Callable[..., Server]


class Finder:
    """Yields numbers until it is cancelled."""

    sop_classes = (FIND,)

    def __init__(self, count: int) -> None:
        self.count = count
        self.sent = 0

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return None

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        matches = iter(range(self.count))
        while (match := (yield Next(matches))) is not END:
            if (yield Cancelled(request.command.message_id)):
                yield Send(request.command.response(0xFE00))
                return
            self.sent += 1
            yield Send(request.command.response(0xFF00, data=b"%05d!" % match))
        yield Send(request.command.response())


def find() -> CFindRequest:
    return CFindRequest(affected_sop_class_uid=FIND)


def test_many_responses_and_cancel(serve: Serve) -> None:
    service = Finder(100_000)
    with connect(serve(service), [FIND]) as association:
        responses = association.perform_iter(find(), b"key ")
        assert [next(responses).data for _ in range(3)] == [b"00000!", b"00001!", b"00002!"]
        responses.close()  # type: ignore[attr-defined]
        assert service.sent < 100_000
        service.count = 2
        assert [int(r.status) for r in association.perform_iter(find(), b"key ")] == [0xFF00, 0xFF00, 0]


@pytest.mark.parametrize("max_pdu", [4096, 131072])
def test_the_peers_maximum_is_kept_in_responses(max_pdu: int, serve: Serve) -> None:
    class Big(Finder):
        def serve(self, request: Request, association: AssociationInfo) -> Flow:
            yield Send(request.command.response(0xFF00, data=bytes(300_000)))
            yield Send(request.command.response())

    with connect(serve(Big(1)), [FIND], limits=Limits(max_pdu=max_pdu)) as association:
        assert [len(r.data or b"") for r in association.perform_iter(find(), b"")] == [300_000, 0]


class Getter:
    """C-GET: two C-STORE sub-operations on the same association."""

    sop_classes = (GET,)
    scu_sop_classes = (CT, MR)

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return None

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        done = 0
        for _ in range(2):
            response = yield Perform(store(data=b"image " * 1000))
            done += response.status.is_success
            yield Send(request.command.response(0xFF00, number_of_completed_suboperations=done))
        yield Send(request.command.response(number_of_completed_suboperations=done))


def test_c_get_with_role_selection(serve: Serve) -> None:
    keeper = Recorder(sinks=MemorySink)
    with connect(serve(Getter()), [GET, CT, VERIFICATION], roles={CT: Role(scu=False, scp=True)}) as association:
        assert [(c.as_scu, c.as_scp) for c in association.accepted] == [(True, False), (False, True)]
        responses = list(association.perform_iter(CGetRequest(affected_sop_class_uid=GET), b"", service=keeper))
        assert [getattr(r, "number_of_completed_suboperations", None) for r in responses] == [1, 2, 2]
        assert [r.data for r in keeper.seen] == [b"image " * 1000] * 2
        with pytest.raises(NoPresentationContext):
            association.perform(store(), b"")
    with connect(serve(Getter()), [GET, CT]) as association:  # without the role there is nobody to store to
        assert [c.result for c in association.info.contexts] == [0, 1]


class Mover:
    """C-MOVE's way: an association to somebody else."""

    sop_classes = (FIND,)

    def __init__(self, address: Address) -> None:
        self.address = address

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return None

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        try:
            peer = yield Open(self.address, [ContextProposal(CT)], "SERVER")
        except (ConnectError, AssociationRejected):
            raise DimseError(0xA801, "cannot reach it") from None
        status = (yield PerformOn(peer, store(data=b"abcd"))).status
        yield Close(peer)
        doubled = yield Call(int.__mul__, int(status), 2)
        yield Send(request.command.response(doubled))


def test_a_flow_opens_another_association(serve: Serve) -> None:
    keeper = Recorder(sinks=MemorySink)
    server = serve(keeper)
    target = Address("SERVER", *server.address, tls=server.node_tls is not None)
    with connect(serve(Mover(target)), [FIND]) as association:
        assert association.perform(find(), b"").status.is_success
    assert keeper.seen[0].data == b"abcd"
    wrong = Address("WRONG", target.host, target.port, target.tls)
    with connect(serve(Mover(wrong)), [FIND]) as association:
        response = association.perform(find(), b"")
        assert (response.status, response.error_comment) == (0xA801, "cannot reach it")


def test_what_goes_wrong_in_a_service_becomes_a_status(serve: Serve) -> None:
    class Broken(Recorder):
        def serve(self, request: Request, association: AssociationInfo) -> Flow:
            if request.command.sop_class_uid == CT:
                raise ZeroDivisionError
            if request.command.sop_class_uid == MR:
                return
            raise DimseError(0x0124, "go away")
            yield

    with connect(serve(Broken()), [VERIFICATION, CT, MR]) as association:
        response = association.perform(CEchoRequest())
        assert (response.status, response.error_comment) == (0x0124, "go away")
        assert association.perform(store(), b"").status == 0x0110
        silent = CStoreRequest(affected_sop_class_uid=MR, affected_sop_instance_uid="1.2.3")
        assert association.perform(silent, b"").status == 0x0110
        refused = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3.666")
        assert association.perform(refused, bytes(500_000)).status == 0xA700
        context = association.accepted[0]
        other = NGetRequest(requested_sop_class_uid="1.2.3", requested_sop_instance_uid="1.2")
        assert association.perform(other, context=context).status == 0x0122

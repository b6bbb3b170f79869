"""The C-STORE sub-operations of a retrieval (PS3.4 C.4.2, C.4.3): their outcomes, and how several are under way."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from pacskit.core.dataset import Dataset
from pacskit.core.errors import NetworkError, PacsError
from pacskit.core.events import EventBus, Link, SubOperation
from pacskit.core.status import Status
from pacskit.encoding import encode
from pacskit.network.dimse import CMoveRequest, CStoreRequest, ResponseMessage
from pacskit.network.flow import Call, Cancelled, Effect, Outcome, Peer, Request, Send, Start
from pacskit.services.outgoing import Action, Decision, SpooledSource
from pacskit.storage import Opened, StoredInstance

if TYPE_CHECKING:
    from typing import Any

    from pacskit.network.negotiation import AssociationInfo

__all__ = ["ITS_OWN", "WINDOW", "Gone", "Read", "Ready", "Result", "Retrieval", "SubOperations", "unable"]

WINDOW: Final = 8  # sub-operations that are under way at most; each may hold a megabyte
# What is wrong with one instance and does not end the others.
ITS_OWN: Final = (PacsError, OSError, ValueError, EOFError, MemoryError)
_COMMENT: Final = 64  # characters of Error Comment, an LO
_MAX_LIST: Final = 65_000  # bytes: an explicit UI has a length of 16 bits
_LOST: Final = "the association with the destination ended"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one instance: its status, what was decided of it, and in a few words why it failed."""

    status: int
    decision: Decision | None = None
    why: str = ""
    reason: str = ""  # the same at length, where the decision does not have it


def unable(error: Exception, decision: Decision | None = None) -> Result:
    """What becomes of an instance that cannot be read, converted or sent."""
    return Result(
        Status.UNABLE_TO_PROCESS,
        decision,
        f"an instance cannot be sent: {type(error).__name__}",
        f"it could not be read or converted: {type(error).__name__}",
    )


@dataclass(slots=True)
class Retrieval:
    """A retrieval under way: what is to be sent, and what has become of it."""

    request: Request
    association: AssociationInfo
    instances: list[StoredInstance]
    events: EventBus | None = None
    remaining: int = 0
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)
    why: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.remaining = len(self.instances)

    def count(self, instance: StoredInstance, result: Result, receiver: str) -> None:
        """Count the outcome of one sub-operation, and tell who listens."""
        self.remaining -= 1
        status = Status(result.status)
        if self.events is not None and self.events.wants(SubOperation):
            self.events.emit(self._event(instance, result, receiver))
        if status.is_success:
            self.completed += 1
        elif status.is_warning:
            self.warning += 1
        else:
            self.failed.append(instance.sop_instance_uid)
            self.why[result.why or f"the receiver answered 0x{result.status:04X}"] += 1

    def fail(self, instances: Sequence[StoredInstance], why: str, receiver: str) -> None:
        """Count what cannot be sent at all."""
        for instance in instances:
            self.count(instance, Result(Status.OUT_OF_RESOURCES, None, why, why), receiver)

    def _event(self, instance: StoredInstance, result: Result, receiver: str) -> SubOperation:
        decision, command = result.decision, self.request.command
        unsent = decision is None or decision.target is None or result.reason
        return SubOperation(
            link=self.association.link or Link(0, ("", 0), self.association.peer, False),
            at=time.time(),
            operation="C-MOVE" if isinstance(command, CMoveRequest) else "C-GET",
            message_id=command.message_id,
            peer=receiver,
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            stored_as=instance.transfer_syntax_uid,
            sent_as=None if unsent or decision is None else decision.target,
            action=str(Action.REFUSE if unsent or decision is None else decision.action),
            reason=result.reason or ("" if decision is None else decision.reason),
            status=result.status,
        )

    def _comment(self) -> str | None:
        """Say in the room of an LO why instances were not sent: the reason of most, and whether there are others."""
        if not self.why:
            return None
        (reason, count), *others = self.why.most_common()
        if others:
            reason = f"{count} of {self.why.total()}: {reason}"
        return reason[:_COMMENT].rstrip()

    def response(self, status: int, comment: str | None = None) -> ResponseMessage:
        """Return a response with the counts; those that are final list what failed (PS3.4 C.4.2.1.8, C.4.2.3.1)."""
        listed = self.failed and status != Status.PENDING
        counts = {
            "number_of_completed_suboperations": self.completed,
            "number_of_failed_suboperations": len(self.failed),
            "number_of_warning_suboperations": self.warning,
        }
        if status in (Status.PENDING, Status.CANCEL):
            counts["number_of_remaining_suboperations"] = self.remaining
        message: ResponseMessage = self.request.command.response(
            status, data=self._failed_list() if listed else None, error_comment=comment, **counts
        )
        return message

    def _failed_list(self) -> bytes:
        room, listed = _MAX_LIST, []
        for uid in self.failed:
            room -= len(uid) + 1
            if room < 0:
                break
            listed.append(uid)
        answer = Dataset()
        answer.FailedSOPInstanceUIDList = listed
        return encode(answer, self.request.context.transfer_syntax)

    def final(self) -> ResponseMessage:
        """Return the last response."""
        if not self.failed:
            return self.response(Status.SUB_OPERATIONS_WARNING if self.warning else Status.SUCCESS)
        if self.completed or self.warning:
            return self.response(Status.SUB_OPERATIONS_WARNING, self._comment())
        return self.response(Status.OUT_OF_RESOURCES_SUB_OPERATIONS, self._comment())


@dataclass(slots=True)
class Ready:
    """An instance that can be sent at once."""

    instance: StoredInstance
    request: CStoreRequest
    opened: Opened
    decision: Decision

    def close(self) -> None:
        """Let its files go; it has been sent, or will not be."""
        self.opened.file.close()
        if isinstance(self.request.data, SpooledSource):
            self.request.data.close()
        self.request.data = None


class Gone(Exception):
    """The association to a destination has ended."""


Read: TypeAlias = "Callable[[StoredInstance, AssociationInfo, int, dict[str, Any]], Ready | Result]"


class SubOperations:
    """The C-STOREs of a retrieval on one association; without ``peer`` it is the one that the retrieval came by.

    ``read`` makes what is sent of an instance, or says why it is not.
    """

    __slots__ = ("_info", "_originator", "_peer", "_read", "_retrieval", "_under_way", "_waiting")

    def __init__(
        self,
        read: Read,
        retrieval: Retrieval,
        info: AssociationInfo,
        originator: dict[str, Any],
        peer: Peer | None,
    ) -> None:
        self._read = read
        self._retrieval = retrieval
        self._info = info
        self._originator = originator
        self._peer = peer
        self._under_way: dict[int, tuple[StoredInstance, Decision]] = {}
        self._waiting: Iterator[StoredInstance] = iter(())

    def perform(self, instances: Sequence[StoredInstance]) -> Generator[Effect, Any, bool]:
        """Send them; return whether there was a C-CANCEL. What is under way then is waited for, and counts.

        Raises `Gone` when the association to a destination ends; everything has been counted then.
        """
        self._waiting = iter(instances)
        window = min(self._info.max_invoked or WINDOW, WINDOW)
        ready: Ready | None = None
        cancelled = False
        try:
            ready = yield from self._next()
            while ready is not None or self._under_way:
                if not cancelled and (yield Cancelled(self._retrieval.request.command.message_id)):
                    cancelled = True
                    if ready is not None:
                        ready.close()
                        ready = None
                elif ready is not None and len(self._under_way) < window:
                    yield from self._start(ready)
                    ready = None if cancelled else (yield from self._next())
                elif self._under_way:
                    yield from self._finish(last=cancelled)
        except Gone:
            yield from self._give_up([] if ready is None else [ready.instance])
            raise
        finally:
            if ready is not None:
                ready.close()
        return cancelled and self._retrieval.remaining > 0

    def _next(self) -> Generator[Effect, Any, Ready | None]:
        """Read the next instance that can be sent; those before it are done with."""
        priority = self._retrieval.request.command.priority
        for instance in self._waiting:
            read: Ready | Result = yield Call(self._read, instance, self._info, priority, self._originator)
            if isinstance(read, Ready):
                return read
            yield from self._count(instance, read)
        return None

    def _start(self, ready: Ready) -> Generator[Effect, Any, None]:
        try:
            self._under_way[(yield Start(ready.request, self._peer))] = ready.instance, ready.decision
        except NetworkError as error:
            raise self._gone(error) from error
        except ITS_OWN as error:
            yield from self._count(ready.instance, unable(error, ready.decision))
        finally:
            ready.close()

    def _finish(self, *, last: bool) -> Generator[Effect, Any, None]:
        """Wait for one of those under way; the last ones of a retrieval that was cancelled are not reported singly."""
        try:
            response: ResponseMessage = yield Outcome(self._under_way.keys(), self._peer)
        except NetworkError as error:
            raise self._gone(error) from error
        if response.is_pending:
            return  # which C-STORE does not have
        instance, decision = self._under_way.pop(response.message_id_being_responded_to)
        result = Result(response.status, decision)
        if last:
            self._retrieval.count(instance, result, self._info.peer_name)
        else:
            yield from self._count(instance, result)

    def _gone(self, error: NetworkError) -> Exception:
        """The end of the association to a destination is not the end of the one that the retrieval came by."""
        return error if self._peer is None else Gone(str(error))

    def _count(self, instance: StoredInstance, result: Result) -> Generator[Effect, Any, None]:
        self._retrieval.count(instance, result, self._info.peer_name)
        if self._retrieval.remaining:
            yield Send(self._retrieval.response(Status.PENDING))

    def _give_up(self, others: list[StoredInstance]) -> Generator[Effect, Any, None]:
        """Count what the end of the association leaves unsent or unanswered."""
        under_way = [instance for instance, _ in self._under_way.values()]
        self._under_way.clear()
        for instance in (*under_way, *others, *self._waiting):
            yield from self._count(instance, Result(Status.OUT_OF_RESOURCES, None, _LOST, _LOST))

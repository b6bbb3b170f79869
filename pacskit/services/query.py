"""Query: C-FIND in the Patient Root, Study Root and Patient/Study Only models (PS3.4 C.4.1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import DimseError
from pacskit.core.status import Status
from pacskit.encoding import decode, encode
from pacskit.network.dimse import CFindRequest, ResponseMessage
from pacskit.network.flow import END, Call, Cancelled, Finish, Flow, Next, Request, Send, Watch
from pacskit.services.base import IdentifierService, failure, level_of, read_identifier
from pacskit.services.events import FindEvent
from pacskit.services.extended import ARCHIVE_QUERY, QueryNegotiation
from pacskit.services.link import Link
from pacskit.services.sop_classes import MODEL_OF, MODELS, QueryModel
from pacskit.storage import FindOptions, Match, Store

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo

__all__ = ["AnsweringService", "QueryService", "find"]

_FIND = tuple(str(model.find) for model in MODELS)


class QueryService(IdentifierService):
    """Answers C-FIND from a `Store`; ``ae`` is the Retrieve AE Title of the answers."""

    sop_classes = _FIND
    operations = (CFindRequest,)

    def __init__(self, store: Store, *, ae: str) -> None:
        self._store = store
        self._ae = ae

    def extended(self, sop_class: str, information: bytes) -> bytes:
        """Agree to what the index does (PS3.4 C.5.1.1)."""
        ours = replace(ARCHIVE_QUERY, fuzzy_names=self._store.index.matches_fuzzily)
        return QueryNegotiation.decode(information).agreed(ours).encode()

    def _matches(self, model: QueryModel, identifier: Dataset, agreed: bytes) -> Iterator[Match]:
        level = level_of(identifier, model.levels)
        wanted = QueryNegotiation.decode(agreed)
        options = FindOptions(wanted.combined_datetime, wanted.relational, self._ae, fuzzy_names=wanted.fuzzy_names)
        try:
            return self._store.find(level, model.name, identifier, options)
        except Exception as error:
            raise failure(error) from error

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        command, syntax = request.command, request.context.transfer_syntax
        identifier = read_identifier(request)
        sop_class = command.affected_sop_class_uid
        agreed = association.extended.get(sop_class, b"")
        matches = yield Call(self._matches, MODEL_OF[sop_class], identifier, agreed)
        pending = Status.PENDING
        try:
            while (match := (yield Next(matches))) is not END:
                if match.has_ignored_keys:
                    pending = Status.PENDING_WARNING
                answer = encode(match.dataset(Dataset), syntax)
                yield Send(command.response(pending, data=answer))
                if (yield Cancelled(command.message_id)):
                    yield Send(command.response(Status.CANCEL))
                    return
        finally:
            yield Finish(matches)
        yield Send(command.response())


class AnsweringService(IdentifierService):
    """Answers C-FIND from handlers: ``handlers`` has one for each level that is answered.

    A handler is called with the `FindEvent`, whose ``cancelled`` turns True when the peer has had enough, and gives the
    data sets.
    """

    sop_classes = _FIND
    operations = (CFindRequest,)

    def __init__(self, handlers: Mapping[Level, Callable[[FindEvent], Any]]) -> None:
        self._handlers = handlers

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        command, syntax = request.command, request.context.transfer_syntax
        identifier = read_identifier(request)
        level = level_of(identifier, MODEL_OF[command.affected_sop_class_uid].levels)
        handler = self._handlers.get(level)
        if handler is None:
            raise DimseError(Status.DOES_NOT_MATCH_CLASS, f"no queries at level {level} here")
        is_cancelled = yield Watch(command.message_id)
        event = FindEvent(association, level, identifier, is_cancelled)
        found = yield Call(handler, event)
        answers = found if isinstance(found, AsyncIterator) else iter(found)
        try:
            while (answer := (yield Next(answers))) is not END:
                if event.cancelled:
                    break
                if "QueryRetrieveLevel" not in answer:
                    answer = answer.copy()
                    answer.QueryRetrieveLevel = level
                yield Send(command.response(Status.PENDING, data=encode(answer, syntax)))
        finally:
            yield Finish(answers)
        yield Send(command.response(Status.CANCEL if event.cancelled else Status.SUCCESS))


async def find(link: Link, sop_class: str, identifier: Dataset, *, priority: int = 0) -> AsyncGenerator[Dataset, None]:
    """Query as SCU: iterate over the answers. Leaving the iteration early cancels the query.

    Raises DimseError when the peer refuses or fails.
    """
    context = link.info.context_for(sop_class)
    request = CFindRequest(affected_sop_class_uid=sop_class, priority=priority, context=context)
    async with aclosing(link.exchange(request, encode(identifier, context.transfer_syntax))) as messages:
        async for response in messages:
            if not isinstance(response, ResponseMessage):
                continue
            if response.is_pending:
                if response.data is not None:
                    yield decode(response.data, context.transfer_syntax)
                continue
            status = Status(response.status)
            if not status.is_success and not status.is_warning:
                raise DimseError(status, response.error_comment or status.describe("qr_find"), peer=link.info.peer_name)

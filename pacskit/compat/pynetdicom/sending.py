"""``send_c_*`` and ``send_n_*``: requests, and their answers as data sets with a status."""

from __future__ import annotations

import contextlib
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from pacskit.compat.pydicom.uid import UID
from pacskit.compat.pynetdicom.datasets import Ours, Pydicoms, encoded
from pacskit.compat.pynetdicom.dimse_primitives import FIELDS
from pacskit.compat.pynetdicom.presentation import PresentationContext
from pacskit.compat.pynetdicom.status import code_to_category
from pacskit.core import uids
from pacskit.core.errors import PacsError
from pacskit.encoding.transfer_syntax import grammar
from pacskit.network.dimse import (
    CCancelRequest,
    CEchoRequest,
    CFindRequest,
    CGetRequest,
    CMoveRequest,
    CStoreRequest,
    NActionRequest,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NSetRequest,
    RequestMessage,
    ResponseMessage,
)

if TYPE_CHECKING:
    from pacskit.compat.pynetdicom.line import Line
    from pacskit.network.negotiation import PresentationContext as Agreed

__all__ = ["Responses", "Sending"]

_log = logging.getLogger("pacskit.compat.pynetdicom")

# What a response may say beside its status, by keyword.
_SAID: Final = (
    "AffectedSOPInstanceUID", "AttributeIdentifierList", "ErrorComment", "ErrorID", "EventTypeID",
    "NumberOfCompletedSuboperations", "NumberOfFailedSuboperations", "NumberOfRemainingSuboperations",
    "NumberOfWarningSuboperations", "OffendingElement",
)  # fmt: skip
_ONLY_EVENT_REPORT: Final = frozenset({"AffectedSOPInstanceUID", "EventTypeID"})
_UPS: Final = frozenset(
    map(
        str,
        (
            uids.UnifiedProcedureStepPull,
            uids.UnifiedProcedureStepWatch,
            uids.UnifiedProcedureStepEvent,
            uids.UnifiedProcedureStepQuery,
        ),
    )
)
_DONE: Final = frozenset({"Success", "Warning"})
_PROCESSING_FAILURE: Final = 0x0110
_MORE_MATCHES: Final = 0xB001  # Repository Query (PS3.4 C.4.1.1.4): a warning after which responses follow


def status_of(status: Any, response: ResponseMessage) -> Any:
    """Fill in the status of a response with what goes with it."""
    status.Status = int(response.status)
    reports = response.COMMAND_FIELD == 0x8100
    for keyword in _SAID:
        value = getattr(response, FIELDS[keyword], None)
        if value is not None and (reports or keyword not in _ONLY_EVENT_REPORT):
            setattr(status, keyword, list(value) if isinstance(value, (list, tuple)) else value)
    return status


class Responses(Iterator[tuple[Any, Any]]):
    """The responses to a C-FIND, C-GET or C-MOVE. What is left over is cancelled and taken in when it is given up."""

    def __init__(self, assoc: Sending, request: RequestMessage) -> None:
        self._assoc, self._request = assoc, request
        self._line = assoc.line
        self._failed = False
        self._live = True
        self._line.gate.acquire()
        try:
            if self._line.current is not None:
                raise RuntimeError("another operation of this association is not finished: take in its responses first")
            self._line.send(request)
        except (PacsError, OSError) as error:
            self._failed = True
            assoc.failed(error)
        except BaseException:
            self._finish(mine=False)
            raise
        else:
            self._line.current = request
            assoc.operations.add(self)

    def _finish(self, *, mine: bool = True) -> None:
        if not self._live:
            return
        self._live = False
        if mine and self._line.current is self._request:
            self._line.current = None
        self._assoc.operations.discard(self)
        try:
            if self._line.is_open and not self._line.serving:
                self._line.hand_over()
        finally:
            self._line.gate.release()

    def __next__(self) -> tuple[Any, Any]:
        if not self._live:
            raise StopIteration
        response = None if self._failed else self._response()
        if response is None:
            self._finish()
            return self._assoc.library.dataset(), None
        status = status_of(self._assoc.library.dataset(), response)
        category = code_to_category(int(status.Status))
        find = isinstance(self._request, CFindRequest)
        more = find and int(status.Status) == _MORE_MATCHES and self._is_repository_query()
        if category != "Pending" and not more:
            self._finish()
        wanted = category == "Pending" if find else category in {"Cancel", "Warning", "Failure"}
        return status, self._identifier(response) if wanted else None

    def _is_repository_query(self) -> bool:
        return self._request.sop_class_uid == str(uids.RepositoryQuery)

    def _response(self) -> ResponseMessage | None:
        try:
            return self._line.response(self._request, self._assoc.serve)
        except (PacsError, OSError) as error:
            self._assoc.failed(error)
            return None

    def _identifier(self, response: ResponseMessage) -> Any:
        context = self._request.context
        if response.data is None or context is None:
            return None
        try:
            return self._assoc.library.decoded(response.data, context.transfer_syntax)
        except PacsError as error:
            _log.error("the identifier of a response cannot be decoded: %s", error)
            return None

    def close(self) -> None:
        """Cancel what goes on, and take in what is left."""
        if self._live and not self._failed and self._line.is_open and self._request.context is not None:
            try:
                cancel = CCancelRequest(
                    message_id_being_responded_to=self._request.message_id, context=self._request.context
                )
                self._line.send(cancel)
                while code_to_category(int(self._line.response(self._request, self._assoc.serve).status)) == "Pending":
                    continue
            except (PacsError, OSError) as error:
                self._assoc.failed(error)
        self._finish()

    def __del__(self) -> None:
        if getattr(self, "_live", False):
            with contextlib.suppress(Exception):
                self.close()


class Sending(ABC):
    """The requests of an association."""

    is_established: bool

    @property
    @abstractmethod
    def accepted_contexts(self) -> list[PresentationContext]:
        """The contexts that were agreed."""

    @property
    @abstractmethod
    def line(self) -> Line:
        """The connection."""

    @abstractmethod
    def agreed(self, context_id: int | None) -> Agreed:
        """The context of this number, as the network knows it."""

    @abstractmethod
    def serve(self, message: RequestMessage) -> None:
        """Answer what the peer asks."""

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """Note that the association failed."""

    @property
    def operations(self) -> WeakSet[Responses]:
        """The iterators of responses that are not at their end; who lets go of one ends it."""
        return self.__dict__.setdefault("_operations", WeakSet())  # type: ignore[no-any-return]

    def end_operations(self) -> None:
        """Cancel what goes on."""
        for one in list(self.operations):
            one.close()

    # Contexts

    def context_for(
        self, sop_class: str, syntax: str = "", role: str | None = "scu", *, convert: bool = True
    ) -> PresentationContext:
        """The context to send in: that of the transfer syntax, else one that the data set can be written in.

        ValueError where the peer accepted none.
        """
        role_name = role
        found = [cx for cx in self.accepted_contexts if cx.abstract_syntax == sop_class]
        if not found and sop_class == uids.UnifiedProcedureStepPush:
            found = [cx for cx in self.accepted_contexts if cx.abstract_syntax in _UPS]
        if role_name is not None:
            found = [cx for cx in found if (cx.as_scu if role_name == "scu" else cx.as_scp)]
        exact = [cx for cx in found if not syntax or cx.transfer_syntax[0] == syntax]
        if exact:
            return exact[0]
        if convert and (near := [cx for cx in found if _is_near(syntax, cx.transfer_syntax[0])]):
            return near[0]
        text = f"No presentation context for '{UID(sop_class).name}' has been accepted by the peer"
        if syntax:
            text += f" with '{UID(syntax).name}' transfer syntax"
        text += f" for the {(role or 'scu').upper()} role"
        raise ValueError(text)

    @property
    @abstractmethod
    def library(self) -> Ours | Pydicoms:
        """Whose data sets are handed out."""

    def _status(self, response: ResponseMessage | None) -> Any:
        made = self.library.dataset()
        return made if response is None else status_of(made, response)

    def _get_valid_context(
        self,
        ab_syntax: str,
        tr_syntax: str,
        role: str | None = None,
        context_id: int | None = None,
        allow_conversion: bool = True,
    ) -> PresentationContext:
        """`context_for` by the name that pynetdicom's own applications use."""
        del context_id
        return self.context_for(str(ab_syntax), str(tr_syntax), role, convert=allow_conversion)

    def _established(self) -> None:
        if not self.is_established:
            raise RuntimeError("The association with a peer must be established before a request is sent")

    def _perform(self, request: RequestMessage, context: PresentationContext) -> ResponseMessage | None:
        request.context = self.agreed(context.context_id)
        line = self.line
        with line.gate:
            self._established()
            try:
                return line.perform(request, self.serve)
            except (PacsError, OSError) as error:
                self.failed(error)
                return None

    # DIMSE-C

    def send_c_echo(self, msg_id: int = 1) -> Any:
        """C-ECHO; returns its status, empty when there was no answer."""
        self._established()
        context = self.context_for(uids.Verification)
        return self._status(self._perform(CEchoRequest(message_id=msg_id), context))

    def send_c_store(
        self,
        dataset: Any,
        msg_id: int = 1,
        priority: int = 2,
        originator_aet: str | None = None,
        originator_id: int | None = None,
    ) -> Any:
        """C-STORE of a data set or a file; returns its status, empty when there was no answer."""
        self._established()
        if isinstance(dataset, (str, os.PathLike)):
            dataset = self.library.read(Path(dataset))
        missing = [keyword for keyword in ("SOPClassUID", "SOPInstanceUID") if keyword not in dataset]
        if missing:
            raise AttributeError(f"the data set has no {', '.join(missing)}, without which it cannot be sent")
        try:
            syntax = str(dataset.file_meta.TransferSyntaxUID)
        except AttributeError:
            raise AttributeError(
                "the data set has no Transfer Syntax UID in its file meta: it is not known how to send it"
            ) from None
        context = self.context_for(str(dataset.SOPClassUID), _encoding_of(dataset, syntax))
        request = CStoreRequest(
            message_id=msg_id,
            affected_sop_class_uid=str(dataset.SOPClassUID),
            affected_sop_instance_uid=str(dataset.SOPInstanceUID),
            priority=priority,
            move_originator_ae=originator_aet,
            move_originator_message_id=originator_id,
            data=encoded(dataset, context.transfer_syntax[0], "C-STORE"),
        )
        return self._status(self._perform(request, context))

    def _retrieve(self, request: RequestMessage, dataset: Any) -> Responses:
        self._established()
        context = self.context_for(request.sop_class_uid or "")
        request.context = self.agreed(context.context_id)
        request.data = encoded(dataset, context.transfer_syntax[0], "Identifier")
        return Responses(self, request)

    def send_c_find(self, dataset: Any, query_model: str, msg_id: int = 1, priority: int = 2) -> Responses:
        """C-FIND; yields a status and, where it is pending, what was found."""
        uid = str(query_model)
        return self._retrieve(CFindRequest(message_id=msg_id, affected_sop_class_uid=uid, priority=priority), dataset)

    def send_c_get(self, dataset: Any, query_model: str, msg_id: int = 1, priority: int = 2) -> Responses:
        """C-GET; the instances go to the handler of EVT_C_STORE."""
        uid = str(query_model)
        return self._retrieve(CGetRequest(message_id=msg_id, affected_sop_class_uid=uid, priority=priority), dataset)

    def send_c_move(
        self, dataset: Any, move_aet: str, query_model: str, msg_id: int = 1, priority: int = 2
    ) -> Responses:
        """C-MOVE to the AE ``move_aet``."""
        request = CMoveRequest(
            message_id=msg_id, affected_sop_class_uid=str(query_model), move_destination=move_aet, priority=priority
        )
        return self._retrieve(request, dataset)

    def send_c_cancel(self, msg_id: int, context_id: int | None = None, query_model: str | None = None) -> None:
        """C-CANCEL of the request ``msg_id``, which went out in a context or for a query model."""
        self._established()
        if query_model is not None:
            context_id = self.context_for(str(query_model)).context_id
        elif context_id is None:
            raise ValueError("'send_c_cancel' needs the query model or the context ID of the request")
        cancel = CCancelRequest(message_id_being_responded_to=msg_id, context=self.agreed(context_id))
        try:
            self.line.cancel(cancel)
        except (PacsError, OSError) as error:
            self.failed(error)

    # DIMSE-N

    def _normalized(
        self, request: RequestMessage, context: PresentationContext, dataset: Any, name: str
    ) -> tuple[Any, Any]:
        syntax = context.transfer_syntax[0]
        if dataset is not None:
            request.data = encoded(dataset, syntax, name) or None
        response = self._perform(request, context)
        status = self._status(response)
        if response is None or code_to_category(int(response.status)) not in _DONE:
            return status, None
        try:
            return status, self.library.decoded(response.data, syntax)
        except PacsError as error:
            _log.error("the data set of a response cannot be decoded: %s", error)
            status.Status = _PROCESSING_FAILURE
            return status, None

    def _n_context(self, class_uid: str, meta_uid: str | None, role: str | None = "scu") -> PresentationContext:
        self._established()
        return self.context_for(str(meta_uid or class_uid), "", role)

    def send_n_event_report(
        self,
        dataset: Any,
        event_type: int,
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> tuple[Any, Any]:
        """N-EVENT-REPORT; returns the status and the event reply."""
        request = NEventReportRequest(
            message_id=msg_id,
            affected_sop_class_uid=str(class_uid),
            affected_sop_instance_uid=str(instance_uid),
            event_type_id=event_type,
        )
        return self._normalized(request, self._n_context(class_uid, meta_uid, None), dataset, "Event Information")

    def send_n_get(
        self, identifier_list: Any, class_uid: str, instance_uid: str, msg_id: int = 1, meta_uid: str | None = None
    ) -> tuple[Any, Any]:
        """N-GET; returns the status and the attribute list."""
        request = NGetRequest(
            message_id=msg_id,
            requested_sop_class_uid=str(class_uid),
            requested_sop_instance_uid=str(instance_uid),
            attribute_identifier_list=_tags(identifier_list),
        )
        return self._normalized(request, self._n_context(class_uid, meta_uid), None, "")

    def send_n_set(
        self, dataset: Any, class_uid: str, instance_uid: str, msg_id: int = 1, meta_uid: str | None = None
    ) -> tuple[Any, Any]:
        """N-SET; returns the status and the attribute list."""
        request = NSetRequest(
            message_id=msg_id, requested_sop_class_uid=str(class_uid), requested_sop_instance_uid=str(instance_uid)
        )
        return self._normalized(request, self._n_context(class_uid, meta_uid), dataset, "Modification List")

    def send_n_action(
        self,
        dataset: Any,
        action_type: int,
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> tuple[Any, Any]:
        """N-ACTION; returns the status and the action reply."""
        request = NActionRequest(
            message_id=msg_id,
            requested_sop_class_uid=str(class_uid),
            requested_sop_instance_uid=str(instance_uid),
            action_type_id=action_type,
        )
        return self._normalized(request, self._n_context(class_uid, meta_uid), dataset, "Action Information")

    def send_n_create(
        self,
        dataset: Any,
        class_uid: str,
        instance_uid: str | None = None,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> tuple[Any, Any]:
        """N-CREATE; returns the status and the attribute list."""
        request = NCreateRequest(
            message_id=msg_id,
            affected_sop_class_uid=str(class_uid),
            affected_sop_instance_uid=str(instance_uid) if instance_uid else None,
        )
        return self._normalized(request, self._n_context(class_uid, meta_uid), dataset, "Attribute List")

    def send_n_delete(self, class_uid: str, instance_uid: str, msg_id: int = 1, meta_uid: str | None = None) -> Any:
        """N-DELETE; returns its status, empty when there was no answer."""
        request = NDeleteRequest(
            message_id=msg_id, requested_sop_class_uid=str(class_uid), requested_sop_instance_uid=str(instance_uid)
        )
        return self._status(self._perform(request, self._n_context(class_uid, meta_uid)))


def _tags(identifiers: Any) -> list[int] | None:
    if not identifiers:
        return None
    if isinstance(identifiers, (int, str)):
        identifiers = [identifiers]
    from pacskit.compat.pydicom.tag import Tag

    return [int(Tag(one)) for one in identifiers]


def _is_near(syntax: str, other: str) -> bool:
    """Whether a data set in one transfer syntax can be written in the other without touching pixels or byte order."""
    if not syntax:
        return True
    ours, theirs = grammar(syntax), grammar(other)
    return not (ours.encapsulated or theirs.encapsulated) and ours.big == theirs.big


def _encoding_of(dataset: Any, syntax: str) -> str:
    """The transfer syntax, unless the data set was read in another encoding than its file meta says."""
    implicit, little = getattr(dataset, "original_encoding", (None, None))
    if implicit is None or little is None:
        return syntax
    said = grammar(syntax)
    if (said.implicit, not said.big) == (bool(implicit), bool(little)):
        return syntax
    if implicit and little:
        return str(uids.ImplicitVRLittleEndian)
    if not implicit and not little:
        return str(uids.ExplicitVRBigEndian)
    raise AttributeError(f"the data set is not encoded in the transfer syntax of its file meta, {UID(syntax).name}")

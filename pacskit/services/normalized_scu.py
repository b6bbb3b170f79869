"""DIMSE-N as SCU, on an association that somebody else opens (PS3.7 10.1); over either driver."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DimseError
from pacskit.core.status import Status
from pacskit.core.tag import Tag
from pacskit.core.uid import UID
from pacskit.encoding import decode, encode
from pacskit.network.dimse import (
    NActionRequest,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NSetRequest,
    RequestMessage,
    ResponseMessage,
)
from pacskit.services.link import Link

__all__ = ["Answer", "n_action", "n_create", "n_delete", "n_event_report", "n_get", "n_set"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a peer answered to a DIMSE-N request with success or a warning; failures are raised as `DimseError`.

    ``dataset`` is None where the response has none; ``attributes`` is the attribute identifier list, which says with
    the warning 0x0107 what was not taken.
    """

    status: Status
    dataset: Dataset | None = None
    sop_instance_uid: UID | None = None
    attributes: tuple[Tag, ...] = ()
    offending: tuple[Tag, ...] = ()
    comment: str | None = None
    error_id: int | None = None


async def _perform(link: Link, request: RequestMessage, data: Dataset | None, via: str | None) -> Answer:
    """Send ``request`` in the context of its SOP class, or of the meta SOP class ``via``."""
    info = link.info
    sop_class = str(via or request.sop_class_uid)
    # The SCP of the class reports, the SCU does everything else; where no role was negotiated, the one there is.
    as_scp = isinstance(request, NEventReportRequest) and bool(info.contexts_for(sop_class, as_scp=True))
    context = info.context_for(sop_class, as_scp=as_scp)
    payload = None if data is None else encode(data, context.transfer_syntax)
    if payload == b"" and not isinstance(request, NSetRequest):  # optional there: say that there is none
        payload = None
    response = await link.perform(request, payload, context=context)
    return _answer(response, context.transfer_syntax, info.peer_name)


def _answer(response: ResponseMessage, syntax: str, peer: str) -> Answer:
    status = Status(response.status)
    attributes = tuple(map(Tag, getattr(response, "attribute_identifier_list", None) or ()))
    offending = tuple(map(Tag, response.offending_element or ()))
    if status.is_failure:
        raise DimseError(
            status,
            response.error_comment or status.describe(),
            peer=peer,
            offending=offending,
            attributes=attributes,
            error_id=response.error_id,
        )
    uid = response.sop_instance_uid
    return Answer(
        status=status,
        dataset=None if response.data is None else decode(response.data, syntax),
        sop_instance_uid=None if uid is None else UID(uid),
        attributes=attributes,
        offending=offending,
        comment=response.error_comment,
        error_id=response.error_id,
    )


async def n_create(
    link: Link,
    sop_class: str,
    dataset: Dataset | None = None,
    *,
    sop_instance: str | None = None,
    via: str | None = None,
) -> Answer:
    """Create an instance; the peer chooses its UID where none is given, and `Answer.sop_instance_uid` says it."""
    request = NCreateRequest(affected_sop_class_uid=str(sop_class), affected_sop_instance_uid=sop_instance)
    answer = await _perform(link, request, dataset, via)
    if answer.sop_instance_uid is None and sop_instance is not None:
        return replace(answer, sop_instance_uid=UID(sop_instance))
    return answer


async def n_set(link: Link, sop_class: str, sop_instance: str, dataset: Dataset, *, via: str | None = None) -> Answer:
    """Change attributes of an instance."""
    request = NSetRequest(requested_sop_class_uid=str(sop_class), requested_sop_instance_uid=str(sop_instance))
    return await _perform(link, request, dataset, via)


async def n_get(
    link: Link,
    sop_class: str,
    sop_instance: str,
    attributes: Iterable[int | str] = (),
    *,
    via: str | None = None,
) -> Answer:
    """Read attributes of an instance, named by tag or keyword; all of them where none is named."""
    wanted = [int(Tag(one)) for one in attributes]
    request = NGetRequest(
        requested_sop_class_uid=str(sop_class),
        requested_sop_instance_uid=str(sop_instance),
        attribute_identifier_list=wanted or None,
    )
    return await _perform(link, request, None, via)


async def n_action(
    link: Link,
    sop_class: str,
    sop_instance: str,
    action_type: int,
    dataset: Dataset | None = None,
    *,
    via: str | None = None,
) -> Answer:
    """Ask for an action on an instance."""
    request = NActionRequest(
        requested_sop_class_uid=str(sop_class),
        requested_sop_instance_uid=str(sop_instance),
        action_type_id=action_type,
    )
    return await _perform(link, request, dataset, via)


async def n_delete(link: Link, sop_class: str, sop_instance: str, *, via: str | None = None) -> Answer:
    """Delete an instance."""
    request = NDeleteRequest(requested_sop_class_uid=str(sop_class), requested_sop_instance_uid=str(sop_instance))
    return await _perform(link, request, None, via)


async def n_event_report(
    link: Link,
    sop_class: str,
    sop_instance: str,
    event_type: int,
    dataset: Dataset | None = None,
    *,
    via: str | None = None,
) -> Answer:
    """Report an event of an instance to its SCU, as the SCP of its class."""
    request = NEventReportRequest(
        affected_sop_class_uid=str(sop_class), affected_sop_instance_uid=str(sop_instance), event_type_id=event_type
    )
    return await _perform(link, request, dataset, via)

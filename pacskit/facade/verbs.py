"""The verbs of a client, once for both drivers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level, Priority
from pacskit.core.errors import AssociationAborted, AssociationReleased, DimseError, NetworkError
from pacskit.core.status import Status
from pacskit.core.uid import UID
from pacskit.core.uids import Verification
from pacskit.encoding import UNCOMPRESSED
from pacskit.facade.identifiers import UNIQUE_KEYS, query_identifier, retrieve_identifier
from pacskit.network.flow import Service
from pacskit.network.negotiation import AssociationInfo, ContextProposal, Role
from pacskit.network.pdu import ExtendedItem
from pacskit.services import normalized_scu, query, scu
from pacskit.services.events import StoreEvent
from pacskit.services.explain import Explanation, Retrieval, explain_sources, explanation
from pacskit.services.extended import QueryNegotiation
from pacskit.services.link import Link
from pacskit.services.normalized_scu import Answer
from pacskit.services.outgoing import MAX_CONTEXTS, Transcode
from pacskit.services.scu import Progress, Sent, Source
from pacskit.services.sop_classes import IMAGE_STORAGE_SYNTAXES, MODELS, STORAGE, QueryModel
from pacskit.storage import Model

__all__ = ["Lease", "Verbs", "several"]

_NEGOTIATION: Final = tuple(map(str, UNCOMPRESSED))


class Verbs(ABC):
    """What can be asked of a peer, over associations that a subclass opens; ``inbox`` answers what it asks meanwhile.

    Each verb opens an association with the contexts it needs, and the next one uses it again where they do for it.
    """

    def __init__(self, inbox: Service) -> None:
        self._inbox = inbox
        self._idle: tuple[object, Link] | None = None
        self._lent: set[Link] = set()
        self._closes = 0
        self._last: AssociationInfo | None = None
        self._retrieval: tuple[AssociationInfo, Retrieval] | None = None

    @abstractmethod
    async def open(self, contexts: Sequence[ContextProposal], **agreed: Any) -> Link:
        """Open an association; ``agreed`` are options of its request: roles, window, extended."""

    @abstractmethod
    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call what may block."""

    async def close(self, *, everything: bool = False) -> None:
        """Release the association that is kept for the next verb; with ``everything`` end those in use too."""
        self._closes += everything  # first: a verb may come to its end while we wait, or to its association
        kept, self._idle = self._idle, None
        ending = [link for link in self._lent if everything] + ([] if kept is None else [kept[1]])
        error: BaseException | None = None
        for link in ending:
            try:
                await (link.release() if link not in self._lent or link.is_idle() else link.abort())
            except BaseException as exc:  # the others have to end too, also when the task is cancelled
                error = exc
        if error is not None:
            raise error

    def explain(self) -> Explanation | None:
        """Return what the peer accepted and rejected last, with its reasons; None before the first verb."""
        if self._last is None:
            return None
        kept = self._retrieval
        return explanation(self._last, kept[1] if kept is not None and kept[0] is self._last else None)

    async def explain_sources(
        self,
        sources: Iterable[Source] | Source,
        *,
        ask: bool,
        transcode: Transcode | str,
        peer: str,
        calling: str,
        called: str,
    ) -> Explanation:
        """Negotiate for ``sources``, without sending any, and say how each of them would go."""
        policy = Transcode(transcode)
        return await explain_sources(
            self, several(sources), ask=ask, peer=peer, calling=calling, called=called, policy=policy
        )

    # Verbs

    async def echo(self) -> Status:
        """Verify (C-ECHO)."""
        async with self.lease([ContextProposal(Verification, _NEGOTIATION)]) as link:
            return await scu.echo(link)

    def store(
        self, sources: Iterable[Source] | Source, *, priority: Priority, transcode: Transcode | str, window: int
    ) -> AsyncGenerator[Sent, None]:
        """Send files (as they are on disk) and data sets; iterate over the outcomes."""
        policy = Transcode(transcode)
        return scu.store(self, several(sources), priority=priority, transcode=policy, window=window)

    async def find(
        self,
        level: Level | str,
        *,
        model: Model,
        return_keys: Iterable[str] | None = None,
        priority: Priority = Priority.MEDIUM,
        negotiate: QueryNegotiation | None = None,
        keys: Mapping[str, Any],
    ) -> AsyncGenerator[Dataset, None]:
        """Query by keywords; iterate over the answers."""
        level = Level(level)
        sop_class = _model(level, model).find
        identifier = query_identifier(level, dict(keys), return_keys)
        extended = () if negotiate is None else (ExtendedItem(str(sop_class), negotiate.encode()),)
        async with (
            self.lease([ContextProposal(sop_class, _NEGOTIATION)], extended=extended) as link,
            aclosing(query.find(link, sop_class, identifier, priority=priority)) as answers,
        ):
            async for answer in answers:
                yield answer

    async def move(
        self,
        level: Level | str,
        uid: str | Iterable[str],
        *,
        to: str,
        model: Model,
        priority: Priority,
        keys: Mapping[str, Any],
    ) -> AsyncGenerator[Progress, None]:
        """Ask the peer to send what ``uid`` names at ``level`` to the AE title ``to``; iterate over the progress."""
        level = Level(level)
        sop_class = _model(level, model).move
        identifier = retrieve_identifier(level, uid, dict(keys))
        async with (
            self.lease([ContextProposal(sop_class, _NEGOTIATION)]) as link,
            aclosing(scu.move(link, sop_class, identifier, to=to, priority=priority)) as steps,
        ):
            retrieval = Retrieval("C-MOVE")
            async for step in steps:
                retrieval = retrieval.after(step)
                self._retrieval = link.info, retrieval
                yield step

    async def get(
        self,
        level: Level | str,
        uid: str | Iterable[str],
        *,
        model: Model,
        sop_classes: Sequence[str] | None,
        transfer_syntaxes: Sequence[str] | None,
        priority: Priority,
        on_progress: Callable[[Progress], object],
        keys: Mapping[str, Any],
    ) -> AsyncGenerator[StoreEvent, None]:
        """Retrieve what ``uid`` names at ``level`` over the same association; iterate over the instances."""
        level = Level(level)
        uids = [uid] if isinstance(uid, str) else list(uid)
        if sop_classes is None:
            sop_classes = await self._sop_classes(level, uids, keys)
        sop_class = _model(level, model).get
        contexts = _storage_contexts(sop_classes, transfer_syntaxes)
        roles = {context.abstract_syntax: Role(scu=False, scp=True) for context in contexts}
        identifier = retrieve_identifier(level, uids, dict(keys))
        retrieval = Retrieval("C-GET")

        def noted(progress: Progress) -> None:
            nonlocal retrieval
            retrieval = retrieval.after(progress)
            self._retrieval = link.info, retrieval
            on_progress(progress)

        async with (
            self.lease([ContextProposal(sop_class, _NEGOTIATION), *contexts], roles) as link,
            aclosing(scu.get(link, sop_class, identifier, priority=priority, on_progress=noted)) as instances,
        ):
            async for instance in instances:
                retrieval = retrieval.arrived(instance.transfer_syntax)
                self._retrieval = link.info, retrieval
                yield instance

    async def _sop_classes(self, level: Level, uids: list[str], keys: Mapping[str, Any]) -> list[str]:
        """Ask which SOP classes a retrieval will bring; nothing where the peer does not say."""
        found: set[str] = set()
        try:
            for at, wanted, asked in _questions(level, uids, keys):
                answers = self.find(at, model=Model.STUDY_ROOT, return_keys=wanted, keys=asked)
                async with aclosing(answers):
                    async for answer in answers:
                        value = answer.get("SOPClassesInStudy") or answer.get("SOPClassUID") or ()
                        found.update([value] if isinstance(value, str) else map(str, value))
        except NetworkError:  # a refusal too: it need not offer C-FIND
            return []
        return sorted(uid for uid in found if uid)

    async def normalized(
        self, work: Callable[..., Awaitable[Answer]], sop_class: str, *args: Any, via: str | None, **more: Any
    ) -> Answer:
        """Do one of the verbs of DIMSE-N, with a context for its SOP class or the meta SOP class ``via``."""
        context = str(via or sop_class)
        reports = work is normalized_scu.n_event_report  # which the SCP of a class does: the role is proposed for it
        roles = {context: Role(scu=False, scp=True)} if reports else None
        async with self.lease([ContextProposal(context, _NEGOTIATION)], roles) as link:
            return await work(link, sop_class, *args, via=via, **more)

    async def serve(self, seconds: float) -> bool:
        """Wait for a request of the peer on the association that is kept; return whether one came."""
        kept, self._idle = self._idle, None
        if kept is None or not kept[1].is_open:
            if kept is not None:
                await kept[1].release()
            raise AssociationReleased("there is no association to wait on")
        key, link = kept
        self._lent.add(link)
        kind: type[BaseException] | None = None
        try:
            return await link.serve(seconds)
        except BaseException as exc:
            kind = type(exc)
            raise
        finally:
            await self.take_back(key, link, kind)

    # Associations

    def lease(
        self,
        contexts: Sequence[ContextProposal],
        roles: Mapping[str, Role] | None = None,
        *,
        window: int = 1,
        extended: tuple[ExtendedItem, ...] = (),
    ) -> AbstractAsyncContextManager[Link]:
        """Lend an association with these contexts, the one at hand if it has them. Verbs may nest."""
        return Lease(self, contexts, roles=dict(roles or {}), window=window, extended=extended)

    @property
    def kept(self) -> Link | None:
        """The association that is kept for the next verb."""
        return None if self._idle is None else self._idle[1]

    async def lend(self, key: object, contexts: Sequence[ContextProposal], agreed: Mapping[str, Any]) -> Link:
        """Return the association that is kept under ``key``, else a new one."""
        kept, self._idle = self._idle, None
        if kept is not None and kept[0] == key and kept[1].is_idle():
            link = kept[1]
        else:
            closes = self._closes
            if kept is not None:
                await kept[1].release()
            link = await self.open(contexts, **agreed)
            try:
                self._check_open(closes, link)
            except AssociationAborted:
                await link.abort()
                raise
        self._last = link.info
        self._lent.add(link)
        return link

    def _check_open(self, closes: int, link: Link) -> None:
        """Raise AssociationAborted where we have been closed since there were so many ``closes``: while it opened."""
        if closes != self._closes:
            raise AssociationAborted("ended from our side", source=0, reason_code=0, peer=link.info.peer_name)

    async def take_back(self, key: object, link: Link, kind: type[BaseException] | None) -> None:
        """Keep an association for the next verb, unless an error of ``kind`` has left it in the middle of something."""
        self._lent.discard(link)
        undisturbed = kind is None or issubclass(kind, (DimseError, GeneratorExit))
        if not undisturbed and not (issubclass(kind, CancelledError) and link.is_idle()):  # type: ignore[arg-type]
            await link.abort()
        elif self._closes:
            await link.release()
        elif link.is_open:
            other, self._idle = self._idle, (key, link)
            if other is not None:
                await other[1].release()


class Lease:
    """Lends a link for the length of a block."""

    __slots__ = ("_agreed", "_contexts", "_key", "_link", "_verbs")

    def __init__(self, verbs: Verbs, contexts: Sequence[ContextProposal], **agreed: Any) -> None:
        self._verbs = verbs
        self._contexts = contexts
        self._agreed = agreed
        self._key = (tuple(contexts), agreed)
        self._link: Link | None = None

    async def __aenter__(self) -> Link:
        link = self._link = await self._verbs.lend(self._key, self._contexts, self._agreed)
        return link

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._link is not None:
            await self._verbs.take_back(self._key, self._link, kind)


def several(sources: Iterable[Source] | Source) -> Iterable[Source]:
    """Return one source as several."""
    if isinstance(sources, (str, Path, Dataset)) or hasattr(sources, "__fspath__"):
        return [sources]  # type: ignore[list-item]
    return sources


def _questions(
    level: Level, uids: list[str], keys: Mapping[str, Any]
) -> Iterable[tuple[Level, list[str], dict[str, Any]]]:
    """Return the queries (level, return keys, keys) whose answers say which SOP classes there are below ``uids``."""
    above: dict[str, Any] = {key: value for key, value in keys.items() if key in UNIQUE_KEYS.values()}
    study_keys = ["SOPClassesInStudy", "StudyInstanceUID"]
    if level is Level.STUDY:
        return [(level, study_keys, {"StudyInstanceUID": uids})]
    if level is Level.PATIENT:
        return [(Level.STUDY, study_keys, {"PatientID": uid}) for uid in uids]
    if level is Level.SERIES and "StudyInstanceUID" in above:
        return [(Level.IMAGE, ["SOPClassUID"], above | {"SeriesInstanceUID": uid}) for uid in uids]
    if level is Level.IMAGE and {"StudyInstanceUID", "SeriesInstanceUID"} <= set(above):
        return [(level, ["SOPClassUID"], above | {"SOPInstanceUID": uids})]
    return []


def _model(level: Level, model: Model) -> QueryModel:
    if level is Level.PATIENT and model is Model.STUDY_ROOT:
        model = Model.PATIENT_ROOT
    return next(one for one in MODELS if one.name == model)


def _storage_contexts(sop_classes: Sequence[str], transfer_syntaxes: Sequence[str] | None) -> list[ContextProposal]:
    """Return the contexts of a C-GET: one for each class and transfer syntax while there is room, so that each
    instance can come as it is stored."""
    room = MAX_CONTEXTS - 1
    if not sop_classes:
        wanted = tuple(map(str, transfer_syntaxes or UNCOMPRESSED[:2]))
        return [ContextProposal(str(uid), wanted) for uid in _usual_classes()[:room]]
    each = tuple(map(str, transfer_syntaxes or (*UNCOMPRESSED, *IMAGE_STORAGE_SYNTAXES)))
    if len(sop_classes) * len(each) <= room:
        return [ContextProposal(uid, (syntax,)) for uid in sop_classes for syntax in each]
    share = max(1, room // len(sop_classes))
    made = []
    for uid in sop_classes[:room]:
        made += [ContextProposal(uid, (syntax,)) for syntax in each[: share - 1]]
        made.append(ContextProposal(uid, each[share - 1 :]))
    return made


def _usual_classes() -> list[UID]:
    """Return the storage classes, those that are still in use and are images or documents first."""
    rare = ("Protocol", "Radiation", "Treatment", "Measurements", "Volumetric", "Trial", "Instruction", "Inventory")
    return sorted(STORAGE, key=lambda uid: (uid.is_retired, any(word in uid.keyword for word in rare)))

"""connect and Peer, the client; echo for the impatient."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level, Priority
from pacskit.core.errors import DimseError, NetworkError
from pacskit.core.events import EventBus
from pacskit.core.status import Status
from pacskit.core.uid import UID
from pacskit.core.uids import Verification
from pacskit.encoding import UNCOMPRESSED
from pacskit.facade.identifiers import UNIQUE_KEYS, query_identifier, retrieve_identifier
from pacskit.facade.normalized import NormalizedVerbs
from pacskit.network.address import Address, check_ae_title
from pacskit.network.association import Association
from pacskit.network.config import Limits, Timeouts
from pacskit.network.negotiation import AssociationInfo, ContextProposal, Role
from pacskit.network.pdu import ExtendedItem, UserIdentity
from pacskit.network.pool import AssociationPool
from pacskit.services import query, scu
from pacskit.services.events import StoreEvent
from pacskit.services.explain import Explanation, explain_sources, explanation
from pacskit.services.extended import QueryNegotiation
from pacskit.services.outgoing import MAX_CONTEXTS, Transcode
from pacskit.services.scu import Progress, Sent, Source
from pacskit.services.sop_classes import IMAGE_STORAGE_SYNTAXES, MODELS, STORAGE, QueryModel
from pacskit.storage import Model

if TYPE_CHECKING:
    from pacskit.security.context import TlsContext

__all__ = ["Explanation", "Peer", "connect", "echo"]

CALLING: Final = "PACSKIT"
_NEGOTIATION: Final = tuple(map(str, UNCOMPRESSED))


def connect(
    address: Address | str,
    *,
    calling: str = CALLING,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    tls: TlsContext | None = None,
    identity: UserIdentity | None = None,
    events: EventBus | None = None,
    pool: AssociationPool | None = None,
) -> Peer:
    """Return the peer at ``AE@host:port``. Nothing is sent before its first verb.

    ``tls`` is what `tls_context` gives; ``identity`` says who the user is, see `UserIdentity`; ``events`` is told what
    happens; the associations come from ``pool`` where there is one, and stay in it.
    """
    return Peer(
        address,
        calling=calling,
        timeouts=timeouts,
        limits=limits,
        tls=tls,
        identity=identity,
        events=events,
        pool=pool,
    )


def echo(
    address: Address | str,
    *,
    calling: str = CALLING,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    tls: TlsContext | None = None,
    identity: UserIdentity | None = None,
) -> Status:
    """Verify that a peer answers (C-ECHO); raise a NetworkError that says why it does not."""
    with connect(address, calling=calling, timeouts=timeouts, limits=limits, tls=tls, identity=identity) as peer:
        return peer.echo()


class Peer(NormalizedVerbs):
    """A remote application entity. Belongs to one thread.

    Each verb opens an association with the contexts it needs, and the next one uses it again where they do for it.
    """

    def __init__(
        self,
        address: Address | str,
        *,
        calling: str = CALLING,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        tls: TlsContext | None = None,
        identity: UserIdentity | None = None,
        events: EventBus | None = None,
        pool: AssociationPool | None = None,
    ) -> None:
        super().__init__()
        self._events = events
        self._pool = pool
        self.address = Address.parse(address) if isinstance(address, str) else address
        self.calling = check_ae_title(calling)
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or Limits()
        self._tls = tls
        self._identity = identity
        self._idle: tuple[object, Association] | None = None
        self._last: AssociationInfo | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the association that is kept for the next verb, if there is one."""
        kept, self._idle = self._idle, None
        if kept is not None:
            kept[1].release()

    def explain(self, sources: Iterable[Source] | Source | None = None, *, ask: bool = True) -> Explanation | None:
        """Return what the peer accepted and rejected last, with its reasons; None before the first verb.

        With ``sources`` negotiate for them, without sending any, and say how each of them would go; with ``ask=False``
        say what would be proposed, without a connection.
        """
        if sources is None:
            return None if self._last is None else explanation(self._last)
        return explain_sources(
            _several(sources),
            self._lease if ask else None,
            peer=str(self.address),
            calling=self.calling,
            called=self.address.ae,
        )

    # Verbs

    def echo(self) -> Status:
        """Verify (C-ECHO)."""
        with self._lease([ContextProposal(Verification, _NEGOTIATION)]) as association:
            return scu.echo(association)

    def store(
        self,
        sources: Iterable[Source] | Source,
        *,
        priority: Priority = Priority.MEDIUM,
        transcode: Transcode | str = Transcode.LOSSLESS,
        window: int = 1,
    ) -> Generator[Sent, None, None]:
        """Send files (as they are on disk) and data sets; iterate over the outcomes.

        For a peer that does not take them so, ``transcode`` says whether pixels are converted: ``never``, ``lossless``
        or ``any``. With a ``window`` above 1 so many are under way at a time where the peer grants it (PS3.7 D.3.3.3),
        which is what helps over a slow line; the outcomes come as the peer answers.
        """
        lease = partial(self._lease, window=window)
        policy = Transcode(transcode)
        yield from scu.store(lease, _several(sources), priority=priority, transcode=policy, window=window)

    def find(
        self,
        level: Level | str = Level.STUDY,
        *,
        model: Model = Model.STUDY_ROOT,
        return_keys: Iterable[str] | None = None,
        priority: Priority = Priority.MEDIUM,
        negotiate: QueryNegotiation | None = None,
        **keys: Any,
    ) -> Generator[Dataset, None, None]:
        """Query by keywords; iterate over the answers. Leaving early cancels.

        Patients are asked for in the Patient Root model, whatever ``model`` says. ``negotiate`` asks for relational
        queries and the like (PS3.4 C.5.1.1); what the peer granted is in ``explain().query``.
        """
        level = Level(level)
        sop_class = _model(level, model).find
        identifier = query_identifier(level, keys, return_keys)
        extended = () if negotiate is None else (ExtendedItem(str(sop_class), negotiate.encode()),)
        with (
            self._lease([ContextProposal(sop_class, _NEGOTIATION)], extended=extended) as association,
            closing(query.find(association, sop_class, identifier, priority=priority)) as answers,
        ):
            yield from answers

    def move(
        self,
        level: Level | str,
        uid: str | Iterable[str],
        *,
        to: str,
        model: Model = Model.STUDY_ROOT,
        priority: Priority = Priority.MEDIUM,
        **keys: Any,
    ) -> Generator[Progress, None, None]:
        """Ask the peer to send what ``uid`` names at ``level`` to the AE title ``to``; iterate over the progress.

        ``keys`` are the unique keys above the level, for peers that insist on them.
        """
        level = Level(level)
        sop_class = _model(level, model).move
        identifier = retrieve_identifier(level, uid, keys)
        with (
            self._lease([ContextProposal(sop_class, _NEGOTIATION)]) as association,
            closing(scu.move(association, sop_class, identifier, to=to, priority=priority)) as steps,
        ):
            yield from steps

    def get(
        self,
        level: Level | str,
        uid: str | Iterable[str],
        *,
        model: Model = Model.STUDY_ROOT,
        sop_classes: Sequence[str] | None = None,
        transfer_syntaxes: Sequence[str] | None = None,
        priority: Priority = Priority.MEDIUM,
        on_progress: Callable[[Progress], object] = lambda progress: None,
        **keys: Any,
    ) -> Generator[StoreEvent, None, None]:
        """Retrieve what ``uid`` names at ``level`` over the same association; iterate over the instances.

        An association has room for 128 presentation contexts, and each says which SOP class may come in which
        transfer syntax. Without ``sop_classes`` the peer is asked what there is; where it does not say, the usual
        classes are proposed, uncompressed. ``transfer_syntaxes`` limits how instances may come, best first.
        """
        level = Level(level)
        uids = [uid] if isinstance(uid, str) else list(uid)
        if sop_classes is None:
            sop_classes = self._sop_classes(level, uids, keys)
        sop_class = _model(level, model).get
        contexts = _storage_contexts(sop_classes, transfer_syntaxes)
        roles = {context.abstract_syntax: Role(scu=False, scp=True) for context in contexts}
        identifier = retrieve_identifier(level, uids, keys)
        with self._lease([ContextProposal(sop_class, _NEGOTIATION), *contexts], roles) as association:
            steps = scu.get(association, sop_class, identifier, priority=priority, on_progress=on_progress)
            with closing(steps) as instances:
                yield from instances

    def _sop_classes(self, level: Level, uids: list[str], keys: Mapping[str, Any]) -> list[str]:
        """Ask which SOP classes a retrieval will bring; nothing where the peer does not say."""
        asked: dict[str, Any] = {key: value for key, value in keys.items() if key in UNIQUE_KEYS.values()}
        study_keys = ["SOPClassesInStudy", "StudyInstanceUID"]
        found: set[str] = set()
        try:
            if level is Level.STUDY:
                answers: Iterable[Dataset] = self.find(level, return_keys=study_keys, StudyInstanceUID=uids)
            elif level is Level.PATIENT:
                answers = chain.from_iterable(
                    self.find(Level.STUDY, return_keys=study_keys, PatientID=uid) for uid in uids
                )
            elif level is Level.SERIES and "StudyInstanceUID" in asked:
                answers = chain.from_iterable(
                    self.find(Level.IMAGE, return_keys=["SOPClassUID"], **(asked | {"SeriesInstanceUID": uid}))
                    for uid in uids
                )
            elif level is Level.IMAGE and {"StudyInstanceUID", "SeriesInstanceUID"} <= set(asked):
                answers = self.find(level, return_keys=["SOPClassUID"], **(asked | {"SOPInstanceUID": uids}))
            else:
                return []
            for answer in answers:
                value = answer.get("SOPClassesInStudy") or answer.get("SOPClassUID") or ()
                found.update([value] if isinstance(value, str) else map(str, value))
        except NetworkError:  # a refusal too: it need not offer C-FIND
            return []
        return sorted(uid for uid in found if uid)

    # Associations

    @contextmanager
    def _lease(
        self,
        contexts: Sequence[ContextProposal],
        roles: Mapping[str, Role] | None = None,
        *,
        window: int = 1,
        extended: tuple[ExtendedItem, ...] = (),
    ) -> Iterator[Association]:
        """Lend an association with these contexts, the one at hand if it has them. Verbs may nest."""
        if self._pool is not None:
            with self._pool.lease(
                self.address,
                contexts,
                calling=self.calling,
                timeouts=self._timeouts,
                limits=self._limits,
                roles=roles,
                window=window,
                extended=extended,
                events=self._events,
                tls=self._tls,
                identity=self._identity,
            ) as association:
                self._last = association.info
                association.listen(self._inbox)
                yield association
            return
        key = (tuple(contexts), tuple((roles or {}).items()), window, extended)
        kept, self._idle = self._idle, None
        if kept is not None and kept[0] == key and kept[1].is_idle():
            association = kept[1]
        else:
            if kept is not None:
                kept[1].release()
            association = Association.request(
                self.address,
                list(contexts),
                calling=self.calling,
                timeouts=self._timeouts,
                limits=self._limits,
                roles=roles,
                tls=self._tls,
                identity=self._identity,
                window=window,
                extended=extended,
                events=self._events,
            )
        self._last = association.info
        association.listen(self._inbox)
        try:
            yield association
        except (DimseError, GeneratorExit):
            self._keep(key, association)
            raise
        except BaseException:
            association.abort()
            raise
        self._keep(key, association)

    def _kept(self) -> Association | None:
        return None if self._idle is None else self._idle[1]

    def _keep(self, key: object, association: Association) -> None:
        if not association.is_open:
            return
        other, self._idle = self._idle, (key, association)
        if other is not None:
            other[1].release()


def _several(sources: Iterable[Source] | Source) -> Iterable[Source]:
    if isinstance(sources, (str, Path, Dataset)) or hasattr(sources, "__fspath__"):
        return [sources]  # type: ignore[list-item]
    return sources


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

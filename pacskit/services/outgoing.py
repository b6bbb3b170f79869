"""What is sent by C-STORE: presentation contexts to propose for it, and the bytes that fit what was accepted.

An instance goes out as it is where the peer has accepted its transfer syntax; else it is converted, as far as the
policy allows. ``decide`` says which, and why.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, Final, Generic, TypeVar

from pacskit.core.dataset import Dataset
from pacskit.core.errors import NoPresentationContext
from pacskit.core.uid import UID, generate_uid
from pacskit.encoding import UNCOMPRESSED, encode, transcode
from pacskit.network.negotiation import ContextProposal
from pacskit.network.sink import FileSource

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo, PresentationContext

__all__ = [
    "MAX_CONTEXTS",
    "Action",
    "Batch",
    "Decision",
    "SpooledSource",
    "Transcode",
    "batches",
    "choose",
    "dataset_payload",
    "decide",
    "payload",
]

MAX_CONTEXTS: Final = 128  # of one association (PS3.8 9.3.2.2)
_IN_MEMORY: Final = 1 << 20  # bytes of a file that are read whole, and converted between uncompressed syntaxes
_COMMON = UNCOMPRESSED[:2]  # what is offered besides the stored syntax; Implicit LE is every peer's (PS3.5 10.1)


Item = TypeVar("Item")


class Transcode(StrEnum):
    """Whether pixels may be decoded and encoded for a peer that does not take them as they are."""

    NEVER = "never"
    LOSSLESS = "lossless"
    """Only where nothing more is lost; what is compressed with loss may be decompressed."""
    ANY = "any"
    """With loss too, where the peer takes nothing else: the instance gets a SOP Instance UID of its own."""


class Action(StrEnum):
    """What happens to an instance on its way out."""

    AS_IT_IS = "as it is"
    CONVERT = "converted"  # among the uncompressed syntaxes
    TRANSCODE = "transcoded"
    REFUSE = "not sent"


@dataclass(frozen=True, slots=True)
class Decision:
    """How an instance goes out; printing it says it in words.

    Parameters
    ----------
    action
        What happens to it.
    sop_class_uid, source
        Its SOP class, and the transfer syntax that it is in.
    policy
        What was allowed.
    context
        The presentation context; None where it is not sent.
    accepted
        The transfer syntaxes that the peer has accepted for the class.
    reason
        Why, in words.
    by_policy
        Whether it is not sent only because the policy does not let it be converted.
    """

    action: Action
    sop_class_uid: str
    source: str
    policy: Transcode
    context: PresentationContext | None
    accepted: tuple[str, ...]
    reason: str
    by_policy: bool = False

    @property
    def target(self) -> str | None:
        """The transfer syntax that it goes out in."""
        return None if self.context is None else self.context.transfer_syntax

    def __str__(self) -> str:
        name = UID(self.sop_class_uid).name or self.sop_class_uid
        return f"{name} in {_name(self.source)}: {self.action}, {self.reason}"


def _name(syntax: str) -> str:
    return UID(syntax).name or syntax


@dataclass(slots=True)
class Batch(Generic[Item]):
    """What one association can carry."""

    contexts: list[ContextProposal]
    items: list[Item]


def _proposals(sop_class: str, syntaxes: Iterable[str], policy: Transcode) -> list[ContextProposal]:
    """Return the contexts for the instances of a class: one each for the syntax they are in, so that the acceptor
    cannot choose another one, and one for the uncompressed syntaxes, into which some can be converted."""
    stored = list(dict.fromkeys(syntaxes))
    made = [ContextProposal(sop_class, (syntax,)) for syntax in stored]
    if any(syntax in UNCOMPRESSED or _is_convertible(syntax, UNCOMPRESSED[0], policy) for syntax in stored):
        rest = tuple(str(syntax) for syntax in _COMMON if syntax not in stored)
        if rest:
            made.append(ContextProposal(sop_class, rest))
    return made


def batches(
    items: Iterable[Item], kind: Callable[[Item], tuple[str, str]], policy: Transcode = Transcode.LOSSLESS
) -> list[Batch[Item]]:
    """Divide ``items`` among as few associations as their presentation contexts allow; their order stays within one.

    ``kind`` gives the SOP class and the transfer syntax of an item; what is proposed besides depends on the ``policy``.
    """
    items = list(items)
    kinds = [kind(item) for item in items]
    by_class: dict[str, dict[str, None]] = {}
    for sop_class, syntax in kinds:
        by_class.setdefault(sop_class, {})[syntax] = None
    made: list[Batch[Item]] = []
    place: dict[tuple[str, str], Batch[Item]] = {}
    for sop_class, syntaxes in by_class.items():
        for group in _groups(list(syntaxes)):
            contexts = _proposals(sop_class, group, policy)
            if not made or len(made[-1].contexts) + len(contexts) > MAX_CONTEXTS:
                made.append(Batch([], []))
            made[-1].contexts += contexts
            for syntax in group:
                place[sop_class, syntax] = made[-1]
    for item, (sop_class, syntax) in zip(items, kinds, strict=True):
        place[sop_class, syntax].items.append(item)
    return made


def _groups(syntaxes: list[str]) -> Iterable[list[str]]:
    """Keep the syntaxes of a class together; there are fewer of them than contexts in an association."""
    size = MAX_CONTEXTS - 1
    return (syntaxes[start : start + size] for start in range(0, len(syntaxes), size))


# -- deciding ----------------------------------------------------------------------------------------------------------


def _is_convertible(source: str, target: str, policy: Transcode) -> bool:
    """Whether pixels may and can be converted for a peer."""
    if policy is Transcode.NEVER:
        return False
    from pacskit.encoding.codecs.base import is_lossless
    from pacskit.encoding.transcoding.plan import can_transcode

    return (policy is Transcode.ANY or is_lossless(target)) and can_transcode(source, target)


def _candidates(accepted: Iterable[str]) -> list[str]:
    """What was accepted in the order in which it is converted to: uncompressed, without loss, with loss."""
    from pacskit.encoding.codecs.base import is_lossless

    plain = [str(syntax) for syntax in UNCOMPRESSED if syntax in accepted]
    return plain + sorted((one for one in accepted if one not in plain), key=lambda one: not is_lossless(one))


def decide(
    info: AssociationInfo, sop_class: str, transfer_syntax: str, policy: Transcode = Transcode.LOSSLESS
) -> Decision:
    """Decide how an instance goes out on an association: as it is if possible, else converted as the policy allows."""
    contexts = {context.transfer_syntax: context for context in reversed(info.contexts_for(sop_class))}
    accepted = tuple(reversed(contexts))

    def made(action: Action, target: str, reason: str) -> Decision:
        return Decision(action, sop_class, transfer_syntax, policy, contexts[target], accepted, reason)

    if transfer_syntax in contexts:
        return made(Action.AS_IT_IS, transfer_syntax, "which the peer has accepted")
    if transfer_syntax in UNCOMPRESSED:
        plain = next((str(syntax) for syntax in UNCOMPRESSED if syntax in contexts), None)
        if plain is not None:
            return made(Action.CONVERT, plain, f"to {_name(plain)}, pixels untouched")
    for syntax in _candidates(accepted):
        if _is_convertible(transfer_syntax, syntax, policy):
            return made(Action.TRANSCODE, syntax, f"to {_name(syntax)}, as the policy is {policy}")
    by_policy = any(_is_convertible(transfer_syntax, one, Transcode.ANY) for one in accepted)
    reason = _refusal(policy, accepted, by_policy)
    return Decision(Action.REFUSE, sop_class, transfer_syntax, policy, None, accepted, reason, by_policy)


def _refusal(policy: Transcode, accepted: tuple[str, ...], by_policy: bool) -> str:
    if not accepted:
        return "the peer has accepted no presentation context for the class"
    others = ", ".join(map(_name, accepted))
    if by_policy and policy is Transcode.NEVER:
        return f"the peer has accepted {others}, and the policy is never to transcode"
    if by_policy:
        return f"the peer has accepted {others}, and the policy is lossless"
    return f"the peer has accepted {others}, to which it cannot be converted"


def choose(
    info: AssociationInfo, sop_class: str, transfer_syntax: str, policy: Transcode = Transcode.LOSSLESS
) -> PresentationContext:
    """Return the context in which an instance goes out: as it is if possible, else converted as the policy allows.

    Raises NoPresentationContext where the peer has accepted nothing that fits, with the reason of the decision.
    """
    decision = decide(info, sop_class, transfer_syntax, policy)
    if decision.context is not None:
        return decision.context
    if decision.accepted:
        raise NoPresentationContext(str(decision), peer=info.peer_name)
    return info.context_for(sop_class, transfer_syntax)  # which raises, and says what became of each


# -- converting --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpooledSource(FileSource):
    """A data set that was converted to a temporary file, which has no name and goes with ``close``.

    ``sop_instance_uid`` is the instance's own, or a new one where something was lost.
    """

    spool: IO[bytes] | None = None
    sop_instance_uid: str | None = None

    def close(self) -> None:
        """Let the file go."""
        if self.spool is not None:
            self.spool.close()


def payload(file: IO[bytes], offset: int, length: int, source: str, context: PresentationContext) -> Any:
    """Return the data set bytes of an open file for ``context``: as they are (streamed, if not small), or converted.

    What is not small is converted to a temporary file, in bounded memory: the `SpooledSource` is to be closed. What is
    in no file here goes to one first: a message that has been begun cannot fail any more without its association.
    """
    target = context.transfer_syntax
    as_it_is = source == target
    is_small = length <= _IN_MEMORY and (as_it_is or (source in UNCOMPRESSED and target in UNCOMPRESSED))
    if is_small:
        data = _read(file, offset, length)
        return data if as_it_is else transcode(data, source, target)
    if _descriptor(file) < 0:
        copied = _copied(file, offset, length)
        if as_it_is:
            return SpooledSource(copied.fileno(), 0, length, copied)
        with copied:
            return _spooled(copied, 0, length, source, target)
    return FileSource(file.fileno(), offset, length) if as_it_is else _spooled(file, offset, length, source, target)


def _descriptor(file: IO[bytes]) -> int:
    """The descriptor of a file; -1 for what is in no file here."""
    try:
        return file.fileno()
    except io.UnsupportedOperation:
        return -1


def _read(file: IO[bytes], offset: int, length: int) -> bytes:
    descriptor = _descriptor(file)
    data = b""
    if descriptor < 0:
        file.seek(offset)
    while len(data) < length:  # a read may be short
        missing = length - len(data)
        more = file.read(missing) if descriptor < 0 else os.pread(descriptor, missing, offset + len(data))
        if not more:
            raise EOFError("the file ends before the data set does")
        data = data + more if data else more
    return data


def _copied(file: IO[bytes], offset: int, length: int) -> IO[bytes]:
    """Return a temporary file with the bytes of a data set."""
    copy = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - whoever sends it closes it
    try:
        file.seek(offset)
        missing = length
        while missing:
            part = file.read(min(missing, _IN_MEMORY))
            if not part:
                raise EOFError("the file ends before the data set does")
            missing -= copy.write(part)
    except BaseException:
        copy.close()
        raise
    return copy


def _spooled(file: IO[bytes], offset: int, length: int, source: str, target: str) -> SpooledSource:
    from pacskit.encoding.transcoding import Place, transcode_body

    spool = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    try:
        made = transcode_body(
            file.fileno(),
            Place(offset, length, source),
            spool,
            target,
            sop_instance_uid=lambda uid: _uid_for(uid, target),
        )
        spool.flush()
        return SpooledSource(spool.fileno(), 0, made.size_after, spool, made.sop_instance_uid or None)
    except BaseException:
        spool.close()
        raise


def _uid_for(uid: str, target: str) -> str:
    """The UID of an instance that loses something on its way: the same one each time that it is asked for."""
    return generate_uid(entropy=["transcoded", uid, target])


def dataset_payload(dataset: Dataset, context: PresentationContext) -> tuple[bytes, str]:
    """Return the bytes of a data set in memory for ``context``, and the SOP Instance UID that they have then."""
    source = str(dataset.transfer_syntax or dataset.file_meta.get("TransferSyntaxUID") or "")
    target = context.transfer_syntax
    if source and not (source == target or (source in UNCOMPRESSED and target in UNCOMPRESSED)):
        dataset = dataset.transcode(target, sop_instance_uid=lambda uid: _uid_for(uid, target))
    return encode(dataset, target), str(dataset.get("SOPInstanceUID") or "")

"""What is sent by C-STORE: presentation contexts to propose for it, and the bytes that fit what was accepted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Generic, TypeVar

from pacskit.encoding import UNCOMPRESSED, transcode
from pacskit.network.negotiation import ContextProposal
from pacskit.network.sink import FileSource

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo, PresentationContext

__all__ = ["MAX_CONTEXTS", "Batch", "batches", "choose", "payload"]

MAX_CONTEXTS: Final = 128  # of one association (PS3.8 9.3.2.2)
_WHOLE: Final = 1 << 20  # bytes of a file that are sent from memory
_COMMON = UNCOMPRESSED[:2]  # what is offered besides the stored syntax; Implicit LE is every peer's (PS3.5 10.1)


Item = TypeVar("Item")


@dataclass(slots=True)
class Batch(Generic[Item]):
    """What one association can carry."""

    contexts: list[ContextProposal]
    items: list[Item]


def _proposals(sop_class: str, syntaxes: Iterable[str]) -> list[ContextProposal]:
    """Return the contexts for the instances of a class: one each for the syntax they are in, so that the acceptor
    cannot choose another one, and one for the uncompressed syntaxes, into which some can be converted."""
    stored = list(dict.fromkeys(syntaxes))
    made = [ContextProposal(sop_class, (syntax,)) for syntax in stored]
    if any(syntax in UNCOMPRESSED for syntax in stored):
        rest = tuple(str(syntax) for syntax in _COMMON if syntax not in stored)
        if rest:
            made.append(ContextProposal(sop_class, rest))
    return made


def batches(items: Iterable[Item], kind: Callable[[Item], tuple[str, str]]) -> list[Batch[Item]]:
    """Divide ``items`` among as few associations as their presentation contexts allow; their order stays within one.

    ``kind`` gives the SOP class and the transfer syntax of an item.
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
            contexts = _proposals(sop_class, group)
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


def choose(info: AssociationInfo, sop_class: str, transfer_syntax: str) -> PresentationContext:
    """Return the context in which an instance goes out: as it is if possible, else converted.

    Raises NoPresentationContext where the peer has accepted nothing that fits.
    """
    accepted = {context.transfer_syntax: context for context in reversed(info.contexts_for(sop_class))}
    found = accepted.get(transfer_syntax)
    if found is not None:
        return found
    if transfer_syntax in UNCOMPRESSED:
        for syntax in UNCOMPRESSED:
            if syntax in accepted:
                return accepted[syntax]
    return info.context_for(sop_class, transfer_syntax)


def payload(file: IO[bytes], offset: int, length: int, source: str, context: PresentationContext) -> Any:
    """Return the data set bytes of an open file for ``context``: streamed from it as they are where they are many, read
    here where they are few or have to be converted."""
    as_it_is = source == context.transfer_syntax
    if as_it_is and length > _WHOLE:
        return FileSource(file.fileno(), offset, length)
    data = os.pread(file.fileno(), length, offset)
    while len(data) < length:  # a read may be short
        more = os.pread(file.fileno(), length - len(data), offset + len(data))
        if not more:
            raise EOFError("the file ends before the data set does")
        data += more
    return data if as_it_is else transcode(data, source, context.transfer_syntax)

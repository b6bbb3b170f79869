"""UID, the unique identifiers of PS3.5 section 9."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from pacskit_ext._uid import UID

__all__ = ["UID", "generate_uid"]

_PREFIX = re.compile(r"(?:(?:0|[1-9][0-9]*)\.)+")


def generate_uid(prefix: str = "2.25.", *, entropy: Iterable[str] | None = None) -> UID:
    """Make a new UID, by default from a random UUID (PS3.5 B.2).

    The same ``entropy`` and prefix always give the same UID; without it the UID is new every time.

    >>> generate_uid(entropy=["study", "42"]) == generate_uid(entropy=["study", "42"])
    True
    """
    if not _PREFIX.fullmatch(prefix) or len(prefix) > 63:
        raise ValueError(f"{prefix!r} cannot begin a UID: numbers without leading zeros, each with a dot after it")
    source = os.urandom(32) if entropy is None else _digest(entropy)
    if prefix == "2.25.":  # the number is a UUID's, so it has a UUID's version bits
        import uuid

        return UID(prefix + str(uuid.UUID(bytes=source[:16], version=4).int))
    room = 10 ** (64 - len(prefix))
    return UID(prefix + str(int.from_bytes(source, "big") % room))


def _digest(entropy: Iterable[str]) -> bytes:
    import hashlib

    state = hashlib.sha256()
    for part in entropy:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big") + data)
    return state.digest()

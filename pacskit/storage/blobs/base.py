"""The protocol of blob stores: whole objects under keys, streamed in, read whole or by range.

Every call blocks, from any number of threads; under asyncio they go through worker threads. A blob is visible whole or
not at all, and what has been put is there for everybody at once. Keys are relative paths (see `check_key`).
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

from pacskit.storage.blobs.errors import BlobDamaged, BlobRefused, InvalidKey

__all__ = [
    "LONGEST_KEY",
    "PIECE",
    "BlobInfo",
    "BlobReader",
    "BlobStore",
    "Buffer",
    "Pieces",
    "Source",
    "check_key",
    "check_prefix",
    "check_ranges",
]

Buffer: TypeAlias = bytes | bytearray | memoryview
Source: TypeAlias = "Buffer | Iterable[Buffer]"

PIECE = 1 << 20  # bytes that are handed over at a time
LONGEST_KEY = 512
_KEY = re.compile(r"(?!.{513})[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What a store knows of a blob. ``version`` changes whenever the bytes do; what it is made of is the store's."""

    key: str
    size: int
    modified: datetime
    version: str | None = None


class BlobReader:
    """The bytes of a blob on their way, piece by piece; ``info`` is known from the first of them.

    Where ``sha256`` is given, the end of the last piece raises BlobDamaged unless all of them have that digest.
    """

    def __init__(
        self,
        info: BlobInfo,
        parts: Iterator[Buffer],
        *,
        sha256: bytes | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        self.info = info
        self._parts = parts
        self._close = close
        self._expected = sha256
        self._digest = None if sha256 is None else hashlib.sha256()

    def __iter__(self) -> Iterator[Buffer]:
        return self

    def __next__(self) -> Buffer:
        try:
            part = next(self._parts)
        except StopIteration:
            self.close()
            if self._digest is not None and self._digest.digest() != self._expected:
                raise BlobDamaged("the bytes do not have their digest", key=self.info.key) from None
            raise
        if self._digest is not None:
            self._digest.update(part)
        return part

    def read(self) -> bytes:
        """Read what is left."""
        return b"".join(self)

    def close(self) -> None:
        """Read no more."""
        close, self._close = self._close, None
        if isinstance(self._parts, Generator):
            self._parts.close()
        if close is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@runtime_checkable
class BlobStore(Protocol):
    """Whole objects under keys. `pacskit.testing.StoreTests` holds a store to this.

    Beside what is named below, every method raises BlobUnavailable or BlobTimeout when the store does not answer within
    its deadline, BlobRefused when it will not do it, OutOfSpace when it is full, and InvalidKey.
    """

    def put_stream(
        self,
        key: str,
        source: Source,
        *,
        size: int | None = None,
        replace: bool = False,
        sha256: bytes | None = None,
    ) -> BlobInfo:
        """Keep the bytes of ``source``: a buffer, a file, or an iterable of buffers, which is read as they go.

        ``size`` and ``sha256`` are what the bytes must have (BlobDamaged otherwise). Raises BlobExists where there is
        a blob already and it is not to be replaced; of several who try at once one succeeds. Whatever is raised, by
        ``source`` too, no part of it can be seen.
        """
        ...

    def get(self, key: str, *, start: int = 0, length: int | None = None, sha256: bytes | None = None) -> BlobReader:
        """Read a blob from ``start`` on, to its end or ``length`` bytes. Raises BlobNotFound at once."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start`` on; fewer only where the blob ends, none behind its end."""
        ...

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return several ranges, each ``(start, length)``, in as few requests as the store can."""
        ...

    def head(self, key: str) -> BlobInfo:
        """Say what is known of a blob; BlobNotFound where there is none."""
        ...

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[BlobInfo]:
        """Iterate over the blobs below a path of whole names, in an order of the store's own.

        ``after``, a key of an earlier listing, goes on behind it.
        """
        ...

    def delete(self, keys: str | Iterable[str]) -> None:
        """Remove blobs; those that are not there already are no error."""
        ...

    def sign(self, key: str, *, seconds: float, method: str = "GET") -> str:
        """Return an address by which anybody may ``method`` the blob for so long; BlobRefused where there are none."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def check_key(key: str) -> str:
    """Return a key, or raise InvalidKey: names out of ``A-Z a-z 0-9 . _ -`` with ``/`` between them.

    No name begins or ends with a dot, so that none leads out of a directory; 200 characters a name, 512 a key.

    >>> check_key("1.2/1.3/1.4.dcm")
    '1.2/1.3/1.4.dcm'
    >>> check_key("../1.4.dcm")
    Traceback (most recent call last):
    pacskit.storage.blobs.errors.InvalidKey: a key is made of names out of A-Z a-z 0-9 . _ - with / between them
    """
    if _KEY.fullmatch(key) is None or "./" in key or key.endswith("."):
        raise InvalidKey("a key is made of names out of A-Z a-z 0-9 . _ - with / between them")
    return key


def check_prefix(prefix: str) -> str:
    """Return a prefix without the slash at its end; what is not the beginning of keys raises InvalidKey."""
    return check_key(prefix.removesuffix("/")) if prefix else ""


def check_ranges(ranges: Sequence[tuple[int, int]]) -> None:
    """Raise ValueError for a range that begins before the blob or has fewer bytes than none."""
    for start, length in ranges:
        if start < 0 or length < 0:
            raise ValueError(f"no such range: {length} bytes from {start}")


class Pieces:
    """The bytes of a source in pieces, counted, held to what they should be when they end.

    Empty pieces are left out, and those that are longer than ``most`` are cut. ``size`` is how many came so far,
    ``error`` what the source has raised.
    """

    def __init__(
        self,
        source: Source,
        *,
        key: str,
        size: int | None = None,
        sha256: bytes | None = None,
        limit: int | None = None,
        most: int = PIECE,
    ) -> None:
        self.size = 0
        self.error: Exception | None = None
        self._source: Any = (source,) if isinstance(source, (bytes, bytearray, memoryview)) else source
        self._key = key
        self._expected = size
        self._sha256 = sha256
        self._limit = limit
        self._most = most
        self._digest = None if sha256 is None else hashlib.sha256()
        self._parts = self._cut()

    def __iter__(self) -> Iterator[memoryview]:
        return self._parts

    def __next__(self) -> memoryview:
        return next(self._parts)

    def _cut(self) -> Iterator[memoryview]:
        for buffer in self._read():
            with memoryview(buffer) as whole, whole.cast("B") as flat:
                for start in range(0, len(flat), self._most):
                    part = flat[start : start + self._most]
                    self._count(part)
                    yield part
        if self._expected is not None and self.size != self._expected:
            raise BlobDamaged(f"{self.size} bytes came where {self._expected} were announced", key=self._key)
        if self._digest is not None and self._digest.digest() != self._sha256:
            raise BlobDamaged("the bytes do not have their digest", key=self._key)

    def _read(self) -> Iterator[Buffer]:
        try:
            if isinstance(self._source, io.IOBase):
                yield from iter(lambda: self._source.read(PIECE), b"")
            else:
                yield from self._source
        except Exception as error:
            self.error = error
            raise

    def _count(self, part: Any) -> None:
        self.size += len(part)
        if self._limit is not None and self.size > self._limit:
            raise BlobRefused(f"more than {self._limit} bytes", key=self._key)
        if self._expected is not None and self.size > self._expected:
            raise BlobDamaged(f"more than the {self._expected} bytes that were announced came", key=self._key)
        if self._digest is not None:
            self._digest.update(part)

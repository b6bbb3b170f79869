"""Blobs in S3, Azure Blob Storage and Google Cloud Storage, through obstore (``pip install pacskit[cloud]``).

Small blobs go in one conditional request, larger ones in parts, which become visible together; whoever puts a large one
that must not replace another holds a `Claim` to its key, which processes that were killed leave to `CloudStore.sweep`.
For their parts a bucket has a lifecycle rule.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pacskit.storage.blobs.base import (
    PIECE,
    BlobInfo,
    BlobReader,
    Buffer,
    Pieces,
    Source,
    check_key,
    check_prefix,
    check_ranges,
)
from pacskit.storage.blobs.claims import INCOMING, Claim
from pacskit.storage.blobs.errors import BlobDamaged, BlobExists, BlobNotFound, BlobUnavailable
from pacskit.storage.blobs.faults import Patience, blob_error, is_past_the_end
from pacskit.storage.blobs.handoff import Handoff
from pacskit.storage.blobs.options import StoreOptions

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

__all__ = ["CloudStore"]

_T = TypeVar("_T")
_MOST_PARTS = 10_000
_MARK = "pacskitput"  # metadata that tells our own blob, where an answer was lost
_CONTENT = "application/dicom"
_BATCH = 1000


class CloudStore:
    """A blob store over one of obstore's; `open_store` makes it from an address."""

    def __init__(self, store: S3Store | AzureStore | GCSStore, options: StoreOptions | None = None) -> None:
        import obstore

        self._obstore = obstore
        self._errors = (obstore.exceptions.BaseError, FileNotFoundError)
        self._store = store
        self.options = options or StoreOptions()
        self._attributes: dict[str, str] = {"Content-Type": _CONTENT}
        if self.options.storage_class is not None:
            self._attributes["Storage-Class"] = self.options.storage_class

    def __repr__(self) -> str:
        return f"CloudStore({type(self._store).__name__})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, key: str | None, function: Callable[..., _T], *args: Any, **options: Any) -> _T:
        try:
            return function(self._store, *args, **options)
        except self._errors as error:
            raise blob_error(error, key) from None

    # writing

    def put_stream(
        self,
        key: str,
        source: Source,
        *,
        size: int | None = None,
        replace: bool = False,
        sha256: bytes | None = None,
    ) -> BlobInfo:
        """See `BlobStore.put_stream`."""
        check_key(key)
        parts = Pieces(source, key=key, size=size, sha256=sha256, limit=self.options.max_size)
        most = max(self.options.part_size, -(-(size or 0) // _MOST_PARTS))
        if isinstance(source, bytes) and len(source) < most:  # which needs no copy to become one request
            begun: list[bytes | bytearray] = [source]
            deque(parts, 0)
        else:
            begun = [_gather(parts, most)]
        if len(begun[0]) < most:
            version = self.put_small(key, begun[0], "overwrite" if replace else "create")
        elif replace:
            version = self._put_parts(key, _again(begun, parts), most)
        else:
            version = self._put_new(key, _again(begun, parts), most)
        return BlobInfo(key, parts.size, datetime.now(UTC), version)

    def put_small(self, name: str, data: Buffer, mode: Any = "create") -> str | None:
        """Put what fits into one request, on the condition ``mode``; return its version."""
        token = secrets.token_hex(16)
        patience = Patience(self.options.patience)
        while True:
            try:
                put = self._call(
                    name,
                    self._obstore.put,
                    name,
                    data,
                    attributes={**self._attributes, _MARK: token},
                    use_multipart=False,
                    mode=mode,
                )
                return put["e_tag"]
            except BlobExists:
                # a request whose answer was lost, or a fault, is sent again, and may have been carried out before
                version = self._own(name, token)
                if version is None:
                    raise
                return version
            except BlobUnavailable as error:
                patience.wait(error)

    def _own(self, key: str, token: str) -> str | None:
        """The version of a blob that we have put ourselves, whatever we were told; None for another's."""
        try:
            found = self._call(key, self._obstore.get, key, options={"head": True})
        except BlobNotFound:
            return None
        return found.meta["e_tag"] or "" if found.attributes.get(_MARK) == token else None

    def _put_parts(self, name: str, parts: Iterator[Buffer], most: int) -> str | None:
        """Put a source in parts. Whatever it raises, the store is told to forget them.

        The service is talked to in a thread of its own: obstore takes parts where nothing else can be asked of it, and
        a source may well be a blob of such a store.
        """
        taken: Handoff[Buffer] = Handoff()
        put: Future[str | None] = Future()
        token = secrets.token_hex(16)
        thread = threading.Thread(target=self._take, args=(name, taken, most, token, put), name="pacskit-put")
        thread.daemon = True
        thread.start()
        try:
            for part in parts:
                if not taken.offer(part):
                    break
            taken.end()
        except BaseException as error:
            taken.fail(error)
            raise
        finally:
            thread.join()
        try:
            return put.result()
        except (BlobNotFound, BlobUnavailable):
            version = self._own(name, token)  # the last answer may have been lost
            if version is None:
                raise
            return version

    def _take(self, name: str, parts: Handoff[Buffer], most: int, token: str, put: Future[str | None]) -> None:
        try:
            result = self._call(
                name,
                self._obstore.put,
                name,
                parts,
                attributes={**self._attributes, _MARK: token},
                use_multipart=True,
                chunk_size=most,
                max_concurrency=self.options.concurrency,
            )
            put.set_result(result["e_tag"])
        except BaseException as error:
            put.set_exception(error)
        finally:
            parts.close()

    def _put_new(self, key: str, parts: Iterator[Buffer], most: int) -> str | None:
        def guarded() -> Iterator[Buffer]:
            for part in parts:
                claim.refresh()
                yield part
            claim.check()  # a small one that needs no claim may have come

        with Claim(self, key, self.options.patience) as claim:
            return self._put_parts(key, guarded(), most)

    def delete(self, keys: str | Iterable[str]) -> None:
        """See `BlobStore.delete`."""
        batch: list[str] = []
        for key in [keys] if isinstance(keys, str) else keys:
            batch.append(check_key(key))
            if len(batch) == _BATCH:
                self.remove_any(batch)
                batch = []
        if batch:
            self.remove_any(batch)

    def remove_any(self, keys: list[str]) -> None:
        """Remove blobs, of our own below ``.incoming`` too."""
        try:
            self._call(None, self._obstore.delete, keys)
        except LookupError:
            for key in keys if len(keys) > 1 else ():
                self.remove_any([key])

    def sweep(self, *, older_than: timedelta = timedelta(days=1)) -> int:
        """Remove the claims of processes that were killed; return how many."""
        before = datetime.now(UTC) - older_than
        old = [info.key for info in self._iterate(INCOMING, "") if info.modified < before]
        for start in range(0, len(old), _BATCH):
            self.remove_any(old[start : start + _BATCH])
        return len(old)

    # reading

    def get(self, key: str, *, start: int = 0, length: int | None = None, sha256: bytes | None = None) -> BlobReader:
        """See `BlobStore.get`. A transfer that breaks off is taken up again where it did."""
        check_ranges([(start, length or 0)])
        info, stream = self._begin(check_key(key), start, length, None)
        stop = info.size if length is None else min(info.size, start + length)
        return BlobReader(info, self._stream(info, stream, start, stop), sha256=sha256)

    def _begin(self, key: str, start: int, length: int | None, version: str | None) -> tuple[BlobInfo, Any]:
        """Ask for bytes; what is known of the blob, and their stream, None where there are none."""
        options: dict[str, Any] = {} if version is None else {"if_match": version}
        if length == 0:
            return self.head(key), None
        if length is not None:
            options["range"] = (start, start + length)
        elif start:
            options["range"] = {"offset": start}
        try:
            result = self._obstore.get(self._store, key, options=options)  # type: ignore[arg-type]
            return _info(result.meta), result.stream(min_chunk_size=PIECE)
        except self._errors as error:
            if is_past_the_end(error) and (info := self.head(key)).size <= start:
                return info, None
            raise blob_error(error, key) from None

    def _stream(self, info: BlobInfo, stream: Any, start: int, stop: int) -> Iterator[Buffer]:
        patience = Patience(self.options.patience)
        while start < stop:
            try:
                if stream is None:
                    _, stream = self._begin(info.key, start, stop - start, info.version)
                part = memoryview(self._next(info.key, stream))[: stop - start]
            except BlobUnavailable as error:
                stream = None
                patience.wait(error)
                continue
            start += len(part)
            yield part
            patience = Patience(self.options.patience)

    def _next(self, key: str, stream: Any) -> Any:
        try:
            part = None if stream is None else next(stream, None)
        except self._errors as error:
            raise blob_error(error, key) from None
        if part is None:
            raise BlobUnavailable("the store broke off", key=key)
        return part

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `BlobStore.get_range`."""
        check_ranges([(start, length)])
        check_key(key)
        if length == 0:
            self.head(key)
            return b""
        patience = Patience(self.options.patience)
        while True:
            try:
                result = self._obstore.get(self._store, key, options={"range": (start, start + length)})
                data = result.bytes().to_bytes()
                if len(data) != min(length, result.meta["size"] - start):
                    raise BlobDamaged(f"{len(data)} bytes came where {length} were asked for", key=key)
                return data
            except self._errors as error:
                if is_past_the_end(error) and self.head(key).size <= start:
                    return b""
                found = blob_error(error, key)
                if not isinstance(found, BlobUnavailable):
                    raise found from None
            patience.wait(found)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `BlobStore.get_ranges`: neighbours share a request."""
        check_ranges(ranges)
        if len(ranges) <= 1 or not all(length for _, length in ranges):
            return [self.get_range(key, start, length) for start, length in ranges]
        try:
            found = self._obstore.get_ranges(
                self._store,
                check_key(key),
                starts=[start for start, _ in ranges],
                lengths=[length for _, length in ranges],
                coalesce=self.options.part_size // 80,
            )
        except self._errors as error:
            if is_past_the_end(error):
                return [self.get_range(key, start, length) for start, length in ranges]
            raise blob_error(error, key) from None
        return [one.to_bytes() for one in found]

    def head(self, key: str) -> BlobInfo:
        """See `BlobStore.head`."""
        return self.head_any(check_key(key))

    def head_any(self, name: str) -> BlobInfo:
        """Say what is known of a blob, of our own below ``.incoming`` too."""
        return _info(self._call(name, self._obstore.head, name))

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[BlobInfo]:
        """See `BlobStore.list`."""
        found = self._iterate(check_prefix(prefix), after)
        return (info for info in found if not info.key.startswith(INCOMING))

    def _iterate(self, prefix: str, after: str) -> Iterator[BlobInfo]:
        chunks = iter(self._call(None, self._obstore.list, prefix or None, offset=after or None, chunk_size=_BATCH))
        while True:
            try:
                chunk = next(chunks, None)
            except self._errors as error:
                raise blob_error(error, None) from None
            if chunk is None:
                return
            yield from map(_info, chunk)

    def sign(self, key: str, *, seconds: float, method: str = "GET") -> str:
        """See `BlobStore.sign`."""
        return self._call(key, self._obstore.sign, method, check_key(key), timedelta(seconds=seconds))

    def close(self) -> None:
        """Nothing is held but idle connections, which go with the object."""


def _info(meta: Any) -> BlobInfo:
    return BlobInfo(meta["path"], meta["size"], meta["last_modified"], meta["e_tag"])


def _gather(parts: Iterator[memoryview], most: int) -> bytearray:
    """Return bytes until there are ``most`` or a little more, or no more."""
    gathered = bytearray()
    for part in parts:
        gathered += part
        if len(gathered) >= most:
            break
    return gathered


def _again(begun: list[bytes | bytearray], parts: Iterator[memoryview]) -> Iterator[Buffer]:
    """What is there already, which nobody else holds then, and all the rest; obstore makes parts of it."""
    yield begun.pop()
    for part in parts:
        yield bytes(part)

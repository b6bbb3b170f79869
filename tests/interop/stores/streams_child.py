"""Streams blobs into a store and out of it; prints by how many bytes the process grew over what a small one takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from pacskit.storage.blobs import BlobStore, StoreOptions, open_store

PIECE = 1 << 18


def peak() -> int:
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) << 10


def source(size: int) -> Iterator[bytes]:
    for start in range(0, size, PIECE):
        yield (start // PIECE).to_bytes(8, "little") * (PIECE // 8)


def grown(store: BlobStore, size: int) -> tuple[int, int]:
    """By how many bytes a put, and then a read, have made the process grow."""
    store.put_stream("warm", bytes(1000), replace=True)
    with store.get("warm") as reader:
        reader.read()
    before = peak()
    store.put_stream("large", source(size))
    put = peak()
    seen = 0
    with store.get("large") as reader:
        for part in reader:
            seen += len(part)
    if seen != size:
        raise SystemExit(f"{seen} bytes came back")
    return put - before, peak() - put


def main(address: str, credentials: str, size: str) -> None:
    with open_store(address, StoreOptions(credentials=json.loads(credentials))) as store:
        print(*grown(store, int(size)))


if __name__ == "__main__":
    main(*sys.argv[1:])

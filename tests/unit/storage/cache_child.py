"""Puts blobs through a cache without end, from four threads, and says what was acknowledged; its parent kills it."""

from __future__ import annotations

import os
import random
import sys
import threading

from pacskit.storage.blobs import CachedStore, LocalStore


def data_of(key: str) -> bytes:
    """Return the bytes that follow from a key."""
    draw = random.Random(key)
    return draw.randbytes(draw.choice((0, 100, 70_000, 1_500_000)))


def main(directory: str, first: int) -> None:
    store = CachedStore(LocalStore(f"{directory}/behind", sync="none"), f"{directory}/cache", max_bytes=3 << 20)
    sys.stdout.write("ready\n")
    sys.stdout.flush()

    def work(thread: int) -> None:
        for number in range(first, first + 100_000):
            key = f"1.2.{thread}/{number % 7}/{number}.dcm"
            data = data_of(key)
            store.put_stream(key, (data[at : at + 9_000] for at in range(0, len(data), 9_000)))
            os.write(1, f"{key}\n".encode())  # in one piece: shorter than a pipe's atomic write

    for thread in range(4):
        threading.Thread(target=work, args=(thread,)).start()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""Moves, replaces and deletes a blob in processes that end at each step; prints what is true afterwards.

One interpreter forks for each step, as a new one each would take a while.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pacskit.storage.blobs import BlobNotFound, LocalStore, TieredStore, tierstate
from pacskit.storage.index import open_index

KEY = "1.2/1.3/1.4.dcm"
DATA = bytes(range(256)) * 20_000
OTHER = DATA[::-1]


class Steps:
    """Ends the process before the step that is named by its number, as a kill would."""

    def __init__(self, last: int) -> None:
        self.left = last

    def __call__(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            if self.left == 0:
                os._exit(9)
            self.left -= 1
            return call(*args, **options)

        return step


def opened(folder: Path, steps: Steps | None = None) -> TieredStore:
    index = open_index(f"sqlite://{folder}/index.sqlite")
    tiers = {name: LocalStore(folder / name, sync="none") for name in ("hot", "cold")}
    store = TieredStore(index, tiers, recall="never")
    if steps is not None:
        index.run = steps(index.run)  # type: ignore[method-assign]
        for tier in tiers.values():
            for name in ("put_stream", "get", "delete"):
                setattr(tier, name, steps(getattr(tier, name)))
    return store


def work(kind: str, store: TieredStore) -> None:
    if kind == "move":
        store.move(KEY, "cold")
    elif kind == "recall":
        store.move(KEY, "hot")
    elif kind == "replace":
        store.put_stream(KEY, OTHER, replace=True)
    else:
        store.delete(KEY)


def prepare(kind: str, folder: Path) -> None:
    store = opened(folder)
    store.put_stream(KEY, DATA)
    if kind != "move":
        store.move(KEY, "cold")


def check(kind: str, folder: Path, ended: bool) -> str:
    """Say in which tier the blob is and whose bytes it has; then sweep, and say how many copies there are."""
    store = opened(folder)
    try:
        data = store.get(KEY).read()
        where = store.tier(KEY)
        found = f"{where} {'new' if data == OTHER else 'old' if data == DATA else 'DAMAGED'}"
        listed = [info.key for info in store.list()]
        sha256 = store.path_of(KEY).sha256
        if listed != [KEY] or sha256 not in (None, hashlib.sha256(data).digest()):
            found += " UNTRUE"
    except BlobNotFound:
        found = "gone" if not list(store.list()) else "UNTRUE"
    store.sweep(datetime.now(UTC) + 2 * tierstate.LEASE)
    copies = sum(1 for tier in store.tiers.values() for _ in tier.list())
    if not ended:
        work(kind, store)  # what did not end is done again
    again = "gone"
    with suppress(BlobNotFound):
        again = f"{store.tier(KEY)} {len(store.get(KEY).read())}"
    return f"{kind}: {found}; {copies} copies; then {again}"


def main(folder: Path) -> None:
    for kind in ("move", "recall", "replace", "delete"):
        for last in range(100):
            here = folder / f"{kind}-{last}"
            here.mkdir()
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                prepare(kind, here)
                work(kind, opened(here, Steps(last)))
                os._exit(0)
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            child = os.fork()
            if child == 0:
                os.write(write, check(kind, here, ended).encode())
                os._exit(0)
            os.waitpid(child, 0)
            os.close(write)
            with open(read) as lines:
                print(last, "ended" if ended else "killed", lines.read(), flush=True)
            if ended:
                break


if __name__ == "__main__":
    main(Path(sys.argv[1]))

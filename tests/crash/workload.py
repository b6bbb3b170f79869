"""``python -m tests.crash.workload DIRECTORY COMMIT SEED COUNT``: what is recorded for the power cuts.

Eight threads store, replace and delete; each says in the journal what it is about to do and what is acknowledged. With
a COUNT of 0 the store is opened, which settles what was left there, and that is all.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from typing import Any

from pacskit.storage import Store
from tests.crash.ledger import CT, EXPLICIT, made
from tests.crash.shim import marker

THREADS = 8
CHUNK = 9_000


def _say(mark: Callable[[bytes, int], object], *words: object) -> None:
    text = " ".join(map(str, words)).encode()
    mark(text, len(text))


def _work(store: Store, mark: Callable[[bytes, int], object], thread: int, seed: int, count: int) -> None:
    chance = random.Random(f"{seed} {thread}")
    mine: list[str] = []
    for number in range(count):
        draw = chance.random()
        if mine and draw < 0.2:
            uid = chance.choice(mine)
        else:
            uid = f"1.2.{thread}.{chance.randrange(3)}.{chance.randrange(2)}.{number}"
            mine.append(uid)
        data, digest = made(uid, number)
        with store.begin(CT, uid, EXPLICIT) as ingest:
            for at in range(0, len(data), CHUNK):
                ingest.write(data[at : at + CHUNK])
            _say(mark, "storing", uid, digest.hex())
            if number % 4:
                ingest.secure()
            else:
                ingest.commit()
            _say(mark, "stored", uid, digest.hex())
            ingest.follow_up()
        if draw > 0.93:
            _say(mark, "deleting", uid)
            store.delete("IMAGE", instance_uid=uid)
            _say(mark, "deleted", uid)
            mine.remove(uid)


def main(directory: str, commit: Any, seed: int, count: int) -> None:
    """Work, and close the store."""
    mark = marker()
    with Store(directory, commit=commit, duplicates="replace") as store:
        store.files.spill = 20_000
        index: Any = store.index
        index._connection.execute("PRAGMA wal_autocheckpoint = 40")
        threads = [
            threading.Thread(target=_work, args=(store, mark, number, seed, count // THREADS))
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

"""Stores without end from eight threads and says what was acknowledged; its parent kills it."""

from __future__ import annotations

import os
import random
import sys
import threading

from pacskit.core.dataset import Dataset
from pacskit.encoding import encode
from pacskit.storage import Commit, Outcome, Store
from tests.unit.storage.objects import CT, EXPLICIT, instance


def data_of(uid: str, number: int, size: int) -> bytes:
    """Return an object whose content follows from its UID and the number of its version."""
    *_, study, series, _ = uid.split(".")
    made: Dataset = instance(f"1.2.{study}", f"1.2.{study}.{series}", uid, PatientID=study, InstanceNumber=number)
    made.add_new(0x7FE00010, "OB", random.Random(f"{uid} {number}").randbytes(size))
    return encode(made, EXPLICIT)


def main(directory: str, first: int, commit: Commit) -> None:
    store = Store(directory, commit=commit, duplicates="replace")
    store.files.spill = 20_000
    sys.stdout.write("ready\n")
    sys.stdout.flush()

    def work(thread: int) -> None:
        draw = random.Random(first * 8 + thread)
        for number in range(first, first + 100_000):
            choice = draw.random()
            if choice < 0.1:  # everybody's object
                uid = f"1.2.0.1.{draw.randrange(5)}"
            elif choice < 0.3:
                uid = f"1.2.{thread}.2.{draw.randrange(20)}"
            else:
                uid = f"1.2.{thread}.{draw.randrange(3, 6)}.{number}"
            data = data_of(uid, number, draw.choice((200, 5_000, 60_000)))
            ingest = store.begin(CT, uid, EXPLICIT)
            for at in range(0, len(data), 9_000):
                ingest.write(data[at : at + 9_000])
            stored = ingest.secure() if number % 3 else ingest.commit()
            outcome = stored.outcome if stored is not None else Outcome.STORED
            os.write(1, f"{uid} {outcome}\n".encode())  # in one piece: shorter than a pipe's atomic write
            if choice > 0.97:
                os.write(1, f"{uid} deleting\n".encode())
                store.delete("IMAGE", instance_uid=uid)
                os.write(1, f"{uid} deleted\n".encode())

    for thread in range(8):
        threading.Thread(target=work, args=(thread,)).start()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])  # type: ignore[arg-type]

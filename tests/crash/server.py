"""``python -m tests.crash.server DIRECTORY [--commit …] [--index …]``: an archive that its parent ends as it likes.

It says ``ready PORT``, answers each line of its input, and ends in order when there are no more: ``delete UID`` is
answered with ``deleted UID``, ``sweep`` (of what was deleted or replaced, and whose grace is over) with ``swept``, and
``verify`` with ``verified NUMBER`` of what is wrong.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pacskit.network.config import Timeouts
from pacskit.network.threads import Server
from pacskit.services.registry import archive_services
from pacskit.storage import Store
from pacskit.storage.index import sqlite
from pacskit.storage.index.removing import Removal
from tests.crash.ledger import disagreements

AE = "CRASH"


def _answer(store: Store, what: str, *words: str) -> str:
    if what == "delete":
        store.delete("IMAGE", instance_uid=words[0])
        return f"deleted {words[0]}"
    if what == "sweep":
        store.removals.sweep()
        return "swept"
    wrong, _ = disagreements(store)
    print(*wrong, sep="\n", file=sys.stderr)
    return f"verified {len(wrong)}"


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--commit", default="os")
    parser.add_argument("--index")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--grace", type=float, default=0.0, help="seconds for which what was removed can come back")
    parser.add_argument("--checkpoint", type=int, help="pages after which SQLite's log goes into its file")
    parser.add_argument("--busy", type=float, default=30.0, help="seconds for which a lock of SQLite's is waited for")
    options = parser.parse_args()
    commit: Any = options.commit
    vars(sqlite)["BUSY_SECONDS"] = options.busy
    kept: dict[str, Any] = {"commit": commit, "index": options.index, "digest": options.digest}
    kept["removal"] = Removal(grace=options.grace)
    with Store(options.directory, duplicates="replace", **kept) as store:
        index: Any = store.index
        if options.checkpoint and options.index is None:
            index._connection.execute(f"PRAGMA wal_autocheckpoint = {options.checkpoint}")
        services = archive_services(store, ae=AE, resolve=lambda ae: None)
        with Server(services, ae=AE, host="127.0.0.1", port=0, timeouts=Timeouts(idle=600)) as server:
            print("ready", server.address[1], flush=True)
            for line in sys.stdin:
                print(_answer(store, *line.split()), flush=True)


if __name__ == "__main__":
    main()

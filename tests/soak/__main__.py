"""``python -m tests.soak churn [--count N]`` and ``python -m tests.soak mixed [--minutes M]``: see `tests.soak.run`.

Loopback only; the report goes to standard output, progress to standard error; the exit code says whether all held.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

from tests.soak.run import churn, soak


def main() -> int:
    """Run what is asked for."""
    if os.environ.get("MALLOC_ARENA_MAX") != "1":
        # Threads that come and go leave holes in as many arenas: what the allocator keeps is not what we hold.
        os.environ["MALLOC_ARENA_MAX"] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "tests.soak", *sys.argv[1:]])
    logging.getLogger("pacskit").setLevel(logging.CRITICAL)  # bad peers are refused by the hundred
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("what", choices=["churn", "mixed"])
    parser.add_argument("--count", type=int, default=24_000, help="associations of the churn (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=20.0, help="length of the mixed run (default %(default)s)")
    parser.add_argument("--warm", type=float, default=180.0, metavar="SECONDS", help="before the first measurement")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--most", type=int, default=sys.maxsize, help="operations of a worker at most")
    parser.add_argument("--tolerance", type=float, default=0.05, help="how much more memory there may be at the end")
    parser.add_argument(
        "--stop-within", type=float, default=2.0, metavar="SECONDS", help="how long stopping under load may take"
    )
    options = parser.parse_args()
    os.nice(10)
    with tempfile.TemporaryDirectory(prefix="pacskit-soak-") as folder:
        if options.what == "churn":
            report = churn(options.count, Path(folder))
        else:
            report = soak(
                options.minutes * 60, Path(folder), warm=options.warm, workers=options.workers, most=options.most
            )
    failures = report.failures(options.tolerance, options.stop_within)
    print(*report.lines(failures), sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

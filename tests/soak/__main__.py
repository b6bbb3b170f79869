"""``python -m tests.soak churn [--count N]`` and ``python -m tests.soak mixed [--minutes M]``: see `tests.soak.run`.

Loopback only; the report goes to standard output, progress to standard error; the exit code says whether all held.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

# sqlite-utils imports pandas where that is installed: no part of what is measured, and larger than all of it.
sys.modules["pandas"] = None  # type: ignore[assignment]

from tests.soak.run import churn, soak  # noqa: E402 - after the line above


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("what", choices=["churn", "mixed"])
    parser.add_argument("--count", type=int, default=24_000, help="associations of the churn (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=20.0, help="length of the mixed run (default %(default)s)")
    parser.add_argument("--warm", type=float, default=60.0, metavar="SECONDS", help="before the first measurement")
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    os.nice(10)
    with tempfile.TemporaryDirectory(prefix="pacskit-soak-") as folder:
        if options.what == "churn":
            report = churn(options.count, Path(folder))
        else:
            report = soak(options.minutes * 60, Path(folder), warm=options.warm, workers=options.workers)
    print(*report.lines(), sep="\n")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())

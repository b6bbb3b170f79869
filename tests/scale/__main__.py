"""``python -m tests.scale [--instances N] [--kills N]``: see `tests.scale.three_nodes`.

Loopback only; the report goes to standard output; the exit code says whether all held.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from pacskit.testing import SeaweedFS
from tests.postgres import PostgresServer
from tests.scale.three_nodes import Plan, demonstrate


def main() -> int:
    """Run what is asked for."""
    logging.getLogger("pacskit").setLevel(logging.CRITICAL)
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.scale")
    for name in ("instances", "kills", "nodes", "senders", "measured", "sample", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(plan, name), help="(default: %(default)s)")
    plan = Plan(**vars(parser.parse_args()))
    postgres = PostgresServer(Path(tempfile.mkdtemp(prefix="pacskit-postgres-")))
    try:
        with tempfile.TemporaryDirectory(prefix="pacskit-scale-") as folder, SeaweedFS() as server:
            report = demonstrate(plan, Path(folder), postgres, server)
    finally:
        postgres.stop()
    print(*report.lines(), sep="\n")
    return 1 if report.losses else 0


if __name__ == "__main__":
    sys.exit(main())

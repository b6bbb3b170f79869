"""``python -m tests.scale.worker CONFIG DIRECTORY LEASE``: does the jobs of a node beside it, until its input ends.

A job counts the instances of a study and writes that down in the transaction that ends the job.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pacskit import ArchiveSettings
from pacskit.client.jobs import JobContext, Jobs, open_queue
from pacskit.storage import Store

__all__ = ["EFFECTS", "KIND"]

KIND = "scale count"
EFFECTS = "scale_effect"


def main(config: str, directory: str, lease: str) -> None:
    """Do jobs."""
    settings = ArchiveSettings.from_toml(config)
    with Store(Path(directory), index=settings.index, blobs=settings.blobs, blob_options=settings.blob_store) as store:
        jobs = Jobs(open_queue(store.index), threads=1, lease=float(lease))

        @jobs.handler(KIND, delay=0.1, longest=1.0)
        def count(job: JobContext) -> None:
            study = str(job.payload["study"])
            found = sum(1 for _ in store.locate("STUDY", study_uid=study))
            job.wait(0.05)  # a moment to be killed in

            def effect(tx: Any) -> None:
                tx.execute(f"INSERT INTO {EFFECTS} (study, instances) VALUES (?, ?)", (study, found))
                job.finish(tx)

            store.index.run(effect)

        jobs.start()
        print("works", flush=True)
        sys.stdin.read()
        jobs.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])

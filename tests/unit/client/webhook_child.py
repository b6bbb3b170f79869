"""A process that serves an archive, delivers its webhooks, and stores what it is told to: DIR INDEX TIMEOUT."""

from __future__ import annotations

import sys

from pacskit import Archive, ArchiveSettings
from pacskit.client.webhooks import WebhookSettings
from tests.unit.storage.objects import instance


def main(directory: str, index: str, timeout: str) -> None:
    webhooks = WebhookSettings(networks=("127.0.0.0/8",), timeout=float(timeout), pause=0.1, longest_pause=0.5)
    settings = ArchiveSettings(index=index or None, webhooks=webhooks)
    with Archive(directory, settings=settings) as archive:
        archive.serve(port=0)
        sys.stdout.write("serves\n")
        sys.stdout.flush()
        for line in sys.stdin:
            archive.store(instance(uid=line.strip(), PatientID="p"))
            sys.stdout.write(line)
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""``pacskit serve``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from dataclasses import replace

from pacskit.core.errors import ConnectError
from pacskit.facade.archive import Archive
from pacskit.facade.settings import ArchiveSettings

__all__ = ["serve"]

_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


def _settings(options: argparse.Namespace) -> ArchiveSettings:
    """Return the settings of the file, and over them those of the command line."""
    settings = ArchiveSettings.from_toml(options.config) if options.config else ArchiveSettings()
    given = {
        "ae": options.ae,
        "nodes": (*settings.nodes, *options.node) if options.node else None,
        "calling": tuple(options.calling) or None,
        "duplicates": options.duplicates,
        "durable": options.durable or None,
        "accept_unknown": options.accept_unknown or None,
        "transcode": options.transcode,
    }
    if options.max_associations is not None:
        given["limits"] = replace(settings.limits, max_associations=options.max_associations)
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


def serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    settings = _settings(options)
    # Blocked before any thread starts, so that all inherit it and the signal waits for us to take it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    with Archive(options.dir, settings=settings) as archive:
        try:
            address = archive.serve(options.port, options.host)
        except OSError as error:
            raise ConnectError(f"cannot listen on {options.host}:{options.port}: {error.strerror or error}") from error
        print(f"{address.ae} listens on {address.host}:{address.port}, data in {options.dir}", flush=True)
        received = signal.sigwait(_SIGNALS)
        logging.getLogger("pacskit").info("%s: stopping", signal.Signals(received).name)
    return 0

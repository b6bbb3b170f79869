"""``pacskit serve``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from dataclasses import replace
from typing import Any

from pacskit.core.errors import ConnectError
from pacskit.facade.archive import Archive
from pacskit.facade.settings import ArchiveSettings
from pacskit.network.address import Address
from pacskit.network.admission import Admission
from pacskit.security.settings import TlsSettings
from pacskit.storage.objects import CacheOptions

__all__ = ["serve"]

_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


def _settings(options: argparse.Namespace) -> ArchiveSettings:
    """Return the settings of the file, or else of the environment, and over them those of the command line."""
    settings = ArchiveSettings.from_toml(options.config) if options.config else ArchiveSettings.from_env()
    given: dict[str, Any] = {
        "ae": options.ae,
        "nodes": (*settings.nodes, *options.node) if options.node else None,
        "calling": tuple(options.calling) or None,
        "duplicates": options.duplicates,
        "commit": options.commit,
        "accept_unknown": options.accept_unknown or None,
        "transcode": options.transcode,
        "processes": options.processes,
        "index": options.index,
        "blobs": options.blobs,
    }
    if options.blob_cache is not None:
        cache = settings.blob_cache
        directory = options.blob_cache
        given["blob_cache"] = (
            replace(cache, directory=directory) if cache is not None else CacheOptions(directory=directory)
        )
    if options.max_associations is not None:
        given["limits"] = replace(settings.limits, max_associations=options.max_associations)
    given |= _tls(options, settings) | {"admission": _admission(options, settings)}
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


def _tls(options: argparse.Namespace, settings: ArchiveSettings) -> dict[str, Any]:
    given = {
        "cert": options.cert,
        "key": options.key,
        "ca": options.ca,
        "password_file": options.key_password_file,
        "profile": options.tls_profile,
        "require_client_cert": options.require_client_cert,
        "bindings": tuple(options.bind) or None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    found: dict[str, Any] = {"tls_port": options.tls_port}
    if given:
        found["tls"] = replace(settings.tls, **given) if settings.tls is not None else TlsSettings(**given)
    return found


def _admission(options: argparse.Namespace, settings: ArchiveSettings) -> Admission | None:
    given: dict[str, Any] = {}
    if options.allow:
        given["networks"] = tuple(options.allow)
    if options.max_per_peer is not None:
        given["max_per_peer"] = options.max_per_peer
    return replace(settings.admission, **given) if given else None


def _where(archive: Archive, address: Address) -> str:
    if archive.settings.tls is None:
        return f"{address.host}:{address.port}"
    secure = archive.tls_address
    both = f"{address.host}:{address.port} and " if secure.port != address.port else ""
    return f"{both}{secure.host}:{secure.port} (TLS)"


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
        print(f"{address.ae} listens on {_where(archive, address)}, data in {options.dir}", flush=True)
        received = signal.sigwait(_SIGNALS)
        logging.getLogger("pacskit").info("%s: stopping", signal.Signals(received).name)
    return 0

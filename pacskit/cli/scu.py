"""``pacskit echo | store | find | move | get``."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pacskit.cli.output import dataset_json, line
from pacskit.cli.progress import Bar
from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import ConfigurationError, DimseError
from pacskit.core.status import Status
from pacskit.facade.peer import Peer, connect
from pacskit.network.address import Address
from pacskit.network.config import Timeouts
from pacskit.services.scu import Progress, Sent
from pacskit.storage import Model

if TYPE_CHECKING:
    from pacskit.security.context import TlsContext

__all__ = ["echo", "find", "get", "move", "store"]

_MODELS = {"study": Model.STUDY_ROOT, "patient": Model.PATIENT_ROOT, "patient-study-only": Model.PATIENT_STUDY_ONLY}
_PREFIX_AT = 128


@contextmanager
def _peer(options: argparse.Namespace) -> Iterator[Peer]:
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    timeouts = Timeouts(connect=min(10.0, options.timeout), acse=options.timeout, dimse=options.timeout)
    with connect(options.address, calling=options.calling, timeouts=timeouts, tls=client_tls(options)) as peer:
        try:
            yield peer
        finally:
            if options.explain:
                print(peer.explain() or "no association", file=sys.stderr)


def client_tls(options: argparse.Namespace) -> TlsContext | None:
    """Return the TLS that the options ask for, None for none."""
    given = {
        "cert": options.cert,
        "key": options.key,
        "ca": options.ca,
        "password_file": options.key_password_file,
        "profile": options.tls_profile,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if not options.tls and not Address.parse(options.address).tls:
        if given:
            raise ConfigurationError("certificates are of no use without --tls")
        return None
    from pacskit.security.context import TlsContext
    from pacskit.security.settings import TlsSettings

    return TlsContext(TlsSettings(**given, verify_hostname=not options.no_verify_hostname))


def _split(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Divide arguments into plain ones and ``KEYWORD=VALUE``; a backslash separates several values."""
    plain: list[str] = []
    keys: dict[str, Any] = {}
    for word in words:
        keyword, equals, value = word.partition("=")
        if not equals:
            plain.append(word)
        else:
            keys[_keyword(keyword)] = value.split("\\") if "\\" in value else value
    return plain, keys


def _keyword(text: str) -> str:
    if not hasattr(Dataset, text) and text not in dir(Dataset()):
        raise ConfigurationError(f"{text!r} is no attribute's keyword")
    return text


def echo(options: argparse.Namespace) -> int:
    with _peer(options) as peer:
        status = Status.SUCCESS
        best = float("inf")
        for _ in range(max(1, options.repeat)):
            began = time.perf_counter()
            status = peer.echo()
            best = min(best, time.perf_counter() - began)
    if options.json:
        line({"peer": options.address, "status": int(status), "milliseconds": round(best * 1000, 3)})
    else:
        print(f"{options.address}: {status}, {best * 1000:.1f} ms")
    return 0 if status.is_success else 1


# store


def _files(names: list[str]) -> Iterator[Path]:
    """Yield the files, and in directories those that have the prefix of a DICOM file (PS3.10 7.1)."""
    for name in names:
        path = Path(name)
        if path.is_dir():
            yield from (found for found in sorted(path.rglob("*")) if found.is_file() and _has_prefix(found))
        else:
            yield path


def _has_prefix(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_PREFIX_AT + 4)[_PREFIX_AT:] == b"DICM"
    except OSError:
        return False


def store(options: argparse.Namespace) -> int:
    files = list(_files(options.files))
    if options.dry_run:
        return _explain_store(options, files)
    good = 0
    with _peer(options) as peer, Bar("store") as bar:
        bar.total = len(files)
        for sent in peer.store(files, transcode=options.transcode, window=options.window):
            bar.step(size=sent.size)
            good += not sent.status.is_failure
            if options.json:
                line(_sent_json(sent))
            elif sent.status.is_failure:
                print(f"{sent.dataset_path}: {sent.error or _describe(sent.status)}", file=sys.stderr)
    if not options.json:
        print(f"{good} of {len(files)} stored")
    return 0 if good == len(files) and files else 1


def _explain_store(options: argparse.Namespace, files: list[Path]) -> int:
    """Negotiate and say how each file would go; 1 where one cannot."""
    with _peer(options) as peer:
        found = peer.explain(files, transcode=options.transcode)
    if found is None:
        return 1
    if options.json:
        for one in found.outlook:
            sent_as = None if one.sent_as is None else str(one.sent_as)
            line({"file": str(one.source), "sent_as": sent_as, "context": one.context_id, "why": one.why})
    else:
        print(found)
    return 0 if found.outlook and all(one.sent_as is not None for one in found.outlook) else 1


def _describe(status: Status) -> str:
    return f"{status}: {status.describe('storage')}"


def _sent_json(sent: Sent) -> dict[str, Any]:
    found: dict[str, Any] = {
        "file": str(sent.dataset_path),
        "sop_instance_uid": sent.sop_instance_uid,
        "status": int(sent.status),
        "bytes": sent.size,
    }
    return found | {"error": str(sent.error)} if sent.error else found


# find, move, get


def find(options: argparse.Namespace) -> int:
    plain, keys = _split(options.keys)
    if plain:
        raise ConfigurationError(f"a key is KEYWORD=VALUE: {plain[0]!r}")
    with (
        _peer(options) as peer,
        closing(peer.find(Level(options.level), model=_MODELS[options.model], **keys)) as answers,
    ):
        for number, answer in enumerate(islice(answers, options.limit)):
            if options.json:
                line(dataset_json(answer))
            else:
                print(("\n" if number else "") + str(answer))
    return 0


def _counts(progress: Progress | None) -> dict[str, Any]:
    if progress is None:
        return {}
    found: dict[str, Any] = {
        "status": int(progress.status),
        "completed": progress.completed,
        "failed": progress.failed,
        "warning": progress.warning,
    }
    told = {"failed_uids": list(progress.failed_uids), "comment": progress.comment}
    return found | {name: value for name, value in told.items() if value}


def _finish(options: argparse.Namespace, last: Progress | None, refused: DimseError | None) -> int:
    """Print the final counts; return the exit code."""
    if options.json:
        line(_counts(last) | ({"error": str(refused)} if refused else {}))
    else:
        if last is not None:
            print(f"{last.completed} completed, {last.failed} failed, {last.warning} with warnings")
            for uid in last.failed_uids:
                print(f"failed: {uid}", file=sys.stderr)
            if last.comment and refused is None:
                print(f"the peer says: {last.comment}", file=sys.stderr)
        if refused is not None:
            print(f"pacskit {options.command}: {refused}", file=sys.stderr)
    return 0 if last is not None and last.status.is_success and refused is None else 1


def _show(bar: Bar, progress: Progress) -> None:
    done = progress.completed + progress.failed + progress.warning
    bar.step(done, total=done + (progress.remaining or 0))


def move(options: argparse.Namespace) -> int:
    uids, keys = _split(options.what)
    last, refused = None, None
    with _peer(options) as peer, Bar("move") as bar:
        steps = peer.move(Level(options.level), uids, to=options.to, model=_MODELS[options.model], **keys)
        try:
            for last in steps:
                _show(bar, last)
        except DimseError as error:
            refused = error
    return _finish(options, last, refused)


def get(options: argparse.Namespace) -> int:
    uids, keys = _split(options.what)
    seen: list[Progress] = []
    refused = None
    with _peer(options) as peer, Bar("get") as bar:

        def note(progress: Progress) -> None:
            seen[:] = [progress]
            _show(bar, progress)

        instances = peer.get(Level(options.level), uids, model=_MODELS[options.model], on_progress=note, **keys)
        try:
            for instance in instances:
                path = instance.save_into(options.into)
                if options.json:
                    line({"file": str(path), "sop_instance_uid": str(instance.sop_instance_uid)})
        except DimseError as error:
            refused = error
    return _finish(options, seen[0] if seen else None, refused)

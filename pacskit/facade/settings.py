"""ArchiveSettings: what an archive is told, as a value."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from pacskit.client.webhooks.posting import WebhookSettings
from pacskit.core.errors import ConfigurationError
from pacskit.network.address import Address, check_ae_title
from pacskit.network.admission import Admission
from pacskit.network.config import Limits, Timeouts
from pacskit.security.settings import TlsSettings
from pacskit.services.outgoing import Transcode
from pacskit.services.retrieve import WINDOW
from pacskit.storage import Commit, DuplicatePolicy, Removal
from pacskit.storage.blobs.options import StoreOptions
from pacskit.storage.index import check_index
from pacskit.storage.index.changes import Retention
from pacskit.storage.lifecycle.opening import Tier, check_tiers
from pacskit.storage.lifecycle.policies import Policies
from pacskit.storage.objects import CacheOptions, check_blobs
from pacskit.storage.pending import QUEUE

__all__ = ["MAX_PROCESSES", "ArchiveSettings"]

MAX_PROCESSES: Final = 256
MAX_QUEUE: Final = 1 << 20
MAX_JOB_THREADS: Final = 256

_DAY: Final = 86400.0
_MOST_DAYS: Final = 36525
_PREFIX: Final = "PACSKIT_"
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """How an archive behaves.

    Parameters
    ----------
    ae
        Its AE title; associations that call another one are rejected, except those in ``called``.
    calling
        Patterns of the AE titles that may call (``*`` and ``?``); empty: any.
    nodes
        Move destinations, as ``AE@host:port``; with ``tls:`` before it by TLS, with the certificates of ``tls``.
    duplicates
        What happens to an instance that is stored already: ``ignore``, ``reject`` or ``replace``.
    commit
        What an instance survives once it is acknowledged: the end of the process (``os``); a power cut too, by syncs
        that are shared by all who store at the time (``group``), or with its row in the index before the answer
        (``object``).
    ingest_linger
        For how many seconds the row of an acknowledged instance may wait for others to share its transaction, unless
        somebody asks for it; None: 0.25 for one process, 0.005 for several.
    ingest_queue
        How many instances may be acknowledged before their rows are written; whoever brings another one waits then.
    index
        Where the index is: ``sqlite:///PATH`` or ``postgresql://…`` (with the extra ``postgres``), which archives on
        several machines may share; by default a file in the archive's directory.
    blobs
        Where the objects are: ``s3://bucket/prefix``, ``az://…``, ``gs://…`` (with the extra ``cloud``) or a directory,
        which archives on several machines may share, with the index; by default files in the archive's directory.
    blob_store
        How that is reached, see `StoreOptions`; without credentials here they come from the environment.
    blob_cache
        A local disk before it, see `CacheOptions`.
    tiers
        Stores instead of ``blobs`` between which objects move, see `Tier`: they are put into the first one.
    lifecycle
        What becomes of objects as time goes by: moves between tiers, retention, a quota; see `Policies`.
    digest
        Whether to keep the SHA-256 of each data set, by which damage can be found later; half a millisecond a megabyte.
    accept_unknown
        Whether storage SOP classes that PS3.6 does not know are taken too.
    transcode
        Whether pixels are converted for who retrieves and does not take them as they are stored: ``never``,
        ``lossless`` (only where nothing more is lost) or ``any``.
    tls, tls_port
        Certificates, and where to listen with them beside the plain port; without ``tls_port`` there is no plain port.
    admission
        Which networks may connect, and how many associations, and how often.
    move_window
        How many instances a move destination that agrees to it may be sent before it has answered the first one, at
        most 8; with 1 it is not asked.
    moves_per_node
        How many associations each process opens to a move destination at a time; other C-MOVEs wait then, those of
        high priority before those of low priority, for `Timeouts.dimse` at most. None: any number.
    webhooks
        Where webhooks may be, and how long they have; see `pacskit.client.webhooks.WebhookSettings`.
    keep_changes, keep_changes_days
        How many changes the feed keeps (`pacskit.Archive.changes`), and for how many days at most; None: any number.
    grace_days
        For how many days what is deleted or replaced can be restored; 0: it goes at once.
    hidden_days
        For how many days an object is kept that a rejection note hides; None: for good.
    quarantine_bytes, quarantine_days
        How much of what cannot be taken is kept, and for how long (`pacskit.Archive.quarantine`); 0: nothing.
    rejection_notes
        Whether rejection notes (IHE IOCM) hide what they name (``hide``) or not (``ignore``).
    rejected_again
        Whether what a note has rejected for patient safety, or for a wrong worklist entry, is refused when it is sent
        again (``refuse``, as the profile says) or stored anew (``store``).
    jobs
        Where jobs are kept, in the database of the index: its own ``table``, or the tables of ``procrastinate``.
    job_threads
        How many jobs this process does at a time; 0: none, others do them.
    processes
        How many processes serve, with one port and one directory (Linux). Limits and admission count in each of them.
    """

    ae: str = "PACSKIT"
    called: tuple[str, ...] = ()
    calling: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    duplicates: DuplicatePolicy = DuplicatePolicy.IGNORE
    commit: Commit = "group"
    ingest_linger: float | None = None
    ingest_queue: int = QUEUE
    index: str | None = None
    blobs: str | None = None
    blob_store: StoreOptions = field(default_factory=StoreOptions)
    blob_cache: CacheOptions | None = None
    tiers: tuple[Tier, ...] = ()
    lifecycle: Policies = field(default_factory=Policies)
    digest: bool = False
    accept_unknown: bool = False
    transcode: Transcode = Transcode.LOSSLESS
    timeouts: Timeouts = field(default_factory=Timeouts)
    limits: Limits = field(default_factory=Limits)
    tls: TlsSettings | None = None
    tls_port: int | None = None
    admission: Admission = field(default_factory=Admission)
    move_window: int = WINDOW
    moves_per_node: int | None = None
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    keep_changes: int = 1_000_000
    keep_changes_days: float | None = None
    grace_days: float = 7.0
    hidden_days: float | None = None
    quarantine_bytes: int = 1 << 30
    quarantine_days: float = 30.0
    rejection_notes: Literal["hide", "ignore"] = "hide"
    rejected_again: Literal["refuse", "store"] = "refuse"
    jobs: str = "table"
    job_threads: int = 4
    processes: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "ae", check_ae_title(self.ae))
        for name in ("called", "calling", "nodes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for node in self.nodes:
            if Address.parse(node).tls and self.tls is None:
                raise ConfigurationError(f"{node} is reached by TLS, and there are no settings for that (tls)")
        if self.index is not None:
            check_index(self.index)
        Retention(self.keep_changes, self.keep_changes_days)  # which says what is wrong
        self._check_blobs()
        self._check_tiers()
        self._check_ingest()
        if not 1 <= self.move_window <= WINDOW:
            raise ConfigurationError(f"move_window is 1 to {WINDOW}, not {self.move_window!r}")
        if self.moves_per_node is not None and self.moves_per_node < 1:
            raise ConfigurationError(f"moves_per_node is at least 1, not {self.moves_per_node!r}")
        self._check_jobs()
        if not 1 <= self.processes <= MAX_PROCESSES:
            raise ConfigurationError(f"processes is 1 to {MAX_PROCESSES}, not {self.processes!r}")
        if self.tls_port is not None and self.tls is None:
            raise ConfigurationError("tls_port needs certificates (tls)")
        self._check_removal()
        try:
            object.__setattr__(self, "duplicates", DuplicatePolicy(self.duplicates))
        except ValueError:
            raise ConfigurationError(f"duplicates is reject, replace or ignore, not {self.duplicates!r}") from None
        try:
            object.__setattr__(self, "transcode", Transcode(self.transcode))
        except ValueError:
            raise ConfigurationError(f"transcode is never, lossless or any, not {self.transcode!r}") from None

    def _check_removal(self) -> None:
        for name, days in (("grace_days", self.grace_days), ("hidden_days", self.hidden_days)):
            if days is not None and not 0 <= days <= _MOST_DAYS:
                raise ConfigurationError(f"{name} is 0 to {_MOST_DAYS}, not {days!r}")
        if self.quarantine_bytes < 0 or not 0 <= self.quarantine_days <= _MOST_DAYS:
            raise ConfigurationError("quarantine_bytes and quarantine_days are 0 or more")
        for name, words in (("rejection_notes", ("hide", "ignore")), ("rejected_again", ("refuse", "store"))):
            if getattr(self, name) not in words:
                raise ConfigurationError(f"{name} is {' or '.join(words)}, not {getattr(self, name)!r}")

    @property
    def removal(self) -> Removal:
        """How long what has been removed can come back, and what rejection notes do."""
        return Removal(
            grace=self.grace_days * _DAY,
            notes=self.rejection_notes == "hide",
            refuse=self.rejected_again == "refuse",
            hidden=None if self.hidden_days is None else self.hidden_days * _DAY,
        )

    def _check_jobs(self) -> None:
        if self.jobs != "table":
            from pacskit.client.jobs.engines import check_engine

            check_engine(self.jobs)
            if not (self.index or "").startswith("postgres"):
                raise ConfigurationError(f"jobs in {self.jobs} need an index in PostgreSQL")
        if not 0 <= self.job_threads <= MAX_JOB_THREADS:
            raise ConfigurationError(f"job_threads is 0 to {MAX_JOB_THREADS}, not {self.job_threads!r}")

    def _check_blobs(self) -> None:
        if self.blobs is not None:
            check_blobs(self.blobs)
            if self.processes > 1 and self.blobs.startswith("memory:"):
                raise ConfigurationError("several processes have no memory in common: blobs is some other store")
        elif self.blob_cache is not None:
            raise ConfigurationError("blob_cache is a cache before a store (blobs)")

    def _check_ingest(self) -> None:
        if self.commit not in get_args(Commit):
            raise ConfigurationError(f"commit is os, group or object, not {self.commit!r}")
        if self.ingest_linger is not None and not 0 <= self.ingest_linger <= 60:
            raise ConfigurationError(f"ingest_linger is 0 to 60 seconds, not {self.ingest_linger!r}")
        if not 1 <= self.ingest_queue <= MAX_QUEUE:
            raise ConfigurationError(f"ingest_queue is 1 to {MAX_QUEUE}, not {self.ingest_queue!r}")

    def _check_tiers(self) -> None:
        object.__setattr__(self, "tiers", check_tiers(self.tiers))
        self.lifecycle.check([one.name for one in self.tiers])
        if self.tiers and (self.blobs is not None or self.blob_cache is not None):
            raise ConfigurationError("objects are in tiers or in blobs")
        if self.processes > 1 and any(one.store.startswith("memory:") for one in self.tiers):
            raise ConfigurationError("several processes have no memory in common: a tier is some other store")

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read settings from a TOML file: the fields above at its top, tables ``timeouts``, ``limits``, ``tls`` …

        The fields may as well be in a table ``archive``.
        """
        try:
            values = tomllib.loads(Path(path).read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path}: {error}") from error
        within = values.pop("archive", {})
        if not isinstance(within, dict) or within.keys() & values.keys():
            raise ConfigurationError(f"{path}: [archive] is a table with what is not given before it")
        return cls._from(values | within)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read settings from ``PACSKIT_AE``, ``PACSKIT_NODES`` (comma separated), ``PACSKIT_TIMEOUTS_DIMSE`` …"""
        source = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for name in _names(cls):
            text = source.get(_PREFIX + name.upper())
            if name in _GROUPS:
                group = {key: source.get(f"{_PREFIX}{name}_{key}".upper()) for key in _names(_GROUPS[name])}
                given = {key: _grouped(key, text) for key, text in group.items() if text is not None}
                values |= {name: given} if given else {}
            elif text is not None:
                values[name] = _parsed(name, text)
        return cls._from(values)

    @classmethod
    def _from(cls, values: dict[str, Any]) -> Self:
        known = set(_names(cls))
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigurationError(f"unknown settings: {', '.join(unknown)}")
        for name, group in _GROUPS.items():
            if name in values:
                if isinstance(values[name], group):
                    continue
                try:
                    values[name] = group(**values[name])
                except TypeError as error:
                    raise ConfigurationError(f"{name}: {error}") from None
        return cls(**values)


_GROUPS: Final[dict[str, Any]] = {
    "timeouts": Timeouts,
    "limits": Limits,
    "tls": TlsSettings,
    "admission": Admission,
    "blob_store": StoreOptions,
    "blob_cache": CacheOptions,
    "webhooks": WebhookSettings,
    "lifecycle": Policies,
}
_NUMBERS: Final = frozenset(
    {"tls_port", "move_window", "moves_per_node", "processes", "keep_changes", "keep_changes_days"}
    | {"ingest_linger", "ingest_queue", "grace_days", "hidden_days", "job_threads"}
    | {"quarantine_bytes", "quarantine_days"}
)
_TEXTS: Final = frozenset(
    {"cert", "key", "ca", "password", "password_file", "profile", "server_name", "directory"}
    | {"endpoint", "region", "account", "storage_class", "sse", "sse_kms_key_id", "sync", "root_certificate"}
    | {"recall", "every"}
)
_LISTS: Final = frozenset({"called", "calling", "nodes", "bindings", "networks"})
_FLAGS: Final = frozenset(
    {"digest", "accept_unknown", "require_client_cert", "verify_hostname", "resume", "virtual_hosted", "write_behind"}
    | {"recall_study"}
)


_TABLES: Final = frozenset({"tiers", "moves", "retention", "quota", "limits", "recompress"})  # JSON in the environment


def _names(cls: type[Any]) -> list[str]:
    return [one.name for one in fields(cls)]


def _parsed(name: str, text: str) -> Any:
    if name in _LISTS:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if name in _TABLES:
        try:
            return json.loads(text)
        except ValueError:
            raise ConfigurationError(f"{_PREFIX}{name.upper()} is JSON, not {text!r}") from None
    if name in _FLAGS:
        if text.lower() not in _TRUE | _FALSE:
            raise ConfigurationError(f"{_PREFIX}{name.upper()} is yes or no, not {text!r}")
        return text.lower() in _TRUE
    return _number(name, text) if name in _NUMBERS else text


def _grouped(name: str, text: str) -> Any:
    """Read a field of a group: most are numbers."""
    return _parsed(name, text) if name in _TEXTS | _LISTS | _FLAGS | _TABLES else _number(name, text)


def _number(name: str, text: str) -> float | int | None:
    if text.lower() == "none":
        return None
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        raise ConfigurationError(f"{name} is a number, not {text!r}") from None

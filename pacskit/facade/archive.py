"""Archive, a PACS in a directory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pacskit.client.webhooks import Webhooks
from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import ConfigurationError
from pacskit.core.events import EventBus
from pacskit.encoding import TransferSyntax, encode
from pacskit.encoding.head import read_head
from pacskit.facade.identifiers import query_identifier
from pacskit.facade.nodes import Nodes
from pacskit.facade.removing import Removing
from pacskit.facade.settings import ArchiveSettings
from pacskit.facade.tiers import (
    add_lifecycle_jobs,
    has_lifecycle,
    lifecycle_of,
    open_archive_tiers,
    schedule_cycles,
)
from pacskit.network.address import Address
from pacskit.network.flow import ServiceRegistry
from pacskit.network.identity import Authenticator
from pacskit.network.threads import Server
from pacskit.services.registry import archive_services
from pacskit.storage import Counts, FindOptions, Model, Store, Stored
from pacskit.storage.entities import RemoteNode
from pacskit.storage.index.changes import Change, Retention
from pacskit.storage.index.collection import Collection
from pacskit.storage.lifecycle.holds import Holds
from pacskit.storage.pending import LINGER, SHARED_LINGER
from pacskit.storage.quarantine import quarantine_in

if TYPE_CHECKING:
    from pacskit.client.jobs import Jobs
    from pacskit.facade.processes import Supervisor
    from pacskit.security.context import TlsContext
    from pacskit.storage.blobs.tiered import TieredStore
    from pacskit.storage.index.repository import SqlIndex
    from pacskit.storage.lifecycle import Report

__all__ = ["Archive"]

_PIECE = 1 << 20


def _linger(settings: ArchiveSettings) -> float:
    if settings.ingest_linger is not None:
        return settings.ingest_linger
    return LINGER if settings.processes == 1 else SHARED_LINGER


class Archive(Removing):
    """Files, an index, and the DIMSE services over them. Any number of threads use it at once.

    Parameters
    ----------
    directory
        Where everything is kept; made where it is missing. Several processes may share one.
    ae
        The AE title, short for ``settings``.
    settings
        Everything else; see `ArchiveSettings`.
    events
        Who is told what happens on the associations; see `pacskit.core.events`.

    >>> with Archive("/srv/pacs", ae="VENDOR") as archive:  # doctest: +SKIP
    ...     archive.serve(port=11112)
    ...     archive.wait()
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        ae: str | None = None,
        settings: ArchiveSettings | None = None,
        events: EventBus | None = None,
    ) -> None:
        settings = settings or ArchiveSettings()
        self.settings = settings if ae is None else replace(settings, ae=ae)
        self._events = events
        self._server: Server | Supervisor | None = None
        self._workers: Supervisor | None = None
        self._directory = os.fspath(directory)
        self._jobs: Jobs | None = None
        self._making = threading.Lock()
        with ExitStack() as opened:
            self._tiers = open_archive_tiers(directory, self.settings)
            if self._tiers is not None:
                opened.enter_context(self._tiers)
            self._store = opened.enter_context(self._open_store(directory, self._tiers))
            self.lifecycle = lifecycle_of(self._store, self._tiers, directory, self.settings)
            """What becomes of objects as time goes by, a cycle at a time."""
            self._opened = opened.pop_all()
        self._store.index.retention = Retention(self.settings.keep_changes, self.settings.keep_changes_days)
        self.nodes = Nodes(self.settings.nodes, Collection(self._store.index, RemoteNode))
        """Where the AE titles are that it may send to."""
        self.webhooks = Webhooks(self._store.index, self.settings.webhooks)
        """Who is told of changes by HTTP, while the archive serves."""

    def _open_store(self, directory: str | os.PathLike[str], tiers: TieredStore | None) -> Store:
        size, days = self.settings.quarantine_bytes, self.settings.quarantine_days
        return Store(
            directory,
            commit=self.settings.commit,
            duplicates=self.settings.duplicates,
            digest=self.settings.digest,
            index=self.settings.index,
            removal=self.settings.removal,
            blobs=self.settings.blobs if tiers is None else tiers,
            blob_options=self.settings.blob_store,
            blob_cache=self.settings.blob_cache,
            linger=_linger(self.settings),
            queue=self.settings.ingest_queue,
            quarantine=quarantine_in(directory, size=size, days=days),
        )

    @property
    def ae(self) -> str:
        """The AE title."""
        return self.settings.ae

    @property
    def index(self) -> SqlIndex:
        """The index: pages of answers, attributes made searchable (`add_tag`), records beside the objects."""
        return self._store.index

    @property
    def jobs(self) -> Jobs:
        """Work that is done later: the queue, its handlers, and the threads that `serve` starts for them."""
        with self._making:
            if self._jobs is None:
                from pacskit.client.jobs import Jobs, open_queue

                queue = open_queue(self._store.index, self.settings.jobs)
                self._jobs = Jobs(queue, threads=self.settings.job_threads)
                if has_lifecycle(self.settings):
                    add_lifecycle_jobs(self._jobs, self._store, self.lifecycle, self.recall)
            return self._jobs

    def start_jobs(self) -> None:
        """Start threads that do jobs, where there are handlers of some; `serve` does that."""
        if has_lifecycle(self.settings):
            schedule_cycles(self.jobs, self.settings.lifecycle.every)
        if self._jobs is not None and self._jobs.handlers:
            self._jobs.start()

    def stop_jobs(self, grace: float = 1.5) -> None:
        """Stop them; what has not ended after ``grace`` seconds is given back."""
        if self._jobs is not None:
            self._jobs.stop(grace)

    @property
    def holds(self) -> Holds:
        """Legal holds: what one is on is neither deleted nor replaced."""
        return Holds(self._store.index)

    def recall(
        self,
        *,
        patient_id: str | Sequence[str] = (),
        study_uid: str | Sequence[str] = (),
        series_uid: str | Sequence[str] = (),
        instance_uid: str | Sequence[str] = (),
        dry_run: bool = False,
    ) -> Report:
        """Bring what the unique keys name back to the first tier; return what came, and what did not."""
        named = {"IMAGE": instance_uid, "SERIES": series_uid, "STUDY": study_uid, "PATIENT": patient_id}
        level = next((level for level, given in named.items() if given), None)
        if level is None:
            raise ConfigurationError("what is to be recalled is named by its unique keys")
        found = self._store.locate(
            level, patient_id=patient_id, study_uid=study_uid, series_uid=series_uid, instance_uid=instance_uid
        )
        return self.lifecycle.recall((one.key for one in found), dry_run=dry_run)

    # Serving

    def serve(
        self,
        port: int = 11112,
        host: str = "127.0.0.1",
        *,
        tls: TlsContext | None = None,
        tls_port: int | None = None,
        authenticator: Authenticator | None = None,
        reuse_port: bool = False,
    ) -> Address:
        """Serve in the background; return where. Port 0 lets the system choose.

        With TLS, given here or by the settings, it listens on ``tls_port`` too, or where there is none speaks TLS on
        ``port``. ``authenticator`` decides who may come in, by user identity and certificate. With ``reuse_port``
        other processes may listen on the same port, and this one serves. Without it, where the settings say several
        processes, this one starts them and looks after them, and serves nobody itself.
        """
        if self._server is not None and not self._server.is_stopping:
            raise ConfigurationError("the archive is serving already")
        if self.settings.processes > 1 and not reuse_port:
            if tls is not None or self._events is not None:
                raise ConfigurationError("several processes take TLS from the settings, and have no events here")
            self._server = self._workers = self._several(host, port, tls_port, authenticator)
            self.start_jobs()
            return self.address
        services, options = self.serving(tls=tls, tls_port=tls_port, authenticator=authenticator)
        server = Server(services, host=host, port=port, reuse_port=reuse_port, **options)
        self._server = server.start()
        self.webhooks.start()
        self.start_jobs()
        return self.address

    def serving(
        self, *, tls: TlsContext | None, tls_port: int | None, authenticator: Authenticator | None
    ) -> tuple[ServiceRegistry, dict[str, Any]]:
        """Return what a server of either driver is given: the services over what is here, and its options."""
        settings = self.settings
        services = archive_services(
            self._store,
            ae=self.ae,
            resolve=self.nodes.get,
            accept_unknown=settings.accept_unknown,
            transcode=settings.transcode,
            events=self._events,
            move_window=settings.move_window,
            moves_per_node=settings.moves_per_node,
        )
        if tls is None and settings.tls is not None:
            from pacskit.security.context import TlsContext

            tls = TlsContext(settings.tls)
        return services, {
            "ae": self.ae,
            "timeouts": settings.timeouts,
            "limits": settings.limits,
            "called": settings.called,
            "calling": settings.calling,
            "tls": tls,
            "tls_port": settings.tls_port if tls_port is None else tls_port,
            "admission": settings.admission,
            "authenticator": authenticator,
            "events": self._events,
        }

    def _several(self, host: str, port: int, tls_port: int | None, authenticator: Authenticator | None) -> Supervisor:
        from pacskit.facade.processes import Supervisor
        from pacskit.facade.worker import ARCHIVE

        options: dict[str, Any] = {
            "directory": os.path.abspath(self._directory),
            "settings": self.settings,
            "authenticator": authenticator,
        }
        supervisor = Supervisor(
            ARCHIVE,
            options,
            processes=self.settings.processes,
            host=host,
            port=port,
            tls_port=self.settings.tls_port if tls_port is None else tls_port,
        )
        return supervisor.start()

    @property
    def processes(self) -> tuple[int, ...]:
        """The IDs of the processes that serve."""
        if self._server is None or self._server.is_stopping:
            return ()
        return (os.getpid(),) if self._workers is None else self._workers.pids

    @property
    def address(self) -> Address:
        """Where it serves."""
        if self._server is None:
            raise ConfigurationError("the archive is not serving")
        return Address(self.ae, *self._server.address)

    @property
    def tls_address(self) -> Address:
        """Where it serves with TLS."""
        if self._server is None:
            raise ConfigurationError("the archive is not serving")
        return Address(self.ae, *self._server.tls_address, tls=True)

    @property
    def port(self) -> int:
        """The port that it serves on."""
        return self.address.port

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until `stop` or `close` is called, by another thread or a signal handler; return whether it was."""
        if self._server is None:
            raise ConfigurationError("the archive is not serving")
        return self._server.wait(seconds)

    def stop(self, grace: float = 1.5) -> None:
        """Stop serving; what is under way has ``grace`` seconds. The archive itself stays open."""
        self.webhooks.stop(grace)
        if self._server is not None:
            self._server.stop(grace)
        self.stop_jobs(grace)

    def close(self) -> None:
        """Stop serving and close the archive."""
        self.stop()
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Without the network

    def store(self, source: Dataset | str | os.PathLike[str]) -> Stored:
        """Store a data set, or a file as it is; return what became of it.

        Raises DecodeError or StorageError.
        """
        if isinstance(source, Dataset):
            return self._store_dataset(source)
        head = read_head(source)
        begun = self._store.begin(head.sop_class_uid, head.sop_instance_uid, head.transfer_syntax, receiving_ae=self.ae)
        with begun as ingest, open(source, "rb", buffering=0) as file:
            file.seek(head.offset)
            while piece := file.read(_PIECE):
                ingest.write(piece)
            return ingest.commit()

    def _store_dataset(self, dataset: Dataset) -> Stored:
        syntax = str(
            dataset.file_meta.get("TransferSyntaxUID")
            or dataset.transfer_syntax
            or TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
        )
        sop_class, instance = (str(dataset.get(keyword) or "") for keyword in ("SOPClassUID", "SOPInstanceUID"))
        with self._store.begin(sop_class, instance, syntax, receiving_ae=self.ae) as ingest:
            ingest.write(encode(dataset, syntax))
            return ingest.commit()

    def find(
        self, level: Level | str = Level.STUDY, *, return_keys: Iterable[str] | None = None, **keys: Any
    ) -> Iterator[Dataset]:
        """Query by keywords, as ``Peer.find`` does; keys above the level need not be given."""
        level = Level(level)
        options = FindOptions(relational=True, retrieve_ae_title=self.ae)
        identifier = query_identifier(level, keys, return_keys)
        for match in self._store.find(level, Model.PATIENT_ROOT, identifier, options):
            yield match.dataset(Dataset)

    def changes(
        self, after: int | None = None, *, limit: int | None = None, kinds: Iterable[str] = (), wait: bool = False
    ) -> Iterator[Change]:
        """Iterate over what has happened to the archive, in the order in which it became true.

        ``after`` is the number of the last change that is known (``change.number``); without it, it begins with the
        oldest one that is kept. ``kinds`` are patterns, as ``study.*``. With ``wait`` it waits for what is to come, of
        whatever process, until the archive is closed. Raises ChangesExpired where the feed does not reach back so far.
        """
        self._store.catch_up()
        index = self._store.index
        read = index.follow_changes if wait else index.changes
        yield from read(after, limit=limit, kinds=tuple(kinds))

    def frames(self, sop_instance_uid: str, numbers: Iterable[int]) -> list[bytes]:
        """Return frames of an instance, numbered from 0: their code streams, or native bytes; no others are read.

        Raises FrameNotFound, InstanceNotFound, DecodeError or StorageError.
        """
        return self._store.frames(sop_instance_uid, list(numbers))

    def counts(self) -> Counts:
        """Return how many patients, studies, series and instances there are."""
        return self._store.counts()

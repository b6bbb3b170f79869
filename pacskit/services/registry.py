"""Which service answers for which SOP class."""

from __future__ import annotations

from collections.abc import Callable

from pacskit.core.events import EventBus
from pacskit.network.address import Address
from pacskit.network.flow import Service, ServiceRegistry
from pacskit.services.outgoing import Transcode
from pacskit.services.query import QueryService
from pacskit.services.retrieve import GetService, MoveService
from pacskit.services.sop_classes import is_unknown
from pacskit.services.storage import StorageService
from pacskit.services.verification import VerificationService
from pacskit.storage import Store

__all__ = ["archive_services", "registry_for"]


def registry_for(
    services: list[Service], *, storage: Service | None = None, accept_unknown: bool = False
) -> ServiceRegistry:
    """Return a registry of ``services`` and ``storage``.

    With ``accept_unknown`` the storage service also takes the SOP classes that PS3.6 does not know (private ones), as
    dcm4che's fallback does; those that it knows to be something else stay refused.
    """
    everything = services if storage is None else [*services, storage]
    if storage is None or not accept_unknown:
        return ServiceRegistry(everything)
    return ServiceRegistry(everything, fallback=storage, accepts=is_unknown)


def archive_services(
    store: Store,
    *,
    ae: str,
    resolve: Callable[[str], Address | None],
    accept_unknown: bool = False,
    transcode: Transcode = Transcode.LOSSLESS,
    events: EventBus | None = None,
) -> ServiceRegistry:
    """Return what an archive answers: C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET over one store.

    ``events`` is told what becomes of each instance of a retrieval.
    """
    return registry_for(
        [
            VerificationService(),
            QueryService(store, ae=ae),
            MoveService(store, ae=ae, resolve=resolve, transcode=transcode, events=events),
            GetService(store, transcode=transcode, events=events),
        ],
        storage=StorageService(store),
        accept_unknown=accept_unknown,
    )

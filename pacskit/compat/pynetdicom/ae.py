"""pynetdicom's application entity."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from pacskit.compat.pydicom.uid import UID
from pacskit.compat.pynetdicom import _globals
from pacskit.compat.pynetdicom.association import Association
from pacskit.compat.pynetdicom.datasets import LIBRARIES
from pacskit.compat.pynetdicom.errors import Unsupported
from pacskit.compat.pynetdicom.events import Handlers
from pacskit.compat.pynetdicom.pdu_primitives import NegotiationItem
from pacskit.compat.pynetdicom.presentation import PresentationContext, checked_role, checked_uid, syntax_list
from pacskit.compat.pynetdicom.server import AssociationServer
from pacskit.compat.pynetdicom.utils import set_ae
from pacskit.network.negotiation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, MAX_CONTEXTS

__all__ = ["ApplicationEntity"]

_log = logging.getLogger("pacskit.compat.pynetdicom")

_SMALLEST_PDU = 4096


def _timeout(name: str, default: float | None, *, zero: bool = True) -> Any:
    """A timeout in seconds, None for none; what is no time becomes the default, as in pynetdicom."""
    held = f"_{name}"

    def get(self: ApplicationEntity) -> float | None:
        value: float | None = self.__dict__.get(held, default)
        return value

    def put(self: ApplicationEntity, value: Any) -> None:
        if value is not None and (not isinstance(value, (int, float)) or value < 0 or (value == 0 and not zero)):
            _log.warning("%s set to %s", name, default)
            value = default
        self.__dict__[held] = value
        for assoc in self.active_associations:
            setattr(assoc, name, value)

    return property(get, put, doc=f"The {name.replace('_', ' ')} in seconds; None for none.")


class ApplicationEntity:
    """Requests associations with its requested contexts, and accepts them with its supported ones."""

    acse_timeout = _timeout("acse_timeout", 30)
    connection_timeout = _timeout("connection_timeout", None, zero=False)
    dimse_timeout = _timeout("dimse_timeout", 30)
    network_timeout = _timeout("network_timeout", 60)

    def __init__(self, ae_title: str = "PYNETDICOM") -> None:
        self._lock = threading.Lock()
        self._associations: list[Association] = []
        self._servers: list[AssociationServer] = []
        self._requested: list[PresentationContext] = []
        self._supported: dict[str, PresentationContext] = {}
        self._maximum_associations = 10
        self._maximum_pdu_size = _globals.DEFAULT_MAX_LENGTH
        self._calling: list[str] = []
        self._implementation = UID(IMPLEMENTATION_CLASS_UID)
        self._version: str | None = IMPLEMENTATION_VERSION
        self.require_called_aet = False
        self._data_sets: str | None = None
        self.ae_title = ae_title

    # Who it is

    @property
    def ae_title(self) -> str:
        """Its title."""
        return self._ae_title

    @ae_title.setter
    def ae_title(self, value: str) -> None:
        self._ae_title = str(set_ae(value, "ae_title", False, False))

    @property
    def implementation_class_uid(self) -> UID:
        """The implementation that it says to be; pacskit's unless it is set."""
        return self._implementation

    @implementation_class_uid.setter
    def implementation_class_uid(self, value: Any) -> None:
        uid = checked_uid(value, "implementation_class_uid")
        if not uid.is_valid:
            raise ValueError(f"Invalid 'implementation_class_uid' value '{uid}'")
        self._implementation = uid

    @property
    def implementation_version_name(self) -> str | None:
        """The version that it says to be; None to say nothing."""
        return self._version

    @implementation_version_name.setter
    def implementation_version_name(self, value: str | None) -> None:
        self._version = set_ae(value, "implementation_version_name", False, True)

    @property
    def data_sets(self) -> str | None:
        """Whose data sets are handed out: ``pydicom``, ``pacskit`` (`pacskit.compat.pydicom`), or None.

        With None they are pydicom's where the process has imported pydicom.
        """
        return self._data_sets

    @data_sets.setter
    def data_sets(self, value: str | None) -> None:
        if value is not None and value not in LIBRARIES:
            raise ValueError(f"'data_sets' is one of {', '.join(LIBRARIES)}, or None")
        self._data_sets = value

    # Limits

    @property
    def maximum_associations(self) -> int:
        """How many associations it accepts at the same time."""
        return self._maximum_associations

    @maximum_associations.setter
    def maximum_associations(self, value: Any) -> None:
        if not isinstance(value, int) or value < 1:
            _log.warning("maximum_associations set to 1")
            value = 1
        self._maximum_associations = value

    @property
    def maximum_pdu_size(self) -> int:
        """The longest P-DATA-TF PDU that it takes; 0 for any."""
        return self._maximum_pdu_size

    @maximum_pdu_size.setter
    def maximum_pdu_size(self, value: int) -> None:
        if value < 0:
            _log.warning("maximum_pdu_size set to %d", _globals.DEFAULT_MAX_LENGTH)
            value = _globals.DEFAULT_MAX_LENGTH
        self._maximum_pdu_size = _checked_pdu(value)

    @property
    def require_calling_aet(self) -> list[str]:
        """The titles that may call; none for all."""
        return self._calling

    @require_calling_aet.setter
    def require_calling_aet(self, titles: Sequence[str]) -> None:
        self._calling = [str(set_ae(title, "require_calling_aet", False, False)) for title in titles]

    # Contexts

    @property
    def requested_contexts(self) -> list[PresentationContext]:
        """What it proposes where nothing else is said."""
        return self._requested

    @requested_contexts.setter
    def requested_contexts(self, contexts: Sequence[PresentationContext]) -> None:
        _check_contexts(contexts)
        self._requested = [] if not contexts else self._requested
        for context in contexts or ():
            self.add_requested_context(str(context.abstract_syntax), context.transfer_syntax)

    def add_requested_context(self, abstract_syntax: str, transfer_syntax: Any = None) -> None:
        """Add a context to propose."""
        if len(self._requested) >= MAX_CONTEXTS:
            raise ValueError(f"an association holds {MAX_CONTEXTS} presentation contexts, and all of them are taken")
        context = PresentationContext()
        context.abstract_syntax = abstract_syntax
        context.transfer_syntax = syntax_list(transfer_syntax)
        self._requested.append(context)

    def remove_requested_context(self, abstract_syntax: str, transfer_syntax: Any = None) -> None:
        """Take a context away, or only transfer syntaxes of it."""
        for context in [one for one in self._requested if one.abstract_syntax == str(abstract_syntax)]:
            if not _without(context, transfer_syntax):
                self._requested = [one for one in self._requested if one is not context]

    @property
    def supported_contexts(self) -> list[PresentationContext]:
        """What it accepts."""
        return [self._supported[uid] for uid in sorted(self._supported)]

    @supported_contexts.setter
    def supported_contexts(self, contexts: Sequence[PresentationContext]) -> None:
        _check_contexts(contexts, limit=None)
        if not contexts:
            self._supported = {}
        for context in contexts or ():
            self.add_supported_context(str(context.abstract_syntax), context.transfer_syntax)

    def add_supported_context(
        self,
        abstract_syntax: str,
        transfer_syntax: Any = None,
        scu_role: bool | None = None,
        scp_role: bool | None = None,
    ) -> None:
        """Add a context to accept; the roles are those that the requestor may take (None: no role selection)."""
        checked_role("scu_role", scu_role)
        checked_role("scp_role", scp_role)
        uid = str(checked_uid(abstract_syntax, "abstract_syntax"))
        context = self._supported.setdefault(uid, PresentationContext())
        context.abstract_syntax = uid
        for syntax in syntax_list(transfer_syntax):
            context.add_transfer_syntax(syntax)
        context.scu_role, context.scp_role = scu_role, scp_role

    def remove_supported_context(self, abstract_syntax: str, transfer_syntax: Any = None) -> None:
        """Take a context away, or only transfer syntaxes of it."""
        context = self._supported.get(str(abstract_syntax))
        if context is not None and not _without(context, transfer_syntax):
            del self._supported[str(abstract_syntax)]

    # Associations

    @property
    def active_associations(self) -> list[Association]:
        """The associations that there are."""
        with self._lock:
            return list(self._associations)

    def entered(self, assoc: Association) -> None:
        """There is an association; for associations."""
        with self._lock:
            self._associations.append(assoc)

    def left(self, assoc: Association) -> None:
        """An association is over; for associations."""
        with self._lock:
            self._associations = [one for one in self._associations if one is not assoc]

    def associate(  # noqa: PLR0913 - pynetdicom's
        self,
        addr: str | tuple[str, int, int],
        port: int,
        contexts: Sequence[PresentationContext] | None = None,
        ae_title: str = "ANY-SCP",
        max_pdu: int = _globals.DEFAULT_MAX_LENGTH,
        ext_neg: Sequence[NegotiationItem] | None = None,
        bind_address: tuple[Any, ...] | None = None,
        tls_args: tuple[ssl.SSLContext, str | None] | None = None,
        evt_handlers: Sequence[Any] | None = None,
    ) -> Association:
        """Request an association; what became of it is in its flags."""
        if not isinstance(addr, (str, tuple)):
            raise TypeError("'addr' must be str or tuple[str, int, int]")
        if not isinstance(port, int):
            raise TypeError("'port' must be int")
        if bind_address is not None and not isinstance(bind_address, (tuple, list)):
            raise TypeError("'bind_address' must be tuple[str, int]")
        wanted = contexts or self._requested
        _check_contexts(wanted)
        if not wanted:
            raise RuntimeError("At least one requested presentation context is required before associating with a peer")
        assoc = Association(self, _globals.MODE_REQUESTOR, Handlers(evt_handlers or ()))
        assoc.requestor.ae_title = self.ae_title
        assoc.requestor.contexts = deepcopy(list(wanted))
        for number, context in enumerate(assoc.requestor.contexts):
            context.context_id = 2 * number + 1
        for item in ext_neg or ():
            assoc.requestor.add_negotiation_item(item)
        assoc.acceptor.ae_title = str(set_ae(ae_title, "ae_title", False, False))
        host = addr if isinstance(addr, str) else addr[0]
        assoc.acceptor.where = (host, port)
        source = None if bind_address is None else tuple(bind_address[:2])
        assoc.ask((host, port), _checked_pdu(max_pdu), source, tls_args)
        return assoc

    # Servers

    def make_server(
        self,
        address: Sequence[Any],
        ae_title: str | None = None,
        contexts: Sequence[PresentationContext] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: Sequence[Any] | None = None,
        server_class: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> AssociationServer:
        """A server that listens and does not accept yet."""
        if (server_class is not None and server_class is not AssociationServer) or kwargs:
            raise Unsupported("make_server() has no server_class: the server of pacskit is no socketserver")
        chosen = list(contexts or self.supported_contexts)
        if not chosen:
            raise ValueError("No supported Presentation Contexts have been defined")
        bad = [one for one in chosen if (one.scu_role is None) is not (one.scp_role is None)]
        if bad:
            raise ValueError(f"both roles of a supported context are given, or none: {', '.join(map(repr, bad))}")
        title = str(set_ae(ae_title or self.ae_title, "ae_title", False, False))
        return AssociationServer(self, address, title, deepcopy(chosen), ssl_context, evt_handlers or ())

    def start_server(
        self,
        address: Sequence[Any],
        block: bool = True,
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: Sequence[Any] | None = None,
        ae_title: str | None = None,
        contexts: Sequence[PresentationContext] | None = None,
    ) -> AssociationServer | None:
        """Listen and accept: until it is shut down, or in a thread, returning the server."""
        server = self.make_server(address, ae_title, contexts, ssl_context, evt_handlers)
        with self._lock:
            self._servers.append(server)
        if not block:
            return server.start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.shutdown()
        return None

    def stopped(self, server: AssociationServer) -> None:
        """A server has stopped; for servers."""
        with self._lock:
            self._servers = [one for one in self._servers if one is not server]

    def shutdown(self) -> None:
        """Abort every association and stop every server."""
        with self._lock:
            servers = list(self._servers)
        for assoc in self.active_associations:
            assoc.abort()
        for server in servers:
            server.shutdown()

    def __str__(self) -> str:
        lines = [f"Application Entity {self.ae_title}", "", "  Requested Presentation Contexts:"]
        lines += _told(self._requested)
        lines += ["", "  Supported Presentation Contexts:", *_told(self.supported_contexts), ""]
        for name in ("ACSE", "DIMSE", "Network", "Connection"):
            lines.append(f"  {name} timeout: {getattr(self, f'{name.lower()}_timeout')} s")
        lines.append(f"  Associations: {len(self.active_associations)}/{self.maximum_associations}")
        return "\n".join(lines)


def _told(contexts: Sequence[PresentationContext]) -> list[str]:
    lines = []
    for context in contexts:
        lines.append(f"\t{context!r}")
        lines += [f"\t\t{syntax.name}" for syntax in context.transfer_syntax]
    return lines or ["\tNone"]


def _checked_pdu(value: int) -> int:
    if value and value < _SMALLEST_PDU:
        raise Unsupported(f"a maximum PDU size is 0 (any) or at least {_SMALLEST_PDU} here, not {value}")
    return value


def _check_contexts(contexts: Sequence[PresentationContext], limit: int | None = MAX_CONTEXTS) -> None:
    if limit is not None and len(contexts or ()) > limit:
        raise ValueError(f"The maximum allowed number of requested presentation contexts is {limit}")
    if any(not isinstance(one, PresentationContext) for one in contexts or ()):
        raise ValueError("'contexts' must be a list of PresentationContext items")


def _without(context: PresentationContext, transfer_syntax: Any) -> bool:
    """Take transfer syntaxes out of a context (None: all); return whether any are left."""
    if transfer_syntax is None:
        return False
    gone = {str(syntax) for syntax in syntax_list(transfer_syntax)}
    context.transfer_syntax = [syntax for syntax in context.transfer_syntax if str(syntax) not in gone]
    return bool(context.transfer_syntax)

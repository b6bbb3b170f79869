"""TlsContext: what makes channels, from files that may be replaced while it is in use."""

from __future__ import annotations

import logging
import os
import ssl
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from pacskit.core.errors import ConfigurationError
from pacskit.security.bindings import AeBinding
from pacskit.security.certificates import check_expiry
from pacskit.security.channel import TlsChannel
from pacskit.security.profiles import TlsProfile
from pacskit.security.settings import Password, TlsSettings

__all__ = ["TlsContext", "tls_context"]

_log = logging.getLogger("pacskit.security")

_DH_PARAMETERS = Path(__file__).with_name("ffdhe3072.pem")  # the group of RFC 7919 A.2
_MAX_SESSIONS = 256
_SOON_DAYS = 30

_Stamp: TypeAlias = "tuple[tuple[int, int, int] | None, ...]"


class _Loaded:
    """The contexts of one state of the files, and the sessions that belong to them."""

    def __init__(self, settings: TlsSettings, stamp: _Stamp) -> None:
        self.stamp = stamp
        password = _Password(settings)
        self.client = _client_context(settings, password)
        self.server = None if settings.cert is None else _server_context(settings, password)
        self.sessions: OrderedDict[tuple[str, int], ssl.SSLSession] = OrderedDict()


class TlsContext:
    """TLS for servers and clients; made by `tls_context`. Any number of threads and associations use one.

    The files are looked at whenever a connection is made, and read again when they have changed; what cannot be used
    is logged, and the last good state kept. `reload` does that at once and says what is wrong.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._refused: _Stamp | None = None
        self._loaded = self._load()

    def __repr__(self) -> str:
        return f"TlsContext({self.settings!r})"

    @property
    def bindings(self) -> tuple[AeBinding, ...]:
        return self.settings.bindings

    def reload(self) -> None:
        """Read the files again; ConfigurationError, and no change, where they cannot be used."""
        loaded = self._load()
        with self._lock:
            self._loaded = loaded

    def check_server(self) -> None:
        """Raise ConfigurationError unless a server can use it."""
        if self.settings.cert is None:
            raise ConfigurationError("a server needs a certificate and its key for TLS")

    def server(self) -> TlsChannel:
        """Return the server's side of a new connection."""
        context = self._current().server
        if context is None:
            raise ConfigurationError("a server needs a certificate and its key for TLS")
        return TlsChannel(context, server_side=True)

    def client(self, host: str, port: int) -> TlsChannel:
        """Return the client's side of a new connection; it goes on with an earlier session where there is one."""
        loaded = self._current()
        name = self.settings.server_name or host
        if not self.settings.resume:
            return TlsChannel(loaded.client, server_side=False, server_hostname=name)
        with self._lock:
            session = loaded.sessions.get((host, port))

        def keep(session: ssl.SSLSession) -> None:
            with self._lock:
                loaded.sessions[host, port] = session
                loaded.sessions.move_to_end((host, port))
                while len(loaded.sessions) > _MAX_SESSIONS:
                    loaded.sessions.popitem(last=False)

        return TlsChannel(loaded.client, server_side=False, server_hostname=name, session=session, keep=keep)

    def _current(self) -> _Loaded:
        stamp = _stamp(self.settings)
        loaded = self._loaded
        if stamp in {loaded.stamp, self._refused}:
            return loaded
        with self._lock:
            if stamp not in {self._loaded.stamp, self._refused}:
                try:
                    self._loaded = self._load()
                except ConfigurationError as exc:
                    self._refused = stamp
                    _log.warning("the TLS files have changed and cannot be used, the earlier ones stay: %s", exc)
                else:
                    _log.info("the TLS files have changed and were read again")
            return self._loaded

    def _load(self) -> _Loaded:
        settings = self.settings
        # Looked at before they are read: what changes in between is then noticed the next time.
        loaded = _Loaded(settings, _stamp(settings))
        self._refused = None
        if settings.cert is not None:
            for certificate in check_expiry(settings.cert, days=_SOON_DAYS):
                _log.warning("the certificate of %s ends at %s", certificate.subject, certificate.not_after)
        return loaded


def tls_context(  # noqa: PLR0913 - keyword-only options
    *,
    cert: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    ca: str | os.PathLike[str] | None = None,
    password: Password | None = None,
    password_file: str | os.PathLike[str] | None = None,
    profile: TlsProfile | str = TlsProfile.BCP195_RFC9325,
    require_client_cert: bool | None = None,
    verify_hostname: bool = True,
    server_name: str | None = None,
    resume: bool = True,
    bindings: Iterable[AeBinding | str] = (),
) -> TlsContext:
    """Read certificates and keys, for TLS in both roles; see `TlsSettings` for the parameters.

    Raises ConfigurationError for what cannot work.
    """
    return TlsContext(
        TlsSettings(
            cert=cert,
            key=key,
            ca=ca,
            password=password,
            password_file=password_file,
            profile=profile,  # type: ignore[arg-type]
            require_client_cert=require_client_cert,
            verify_hostname=verify_hostname,
            server_name=server_name,
            resume=resume,
            bindings=bindings,  # type: ignore[arg-type]
        )
    )


class _Password:
    """Asks for the password of the key once, and only where it is encrypted."""

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._known: str | bytes | None = None

    def __call__(self) -> str | bytes:
        if self._known is None:
            self._known = self._settings.read_password()
        return self._known


def _stamp(settings: TlsSettings) -> _Stamp:
    return tuple(_stamp_of(path) for path in settings.files)


def _stamp_of(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _context(settings: TlsSettings, protocol: int, password: _Password) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join((*settings.profile.suites, "@SECLEVEL=2")))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # A CA between the root and the peer may be trusted by itself, as hospitals often hand out only that.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.cert is not None:
        _load_own(context, settings, password)
    if settings.ca is not None:
        try:
            context.load_verify_locations(cafile=os.fspath(settings.ca))
        except (OSError, ssl.SSLError) as exc:
            raise ConfigurationError(f"{settings.ca} cannot be used as CA: {_text(exc)}") from None
    return context


def _load_own(context: ssl.SSLContext, settings: TlsSettings, password: _Password) -> None:
    if settings.cert is None:
        return
    try:
        context.load_cert_chain(
            os.fspath(settings.cert), None if settings.key is None else os.fspath(settings.key), password
        )
    except ssl.SSLError as exc:
        where = f"{settings.cert} and {settings.key}" if settings.key else f"{settings.cert}"
        raise ConfigurationError(f"{where} cannot be used as certificate and key: {_text(exc)}") from None
    except (OSError, ValueError) as exc:
        if isinstance(exc, ConfigurationError):
            raise
        missing = settings.cert if not os.path.exists(settings.cert) else settings.key or settings.cert
        raise ConfigurationError(f"{missing} cannot be read: {_text(exc)}") from None


def _text(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLError):
        return (exc.reason or "no PEM, or the wrong password").lower().replace("_", " ")
    return getattr(exc, "strerror", None) or str(exc)


def _client_context(settings: TlsSettings, password: _Password) -> ssl.SSLContext:
    context = _context(settings, ssl.PROTOCOL_TLS_CLIENT, password)
    context.check_hostname = settings.verify_hostname
    if settings.ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def _server_context(settings: TlsSettings, password: _Password) -> ssl.SSLContext:
    context = _context(settings, ssl.PROTOCOL_TLS_SERVER, password)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_DH_USE | ssl.OP_SINGLE_ECDH_USE
    context.load_dh_params(os.fspath(_DH_PARAMETERS))
    if settings.asks_for_client_cert:
        context.verify_mode = ssl.CERT_REQUIRED
    elif settings.ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
    return context

"""One POST to a webhook: to an address that may be reached, within a deadline, with TLS verified, never redirected."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from pacskit._version import __version__
from pacskit.core.errors import ConfigurationError, NetworkError

if TYPE_CHECKING:
    import ssl

__all__ = ["DeliveryFailed", "Post", "WebhookSettings", "check_url"]

_IP = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_PORTS: Final = {"https": 443, "http": 80}


class DeliveryFailed(NetworkError):
    """A delivery has not been taken; ``status`` is the HTTP status, None where there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """How webhooks are delivered.

    Parameters
    ----------
    networks
        Networks that are not of the Internet and may be reached all the same, as ``10.1.0.0/16`` or ``127.0.0.0/8``;
        without TLS these alone.
    ca
        Whom to trust, a PEM file; by default whom the system trusts.
    timeout
        Seconds for a delivery, from the connection to the answer.
    attempts
        How many in a row may fail before a hook is paused.
    pause, longest_pause
        Seconds after the first attempt that fails; they double after each other one, up to the longest.
    """

    networks: tuple[str, ...] = ()
    ca: str | None = None
    timeout: float = 10.0
    attempts: int = 20
    pause: float = 1.0
    longest_pause: float = 300.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "networks", tuple(self.networks))
        try:
            for network in self.networks:
                ipaddress.ip_network(network)
        except ValueError as error:
            raise ConfigurationError(f"webhooks: {error}") from None
        if not (0 < self.timeout <= 600 and self.attempts >= 1 and 0 < self.pause <= self.longest_pause):
            raise ConfigurationError("webhooks: timeout, attempts and pauses are above 0, and timeout at most 600")

    def context(self) -> ssl.SSLContext:
        """Return what TLS is spoken with. Raises ConfigurationError."""
        import ssl

        try:
            return ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise ConfigurationError(f"webhooks: {self.ca}: {error.strerror or error}") from None


def check_url(url: str) -> SplitResult:
    """Return the parts of an address that a hook may have. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("a webhook has an address as https://host/path") from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ConfigurationError("a webhook has an address as https://host/path")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ConfigurationError("the address of a webhook has neither user nor password nor fragment")
    if any(not "!" <= one <= "~" for one in url):
        raise ConfigurationError("the address of a webhook has no blanks and no letters beyond ASCII")
    return parts


class Post:
    """A delivery on its way; another thread may `abort` it."""

    def __init__(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        settings: WebhookSettings,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._context = context
        self._parts = check_url(url)
        self._body = body
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"pacskit/{__version__}",
            "Connection": "close",
            **headers,
        }
        self._settings = settings
        self._until = 0.0
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._ended = False

    def send(self) -> int:
        """Send it; return the status, of 200 to 299. Raises DeliveryFailed, and ConfigurationError without a CA."""
        import http.client

        if self._parts.scheme == "https" and self._context is None:
            self._context = self._settings.context()
        self._until = time.monotonic() + self._settings.timeout
        watchdog = threading.Timer(self._settings.timeout, self.abort)
        watchdog.daemon = True
        watchdog.start()
        try:
            status = self._exchange()
        except DeliveryFailed:
            raise
        except (OSError, http.client.HTTPException) as error:
            if self._ended:
                raise DeliveryFailed("no answer in time") from None
            raise DeliveryFailed(_reason(error)) from None
        finally:
            watchdog.cancel()
            self.abort()
        if not 200 <= status < 300:
            redirected = " (it is not redirected)" if 300 <= status < 400 else ""
            raise DeliveryFailed(f"HTTP status {status}{redirected}", status)
        return status

    def abort(self) -> None:
        """End it, whatever it waits for; who has resolved a name by then gets no further."""
        with self._lock:
            self._ended = True
            if self._socket is not None:
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # beneath TLS, if there is any

    def _exchange(self) -> int:
        import http.client

        host, port = str(self._parts.hostname), self._parts.port or _PORTS[self._parts.scheme]
        raw = self._connect(host, port)
        try:
            if self._context is not None:
                secure = self._context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
                raw = secure
                self._watch(secure)
                secure.do_handshake()
            connection = http.client.HTTPConnection(host, port)
            connection.default_port = _PORTS[self._parts.scheme]  # which is left out of Host
            connection.sock = raw
            path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
            connection.request("POST", path, self._body, self._headers)
            status = connection.getresponse().status
            if self._ended:
                raise TimeoutError
            return status
        finally:
            with self._lock:
                self._socket = None
            raw.close()

    def _watch(self, made: socket.socket) -> None:
        """Wait no longer than the deadline for anything that this socket does."""
        with self._lock:
            if self._ended:
                made.close()
                raise TimeoutError
            self._socket = made
        made.settimeout(self._remaining())

    def _remaining(self) -> float:
        return max(0.001, self._until - time.monotonic())

    def _connect(self, host: str, port: int) -> socket.socket:
        """Connect to the first address that may be reached and can be; which one that is, is looked at here alone."""
        failure: OSError | None = None
        refused = False
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            if not self._may_reach(ipaddress.ip_address(str(address[0]).partition("%")[0])):
                refused = True
                continue
            made = socket.socket(family, kind, protocol)
            self._watch(made)
            try:
                made.connect(address)
            except OSError as error:
                with self._lock:
                    self._socket = None
                made.close()
                failure = error
                continue
            return made
        if failure is None and refused:
            raise DeliveryFailed("the address is of no network that may be reached (webhooks.networks)")
        raise failure or OSError("the name has no address")

    def _may_reach(self, address: _IP) -> bool:
        real = _real(address)
        networks = [ipaddress.ip_network(one) for one in self._settings.networks]
        if any(one in network for one in (address, real) for network in networks if network.version == one.version):
            return True
        return self._parts.scheme == "https" and real.is_global and not real.is_multicast


def _real(address: _IP) -> _IP:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _reason(error: Exception) -> str:
    """Say what went wrong, without what the other end said."""
    verification: Any = getattr(error, "verify_message", None)
    if verification:
        return f"TLS: {verification}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the name has no address"
    return str(getattr(error, "strerror", None) or type(error).__name__)

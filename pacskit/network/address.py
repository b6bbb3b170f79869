"""Where a peer is: ``AE@host:port``."""

from __future__ import annotations

from dataclasses import dataclass

from pacskit.core.errors import ConfigurationError

__all__ = ["Address", "check_ae_title"]

DEFAULT_PORT = 104
DEFAULT_TLS_PORT = 2762  # dicom-tls (PS3.15 B.12)
_TLS = "tls:"


def check_ae_title(title: str) -> str:
    """Return ``title`` without its padding; raise ConfigurationError unless it is an AE (PS3.5 6.2)."""
    stripped = title.strip(" ")
    if not 1 <= len(stripped) <= 16:
        raise ConfigurationError(f"an AE title has 1 to 16 characters: {title!r}")
    if any(not 0x20 <= ord(c) < 0x7F or c == "\\" for c in stripped):
        raise ConfigurationError(f"an AE title has no backslash, control or non-ASCII character: {title!r}")
    return stripped


@dataclass(frozen=True, slots=True)
class Address:
    """An application entity on the network; ``tls`` says that it is to be reached by TLS.

    >>> Address.parse("PACS@10.0.0.5:11112")
    Address(ae='PACS', host='10.0.0.5', port=11112, tls=False)
    >>> str(Address.parse("tls:PACS@pacs.example"))
    'tls:PACS@pacs.example:2762'
    >>> str(Address.parse("PACS@[::1]"))
    'PACS@[::1]:104'
    """

    ae: str
    host: str
    port: int = DEFAULT_PORT
    tls: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "ae", check_ae_title(self.ae))
        if not self.host:
            raise ConfigurationError("an address needs a host")
        if not 0 < self.port < 65536:
            raise ConfigurationError(f"a port is 1 to 65535: {self.port}")

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``AE@host``, ``AE@host:port`` or ``AE@[ipv6]:port``, each also with ``tls:`` before it."""
        tls = text.startswith(_TLS)
        ae, at, rest = text.removeprefix(_TLS).rpartition("@")
        if not at:
            raise ConfigurationError(f"an address is AE@host:port: {text!r}")
        host, port = _split_port(rest, text)
        if port is None:
            port = DEFAULT_TLS_PORT if tls else DEFAULT_PORT
        return cls(ae, host, port, tls)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{_TLS if self.tls else ''}{self.ae}@{host}:{self.port}"


def _split_port(rest: str, text: str) -> tuple[str, int | None]:
    if rest.startswith("["):
        host, bracket, tail = rest[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ConfigurationError(f"an address is AE@host:port: {text!r}")
        port = tail[1:]
    else:
        host, _, port = rest.partition(":")
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit()):
        raise ConfigurationError(f"a port is a number: {text!r}")
    return host, int(port)

"""TlsSettings: files and choices, as a value."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pacskit.core.errors import ConfigurationError
from pacskit.security.bindings import AeBinding
from pacskit.security.profiles import TlsProfile

__all__ = ["Password", "TlsSettings"]

Password: TypeAlias = str | bytes | Callable[[], str | bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """What TLS is to be done with. The same settings serve a server and a client.

    Parameters
    ----------
    cert, key
        Our certificate (with those between it and the CA after it) and its key, PEM; the key may be in the same file.
    ca
        Whom to trust, PEM. Without it a client trusts what the system trusts, and a server asks nobody for a
        certificate.
    password
        Of an encrypted key, or what to call for it; ``password_file`` is a file with it in its first line.
    profile
        Which profile of PS3.15 annex B.
    require_client_cert
        Whether a server turns clients without a certificate away; None: it does when there is a ``ca``. With False and
        a ``ca`` it asks, checks what it gets, and takes nothing for an answer.
    verify_hostname
        Whether a client wants the server's certificate to bear the host name or address that it connects to.
        Without it any certificate that ``ca`` has signed will do, which many installations are used to.
    server_name
        The name to ask for and to check, instead of the host of the address.
    resume
        Whether a client takes up the sessions of earlier connections to the same place, which saves it most of a
        handshake (RFC 8446 2.2). CPython before 3.12.8 and 3.13.1 loses some 5 kB with each session it is asked for
        (gh-116810), so this is of no use where connections go to ever new places.
    bindings
        Calling AE titles that belong to certain certificates, also as ``AE=cn:NAME``, ``AE=san:NAME``,
        ``AE=sha256:DIGITS``. Another certificate, or a connection without TLS, may not use them.
    """

    cert: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    ca: str | os.PathLike[str] | None = None
    password: Password | None = field(default=None, repr=False)
    password_file: str | os.PathLike[str] | None = None
    profile: TlsProfile = TlsProfile.BCP195_RFC9325
    require_client_cert: bool | None = None
    verify_hostname: bool = True
    server_name: str | None = None
    resume: bool = True
    bindings: tuple[AeBinding, ...] = ()

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "profile", TlsProfile(self.profile))
        except ValueError:
            known = ", ".join(TlsProfile)
            raise ConfigurationError(f"a TLS profile is one of {known}, not {self.profile!r}") from None
        if self.key is not None and self.cert is None:
            raise ConfigurationError("a key needs its certificate")
        if self.require_client_cert and self.ca is None:
            raise ConfigurationError("to require certificates of clients needs a CA that they are checked by")
        if self.password is not None and self.password_file is not None:
            raise ConfigurationError("a password, or a file with it, not both")
        object.__setattr__(self, "bindings", _bindings(self.bindings))
        if self.bindings and self.ca is None:
            raise ConfigurationError("to bind AE titles to certificates needs a CA that clients are checked by")

    @property
    def asks_for_client_cert(self) -> bool:
        """Whether a server with these settings requires a certificate of its clients."""
        return self.ca is not None if self.require_client_cert is None else self.require_client_cert

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is read."""
        named = (self.cert, self.key, self.ca, self.password_file)
        return tuple(os.fspath(one) for one in named if one is not None)

    def read_password(self) -> str | bytes:
        """Return the password of the key; raise ConfigurationError where there is none."""
        if self.password_file is not None:
            first = Path(self.password_file).read_text("utf-8").splitlines()[:1]
            return first[0] if first else ""
        password = self.password() if callable(self.password) else self.password
        if password is None:
            raise ConfigurationError(f"the key in {self.key or self.cert} is encrypted and no password was given")
        return password


def _bindings(given: Iterable[AeBinding | str]) -> tuple[AeBinding, ...]:
    if isinstance(given, str):
        raise ConfigurationError("bindings are a list")
    return tuple(AeBinding.parse(one) if isinstance(one, str) else one for one in given)

"""Certificates: what a file holds, when it ends, and a CA for tests."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pacskit.core.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["CaForTests", "CertificateInfo", "KeyPair", "check_expiry", "make_test_ca", "read_certificates"]


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """What a certificate says; ``fingerprint`` is its SHA-256 in hexadecimal, as `AeBinding` takes it."""

    subject: str
    issuer: str
    common_name: str
    names: tuple[str, ...]
    fingerprint: str
    not_before: datetime
    not_after: datetime

    def is_expired(self, at: datetime | None = None) -> bool:
        """Whether its time is over (or has not begun) now, or ``at`` another time."""
        moment = datetime.now(UTC) if at is None else at
        return not self.not_before <= moment <= self.not_after


def read_certificates(path: str | os.PathLike[str]) -> list[CertificateInfo]:
    """Return what the certificates of a PEM file say, in its order; raise ConfigurationError where there are none."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} holds no certificates: {error}") from None
    return [_described(one) for one in found]


def check_expiry(path: str | os.PathLike[str], *, days: float = 30) -> list[CertificateInfo]:
    """Return the certificates of a PEM file that are not good now, or will not be so many days from now."""
    later = datetime.now(UTC) + timedelta(days=days)
    return [one for one in read_certificates(path) if one.is_expired() or one.is_expired(later)]


def _described(certificate: x509.Certificate) -> CertificateInfo:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = tuple(str(one.value) for one in extension.value)
    except x509.ExtensionNotFound:
        names = ()
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return CertificateInfo(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        common_name=str(common[-1].value) if common else "",
        names=names,
        fingerprint=certificate.fingerprint(SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


# A CA for tests


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a certificate and its key are."""

    cert: Path
    key: Path


class CaForTests:
    """A CA whose key nobody protects: for tests and first steps only; made by `make_test_ca`.

    ``ca`` is its certificate, ``server`` and ``client`` are certificates and keys that it has signed, for this machine.
    """

    def __init__(self, directory: Path, certificate: Any, key: Any, *, elliptic: bool) -> None:
        self._directory = directory
        self._certificate, self._key = certificate, key
        self._elliptic = elliptic
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(_pem(certificate))
        self.server = self.issue("server")
        self.client = self.issue("client")

    def issue(
        self,
        name: str,
        *,
        hosts: Iterable[str] = ("localhost", "127.0.0.1", "::1"),
        days: float = 90,
        password: str | None = None,
    ) -> KeyPair:
        """Write ``NAME.pem`` and ``NAME.key`` for a common name and some hosts; negative ``days``: it ended then."""
        key = _new_key(self._elliptic)
        certificate = _signed(name, key, self._certificate, self._key, days, hosts)
        pair = KeyPair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        pair.cert.write_bytes(_pem(certificate))
        descriptor = os.open(pair.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(_key_pem(key, password))
        return pair


def make_test_ca(directory: str | os.PathLike[str], *, elliptic: bool = False) -> CaForTests:
    """Make a CA, a server's and a client's certificate in ``directory``: for tests and first steps, not for patients.

    >>> ca = make_test_ca("certificates")
    >>> sorted(path.name for path in ca.ca.parent.iterdir())
    ['ca.pem', 'client.key', 'client.pem', 'server.key', 'server.pem']
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    key = _new_key(elliptic)
    return CaForTests(folder, _signed("pacskit test CA", key, None, key, 90, ()), key, elliptic=elliptic)


def _new_key(elliptic: bool) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    return ec.generate_private_key(ec.SECP256R1()) if elliptic else rsa.generate_private_key(65537, 2048)


def _signed(name: str, key: Any, issuer: Any, issuer_key: Any, days: float, hosts: Iterable[str]) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + timedelta(days=days)) - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    names = [_general_name(host) for host in hosts]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, SHA256())


def _general_name(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return bytes(certificate.public_bytes(Encoding.PEM))


def _key_pem(key: Any, password: str | None) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    lock = NoEncryption() if password is None else BestAvailableEncryption(password.encode())
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))

"""Which certificate may use which calling AE title."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pacskit.core.errors import ConfigurationError

__all__ = ["AeBinding", "allows", "binds"]

_KINDS = ("cn", "san", "sha256")


@dataclass(frozen=True, slots=True)
class AeBinding:
    """A calling AE title (or a pattern of them) belongs to the holders of certain certificates.

    ``kind`` says what of the certificate is compared with ``value``: ``cn`` the subject's common name, ``san`` any
    subject alternative name (both may be patterns), ``sha256`` the fingerprint.

    >>> AeBinding.parse("WS1=cn:ws1.hospital.example")
    AeBinding(ae='WS1', kind='cn', value='ws1.hospital.example')
    """

    ae: str
    kind: str
    value: str

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ConfigurationError(f"an AE title is bound by {', '.join(_KINDS)}, not by {self.kind!r}")
        if not self.ae or not self.value:
            raise ConfigurationError("a binding has an AE title and a value")
        if self.kind == "sha256":
            digits = self.value.replace(":", "").lower()
            if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
                raise ConfigurationError(f"a SHA-256 fingerprint has 64 hexadecimal digits: {self.value!r}")
            object.__setattr__(self, "value", digits)

    @classmethod
    def parse(cls, text: str) -> AeBinding:
        """Read ``AE=kind:value``."""
        ae, equals, rest = text.partition("=")
        kind, colon, value = rest.partition(":")
        if not equals or not colon:
            raise ConfigurationError(f"a binding is AE=cn:NAME, AE=san:NAME or AE=sha256:DIGITS, not {text!r}")
        return cls(ae.strip(), kind.strip().lower(), value.strip())

    def names(self, ae: str) -> bool:
        """Whether it speaks of this AE title."""
        return fnmatchcase(ae, self.ae)

    def fits(self, certificate: Mapping[str, Any], fingerprint: str) -> bool:
        """Whether a certificate, as the `ssl` module describes it, is one of those that it is about."""
        if self.kind == "sha256":
            return self.value == fingerprint
        if self.kind == "cn":
            found = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
        else:
            found = [value for _, value in certificate.get("subjectAltName", ())]
        return any(fnmatchcase(str(one), self.value) for one in found)


def binds(bindings: Iterable[AeBinding], ae: str) -> bool:
    """Whether an AE title is bound to certificates."""
    return any(binding.names(ae) for binding in bindings)


def allows(bindings: Iterable[AeBinding], ae: str, certificate: Mapping[str, Any], fingerprint: str) -> bool:
    """Whether the holder of a certificate may use an AE title; it may use any that is not bound."""
    about = [binding for binding in bindings if binding.names(ae)]
    return not about or any(binding.fits(certificate, fingerprint) for binding in about)

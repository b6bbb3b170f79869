"""How a store is reached and what it is asked to do with blobs, as a value without secrets in its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, Self

from pacskit.core.errors import ConfigurationError

__all__ = ["Encryption", "StoreOptions"]

Encryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]
_ENCRYPTIONS: Final = ("AES256", "aws:kms", "aws:kms:dsse")
_SECRETS: Final = ("key", "secret", "token", "sas", "password", "signature", "credential")
_NUMBERS: Final = frozenset({"timeout", "deadline"})
_COUNTS: Final = frozenset({"max_size", "part_size", "max_bytes", "concurrency"})
_PLAIN_KEYS: Final = frozenset({"sse_kms_key_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """How a store is reached.

    Parameters
    ----------
    endpoint, region, account
        Where it is, where that does not follow from the name of the service; ``account`` is Azure's.
    storage_class
        The class or tier of what is put: ``STANDARD_IA``, ``Cool``, ``NEARLINE`` …
    sse, sse_kms_key_id
        Encryption by S3 with its keys (``AES256``) or those of KMS (``aws:kms``).
    timeout
        Seconds without an answer, or without the next bytes, after which a request is given up and tried again.
    deadline
        Seconds after which a call that makes no progress fails, with all that has been tried again.
    part_size, concurrency
        Blobs that are larger go in parts of that size, so many at once; about ``part_size * (concurrency + 2)`` bytes
        are in memory.
    max_size
        How many bytes one blob may have.
    sync, max_bytes
        Of files and of memory: see `LocalStore` and `MemoryStore`.
    virtual_hosted
        Whether the bucket is a part of the host's name.
    root_certificate
        PEM of an authority to trust beside the system's.
    credentials
        Names and values as obstore takes them (``access_key_id``, ``secret_access_key``, ``account_key`` …); without
        any they come from the environment or the machine's role, as the provider defines. Never shown.
    """

    endpoint: str | None = None
    region: str | None = None
    account: str | None = None
    storage_class: str | None = None
    sse: Encryption | None = None
    sse_kms_key_id: str | None = None
    timeout: float = 30.0
    deadline: float = 120.0
    part_size: int = 5 << 20
    concurrency: int = 2
    max_size: int | None = None
    max_bytes: int = 256 << 20
    sync: str = "object"
    virtual_hosted: bool = False
    root_certificate: str | None = field(default=None, repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= self.deadline:
            raise ConfigurationError("timeout is more than 0 seconds, and deadline not less than it")
        if self.part_size < 5 << 20 or not 1 <= self.concurrency <= 64:
            raise ConfigurationError("parts have 5 MiB or more, and 1 to 64 of them are under way")
        if self.sse is not None and self.sse not in _ENCRYPTIONS:
            raise ConfigurationError(f"sse is one of {', '.join(_ENCRYPTIONS)}")
        if self.sse_kms_key_id is not None and self.sse not in ("aws:kms", "aws:kms:dsse"):
            raise ConfigurationError("sse_kms_key_id needs sse=aws:kms")
        if self.sync not in ("none", "object"):
            raise ConfigurationError("sync is none or object")

    @property
    def patience(self) -> float:
        """Seconds for which obstore tries again by itself; as long is what fails otherwise tried again here."""
        return (self.deadline - self.timeout) / 2

    def with_query(self, query: Mapping[str, str]) -> Self:
        """Return these options with what the query of an address says; ConfigurationError for secrets in it."""
        values: dict[str, Any] = {}
        for name, text in query.items():
            if name not in _PLAIN_KEYS and any(word in name.lower() for word in _SECRETS):
                raise ConfigurationError("credentials belong into StoreOptions or the environment, not an address")
            if name not in {one.name for one in fields(self)} or name == "root_certificate":
                raise ConfigurationError(f"an address of a store has no {name!r}")
            values[name] = _value(name, text)
        return replace(self, **values)


def _value(name: str, text: str) -> Any:
    try:
        if name in _COUNTS:
            return int(text)
        if name in _NUMBERS:
            return float(text)
    except ValueError:
        raise ConfigurationError(f"{name} is a number, not {text!r}") from None
    if name == "virtual_hosted":
        if text not in ("true", "false"):
            raise ConfigurationError("virtual_hosted is true or false")
        return text == "true"
    return text

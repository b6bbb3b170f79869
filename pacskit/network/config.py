"""Deadlines and budgets of an association: frozen, passed in, never global."""

from __future__ import annotations

from dataclasses import dataclass

from pacskit.core.errors import ConfigurationError

__all__ = ["Limits", "Timeouts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait, in seconds; None waits for ever (only ``idle`` and ``operation`` may be None).

    ``connect`` is for the TCP connection, ``handshake`` for the agreement on TLS over it, ``acse`` for the whole
    association establishment after that (and the ARTIM timer of PS3.8 9.1.5 on the acceptor's side), ``dimse`` for a
    message to come in or go out (one that takes longer must keep moving, see `Limits.min_rate`), ``idle`` for the next
    request of a peer that is doing nothing, ``release`` for the peer to answer a release and for it to close the
    connection afterwards, ``operation`` for all the responses to a request of ours, however many they are.
    """

    connect: float = 10.0
    handshake: float = 10.0
    acse: float = 30.0
    dimse: float = 60.0
    idle: float | None = 600.0
    release: float = 5.0
    operation: float | None = None

    def __post_init__(self) -> None:
        for name in ("connect", "handshake", "acse", "dimse", "idle", "release", "operation"):
            value = getattr(self, name)
            if value is None and name in {"idle", "operation"}:
                continue
            if value is None or not value > 0:
                raise ConfigurationError(f"timeout {name!r} must be a positive number of seconds, not {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a peer may make us spend.

    ``max_pdu`` is the longest P-DATA-TF PDU that we receive (0: any; memory stays bounded all the same),
    ``max_associate_pdu`` the longest A-ASSOCIATE PDU, ``max_command`` the longest command set, ``max_memory`` the
    longest data set kept in memory by a `MemorySink`, ``max_object`` the longest data set taken at all (None: any),
    ``max_associations`` how many peers a server serves at the same time, ``max_async_ops`` how many requests a peer
    may send on an association before the first of them is answered (the asynchronous operations window that we grant;
    they are performed in their order, and TCP holds back what is not read yet), ``min_rate`` (bytes a second) how fast
    a message must move that takes longer than its deadline.
    """

    max_associations: int = 100
    max_async_ops: int = 16
    max_pdu: int = 131072
    max_associate_pdu: int = 1 << 20
    max_command: int = 1 << 16
    max_memory: int = 256 << 20
    max_object: int | None = None
    min_rate: int = 1024

    def __post_init__(self) -> None:
        if self.max_pdu != 0 and not 4096 <= self.max_pdu <= 0x7FFFFFFF:
            raise ConfigurationError(f"max_pdu must be 0 or at least 4096, not {self.max_pdu}")
        if self.max_async_ops > 0xFFFF:
            raise ConfigurationError("limit 'max_async_ops' has 16 bits")
        for name in ("max_associations", "max_async_ops", "max_associate_pdu", "max_command", "max_memory", "min_rate"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"limit {name!r} must be at least 1")

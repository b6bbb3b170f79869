"""Who may connect, how often, and how many at a time."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pacskit.core.errors import ConfigurationError
from pacskit.network.pdu import AssociateReject

__all__ = ["LOCAL_LIMIT_EXCEEDED", "NOT_ADMITTED", "TEMPORARY_CONGESTION", "Admission", "Gate"]

# PS3.8 table 9-21
NOT_ADMITTED = AssociateReject(1, 1, 1)
TEMPORARY_CONGESTION = AssociateReject(2, 3, 1)
LOCAL_LIMIT_EXCEEDED = AssociateReject(2, 3, 2)

_MAX_PEERS = 4096  # whose rates are remembered; who was longest silent is forgotten first

_Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who may open associations, before anything of them is read. A peer is an IP address here.

    Parameters
    ----------
    networks
        Addresses and networks that may connect (``10.1.0.0/16``, ``fd00::/8``, ``10.2.3.4``); empty: any. Others get
        a permanent reject.
    max_per_peer
        How many associations a peer may have at a time; more get a transient reject, local limit exceeded.
    per_second
        How many associations a second a peer may open in the long run, and ``burst`` how many at once; more get a
        transient reject, temporary congestion.
    """

    networks: tuple[str, ...] = ()
    max_per_peer: int | None = None
    per_second: float | None = None
    burst: int = 10

    def __post_init__(self) -> None:
        if isinstance(self.networks, str):
            raise ConfigurationError("networks are a list")
        object.__setattr__(self, "networks", tuple(map(str, self.networks)))
        self.parsed_networks()
        if self.max_per_peer is not None and self.max_per_peer < 1:
            raise ConfigurationError("max_per_peer must be at least 1")
        if self.per_second is not None and not self.per_second > 0:
            raise ConfigurationError("per_second must be a positive number")
        if self.burst < 1:
            raise ConfigurationError("burst must be at least 1")

    def parsed_networks(self) -> tuple[_Network, ...]:
        """Return ``networks`` as objects of `ipaddress`."""
        try:
            return tuple(ipaddress.ip_network(one) for one in self.networks)
        except ValueError as error:
            raise ConfigurationError(f"a network is given as 10.1.0.0/16: {error}") from None


class Gate:
    """Applies an `Admission`. Not for several threads at the same time."""

    def __init__(self, admission: Admission, clock: Callable[[], float] = time.monotonic) -> None:
        self._admission = admission
        self._networks = admission.parsed_networks()
        self._clock = clock
        self._inside: Counter[str] = Counter()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def enter(self, host: str, *, full: bool) -> AssociateReject | None:
        """Let a peer in and count it, or return its reject; ``full`` says that there is no room for anybody."""
        admission = self._admission
        if self._networks and not self._is_known(host):
            return NOT_ADMITTED
        if admission.per_second is not None and not self._take_token(host, admission.per_second):
            return TEMPORARY_CONGESTION
        if full:
            return LOCAL_LIMIT_EXCEEDED
        if admission.max_per_peer is not None and self._inside[host] >= admission.max_per_peer:
            return LOCAL_LIMIT_EXCEEDED
        self._inside[host] += 1
        return None

    def leave(self, host: str) -> None:
        """Count a peer's association out."""
        self._inside[host] -= 1
        if not self._inside[host]:
            del self._inside[host]

    def _is_known(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def _take_token(self, host: str, rate: float) -> bool:
        now, burst = self._clock(), self._admission.burst
        tokens, since = self._buckets.pop(host, (float(burst), now))
        tokens = min(float(burst), tokens + (now - since) * rate)
        enough = tokens >= 1
        self._buckets[host] = (tokens - 1 if enough else tokens, now)
        if len(self._buckets) > _MAX_PEERS:
            self._buckets.popitem(last=False)
        return enough

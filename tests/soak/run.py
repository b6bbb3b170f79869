"""The two long runs: associations that come and go, and everything at once. Each ends as it began, or has failed."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from pacskit.network.config import Limits
from pacskit.network.dimse import CEchoRequest
from pacskit.security.certificates import CaForTests, make_test_ca
from tests.network.peers import RawPeer, associate_rq
from tests.soak.hosts import Client, Host, Site, site
from tests.soak.load import Load
from tests.soak.measure import Held, held, settled
from tests.soak.objects import CT, Ledger
from tests.soak.work import Tally, Worker

__all__ = ["Report", "churn", "soak"]

_EVERY: Final = 10.0  # seconds between two lines of progress
_VERIFICATION: Final = "1.2.840.10008.1.1"


@dataclass
class Report:
    """What came of a run. ``warm`` and ``end`` are taken with everything up and nothing under way."""

    what: str
    cold: Held
    warm: Held
    end: Held
    after: Held
    seconds: float
    tally: Tally
    acknowledged: int = 0
    problems: list[str] = field(default_factory=list)
    stops: dict[str, float] = field(default_factory=dict)  # what stopping under load took

    def failures(self, tolerance: float, stop_within: float) -> list[str]:
        """What speaks against it."""
        return [
            *self.tally.errors,
            *self.problems,
            *(f"{name}: stopping took {took:.2f} s" for name, took in self.stops.items() if took >= stop_within),
            *(f"while up: {one}" for one in self.end.excess(self.warm, tolerance)),
            *(f"stopped: {one}" for one in self.after.excess(self.cold, float("inf"))),
        ]

    def lines(self, failures: list[str]) -> Iterator[str]:
        yield f"{self.what}: {self.seconds:.1f} s"
        yield f"  before the start  {self.cold}"
        yield f"  warm, at rest     {self.warm}"
        yield f"  end, at rest      {self.end} ({self.end.rss / self.warm.rss - 1:+.1%})"
        yield f"  stopped           {self.after}"
        for name, count in sorted(self.tally.done.items()):
            yield f"  {name:18}{count:9d}  {count / self.seconds:9.1f}/s"
        if self.tally.stored_bytes:
            yield f"  stored            {self.tally.stored_bytes / self.seconds / 1e6:9.1f} MB/s"
            yield f"  acknowledged and checked at the end: {self.acknowledged}"
        if self.tally.faults:
            ends = ", ".join(f"{name} {count}" for name, count in self.tally.faults.most_common())
            yield f"  bad lines ended: {ends}"
        for name, took in self.stops.items():
            yield f"  {name}: stopped under load in {took:.2f} s"
        yield f"  {len(failures)} failures"
        yield from (f"    {one}" for one in failures[:50])


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _watched(describe: Callable[[], str]) -> Iterator[None]:
    """Say every few seconds how it goes."""
    over = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while not over.wait(_EVERY):
            _progress(f"{time.monotonic() - began:6.0f} s  {describe()}  {held(trim=False)}")

    thread = threading.Thread(target=watch, name="soak-watch")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _all_of(work: list[Any]) -> None:
    threads = [threading.Thread(target=one.run, name=f"soak-{number}") for number, one in enumerate(work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _cold(directory: Path, ca: CaForTests) -> Held:
    """What is held before the start; what a first use imports has its own threads, as numpy, and stays."""
    import numpy  # noqa: F401

    with site(directory, ca):
        pass
    return settled(lambda: True)


# ---- associations that come and go ---------------------------------------------------------------


class _Churner:
    """Makes and ends associations: with a release, an abort, a close, or never asked for."""

    def __init__(self, site: Site, number: int, count: int, tally: Tally) -> None:
        self._chance = Random(number)
        self._count, self._tally = count, tally
        plain = [way for way in site.ways() if not way[2]]
        self._ways = plain * 2 + site.ways()

    def run(self) -> None:
        for turn in range(self._count):
            host, client, secure = self._chance.choice(self._ways)
            try:
                self._one(host, client, secure, turn)
            except Exception as exc:
                self._tally.error(f"{host.name} {client.name}{' TLS' if secure else ''}: {type(exc).__name__}: {exc}")

    def _one(self, host: Host, client: Client, secure: bool, turn: int) -> None:
        if turn % 16 == 15:
            _hang_up(host, self._chance.randrange(3))
            self._tally.count("hung up")
            return
        association = client.driver.request(
            host.address(secure=secure),
            [_VERIFICATION, CT],
            calling="CHURN",
            tls=client.tls if secure else None,
        )
        if not association.perform(CEchoRequest()).status.is_success:
            raise AssertionError("echo without success")
        self._tally.count("associations")
        if turn % 4 == 3:
            association.abort()
        else:
            association.release()
        self._tally.count(f"{client.name} to {host.name}{' (TLS)' if secure else ''}")


def _hang_up(host: Host, how: int) -> None:
    """A connection that says nothing, half of a request, or a request and is gone."""
    with RawPeer(host.servers[0].address) as raw:
        request = associate_rq(_VERIFICATION, called=host.name)
        raw.send(request[: (0, 40, len(request))[how]])


def churn(count: int, directory: Path, *, threads: int = 4, warm: int | None = None) -> Report:
    """Make and end ``count`` associations, after ``warm`` others that fill what is kept."""
    warm = max(200, count // 20) if warm is None else warm
    ca = make_test_ca(directory / "certificates")
    tally = Tally()
    cold = _cold(directory, ca)
    with site(directory, ca) as made:

        def associations(number: int, first: int) -> None:
            share = -(-number // threads)
            _all_of([_Churner(made, first + one, share, tally) for one in range(threads)])

        associations(warm, 1000)
        tally.clear()
        before = settled(made.is_idle, made.rest)
        began = time.monotonic()
        with _watched(lambda: f"{tally.done['associations']} associations, {len(tally.errors)} errors"):
            associations(count, 0)
        seconds = time.monotonic() - began
        end = settled(made.is_idle, made.rest)
    return Report("churn", cold, before, end, settled(lambda: True), seconds, tally)


# ---- everything at once ----------------------------------------------------------------------------


def soak(seconds: float, directory: Path, *, warm: float = 30.0, workers: int = 8, most: int = sys.maxsize) -> Report:
    """Use every service on both drivers for ``seconds`` or ``most`` operations a worker; stop it under load."""
    ca = make_test_ca(directory / "certificates")
    tally = Tally()
    cold = _cold(directory, ca)
    with site(directory, ca, limits=Limits(max_object=64 << 20)) as made:
        ledgers = {host.name: Ledger() for host in made.hosts}
        ways = made.ways()

        def work(seconds: float, most: int, phase: int) -> None:
            crew = []
            for number in range(workers):
                host, client, secure = ways[number % len(ways)]
                one = Worker(host, client, number, phase=phase, secure=secure, ledger=ledgers[host.name], tally=tally)
                crew.append(one.during(seconds, most))
            _all_of(crew)

        work(warm, most, 1)
        tally.clear()
        before = settled(made.is_idle, made.rest)
        began = time.monotonic()
        with _watched(lambda: f"{sum(tally.done.values())} done, {len(tally.errors)} errors"):
            work(seconds, most, 2)
        lasted = time.monotonic() - began
        end = settled(made.is_idle, made.rest)
        stops = {
            f"{host.name}{' (TLS)' if secure else ''}": _stop_under_load(made, host, ledgers[host.name], secure, tally)
            for host in made.hosts
            for secure in range(len(host.servers))
        }
        problems = [f"{host.name}: {one}" for host in made.hosts for one in ledgers[host.name].missing(host.store)]
    acknowledged = sum(len(ledger.acknowledged) for ledger in ledgers.values())
    after = settled(lambda: True)
    return Report("soak", cold, before, end, after, lasted, tally, acknowledged, problems, stops)


def _stop_under_load(site: Site, host: Host, ledger: Ledger, secure: int, tally: Tally) -> float:
    """Stop a server while eight associations store; return the seconds that it took."""
    client = site.clients[0]
    load = Load(client.driver, host.address(secure=bool(secure)), ledger, tls=client.tls if secure else None)
    load.start()
    load.enough.wait(60)
    began = time.monotonic()
    host.servers[secure].stop()
    took = time.monotonic() - began
    if not load.join():
        tally.error(f"{host.name}: associations outlive their server")
    for surprise in load.surprises:
        tally.error(f"{host.name}: {type(surprise).__name__}: {surprise}")
    return took

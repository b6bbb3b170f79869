"""What a worker does: one verb after the other, by chance, and now and then something bad."""

from __future__ import annotations

import socket
import struct
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

import pacskit
from pacskit.core.errors import PacsError
from pacskit.testing import TO_CLIENT, TO_SERVER, Abort, Close, Delay, Fault, FaultProxy, Reset, Rewrite, Split, Stall
from pacskit_ext._fragments import frame
from tests.network.peers import RawPeer, associate_rq, echo_rq, store_rq
from tests.soak.hosts import Client, Host
from tests.soak.objects import CT, Ledger, image

__all__ = ["Tally", "Worker"]

_STUDIES: Final = 4  # of a worker on each archive
_INSTANCES: Final = 40  # of a study
_VICTIMS: Final = range(900, 905)  # instances that only faulty associations send
QUICK: Final = pacskit.Timeouts(connect=5, handshake=1, acse=1, dimse=1, release=0.5)
_DEADLINE: Final = 60.0  # seconds in which a verb over a bad line has to end: the longest of QUICK, on a busy machine
_ABORT: Final = bytes.fromhex("0700 00000004 00000000")


@dataclass
class Tally:
    """What all workers have done."""

    done: Counter[str] = field(default_factory=Counter)
    stored_bytes: int = 0
    faults: Counter[str] = field(default_factory=Counter)  # how faulty associations ended
    errors: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str, number: int = 1, size: int = 0) -> None:
        with self._lock:
            self.done[what] += number
            self.stored_bytes += size

    def fault(self, how: str) -> None:
        with self._lock:
            self.faults[how] += 1

    def error(self, text: str) -> None:
        with self._lock:
            self.errors.append(text)

    def clear(self) -> None:
        with self._lock:
            self.done.clear()
            self.faults.clear()
            self.stored_bytes = 0


def _garbage(pdu: bytes) -> bytes:
    return pdu[:6] + b"\xff" * (len(pdu) - 6) if pdu[0] == 4 else pdu


def _some_fault(chance: Random, *, secure: bool) -> Fault:
    at, where = chance.randrange(2000), chance.choice((TO_SERVER, TO_CLIENT))
    in_data = not secure and chance.random() < 0.8
    choices: list[Callable[[], Fault]] = [
        lambda: Delay(0.01),
        lambda: Split(chance.choice((100, 1000)), where=where),
        lambda: Close(at, where, in_data),
        lambda: Reset(at, where, in_data),
        lambda: Abort(at, where, in_data),
    ]
    if chance.random() < 0.1:
        return Stall(at, where, in_data)  # costs its deadline
    if not secure:
        choices.append(lambda: Rewrite(_garbage, where))
    return chance.choice(choices)()


class Worker:
    """Calls one archive with one driver, with TLS or without; studies of its own, so that it knows what is there."""

    def __init__(
        self,
        host: Host,
        client: Client,
        number: int,
        *,
        phase: int,
        secure: bool,
        ledger: Ledger,
        tally: Tally,
    ) -> None:
        self.name = f"{host.name} {client.name}{' TLS' if secure else ''}"
        self._host, self._client, self._secure = host, client, secure
        self._ledger, self._tally = ledger, tally
        self._chance = Random(number + 1000 * phase)
        self._root = f"1.2.826.0.1.3680043.9.7433.{number}"
        self._version = 0
        self._until = 0.0
        self._most = 0
        self._operations: dict[str, tuple[int, Callable[[Any], object]]] = {
            "echo": (10, self._echo),
            "store": (24, self._store),
            "store, window": (6, self._store_window),
            "find": (10, self._find),
            "find, cancelled": (4, self._cancel),
            "get": (6, self._get),
            "move": (4, self._move),
            "abort in a PDV": (4, self._abort_in_pdv),
            "fault": (8, self._fault),
            "delete": (1, self._delete_study),
        }

    def during(self, seconds: float, most: int) -> Worker:
        """End after ``seconds``, or ``most`` operations."""
        self._until, self._most = time.monotonic() + seconds, most
        return self

    def run(self) -> None:
        with FaultProxy(self._host.address(secure=self._secure)) as self._proxy:
            self._turns()

    def _turns(self) -> None:
        names = list(self._operations)
        weights = [weight for weight, _ in self._operations.values()]
        turn = 0
        while time.monotonic() < self._until and turn < self._most:
            with self._peer() as peer:
                for name in self._chance.choices(names, weights, k=self._chance.randint(1, 12)):
                    turn += 1
                    try:
                        self._operations[name][1](peer)
                        self._tally.count(name)
                    except Exception as exc:
                        self._tally.error(f"{self.name}: {name}: {type(exc).__name__}: {exc}")
                        break
                    if time.monotonic() >= self._until or turn >= self._most:
                        break

    def _peer(self, address: object = None, **options: Any) -> Any:
        kept = self._client.tls if address is None else self._client.once
        tls = kept if self._secure else None
        return self._client.driver.peer(
            address or self._host.address(secure=self._secure), calling="SOAK", tls=tls, **options
        )

    def _study(self) -> str:
        return f"{self._root}.{self._chance.randrange(_STUDIES)}"

    def _image(self, study: str, number: int) -> tuple[Any, bytes]:
        self._version += 1
        return image(self._chance, study, number, self._version)

    # Operations

    def _echo(self, peer: Any) -> None:
        _check(peer.echo().is_success, "echo without success")

    def _store(self, peer: Any) -> None:
        study = self._study()
        numbers = self._chance.sample(range(_INSTANCES), self._chance.randint(1, 6))
        made = [self._image(study, number) for number in numbers]
        if self._chance.random() < 0.5:
            self._sent(peer.store([ds for ds, _ in made]), made)
            return
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            paths = [Path(folder) / f"{number}.dcm" for number in numbers]
            for path, (ds, _) in zip(paths, made, strict=True):
                pacskit.dcmwrite(path, ds)
            self._sent(peer.store(paths), made)

    def _store_window(self, peer: Any) -> None:
        study = self._study()
        made = [self._image(study, number) for number in self._chance.sample(range(_INSTANCES), 10)]
        if self._client.driver.name == "threads":
            self._sent(peer.store([ds for ds, _ in made], window=8), made)
        else:
            self._sent(peer.store([ds for ds, _ in made]), made)

    def _sent(self, outcomes: Any, made: list[tuple[Any, bytes]]) -> None:
        digests = {str(ds.SOPInstanceUID): (digest, len(ds.PixelData)) for ds, digest in made}
        for sent in outcomes:
            _check(sent.status == 0, f"{sent.status} {sent.error}")
            digest, size = digests.pop(sent.sop_instance_uid)
            self._ledger.note(sent.sop_instance_uid, digest)
            self._tally.count("stored", size=size)
        _check(not digests, f"{len(digests)} without an outcome")

    def _find(self, peer: Any) -> None:
        study = self._study()
        want = self._ledger.count(study)
        found = list(peer.find("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1"))
        _check(len(found) >= want, f"{len(found)} of {want} found")
        self._tally.count("found", len(found))

    def _cancel(self, peer: Any) -> None:
        for _ in islice(peer.find("STUDY", PatientName="Soak*"), 2):
            continue

    def _get(self, peer: Any) -> None:
        study = self._study()
        want = self._ledger.count(study)
        got = sum(event.dataset.StudyInstanceUID == study for event in peer.get("STUDY", study, sop_classes=[CT]))
        _check(got >= want, f"{got} of {want} retrieved")
        self._tally.count("retrieved", got)

    def _move(self, peer: Any) -> None:
        study = self._study()
        want = self._ledger.count(study)
        last = None
        for step in peer.move("STUDY", study, to="DEST"):
            last = step
        moved = 0 if last is None else last.completed
        _check(moved >= want, f"{moved} of {want} moved: {last}")
        self._tally.count("moved", moved)

    def _delete_study(self, peer: Any) -> None:
        study = self._study()
        self._ledger.forget(study)
        self._host.store.delete("STUDY", study_uid=study)

    # What is bad

    def _abort_in_pdv(self, peer: Any) -> None:
        """A data set that ends in the middle of a fragment: by A-ABORT, in order, or by a reset."""
        with RawPeer(self._host.servers[0].address) as raw:
            raw.send(associate_rq("1.2.840.10008.1.1", CT, called=self._host.name))
            _check(raw.pdu()[0] == 2, "no association")
            raw.send(echo_rq())
            _check(raw.pdu()[0] == 4, "no answer")
            pieces = b"".join(frame(3, bytes(60_000), 16378))
            raw.send(store_rq(), pieces[: self._chance.randrange(1, len(pieces))])
            how = self._chance.randrange(3)
            if how == 0:
                raw.send(_ABORT)
            elif how == 1:
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _fault(self, peer: Any) -> None:
        """A verb over a bad line ends well, or with an error of ours."""
        fault = _some_fault(self._chance, secure=self._secure)
        study = self._study()
        made = [self._image(study, number)[0] for number in self._chance.sample(_VICTIMS, 2)]
        verbs: list[Callable[[Any], object]] = [
            lambda bad: bad.echo(),
            lambda bad: list(bad.store(made)),
            lambda bad: list(bad.find("STUDY", PatientName="Soak*")),
            lambda bad: list(bad.get("STUDY", study, sop_classes=[CT])),
        ]
        verb = self._chance.choice(verbs)
        if isinstance(fault, Stall):  # whose connections stay as they are until the proxy ends
            with FaultProxy(self._host.address(secure=self._secure), fault) as proxy:
                self._over(proxy, verb)
        else:
            self._proxy.fault = fault
            self._over(self._proxy, verb)

    def _over(self, proxy: FaultProxy, verb: Callable[[Any], object]) -> None:
        began = time.monotonic()
        try:
            with self._peer(proxy.address, timeouts=QUICK) as bad:
                verb(bad)
            self._tally.fault("well")
        except PacsError as exc:
            self._tally.fault(type(exc).__name__)
        took = time.monotonic() - began
        _check(took < _DEADLINE, f"{proxy.fault} took {took:.1f} s")


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)

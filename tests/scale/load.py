"""Small instances sent by many at once, until each has been acknowledged; nodes die meanwhile."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

from pacskit.core.dataset import Dataset
from pacskit.core.errors import NetworkError
from pacskit.encoding import encode
from pacskit.network.association import Association
from pacskit.network.dimse import CStoreRequest
from tests.scale.cluster import Balancer, Node

__all__ = ["CT", "EXPLICIT", "Acknowledged", "Killer", "Objects", "send_all"]

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
PATIENTS = "SCALE*"
SERIES, STUDY = 50, 250  # instances of one
_OUT_OF_RESOURCES = 0xA700
_PATIENCE = 120.0  # seconds for a node to be there


class Objects:
    """Instances by number: the same bytes each time."""

    def __init__(self, pixels: int = 2048) -> None:
        self._pixels = pixels

    def uids(self, number: int) -> tuple[str, str, str]:
        """Study, series and instance."""
        study = f"1.2.840.77.{100_000 + number // STUDY}"
        return study, f"{study}.1.{100_000 + number // SERIES}", f"{study}.2.{100_000_000 + number}"

    @cache  # noqa: B019 - lives as long as the run
    def _template(self) -> bytes:
        study, series, uid = self.uids(0)
        dataset = Dataset(
            SOPClassUID=CT, SOPInstanceUID=uid, StudyInstanceUID=study, SeriesInstanceUID=series, Modality="CT",
            PatientID="SCALE100000", PatientName="Scale^Small", StudyDate="20260101", InstanceNumber="1",
            Rows=32, Columns=32, BitsAllocated=16, BitsStored=16, HighBit=15, PixelRepresentation=0,
            SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
        )  # fmt: skip
        dataset.add_new(0x7FE00010, "OW", random.Random(1).randbytes(self._pixels))
        return bytes(encode(dataset, EXPLICIT))

    def data(self, number: int) -> bytes:
        """The data set of one."""
        made = self._template()
        for old, new in zip(reversed(self.uids(0)), reversed(self.uids(number)), strict=True):
            made = made.replace(old.encode(), new.encode(), 1)
        return made.replace(b"SCALE100000", f"SCALE{100_000 + number // STUDY}".encode(), 1)

    def digest(self, number: int) -> bytes:
        """What it must have when it comes back."""
        return hashlib.sha256(self.data(number)).digest()


@dataclass
class Acknowledged:
    """What has been, and whoever waits for more of it."""

    numbers: set[int] = field(default_factory=set)
    failed: list[BaseException] = field(default_factory=list)
    again: int = 0  # sent once more, as nobody knows what became of them
    refused: int = 0  # answered, but not with success
    changed: threading.Condition = field(default_factory=threading.Condition)
    over: bool = False

    def note(self, number: int) -> None:
        with self.changed:
            self.numbers.add(number)
            self.changed.notify_all()

    def wait_for(self, count: int) -> bool:
        """Wait until there are so many, or no more will come; return whether there are."""
        with self.changed:
            self.changed.wait_for(lambda: self.over or len(self.numbers) >= count)
            return len(self.numbers) >= count

    def end(self) -> None:
        with self.changed:
            self.over = True
            self.changed.notify_all()


class _Sender:
    """One association at a time; what it could not send goes by the next one."""

    def __init__(self, objects: Objects, numbers: Iterable[int], addresses: Iterator[str], into: Acknowledged) -> None:
        self._objects, self._numbers, self._addresses, self._into = objects, numbers, addresses, into
        self._association: Association | None = None

    def run(self) -> None:
        try:
            for number in self._numbers:
                while not self._send(number):
                    self._into.again += 1
                self._into.note(number)
        except BaseException as error:
            self._into.failed.append(error)
        finally:
            if self._association is not None:
                with suppress(NetworkError):
                    self._association.release()

    def _send(self, number: int) -> bool:
        try:
            if self._association is None:
                self._association = self._associate()
            request = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid=self._objects.uids(number)[2])
            status = self._association.perform(request, self._objects.data(number)).status
        except NetworkError:
            self._association = None
            return False
        if status == _OUT_OF_RESOURCES:
            self._into.refused += 1
        elif status != 0:
            raise RuntimeError(f"{number} is refused with {status}")
        return bool(status == 0)

    def _associate(self) -> Association:
        ends = time.monotonic() + _PATIENCE
        while True:
            try:
                return Association.request(next(self._addresses), [(CT, [EXPLICIT])], calling="SENDER")
            except NetworkError:
                if time.monotonic() > ends:
                    raise


class _Numbers:
    """Each number once; whoever asks gets a series of them, as a modality sends one."""

    def __init__(self, numbers: range) -> None:
        self._series = iter([numbers[at : at + SERIES] for at in range(0, len(numbers), SERIES)])
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[int]:
        while True:
            with self._lock:
                series = next(self._series, None)
            if series is None:
                return
            yield from series


def send_all(
    objects: Objects, numbers: range, balancer: Balancer, senders: int, into: Acknowledged | None = None
) -> tuple[Acknowledged, float]:
    """Send instances until all have been acknowledged; return that, and how many that were a second."""
    into = into or Acknowledged()
    shared = _Numbers(numbers)
    threads = [
        threading.Thread(target=_Sender(objects, shared, balancer.addresses(), into).run) for _ in range(senders)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    into.end()
    if into.failed:
        raise into.failed[0]
    return into, len(numbers) / seconds


class Killer:
    """Kills nodes at moments that nobody has chosen, one or two at a time, and starts them again a little later."""

    def __init__(self, nodes: list[Node], kills: int, total: int, into: Acknowledged, seed: int) -> None:
        self.kills = 0
        self.failed: list[BaseException] = []
        self._nodes = nodes
        self._into = into
        self._chance = chance = random.Random(seed)
        self._moments = sorted(chance.sample(range(total // 50, total * 9 // 10), kills))
        self._pause = max(2, total // (8 * max(1, kills)))
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        if self.failed:
            raise self.failed[0]

    def _run(self) -> None:
        try:
            while self._moments and self._into.wait_for(self._moments.pop(0)):
                self._kill()
        except BaseException as error:
            self.failed.append(error)

    def _kill(self) -> None:
        victims = self._chance.sample(self._nodes, min(len(self._nodes) - 1, self._chance.choice((1, 1, 2))))
        for victim in victims:
            victim.kill()
            self.kills += 1
        self._into.wait_for(len(self._into.numbers) + self._chance.randrange(1, self._pause))
        for victim in victims:
            victim.start()

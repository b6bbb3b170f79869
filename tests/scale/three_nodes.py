"""Three nodes, one archive: instances come in by all of them while they are killed; then every one of them is asked."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pacskit
from pacskit.client.jobs import JobState, open_queue
from pacskit.encoding.head import read_head
from pacskit.storage import Store
from pacskit.testing import SeaweedFS
from tests.postgres import PostgresServer
from tests.scale.cluster import Balancer, Node, Shared, count_of, free_ports
from tests.scale.load import PATIENTS, STUDY, Acknowledged, Killer, Objects, send_all
from tests.scale.worker import EFFECTS, KIND

_JOBS = 300.0  # seconds for what is left of the jobs

__all__ = ["Plan", "Report", "demonstrate"]


@dataclass(frozen=True)
class Plan:
    """How much of it."""

    instances: int = 50_000
    kills: int = 20
    nodes: int = 3
    senders: int = 24
    measured: int = 2000
    """Instances of each measurement of the rate without kills; 0 for none."""
    sample: int = 10
    """Studies that each node is asked to send."""
    lease: float = 10.0
    """Seconds after which a job of a node that was killed is another's."""
    seed: int = 1


@dataclass
class Report:
    """What came of it."""

    plan: Plan
    balancer: str = ""
    rates: dict[str, float] = field(default_factory=dict)
    kills: int = 0
    again: int = 0
    refused: int = 0
    acknowledged: int = 0
    counts: list[int] = field(default_factory=list)
    retrieved: int = 0
    compared: int = 0
    orphans: int = 0
    jobs: int = 0
    attempts: int = 0
    losses: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The report, as text."""
        yield f"{self.plan.nodes} nodes on one index and one bucket, {self.balancer}, {self.plan.senders} associations"
        yield f"acknowledged: {self.acknowledged} instances, nodes killed: {self.kills}"
        yield f"sent again after a node was gone: {self.again}, refused for the moment: {self.refused}"
        for name, rate in self.rates.items():
            yield f"rate, {name}: {rate:.0f} instances/s"
        if {"one node", "all nodes"} <= self.rates.keys():
            yield f"all nodes against one: {self.rates['all nodes'] / self.rates['one node']:.2f}x"
        yield f"C-FIND, instances that each node counts: {', '.join(map(str, self.counts))}"
        yield f"C-GET, instances compared by digest, over all nodes: {self.retrieved}"
        yield f"read from the store and compared by digest: {self.compared}"
        yield f"jobs, one for each study: {self.jobs} done, begun {self.attempts} times, each with its effect once"
        yield f"objects that nobody was told of, left by kills: {self.orphans}"
        yield f"losses: {len(self.losses)}"
        yield from self.losses[:20]


@contextmanager
def cluster(shared: Shared, count: int, lease: float = 0.0) -> Iterator[tuple[list[Node], Balancer]]:
    """Nodes that serve, and what is before them."""
    with ExitStack() as stack:
        nodes = [Node(shared, number, port, lease) for number, port in enumerate(free_ports(count), 1)]
        for node in nodes:
            stack.enter_context(node)
        yield nodes, stack.enter_context(Balancer(nodes, shared.folder))


def demonstrate(plan: Plan, folder: Path, postgres: PostgresServer, server: SeaweedFS, bucket: str = "scale") -> Report:
    """Do it, and say what came of it."""
    report, objects = Report(plan), Objects()
    for round_ in range(2 if plan.measured else 0):  # in turns, as the machine is not always as busy
        for name, count in (("one node", 1), ("all nodes", plan.nodes)):
            shared = Shared(folder / f"{name}{round_}", postgres.schema(), server, f"{bucket}/{round_}-{count}")
            with cluster(shared, count) as (_, balancer):
                send_all(objects, range(plan.measured, plan.measured + 200), balancer, plan.senders)  # caches are warm
                _, rate = send_all(objects, range(plan.measured), balancer, plan.senders)
            report.rates[name] = max(rate, report.rates.get(name, 0.0))
    shared = Shared(folder / "killed", postgres.schema(), server, f"{bucket}/killed")
    with shared.store() as store, cluster(shared, plan.nodes, plan.lease) as (nodes, balancer):
        report.balancer = balancer.name
        into = Acknowledged()
        clerk = Clerk(store, objects, plan.instances, into)
        clerk.start()
        killer = Killer(nodes, plan.kills, plan.instances, into, plan.seed)
        killer.start()
        into, report.rates["while nodes are killed"] = send_all(
            objects, range(plan.instances), balancer, plan.senders, into
        )
        killer.join()
        clerk.join()
        report.kills, report.again, report.refused = killer.kills, into.again, into.refused
        report.acknowledged = len(into.numbers)
        for node in nodes:
            _ask(node, objects, plan, report, folder)
        clerk.check(report)
        _compare(store, objects, sorted(into.numbers), report)
        kinds = Counter(problem.kind for problem in store.verify())
        kinds.pop("orphan", 0)
        known = {instance.key for instance in store.index.instances()}
        report.orphans = sum(key not in known for key in store.blobs.iter_keys())
        report.losses += [f"verify: {count} {kind}" for kind, count in kinds.items()]
        for node in nodes:
            if code := node.stop():
                report.losses.append(f"node {node.number} ended with {code}")
            if "Traceback" in node.log.read_text():
                report.losses.append(f"node {node.number} has logged a traceback")
    return report


class Clerk:
    """Enqueues a job for each study that has been acknowledged, and looks at what they have done."""

    def __init__(self, store: Store, objects: Objects, instances: int, into: Acknowledged) -> None:
        self._store, self._into = store, into
        self._queue = open_queue(store.index)
        self._expected = {objects.uids(first)[0]: min(STUDY, instances - first) for first in range(0, instances, STUDY)}
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)
        store.index.run(
            lambda tx: tx.execute(f"CREATE TABLE {EFFECTS} (study TEXT NOT NULL, instances INTEGER NOT NULL)")
        )

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        if self._failed:
            raise self._failed[0]

    def _run(self) -> None:
        try:
            for number, (study, count) in enumerate(self._expected.items()):
                if self._into.wait_for_study(number, count):
                    self._queue.enqueue(KIND, {"study": study}, dedup_key=study, max_attempts=100)
        except BaseException as error:
            self._failed.append(error)

    def check(self, report: Report) -> None:
        """Wait for the jobs; each must have had its effect once."""
        ends, seen = time.monotonic() + _JOBS, -1
        with self._queue.listen():
            while self._queue.counts()[JobState.COMPLETED] < len(self._expected) and time.monotonic() < ends:
                seen = self._queue.bell.wait(seen, 1.0)
        jobs = [one for one in self._queue.list(kind=KIND, limit=10_000) if one.state == JobState.COMPLETED]
        report.jobs, report.attempts = len(jobs), sum(one.attempts for one in jobs)
        with self._store.index.reader() as connection:
            rows = connection.execute(f"SELECT study, instances FROM {EFFECTS}").fetchall()
        if sorted(rows) != sorted(self._expected.items()):
            report.losses.append(f"jobs: {len(rows)} effects of {len(self._expected)}, or other ones")


def _ask(node: Node, objects: Objects, plan: Plan, report: Report, folder: Path) -> None:
    """Have a node count all studies, and send some of them."""
    counted = count_of(node, PATIENTS)
    report.counts.append(sum(counted.values()))
    studies: dict[str, list[int]] = {}
    for number in range(plan.instances):
        studies.setdefault(objects.uids(number)[0], []).append(number)
    for study, numbers in studies.items():
        if counted.get(study) != len(numbers):
            report.losses.append(f"node {node.number} counts {counted.get(study)} of {len(numbers)} in {study}")
    chance = random.Random(node.number)
    with pacskit.connect(node.address) as peer:
        for study in chance.sample(sorted(studies), min(plan.sample, len(studies))):
            expected = {objects.uids(number)[2]: objects.digest(number) for number in studies[study]}
            for event in peer.get("STUDY", study):
                path = event.save_into(folder)
                with path.open("rb") as file:
                    file.seek(read_head(path).offset)
                    found = hashlib.file_digest(file, "sha256").digest()
                path.unlink()
                if expected.pop(str(event.sop_instance_uid), None) != found:
                    report.losses.append(f"node {node.number} gave other bytes of {event.sop_instance_uid}")
                report.retrieved += 1
            report.losses += [f"node {node.number} did not give {uid}" for uid in expected]


def _compare(store: Store, objects: Objects, numbers: list[int], report: Report) -> None:
    """Read everything that was acknowledged."""

    def differs(number: int) -> str | None:
        uid = objects.uids(number)[2]
        try:
            with store.open(uid, whole=True) as opened:
                same = hashlib.sha256(opened.read()).digest() == objects.digest(number)
        except pacskit.PacsError as error:
            return f"{uid}: {type(error).__name__}"
        return None if same else f"{uid} has other bytes"

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(differs, numbers):
            report.compared += 1
            report.losses += [] if found is None else [found]

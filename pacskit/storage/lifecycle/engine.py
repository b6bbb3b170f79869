"""One cycle after the other: recalls, moves, retention, room by the quota, and what was left is swept away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final, Protocol, TypeVar

from pacskit.core.errors import ConfigurationError, PacsError, StorageError
from pacskit.storage.blobs.errors import BlobError
from pacskit.storage.blobs.tiered import TieredStore
from pacskit.storage.errors import UnderHold
from pacskit.storage.index.removing import bytes_waiting
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.lifecycle.gate import Gate
from pacskit.storage.lifecycle.policies import MovePolicy, Policies, RecompressPolicy
from pacskit.storage.lifecycle.recompressing import Recompressed
from pacskit.storage.lifecycle.report import Action, Report, TierStatus
from pacskit.storage.lifecycle.selecting import (
    Candidate,
    Series,
    candidates,
    series_to_delete,
    study_of,
    tier_totals,
    to_recompress,
)

__all__ = ["Delete", "Lifecycle", "Recompress"]

_QUOTA: Final = "quota"
_RECALL: Final = "recall"
_TRANSIENT: Final = frozenset({"BlobUnavailable", "OutOfSpace"})

T = TypeVar("T")


class Delete(Protocol):
    """How series are deleted: `Store.delete`, with what it keeps for a while and whom it tells."""

    def __call__(self, level: str, /, *, study_uid: str, series_uid: str) -> int: ...


class Recompress(Protocol):
    """How objects are written anew: `pacskit.storage.lifecycle.recompress` of a store."""

    def __call__(self, uid: str, syntax: str, /, *, at_most: float) -> Recompressed: ...


class _Budget:
    """How much is left of what a cycle may do."""

    def __init__(self, instances: float, size: float) -> None:
        self.instances = instances
        self.bytes = size

    def __bool__(self) -> bool:
        return self.instances > 0 and self.bytes > 0

    def spend(self, actions: Iterable[Action]) -> None:
        for one in actions:
            if one.outcome in ("done", "planned"):
                self.instances -= one.instances
                self.bytes -= one.bytes


@dataclass(frozen=True, slots=True)
class _Move:
    """An object that is to be in another tier, and why."""

    rule: str
    source: str
    target: str
    one: Candidate


class Lifecycle:
    """What policies say is done by `run`, a cycle at a time. Several processes may be at it at once.

    Parameters
    ----------
    index
        That of the archive.
    tiers
        Where its objects are; None where there are no tiers, and only retention and the quota.
    policies
        What is to be done.
    delete
        What deletes series; needed for retention, and a quota without a target.
    recompress
        What writes objects anew, for policies that say so.
    disk
        A path on the file system that a quota without ``bytes`` measures.
    """

    def __init__(
        self,
        index: SqlIndex,
        tiers: TieredStore | None = None,
        policies: Policies | None = None,
        *,
        delete: Delete | None = None,
        recompress: Recompress | None = None,
        disk: Path | None = None,
    ) -> None:
        self.index = index
        self.tiers = tiers
        self.policies = Policies() if policies is None else policies
        self._delete = delete
        self._recompress = recompress
        self._limits = self.policies.limits
        self.policies.check(() if tiers is None else tiers.tiers)
        if self.policies.delete and delete is None:
            raise ConfigurationError("retention needs what deletes")
        if self.policies.recompress and recompress is None:
            raise ConfigurationError("recompression needs what recompresses")
        self.gate: Gate | None = None
        quota = self.policies.quota
        if quota is not None:
            self.gate = Gate(index, quota, disk=disk or Path(), home=None if tiers is None else tiers.home)

    def status(self) -> list[TierStatus]:
        """Return how much is in each tier."""
        if self.tiers is None:
            return []
        self.tiers.flush()
        found = tier_totals(self.index, self.tiers.home)
        return [TierStatus(name, *found.get(name, (0, 0, 0))) for name in self.tiers.tiers]

    def run(self, *, now: datetime | None = None, dry_run: bool = False) -> Report:
        """Do what is to be done now, within the limits; ``dry_run``: only say what that would be.

        What fails is in the report, and the cycle goes on; a tier that does not answer is left until the next one.
        """
        now = now or datetime.now(UTC)
        budget = _Budget(self._limits.instances, self._limits.bytes)
        actions: list[Action] = []
        swept = 0
        if self.tiers is not None:
            self.tiers.flush()
            actions += self._recall_wanted(self.tiers, budget, dry_run)
            for move in self.policies.moves:
                actions += self._move(self.tiers, move, now, budget, dry_run)
        for compress in self.policies.recompress:
            actions += self._rewrite(compress, now, budget, dry_run)
        for policy in self.policies.retention:
            found = series_to_delete(self.index, policy, now, 2 * self._limits.instances)
            actions += self._delete_series(policy.name, found, budget, dry_run)
        actions += self._make_room(now, dry_run)
        if self.gate is not None and not dry_run:
            self.gate.usage()  # so that it lets in again
        if self.tiers is not None and not dry_run:
            swept = self.tiers.sweep()
        return Report(dry_run, tuple(actions), swept)

    def recall(self, keys: Iterable[str], *, dry_run: bool = False) -> Report:
        """Bring objects back to the first tier, whatever the limits are."""
        tiers = self.tiers
        if tiers is None:
            raise ConfigurationError("the archive has no tiers")
        actions: list[Action] = []
        names = iter(keys)
        while some := list(islice(names, 100)):
            there = [row for row in tiers.state.find_all(some).values() if row.tier != tiers.home]
            actions += self._recall(tiers, [row.key for row in there], dry_run)
        return Report(dry_run, tuple(actions))

    # moving

    def _recall_wanted(self, tiers: TieredStore, budget: _Budget, dry_run: bool) -> list[Action]:
        keys = tiers.state.wanted(self._limits.instances)
        if keys and self.policies.recall_study:
            keys = list(dict.fromkeys([*keys, *study_of(self.index, keys, tiers.home)]))
        done: list[Action] = []
        while keys and budget:
            some = self._recall(tiers, keys[: self._limits.parallel], dry_run)
            budget.spend(some)
            done += some
            keys = keys[self._limits.parallel :]
        return done

    def _recall(self, tiers: TieredStore, keys: Sequence[str], dry_run: bool) -> list[Action]:
        def work(key: str) -> Action:
            found = tiers.state.find(key)
            one = Candidate(0, key, key, 0, max(0, found.size), None, "")
            done = _moved(tiers, _Move(_RECALL, found.tier, tiers.home, one), dry_run)
            if done.outcome == "failed" and done.error not in _TRANSIENT:
                tiers.state.give_up(key)
            return done

        return self._parallel(work, keys)

    def _move(
        self, tiers: TieredStore, policy: MovePolicy, now: datetime, budget: _Budget, dry_run: bool, rule: str = ""
    ) -> list[Action]:
        def work(one: Candidate) -> Action:
            return _moved(tiers, _Move(rule or policy.name, policy.source, policy.target, one), dry_run)

        found = candidates(self.index, policy.source, tiers.home, policy, now, 2 * self._limits.instances)
        done: list[Action] = []
        while budget:
            wanted = list(_within(found, budget, self._limits.parallel))
            if not wanted:
                break
            some = self._parallel(work, wanted)
            budget.spend(some)
            done += some
            if any(one.error in _TRANSIENT for one in some):
                break
        return done

    def _rewrite(self, policy: RecompressPolicy, now: datetime, budget: _Budget, dry_run: bool) -> list[Action]:
        def work(one: Candidate) -> Action:
            return self._rewritten(policy, one, dry_run)

        found = to_recompress(self.index, policy, now, 2 * self._limits.instances)
        done: list[Action] = []
        while budget:
            wanted = list(_within(found, budget, self._limits.parallel))
            if not wanted:
                break
            some = self._parallel(work, wanted)
            budget.spend(some)
            budget.instances -= sum(one.outcome == "skipped" for one in some)  # which took their time, too
            done += some
        return done

    def _rewritten(self, policy: RecompressPolicy, one: Candidate, dry_run: bool) -> Action:
        outcome, error, saved = "planned", "", one.size
        if not dry_run and self._recompress is not None:
            try:
                found = self._recompress(one.uid, policy.syntax, at_most=policy.at_most)
                outcome, saved = ("done" if found.done else "skipped"), found.size_before
            except UnderHold:
                outcome = "skipped"
            except PacsError as problem:
                outcome, error = "failed", type(problem).__name__
        return Action("recompress", policy.name, one.uid, "", "", 1, saved, outcome, error)

    # deleting

    def _delete_series(self, rule: str, found: Iterator[Series], budget: _Budget, dry_run: bool) -> list[Action]:
        done: list[Action] = []
        for one in found:
            if not budget:
                break
            action = self._deleted(rule, one, dry_run)
            budget.spend([action])
            done.append(action)
        return done

    def _deleted(self, rule: str, one: Series, dry_run: bool) -> Action:
        outcome, error, instances = "planned", "", one.instances
        if not dry_run and self._delete is not None:
            try:
                instances = self._delete("SERIES", study_uid=one.study_uid, series_uid=one.uid)
                outcome = "done" if instances else "skipped"
            except UnderHold:  # put on since the index was asked
                outcome = "skipped"
            except StorageError as problem:
                outcome, error = "failed", _kind(problem)
        return Action("delete", rule, one.uid, "", "", instances, one.size, outcome, error)

    def _make_room(self, now: datetime, dry_run: bool) -> list[Action]:
        """Move or delete until the quota is at its lower mark, if it is above the higher one."""
        quota, gate, tiers = self.policies.quota, self.gate, self.tiers
        if quota is None or gate is None:
            return []
        used, total = gate.usage()
        if quota.bytes is None:  # what has been deleted and can be restored still is on the disk, and will go
            with self.index.reader() as connection:
                used -= bytes_waiting(connection)
        if used <= quota.high * total:
            return []
        budget = _Budget(float("inf"), used - quota.low * total)
        if quota.target is not None and tiers is not None:
            anything = MovePolicy(source=tiers.home, target=quota.target)
            return self._move(tiers, anything, now, budget, dry_run, _QUOTA)
        home = None if tiers is None else tiers.home
        found = series_to_delete(self.index, None, now, 2 * self._limits.instances, home)
        return self._delete_series(_QUOTA, found, budget, dry_run)

    def _parallel(self, work: Callable[[T], Action], items: Sequence[T]) -> list[Action]:
        if len(items) < 2:
            return [work(one) for one in items]
        with ThreadPoolExecutor(min(self._limits.parallel, len(items))) as pool:
            return list(pool.map(work, items))


def _moved(tiers: TieredStore, move: _Move, dry_run: bool) -> Action:
    one = move.one
    outcome, error, size = "planned", "", one.size
    if not dry_run:
        try:
            done = tiers.move(one.key, move.target, offset=one.offset, digest=one.digest, only_if_idle=True)
            outcome, size = ("skipped", 0) if done is None else ("done", done)
        except StorageError as problem:
            outcome, error = "failed", _kind(problem)
    what = "recall" if move.rule == _RECALL else "move"
    return Action(what, move.rule, one.uid, move.source, move.target, 1, size, outcome, error)


def _kind(error: StorageError) -> str:
    transient = isinstance(error, BlobError) and error.is_transient
    return "BlobUnavailable" if transient else type(error).__name__


def _within(found: Iterator[Candidate], budget: _Budget, most: int) -> Iterator[Candidate]:
    """Take what fits into the budget, the first one whatever its size is."""
    left = budget.bytes
    for number, one in enumerate(found, 1):
        yield one
        left -= one.size
        if left <= 0 or number == min(most, budget.instances):
            return

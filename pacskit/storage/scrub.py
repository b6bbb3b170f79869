"""Whether the archive still has what it says it has: the index against the objects, both ways, and its counters.

What was removed and may come back is looked at like the rest.

It is safe beside running servers. An instance that has been replaced or removed since its row was read is none of its
concern, and a file that has no row is an orphan only when no staging name says that it is on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from pacskit.core.errors import PacsError
from pacskit.storage.blobs.errors import BlobNotFound, BlobUnavailable
from pacskit.storage.index.checking import (
    has_object,
    instance_pages,
    known_keys,
    miscounted,
    recount,
    removed_count,
    removed_pages,
)
from pacskit.storage.parallel import Pace, batched, in_order, workers_for
from pacskit.storage.reading import damage, describe_object, moment, open_object
from pacskit.storage.records import DuplicatePolicy, Outcome, StoredInstance
from pacskit.storage.tasks import Journal

if TYPE_CHECKING:
    from pacskit.storage.store import Store

__all__ = ["Problem", "Scrub", "ScrubReport"]

_PAGE: Final = 128  # instances that a thread looks at before it says what it has found
_KEYS: Final = 512
_OBJECTS, _REMOVED, _FILES, _COUNTERS = "objects", "removed", "files", "counters"
_UNREAD: Final = "unread"
_MOST_KEPT: Final = 1000  # problems that are remembered for when it is resumed

Progress = Callable[[int, "int | None", int], object]
_Page: TypeAlias = "list[tuple[int, StoredInstance]]"
_Checked: TypeAlias = "tuple[int, int, int, list[Problem]]"  # the last row, how many, bytes read, what was found


@dataclass(frozen=True, slots=True)
class Problem:
    """A disagreement.

    ``kind`` is ``missing`` (a row without an object), ``damaged`` (another size, digest or head, or it does not parse),
    ``orphan`` (an object without a row) or ``miscounted`` (counters of a patient, study or series); ``reason`` says
    more. ``repaired``: it was one.
    """

    kind: str
    key: str
    sop_instance_uid: str | None
    reason: str = ""
    repaired: bool = False


@dataclass(slots=True)
class ScrubReport:
    """What a scrub has done so far: how many objects were looked at, how many bytes were read, what was found.

    ``instances`` has those among them that were removed and may come back.
    ``unread`` is how many a blob store could not give out at that time.
    """

    instances: int = 0
    files: int = 0
    bytes: int = 0
    unread: int = 0
    resumed: bool = False
    complete: bool = False
    problems: list[Problem] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether everything has been looked at, and all is well now."""
        return self.complete and not self.unread and all(one.repaired for one in self.problems)


class Scrub:
    """A check of a whole archive; iterating over it does it, and gives each problem when it is found.

    Parameters
    ----------
    read
        Whether objects are read and held to their digests, or only their sizes looked at.
    workers
        Threads that read.
    rate
        How many bytes a second are read at most.
    resume
        Keep in the index how far it has come, and go on from there: ``"resume"``; begin anew: ``"restart"``; None: keep
        nothing.
    repair
        Mend what can be mended without doubt: orphans that parse come into the index unless their instance is there
        already, and counters are counted again. Nothing is ever removed.
    progress
        Called with the number of instances done, their total if known, and bytes read since the last call.
    """

    def __init__(
        self,
        store: Store,
        *,
        read: bool = True,
        workers: int | None = None,
        rate: float | None = None,
        resume: str | None = None,
        repair: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._store = store
        self._read = read
        self._workers = workers_for(workers) if read else 1
        self._rate = rate
        self._pace = Pace(rate)
        self._resume = resume
        self._repair = repair
        self._progress = progress or (lambda done, total, size: None)
        self._journal = Journal(store.index, "scrub", keep=resume is not None)
        self.report = ScrubReport()

    def __iter__(self) -> Iterator[Problem]:
        self._store.catch_up()
        report, journal = self.report, self._journal
        if self._resume == "resume" and journal.resume():
            task = journal.task
            report.resumed, report.instances, report.bytes = True, task.done, task.size
            report.problems += [Problem(**dict(one)) for one in task.found]
        phases = (_OBJECTS, _REMOVED, _FILES, _COUNTERS)
        begin = phases.index(journal.task.phase) if journal.task.phase in phases else 0
        work_of = (self._objects, self._removed, self._files, self._counters)
        for phase, work in list(zip(phases, work_of, strict=True))[begin:]:
            cursor = journal.task.cursor if journal.task.phase == phase else ""
            journal.note(phase=phase, cursor=cursor)
            for problem in work(cursor):
                report.problems.append(problem)
                journal.note(found=tuple(asdict(one) for one in report.problems[:_MOST_KEPT]))
                yield problem
        journal.end()
        report.complete = True

    # the index against the objects

    def _objects(self, cursor: str) -> Iterator[Problem]:
        index = self._store.index

        def check(page: _Page) -> _Checked:
            # asked afterwards: what has gone or been replaced meanwhile is not missing
            return self._check_page(page, lambda one: index.get(one.sop_instance_uid) == one, "")

        return self._all(instance_pages(index, int(cursor or 0), _PAGE), check)

    def _removed(self, cursor: str) -> Iterator[Problem]:
        """Look at what was removed and may come back, and has not gone for good meanwhile."""
        index = self._store.index

        def check(page: _Page) -> _Checked:
            return self._check_page(page, lambda one: has_object(index, one), "it was removed and may come back: ")

        return self._all(removed_pages(index, int(cursor or 0), _PAGE), check)

    def _all(self, pages: Iterable[_Page], check: Callable[[_Page], _Checked]) -> Iterator[Problem]:
        total = self._store.index.counts().instances + removed_count(self._store.index)
        report = self.report
        self._pace = Pace(self._rate)
        results = in_order(check, pages, self._workers)
        try:
            for last, count, size, problems in results:
                report.instances += count
                report.unread += sum(one.kind == _UNREAD for one in problems)
                problems = [one for one in problems if one.kind != _UNREAD]
                report.bytes += size
                yield from problems
                self._journal.note(cursor=str(last), done=report.instances, size=report.bytes)
                self._progress(report.instances, total, size)
        finally:
            self._pace.stop()

    def _check_page(self, page: _Page, is_there: Callable[[StoredInstance], bool], said: str) -> _Checked:
        found: list[Problem] = []
        read = 0
        for _, instance in page:
            kind, reason, size = self._check(instance)
            read += size
            if kind and is_there(instance):
                found.append(Problem(kind, instance.key, instance.sop_instance_uid, said + reason))
        return page[-1][0], len(page), read, found

    def _check(self, instance: StoredInstance) -> tuple[str, str, int]:
        blobs, expected = self._store.blobs, instance.offset + instance.length
        size = blobs.size(instance.key)
        if size is None:
            return "missing", "there is no object of that name", 0
        if size != expected:
            return "damaged", f"{size} bytes instead of {expected}", 0
        if not self._read:
            return "", "", 0
        self._pace.take(size)
        try:
            file = open_object(blobs, instance.key, size)
            if file is None:
                return "missing", "there is no object of that name", 0
            with file:
                reason = damage(file, instance, options=self._store.options)
        except BlobNotFound:
            return "missing", "there is no object of that name", 0
        except BlobUnavailable:
            return _UNREAD, "", 0
        return ("damaged", reason, size) if reason else ("", "", size)

    # the objects against the index

    def _files(self, cursor: str) -> Iterator[Problem]:
        store = self._store
        for keys in batched(store.blobs.iter_keys(cursor), _KEYS):
            for key in self._without_row(keys):
                problem = Problem("orphan", key, None, "no row names it")
                yield self._adopt(problem) if self._repair else problem
            self.report.files += len(keys)
            self._journal.note(cursor=keys[-1])
            self._progress(self.report.instances, None, 0)

    def _without_row(self, keys: list[str]) -> list[str]:
        """Return the keys of objects that nobody knows of: not the index, and nobody who is storing or removing."""
        store = self._store
        with store.index.reader() as connection:
            doubtful = set(keys) - known_keys(connection, keys)
        if not doubtful:
            return []
        left = sorted(doubtful - store.blobs.in_flight(doubtful))
        with store.index.reader() as connection:  # those that were in flight until a moment ago have their rows now
            known = known_keys(connection, left)
        return [key for key in left if key not in known and store.blobs.size(key) is not None]

    def _adopt(self, problem: Problem) -> Problem:
        """Take an orphan into the index."""
        store, key = self._store, problem.key
        size, since = store.blobs.size(key), store.blobs.modified(key)
        if size is None or since is None:
            return replace(problem, reason="it has gone meanwhile", repaired=True)
        try:
            new = describe_object(
                store.blobs, key, size, digest=store.digest, received=moment(since), options=store.options
            )
        except PacsError as error:
            return replace(problem, reason=f"it does not parse: {type(error).__name__}: {error}")
        except OSError as error:
            return replace(problem, reason=f"it cannot be read: {type(error).__name__}")
        uid = new.sop_instance_uid
        if store.index_all([(new, DuplicatePolicy.IGNORE)])[0][0] is Outcome.STORED:
            return replace(problem, sop_instance_uid=uid, reason="it has a row again", repaired=True)
        return replace(problem, sop_instance_uid=uid, reason="the index has another object of its instance")

    # the counters

    def _counters(self, cursor: str) -> Iterator[Problem]:
        index = self._store.index
        found = list(miscounted(index))
        if found and self._repair:
            recount(index, found)
        left = set(miscounted(index)) if found and self._repair else set(found)
        for one in found:
            problem = Problem("miscounted", f"{one.level}/{one.pk}", None, "its counters are not what is below it")
            yield problem if one in left else replace(problem, reason="counted again", repaired=True)

"""What a job queue must do, as tests that a subclass inherits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from pacskit.client.jobs import (
    Asked,
    Job,
    JobNotFound,
    JobPriority,
    JobQueue,
    JobState,
    JobStateError,
    JobsUnsupported,
    LeaseLost,
)
from pacskit.core.errors import ConfigurationError

__all__ = ["JobQueueTests"]


class JobQueueTests:
    """Subclass it as ``Test…`` under pytest, and say how a queue is opened.

    Overridable:

    - ``queue``: a queue, empty each time;
    - ``again``: the same queue, opened another time, as another process would;
    - ``transaction``: do some work in a transaction of the index behind a queue;
    - ``later``: let time pass for a queue.
    """

    def queue(self) -> AbstractContextManager[JobQueue]:
        """Open the queue to test."""
        raise NotImplementedError("open the queue to test")

    def again(self, queue: JobQueue) -> AbstractContextManager[JobQueue]:
        """Open the same queue another time."""
        raise NotImplementedError("open the queue another time")

    def transaction(self, queue: JobQueue, work: Callable[[Any], Any]) -> Any:
        """Do some work in a transaction of the index behind a queue."""
        raise NotImplementedError("do the work in a transaction")

    def later(self, queue: JobQueue, seconds: float) -> None:
        """Let time pass for a queue."""
        raise NotImplementedError("let time pass")

    # -- what is done with a job ---------------------------------------------------------------------------------------

    def test_it_follows_the_protocol(self) -> None:
        with self.queue() as queue:
            _check(isinstance(queue, JobQueue), "it lacks something that pacskit.client.jobs.JobQueue names")
            _check(not queue.claim(9) and not queue.list(), "a new queue is not empty")
            _check(set(queue.counts()) == set(JobState), "counts does not have every state")
            _check(queue.next_due() is None, "something falls due of nothing")

    def test_a_job_is_done_once(self) -> None:
        with self.queue() as queue:
            made = queue.enqueue("store", {"study": "1.2.3", "n": [1, None, "\N{BULLET}"]}, priority=JobPriority.HIGH)
            _check(made.state == JobState.QUEUED and made.attempts == 0, "a new job is not queued")
            _check(queue.get(made.id) == made, "get has another job than enqueue")
            (job,) = queue.claim(5, worker="a")
            _check((job.id, job.kind, job.payload) == (made.id, "store", made.payload), "another job is claimed")
            _check((job.state, job.attempts, job.priority) == ("running", 1, made.priority), "a claimed job runs")
            _check(not queue.claim(5, worker="b"), "a job that runs is claimed again")
            queue.ack(job, {"sent": 3})
            done = queue.get(job.id)
            _check(done.state == JobState.COMPLETED and done.ended is not None, "what is done has not completed")
            _check("result" not in queue.supports or done.result == {"sent": 3}, "the result is another one")
            _check(queue.counts()[JobState.COMPLETED] == 1, "counts does not count it")
            for end in (queue.ack, queue.nack, queue.heartbeat, queue.release):
                _raises(LeaseLost, end, job)
            _check(queue.get(job.id) == done, "what was refused has changed the job")

    def test_the_most_urgent_comes_first(self) -> None:
        with self.queue() as queue:
            ids = {one: queue.enqueue("query", priority=one).id for one in (1, 0, 3, 2)}
            also = queue.enqueue("query", priority=3).id
            order = [queue.claim(1)[0].id for _ in range(3)] + [one.id for one in queue.claim(9)]
            _check(order == [ids[3], also, ids[2], ids[1], ids[0]], "the order is another one")

    def test_only_wanted_kinds_are_claimed(self) -> None:
        with self.queue() as queue:
            for kind in ("store", "query", "store", "own kind"):
                queue.enqueue(kind)
            _check(not queue.claim(9, kinds=["sync"]), "a kind is claimed that is not wanted")
            found = [one.kind for one in queue.claim(9, kinds=["store", "own kind"])]
            _check(sorted(found) == ["own kind", "store", "store"], "not all that is wanted is claimed")
            _check([one.kind for one in queue.claim(9)] == ["query"], "the rest is not claimed")

    def test_a_job_waits_for_its_moment(self) -> None:
        with self.queue() as queue:
            made = queue.enqueue("sync", run_at=_now() + timedelta(hours=1))
            due = queue.next_due()
            _check(made.state == JobState.PENDING and not queue.claim(1), "a job comes before its moment")
            _check(due is not None and 3000 < due < 3601, "next_due is another moment")
            self.later(queue, 3601)
            _check([one.id for one in queue.claim(1)] == [made.id], "a job does not come at its moment")
            past = queue.enqueue("sync", run_at=_now() - timedelta(days=1))
            _check(past.state == JobState.QUEUED, "a moment that has passed is waited for")

    def test_one_live_job_has_a_key(self) -> None:
        with self.queue() as queue:
            first = queue.enqueue("store", {"n": 1}, dedup_key="k")
            _check(queue.enqueue("store", {"n": 2}, dedup_key="k") == first, "two queued jobs have a key")
            (job,) = queue.claim(2)
            _check(queue.enqueue("store", dedup_key="k").id == first.id, "a job has the key of one that runs")
            queue.ack(job)
            second = queue.enqueue("store", run_at=_now() + timedelta(hours=1), dedup_key="k")
            _check(second.id != first.id, "a job that has completed keeps its key")
            _check(queue.enqueue("store", dedup_key="k").id == second.id, "a job has the key of one that is pending")
            _check(queue.enqueue("store", dedup_key="l").id != second.id, "another key is the same")

    def test_of_several_who_enqueue_a_key_one_does(self) -> None:
        with self.queue() as queue, self.again(queue) as other:
            together = threading.Barrier(8)

            def enqueue(number: int) -> int:
                together.wait(60)
                return (queue, other)[number % 2].enqueue("store", {"n": number}, dedup_key="k").id

            with ThreadPoolExecutor(8) as pool:
                ids = list(pool.map(enqueue, range(8)))
            _check(len(set(ids)) == 1 and len(queue.claim(9)) == 1, "several jobs have a key")

    def test_a_job_is_part_of_a_transaction(self) -> None:
        with self.queue() as queue:

            def fail(tx: Any) -> None:
                queue.enqueue("store", dedup_key="a", tx=tx)
                raise KeyError("no")

            _raises(KeyError, self.transaction, queue, fail)
            _check(not queue.list(), "a job stays of a transaction that failed")
            made = self.transaction(queue, lambda tx: [queue.enqueue("store", {"n": n}, tx=tx) for n in range(3)])
            jobs = queue.claim(9)
            _check(sorted(one.id for one in jobs) == [one.id for one in made], "other jobs are there than were made")

            def end_and_fail(tx: Any) -> None:
                queue.ack(jobs[0], tx=tx)
                raise KeyError("no")

            _raises(KeyError, self.transaction, queue, end_and_fail)
            _check(queue.get(jobs[0].id).state == JobState.RUNNING, "a job has ended in a transaction that failed")
            self.transaction(queue, lambda tx: queue.ack(jobs[0], tx=tx))
            _check(queue.get(jobs[0].id).state == JobState.COMPLETED, "a job has not ended with its transaction")

    def test_what_failed_is_tried_again_until_it_is_a_dead_letter(self) -> None:
        with self.queue() as queue:
            made = queue.enqueue("export")
            for attempt in (1, 2):
                (job,) = queue.claim(1)
                _check(job.attempts == attempt, "attempts are counted otherwise")
                _check(queue.nack(job, 600.0, error="no peer") == JobState.PENDING, "it does not wait")
                _check(not queue.claim(1), "it is tried again too soon")
                self.later(queue, 601)
            (job,) = queue.claim(1)
            _check(queue.nack(job, 600.0, error="no peer") == JobState.FAILED, "it is tried too often")
            (dead,) = queue.dead_letters()
            _check((dead.id, dead.state, dead.attempts) == (made.id, "failed", 3), "the dead letter is another one")
            _check("result" not in queue.supports or dead.error == "no peer", "its error is lost")
            self.later(queue, 7200)
            _check(not queue.claim(1), "a dead letter is claimed")
            queue.enqueue("import")
            (job,) = queue.claim(1)
            _check(queue.nack(job, final=True) == JobState.FAILED, "final is not")
            _check([one.kind for one in queue.dead_letters()] == ["import", "export"], "dead letters are missing")
            _check([one.kind for one in queue.dead_letters(kind="export")] == ["export"], "kinds are not told apart")

    def test_without_a_delay_it_is_queued_at_once(self) -> None:
        with self.queue() as queue:
            queue.enqueue("export")
            (job,) = queue.claim(1)
            _check(queue.nack(job) == JobState.QUEUED, "it is not queued")
            (next_one,) = queue.claim(1)
            _check(next_one.token != job.token, "two claims have one token")
            _raises(LeaseLost, queue.ack, job)
            queue.ack(next_one)

    # -- leases --------------------------------------------------------------------------------------------------------

    def test_the_job_of_a_worker_that_died_is_anothers(self) -> None:
        with self.queue() as queue, self.again(queue) as other:
            queue.enqueue("retrieve", dedup_key="k")
            (lost,) = queue.claim(1, worker="dies", lease=3600)
            self.later(queue, 3000)
            _check(not other.claim(1, worker="b", lease=3600), "a lease ends too soon")
            self.later(queue, 700)
            (job,) = other.claim(1, worker="b", lease=3600)
            _check(job.id == lost.id and job.attempts == 2, "the job is not found again")
            for end in (queue.ack, queue.nack, queue.heartbeat, queue.release):
                _raises(LeaseLost, end, lost)
            other.ack(job)

    def test_a_heartbeat_keeps_a_job(self) -> None:
        with self.queue() as queue:
            queue.enqueue("retrieve")
            (job,) = queue.claim(1, worker="a", lease=3600)
            for _ in range(3):
                self.later(queue, 3000)
                _check(queue.heartbeat(job, lease=3600) == Asked.NOTHING, "something is asked of it")
                _check(not queue.claim(1, worker="b", lease=3600), "a job is lost whose worker lives")
            queue.ack(job)

    def test_a_job_that_kills_its_workers_becomes_a_dead_letter(self) -> None:
        with self.queue() as queue:
            made = queue.enqueue("retrieve")
            for number in range(3):
                _check(len(queue.claim(1, worker=str(number), lease=3600)) == 1, "it is not tried again")
                self.later(queue, 3700)
            _check(not queue.claim(1, worker="x", lease=3600), "it is tried too often")
            _check(queue.get(made.id).state == JobState.FAILED, "it is no dead letter")

    def test_a_job_that_is_given_back_is_anothers_at_once(self) -> None:
        with self.queue() as queue:
            queue.enqueue("retrieve")
            (job,) = queue.claim(1, worker="a")
            queue.release(job)
            _raises(LeaseLost, queue.ack, job)
            (job,) = queue.claim(1, worker="b")
            _check("attempts" not in queue.supports or job.attempts == 1, "what was given back counts")

    def test_each_job_is_claimed_once(self) -> None:
        with self.queue() as queue, self.again(queue) as other:
            self.transaction(queue, lambda tx: [queue.enqueue("query", {"n": n}, tx=tx) for n in range(120)])

            def take(number: int) -> list[int]:
                mine, found = (queue, other)[number % 2], list[int]()
                while jobs := mine.claim(1 + number % 3, worker=f"w{number}"):
                    found += [one.id for one in jobs]
                    for one in jobs:
                        mine.ack(one)
                return found

            with ThreadPoolExecutor(8) as pool:
                taken = [id for ids in pool.map(take, range(8)) for id in ids]
            _check(len(taken) == 120 and len(set(taken)) == 120, "a job is claimed twice, or never")

    # -- who looks after them ------------------------------------------------------------------------------------------

    def test_a_job_can_be_cancelled(self) -> None:
        with self.queue() as queue:
            waits = queue.enqueue("sync", run_at=_now() + timedelta(hours=1), dedup_key="k")
            _check(queue.cancel(waits.id).state == JobState.CANCELLED, "a pending job is not cancelled")
            _check(queue.enqueue("sync", dedup_key="k").id != waits.id, "a cancelled job keeps its key")
            (job,) = queue.claim(1)
            asked = queue.cancel(job.id)
            _check((asked.state, asked.asked) == ("running", "cancel"), "a job that runs is not asked to stop")
            _check(queue.heartbeat(job) == Asked.CANCEL, "its worker is not told")
            _check(queue.asked([job]) == {job.id: Asked.CANCEL}, "asked does not say so")
            _check(queue.nack(job, 60.0) == JobState.CANCELLED, "it is not cancelled when it stops")
            _raises(JobStateError, queue.cancel, job.id)
            queue.enqueue("sync")
            (job,) = queue.claim(1)
            queue.cancel(job.id)
            queue.ack(job)
            _check(queue.get(job.id).state == JobState.COMPLETED, "what was done in spite of it is not done")
            queue.enqueue("sync")
            (job,) = queue.claim(1, worker="dies", lease=3600)
            queue.cancel(job.id)
            self.later(queue, 3700)
            _check(not queue.claim(1, worker="b", lease=3600), "a cancelled job is claimed again")
            _check(queue.get(job.id).state == JobState.CANCELLED, "a job whose worker died stays asked")
            _raises(JobNotFound, queue.cancel, 1 << 40)

    def test_a_job_can_be_tried_again(self) -> None:
        with self.queue() as queue:
            queue.enqueue("store", dedup_key="k")
            (job,) = queue.claim(1)
            queue.nack(job, final=True)
            other = queue.enqueue("store", dedup_key="k")
            _raises(JobStateError, queue.retry, job.id)
            queue.cancel(other.id)
            _check(queue.retry(job.id).state == JobState.QUEUED, "it is not queued")
            (job,) = queue.claim(1)
            _check("attempts" not in queue.supports or job.attempts == 1, "it does not begin anew")
            queue.ack(job)
            _raises(JobStateError, queue.retry, job.id)
            _raises(JobNotFound, queue.retry, 1 << 40)
            if "retry cancelled" in queue.supports:
                _check(queue.retry(other.id).state == JobState.QUEUED, "what was cancelled is not queued")
            else:
                _raises(JobStateError, queue.retry, other.id)

    def test_a_job_can_be_paused(self) -> None:
        with self.queue() as queue:
            made = queue.enqueue("store", dedup_key="k")
            if "pause" not in queue.supports:
                for refused in (queue.pause, queue.resume):
                    _raises(JobsUnsupported, refused, made.id)
                return
            _check(queue.pause(made.id).state == JobState.PAUSED and not queue.claim(1), "a paused job is claimed")
            _check(queue.enqueue("store", dedup_key="k").id == made.id, "a paused job loses its key")
            _raises(JobStateError, queue.pause, made.id)
            _check(queue.resume(made.id).state == JobState.QUEUED, "it does not go on")
            _raises(JobStateError, queue.resume, made.id)
            (job,) = queue.claim(1)
            _check(queue.pause(job.id).asked == Asked.PAUSE and queue.heartbeat(job) == Asked.PAUSE, "nobody is told")
            queue.release(job)
            _check(queue.get(job.id).state == JobState.PAUSED and not queue.claim(1), "it runs on")
            _check(queue.resume(job.id).state == JobState.QUEUED, "it does not go on")
            (job,) = queue.claim(1)
            queue.pause(job.id)
            _check(queue.resume(job.id).asked == Asked.NOTHING, "what was asked cannot be taken back")
            queue.pause(job.id)
            queue.cancel(job.id)
            _raises(JobStateError, queue.pause, job.id)
            _check(queue.nack(job) == JobState.CANCELLED, "cancel does not come before pause")
            later = queue.enqueue("store", run_at=_now() + timedelta(hours=1))
            queue.pause(later.id)
            self.later(queue, 60)
            _check(queue.resume(later.id).state == JobState.PENDING, "a job that waited does not wait on")

    def test_the_queue_can_be_paused(self) -> None:
        with self.queue() as queue, self.again(queue) as other:
            queue.enqueue("store")
            queue.enqueue("query")
            if "pause" not in queue.supports:
                _raises(JobsUnsupported, queue.pause_queue)
                _raises(JobsUnsupported, queue.resume_queue)
                _check(queue.paused_kinds() == frozenset(), "something is paused")
                return
            queue.pause_queue("store")
            _check(queue.paused_kinds() == {"store"}, "the kind is not paused")
            (job,) = other.claim(9)
            _check(job.kind == "query", "a kind is claimed that is paused")
            queue.pause_queue()
            queue.resume_queue("store")
            _check(other.paused_kinds() == {None} and not other.claim(9), "a queue is claimed from that is paused")
            queue.ack(job)
            queue.resume_queue()
            _check(len(other.claim(9)) == 1, "the queue does not go on")

    def test_progress_is_kept(self) -> None:
        with self.queue() as queue:
            queue.enqueue("import")
            (job,) = queue.claim(1)
            if "progress" not in queue.supports:
                _raises(JobsUnsupported, queue.progress, job, 1)
                return
            _check(queue.get(job.id).eta is None, "somebody knows when a job will end that has only begun")
            self.later(queue, 10_000)
            queue.progress(job, 25, 100, "series 2")
            found = queue.get(job.id)
            _check((found.done, found.total, found.note) == (25, 100, "series 2"), "progress is lost")
            taken = None if found.eta is None or found.started is None else (found.eta - found.started).total_seconds()
            _check(
                taken is not None and 39_990 < taken < 45_000, "a quarter in some time does not make four times that"
            )
            queue.pause(job.id)
            _check(queue.progress(job, 26, 100) == Asked.PAUSE, "progress does not say what is asked")
            queue.release(job)
            _raises(LeaseLost, queue.progress, job, 27)

    def test_jobs_are_listed_and_deleted(self) -> None:
        with self.queue() as queue:
            made = [queue.enqueue(("store", "query")[n % 2], {"n": n}).id for n in range(7)]
            _check([one.id for one in queue.list(limit=3)] == made[:3:-1], "the newest do not come first")
            _check([one.id for one in queue.list(before=made[4], limit=9)] == made[3::-1], "pages overlap")
            _check([one.id for one in queue.list(kind="query")] == made[5::-2], "kinds are not told apart")
            for job in queue.claim(3):
                queue.ack(job)
            (job,) = queue.claim(1)
            queue.nack(job, final=True)
            _check(len(queue.list(state="completed")) == 3, "states are not told apart")
            _check(queue.purge(timedelta(hours=1)) == 0, "what has just ended is deleted")
            self.later(queue, 3700)
            _check(queue.purge(timedelta(hours=1)) == 3, "what has ended is not deleted")
            _check(queue.counts()[JobState.QUEUED] == 3 and len(queue.dead_letters()) == 1, "too much is deleted")
            _check(queue.purge(timedelta(hours=1), states=[JobState.FAILED]) == 1, "dead letters cannot be deleted")
            _raises(JobNotFound, queue.get, job.id)
            _check(queue.enqueue("store").id not in made, "an ID is given twice")

    def test_what_cannot_be_a_job_is_refused(self) -> None:
        with self.queue() as queue:
            for kind, payload, more in (
                ("", {}, {}), ("x" * 65, {}, {}), ("a\0", {}, {}), ("store", {"n": float("nan")}, {}),
                ("store", {"n": object()}, {}), ("store", {"n": "x" * (1 << 18)}, {}), ("store", {}, {"priority": 9}),
                ("store", {}, {"dedup_key": ""}), ("store", {}, {"dedup_key": "x" * 201}),
                ("store", {}, {"run_at": datetime(2026, 1, 1)}), ("store", {}, {"max_attempts": 0}),
            ):  # fmt: skip
                _raises(ConfigurationError, queue.enqueue, kind, payload, **dict[str, Any](more))
            _raises(ConfigurationError, queue.claim, 0)
            if "attempts" not in queue.supports:
                _raises(JobsUnsupported, queue.enqueue, "store", max_attempts=7)
            _check(not queue.list(), "what was refused is there")

    # -- schedules -----------------------------------------------------------------------------------------------------

    def test_of_all_who_claim_one_enqueues_each_time(self) -> None:
        with self.queue() as queue, self.again(queue) as other:
            queue.schedule("often", timedelta(seconds=60), "sync", {"node": "A"}, priority=JobPriority.HIGH)
            for _ in range(3):
                self.later(queue, 61)
                together = threading.Barrier(4)

                def take(number: int, together: threading.Barrier = together) -> list[Job]:
                    together.wait(60)
                    return list((queue, other)[number % 2].claim(5, worker=str(number)))

                with ThreadPoolExecutor(4) as pool:
                    found = [job for jobs in pool.map(take, range(4)) for job in jobs]
                found += queue.claim(5)
                _check(len(found) == 1, "a time makes several jobs, or none")
                _check(
                    (found[0].kind, found[0].payload, found[0].priority) == ("sync", {"node": "A"}, 2), "another job"
                )
                queue.ack(found[0])
            self.later(queue, 600)
            _check(len(queue.claim(20)) == 1, "times that were missed are made up for one by one")
            self.later(queue, 50)
            _check(not queue.claim(20), "there is a second one while the first is live")

    def test_schedules_are_kept(self) -> None:
        with self.queue() as queue:
            made = queue.schedule("night", "30 2 * * 1-5", "prefetch", zone="Europe/Berlin")
            _check([one.name for one in queue.schedules()] == ["night"] and made.next_run is not None, "none is there")
            _check(queue.schedule("night", "30 2 * * 1-5", "sync").kind == "sync", "a schedule cannot be changed")
            once = queue.schedule("once", _now() + timedelta(seconds=90), "query")
            due = queue.next_due()
            _check(once.next_run is not None and due is not None and due < 91, "next_due knows no schedules")
            self.later(queue, 91)
            _check("query" in [one.kind for one in queue.claim(5)], "it is not enqueued")
            _check(queue.schedules()[1].next_run is None, "once is not once")
            _check(queue.unschedule("night") and not queue.unschedule("night"), "it is not forgotten")
            lines = ("* * * *", "61 * * * *", "every x", "every 0.5", "at noon")
            for wrong in (*lines, timedelta(0), datetime(2026, 1, 1)):
                _raises(ConfigurationError, queue.schedule, "wrong", wrong, "sync")
            _raises(ConfigurationError, queue.schedule, "wrong", "* * * * *", "sync", zone="Nowhere/At_All")

    # -- bells ---------------------------------------------------------------------------------------------------------

    def test_others_hear_of_a_job(self) -> None:
        with self.queue() as queue, self.again(queue) as other, other.listen():
            seen = other.bell.rung
            for turn in range(2):
                if turn:
                    queue.cancel(queue.list()[0].id)
                else:
                    queue.enqueue("store")
                now = other.bell.wait(seen, 60)
                _check(now != seen, "nobody hears of a job")
                seen = now


def _now() -> datetime:
    return datetime.now(UTC)


def _check(fact: bool, otherwise: str) -> None:
    if not fact:
        raise AssertionError(otherwise)


def _raises(kind: type[Exception], call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    try:
        call(*arguments, **named)
    except kind:
        return
    raise AssertionError(f"{kind.__name__} is not raised")

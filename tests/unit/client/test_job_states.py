"""What may become of jobs, by a slow obvious twin; times of cron lines, by another library; the command line."""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, consumes, invariant, multiple, rule

from pacskit.cli import main
from pacskit.client.jobs import Asked, Job, JobState, JobStateError, LeaseLost, TableQueue, Timing
from pacskit.client.jobs.records import LIVE, milliseconds
from pacskit.core.errors import ConfigurationError
from pacskit.storage.index import open_index

LEASE = 60
KEYS = st.sampled_from([None, None, "a", "b"])


class Twin:
    """A job as the pages say that it behaves."""

    def __init__(self, id: int, priority: int, run_at: int, key: str | None, most: int, now: int) -> None:
        self.id, self.priority, self.run_at, self.key, self.most = id, priority, run_at, key, most
        self.state = JobState.PENDING if run_at > now else JobState.QUEUED
        self.attempts = self.token = self.until = 0
        self.asked = Asked.NOTHING

    def stopped(self, otherwise: JobState) -> None:
        """It does not run any more."""
        wanted = {Asked.CANCEL: JobState.CANCELLED, Asked.PAUSE: JobState.PAUSED, Asked.NOTHING: otherwise}
        self.state = wanted[self.asked]
        self.asked = Asked.NOTHING

    def failed(self, now: int, delay: int, *, final: bool) -> None:
        if self.asked == Asked.CANCEL:
            self.stopped(JobState.CANCELLED)
        elif final or self.attempts >= self.most:
            self.state, self.asked = JobState.FAILED, Asked.NOTHING
        else:
            self.stopped(JobState.PENDING if delay else JobState.QUEUED)
        self.run_at = now + delay


class Machine(RuleBasedStateMachine):
    """Any calls in any order: the table and its twin agree after each."""

    jobs: Bundle[int] = Bundle("jobs")
    claims: Bundle[Job] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000_000_000
        self.directory = tempfile.TemporaryDirectory()
        self.index = open_index(f"sqlite://{self.directory.name}/index.sqlite")
        self.queue = TableQueue(self.index, clock=lambda _: self.now)
        self.twins: dict[int, Twin] = {}

    def teardown(self) -> None:
        self.index.close()
        self.directory.cleanup()

    def live(self, key: str | None) -> Twin | None:
        return next(
            (one for one in self.twins.values() if key is not None and one.key == key and one.state in LIVE), None
        )

    @rule(
        target=jobs, priority=st.integers(0, 3), wait=st.sampled_from([0, 0, 30_000]), key=KEYS, most=st.integers(1, 3)
    )
    def enqueue(self, priority: int, wait: int, key: str | None, most: int) -> int:
        at = datetime.fromtimestamp((self.now + wait) / 1000, UTC)
        there = self.live(key)
        made = self.queue.enqueue("sync", run_at=at, priority=priority, dedup_key=key, max_attempts=most)
        if there is not None:
            assert made.id == there.id
        else:
            assert made.id not in self.twins
            self.twins[made.id] = Twin(made.id, priority, self.now + wait, key, most, self.now)
        return made.id

    @rule(target=claims, n=st.integers(1, 3))
    def claim(self, n: int) -> MultipleResults[Job]:
        for one in self.twins.values():
            if one.state == JobState.PENDING and one.run_at <= self.now:
                one.state = JobState.QUEUED
            elif one.state == JobState.RUNNING and one.until <= self.now:
                ended = one.attempts >= one.most
                one.stopped(JobState.FAILED if ended else JobState.QUEUED)
        queued = [one for one in self.twins.values() if one.state == JobState.QUEUED]
        wanted = sorted(queued, key=lambda one: (-one.priority, one.run_at, one.id))[:n]
        found = self.queue.claim(n, lease=LEASE)
        assert [one.id for one in found] == [one.id for one in wanted]
        for one in wanted:
            one.state, one.until = JobState.RUNNING, self.now + LEASE * 1000
            one.attempts += 1
            one.token += 1
        return multiple(*found)

    def mine(self, job: Job) -> Twin | None:
        twin = self.twins[job.id]
        return twin if twin.state == JobState.RUNNING and twin.token == job.token else None

    @rule(job=claims)
    def heartbeat(self, job: Job) -> None:
        twin = self.mine(job)
        if twin is None:
            with pytest.raises(LeaseLost):
                self.queue.heartbeat(job, lease=LEASE)
        else:
            assert self.queue.heartbeat(job, lease=LEASE) == twin.asked
            twin.until = self.now + LEASE * 1000

    def say(self, job: Job, how: str) -> JobState | None:
        if how == "ack":
            self.queue.ack(job)
        elif how == "release":
            self.queue.release(job)
        else:
            return self.queue.nack(job, 30 if how == "later" else 0, final=how == "final")
        return None

    @rule(job=consumes(claims), how=st.sampled_from(["ack", "nack", "later", "final", "release"]))
    def end(self, job: Job, how: str) -> None:
        twin = self.mine(job)
        if twin is None:
            with pytest.raises(LeaseLost):
                self.say(job, how)
            return
        said = self.say(job, how)
        if how == "ack":
            twin.state, twin.asked = JobState.COMPLETED, Asked.NOTHING
        elif how == "release":
            twin.attempts -= 1
            twin.stopped(JobState.QUEUED)
        else:
            twin.failed(self.now, 30_000 if how == "later" else 0, final=how == "final")
            assert said == twin.state

    @rule(id=jobs, how=st.sampled_from(["cancel", "pause", "resume", "retry"]))
    def change(self, id: int, how: str) -> None:
        twin, states = self.twins[id], JobState
        runs, asked = twin.state == states.RUNNING, twin.asked
        allowed = {
            "cancel": twin.state in LIVE,
            "pause": twin.state in {states.PENDING, states.QUEUED} or (runs and asked != Asked.CANCEL),
            "resume": twin.state == states.PAUSED or (runs and asked == Asked.PAUSE),
            "retry": twin.state in {states.FAILED, states.CANCELLED} and self.live(twin.key) is None,
        }[how]
        call = getattr(self.queue, how)
        if not allowed:
            with pytest.raises(JobStateError):
                call(id)
            return
        call(id)
        if how in {"cancel", "pause"}:
            if runs:
                twin.asked = Asked(how)
            else:
                twin.state = states.CANCELLED if how == "cancel" else states.PAUSED
        elif how == "resume":
            twin.asked = Asked.NOTHING
            if not runs:
                twin.state = states.PENDING if twin.run_at > self.now else states.QUEUED
        else:
            twin.state, twin.attempts, twin.run_at = states.QUEUED, 0, self.now

    @rule(seconds=st.sampled_from([1, 31, 61]))
    def later(self, seconds: int) -> None:
        self.now += seconds * 1000

    @invariant()
    def they_agree(self) -> None:
        for job in self.queue.list(limit=1000):
            twin = self.twins[job.id]
            assert (job.state, job.attempts, job.asked) == (twin.state, twin.attempts, twin.asked)
        counts = self.queue.counts()
        assert sum(counts.values()) == len(self.twins)


TestStates = Machine.TestCase
TestStates.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


# the times of cron lines

MINUTE = st.sampled_from(["*", "0", "*/7", "5-20/5", "59", "0,30"])
HOUR = st.sampled_from(["*", "3", "*/6", "9-17", "0,12"])
DAY = st.sampled_from(["*", "1", "15", "*/10", "28-30"])
MONTH = st.sampled_from(["*", "2", "6-8", "*/3", "DEC"])
WEEKDAY = st.sampled_from(["*", "1-5", "0", "MON", "6,0"])
BEGIN = st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))


@settings(max_examples=300, deadline=None)
@given(MINUTE, HOUR, DAY, MONTH, WEEKDAY, BEGIN)
def test_cron_lines_mean_what_they_mean_elsewhere(
    minute: str, hour: str, day: str, month: str, weekday: str, begin: datetime
) -> None:
    line, at = f"{minute} {hour} {day} {month} {weekday}", milliseconds(begin)
    # a day of the month that begins with a star and has a step: some take it for a star, some do not
    if "/" in day and weekday != "*":
        return
    expected = croniter(line, begin)
    for _ in range(3):
        found = Timing(line).after(at)
        assert found is not None
        assert datetime.fromtimestamp(found / 1000, UTC) == expected.get_next(datetime)
        at = found


def test_a_zone_has_its_summer_time() -> None:
    berlin, times, at = ZoneInfo("Europe/Berlin"), list[datetime](), milliseconds(datetime(2026, 3, 27, tzinfo=UTC))
    for _ in range(4):
        found = Timing("30 7 * * *", "Europe/Berlin").after(at)
        assert found is not None
        at = found
        times.append(datetime.fromtimestamp(found / 1000, UTC))
    assert [one.astimezone(berlin).strftime("%d %H:%M") for one in times] == [f"{d} 07:30" for d in (27, 28, 29, 30)]
    assert [one.hour for one in times] == [6, 6, 5, 5]


def test_intervals_have_the_same_times_everywhere() -> None:
    every = Timing(timedelta(minutes=5))
    assert every.text == "every 300"
    assert {every.after(1_800_000_000_000 + n) for n in (0, 1, 299_999)} == {1_800_000_300_000}
    assert Timing("every 300").after(7) == 300_000
    once = Timing("at 2026-05-01T12:00:00+02:00")
    assert once.first(0) == milliseconds(datetime(2026, 5, 1, 10, tzinfo=UTC))
    with pytest.raises(ConfigurationError):
        Timing("0 0 31 2 *")


# the command line


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        code = main(["jobs", *arguments, "--dir", str(tmp_path)])
        return code, capsys.readouterr().out

    assert run("list")[0] == 2
    with closing(open_index(f"sqlite://{tmp_path}/index.sqlite")) as index:
        queue = TableQueue(index)
        ids = [str(queue.enqueue(kind, {"n": 1}).id) for kind in ("store", "query", "export")]
        (job,) = queue.claim(1)
        queue.progress(job, 1, 4, "first")
        assert run("pause", ids[0], ids[1]) == (0, f"{ids[0]} store: running, asked to pause\n{ids[1]} query: paused\n")
        code, printed = run("list", "--json", "--state", "paused")
        assert (code, json.loads(printed)["kind"]) == (0, "query")
        assert run("resume", ids[1]) == (0, f"{ids[1]} query: queued\n")
        assert run("resume", ids[1])[0] == 1
        assert run("pause", "--kind", "query")[0] == 0
        code, printed = run("list")
        assert "1/4" in printed
        assert printed.endswith("2 queued, 1 running; paused: query\n") or "paused: query" in printed
        assert [one.kind for one in queue.claim(5)] == ["export"]
        assert run("resume", "--kind", "query")[0] == 0
        queue.nack(job, final=True, error="no such node")
        assert "no such node" in run("show", ids[0])[1]
        assert run("retry", ids[0]) == (0, f"{ids[0]} store: queued\n")
        assert run("cancel", ids[0], "99")[0] == 1
        assert queue.get(int(ids[0])).state == JobState.CANCELLED
    assert run("show")[0] == 2
    assert run("list", "7")[0] == 2

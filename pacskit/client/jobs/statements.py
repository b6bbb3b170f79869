"""What the leased table is asked and told; one text for both engines (see `pacskit.storage.index.dialect`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from pacskit.client.jobs.records import Asked, Job, JobPriority, JobState, moment

__all__ = [
    "ACK", "ASKED", "CANCEL", "CLAIM", "COLUMNS", "COUNTS", "DUE", "ENDED_OR_PAUSED", "ENQUEUE", "IS_ANY",
    "LIVE_WITH_KEY", "NACK", "NEXT_DUE", "PAUSE", "PURGE", "RELEASE", "RESUME", "RETRY", "TOUCH", "job_of",
]  # fmt: skip

COLUMNS: Final = (
    "pk, kind, payload, state, priority, run_at, created, dedup_key, attempts, max_attempts, token, worker, asked, due,"
    " started, updated, ended, done, total, note, error, result"
)
_LIVE: Final = "('pending', 'queued', 'running', 'paused')"
_MINE: Final = "pk = :pk AND token = :token AND state = 'running'"
_FREE: Final = "due = NULL, worker = '', asked = ''"

ENQUEUE: Final = (
    "INSERT INTO job (kind, payload, state, priority, run_at, due, dedup_key, max_attempts, created)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    f" ON CONFLICT (dedup_key) WHERE dedup_key IS NOT NULL AND state IN {_LIVE} DO NOTHING"
    f" RETURNING {COLUMNS}"
)
LIVE_WITH_KEY: Final = f"SELECT {COLUMNS} FROM job WHERE dedup_key = ? AND state IN {_LIVE}"

# what changes by itself: the moment of what was pending has come, or the lease of what ran is over
DUE: Final = """
    WITH changed AS MATERIALIZED (
        SELECT pk FROM job WHERE state IN ('pending', 'running') AND due <= :now /* skip locked */
    )
    UPDATE job SET
        state = CASE WHEN asked = 'cancel' THEN 'cancelled' WHEN asked = 'pause' THEN 'paused'
            WHEN state = 'running' AND attempts >= max_attempts THEN 'failed' ELSE 'queued' END,
        ended = CASE WHEN asked = 'cancel' OR (asked = '' AND state = 'running' AND attempts >= max_attempts)
            THEN CAST(:now AS INTEGER) END,
        error = CASE WHEN state = 'running' THEN 'the lease ran out' ELSE error END,
        due = NULL, worker = '', asked = ''
    WHERE pk IN (SELECT pk FROM changed)
"""

IS_ANY: Final = (
    "SELECT EXISTS (SELECT 1 FROM job WHERE state = 'queued') OR EXISTS (SELECT 1 FROM job"
    " WHERE state IN ('pending', 'running') AND due <= :now)"
    " OR EXISTS (SELECT 1 FROM job_schedule WHERE next_run <= :now)"
)

# {kinds}: nothing, or which kinds are wanted
CLAIM: Final = f"""
    WITH next AS MATERIALIZED (
        SELECT pk FROM job WHERE state = 'queued' {{kinds}}
            AND NOT EXISTS (SELECT 1 FROM job_pause p WHERE p.kind = job.kind OR p.kind = '')
        ORDER BY priority DESC, run_at, pk LIMIT :n /* skip locked */
    )
    UPDATE job SET state = 'running', worker = :worker, due = :lease, token = token + 1, attempts = attempts + 1,
        started = :now, updated = NULL, done = 0, total = 0, note = ''
    WHERE pk IN (SELECT pk FROM next) RETURNING {COLUMNS}
"""

TOUCH: Final = f"""
    UPDATE job SET due = coalesce(:lease, due), done = coalesce(:done, done), total = coalesce(:total, total),
        note = coalesce(:note, note), updated = CASE WHEN :done IS NULL THEN updated ELSE :now END
    WHERE {_MINE} RETURNING asked
"""

ASKED: Final = (
    "SELECT pk, token, asked FROM job WHERE state = 'running' AND asked <> ''"
    " AND pk IN (SELECT CAST(value AS INTEGER) FROM json_each(?))"
)

ACK: Final = f"""
    UPDATE job SET state = 'completed', ended = :now, result = :result, error = '', {_FREE} WHERE {_MINE} RETURNING pk
"""

NACK: Final = f"""
    UPDATE job SET
        state = CASE WHEN asked = 'cancel' THEN 'cancelled' WHEN :final = 1 OR attempts >= max_attempts THEN 'failed'
            WHEN asked = 'pause' THEN 'paused' WHEN :at > :now THEN 'pending' ELSE 'queued' END,
        due = CASE WHEN asked = '' AND :final = 0 AND attempts < max_attempts AND :at > :now THEN :at END,
        ended = CASE WHEN asked = 'cancel' OR :final = 1 OR attempts >= max_attempts THEN :now END,
        run_at = :at, error = :error, worker = '', asked = ''
    WHERE {_MINE} RETURNING state
"""

RELEASE: Final = f"""
    UPDATE job SET
        state = CASE WHEN asked = 'cancel' THEN 'cancelled' WHEN asked = 'pause' THEN 'paused' ELSE 'queued' END,
        ended = CASE WHEN asked = 'cancel' THEN :now END, attempts = attempts - 1, {_FREE}
    WHERE {_MINE} RETURNING state
"""

CANCEL: Final = f"""
    UPDATE job SET
        state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
        asked = CASE WHEN state = 'running' THEN 'cancel' ELSE '' END,
        due = CASE WHEN state = 'running' THEN due END,
        ended = CASE WHEN state = 'running' THEN NULL ELSE CAST(:now AS INTEGER) END
    WHERE pk = :pk AND state IN {_LIVE} RETURNING {COLUMNS}
"""

PAUSE: Final = f"""
    UPDATE job SET
        state = CASE WHEN state = 'running' THEN state ELSE 'paused' END,
        asked = CASE WHEN state = 'running' THEN 'pause' ELSE '' END,
        due = CASE WHEN state = 'running' THEN due END
    WHERE pk = :pk AND state IN ('pending', 'queued', 'running') AND asked <> 'cancel' RETURNING {COLUMNS}
"""

RESUME: Final = f"""
    UPDATE job SET
        state = CASE WHEN state = 'running' THEN state WHEN run_at > :now THEN 'pending' ELSE 'queued' END,
        asked = '', due = CASE WHEN state = 'running' THEN due WHEN run_at > :now THEN run_at END
    WHERE pk = :pk AND (state = 'paused' OR (state = 'running' AND asked = 'pause')) RETURNING {COLUMNS}
"""

RETRY: Final = f"""
    UPDATE job SET state = 'queued', attempts = 0, run_at = :now, ended = NULL, started = NULL, updated = NULL,
        done = 0, total = 0, note = '', {_FREE}
    WHERE pk = :pk AND state IN ('failed', 'cancelled') AND NOT EXISTS (
        SELECT 1 FROM job other WHERE other.dedup_key = job.dedup_key AND other.state IN {_LIVE})
    RETURNING {COLUMNS}
"""

# in the words of the indexes
ENDED_OR_PAUSED: Final = "state IN ('completed', 'failed', 'cancelled', 'paused')"
COUNTS: Final = " UNION ALL ".join(
    f"SELECT state, count(*) FROM job WHERE {one} GROUP BY state"
    for one in (ENDED_OR_PAUSED, "state IN ('pending', 'running')", "state = 'queued'")
)
NEXT_DUE: Final = (
    "SELECT min(x) FROM (SELECT min(due) AS x FROM job WHERE state IN ('pending', 'running')"
    " UNION ALL SELECT min(next_run) FROM job_schedule) AS both_of_them"
)
# the last ID stays, so that none is given twice
PURGE: Final = (
    "DELETE FROM job WHERE ended < ? AND state IN (SELECT value FROM json_each(?)) AND pk < (SELECT max(pk) FROM job)"
)


def job_of(row: Sequence[Any]) -> Job:
    """Return the job of a row of `COLUMNS`."""
    pk, kind, payload, state, priority, run_at, created, key, attempts, most, token, worker, asked, due, *rest = row
    started, updated, ended, done, total, note, error, result = rest
    begins, made = moment(run_at), moment(created)
    if begins is None or made is None:
        raise ValueError("a job has no moment")
    return Job(
        id=pk,
        kind=kind,
        payload=json.loads(payload),
        state=JobState(state),
        priority=JobPriority(priority),
        run_at=begins,
        created=made,
        dedup_key=key,
        attempts=attempts,
        max_attempts=most,
        token=token,
        worker=worker,
        asked=Asked(asked),
        lease_until=moment(due) if state == JobState.RUNNING else None,
        started=moment(started),
        updated=moment(updated),
        ended=moment(ended),
        done=done,
        total=total,
        note=note,
        error=error,
        result=None if result is None else json.loads(result),
    )

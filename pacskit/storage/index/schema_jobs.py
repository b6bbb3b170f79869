"""The tables of the job queue: jobs, kinds that are paused, and what is enqueued at set times.

``due`` is the next moment at which a job changes by itself: when one that is pending may run, or when the lease of one
that runs ends. ``token`` counts the claims, so that who has lost a job cannot end it for who has it now.
"""

from __future__ import annotations

from typing import Final

__all__ = ["JOBS"]

JOBS: Final[tuple[str, ...]] = (
    "CREATE TABLE job (pk INTEGER PRIMARY KEY, kind TEXT NOT NULL, payload TEXT NOT NULL, state TEXT NOT NULL,"
    " priority INTEGER NOT NULL, run_at INTEGER NOT NULL, due INTEGER, dedup_key TEXT,"
    " attempts INTEGER NOT NULL DEFAULT 0, max_attempts INTEGER NOT NULL, token INTEGER NOT NULL DEFAULT 0,"
    " worker TEXT NOT NULL DEFAULT '', asked TEXT NOT NULL DEFAULT '',"
    " created INTEGER NOT NULL, started INTEGER, updated INTEGER, ended INTEGER,"
    " done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '',"
    " error TEXT NOT NULL DEFAULT '', result TEXT) STRICT",
    "CREATE UNIQUE INDEX job_dedup ON job (dedup_key)"
    " WHERE dedup_key IS NOT NULL AND state IN ('pending', 'queued', 'running', 'paused')",
    "CREATE INDEX job_queue ON job (priority DESC, run_at, pk, kind) WHERE state = 'queued'",
    "CREATE INDEX job_due ON job (due) WHERE state IN ('pending', 'running')",
    "CREATE INDEX job_state ON job (state, pk) WHERE state IN ('completed', 'failed', 'cancelled', 'paused')",
    "CREATE INDEX job_ended ON job (ended) WHERE ended IS NOT NULL",
    "CREATE TABLE job_pause (kind TEXT PRIMARY KEY) STRICT",
    "CREATE TABLE job_schedule (name TEXT PRIMARY KEY, timing TEXT NOT NULL, zone TEXT NOT NULL, kind TEXT NOT NULL,"
    " payload TEXT NOT NULL, priority INTEGER NOT NULL, max_attempts INTEGER NOT NULL,"
    " next_run INTEGER, last_run INTEGER) STRICT",
    "CREATE INDEX job_schedule_next ON job_schedule (next_run)",
)

"""Hearing what other processes commit to an index in PostgreSQL: LISTEN on a connection of its own.

A transaction sends NOTIFY with its topics, and PostgreSQL delivers that when it is committed, or not at all. The
channel is named after the table of changes, so that archives in schemas of one database do not hear each other. When
the connection is lost another one is made, and everything may have changed then. A pooler that gives each transaction
another connection (PgBouncer's transaction mode) cannot carry LISTEN.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

__all__ = ["CHANNEL", "PostgresListener"]

CHANNEL: Final = "'pacskit_' || CAST(CAST('change' AS regclass) AS oid)"
"""What the channel is called, in SQL."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0
_ALIVE: Final = {"keepalives": 1, "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3}

_log = logging.getLogger("pacskit.storage")


class PostgresListener:
    """Listens in a thread; ``connect`` makes a connection, ``tell`` is told topics, or None for all of them."""

    def __init__(
        self, connect: Callable[..., psycopg.Connection[Any]], tell: Callable[[Iterable[str] | None], None]
    ) -> None:
        self._connect = connect
        self._tell = tell
        self._lock = threading.Lock()
        self._tried = threading.Event()
        self._thread: threading.Thread | None = None
        self._wakers: tuple[int, ...] = ()
        self.is_listening = False
        """Whether everything that is committed from now on is heard of."""

    def start(self) -> None:
        """Begin, if it has not; return when it listens, or cannot now and tries again by itself."""
        with self._lock:
            if self._thread is None:
                self._wakers = os.pipe()
                self._thread = threading.Thread(target=self._run, name="pacskit-listener", daemon=True)
                self._thread.start()
        self._tried.wait()

    def _run(self) -> None:
        failures = 0
        closing = False
        while not closing:
            try:
                connection = self._connect(**_ALIVE)
            except Exception as error:  # of whatever kind the driver has: it is tried again
                failures += 1
                if failures == 1:
                    _log.warning("the index cannot be listened to: %s", type(error).__name__)
                self._tried.set()
                closing = self._pause(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (failures - 1)))
                continue
            try:
                closing = self._listen(connection)
                failures = 0
            except Exception as error:
                failures = 1
                _log.warning("the line that listens to the index broke: %s", type(error).__name__)
                closing = self._pause(_FIRST_PAUSE)
            finally:
                self.is_listening = False
                self._tried.set()
                with suppress(Exception):
                    connection.close()

    def _pause(self, seconds: float) -> bool:
        """Wait before trying again; return whether it is over."""
        poll = select.poll()
        poll.register(self._wakers[0], select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _listen(self, connection: psycopg.Connection[Any]) -> bool:
        """Return True when it is over; raises when the line breaks."""
        found = connection.execute("SELECT " + CHANNEL).fetchone()
        connection.execute(f'LISTEN "{found[0] if found else ""}"'.encode())
        self.is_listening = True
        self._tell(None)  # of what has been committed before, nothing was heard
        self._tried.set()
        poll = select.poll()
        poll.register(self._wakers[0], select.POLLIN)
        poll.register(connection.fileno(), select.POLLIN)
        while True:
            topics = {topic for one in connection.notifies(timeout=0) for topic in one.payload.split()}
            if topics:
                self._tell(topics)
            if self._wakers[0] in dict(poll.poll()):
                return True

    def close(self) -> None:
        """Stop."""
        with self._lock:
            if self._thread is None:
                return
            os.write(self._wakers[1], b"\0")
            self._thread.join()
            for one in self._wakers:
                os.close(one)
            self._thread = None

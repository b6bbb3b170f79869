"""The benchmarks run, and measure what they say; no test here looks at a time."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
import pytest

from asv_bench.benchmarks import inputs
from asv_bench.compare import __main__ as compare
from asv_bench.compare import edits, footprint, network, parse, tls
from asv_bench.compare.rows import Missing, Row, Scale, Subject, measure, table
from pacskit.encoding import dcmread
from pacskit.security.certificates import make_test_ca

ROOT = Path(__file__).resolve().parents[3]
WANTED = {
    "dataset": ["ReadHeader", "ReadWhole", "WriteDataset", "Segmentation", "Contours", "ByteOrder", "MakeAndCopy"],
    "display": ["RenderFrame", "ResampleVolume"],
    "pdu": ["PduRoundTrip"],
    "network": ["EchoSCP", "StoreSCP", "StoreSCU", "FindSCP"],
    "pixels": ["NativePixels", "FramesOfCodeStreams"],
    "startup": ["ImportTime"],
    "codecs": ["Rle", "JpegBaseline", "JpegExtended", "JpegLossless", "JpegLs", "Jpeg2000", "Htj2k", "JpegXl"],
    "jpeg_lossless": ["JpegLosslessPredictors"],
}


class Tiny(Scale):
    """One of everything."""

    def __call__(self, quick: int, full: int) -> int:
        return 1


def by_pydicom(data: bytes, syntax: str = inputs.EXPLICIT) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(inputs.part10(data, inputs.CT_STORAGE, "1.2.3", syntax)))


def flat(dataset: pydicom.Dataset) -> list[tuple[int, Any]]:
    return [(int(element.tag), None if element.VR == "SQ" else element.value) for element in dataset.iterall()]


# ---- inputs -------------------------------------------------------------------------------------


def test_a_slice_has_what_its_table_says_and_is_the_same_each_time() -> None:
    data = inputs.ct_slice(3)
    dataset = by_pydicom(data)
    assert inputs.ct_slice(3) == data != inputs.ct_slice(4)
    assert (dataset.Rows, dataset.Columns, len(dataset.PixelData)) == (512, 512, 512 * 512 * 2)
    assert str(dataset.PatientName) == "MÜLLER^JÜRGEN 0"
    assert 240 <= len(flat(dataset)) <= 280
    assert all(keyword in dataset for keyword in inputs.INDEX_KEYS)


def test_the_small_instance_is_as_large_as_it_is_called() -> None:
    assert abs(len(inputs.small_instance()) - 39_000) < 500


def test_implicit_and_explicit_objects_say_the_same() -> None:
    explicit = by_pydicom(inputs.enhanced_mr(7))
    implicit = by_pydicom(inputs.enhanced_mr(7, implicit=True), inputs.IMPLICIT)
    assert flat(explicit) == flat(implicit)
    assert len(explicit.PerFrameFunctionalGroupsSequence) == 7


@pytest.mark.parametrize(
    "data",
    [inputs.ct_slice(1), inputs.enhanced_mr(5), inputs.sr_tree(20), inputs.segmentation(5)],
    ids=["ct", "mr", "sr", "seg"],
)
def test_everybody_touches_the_same_number_of_values(data: bytes) -> None:
    file = inputs.part10(data, inputs.CT_STORAGE, "1.2.3")
    count = parse.touch(dcmread(file))
    assert count == parse.touch(pydicom.dcmread(io.BytesIO(file))) == len(flat(by_pydicom(data)))


def test_a_structure_set_has_its_contours() -> None:
    dataset = by_pydicom(inputs.structure_set(20, 30), inputs.IMPLICIT)
    contours = [contour for region in dataset.ROIContourSequence for contour in region.ContourSequence]
    assert [contour.NumberOfContourPoints * 3 for contour in contours] == [90] * 20
    assert all(len(contour.ContourData) == 90 for contour in contours)


def test_a_multi_frame_head_promises_what_follows() -> None:
    uid, head = inputs.multiframe_head(3 << 20)
    dataset = by_pydicom(head + bytes(3 << 20))
    assert (dataset.SOPInstanceUID, dataset.NumberOfFrames, len(dataset.PixelData)) == (uid, 3, 3 << 20)


# ---- asv ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "name"), [(m, name) for m, names in WANTED.items() for name in names])
def test_the_benchmarks_are_there(module: str, name: str) -> None:
    found = getattr(importlib.import_module(f"asv_bench.benchmarks.{module}"), name)
    assert [method for method in dir(found) if method.startswith(("time_", "peakmem_", "track_"))]
    assert found.timeout <= 300


def test_asv_finds_no_fault() -> None:
    if importlib.util.find_spec("asv") is None:
        pytest.skip("asv is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "asv", "check", "-E", f"existing:{sys.executable}"],
        cwd=ROOT / "asv_bench",
        env={**os.environ, "ASV_PYTHONPATH": str(ROOT), "PYTHONPATH": str(ROOT), "PACSKIT_BENCH": "quick"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# ---- compare ------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [*parse.ROWS, *edits.ROWS, footprint.ROWS[0]], ids=lambda row: row.key)
def test_a_row_of_data_sets_runs(row: Row) -> None:
    result = measure(row, Tiny(True), rounds=1)
    assert {"pacskit", "numpy, in place" if row.key == "swap" else "pydicom"} <= result.figures.keys()
    assert all(len(figures) == 1 and (figures[0] > 0 or row.below) for figures in result.figures.values())


def test_the_bare_client_speaks_with_our_server() -> None:
    assert network._echo(network._pacskit, "echo:wire", 5) > 0


def test_the_bare_client_speaks_tls(tmp_path: Path) -> None:
    folder = str(tmp_path)
    make_test_ca(folder)
    assert tls._stores(partial(tls._begin, "sink", folder), folder, 1) > 0


def test_a_client_that_fails_says_why() -> None:
    with pytest.raises(Missing, match="no role"):
        network._echo(network._pacskit, "echo:nobody", 5)


def test_the_command_writes_a_table_and_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    compare.main(["--quick", "--only", "report", "--rounds", "2", "--json", str(tmp_path / "x.json")])
    assert "SR tree" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "x.json").read_text())
    assert row["key"] == "report"
    assert len(row["figures"]["pacskit"]) == 2
    assert compare.main(["--only", "nonsense"]) == 2


def scripted(name: str, *figures: float) -> Subject:
    left = list(figures)

    def run() -> float:
        if not left:
            raise Missing("gone")
        return left.pop(0)

    return Subject(name, run)


@pytest.mark.parametrize(("required", "verdict"), [(2, "ok"), (3, "BELOW")])
def test_the_ratio_is_the_median_of_those_in_each_round(required: float, verdict: str) -> None:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        return [scripted("ours", 2, 20, 90), scripted("theirs", 1, 10, 10), scripted("absent")]

    result = measure(Row("k", "title", "/s", build, at_least=required, against="theirs"), Scale(True), 3)
    assert result.ratios == {"theirs": 2}
    assert (result.median("ours"), result.verdict, result.missing) == (20, verdict, {"absent": "gone"})
    assert verdict in table([result])


def test_every_peer_with_a_bar_counts() -> None:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        return [scripted("ours", 4), scripted("first", 1), scripted("second", 2)]

    for wanted, verdict in ((2, "ok"), (3, "BELOW")):
        row = Row("k", "t", "/s", build, 4, "first", also=((wanted, "second"), (9, "absent")), known="DCMTK: 2x")
        assert measure(row, Scale(True), 1).verdict == verdict
        assert row.required == f">= 4x first, >= {wanted}x second, >= 9x absent (DCMTK: 2x)"


def test_a_limit_is_for_our_own_figure() -> None:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        return [scripted("ours", 5), scripted("theirs", 1)]

    assert measure(Row("k", "t", "MB", build, below=6), Scale(True), 1).verdict == "ok"
    assert measure(Row("k", "t", "MB", build, below=5), Scale(True), 1).verdict == "BELOW"


def test_a_row_whose_subject_is_missing_says_so() -> None:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        raise Missing("no peer here")

    result = measure(Row("k", "title", "/s", build, at_least=2, against="x"), Scale(True), 1)
    assert result.verdict == "not run"
    assert "no peer here" in table([result])

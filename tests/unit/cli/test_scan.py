"""``pacskit scan``: lines for machines, an exit code that tells of errors."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pydicom
import pytest

from pacskit.cli import main
from tests.foreign import wheel_files

FILES = [path for path in wheel_files() if path.name in {"CT_small.dcm", "MR_small.dcm", "rtplan.dcm"}]
KEYS = ["Modality", "PatientName", "PixelSpacing", "0028,0010"]


def expected(path: Path, key: str) -> str:
    dataset = pydicom.dcmread(path)
    value = dataset.get((0x0028, 0x0010)) if "," in key else dataset.get(key)
    value = getattr(value, "value", value) if "," in key else value
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value)


def test_lines_have_pydicoms_values(capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(path) for path in FILES]
    assert main(["scan", *paths, "--keys", ",".join(["Modality", "PatientName", "PixelSpacing", "00280010"])]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    for row, path in zip(rows, FILES, strict=True):
        assert (row["path"], int(row["size"]), row["error"]) == (str(path), path.stat().st_size, "")
        for key, column in zip(KEYS, list(row)[-4:], strict=True):
            assert row[column].rstrip() == expected(path, key)
    assert main(["scan", *paths, "--json", "--workers", "1", "--unordered"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["values"]["SOPInstanceUID"] for line in lines] == [
        pydicom.dcmread(path).SOPInstanceUID for path in FILES
    ]


def test_errors_are_lines_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "note.txt").write_text("no image")
    assert main(["scan", str(tmp_path), str(FILES[0]), "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["error"] is None for line in lines] == [False, True]


@pytest.mark.parametrize("words", [["--keys", "Nonsense"], ["--workers", "0"], ["--keys", "PixelData"]])
def test_what_cannot_be_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", ".", *words]) == 2
    assert capsys.readouterr().err.startswith("pacskit scan: ")


def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    target = tmp_path / "index.parquet"
    assert main(["scan", *map(str, FILES), "--keys", "Modality,Rows", "--parquet", str(target)]) == 0
    assert parquet.read_table(target).column("Modality").to_pylist() == [
        pydicom.dcmread(path).Modality for path in FILES
    ]

"""``pacskit convert``: folders, errors at the end, nothing overwritten, nothing half-written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pacskit import dcmread
from pacskit.cli import main
from pacskit.encoding.transcoding import SYNTAX_NAMES
from tests.foreign import wheel_files

NAMES = ("CT_small.dcm", "examples_palette.dcm", "rtplan.dcm", "SC_rgb_rle_2frame.dcm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, a plan, what is no DICOM, and a damaged file, in folders."""
    made = tmp_path / "study"
    (made / "inner").mkdir(parents=True)
    for path in wheel_files():
        if path.name in NAMES:
            shutil.copy(path, made / "inner" if path.name == "SC_rgb_rle_2frame.dcm" else made)
    (made / "notes.txt").write_text("no DICOM")
    return made


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {Path(one["source"]).name: one for one in found}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_folder(workers: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = tmp_path / "into"
    options = ["--to", "jpeg-ls", "--into", str(into), "--verify", "--json", "--workers", workers]
    assert main(["convert", str(folder), *options]) == 0
    told = lines(capsys)
    assert {name: one["outcome"] for name, one in told.items()} == {
        name: "copied" if name == "rtplan.dcm" else "converted" for name in NAMES
    }
    assert all(told[name]["largest_difference"] == 0 for name in NAMES if name != "rtplan.dcm")
    assert files(into) == sorted(f"inner/{name}" if name == "SC_rgb_rle_2frame.dcm" else name for name in NAMES)
    assert (into / "rtplan.dcm").read_bytes() == (folder / "rtplan.dcm").read_bytes()
    for path in into.rglob("*.dcm"):
        before = dcmread(folder / path.relative_to(into))
        if "PixelData" in before:
            assert dcmread(path).transfer_syntax == SYNTAX_NAMES["jpeg-ls"]
            assert np.array_equal(dcmread(path).pixel_array, before.pixel_array)


def test_what_fails_is_told_at_the_end(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = folder / "damaged.dcm"
    damaged.write_bytes((folder / "inner" / "SC_rgb_rle_2frame.dcm").read_bytes()[:-300])
    into = tmp_path / "into"
    assert main(["convert", str(folder), "--to", "jpeg", "--into", str(into), "--quality", "80", "--workers", "1"]) == 1
    told = capsys.readouterr()
    assert "1 converted, 1 copied, 3 failed" in told.out
    assert len(told.err.splitlines()) == 3
    assert "damaged.dcm: " in told.err
    assert "another index" in told.err
    assert files(into) == ["inner/SC_rgb_rle_2frame.dcm", "rtplan.dcm"]
    assert dcmread(into / "inner" / "SC_rgb_rle_2frame.dcm").LossyImageCompression == "01"


def test_nothing_is_overwritten_without_force(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = tmp_path / "into"
    into.mkdir()
    (into / "CT_small.dcm").write_text("mine")
    source = str(folder / "CT_small.dcm")
    assert main(["convert", source, "--to", "rle", "--into", str(into)]) == 1
    assert "--force" in capsys.readouterr().err
    assert (into / "CT_small.dcm").read_text() == "mine"
    assert main(["convert", source, "--to", "rle", "--into", str(into), "--force"]) == 0
    assert dcmread(into / "CT_small.dcm").transfer_syntax == SYNTAX_NAMES["rle"]
    again = [source, str(folder / "inner" / ".." / "CT_small.dcm")]
    assert main(["convert", *again, "--to", "rle", "--into", str(tmp_path / "other")]) == 1
    assert "another file goes there" in capsys.readouterr().err


def test_in_place_and_dry_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    assert main(["convert", str(folder), "--to", "j2k", "--in-place", "--dry-run", "--workers", "1"]) == 0
    assert "3 converted, 1 copied" in capsys.readouterr().out
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before
    pixels = dcmread(folder / "CT_small.dcm").pixel_array
    assert main(["convert", str(folder), "--to", "j2k", "--in-place", "--workers", "1"]) == 0
    assert files(folder) == sorted(before)
    assert np.array_equal(dcmread(folder / "CT_small.dcm").pixel_array, pixels)
    stamp = (folder / "CT_small.dcm").stat().st_mtime_ns
    assert main(["convert", str(folder / "CT_small.dcm"), "--to", str(SYNTAX_NAMES["j2k"]), "--in-place"]) == 0
    assert "1 unchanged" in capsys.readouterr().out
    assert (folder / "CT_small.dcm").stat().st_mtime_ns == stamp


def test_loss_is_measured(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(folder / "CT_small.dcm")
    arguments = ["convert", source, "--to", "jpeg-ls-near", "--near", "5", "--into", str(tmp_path / "a"), "--verify"]
    assert main(arguments) == 0
    assert "differs by up to 5, PSNR" in capsys.readouterr().out
    assert main([*arguments, "--force", "--json", "--new-uid", "never"]) == 0
    (told,) = lines(capsys).values()
    assert (told["lossy"], told["largest_difference"]) == (True, 5)
    assert told["sop_instance_uid"] == dcmread(source).SOPInstanceUID


def test_what_is_wrong_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(folder), "--to", "jpeg-3000", "--in-place"]) == 2
    assert main(["convert", str(folder), "--to", "rle"]) == 2
    assert main(["convert", str(folder), "--to", "rle", "--in-place", "--into", "x"]) == 2
    assert "jpeg-3000" in capsys.readouterr().err
    assert main(["convert", "--list"]) == 0
    assert capsys.readouterr().out.startswith("explicit          1.2.840.10008.1.2.1 ")

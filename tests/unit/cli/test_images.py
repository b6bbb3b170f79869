"""``pacskit extract`` and ``pacskit import-image``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pacskit import dcmread, images
from pacskit.cli import main
from tests.unit.encoding.picture_files import CDA, DEEP, GRAY, HEAD, MADE, MTL, OBJ, PDF, RGB, SYNTAX, picture, video


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Objects of some kinds, in folders, and files that are none."""
    for name in ("gray 12", "words", "pdf", "video 102"):
        path = tmp_path / "in" / name.replace(" ", "/") if name == "gray 12" else tmp_path / "in" / f"{name}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        MADE[name]().save_as(path)
    (tmp_path / "in" / "note.txt").write_text("nothing")
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_folder_is_extracted_with_its_folders(folder: Path, workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", str(folder / "in"), "--into", str(folder / "out"), "--workers", workers]) == 0
    expected = ["gray/12.png", "pdf.pdf", "video 102.mp4", "words-1.png", "words-2.png"]
    assert names(folder / "out") == expected
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert (folder / "out" / "pdf.pdf").read_bytes() == PDF


def test_stored_values_are_extracted(folder: Path) -> None:
    command = ["extract", str(folder / "in/words.dcm"), "--into", str(folder), "--raw", "--format"]
    for format in ("tiff", "npy", "png"):
        assert main([*command, format, "--frames", "2-", "--name", f"{format}-{{Modality}}-{{frame:3}}"]) == 0
    tiff, png = (np.asarray(Image.open(folder / name)) for name in ("tiff-OT-002.tif", "png-OT-002.png"))
    assert np.array_equal(tiff, DEEP >> 1)
    assert np.array_equal(png, DEEP >> 1)
    assert np.array_equal(np.load(folder / "npy-OT-002.npy"), DEEP >> 1)


def test_a_window_is_a_pair_a_number_or_a_word(folder: Path) -> None:
    file = str(folder / "in/gray/12")
    shown = []
    for number, window in enumerate(("1000,500", "full", "minmax")):
        command = ["extract", file, "--into", str(folder), "--window", window, "--name", str(number)]
        assert main(command) == 0
        shown.append(np.asarray(Image.open(folder / f"{number}.png")))
    ds = dcmread(file)
    wanted: list[tuple[float, float] | str] = [(1000.0, 500.0), "full", "minmax"]
    for pixels, chosen in zip(shown, wanted, strict=True):
        data = images.to_image(ds, 0, images.ExportOptions(format="npy", window=chosen))
        (folder / "x.npy").write_bytes(data)
        assert np.array_equal(pixels, np.load(folder / "x.npy"))
    assert main(["extract", file, "--into", str(folder), "--window", "1,x"]) == 2


@pytest.mark.parametrize("format", ["gif", "mp4"])
def test_frames_become_a_film(format: str, folder: Path) -> None:
    MADE["film"]().save_as(folder / "film.dcm")
    assert main(["extract", str(folder / "film.dcm"), "--into", str(folder / "out"), "--format", format]) == 0
    path = folder / "out" / f"film.{format}"
    if format == "gif":
        with Image.open(path) as file:
            assert (file.n_frames, file.info["duration"], file.size) == (2, 40, (56, 40))  # type: ignore[attr-defined]
    else:
        facts = images.video_facts(path.read_bytes())
        assert (facts.frames, float(facts.rate), facts.rows, facts.columns) == (2, 25.0, 40, 56)


def test_frames_of_a_video_are_decoded_on_request(folder: Path) -> None:
    command = ["extract", str(folder / "in/video 102.dcm"), "--into", str(folder / "out"), "--decode-video"]
    assert main([*command, "--frames", "2,4", "--format", "bmp"]) == 0
    assert names(folder / "out") == ["video 102-2.bmp", "video 102-4.bmp"]
    with Image.open(folder / "out" / "video 102-2.bmp") as file:
        expected = np.roll(np.repeat(np.repeat(RGB, 4, 0), 4, 1), 8, 1)
        assert np.abs(np.asarray(file).astype(int) - expected).mean() < 8


def test_failures_are_told_at_the_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = folder / "in" / "broken.dcm"
    broken.write_bytes((folder / "in/words.dcm").read_bytes()[:-3000])
    command = ["extract", str(folder / "in"), "--into", str(folder / "out")]
    assert main([*command, "--json"]) == 1
    out = capsys.readouterr()
    told = [json.loads(line) for line in out.out.splitlines()]
    assert [Path(one["file"]).name for one in told if one["error"]] == ["broken.dcm"]
    assert sum(len(one["written"]) for one in told) == 5
    assert "1 of 5 files failed" in out.err
    assert main(["extract", str(broken), "--into", str(folder / "o2")]) == 4
    assert main(command) == 1  # which are there by now
    assert "is there already" in capsys.readouterr().err
    assert main(["extract", str(folder / "nothing"), "--into", str(folder)]) == 4
    for wrong in ("0-1", "3-2", "x"):
        assert main([*command, "--frames", wrong]) == 2


# -- import-image ----------------------------------------------------------------------------------------------------


def test_pictures_become_a_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").write_bytes(picture(RGB, "JPEG"))
    (tmp_path / "report.pdf").write_bytes(PDF)
    command = ["import-image", *(str(tmp_path / name) for name in ("1.jpg", "2.jpg", "report.pdf"))]
    command += ["--into", str(tmp_path / "out"), "-k", "PatientID=42", "-k", "PatientName=Müller^Jürgen", "--json"]
    assert main([*command, "--title", "Report", "--concept", "LN,11488-4,Consult note"]) == 0
    told = lines(capsys)
    first, second, report = (dcmread(one["output"]) for one in told)
    assert first.StudyInstanceUID == second.StudyInstanceUID == report.StudyInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID != report.SeriesInstanceUID
    assert [one.InstanceNumber for one in (first, second, report)] == [1, 2, 1]
    assert [one.SeriesNumber for one in (first, second, report)] == [1, 1, 2]
    assert {(one.PatientID, str(one.PatientName)) for one in (first, second, report)} == {("42", "Müller^Jürgen")}
    assert (report.DocumentTitle, report.ConceptNameCodeSequence[0].CodeValue) == ("Report", "11488-4")
    assert told[0]["transfer_syntax"] == SYNTAX + "50"


def test_pictures_become_frames(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"{number}.png").write_bytes(picture(GRAY + np.uint8(number), "PNG"))
    files = [str(tmp_path / f"{number}.png") for number in (1, 2, 3)]
    command = ["import-image", *files, "--output", str(tmp_path / "a.dcm")]
    assert main([*command, "--multi-frame", "--frame-time", "40"]) == 0
    ds = dcmread(tmp_path / "a.dcm")
    assert (int(ds.NumberOfFrames), float(ds.FrameTime)) == (3, 40.0)
    assert str(ds.SOPClassUID) == "1.2.840.10008.5.1.4.1.1.7.2"
    assert np.array_equal(ds.pixel_array, np.stack([GRAY + np.uint8(number) for number in (1, 2, 3)]))
    assert main(["import-image", *files, "--output", str(tmp_path / "b.dcm")]) == 2
    assert main(["import-image", files[0], "--output", str(tmp_path / "a.dcm")]) == 4  # it is there


def test_an_object_is_made_like_another(tmp_path: Path) -> None:
    MADE["gray 8"]().save_as(tmp_path / "like.dcm")
    (tmp_path / "cda.xml").write_bytes(CDA)
    like = dcmread(tmp_path / "like.dcm")
    command = ["import-image", str(tmp_path / "cda.xml"), "--output", str(tmp_path / "a.dcm")]
    assert main([*command, "--like", str(tmp_path / "like.dcm")]) == 0
    ds = dcmread(tmp_path / "a.dcm")
    assert ds.StudyInstanceUID == like.StudyInstanceUID
    assert ds.SeriesInstanceUID != like.SeriesInstanceUID


def test_a_model_finds_the_materials_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.obj").write_bytes(OBJ)
    (tmp_path / "red.mtl").write_bytes(MTL)
    files = [str(tmp_path / name) for name in ("a.obj", "red.mtl")]
    assert main(["import-image", *files, "--into", str(tmp_path / "out"), "--units", "mm", "--json"]) == 0
    material, model = (dcmread(one["output"]) for one in lines(capsys))
    assert model.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == material.SOPInstanceUID
    assert (material.SeriesInstanceUID, model.InstanceNumber) == (model.SeriesInstanceUID, 2)
    referenced = model.ReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == material.SeriesInstanceUID


def test_a_video_is_imported_with_what_it_shows(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(video("102"))
    command = ["import-image", str(tmp_path / "a.mp4"), "--output", str(tmp_path / "a.dcm")]
    assert main([*command, "--class", "video-endoscopic"]) == 4
    code = "AnatomicRegionSequence=SCT,69536005,Head"
    assert main([*command, "--class", "video-endoscopic", "--code", code, "-k", "PatientAge=012Y"]) == 0
    ds = dcmread(tmp_path / "a.dcm")
    assert ds.AnatomicRegionSequence[0].CodeMeaning == HEAD[0].CodeMeaning
    assert main(["extract", str(tmp_path / "a.dcm"), "--into", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "a.mp4").read_bytes().rstrip(b"\0") == video("102").rstrip(b"\0")


def test_what_cannot_be_imported_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(picture(RGB, "PNG")[:-20])
    (tmp_path / "b.png").write_bytes(picture(RGB, "PNG"))
    assert main(["import-image", str(tmp_path / "a.png"), "--into", str(tmp_path / "out")]) == 4
    assert "a.png: CodecTruncatedError" in capsys.readouterr().err
    assert main(["import-image", str(tmp_path), "--into", str(tmp_path / "out")]) == 1
    assert len(names(tmp_path / "out")) == 1
    good = ["import-image", str(tmp_path / "b.png"), "--into", str(tmp_path / "out")]
    texts = "-k Rows=3,-k PatientID,-k InstanceNumber=x,--code A=1,--class x,--background 1,--output x"
    for wrong in (text.split() for text in texts.split(",")):
        assert main([*good, *wrong]) in {2, 4}, wrong

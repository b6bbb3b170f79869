"""The command line: exit codes, output for machines, and how little it imports."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_charset_files, get_testdata_file

import pacskit
from pacskit.cli import main, parse
from pacskit.cli.output import dataset_json
from pacskit.cli.progress import Bar

COMMANDS = ["serve", "echo", "store", "find", "move", "get", "dump", "scan", "extract", "import-image", "tier", "info"]


def wheel_file(name: str) -> Path:
    if name.startswith("chr"):
        return Path(get_charset_files(name)[0])
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[pacskit.Archive]:
    with pacskit.Archive(tmp_path / "archive") as made:
        made.serve(port=0)
        yield made


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"pacskit {command} " in capsys.readouterr().out.split("examples:")[1]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, pacskit.cli\ntry:\n    pacskit.cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "wrong = {'numpy', 'sqlite3', 'pacskit.network', 'pacskit.core', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(str(wrong) if wrong else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


def test_the_package_imports_lazily() -> None:
    code = (
        "import sys, pacskit\nassert 'pacskit.core' not in sys.modules\n"
        "[getattr(pacskit, name) for name in pacskit.__all__]\nassert set(pacskit.__all__) <= set(dir(pacskit))\n"
        "sys.exit('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["echo", "X@127.0.0.1:1"], 3),
        (["echo", "nothing"], 2),
        (["echo", "X@127.0.0.1:1", "--ca", "ca.pem"], 2),
        (["echo", "tls:X@127.0.0.1:1", "--ca", "no-such-file"], 2),
        (["echo", "tls:X@127.0.0.1:1"], 3),
        (["serve", "--dir", "x", "--tls-port", "0"], 2),
        (["serve", "--dir", "x", "--node", "tls:X@h"], 2),
        (["serve", "--dir", "x", "--cert", "c", "--require-client-cert"], 2),
        (["serve", "--dir", "x", "--allow", "somewhere"], 2),
        (["find", "X@127.0.0.1:1", "Nonsense=1"], 2),
        (["find", "X@127.0.0.1:1", "word"], 2),
        (["dump", "no-such-file"], 4),
        (["dump", __file__], 4),
    ],
)
def test_exit_codes(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == code
    assert capsys.readouterr().err.startswith(f"pacskit {arguments[0]}: ")


def test_unknown_options_are_usage_errors() -> None:
    for arguments in (["echo", "A@h", "--nonsense"], ["find", "A@h", "--level", "ROOM"], [], ["info", "more"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2


def test_words_may_stand_among_options() -> None:
    options = parse(["find", "A@h", "PatientID=1", "--level", "series", "Modality=CT", "--json", "SeriesNumber="])
    assert options.keys == ["PatientID=1", "Modality=CT", "SeriesNumber="]
    assert (options.level, options.json) == ("SERIES", True)
    options = parse(["move", "A@h", "--level", "STUDY", "1.2", "--to", "B", "1.3"])
    assert options.what == ["1.2", "1.3"]


def test_store_find_move_get(archive: pacskit.Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = str(archive.address)
    file = wheel_file("CT_small.dcm")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "ct.dcm").write_bytes(file.read_bytes())
    (folder / "note.txt").write_text("no DICOM")
    assert main(["store", address, str(folder), "--json"]) == 0
    sent = json.loads(capsys.readouterr().out)
    ct = pydicom.dcmread(file)
    assert (sent["status"], sent["sop_instance_uid"]) == (0, ct.SOPInstanceUID)
    assert main(["find", address, "PatientID=1CT1", "--level", "STUDY", "StudyDate=20040101-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["00100010"]["Value"] == [{"Alphabetic": "CompressedSamples^CT1"}]
    study = str(ct.StudyInstanceUID)
    assert main(["move", address, study, "--to", "NOBODY", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == 0xA801
    into = tmp_path / "in"
    assert main(["get", address, study, "--into", str(into), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == {"status": 0, "completed": 1, "failed": 0, "warning": 0}
    assert pydicom.dcmread(lines[0]["file"]) == ct
    assert main(["get", address, "--level", "IMAGE", str(ct.SOPInstanceUID), "--into", str(tmp_path / "in2")]) == 0


def model(value: object) -> object:
    """DICOM JSON without the bulk data, which we give by its place, and without empty lists (PS3.18 F.2.5)."""
    if isinstance(value, dict):
        bulk = {"InlineBinary", "BulkDataURI"}
        return {key: model(one) for key, one in value.items() if key not in bulk and one != []}
    return [model(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_bigendian.dcm", "rtplan.dcm", "reportsi.dcm", "chrH31.dcm", "JPEG2000.dcm"]
)
def test_json_is_pydicoms(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = wheel_file(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = pydicom.dcmread(path).to_json_dict()
    got = dataset_json(pacskit.dcmread(path))
    for tag in ("00080005",):
        want.pop(tag, None)
        got.pop(tag, None)
    assert model(got) == model(want)
    assert main(["dump", str(path), "--json"]) == 0
    assert "00020010" in json.loads(capsys.readouterr().out)


def test_dump_and_info_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", str(wheel_file("CT_small.dcm"))]) == 0
    out = capsys.readouterr().out
    assert "(0010,0010) Patient's Name" in out
    assert main(["info"]) == 0
    assert pacskit.__version__ in capsys.readouterr().out
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["storage_sop_classes"] > 150


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_draws_on_a_terminal_alone() -> None:
    for stream, drawn in ((StringIO(), False), (Terminal(), True)):
        with Bar("store", stream=stream) as bar:
            bar.total = 4
            for _ in range(4):
                bar.step(size=1000)
        assert ("4/4" in stream.getvalue()) == drawn

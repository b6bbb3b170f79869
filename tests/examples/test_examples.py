"""Every example runs, as its first line says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

import pacskit
from tests.conftest import ROOT

FOLDER = ROOT / "examples"
# What each is called with; ``{address}`` is a running archive, ``{file}`` a DICOM file, ``{frames}`` one of two frames.
ARGUMENTS = {
    "build_images.py": ["{picture}", "out.dcm"],
    "custom_codec.py": [],
    "dicom_json.py": ["{file}", "json"],
    "dicomdir.py": ["media", "{file}"],
    "dictionary_lookup.py": ["PatientName"],
    "display.py": ["{file}", "out.png", "40", "400"],
    "embedded_archive.py": ["archive", "{file}"],
    "fastapi_app.py": ["{address}", "0", "once"],
    "follow_changes.py": ["archive", "{file}"],
    "frames.py": ["{frames}", "1", "frame.bin"],
    "pixels.py": ["{frames}"],
    "private_data.py": ["{file}"],
    "qt_studies.py": ["{address}", "once"],
    "read_modify_write.py": ["{file}", "out.dcm"],
    "scan_folder.py": ["files"],
    "scp_asyncio.py": ["0", "0.1"],
    "scp_threads.py": ["0", "0.2"],
    "scu.py": ["{address}", "{file}"],
    "volume.py": ["files", "out.png"],
    "transcode.py": ["{frames}", "small.dcm"],
}
EXPECTED = {
    "transcode.py": r"2 frame\(s\), \d+ bytes became \d+: frames decoded and encoded\nsame pixels: True",
    "build_images.py": r"Secondary Capture Image Storage in JPEG Baseline.*\nframe-1\.png",
    "custom_codec.py": r"131072 bytes in \d+ by acme\.zlib, same pixels: True\n11 conformance tests passed",
    "display.py": r"128 x 128 pixels from 0 to 255",
    "dicomdir.py": r"1CT1 \d+ CT 1 instances",
    "fastapi_app.py": r"echo: .*Success.*\nsent: .*Success.*\nreceived: \['1\.2\.3\.4\.dcm'\]\nstudy: \['[\d.]+'\]",
    "follow_changes.py": r"1 patient\.new 1CT1\n2 study\.new .*\n3 series\.new .*\n4 instance\.stored .*\n5 study\.c",
    "frames.py": r"2 frames",
    "pixels.py": r"2 frame\(s\) of 100x100x3.*RGB\nframe 0: uint8, 0 to 255",
    "private_data.py": r"Dose Index",
    "embedded_archive.py": r"stored: .* stored\nstudy: [\d.]+ 1\npatient: 1CT1",
    "read_modify_write.py": r"is:  DOE\^JANE 20260801",
    "qt_studies.py": r"listening at WS1@127\.0\.0\.1:\d+\nstudy: \['CompressedSamples\^CT1', '1CT1'",
    "scan_folder.py": r"  CT +1 files",
    "scp_asyncio.py": r"listening at VENDOR@127\.0\.0\.1:\d+\necho from ME\nstored: 0x0000.*\nfound: 1\.2\.3",
    "scp_threads.py": r"listening at VENDOR@127\.0\.0\.1:\d+",
    "scu.py": r"echo: 0x0000 .*\nstore: .* 0x0000 .*\nfind: [\d.]+ 1\nget: inbox/.*Explicit VR Little Endian",
    "volume.py": r"1 slices, 0 mm apart, 0 missing",
}
NEEDS_A_STUDY = {"fastapi_app.py", "qt_studies.py"}
TALKATIVE = {"qt_studies.py"}  # Qt says on standard error what a platform without a screen cannot do


def test_every_example_is_run() -> None:
    assert {path.name for path in FOLDER.glob("*.py")} == set(ARGUMENTS)


def _has_qt() -> bool:
    """Whether the system has what Qt's wheel leaves to it; tried in a process of its own."""
    return (
        subprocess.run([sys.executable, "-c", "import PySide6.QtWidgets"], capture_output=True, check=False).returncode
        == 0
    )


# In continuous integration a skip of what is marked so is a failure.
EACH = [pytest.param(name, marks=pytest.mark.interop if name.startswith("qt_") else ()) for name in sorted(ARGUMENTS)]


@pytest.mark.parametrize("name", EACH)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    if name.startswith("qt_") and not _has_qt():
        pytest.skip("Qt's system libraries (libEGL, libGL, libxkbcommon) are not installed")
    file = str(get_testdata_file("CT_small.dcm", download=False))
    frames = str(get_testdata_file("SC_rgb_rle_2frame.dcm", download=False))
    (tmp_path / "files").mkdir()
    shutil.copy(file, tmp_path / "files")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "picture.jpg")
    with pacskit.Archive(tmp_path / "served") as archive:
        address = str(archive.serve(port=0))
        if name in NEEDS_A_STUDY:
            archive.store(file)
        arguments = [
            one.format(address=address, file=file, frames=frames, picture="picture.jpg") for one in ARGUMENTS[name]
        ]
        done = subprocess.run(
            [sys.executable, FOLDER / name, *arguments],
            capture_output=True, text=True, timeout=100, check=False, cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": "", "QT_QPA_PLATFORM": "offscreen"},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" or (name in TALKATIVE and "Traceback" not in done.stderr)
    assert re.search(EXPECTED.get(name, ""), done.stdout), done.stdout

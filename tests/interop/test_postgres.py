"""Two archives on one index in PostgreSQL, over sockets."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from tests.conftest import Dcmtk
from tests.interop.conftest import Serve, run
from tests.interop.files import wheel_file

pytestmark = pytest.mark.interop


def test_what_one_archive_stores_the_other_finds_and_sends(
    dcmtk: Dcmtk, serve: Serve, tmp_path: Path, postgres_schema: Callable[[], str]
) -> None:
    (tmp_path / "pacs.toml").write_text(f"index = {json.dumps(postgres_schema())}\n")
    one = serve("--config", str(tmp_path / "pacs.toml"))
    two = serve("--config", str(tmp_path / "pacs.toml"))
    ct = pydicom.dcmread(wheel_file("CT_small.dcm"))
    done = run(dcmtk.tool("storescu"), "-v", *one.dcmtk, wheel_file("CT_small.dcm"), wheel_file("MR_small.dcm"))
    assert done.stdout.count("Received Store Response (Success)") == 2

    asked = ("-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=*ompressedsam*", "-k", "StudyInstanceUID")
    asked_too = ("-k", "NumberOfStudyRelatedInstances", "-k", "ModalitiesInStudy=CT")
    deadline = time.monotonic() + 60
    while True:  # an instance that is acknowledged has its row a moment later, unless the archive itself is asked
        found = run(dcmtk.tool("findscu"), "-v", "-S", *asked, *asked_too, *two.dcmtk).stdout
        if "Find Response: 1" in found or time.monotonic() > deadline:
            break
    assert re.findall(r"\(0020,000d\) UI \[([\d.]+)", found)[-1] == ct.StudyInstanceUID
    assert found.count("Find Response: ") == 1

    folder = tmp_path / "got"
    folder.mkdir()
    study = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={ct.StudyInstanceUID}")
    done = run(dcmtk.tool("getscu"), "-v", "-S", "-od", folder, *study, *two.dcmtk)
    (got,) = folder.iterdir()
    assert pydicom.dcmread(got).PixelData == ct.PixelData
    assert not (one.directory / "index.sqlite").exists()

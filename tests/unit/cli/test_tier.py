"""``pacskit tier`` over an archive that serves, and one that does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

import pacskit
from pacskit.cli import main

CONFIG = """
[[archive.tiers]]
name = "hot"
store = "file://{0}/hot"
[[archive.tiers]]
name = "cold"
store = "file://{0}/cold"
[archive.lifecycle]
quota = {{ bytes = 1000000, target = "cold" }}
[[archive.lifecycle.moves]]
source = "hot"
target = "cold"
idle_days = 0
[[archive.lifecycle.retention]]
name = "old"
study_age_days = 3653
patients = ["1*"]
"""


def test_a_study_moves_is_held_recalled_and_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "pacs.toml"
    config.write_text(CONFIG.format(tmp_path))
    rest = ["--dir", str(tmp_path / "archive"), "--config", str(config)]

    def said(*arguments: str, code: int = 0) -> list[str]:
        assert main(["tier", *arguments, *rest]) == code
        return capsys.readouterr().out.splitlines()

    assert main(["tier", "status", *rest]) == 2  # there is none
    with pacskit.Archive(tmp_path / "archive", settings=pacskit.ArchiveSettings.from_toml(config)) as archive:
        path = get_testdata_file("CT_small.dcm", download=False)
        assert isinstance(path, str)
        stored = archive.store(path).instance
        assert stored is not None
        size = stored.offset + stored.length
        capsys.readouterr()
        assert said("hold", "--patient", "1CT1", "--reason", "a claim")[0].startswith("patient 1CT1: held since 20")
        assert said("run", "--dry-run")[-1] == f"1 instances of {size} bytes would be moved"
        assert said("run") == [f"1 instances of {size} bytes moved"]
    (tmp_path / "archive" / "index.sqlite").unlink()
    assert main(["rebuild", str(tmp_path / "archive"), "--config", str(config)]) == 0
    capsys.readouterr()
    with pacskit.Archive(tmp_path / "archive", settings=pacskit.ArchiveSettings.from_toml(config)) as archive:
        assert main(["verify", str(tmp_path / "archive"), "--config", str(config)]) == 0
        capsys.readouterr()
        assert said("hold", "--patient", "1CT1", "--reason", "a claim")
        assert said("status") == [
            "hot: 0 instances, 0 bytes", f"cold: 1 instances, {size} bytes", "0 of 1000000 bytes used",
        ]  # fmt: skip
        assert json.loads(said("status", "--json")[1])["instances"] == 1
        assert said("recall", "--study", stored.study_instance_uid) == [f"1 instances of {size} bytes recalled"]
        assert json.loads(said("holds", "--json")[0])["reason"] == "a claim"
        assert said("release", "--patient", "1CT1") == []
        assert said("release", "--patient", "1CT1", code=1) == ["no hold on 1CT1"]
        action = json.loads(said("run", "--json")[-1])
        assert (action["what"], action["rule"], action["outcome"]) == ("delete", "old", "done")
        assert archive.counts().instances == 0
    assert main(["tier", "hold", *rest]) == 2
    assert main(["tier", "recall", *rest]) == 2

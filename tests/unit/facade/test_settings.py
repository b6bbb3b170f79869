"""Settings, ranges and identifiers."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path

import pytest

import pacskit
from pacskit.facade.identifiers import query_identifier, retrieve_identifier


def test_what_is_transcoded() -> None:
    assert pacskit.ArchiveSettings().transcode == "lossless"
    assert pacskit.ArchiveSettings.from_env({"PACSKIT_TRANSCODE": "never"}).transcode == "never"
    with pytest.raises(pacskit.ConfigurationError, match="never, lossless or any"):
        pacskit.ArchiveSettings(transcode="maybe")  # type: ignore[arg-type]


def test_settings_from_toml(tmp_path: Path) -> None:
    file = tmp_path / "pacs.toml"
    file.write_text(
        'ae = "PACS"\nnodes = ["WS@10.0.0.1:104"]\nduplicates = "replace"\ndurable = true\n'
        "[limits]\nmax_associations = 7\n[timeouts]\ndimse = 5\n"
    )
    settings = pacskit.ArchiveSettings.from_toml(file)
    assert (settings.ae, settings.nodes, settings.durable) == ("PACS", ("WS@10.0.0.1:104",), True)
    assert settings.duplicates is pacskit.DuplicatePolicy.REPLACE
    assert (settings.limits.max_associations, settings.timeouts.dimse) == (7, 5)


def test_settings_from_the_environment() -> None:
    settings = pacskit.ArchiveSettings.from_env(
        {
            "PACSKIT_AE": "PACS",
            "PACSKIT_NODES": "A@h:1, B@h:2",
            "PACSKIT_DURABLE": "yes",
            "PACSKIT_TIMEOUTS_IDLE": "none",
            "PACSKIT_LIMITS_MAX_PDU": "16384",
            "PACSKIT_CORPUS": "something else",
        }
    )
    assert settings.nodes == ("A@h:1", "B@h:2")
    assert settings.durable
    assert settings.timeouts.idle is None
    assert settings.limits.max_pdu == 16384


@pytest.mark.parametrize(
    "text",
    ["nonsense = 1", "ae = 'far too long for an AE'", "duplicates = 'maybe'", "nodes = ['x']", "[limits]\nx = 1", "="],
)
def test_wrong_settings_are_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "pacs.toml"
    file.write_text(text)
    with pytest.raises(pacskit.ConfigurationError):
        pacskit.ArchiveSettings.from_toml(file)


def test_between() -> None:
    assert pacskit.between(date(2026, 1, 31), date(2026, 2, 1)) == "20260131-20260201"
    assert pacskit.between(None, time(10, 30)) == "-103000"
    assert pacskit.between(datetime(2026, 1, 1, 2, 3, 4, 5), None) == "20260101020304.000005-"
    with pytest.raises(pacskit.ConfigurationError):
        pacskit.between(None, None)


def test_identifiers() -> None:
    found = query_identifier(pacskit.Level.STUDY, {"PatientName": "M\u00fcller*", "StudyDate": date(2026, 1, 1)}, None)
    assert found.QueryRetrieveLevel == "STUDY"
    assert found.StudyDate == "20260101"
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found["StudyInstanceUID"].is_empty
    found = query_identifier(pacskit.Level.IMAGE, {"SOPInstanceUID": ["1.2", "1.3"]}, [])
    assert found["SOPInstanceUID"].value == ["1.2", "1.3"]
    assert len(found) == 2
    with pytest.raises(AttributeError):
        query_identifier(pacskit.Level.STUDY, {"PatientNaem": "x"}, None)
    found = retrieve_identifier(pacskit.Level.SERIES, "1.2.3", {"StudyInstanceUID": "1.2"})
    assert (found.SeriesInstanceUID, found.StudyInstanceUID) == ("1.2.3", "1.2")

"""Settings, ranges and identifiers."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.facade.identifiers import query_identifier, retrieve_identifier

TLS_WRONG = [
    "tls_port = 2762",
    "nodes = ['tls:WS@h']",
    "[tls]\nkey = 'a'",
    "[tls]\nprofile = 'none'",
    "[tls]\nbindings = 'A=cn:b'",
    "[admission]\nnetworks = ['x']",
]


def test_what_is_transcoded() -> None:
    assert pacskit.ArchiveSettings().transcode == "lossless"
    assert pacskit.ArchiveSettings.from_env({"PACSKIT_TRANSCODE": "never"}).transcode == "never"
    with pytest.raises(pacskit.ConfigurationError, match="never, lossless or any"):
        pacskit.ArchiveSettings(transcode="maybe")  # type: ignore[arg-type]


def test_settings_from_toml(tmp_path: Path) -> None:
    file = tmp_path / "pacs.toml"
    file.write_text(
        'ae = "PACS"\nnodes = ["WS@10.0.0.1:104"]\nduplicates = "replace"\ncommit = "object"\n'
        "[limits]\nmax_associations = 7\n[timeouts]\ndimse = 5\n"
    )
    settings = pacskit.ArchiveSettings.from_toml(file)
    assert (settings.ae, settings.nodes, settings.commit) == ("PACS", ("WS@10.0.0.1:104",), "object")
    assert settings.duplicates is pacskit.DuplicatePolicy.REPLACE
    assert (settings.limits.max_associations, settings.timeouts.dimse) == (7, 5)


def test_settings_from_the_environment() -> None:
    settings = pacskit.ArchiveSettings.from_env(
        {
            "PACSKIT_AE": "PACS",
            "PACSKIT_NODES": "A@h:1, B@h:2",
            "PACSKIT_COMMIT": "os",
            "PACSKIT_INGEST_LINGER": "0.5",
            "PACSKIT_INGEST_QUEUE": "64",
            "PACSKIT_TIMEOUTS_IDLE": "none",
            "PACSKIT_LIMITS_MAX_PDU": "16384",
            "PACSKIT_CORPUS": "something else",
        }
    )
    assert settings.nodes == ("A@h:1", "B@h:2")
    assert (settings.commit, settings.ingest_linger, settings.ingest_queue) == ("os", 0.5, 64)
    assert settings.timeouts.idle is None
    assert settings.limits.max_pdu == 16384


@pytest.mark.parametrize("wrong", [{"commit": "sometimes"}, {"ingest_linger": -1}, {"ingest_queue": 0}])
def test_settings_of_ingest_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(pacskit.ConfigurationError, match=next(iter(wrong))):
        pacskit.ArchiveSettings(**wrong)


def test_settings_of_tls_and_admission(tmp_path: Path) -> None:
    file = tmp_path / "pacs.toml"
    file.write_text(
        'nodes = ["tls:WS@10.0.0.1"]\ntls_port = 2762\n'
        '[tls]\ncert = "a.pem"\nca = "ca.pem"\nprofile = "bcp195-nd"\nbindings = ["WS1=cn:ws1"]\npassword = "secret"\n'
        '[admission]\nnetworks = ["10.0.0.0/8"]\nper_second = 2.5\n'
    )
    settings = pacskit.ArchiveSettings.from_toml(file)
    assert settings.tls is not None
    assert (settings.tls_port, settings.tls.profile) == (2762, pacskit.TlsProfile.BCP195_NON_DOWNGRADING)
    assert [(one.ae, one.kind, one.value) for one in settings.tls.bindings] == [("WS1", "cn", "ws1")]
    assert settings.admission == pacskit.Admission(networks=("10.0.0.0/8",), per_second=2.5)
    assert "secret" not in repr(settings)
    environment = {
        "PACSKIT_TLS_PORT": "2762",
        "PACSKIT_TLS_CERT": "a.pem",
        "PACSKIT_TLS_CA": "ca.pem",
        "PACSKIT_TLS_PASSWORD": "secret",
        "PACSKIT_TLS_REQUIRE_CLIENT_CERT": "no",
        "PACSKIT_ADMISSION_NETWORKS": "10.0.0.0/8, 192.168.0.0/16",
        "PACSKIT_ADMISSION_MAX_PER_PEER": "3",
    }
    settings = pacskit.ArchiveSettings.from_env(environment)
    assert settings.tls == pacskit.TlsSettings(cert="a.pem", ca="ca.pem", password="secret", require_client_cert=False)
    assert settings.tls_port == 2762
    assert settings.admission == pacskit.Admission(networks=("10.0.0.0/8", "192.168.0.0/16"), max_per_peer=3)
    assert pacskit.ArchiveSettings.from_env({}) == pacskit.ArchiveSettings()


@pytest.mark.parametrize(
    "text",
    [
        "nonsense = 1",
        "ae = 'far too long for an AE'",
        "duplicates = 'maybe'",
        "nodes = ['x']",
        "[limits]\nx = 1",
        "=",
        *TLS_WRONG,
    ],
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


def test_none_is_no_number_and_may_be_a_text() -> None:
    settings = pacskit.ArchiveSettings.from_env({
        "PACSKIT_HIDDEN_DAYS": "none", "PACSKIT_TLS_CERT": "none", "PACSKIT_TLS_KEY": "k.pem",
    })  # fmt: skip
    assert settings.hidden_days is None
    assert settings.tls is not None
    assert settings.tls.cert == "none"

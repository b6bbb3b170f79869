"""The UID registry against every row of the committed table and pydicom; validity against PS3.5 9.1."""

from __future__ import annotations

import copy
import csv
import json
import pickle
import re
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import _uid_dict
from pydicom.uid import UID as PydicomUID

from pacskit_ext._uid import UID, iter_uids

TABLES = Path(__file__).parents[3] / "pacskit_ext/codegen/tables"

# pydicom has no encoding for private syntaxes and an older registry; it calls every syntax encapsulated
# that is not one of four, and takes Papyrus 3 for explicit VR and JPIP deflate for not deflated.
NOT_IN_PYDICOM = {
    "JPEGXLLossless",
    "JPEGXLJPEGRecompression",
    "JPEGXL",
    "DeflatedImageFrameCompression",
    "LabelMapSegmentationStorage",
    "HeightMapSegmentationStorage",
    "WaveformPresentationStateStorage",
    "WaveformAcquisitionPresentationStateStorage",
    "GEPrivateImplicitBigEndianPixel",
    "PapyrusImplicit",
}
OTHERWISE_IN_PYDICOM = {
    "JPIPReferenced",
    "JPIPReferencedDeflate",
    "JPIPHTJ2KReferenced",
    "JPIPHTJ2KReferencedDeflate",
    "RFC2557MIMEEncapsulation",
    "XMLEncoding",
    "SMPTEST211020UncompressedProgressiveActiveVideo",
    "SMPTEST211020UncompressedInterlacedActiveVideo",
    "SMPTEST211030PCMDigitalAudio",
    "Papyrus3ImplicitVRLittleEndian",
}


def test_every_row_of_the_table_is_found() -> None:
    with (TABLES / "uids.csv").open(newline="", encoding="ascii") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        uid = UID(row["uid"])
        assert (uid.keyword, uid.name, uid.type, uid.info) == (row["keyword"], row["name"], row["type"], row["info"])
        assert uid.is_retired == bool(row["retired"])
        assert uid.is_valid
        assert not uid.is_private
        if row["keyword"]:
            assert UID.from_keyword(row["keyword"]) == row["uid"]


def test_every_row_equals_pydicom() -> None:
    pristine = runpy.run_path(str(_uid_dict.__file__))["UID_dictionary"]  # pynetdicom adds to the imported one
    for text, (name, kind, info, retired, keyword) in pristine.items():
        uid = UID(text)
        assert (uid.name, uid.type, uid.info, uid.keyword) == (name, kind, info, keyword)
        assert uid.is_retired == bool(retired)
    assert {uid.keyword for uid in iter_uids() if str(uid) not in pristine} == NOT_IN_PYDICOM


def test_every_transfer_syntax_has_its_encoding() -> None:
    table = json.loads((TABLES / "transfer_syntaxes.json").read_text("ascii"))
    for text, facts in table.items():
        uid = UID(text)
        assert uid.is_transfer_syntax
        assert uid.is_implicit_VR == facts["implicit"]
        assert uid.is_little_endian == facts["little_endian"]
        assert uid.is_deflated == facts["deflated"]
        assert uid.is_encapsulated == uid.is_compressed == facts["encapsulated"]


def test_every_transfer_syntax_equals_pydicom() -> None:
    different = set()
    for uid in iter_uids():
        if uid.is_transfer_syntax and not uid.is_private and uid.keyword not in NOT_IN_PYDICOM:
            other = PydicomUID(uid)
            ours = (uid.is_implicit_VR, uid.is_little_endian, uid.is_deflated, uid.is_encapsulated)
            if ours != (other.is_implicit_VR, other.is_little_endian, other.is_deflated, other.is_encapsulated):
                different.add(uid.keyword)
    assert different == OTHERWISE_IN_PYDICOM


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.840.10008.1.1", "été", "\ud800", "1." * 400])
def test_what_is_no_transfer_syntax_has_no_encoding(text: str) -> None:
    uid = UID(text)
    assert not uid.is_transfer_syntax
    for name in ("is_implicit_VR", "is_little_endian", "is_deflated", "is_encapsulated", "is_compressed"):
        with pytest.raises(ValueError, match="not a transfer syntax"):
            getattr(uid, name)


def test_an_unknown_uid_is_its_own_name() -> None:
    uid = UID("1.2.3")
    assert (uid.name, uid.keyword, uid.type, uid.info, uid.is_retired) == ("1.2.3", "", "", "", False)
    assert uid.is_private


@given(st.one_of(st.text("0123456789.", max_size=70), st.text(max_size=70)))
def test_validity_is_the_rule_of_the_standard(text: str) -> None:
    rule = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")  # PS3.5 9.1, digits 0-9 only
    assert UID(text).is_valid == (len(text) <= 64 and rule.fullmatch(text) is not None)


@pytest.mark.parametrize("value", [None, 12, b"1.2", ["1.2"]])
def test_only_text_makes_a_uid(value: object) -> None:
    with pytest.raises(TypeError, match="made from text"):
        UID(value)  # type: ignore[arg-type]


def test_a_uid_is_a_str_and_survives_copying() -> None:
    uid = UID("1.2.840.10008.1.1")
    assert uid == "1.2.840.10008.1.1"
    assert hash(uid) == hash("1.2.840.10008.1.1")
    for twin in (pickle.loads(pickle.dumps(uid)), copy.copy(uid), copy.deepcopy(uid), UID(uid)):
        assert twin == uid
        assert type(twin) is UID
    assert not hasattr(uid, "__dict__")


def test_an_unknown_keyword_is_a_key_error() -> None:
    for keyword in ("", "NoSuchThing", "é"):
        with pytest.raises(KeyError):
            UID.from_keyword(keyword)

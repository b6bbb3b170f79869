"""Character sets (PS3.3 C.12.1.1.2): the standard's own examples, Python's codecs, and pydicom as a second opinion."""

from __future__ import annotations

import json
import struct
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.dataset import Dataset
from pacskit.core.diagnostics import DiagnosticKind
from pacskit.core.errors import EncodeError
from pacskit.encoding import TransferSyntax, decode, encode

ROOT = Path(__file__).resolve().parents[3]
TABLE = json.loads((ROOT / "pacskit_ext" / "codegen" / "tables" / "charsets.json").read_text("utf-8"))
EXPLICIT = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
SINGLE = {term: facts["python"] for term, facts in TABLE["without_extensions"].items() if term}
EXTENDED = {row["term"]: row["python"] for row in TABLE["code_extension"]}
# pydicom 3.0 does not know the first, and leaves the escapes of the second in the text (against PS3.5 K.2).
NOT_FOR_PYDICOM = {"ISO 2022 IR 203", "ISO 2022 IR 58"}

# PS3.5 H.3.1, H.3.2, I.2, J.3 and K.2, as they are printed there.
EXAMPLES = {
    "H.3.1": (
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\033$B;3ED\033(B^\033$BB@O:\033(B=\033$B$d$^$@\033(B^\033$B$?$m$&\033(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    "H.3.2": (
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\033$B;3ED\033(J^\033$BB@O:\033(J=\033$B$d$^$@\033(J^\033$B$?$m$&\033(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    "I.2": (
        ["", "ISO 2022 IR 149"],
        b"Hong^Gildong=\033$)C\xfb\xf3^\033$)C\xd1\xce\xd4\xd7=\033$)C\xc8\xab^\033$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    "J.1": (
        ["ISO_IR 192"],
        b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1",
        "Wang^XiaoDong=王^小東",
    ),
    "J.3": (["GB18030"], b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"),
    "K.2": (
        ["", "ISO 2022 IR 58"],
        b"Zhang^XiaoDong=\033$)A\xd5\xc5^\033$)A\xd0\xa1\xb6\xab",
        "Zhang^XiaoDong=张^小东",
    ),
}


def name_in(terms: list[str], value: bytes) -> Dataset:
    charset = "\\".join(terms).encode()
    data = b""
    for tag, vr, text in ((b"\x08\x00\x05\x00", b"CS", charset), (b"\x10\x00\x10\x00", b"PN", value)):
        data += tag + vr + struct.pack("<H", len(text)) + text
    return decode(data, EXPLICIT)


@pytest.mark.parametrize("section", EXAMPLES)
def test_the_standards_examples(section: str) -> None:
    terms, value, text = EXAMPLES[section]
    dataset = name_in(terms, value)
    assert dataset.PatientName == text
    assert dataset.PatientName.ideographic == text.split("=")[1]
    written = Dataset(SpecificCharacterSet=terms, PatientName=text)
    again = decode(encode(written, EXPLICIT), EXPLICIT)
    assert again.PatientName == text
    if not NOT_FOR_PYDICOM & set(terms):
        theirs = pydicom.dcmread(BytesIO(encode(written, EXPLICIT)), force=True)
        assert str(theirs.PatientName) == text


@pytest.mark.parametrize("term", SINGLE)
def test_single_byte_sets_are_pythons_codecs(term: str) -> None:
    for byte in range(0xA1, 0x100):
        try:
            text = bytes([byte]).decode(SINGLE[term])
        except UnicodeDecodeError:
            continue
        dataset = name_in([term], b"A" + bytes([byte]))
        assert dataset.PatientName == "A" + text
        assert encode(Dataset(SpecificCharacterSet=term, PatientName="A" + text), EXPLICIT).endswith(bytes([byte]))


def can_have(character: str, codec: str) -> bool:
    """Whether a set surely has a character: codecs that know more than their set does are left in doubt."""
    try:
        return character.isascii() or (codec.startswith("iso8859") and bool(character.encode(codec)))
    except UnicodeEncodeError:
        return False


@pytest.mark.parametrize("term", EXTENDED)
@given(data=st.data())
def test_extended_sets_come_back_and_pydicom_reads_them(term: str, data: st.DataObject) -> None:
    codes = [*range(0xA1, 0x500), *range(0xFF61, 0xFFA0), 0x5C71, 0x7530, 0xAE38, 0xB3D9, 0x738B, 0x5C0F]
    text = data.draw(st.text("AZ^ " + "".join(map(chr, codes)), max_size=12)).strip(" ^")
    dataset = Dataset(SpecificCharacterSet=["", term], PatientName=text)
    try:
        written = encode(dataset, EXPLICIT)
    except EncodeError:
        assert any(not can_have(character, EXTENDED[term]) for character in text)
        return
    assert decode(written, EXPLICIT).PatientName == text
    if term not in NOT_FOR_PYDICOM:
        assert str(pydicom.dcmread(BytesIO(written), force=True).PatientName) == text


def test_an_escape_lasts_until_the_next_delimiter() -> None:
    # PS3.5 6.1.2.5.3: after ^, = and \ the first character set is in force again.
    dataset = name_in(["ISO 2022 IR 100", "ISO 2022 IR 144"], b"\033-L\xbf^\xc4\\\xc4")
    assert dataset["PatientName"].value == ["П^Ä", "Ä"]


def test_a_backslash_inside_a_two_byte_character_is_none() -> None:
    text = "表\\能".replace("\\", "")
    for term in ("GB18030", "GBK"):
        dataset = Dataset(SpecificCharacterSet=term, OtherPatientNames=["丂\u4e5c", text])
        assert decode(encode(dataset, EXPLICIT), EXPLICIT).OtherPatientNames == ["丂\u4e5c", text]


@pytest.mark.parametrize("wrong", ["ISO-IR 100", "iso_ir 100", "ISO IR 100", "ISO_IR_100"])
def test_misspelled_terms_are_understood_and_told(wrong: str) -> None:
    dataset = name_in([wrong], b"M\xfcller")
    assert dataset.PatientName == "Müller"
    assert [found.kind for found in dataset.diagnostics] == [DiagnosticKind.CHARACTER_SET]


def test_no_character_is_left_out_between_two_escapes() -> None:
    text = "M\0ü\0И"
    dataset = Dataset(SpecificCharacterSet=["", "ISO 2022 IR 100", "ISO 2022 IR 144"], PatientComments=text)
    assert decode(encode(dataset, EXPLICIT), EXPLICIT).PatientComments == text


def test_unknown_terms_are_told_and_cannot_be_written() -> None:
    dataset = name_in(["ISO_IR 999"], b"Miller")
    assert dataset.PatientName == "Miller"
    assert "left out of account" in str(dataset.diagnostics[0])
    with pytest.raises(EncodeError):
        encode(Dataset(SpecificCharacterSet="ISO_IR 999", PatientName="A"), EXPLICIT)


def test_changing_the_character_set_writes_text_in_it() -> None:
    dataset = name_in(["ISO_IR 100"], b"M\xfcller")
    dataset.ReferencedPatientSequence = [Dataset(PatientName="Ünal")]
    read = decode(encode(dataset, EXPLICIT), EXPLICIT)
    read.SpecificCharacterSet = "ISO_IR 192"
    written = encode(read, EXPLICIT)
    assert "Müller".encode() in written
    assert "Ünal".encode() in written
    again = decode(written, EXPLICIT)
    assert again.PatientName == "Müller"
    assert again.ReferencedPatientSequence[0].PatientName == "Ünal"

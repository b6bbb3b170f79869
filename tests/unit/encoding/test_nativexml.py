"""Native XML (PS3.19 A.1): what each VR looks like, DCMTK beside it, and what is refused."""

from __future__ import annotations

import base64
import io
import math
import subprocess
import tracemalloc
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.element import BulkDataElement
from pacskit.core.errors import DecodeError, EncodeError, LimitError, PacsError, TruncatedError
from pacskit.encoding import TransferSyntax, dcmread, decode, nativexml
from tests.conftest import Dcmtk
from tests.foreign import wheel_files
from tests.oracles.datasets import Node
from tests.oracles.differences import json_reason_dcmtk
from tests.oracles.textforms import data_set_differences, json_differences, little
from tests.property.test_datasets import datasets, written
from tests.unit.encoding.test_dicomjson import values_decode
from tests.unit.encoding.test_dicomjson_oracles import corpus_files

EXPLICIT = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
BIG = TransferSyntax.EXPLICIT_VR_BIG_ENDIAN
OPEN = '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">'


def document(inside: str) -> str:
    return f"{OPEN}{inside}</NativeDicomModel>"


def attribute(inside: str, *, tag: str = "00100020", vr: str = "LO") -> str:
    return f'<DicomAttribute tag="{tag}" vr="{vr}">{inside}</DicomAttribute>'


# ---- the standard's rules (PS3.19 tables A.1.5-1 to A.1.5-3) ------------------------------------------------------

RULES: list[tuple[int, str, Any, str]] = [
    (0x00080050, "SH", "", ""),
    (0x00100020, "LO", "a<&>\"'", '<Value number="1">a&lt;&amp;&gt;&quot;\'</Value>'),
    (
        0x00080008,
        "CS",
        ["A", "", "B"],
        '<Value number="1">A</Value><Value number="2"></Value><Value number="3">B</Value>',
    ),
    (0x00104000, "LT", " a\\b\r\n\t", '<Value number="1"> a\\b&#13;\n\t</Value>'),
    (0x00180050, "DS", "1.50", '<Value number="1">1.50</Value>'),
    (0x00200013, "IS", "007", '<Value number="1">007</Value>'),
    (0x00280010, "US", [1, 2], '<Value number="1">1</Value><Value number="2">2</Value>'),
    (0x00189073, "FD", [0.1, math.inf], '<Value number="1">0.1</Value><Value number="2">INF</Value>'),
    (0x00280009, "AT", 0x00181063, '<Value number="1">00181063</Value>'),
    (0x7FE00010, "OW", b"\0\1\2\3", "<InlineBinary>AAECAw==</InlineBinary>"),
    (0x00400275, "SQ", [Dataset()], '<Item number="1"></Item>'),
    (
        0x00100010,
        "PN",
        "A^B==C",
        '<PersonName number="1"><Alphabetic><FamilyName>A</FamilyName><GivenName>B</GivenName></Alphabetic>'
        "<Phonetic><FamilyName>C</FamilyName></Phonetic></PersonName>",
    ),
]


def compact(text: str) -> str:
    """Without the line ends between elements."""
    return text.replace(">\n", ">").split("?>", 1)[-1]


@pytest.mark.parametrize(("tag", "vr", "value", "expected"), RULES)
def test_a_value_is_what_the_standard_says(tag: int, vr: str, value: Any, expected: str) -> None:
    ds = Dataset()
    ds.add_new(tag, vr, value)
    inside = f'<DicomAttribute tag="{tag:08X}" vr="{vr}" keyword="{ds[tag].keyword}">{expected}</DicomAttribute>'
    assert compact(ds.to_xml()) == document(inside)
    for form in (ds.to_xml(), ds.to_xml().encode(), compact(ds.to_xml()).encode("utf-16")):
        assert list(data_set_differences(ds, Dataset.from_xml(form))) == []


def test_the_document_is_well_formed_for_another_parser() -> None:
    for path in wheel_files(60_000):
        try:
            ds = dcmread(path, force=True)
        except TruncatedError:
            continue
        root = ET.fromstring(ds.to_xml(suppress_invalid_tags=True))
        assert root.tag == "{http://dicom.nema.org/PS3.19/models/NativeDICOM}NativeDicomModel"


def test_private_attributes_go_by_creator_and_find_their_block() -> None:
    ds = Dataset()
    for tag, value in ((0x00090010, "A"), (0x00090011, "B"), (0x00090012, "A"), (0x00091001, "1"), (0x00091102, "2"),
                       (0x00091203, "3"), (0x00091304, "4")):  # fmt: skip
        ds.add_new(tag, "LO", value)
    text = ds.to_xml()
    heads = [(one.get("tag"), one.get("privateCreator")) for one in ET.fromstring(text)]
    assert heads == [
        ("00090010", None), ("00090011", None), ("00090012", None), ("00090001", "A"), ("00090002", "B"),
        ("00091203", "A"), ("00091304", None),
    ]  # fmt: skip
    assert list(data_set_differences(ds, Dataset.from_xml(text))) == []
    # Where nothing reserves a block the first that is free is taken (PS3.5 7.8.1).
    others = (
        '<DicomAttribute tag="00090010" vr="LO"><Value number="1">X</Value></DicomAttribute>'
        '<DicomAttribute tag="00090001" vr="LO" privateCreator="Y"><Value number="1">1</Value></DicomAttribute>'
        '<DicomAttribute tag="00090002" vr="LO" privateCreator="X"><Value number="1">2</Value></DicomAttribute>'
        '<DicomAttribute tag="00090003" vr="LO" privateCreator="Y"><Value number="1">3</Value></DicomAttribute>'
    )
    back = Dataset.from_xml(document(others))
    assert back.to_dict() == {"00090010": "X", "00090011": "Y", "00091002": "2", "00091101": "1", "00091103": "3"}


def test_bulk_data_goes_out_as_a_reference_and_comes_back_through_a_resolver() -> None:
    ds = Dataset()
    ds.add_new(0x7FE00010, "OW", bytes(3000))
    text = ds.to_xml(1024, lambda _: "http://pacs/1?a&b")
    assert '<BulkData uri="http://pacs/1?a&amp;b"/>' in text
    back = Dataset.from_xml(text, lambda uri: uri.encode() + b"_")
    assert back.PixelData == b"http://pacs/1?a&b_"
    uuid = document(attribute('<BulkData uuid="0b1c"/>', tag="7FE00010", vr="OB"))
    lazy = Dataset.from_xml(uuid)
    element = lazy[0x7FE00010]
    assert isinstance(element, BulkDataElement)
    assert element.uri == "urn:uuid:0b1c"
    assert '<BulkData uuid="0b1c"/>' in lazy.to_xml()
    with pytest.raises(DecodeError, match="bulk data"):
        lazy.PixelData  # noqa: B018


def test_writing_and_reading_hold_one_piece_at_a_time() -> None:
    ds = Dataset()
    ds.add_new(0x7FE00010, "OB", bytes(20_000_000))

    class Sink(io.TextIOBase):
        size = 0

        def write(self, text: str) -> int:
            self.size += len(text)
            return len(text)

    tracemalloc.start()
    sink = Sink()
    nativexml.write(ds, sink)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sink.size > 26_000_000
    assert peak < 2_000_000


@pytest.mark.parametrize("cut", [1, 3, 7, 100])
def test_a_document_is_read_whatever_way_it_is_cut(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = Dataset(PatientName="é^山=x", PatientID="a&b", ImageType=["A", "", "B"])
    ds.RequestAttributesSequence = [Dataset(PatientID="1"), Dataset()]
    monkeypatch.setattr(nativexml, "_CHUNK", cut)
    file = io.StringIO()
    nativexml.write(ds, file)
    for source in (io.StringIO(file.getvalue()), io.BytesIO(file.getvalue().encode())):
        assert list(data_set_differences(ds, nativexml.read(source))) == []


# ---- what is refused --------------------------------------------------------------------------------------------

LAUGHS = "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>"
REFUSED: list[tuple[str, str | None]] = [
    ("", None),
    ("<", None),
    (OPEN, None),
    ("<html/>", None),
    ('<NativeDicomModel xmlns="urn:other"/>', None),
    (document("text"), None),
    (document("<Value number='1'/>"), None),
    (LAUGHS + document(attribute("<Value>&c;</Value>")), None),
    ("<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" + document(""), None),
    ("<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + document(attribute("<Value>&e;</Value>")), None),
    (document(attribute("<Value>&e;</Value>")), "PatientID"),
    (document("<DicomAttribute vr='LO'/>"), None),
    (document("<DicomAttribute tag='0010002G' vr='LO'/>"), None),
    (document("<DicomAttribute tag='00100020'/>"), "PatientID"),
    (document(attribute("", vr="ZZ")), "PatientID"),
    (document(attribute("<Value number='1'><b/></Value>")), "PatientID"),
    (document(attribute("<Value number='x'/>")), "PatientID"),
    (document(attribute("<Value number='2'/><Value number='1'/>")), "PatientID"),
    (document(attribute("<Value number='900000'/>")), "PatientID"),
    (document(attribute("<Value number='999999999999'/>")), "PatientID"),
    (document(attribute("<Item number='1'/>")), "PatientID"),
    (document(attribute("<Value>1</Value><BulkData uri='x'/>")), "PatientID"),
    (document(attribute("<InlineBinary>AAAA</InlineBinary>")), "PatientID"),
    (document(attribute("<BulkData/>", tag="7FE00010", vr="OB")), "PixelData"),
    (document(attribute("<Value>AAAA</Value>", tag="7FE00010", vr="OB")), "PixelData"),
    (document(attribute("<InlineBinary>A</InlineBinary>", tag="7FE00010", vr="OB")), "PixelData"),
    (document(attribute("<Value>x</Value>", tag="00280010", vr="US")), "Rows"),
    (document(attribute("<Value>x</Value>", tag="00280009", vr="AT")), "FrameIncrementPointer"),
    (document(attribute("<Value>x</Value>", tag="00180050", vr="DS")), "SliceThickness"),
    (document(attribute("<Value>x</Value>", tag="00100010", vr="PN")), "PatientName"),
    (
        document(attribute(f"<Item/><Item>{attribute('<Value/><Item/>')}</Item>", tag="00400275", vr="SQ")),
        "RequestAttributesSequence[1].PatientID",
    ),
]


@pytest.mark.parametrize(("text", "path"), REFUSED)
def test_what_is_not_the_model_is_refused_with_its_path(text: str, path: str | None) -> None:
    for form in (text, text.encode()):
        with pytest.raises(DecodeError) as caught:
            Dataset.from_xml(form)
        assert caught.value.path == path
    with pytest.raises(DecodeError):
        nativexml.read(io.BytesIO(text.encode()))


def test_an_encoding_that_is_none_is_refused() -> None:
    with pytest.raises(DecodeError):
        Dataset.from_xml(b'<?xml version="1.0" encoding="klingon"?>' + document("").encode())
    with pytest.raises(DecodeError):
        Dataset.from_xml(b'<?xml version="1.0" encoding="shift_jis"?>' + document("").encode())
    with pytest.raises(DecodeError):
        Dataset.from_xml(document(attribute("<Value>\ud800</Value>")))
    with pytest.raises(DecodeError):
        nativexml.read(io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"))


def test_some_liberties_of_others_are_taken() -> None:
    text = (
        '<?xml version="1.0" encoding="ISO-8859-1"?><n:NativeDicomModel xmlns:n="http://dicom.nema.org/PS3.19/models/'
        'NativeDICOM"> <!-- a --> <n:DicomAttribute tag="00100020" vr="LO"><n:Value>\xe9</n:Value></n:DicomAttribute>'
        '<n:DicomAttribute tag="00080008" vr="CS"><n:Value number="3"><![CDATA[A]]></n:Value></n:DicomAttribute>'
        '<n:DicomAttribute tag="7fe00010" vr="OB"><n:InlineBinary>\n AA\n EC </n:InlineBinary></n:DicomAttribute>'
        "</n:NativeDicomModel>"
    )
    ds = Dataset.from_xml(text.encode("latin-1"))
    assert (ds.PatientID, ds.ImageType, ds.PixelData) == ("é", ["", "", "A"], b"\0\1\2")
    assert ds.SpecificCharacterSet == "ISO_IR 192"


def test_budgets() -> None:
    start = '<DicomAttribute tag="00400275" vr="SQ"><Item number="1">'
    wide = document("".join(attribute("", tag=f"0009{n:04X}", vr="UN") for n in range(0x1000, 0x1100)))
    for text, options in [
        (OPEN + start * 100_000, ReadOptions()),
        (wide, ReadOptions(max_elements=255)),
        (wide, ReadOptions(max_text=1000)),
    ]:
        with pytest.raises(LimitError):
            Dataset.from_xml(text, options=options)
        with pytest.raises(LimitError):
            nativexml.read(io.StringIO(text), options=options)
    assert len(Dataset.from_xml(wide)) == 256


def test_a_tag_without_an_end_is_given_up_on() -> None:
    for long in ("<!--" + "x" * 3_000_000, f"<DicomAttribute tag='{'x' * 3_000_000}"):
        with pytest.raises(LimitError, match="a tag or a comment"):
            nativexml.read(io.StringIO(OPEN + long))
    ds = Dataset(PatientComments="x" * 3_000_000)
    ds.add_new(0x7FE00010, "OB", bytes(3_000_000))
    assert list(data_set_differences(ds, nativexml.read(io.StringIO(ds.to_xml())))) == []


def test_what_cannot_be_written_is_an_error_or_left_out() -> None:
    ds = Dataset(PatientComments="\x1b", PatientID="1")
    with pytest.raises(EncodeError, match="no character"):
        ds.to_xml()
    assert Dataset.from_xml(ds.to_xml(suppress_invalid_tags=True)).to_dict() == {"PatientID": "1"}
    ds.RequestAttributesSequence = [ds]
    with pytest.raises(EncodeError):
        ds.to_xml()


# ---- what was read comes back -----------------------------------------------------------------------------------


def check_round_trip(path: Path) -> str | None:
    try:
        ds = dcmread(path, force=True)
        text = ds.to_xml()
    except (TruncatedError, DecodeError):
        return None  # tests/corpus has these
    if Dataset.from_xml(text).to_json() != ds.to_json() and "SpecificCharacterSet" in ds:
        return path.name
    return "\n".join(data_set_differences(ds, Dataset.from_xml(text), big=ds.transfer_syntax == BIG)) or None


def test_pydicoms_files_come_back() -> None:
    assert [wrong for path in wheel_files() if (wrong := check_round_trip(path))] == []


@pytest.mark.corpus
def test_the_corpus_comes_back(corpus: Path) -> None:
    assert [wrong for path in corpus_files(corpus, 5_000_000) if (wrong := check_round_trip(path))] == []


@given(nodes=datasets(3))
def test_any_data_set_comes_back_or_says_what_xml_cannot_hold(nodes: list[Node]) -> None:
    ds = decode(written(nodes, EXPLICIT), EXPLICIT)
    if not values_decode(ds):
        return
    try:
        text = ds.to_xml()
    except EncodeError as error:
        assert "XML has no character" in error.message  # noqa: PT017
        text = ds.to_xml(suppress_invalid_tags=True)
        Dataset.from_xml(text)
        return
    assert list(data_set_differences(ds, Dataset.from_xml(text))) == []


# ---- DCMTK ------------------------------------------------------------------------------------------------------

EXPLAINED_DCMTK = {
    "byte order": "PS3.19 A.1.5: InlineBinary is little endian. DCMTK 3.6.7 turns words round",
    "compressed": "DCMTK leaves compressed pixel data out",
    "block": "PS3.19 A.1.5: DCMTK takes the block from a private tag though no creator is there",
    "UN": "PS3.5 6.2.2: where the file says UN and the dictionary knows better, we take the dictionary's VR",
    "name groups": "PS3.5 6.2.1: DCMTK 3.6.7 repeats a group of a name where one is empty",
}


def reason(tag: str, ours: Any, theirs: Any) -> str | None:
    last = tag.rpartition(".")[2]
    if ours and theirs and ours["vr"] != "UN" == theirs["vr"]:
        return "UN"
    if int(last[:4], 16) & 1 and (ours is None or theirs is None):
        return "block"
    if ours and theirs and "InlineBinary" in ours and ours["vr"] == theirs["vr"] != "OB":
        if "InlineBinary" not in theirs:
            return "compressed"
        mine, other = (base64.b64decode(one["InlineBinary"]) for one in (ours, theirs))
        return "byte order" if little(mine, ours["vr"])[: len(mine) // 2 * 2] == other[: len(mine) // 2 * 2] else None
    if last == "7FE00010" and ours and theirs and "InlineBinary" not in theirs:
        return "compressed"
    if ours and theirs and ours["vr"] == "PN" == theirs["vr"] and len(ours["Value"]) == len(theirs.get("Value", [])):
        return "name groups"
    return None


@pytest.mark.interop
@pytest.mark.corpus
def test_the_corpus_is_what_dcm2xml_says(corpus: Path, dcmtk: Dcmtk) -> None:
    wrong, compared = [], 0
    for path in corpus_files(corpus, 200_000)[::2]:
        command = [dcmtk.tool("dcm2xml"), "-q", "-nat", "+Xn", "+Eb", "+M", str(path)]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        try:
            theirs = Dataset.from_xml(done.stdout).to_json_dict(keep_character_set=True)
            ours = dcmread(path, force=True).to_json_dict(keep_character_set=True)
        except PacsError:
            continue  # escape sequences, which XML has not
        compared += 1
        for tag, mine, other in json_differences(ours, theirs):
            if json_reason_dcmtk(tag, mine, other, b"") is None and reason(tag, mine, other) not in EXPLAINED_DCMTK:
                wrong.append(f"{path.name} {tag}: {mine!s:.80} and {other!s:.80}")
    assert wrong == []
    assert compared > 50

"""DICOM JSON (PS3.18 annex F): what each VR looks like, pydicom and DCMTK beside it, and what is refused."""

from __future__ import annotations

import io
import json
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.element import BulkDataElement, DataElement
from pacskit.core.errors import DecodeError, EncodeError, LimitError
from pacskit.encoding import TransferSyntax, dcmread, decode, dicomjson, encode
from tests.foreign import wheel_files
from tests.oracles.datasets import Node
from tests.oracles.textforms import data_set_differences, json_differences
from tests.property.test_datasets import datasets, written

BIG = TransferSyntax.EXPLICIT_VR_BIG_ENDIAN
EXPLICIT = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN

# ---- the standard's rules ---------------------------------------------------------------------------------------

RULES: list[tuple[str, int, str, Any, str]] = [
    # PS3.18 F.2.5: present and empty has no Value; an empty value among several is null; an empty item is {}
    ("F.2.5", 0x00080050, "SH", "", '{"vr":"SH"}'),
    ("F.2.5", 0x00180050, "DS", None, '{"vr":"DS"}'),
    ("F.2.5", 0x7FE00010, "OW", None, '{"vr":"OW"}'),
    ("F.2.5", 0x00400275, "SQ", [], '{"vr":"SQ"}'),
    ("F.2.5", 0x00080008, "CS", ["A", "", "B"], '{"vr":"CS","Value":["A",null,"B"]}'),
    ("F.2.5", 0x00280030, "DS", ["1", None], '{"vr":"DS","Value":[1,null]}'),
    ("F.2.5", 0x00101001, "PN", ["A", "", "C"], '{"vr":"PN","Value":[{"Alphabetic":"A"},null,{"Alphabetic":"C"}]}'),
    ("F.2.5", 0x00400275, "SQ", [Dataset()], '{"vr":"SQ","Value":[{}]}'),
    # F.2.2: the component groups of a person name that are not empty
    ("F.2.2", 0x00100010, "PN", "A=C=E", '{"vr":"PN","Value":[{"Alphabetic":"A","Ideographic":"C","Phonetic":"E"}]}'),
    ("F.2.2", 0x00100010, "PN", "==E", '{"vr":"PN","Value":[{"Phonetic":"E"}]}'),
    # Table F.2.3-1: numbers, text where a number would not do
    ("F.2.3", 0x00180050, "DS", "1.50", '{"vr":"DS","Value":[1.50]}'),
    ("F.2.3", 0x00180050, "DS", "+.5", '{"vr":"DS","Value":[0.5]}'),
    ("F.2.3", 0x00180050, "DS", "-007.", '{"vr":"DS","Value":[-7]}'),
    ("F.2.3", 0x00180050, "DS", "1E-003", '{"vr":"DS","Value":[1e-3]}'),
    ("F.2.3", 0x00180050, "DS", "9007199254740993", '{"vr":"DS","Value":["9007199254740993"]}'),
    ("F.2.3", 0x00180050, "DS", "1e400", '{"vr":"DS","Value":["1e400"]}'),
    ("F.2.3", 0x00180050, "DS", "nan", '{"vr":"DS","Value":["nan"]}'),
    ("F.2.3", 0x00200013, "IS", "0012", '{"vr":"IS","Value":[12]}'),
    ("F.2.3", 0x00200013, "IS", -3, '{"vr":"IS","Value":[-3]}'),
    ("F.2.3", 0x00280010, "US", 65535, '{"vr":"US","Value":[65535]}'),
    ("F.2.3", 0x00186020, "SL", [-1, 2], '{"vr":"SL","Value":[-1,2]}'),
    ("F.2.3", 0x00720082, "SV", -(2**63), '{"vr":"SV","Value":["-9223372036854775808"]}'),
    ("F.2.3", 0x00720083, "UV", 2**53, '{"vr":"UV","Value":[9007199254740992]}'),
    ("F.2.3", 0x00720083, "UV", 2**64 - 1, '{"vr":"UV","Value":["18446744073709551615"]}'),
    ("F.2.3", 0x00189073, "FD", [0.1, 1e300], '{"vr":"FD","Value":[0.1,1e+300]}'),
    ("F.2.3", 0x00280009, "AT", [0x00181063, 0xFFFEE00D], '{"vr":"AT","Value":["00181063","FFFEE00D"]}'),
    ("F.2.3", 0x00081190, "UR", "http://a/b", '{"vr":"UR","Value":["http://a/b"]}'),
    # RFC 8259 has no number for these, PS3.18 no word: text, as fo-dicom, dicom-rs and Azure have it
    ("RFC 8259", 0x00189073, "FD", [math.nan, math.inf], '{"vr":"FD","Value":["NaN","Infinity"]}'),
    ("RFC 8259", 0x00189073, "FD", -math.inf, '{"vr":"FD","Value":["-Infinity"]}'),
    # F.2.4: a backslash parts values, but not in text that has one value
    ("F.2.4", 0x00104000, "LT", "a\\b", '{"vr":"LT","Value":["a\\\\b"]}'),
    ("F.2.4", 0x00081080, "LO", "a\\b", '{"vr":"LO","Value":["a","b"]}'),
    ("RFC 8259 7", 0x00104000, "LT", 'q"\r\n\t\f\x01é', '{"vr":"LT","Value":["q\\"\\r\\n\\t\\u000C\\u0001é"]}'),
    # F.2.7
    ("F.2.7", 0x00091010, "UN", b"\0\1\2\3", '{"vr":"UN","InlineBinary":"AAECAw=="}'),
]  # fmt: skip


@pytest.mark.parametrize(("section", "tag", "vr", "value", "expected"), RULES)
def test_a_value_is_what_the_standard_says(section: str, tag: int, vr: str, value: Any, expected: str) -> None:
    made = Dataset()
    made.add_new(tag, vr, value)
    assert made.to_json() == f'{{"{tag:08X}":{expected}}}', section
    back = Dataset.from_json(made.to_json())
    assert list(data_set_differences(made, back)) == []
    if "é" in expected:
        return
    # What was read, and not touched, goes the short way.
    if vr not in ("DS", "IS"):  # whose text may not be DICOM's
        read = decode(encode(made, EXPLICIT), EXPLICIT)
        assert read.to_json() == made.to_json()
        assert dict(read.to_json_dict()) == json.loads(expected.join([f'{{"{tag:08X}":', "}"]))


def test_group_lengths_and_the_file_meta_are_left_out_and_names_ascend() -> None:
    ds = Dataset(PatientID="1", Modality="CT")
    ds.add_new(0x00100000, "UL", 4)
    ds.add_new(0x00020010, "UI", "1.2.840.10008.1.2.1")
    assert list(ds.to_json_dict()) == ["00080060", "00100020"]


def test_text_is_unicode_and_the_character_set_says_so() -> None:
    data = b"\x08\0\x05\0CS\x0a\0ISO_IR 100\x10\0\x10\0PN\x04\0\xc4\xd6^A"
    ds = decode(data, EXPLICIT)
    assert ds.to_json_dict() == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "ÄÖ^A"}]},
    }
    assert ds.to_json_dict(keep_character_set=True)["00080005"]["Value"] == ["ISO_IR 100"]
    # So that the text can be written as DICOM, whatever it is in.
    assert (
        Dataset.from_json('{"00100010":{"vr":"PN","Value":[{"Alphabetic":"山"}]}}').SpecificCharacterSet == "ISO_IR 192"
    )
    assert "SpecificCharacterSet" not in Dataset.from_json('{"00100020":{"vr":"LO","Value":["a"]}}')


def test_a_change_shows_and_the_rest_is_as_it_was() -> None:
    ds = dcmread(next(path for path in wheel_files() if path.name == "CT_small.dcm"))
    before = ds.to_json_dict()
    ds.PatientID = "42"
    ds.OtherPatientIDsSequence[0].PatientID = "43"
    del ds.Modality
    after = ds.to_json_dict()
    changed = [tag for tag, _, _ in json_differences(before, after)]
    assert changed == ["00080060", "00100020", "00101002[0].00100020"]
    assert after["00100020"]["Value"] == ["42"]


def test_to_dict_has_pythons_own_types() -> None:
    ds = Dataset(PatientName="A^B", SliceThickness="1.5", InstanceNumber="7", ImageType=["X", "Y"], StudyDate="")
    ds.RequestAttributesSequence = [Dataset(PatientID="q")]
    ds.add_new(0x00091001, "UN", b"ab")
    values = ds.to_dict()
    assert values == {
        "ImageType": ["X", "Y"], "StudyDate": "", "00091001": b"ab", "PatientName": "A^B", "SliceThickness": 1.5,
        "InstanceNumber": 7, "RequestAttributesSequence": [{"PatientID": "q"}],
    }  # fmt: skip
    assert {type(value) for value in values.values()} == {list, str, bytes, float, int}


# ---- bulk data --------------------------------------------------------------------------------------------------


def test_bulk_data_goes_out_as_a_uri_and_comes_back_through_a_resolver() -> None:
    pixels = bytes(range(256)) * 4
    ds = Dataset(Rows=16)
    ds.add_new(0x7FE00010, "OW", pixels)
    ds.add_new(0x00091010, "OB", b"ab")
    shown: list[DataElement] = []

    def handler(element: DataElement) -> str:
        shown.append(element)
        return "https://pacs/bulk/1"

    text = ""
    for data_set in (ds, decode(encode(ds, EXPLICIT), EXPLICIT)):
        text = data_set.to_json(1024, handler)
        assert json.loads(text)["7FE00010"] == {"vr": "OW", "BulkDataURI": "https://pacs/bulk/1"}
        assert json.loads(text)["00091010"] == {"vr": "OB", "InlineBinary": "YWI="}
        assert shown.pop().value == pixels
        # Nobody may want to send it elsewhere, or it may be small enough.
        assert "BulkDataURI" not in data_set.to_json(1024, lambda _: None)
        assert "BulkDataURI" not in data_set.to_json(4096, handler)

    asked: list[tuple[str, str, str]] = []

    def fetch(tag: str, vr: str, uri: str) -> bytes:
        asked.append((tag, vr, uri))
        return pixels

    back = Dataset.from_json(text, fetch)
    assert asked == []
    assert back.PixelData == pixels == back.PixelData
    assert asked == [("7FE00010", "OW", "https://pacs/bulk/1")]
    assert Dataset.from_json(text, lambda uri: uri.encode()).PixelData == b"https://pacs/bulk/1"


def test_bulk_data_in_items_is_shown_with_its_element() -> None:
    ds = Dataset()
    ds.IconImageSequence = [Dataset(Rows=1), Dataset(Rows=2)]
    for item in ds.IconImageSequence:
        item.add_new(0x7FE00010, "OW", bytes([item.Rows]) * 2000)
    seen: list[bytes] = []

    def handler(element: DataElement) -> str:
        seen.append(element.value)
        return f"bulk/{len(seen)}"

    for data_set in (decode(encode(ds, BIG), BIG), decode(encode(ds, EXPLICIT), EXPLICIT), ds):
        seen.clear()
        items = json.loads(data_set.to_json(bulk_data_element_handler=handler))["00880200"]["Value"]
        assert [item["7FE00010"]["BulkDataURI"] for item in items] == ["bulk/1", "bulk/2"]
        assert seen == [b"\1" * 2000, b"\2" * 2000]
    with pytest.raises(EncodeError, match="URI is text"):
        ds.to_json(bulk_data_element_handler=lambda _: 7)  # type: ignore[arg-type, return-value]
    with pytest.raises(ZeroDivisionError):
        ds.to_json(bulk_data_element_handler=lambda _: str(1 // 0), suppress_invalid_tags=True)


def test_the_text_is_laid_out_by_whom_one_wants() -> None:
    ds = Dataset(PatientID="1")
    assert ds.to_json(dump_handler=lambda model: json.dumps(model, indent=1)) == json.dumps(ds.to_json_dict(), indent=1)


def test_bulk_data_without_a_resolver_stays_a_reference() -> None:
    text = '{"00091010":{"vr":"OB","BulkDataURI":"../bulk/7"}}'
    ds = Dataset.from_json(text)
    element = ds[0x00091010]
    assert isinstance(element, BulkDataElement)
    assert (element.uri, element.is_resolved) == ("../bulk/7", False)
    assert ds.to_json() == text == ds.copy().to_json()
    assert "../bulk/7" in str(ds)
    assert ds == Dataset.from_json(text) != Dataset.from_json(text.replace("7", "8"))
    for use in (lambda: element.value, lambda: encode(ds, EXPLICIT)):
        with pytest.raises(DecodeError, match="bulk data"):
            use()
    element.value = b"now"
    assert ds.to_json_dict() == {"00091010": {"vr": "OB", "InlineBinary": "bm93"}}


def test_a_resolver_that_gives_the_wrong_type_is_named() -> None:
    ds = Dataset.from_json('{"00280010":{"vr":"US","BulkDataURI":"x"}}', lambda uri: uri)
    with pytest.raises(DecodeError, match="do not fit"):
        ds.Rows  # noqa: B018


# ---- many data sets, and big ones -------------------------------------------------------------------------------


class Sink(io.TextIOBase):
    """A text file that keeps the length of what it is given."""

    size = longest = 0

    def write(self, text: str) -> int:
        self.size += len(text)
        self.longest = max(self.longest, len(text))
        return len(text)


def test_writing_holds_one_piece_at_a_time() -> None:
    ds = Dataset()
    ds.add_new(0x7FE00010, "OB", bytes(30_000_000))
    items = [Dataset(PatientComments="x" * 1000) for _ in range(2000)]
    ds.add_new(0x00400275, "SQ", items)
    sink = Sink()
    tracemalloc.start()
    dicomjson.write((ds for _ in range(3)), sink)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sink.size > 3 * (40_000_000 + 2_000_000)
    assert sink.longest < 200_000
    assert peak < 2_000_000


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 50, 1000])
def test_an_array_is_read_whatever_way_it_is_cut(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [Dataset(PatientID='a"]}[{\\', PatientName="é山"), Dataset(), Dataset(ImageType=["A", "", "B"])]
    file = io.StringIO()
    dicomjson.write(sets, file)
    monkeypatch.setattr(dicomjson, "_CHUNK", cut)
    for source in (io.StringIO(file.getvalue()), io.BytesIO(b"\xef\xbb\xbf " + file.getvalue().encode() + b" \n")):
        back = dicomjson.read(source)
        assert [list(data_set_differences(a, b)) for a, b in zip(sets, back, strict=True)] == [[], [], []]
    one = io.StringIO()
    dicomjson.write(sets[0], one)
    assert dicomjson.read(io.StringIO(one.getvalue()))[0].to_dict()["PatientID"] == ['a"]}[{', ""]
    assert dicomjson.read(io.StringIO(" [ ] ")) == []


def test_an_array_is_given_out_as_it_arrives() -> None:
    class Slow(io.StringIO):
        reads = 0

        def read(self, size: int | None = -1) -> str:
            self.reads += 1
            return super().read(size)

    text = "[" + ",".join(Dataset(PatientComments="x" * 70_000).to_json() for _ in range(20)) + "]"
    file = Slow(text)
    next(dicomjson.iter_datasets(file))
    assert file.reads <= 3


BROKEN_ARRAYS = [
    "",
    "[",
    "[{}",
    "[{},",
    "[{},]",
    "[{}{}]",
    "[1]",
    "{}{}",
    "[]]",
    "null",
    '[{"a]',
    "x",
    "[{}]x",
    "\ufeff",
]


@pytest.mark.parametrize("text", BROKEN_ARRAYS)
def test_a_broken_array_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        dicomjson.read(io.StringIO(text))


# ---- what is refused --------------------------------------------------------------------------------------------

NESTED = '{"00400275":{"vr":"SQ","Value":[{},{"00400275":{"vr":"SQ","Value":[%s]}}]}}'
REFUSED: list[tuple[str, str | None]] = [
    ("", None),
    ("[]", None),
    ("null", None),
    ('{"00100020":', None),
    ('{"PatientID":{"vr":"LO"}}', None),
    ('{"0010002":{"vr":"LO"}}', None),
    ('{"001000_0":{"vr":"LO"}}', None),
    ('{"00100020":[]}', "PatientID"),
    ('{"00100020":{}}', "PatientID"),
    ('{"00100020":{"vr":"XX"}}', "PatientID"),
    ('{"00100020":{"vr":["LO"]}}', "PatientID"),
    ('{"FFFEE000":{"vr":"UN"}}', "Item"),
    ('{"00100020":{"vr":"LO","Value":"x"}}', "PatientID"),
    ('{"00100020":{"vr":"LO","Value":[1]}}', "PatientID"),
    ('{"00100020":{"vr":"LO","Value":[{}]}}', "PatientID"),
    ('{"00100010":{"vr":"PN","Value":[{"Alphabetic":1}]}}', "PatientName"),
    ('{"00280010":{"vr":"US","Value":[65536]}}', "Rows"),
    ('{"00280010":{"vr":"US","Value":[1.5]}}', "Rows"),
    ('{"00280010":{"vr":"US","Value":[true]}}', "Rows"),
    ('{"00280010":{"vr":"US","Value":[1,null]}}', "Rows"),
    ('{"00280010":{"vr":"US","Value":[NaN]}}', "Rows"),
    ('{"00280010":{"vr":"US","InlineBinary":"AAA="}}', "Rows"),
    ('{"00280009":{"vr":"AT","Value":["Rows"]}}', "FrameIncrementPointer"),
    ('{"00180050":{"vr":"DS","Value":["thick"]}}', "SliceThickness"),
    ('{"00200013":{"vr":"IS","Value":[1.5]}}', "InstanceNumber"),
    ('{"00200013":{"vr":"IS","Value":[false]}}', "InstanceNumber"),
    ('{"7FE00010":{"vr":"OB","InlineBinary":"@@@@"}}', "PixelData"),
    ('{"7FE00010":{"vr":"OB","InlineBinary":"AAA"}}', "PixelData"),
    ('{"7FE00010":{"vr":"OB","InlineBinary":7}}', "PixelData"),
    ('{"7FE00010":{"vr":"OB","Value":["AAAA"]}}', "PixelData"),
    ('{"7FE00010":{"vr":"OB","BulkDataURI":7}}', "PixelData"),
    ('{"7FE00010":{"vr":"OB","InlineBinary":"AAAA","BulkDataURI":"x"}}', "PixelData"),
    ('{"00400275":{"vr":"SQ","BulkDataURI":"x"}}', "RequestAttributesSequence"),
    ('{"00400275":{"vr":"SQ","Value":[[]]}}', "RequestAttributesSequence[0]"),
    (
        NESTED % '{"00280010":{"vr":"US","Value":[-1]}}',
        "RequestAttributesSequence[1].RequestAttributesSequence[0].Rows",
    ),
    ('{"00091001":{"vr":"US","Value":["x"]}}', "(0009,1001)"),
]


@pytest.mark.parametrize(("text", "path"), REFUSED)
def test_what_is_not_the_model_is_refused_with_its_path(text: str, path: str | None) -> None:
    with pytest.raises(DecodeError) as caught:
        Dataset.from_json(text)
    assert caught.value.path == path
    with pytest.raises(DecodeError):
        Dataset.from_json(text.encode())


def test_some_liberties_of_others_are_taken() -> None:
    text = """{"00100010":{"vr":"PN","Value":["A^B"]}, "00280010":{"vr":"US","Value":["16"]},
        "00189073":{"vr":"FD","Value":[NaN,-Infinity,null,"Infinity"]}, "00080050":{"vr":"SH","Value":[null]},
        "7fe00010":{"vr":"OB","InlineBinary":["AAECAw=="]}, "00280011":{"vr":"US","Value":[16.0]},
        "00400275":{"vr":"SQ","Value":[null]}, "00080008":{"vr":"CS","Value":[]},
        "00020010":{"vr":"UI","Value":["1.2"]}}"""
    ds = Dataset.from_json(text)
    assert (ds.PatientName, ds.Rows, ds.Columns, ds.AccessionNumber) == ("A^B", 16, 16, "")
    assert ds["ImageType"].value == ""
    assert str(ds.AcquisitionDuration) == "[nan, -inf, nan, inf]"
    assert (ds.PixelData, len(ds.RequestAttributesSequence)) == (b"\0\1\2\3", 1)
    assert ds.file_meta.TransferSyntaxUID == "1.2"
    assert 0x00020010 not in ds


def test_budgets() -> None:
    deep = "{}"
    for _ in range(129):
        deep = f'{{"00400275":{{"vr":"SQ","Value":[{deep}]}}}}'
    deeper = '{"00400275":{"vr":"SQ","Value":[' * 100_000
    wide = json.dumps({f"0009{n:04X}": {"vr": "UN"} for n in range(0x1000, 0x1100)})
    for text, options in [
        (deep, ReadOptions()),
        (deeper, ReadOptions()),
        (deeper, ReadOptions(max_depth=1_000_000)),
        (wide, ReadOptions(max_elements=255)),
        (wide, ReadOptions(max_text=1000)),
    ]:
        with pytest.raises(LimitError):
            Dataset.from_json(text, options=options)
    assert len(Dataset.from_json(wide, options=ReadOptions(max_elements=256))) == 256
    model: dict[str, Any] = {}
    for _ in range(5000):
        model = {"00400275": {"vr": "SQ", "Value": [model]}}
    with pytest.raises(LimitError):
        Dataset.from_json(model)
    with pytest.raises(LimitError):
        Dataset.from_json(model, options=ReadOptions(max_depth=1_000_000))
    with pytest.raises(LimitError):
        dicomjson.read(io.StringIO("[" + wide + "]"), options=ReadOptions(max_text=1000))


def test_what_cannot_be_written_is_an_error_or_left_out() -> None:
    ds = Dataset()
    ds.RequestAttributesSequence = [ds]
    with pytest.raises(EncodeError, match="deeper"):
        ds.to_json()
    lone = Dataset(PatientComments="\ud800", PatientID="1")
    with pytest.raises(EncodeError):
        lone.to_json()
    assert json.loads(lone.to_json(suppress_invalid_tags=True)) == {"00100020": {"vr": "LO", "Value": ["1"]}}
    odd = decode(b"\x20\0\x13\0IS\x02\x001A\x28\0\x10\0US\x03\0abc\x28\0\x11\0US\x02\0\x10\0", EXPLICIT)
    with pytest.raises(DecodeError):
        odd.to_json()
    assert decode(b"\x20\0\x13\0IS\x02\x001A", EXPLICIT).to_json() == '{"00200013":{"vr":"IS","Value":["1A"]}}'
    assert odd.to_json(suppress_invalid_tags=True) == '{"00280011":{"vr":"US","Value":[16]}}'


# ---- data sets made at random -----------------------------------------------------------------------------------


def values_decode(dataset: Dataset) -> bool:
    try:
        return all(element.value is not dataset for element in dataset.iterall())
    except DecodeError:
        return False


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
@given(nodes=datasets(3))
def test_any_data_set_comes_back(syntax: TransferSyntax, nodes: list[Node]) -> None:
    untouched = decode(written(nodes, syntax), syntax)
    touched = decode(written(nodes, syntax), syntax)
    if not values_decode(touched):
        return
    text = untouched.to_json()
    assert json.loads(text, parse_constant=pytest.fail) is not None
    back = Dataset.from_json(text)
    assert list(data_set_differences(touched, back, big=syntax == BIG)) == []
    assert back.to_json(keep_character_set=True) == text or "SpecificCharacterSet" in back

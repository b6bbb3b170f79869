"""Values of every VR in every syntax and many character sets: what is written is read, what is none is an error."""

from __future__ import annotations

import io
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacskit.core.dataset import Dataset
from pacskit.core.element import DataElement
from pacskit.core.errors import DecodeError, TruncatedError
from pacskit.encoding import TransferSyntax, decode, dicomjson, encode, nativexml
from tests.property.test_datasets import TAGS

IMPLICIT = TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN
EXPLICIT = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
BIG = TransferSyntax.EXPLICIT_VR_BIG_ENDIAN
DEFLATED = TransferSyntax.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
SYNTAXES = {"implicit": IMPLICIT, "explicit": EXPLICIT, "big": BIG, "deflated": DEFLATED}

# Examples for each of many parameters: a sixth of what the profile says.
EACH = (settings.default or settings()).max_examples // 6

# One attribute of each VR of PS3.5 table 6.2-1; UN is an attribute that nobody knows.
TAG_OF = {vr: tag for tag, vr in reversed(TAGS.items())} | {"UN": 0x00090100}
VRS = sorted(TAG_OF)

# Character sets (PS3.3 C.12.1.1.2), each with characters that it has.
CHARSETS: dict[str, tuple[list[str] | str | None, str]] = {
    "ascii": (None, ""),
    "latin 1": ("ISO_IR 100", "äÿ£"),
    "latin 2": ("ISO_IR 101", "łŐž"),
    "cyrillic": ("ISO_IR 144", "ЛюЖ"),
    "greek": ("ISO_IR 126", "Διο"),
    "hebrew": ("ISO_IR 138", "שרה"),
    "arabic": ("ISO_IR 127", "قبن"),
    "thai": ("ISO_IR 166", "นำย"),
    "katakana": ("ISO_IR 13", "ﾔﾏﾀ"),
    "utf-8": ("ISO_IR 192", "é小😀한ﾔ"),
    "gb18030": ("GB18030", "王小东𠀀"),
    "gbk": ("GBK", "王小东"),
    "kanji": (["", "ISO 2022 IR 87"], "山田太郎や"),
    "katakana and kanji": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀ山田や"),
    "supplementary kanji": (["", "ISO 2022 IR 87", "ISO 2022 IR 159"], "山丂侄"),
    "hangul": (["", "ISO 2022 IR 149"], "김희중洪"),
    "simplified": (["", "ISO 2022 IR 58"], "张小东"),
    "latin and cyrillic": (["ISO 2022 IR 100", "ISO 2022 IR 144"], "äЛюÿ"),
}


def several(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), one, st.lists(one, min_size=2, max_size=4))


def words(letters: str, longest: int) -> st.SearchStrategy[str]:
    """Text without what separates values, and without spaces round it."""
    return st.text(letters, min_size=1, max_size=longest).map(str.strip).filter(bool)


def names(letters: str) -> st.SearchStrategy[str]:
    """One to three component groups of one to five components (PS3.5 6.2.1)."""
    component = st.text(letters.replace("\\", ""), max_size=6).map(str.strip)
    group = st.lists(component, min_size=1, max_size=5).map("^".join)
    return (
        st.lists(group, min_size=1, max_size=3)
        .map("=".join)
        .map(lambda name: name.rstrip("="))
        .filter(lambda name: name.strip("^= "))
    )


def whole(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else st.integers(0, (1 << bits) - 1)


def blocks(width: int) -> st.SearchStrategy[bytes]:
    return st.integers(0, 6).flatmap(lambda n: st.binary(min_size=n * width, max_size=n * width))


ASCII = "AZaz09 ,.-"
FIXED: dict[str, st.SearchStrategy[Any]] = {
    "AE": several(words("AZ09 _", 16)),
    "AS": several(st.builds("{:03}{}".format, st.integers(0, 999), st.sampled_from("DWMY"))),
    "AT": several(whole(32, signed=False)),
    "CS": several(words("AZ09 _", 16)),
    "DA": several(st.dates().map("{:%Y%m%d}".format).filter(lambda text: len(text) == 8)),
    "DS": several(st.floats(-1e9, 1e9).map("{:.8g}".format) | st.integers(-(10**9), 10**9).map(str)),
    "DT": several(st.datetimes().map("{:%Y%m%d%H%M%S.%f}".format).filter(lambda text: len(text) == 21)),
    "FD": several(st.floats()),
    "FL": several(st.floats(width=32)),
    "IS": several(whole(32, signed=True)),
    "SL": several(whole(32, signed=True)),
    "SS": several(whole(16, signed=True)),
    "SV": several(whole(64, signed=True)),
    "TM": several(st.times().map("{:%H%M%S.%f}".format)),
    "UI": several(st.lists(st.integers(0, 10**9), min_size=2, max_size=5).map(lambda n: ".".join(map(str, n)))),
    "UL": several(whole(32, signed=False)),
    "UR": st.none() | words("AZ/:.?=&%", 40),
    "US": several(whole(16, signed=False)),
    "UV": several(whole(64, signed=False)),
    "OB": blocks(2), "OD": blocks(8), "OF": blocks(4), "OL": blocks(4), "OV": blocks(8), "OW": blocks(2),
    "UN": blocks(2),
}  # fmt: skip


def values(vr: str, letters: str) -> st.SearchStrategy[Any]:
    if vr in FIXED:
        return FIXED[vr]
    if vr == "PN":
        return several(names(ASCII + letters))
    if vr in ("LT", "ST", "UT"):
        return st.none() | st.text(ASCII + "\r\n\t" + letters, max_size=40).map(str.rstrip)
    return several(words(ASCII + letters, 16))


@st.composite
def datasets(draw: st.DrawFn, vr: str) -> Dataset:
    """A data set with a character set and one attribute of ``vr``; a sequence has items with sets of their own."""
    terms, letters = CHARSETS[draw(st.sampled_from(sorted(CHARSETS)))]
    made = Dataset() if terms is None else Dataset(SpecificCharacterSet=terms)
    if vr != "SQ":
        made.add(DataElement(TAG_OF[vr], vr, draw(values(vr, letters))))
        return made
    items = [Dataset(PatientName=draw(names(ASCII + letters))) for _ in range(draw(st.integers(0, 2)))]
    own = [Dataset(SpecificCharacterSet="ISO_IR 192", PatientName="é小" + draw(names(ASCII + "й"))), Dataset()]
    made.add(DataElement(TAG_OF["SQ"], "SQ", items + own[: draw(st.integers(0, 2))]))
    return made


def plain(value: Any, vr: str) -> Any:
    """A value without what means nothing: an empty one is None, a name has no delimiters at its end."""
    if isinstance(value, bytes):
        return value or None
    if isinstance(value, list):
        return [plain(one, vr) for one in value] or None
    if vr == "PN" and value is not None:
        value = "=".join(group.rstrip("^") for group in str(value).split("=")).rstrip("=")
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return None if value == "" else value


def same(one: Dataset, other: Dataset) -> None:
    assert list(one.tags()) == list(other.tags())
    for mine, their in zip(one, other, strict=True):
        assert mine.VR == their.VR
        if mine.VR == "SQ":
            assert len(mine.value) == len(their.value)
            for a, b in zip(mine.value, their.value, strict=True):
                same(a, b)
        else:
            vr = str(mine.VR)
            assert plain(mine.value, vr) == plain(their.value, vr), vr


def test_there_is_an_attribute_of_each_of_the_34() -> None:
    assert len(VRS) == 34


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("vr", VRS)
@settings(max_examples=EACH)
@given(data=st.data())
def test_what_is_written_is_read(vr: str, syntax: str, data: st.DataObject) -> None:
    made = data.draw(datasets(vr))
    written = encode(made, SYNTAXES[syntax])
    read = decode(written, SYNTAXES[syntax])
    same(made, read)
    assert encode(decode(written, SYNTAXES[syntax]), SYNTAXES[syntax]) == written
    for element in read:  # every value decoded and set anew, so that no byte is copied
        read[element.tag] = DataElement(element.tag, str(element.VR), element.value)
    assert encode(read, SYNTAXES[syntax]) == written


class Slowly(io.BytesIO):
    """A stream that gives as little as it may at each call."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        super().__init__(data)
        self.sizes, self.calls = sizes, 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.calls += 1
        most = self.sizes[self.calls % len(self.sizes)]
        return super().read(most if size is None or size < 0 else min(size, most))


@pytest.mark.parametrize("vr", VRS)
@settings(max_examples=EACH // 2)
@given(data=st.data())
def test_text_forms_split_anywhere_are_the_same(vr: str, data: st.DataObject) -> None:
    made = data.draw(datasets(vr))
    sizes = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=4))
    text, tree = made.to_json().encode(), made.to_xml().encode()
    (whole,), (slowly,) = dicomjson.read(io.BytesIO(text)), dicomjson.read(Slowly(text, sizes))
    assert slowly.to_json() == whole.to_json()
    assert nativexml.read(Slowly(tree, sizes)).to_json() == nativexml.read(io.BytesIO(tree)).to_json()


@pytest.mark.parametrize("syntax", SYNTAXES)
@settings(max_examples=30)
@given(made=st.sampled_from(VRS).flatmap(datasets), cut=st.integers(0, 300))
def test_a_data_set_read_in_two_parts_is_the_same(syntax: str, made: Dataset, cut: int) -> None:
    made.EncapsulatedDocument = bytes(range(100))
    raw = encode(made, SYNTAXES[syntax])
    whole = decode(raw, SYNTAXES[syntax])
    try:
        read = decode(raw[:cut], SYNTAXES[syntax], total=len(raw))
    except TruncatedError:
        assert cut < len(raw)
        return
    pending = read.scan.pending() if read.scan is not None else None
    if pending is not None:
        read.scan.supply(raw[pending[0] : pending[0] + pending[1]])  # type: ignore[union-attr]
    elif cut < len(raw):  # between two elements a head looks whole; whoever has the size sees that it is not
        assert list(read.tags()) == list(whole.tags())[: len(list(read.tags()))]
        return
    same(whole, read)
    assert encode(read, SYNTAXES[syntax]) == raw


def header(vr: str, length: int, *, implicit: bool, big: bool) -> bytes:
    order = ">" if big else "<"
    head = struct.pack(order + "HH", TAG_OF[vr] >> 16, TAG_OF[vr] & 0xFFFF)
    if implicit:
        return head + struct.pack(order + "L", length)
    long = vr in {"SQ", "UN", "UC", "UR", "UT", "SV", "UV"} or vr[0] == "O"
    return head + vr.encode() + struct.pack(order + ("2xL" if long else "H"), length)


@pytest.mark.parametrize("vr", VRS)
@settings(max_examples=EACH * 2)
@given(
    raw=st.binary(max_size=40) | st.text("0123456789+-.eE\\ ^=\0DM:", max_size=30).map(str.encode),
    syntax=st.sampled_from([IMPLICIT, EXPLICIT, BIG]),
    charset=st.sampled_from(sorted(CHARSETS)),
)
def test_any_bytes_are_a_value_or_a_decode_error(vr: str, raw: bytes, syntax: TransferSyntax, charset: str) -> None:
    terms = CHARSETS[charset][0]
    data = encode(Dataset() if terms is None else Dataset(SpecificCharacterSet=terms), syntax)
    data += header(vr, len(raw), implicit=syntax == IMPLICIT, big=syntax == BIG) + raw
    found: DecodeError | None = None
    try:
        element = decode(data, syntax)[TAG_OF[vr]]
        assert plain(element.value, vr) == plain(element.value, vr)
        assert element.VR == vr
        str(element)
    except DecodeError as error:
        found = error
    assert found is None or (found.offset is not None and (found.tag == TAG_OF[vr] or vr == "SQ"))

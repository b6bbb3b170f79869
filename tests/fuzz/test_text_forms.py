"""JSON and XML that nobody vouches for: a data set, or a DecodeError; never another exception, a hang or a flood."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, EncodeError, PacsError
from pacskit.encoding import decode, dicomjson, nativexml
from tests.fuzz.test_data_set import SYNTAXES, elements

SMALL = ReadOptions(max_depth=8, max_elements=500, max_text=1 << 20)
VRS = ["LO", "PN", "DS", "IS", "US", "SV", "FD", "AT", "SQ", "OB", "UN", "UT", "DA", "UI", "CS", "ZZ"]
TAGS = ["00080005", "00100010", "00280010", "00091001", "00090010", "00020010", "7FE00010", "00100000", "FFFEE000"]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1", "00100010"])
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def attributes(models: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Attribute objects, most of them nearly right."""
    names = st.fixed_dictionaries({}, optional=dict.fromkeys(("Alphabetic", "Ideographic", "Phonetic"), scalars))
    value = st.lists(scalars | names | models, max_size=4) | anything
    return st.fixed_dictionaries(
        {"vr": st.sampled_from(VRS) | scalars},
        optional={"Value": value, "InlineBinary": st.sampled_from(["AAAA", "A", ["AA=="]]), "BulkDataURI": scalars},
    )


models: st.SearchStrategy[Any] = st.deferred(
    lambda: st.dictionaries(st.sampled_from(TAGS) | st.text(max_size=8), attributes(models) | scalars, max_size=4)
)


def take(dataset: Dataset) -> None:
    """Use what was read: what can be written comes back the same."""
    with suppress(DecodeError, EncodeError):
        text = dataset.to_json()
        again = Dataset.from_json(text).to_json()
        assert again == text or ("SpecificCharacterSet" in Dataset.from_json(text) and "00080005" not in text)
    with suppress(DecodeError, EncodeError):
        Dataset.from_xml(dataset.to_xml())


@given(models | anything)
def test_any_json_is_a_data_set_or_a_decode_error(model: Any) -> None:
    text = json.dumps(model)
    for form in (model if isinstance(model, dict) else text, text, text.encode("utf-16")):
        with suppress(DecodeError):
            take(Dataset.from_json(form, options=SMALL))
    with suppress(DecodeError):
        dicomjson.read(io.StringIO(text), options=SMALL)


@given(st.binary(max_size=200) | st.text(max_size=200), st.data())
def test_any_text_is_a_data_set_or_a_decode_error(noise: bytes | str, data: st.DataObject) -> None:
    seeds = [
        Dataset(PatientName="A^B=C", ImageType=["A", ""], Rows=3).to_json(),
        Dataset(PatientName="A^B=C", ImageType=["A", ""], Rows=3).to_xml(),
    ]
    seed = data.draw(st.sampled_from(seeds)).encode()
    at = data.draw(st.integers(0, len(seed)))
    gone = data.draw(st.integers(0, 20))
    middle = noise if isinstance(noise, bytes) else noise.encode("utf-8", "surrogatepass")
    for text in (noise, seed[:at] + middle[: data.draw(st.integers(0, 8))] + seed[at + gone :]):
        for reader in (Dataset.from_json, Dataset.from_xml):
            with suppress(DecodeError):
                take(reader(text, options=SMALL))
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        with suppress(DecodeError):
            dicomjson.read(io.BytesIO(raw), options=SMALL)
        with suppress(DecodeError):
            nativexml.read(io.BytesIO(raw), options=SMALL)


titles = st.sampled_from(["DicomAttribute", "Value", "Item", "PersonName", "Alphabetic", "FamilyName", "BulkData",
                            "InlineBinary", "NativeDicomModel", "x"])  # fmt: skip


@st.composite
def trees(draw: st.DrawFn, depth: int = 6) -> str:
    """Elements of the model, seldom where they belong."""
    name = draw(titles)
    given = ""
    if name == "DicomAttribute":
        creator = draw(st.sampled_from(["", ' privateCreator="X"']))
        given = f' tag="{draw(st.sampled_from(TAGS))}" vr="{draw(st.sampled_from(VRS))}"{creator}'
    elif draw(st.booleans()):
        given = f' number="{draw(st.sampled_from(["1", "2", "70000", "-1", "x"]))}" uri="u"'
    inside = (
        "".join(draw(st.lists(trees(depth - 1), max_size=3))) if depth else draw(st.sampled_from(["", "1", "AAAA"]))
    )
    return f"<{name}{given}>{inside}</{name}>"


@given(st.lists(trees(), max_size=3))
def test_any_tree_is_a_data_set_or_a_decode_error(inside: list[str]) -> None:
    with suppress(DecodeError):
        take(Dataset.from_xml(f"<NativeDicomModel>{''.join(inside)}</NativeDicomModel>", options=SMALL))


@given(elements() | st.binary(max_size=400), st.sampled_from(SYNTAXES[:3]))
def test_any_bytes_that_parse_have_a_text_or_say_why(data: bytes, syntax: str) -> None:
    try:
        dataset = decode(data, syntax, options=SMALL)
    except PacsError:
        return
    model = json.loads(dataset.to_json(suppress_invalid_tags=True))
    assert list(model) == sorted(model)
    Dataset.from_json(model)
    Dataset.from_xml(dataset.to_xml(suppress_invalid_tags=True))
    with suppress(PacsError):
        assert decode(data, syntax).to_json() == dataset.to_json()
    with suppress(PacsError):
        take(dataset)

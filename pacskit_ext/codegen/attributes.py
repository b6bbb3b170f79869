"""The stub that gives ``Dataset`` a typed attribute for each keyword."""

from __future__ import annotations

from pacskit_ext.codegen.sources import PSEUDO_VRS, Element, Source

HEAD = '''# Written by pacskit_ext/codegen; never edited by hand.
"""For type checkers only: what each keyword attribute of a data set gives and takes."""

from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal

from pacskit.core.dataset import Dataset
from pacskit.core.sequence import Sequence
from pacskit.core.tag import Tag
from pacskit.core.values import DA, DS, DT, IS, TM, MultiValue, PersonName
from pacskit_ext._uid import UID

'''

# VR: (what an attribute gives, what one value may be set from)
TYPES = {
    **dict.fromkeys(["AE", "AS", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"], ("str", "str")),
    "UI": ("UID", "str"),
    "PN": ("PersonName", "PersonName | str"),
    "DA": ("DA", "date | str"),
    "DT": ("DT", "datetime | str"),
    "TM": ("TM", "time | str"),
    "DS": ("DS", "float | Decimal | str"),
    "IS": ("IS", "int | str"),
    "AT": ("Tag", "int | str | tuple[int, int]"),
    **dict.fromkeys(["FL", "FD"], ("float", "float")),
    **dict.fromkeys(["SL", "SS", "SV", "UL", "US", "UV", "xs"], ("int", "int")),
    **dict.fromkeys(["OB", "OD", "OF", "OL", "OV", "OW", "UN", "ox"], ("bytes", "bytes | bytearray | memoryview")),
    **dict.fromkeys(["uw", "xw"], ("int | bytes", "int | bytes")),
    "SQ": ("Sequence[Dataset]", "Iterable[Dataset]"),
}
SINGLE = {"SQ", "OB", "OD", "OF", "OL", "OV", "OW", "UN", "ox", "LT", "ST", "UT", "UR"}  # never a MultiValue
NAMES = {"xs": "UsOrSs", "ox": "ObOrOw", "uw": "UsOrOw", "xw": "UsOrSsOrOw"}


def _multiplicity(element: Element) -> str:
    """``One``, ``Many`` (at least two values) or ``Some`` (one or many)."""
    if element.vr_code in SINGLE or element.vm == "1":
        return "One"
    return "Some" if element.vm.startswith("1-") else "Many"


def _class_name(element: Element) -> str:
    code = element.vr_code
    return f"_{_multiplicity(element)}{NAMES.get(code, code)}"


def _descriptor(name: str, code: str, multiplicity: str) -> str:
    gives, takes = TYPES[code]
    if multiplicity == "Some":
        gives = f"{gives} | MultiValue[{gives}]"
    elif multiplicity == "Many":
        gives = f"MultiValue[{gives}]"
    if multiplicity != "One":
        takes = f"{takes} | Iterable[{takes}]"
    return (
        f"class {name}:\n"
        f"    def __get__(self, dataset: object, owner: type[object] | None = None, /) -> {gives}: ...\n"
        f"    def __set__(self, dataset: object, value: {takes} | None, /) -> None: ...\n"
        "    def __delete__(self, dataset: object, /) -> None: ...\n"
    )


def stub(source: Source) -> str:
    """``pacskit/core/_generated/keywords.pyi``."""
    elements = [
        element
        for element in source.elements
        if element.keyword and not element.repeats and element.vr != "NONE" and element.tag >> 16 != 0
    ]
    unknown = {element.vr_code for element in elements} - set(TYPES) - set(PSEUDO_VRS.values())
    if unknown:
        raise ValueError(f"no Python type for the VRs {unknown}")
    classes = {_class_name(element): (element.vr_code, _multiplicity(element)) for element in elements}
    parts = [_descriptor(name, *facts) for name, facts in sorted(classes.items())]
    attributes = "".join(f"    {element.keyword}: {_class_name(element)}\n" for element in elements)
    return HEAD + "\n".join(parts) + "\nclass KeywordAttributes:\n" + attributes

"""Data sets for machines: the DICOM JSON model (PS3.18 annex F)."""

from __future__ import annotations

import base64
import json
from math import isfinite
from typing import Any

from pacskit.core.dataset import Dataset
from pacskit.core.element import DataElement
from pacskit.core.filemeta import FileMeta

__all__ = ["dataset_json", "line"]

_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_NUMBERS = frozenset({"FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})
_INLINE = 1024  # bytes; longer values are told by their place in the file
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def line(value: Any) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")), flush=True)


def dataset_json(dataset: Dataset | FileMeta) -> dict[str, Any]:
    """Return the DICOM JSON object of a data set; SpecificCharacterSet is UTF-8's, as the text is."""
    return {f"{int(element.tag):08X}": _element(element) for element in dataset}


def _element(element: DataElement) -> dict[str, Any]:
    vr = str(element.VR)
    found: dict[str, Any] = {"vr": vr}
    if int(element.tag) == 0x00080005:
        return found | {"Value": ["ISO_IR 192"]}
    if vr == "SQ":
        items = [dataset_json(item) for item in element.value]
        return found | {"Value": items} if items else found
    if vr in _BINARY:
        return found | _bulk(element)
    value = element.value
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if all(one is None or one == "" for one in values):
        return found
    return found | {"Value": [_value(vr, one) for one in values]}


def _bulk(element: DataElement) -> dict[str, Any]:
    length = element.length
    if length is None or length > _INLINE:
        return {"BulkDataURI": f"?offset={element.offset}&length={'undefined' if length is None else length}"}
    value = element.value
    return {"InlineBinary": base64.b64encode(bytes(value)).decode()} if isinstance(value, bytes) and value else {}


def _value(vr: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if vr == "PN":
        groups = str(value).split("=")
        return {name: group for name, group in zip(_GROUPS, groups, strict=False) if group}
    if vr == "AT":
        return f"{int(value):08X}"
    if vr == "IS":
        return int(value) if isinstance(value, int) else str(value)
    if vr == "DS":
        return float(value) if isinstance(value, float) else str(value)
    if vr in _NUMBERS:
        return value if isinstance(value, int) or (isinstance(value, float) and isfinite(value)) else str(value)
    return str(value)

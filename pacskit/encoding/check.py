"""Whether values that were set fit their VR and the dictionary's multiplicity (PS3.5 6.2, PS3.6 6)."""

from __future__ import annotations

import re
from typing import Any, Final

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import entry_for
from pacskit.core.element import DataElement, DeferredElement
from pacskit.core.errors import EncodeError
from pacskit.core.paths import name_of

__all__ = ["allows", "check_values"]

# Characters of one value; of one component group for PN.
_LONGEST: Final = {
    "AE": 16,
    "AS": 4,
    "CS": 16,
    "DA": 8,
    "DS": 16,
    "DT": 26,
    "IS": 12,
    "LO": 64,
    "LT": 10240,
    "PN": 64,
    "SH": 16,
    "ST": 1024,
    "TM": 16,
    "UI": 64,
}
_MANY: Final = re.compile(r"(?:(\d+)-)?(?:(\d+)|(\d*)n)")


def allows(vm: str, count: int) -> bool:
    """Whether a multiplicity such as ``1``, ``1-3``, ``2-n`` or ``3-3n`` allows so many values; none is always allowed.

    >>> allows("2-2n", 4), allows("2-2n", 3)
    (True, False)
    """
    match = _MANY.fullmatch(vm)
    if count == 0 or match is None:
        return True
    low, high, step = match.groups()
    if high is not None:
        return int(low or high) <= count <= int(high)
    return count >= int(low or 1) and count % int(step or 1) == 0


def check_values(dataset: Dataset) -> None:
    """Check every value that was set or changed, at every depth. Raises EncodeError with tag and path."""
    _check(dataset, "")


def _check(dataset: Dataset, prefix: str) -> None:
    for element in dataset.changed_elements():
        path = prefix + name_of(element.tag)
        if element.VR == "SQ":
            for index, item in enumerate(element.value):
                _check(item, f"{path}[{index}].")
        elif not isinstance(element, DeferredElement) or element.offset is None:
            _check_element(element, path)


def _check_element(element: DataElement, path: str) -> None:
    entry = entry_for(element.tag)
    values = element.value if isinstance(element.value, list) else [element.value]
    if entry is not None and not allows(entry.vm, element.VM) and not isinstance(element.value, bytes):
        raise EncodeError(f"{element.VM} values where there are to be {entry.vm}", tag=element.tag, path=path)
    longest = _LONGEST.get(str(element.VR))
    if longest is None:
        return
    for value in values:
        length = _length(element, value)
        if length > longest:
            raise EncodeError(
                f"a value of {length} characters is longer than the {longest} of {element.VR}",
                tag=element.tag,
                path=path,
            )


def _length(element: DataElement, value: Any) -> int:
    if value is None or element.VR == "DS":  # numbers are rounded to what fits
        return 0
    if element.VR == "PN":
        return max(map(len, str(value).split("=")))
    return len(str(value))

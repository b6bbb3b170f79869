"""FileMeta, the File Meta Information of a DICOM file (PS3.10 7.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pacskit_ext._element import DataElement
from pacskit_ext._table import ElementTable

if TYPE_CHECKING:
    from pacskit.core._generated.keywords import KeywordAttributes
else:

    class KeywordAttributes:
        """What type checkers see of the keyword attributes has no part at run time."""

        __slots__ = ()


__all__ = ["FileMeta"]


class FileMeta(ElementTable, KeywordAttributes):
    """The attributes of group 0002; others are refused when the file is written."""

    __slots__ = ()

    def __init__(self, elements: Iterable[DataElement] | None = None, /, **attributes: Any) -> None:
        for element in elements or ():
            self.add(element)
        for keyword, value in attributes.items():
            setattr(self, keyword, value)

    def __str__(self) -> str:
        return "\n".join(str(element) for element in self)

    __repr__ = __str__

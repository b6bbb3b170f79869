"""What a Dataset becomes that is not DICOM's binary form: dict, JSON, XML. The encoders are bound from above."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, cast

from pacskit.core import slots
from pacskit_ext._element import DataElement, Sequence

if TYPE_CHECKING:
    from pacskit.core.config import ReadOptions
    from pacskit_ext._table import ElementTable

__all__ = ["TextForms"]


def _plain(value: Any) -> Any:
    """A value in Python's own types."""
    if isinstance(value, Sequence):
        return [to_dict(cast("ElementTable", item)) for item in value]
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    return value + 0.0 if isinstance(value, float) else value


def to_dict(table: ElementTable) -> dict[str, Any]:
    """Keyword, or tag in hexadecimal, to value."""
    return {element.keyword or f"{element.tag:08X}": _plain(element.value) for element in table}


class TextForms:
    """The methods of Dataset for dict, JSON and XML."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Values by keyword, in Python's own types, sequences as lists of dicts.

        An attribute without a keyword goes by its tag, ``"00091001"``; an empty value is ``""`` or None, several are
        a list, bytes stay bytes.
        """
        return to_dict(cast("ElementTable", self))

    def to_json(
        self,
        bulk_data_threshold: int = 1024,
        bulk_data_element_handler: Callable[[DataElement], str | None] | None = None,
        dump_handler: Callable[[dict[str, Any]], str] | None = None,
        suppress_invalid_tags: bool = False,
        *,
        keep_character_set: bool = False,
    ) -> str:
        """The DICOM JSON Model object (PS3.18 F.2); see ``pacskit.encoding.dicomjson.to_json``."""
        return slots.to_json(  # type: ignore[no-any-return]
            self,
            bulk_data_threshold,
            bulk_data_element_handler,
            dump_handler,
            suppress_invalid_tags,
            keep_character_set=keep_character_set,
        )

    def to_json_dict(
        self,
        bulk_data_threshold: int = 1024,
        bulk_data_element_handler: Callable[[DataElement], str | None] | None = None,
        suppress_invalid_tags: bool = False,
        *,
        keep_character_set: bool = False,
    ) -> dict[str, Any]:
        """The DICOM JSON Model object as a dict."""
        return slots.to_json_dict(  # type: ignore[no-any-return]
            self,
            bulk_data_threshold,
            bulk_data_element_handler,
            suppress_invalid_tags,
            keep_character_set=keep_character_set,
        )

    @classmethod
    def from_json(
        cls,
        json_dataset: str | bytes | bytearray | dict[str, Any],
        bulk_data_uri_handler: Callable[[str, str, str], Any] | Callable[[str], Any] | None = None,
        *,
        options: ReadOptions | None = None,
    ) -> Self:
        """A data set of a DICOM JSON Model object; see ``pacskit.encoding.dicomjson.from_json``."""
        keywords = {} if options is None else {"options": options}
        return slots.from_json(json_dataset, bulk_data_uri_handler, **keywords)  # type: ignore[no-any-return]

    def to_xml(
        self,
        bulk_data_threshold: int = 1024,
        bulk_data_element_handler: Callable[[DataElement], str | None] | None = None,
        *,
        suppress_invalid_tags: bool = False,
        keep_character_set: bool = False,
    ) -> str:
        """The Native DICOM Model (PS3.19 A.1) as text; see ``pacskit.encoding.nativexml.to_xml``."""
        return slots.to_xml(  # type: ignore[no-any-return]
            self,
            bulk_data_threshold,
            bulk_data_element_handler,
            suppress_invalid_tags=suppress_invalid_tags,
            keep_character_set=keep_character_set,
        )

    @classmethod
    def from_xml(
        cls,
        document: str | bytes | bytearray,
        bulk_data_uri_handler: Callable[[str, str, str], Any] | Callable[[str], Any] | None = None,
        *,
        options: ReadOptions | None = None,
    ) -> Self:
        """A data set of a Native DICOM Model document; see ``pacskit.encoding.nativexml.from_xml``."""
        keywords = {} if options is None else {"options": options}
        return slots.from_xml(document, bulk_data_uri_handler, **keywords)  # type: ignore[no-any-return]

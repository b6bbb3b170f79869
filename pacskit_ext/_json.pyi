from collections.abc import Callable

from pacskit_ext._element import DataElement, SlotTable
from pacskit_ext._jsontext import JsonText

class JsonWriter(JsonText):
    def __init__(
        self,
        bulk_data_threshold: int = 1024,
        bulk_data_element_handler: Callable[[DataElement], str | None] | None = None,
        keep_character_set: bool = False,
        suppress_invalid_tags: bool = False,
        sink: Callable[[str], object] | None = None,
        chunk: int = 65536,
    ) -> None: ...
    def write(self, table: SlotTable) -> None: ...

def little_endian(element: DataElement) -> memoryview | bytes | None: ...

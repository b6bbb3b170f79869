from collections.abc import Iterable

from pacskit_ext._element import SlotTable

def texts_as_json(table: SlotTable, tags: Iterable[int], longest: int) -> tuple[str, list[int]]: ...

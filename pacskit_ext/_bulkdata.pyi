from collections.abc import Callable
from typing import Any

from pacskit_ext._element import DataElement, Key

class BulkDataElement(DataElement):
    def __init__(self, tag: Key, vr: str, uri: str, resolver: Callable[[str, str, str], Any] | None = None) -> None: ...
    @property
    def uri(self) -> str: ...
    @property
    def is_resolved(self) -> bool: ...

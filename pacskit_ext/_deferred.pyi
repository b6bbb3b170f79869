from collections.abc import Callable

from pacskit_ext._element import DataElement

class DeferredElement(DataElement):
    def __init__(
        self,
        stub: DataElement,
        reader: Callable[[int, int, int], bytes],
        offset: int,
        length: int,
        undefined: bool = False,
    ) -> None: ...
    @property
    def is_deferred(self) -> bool: ...
    @property
    def is_binary(self) -> bool: ...
    def read(self, start: int, length: int) -> bytes: ...

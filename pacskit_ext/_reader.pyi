from collections.abc import Iterable

from typing_extensions import Buffer

from pacskit_ext._privatetable import PrivateDictionary

class Scan:
    size: int
    slot_count: int
    item_count: int
    implicit: bool
    big: bool
    stopped: int
    source: Buffer
    encoded: Buffer | None
    external: bytes | None
    private: PrivateDictionary | None
    def pending(self) -> tuple[int, int] | None: ...
    note_count: int
    def supply(self, value: bytes) -> None: ...
    def noted(self) -> list[tuple[int, int, int]]: ...
    def ancestors(self, offset: int) -> list[tuple[int, int]]: ...

def scan(
    source: Buffer,
    *,
    implicit: bool,
    big: bool = False,
    start: int = 0,
    total: int = -1,
    stop_tag: int = 0,
    only_group: int = 0,
    wanted: Iterable[int] | None = None,
    max_depth: int = 128,
    max_elements: int = 0xFFFFFFF0,
    salvage: bool = False,
    encoded: Buffer | None = None,
    private: PrivateDictionary | None = None,
) -> Scan: ...

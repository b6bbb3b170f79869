from typing import Any, Literal

from typing_extensions import Buffer

from pacskit_ext._heads import Keys
from pacskit_ext._uid import UID

class ScanRow:
    path: str
    member: str | None
    size: int | None
    error: Exception | None
    transfer_syntax: UID | None
    values: dict[str, Any]
    is_dicomdir: bool
    def __init__(
        self,
        path: str,
        member: str | None = None,
        size: int | None = None,
        *,
        error: Exception | None = None,
        transfer_syntax: UID | None = None,
        values: dict[str, Any] | None = None,
        is_dicomdir: bool = False,
    ) -> None: ...
    def __getitem__(self, key: str) -> Any: ...
    def get(self, key: str, default: Any = None) -> Any: ...

def read_files(
    keys: Keys,
    paths: list[str],
    *,
    max_header: int,
    max_value: int,
    max_depth: int,
    max_elements: int,
    force: bool = False,
) -> list[ScanRow | None]: ...
def read_bytes(
    keys: Keys,
    data: Buffer,
    path: str,
    member: str | None = None,
    *,
    total: int,
    max_header: int,
    max_value: int,
    max_depth: int,
    max_elements: int,
    force: bool = False,
) -> ScanRow | Literal[True] | None: ...

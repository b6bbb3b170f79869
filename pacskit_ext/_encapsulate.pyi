from collections.abc import Iterable
from typing import Literal, overload

from typing_extensions import Buffer

@overload
def encapsulate(
    frames: Iterable[Buffer], *, basic: bool = True, extended: Literal[False] = False, fragments_per_frame: int = 1
) -> bytes: ...
@overload
def encapsulate(
    frames: Iterable[Buffer], *, basic: bool = True, extended: Literal[True], fragments_per_frame: int = 1
) -> tuple[bytes, bytes, bytes | None]: ...
def take_bits(source: Buffer, first: int, count: int) -> bytes: ...

from collections.abc import Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray
from typing_extensions import Buffer

_Pixels: TypeAlias = Buffer | NDArray[Any]

def change_colors(
    source: _Pixels,
    out: _Pixels,
    kind: str,
    matrix: Sequence[float],
    before: Sequence[float],
    after: Sequence[float],
    limits: tuple[float, float],
) -> None: ...
def look_up(source: _Pixels, kind: str, table: _Pixels, row: int, first: int, out: _Pixels) -> None: ...

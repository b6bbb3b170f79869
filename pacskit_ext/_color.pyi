from collections.abc import Sequence

from typing_extensions import Buffer

def change_colors(
    source: Buffer,
    out: Buffer,
    kind: str,
    matrix: Sequence[float],
    before: Sequence[float],
    after: Sequence[float],
    limits: tuple[float, float],
) -> None: ...
def look_up(source: Buffer, kind: str, table: Buffer, row: int, first: int, out: Buffer) -> None: ...

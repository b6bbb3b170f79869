from collections.abc import Iterable

from typing_extensions import Buffer

def encode(
    source: Buffer,
    rows: int,
    columns: int,
    samples: int = 1,
    *,
    precision: int,
    signed: bool = False,
    predictor: int = 1,
    point_transform: int = 0,
    restart_rows: int = 0,
    component_ids: Iterable[int] | None = None,
) -> bytes: ...

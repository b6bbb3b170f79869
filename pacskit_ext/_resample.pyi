from collections.abc import Sequence

from typing_extensions import Buffer

def resample(
    source: Buffer,
    shape: Sequence[int],
    kind: str,
    out: Buffer,
    out_shape: Sequence[int],
    matrix: Sequence[float],
    fill: float,
    interpolation: int,
    *,
    start: int,
    stop: int,
) -> None: ...

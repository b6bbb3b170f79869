from typing import Any, TypeAlias

from numpy.typing import NDArray
from typing_extensions import Buffer

_Pixels: TypeAlias = Buffer | NDArray[Any]

def are_stored_values(source: _Pixels, size: int, bits: int, high: int, signed: bool) -> bool: ...
def take_values(
    source: _Pixels,
    out: _Pixels,
    size: int,
    bits: int,
    high: int,
    signed: bool,
    *,
    swap: bool = False,
    plane: int = 0,
    samples: int = 1,
) -> None: ...
def unpack_bits(source: _Pixels, first: int, out: _Pixels) -> None: ...
def widen_422(source: _Pixels, out: _Pixels, size: int, bits: int, high: int, *, swap: bool = False) -> None: ...

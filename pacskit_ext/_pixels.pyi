from typing_extensions import Buffer

def are_stored_values(source: Buffer, size: int, bits: int, high: int, signed: bool) -> bool: ...
def take_values(
    source: Buffer,
    out: Buffer,
    size: int,
    bits: int,
    high: int,
    signed: bool,
    *,
    swap: bool = False,
    plane: int = 0,
    samples: int = 1,
) -> None: ...
def unpack_bits(source: Buffer, first: int, out: Buffer) -> None: ...
def widen_422(source: Buffer, out: Buffer, size: int, bits: int, high: int, *, swap: bool = False) -> None: ...

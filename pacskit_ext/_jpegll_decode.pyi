from typing_extensions import Buffer

def decode(
    source: Buffer, out: Buffer, rows: int, columns: int, samples: int = 1, *, sign_bits: int = 0
) -> int: ...

"""JPEG Lossless SV1 of a mammogram and of colours, beside the libraries that others use; `codecs` has the CT."""

from __future__ import annotations

from asv_bench.compare.codecs import _LOSSLESS, _TURBO, _decode, _encode
from asv_bench.compare.rows import Row

__all__ = ["ROWS"]

ROWS = [
    row
    for key, name, title in (("mg", "MG", "a mammogram"), ("rgb", "RGB", "RGB"))
    for row in (
        Row(
            f"jpegll:encode:{key}",
            f"JPEG Lossless, encode {title} (CPU)",
            "MB/s",
            _encode(name, "jpegll", _TURBO),
            3,
            "imagecodecs",
        ),
        Row(
            f"jpegll:decode:{key}",
            f"JPEG Lossless, decode {title} (CPU)",
            "MB/s",
            _decode(name, "jpegll", *_LOSSLESS),
            3,
            "pylibjpeg-libjpeg",
        ),
    )
]

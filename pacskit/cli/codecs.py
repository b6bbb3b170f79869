"""``pacskit codecs``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pacskit.cli.output import line
from pacskit.core.uid import UID
from pacskit.encoding.codecs import CodecRegistry, PixelFormat, is_lossless, registry
from pacskit.encoding.codecs.base import Direction
from pacskit.encoding.codecs.registry import RegisteredCodec

__all__ = ["codecs", "matrix"]

DIRECTIONS: tuple[Direction, Direction] = ("decode", "encode")
PIXELS = {
    "1": PixelFormat(16, 16, 1, 1, 1),
    "8": PixelFormat(16, 16, 1, 8, 8),
    "8s": PixelFormat(16, 16, 1, 8, 8, signed=True),
    "10": PixelFormat(16, 16, 1, 16, 10),
    "12": PixelFormat(16, 16, 1, 16, 12),
    "12s": PixelFormat(16, 16, 1, 16, 12, signed=True),
    "16": PixelFormat(16, 16, 1, 16, 16),
    "16s": PixelFormat(16, 16, 1, 16, 16, signed=True),
    "32": PixelFormat(16, 16, 1, 32, 32),
    "RGB 8": PixelFormat(16, 16, 3, 8, 8, photometric="RGB"),
    "YBR 8": PixelFormat(16, 16, 3, 8, 8, photometric="YBR_FULL"),
    "RGB 16": PixelFormat(16, 16, 3, 16, 16, photometric="RGB"),
}
"""What the matrix asks about: Bits Stored, ``s`` for signed, and the colours."""


def codecs(options: argparse.Namespace) -> int:
    if options.json:
        for row in _rows(registry):
            line(row)
    elif options.markdown:
        print(matrix(registry))
    else:
        _print_table(registry)
    return 0


def _number(syntax: str) -> list[int]:
    return [int(part) for part in syntax.split(".")]


def _syntaxes(codecs: CodecRegistry) -> list[str]:
    found = {uid for entry in codecs.entries() for uid in (*entry.codec.decodes, *entry.codec.encodes)}
    return sorted(found, key=_number)


def _rows(codecs: CodecRegistry) -> Iterator[dict[str, Any]]:
    for syntax in _syntaxes(codecs):
        for direction in DIRECTIONS:
            for order, entry in enumerate(codecs.known(syntax, direction)):
                yield {
                    "transfer_syntax": syntax,
                    "name": UID(syntax).name,
                    "direction": direction,
                    "order": order,
                    "codec": entry.codec.name,
                    "priority": entry.priority,
                    "licence": entry.codec.licence,
                    "version": entry.version,
                }


def _names(entries: tuple[RegisteredCodec, ...]) -> str:
    return ", ".join(e.codec.name if e.version is not None else f"({e.codec.name})" for e in entries) or "-"


def _print_table(codecs: CodecRegistry) -> None:
    table: list[tuple[str, ...]] = [("transfer syntax", "", "decode", "encode")]
    for syntax in _syntaxes(codecs):
        ways = (_names(codecs.known(syntax, direction)) for direction in DIRECTIONS)
        table.append((syntax, UID(syntax).name, *ways))
    _print_columns(table)
    print()
    libraries = [("back end", "version", "licence")]
    libraries += [(e.codec.name, e.version or "not installed", e.codec.licence) for e in codecs.entries()]
    _print_columns(libraries)


def _print_columns(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def matrix(codecs: CodecRegistry, wanted: Callable[[str], bool] = lambda syntax: True) -> str:
    """Return a Markdown table of what each transfer syntax, of those ``wanted``, holds by the installed back ends."""
    lines = [
        "| Transfer syntax | Decoded by | Encoded by | " + " | ".join(PIXELS) + " |",
        "|---|---|---|" + ":-:|" * len(PIXELS),
    ]
    for syntax in filter(wanted, _syntaxes(codecs)):
        encoders = codecs.codecs(syntax, "encode")
        mark = "=" if is_lossless(syntax) else "~"
        cells = [mark if any(one.can_encode(syntax, format) for one in encoders) else "" for format in PIXELS.values()]
        ways = [", ".join(one.name for one in codecs.codecs(syntax, direction)) for direction in DIRECTIONS]
        lines.append(f"| {UID(syntax).name} `{syntax}` | " + " | ".join((*ways, *cells)) + " |")
    return "\n".join(lines)

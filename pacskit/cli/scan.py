"""``pacskit scan``."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from pacskit.cli.progress import Bar
from pacskit.encoding.scan import DEFAULT_KEYS, HeaderScan, ScanRow
from pacskit.encoding.scan import scan as scan_headers

__all__ = ["scan"]

_ABOUT = ("path", "member", "size", "transfer_syntax", "error")


def scan(options: argparse.Namespace) -> int:
    shown = bool(options.parquet) or not sys.stdout.isatty()  # lines on a terminal are progress enough
    with Bar("scan") as bar:
        found = scan_headers(
            options.files,
            options.wanted.split(",") if options.wanted else DEFAULT_KEYS,
            workers=options.workers,
            ordered=not options.unordered,
            archives=not options.no_archives,
            dicomdirs=options.dicomdirs,
            force=options.force,
            progress=(lambda done, total: bar.step(done, total=total)) if shown else None,
        )
        failures = _Failures(found)
        if options.parquet:
            from pacskit.encoding.columns import to_parquet

            to_parquet(failures, found.columns, options.parquet)
        elif options.json:
            _write_json(failures)
        else:
            _write_csv(failures, found.keys)
    return 1 if failures.count else 0


class _Failures:
    """The rows of a scan, counting those with an error as they pass."""

    def __init__(self, found: HeaderScan) -> None:
        self._found = found
        self.count = 0

    def __iter__(self) -> Iterator[ScanRow]:
        for row in self._found:
            self.count += row.error is not None
            yield row


def _text(value: str) -> str:
    """A name that no encoding refuses: bytes that are no text are escaped."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _about(row: ScanRow) -> list[Any]:
    error = None if row.error is None else _text(f"{type(row.error).__name__}: {row.error}")
    member = None if row.member is None else _text(row.member)
    return [_text(row.path), member, row.size, row.transfer_syntax, error]


def _write_json(rows: Iterable[ScanRow]) -> None:
    for row in rows:
        facts = dict(zip(_ABOUT, _about(row), strict=True)) | {"values": row.values}
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    """What JSON has no type for: bytes, as hexadecimal digits."""
    return value.hex() if isinstance(value, bytes) else str(value)


def _write_csv(rows: Iterable[ScanRow], keys: tuple[str, ...]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*_ABOUT, *keys])
    for row in rows:
        writer.writerow([*_about(row), *map(_cell, row.values.values())])


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "\\".join("" if one is None else str(_cell(one)) for one in value)
    return value.hex() if isinstance(value, bytes) else value

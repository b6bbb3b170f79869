"""``pacskit codecs``: what is there, in order, and what is not."""

from __future__ import annotations

import json

import pytest

from pacskit.cli import main
from pacskit.encoding.codecs import LibraryCodec, registry


class Absent(LibraryCodec):
    name = "absent"
    licence = "MIT"
    module = distribution = "no_such_library"
    decodes = ("1.2.840.10008.1.2.5",)


def test_the_table_shows_what_is_missing_in_parentheses(capsys: pytest.CaptureFixture[str]) -> None:
    codec = Absent()
    registry.register(codec, priority=5)
    try:
        assert main(["codecs"]) == 0
    finally:
        registry.unregister(codec)
    lines = capsys.readouterr().out.splitlines()
    (rle,) = (line for line in lines if line.startswith("1.2.840.10008.1.2.5 "))
    assert rle.split()[1:] == ["RLE", "Lossless", "(absent),", "pacskit.rle", "pacskit.rle"]
    assert [line.split() for line in lines if line.startswith("absent")] == [["absent", "not", "installed", "MIT"]]


def test_json_has_a_line_for_each_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codecs", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ways = {(row["transfer_syntax"], row["direction"], row["order"]): row for row in rows}
    assert len(ways) == len(rows)
    assert ways["1.2.840.10008.1.2.5", "encode", 0]["codec"] == "pacskit.rle"
    last = max(
        order for syntax, direction, order in ways if (syntax, direction) == ("1.2.840.10008.1.2.4.50", "decode")
    )
    assert ways["1.2.840.10008.1.2.4.50", "decode", last]["licence"] == "GPL-3.0-only"


def test_the_matrix_says_what_is_lossless_for_which_pixels(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codecs", "--markdown"]) == 0
    head, _, *rows = capsys.readouterr().out.splitlines()
    table = {row.split("`")[1]: dict(zip(head.split(" | "), row.split(" | "), strict=True)) for row in rows}
    assert table["1.2.840.10008.1.2.5"]["1"] == "="
    assert table["1.2.840.10008.1.2.4.50"]["8"] == "~"
    assert table["1.2.840.10008.1.2.4.50"]["12"] == ""

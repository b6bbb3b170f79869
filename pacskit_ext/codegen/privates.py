"""The C header of the private dictionary: what vendors have published of their private attributes (PS3.5 7.8)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pacskit_ext.codegen.ctables import BANNER, CHUNK, numbers, strings
from pacskit_ext.codegen.sources import PSEUDO_VRS, TABLES

# How much of a pattern is given: everything, all but the block, all but the block and the low byte of the group.
KINDS = {"hhhhhhhh": 0, "hhhhxxhh": 1, "hhxxxxhh": 2}
PSEUDO = {**PSEUDO_VRS, "OB_OW": "ox"}


@dataclass(frozen=True)
class Row:
    """An element of a creator; ``tag`` has 0 for each open digit of the pattern."""

    tag: int
    kind: int
    vr: str
    vm: str
    name: str

    @property
    def code(self) -> int:
        code = PSEUDO.get(self.vr, self.vr)
        return ord(code[0]) | ord(code[1]) << 8


def _kind(pattern: str) -> int | None:
    return KINDS.get(re.sub("[0-9A-F]", "h", pattern))


def rows_of(creator: dict[str, list[str]]) -> list[Row]:
    """The rows of one creator in ascending order.

    A row ``gggg00ee`` can only mean the offset: no private data element has a number below 1000 (PS3.5 7.8.1). Rows
    ``ggggbbxx`` name the creator element, not data, and are left out.
    """
    found: dict[tuple[int, int], Row] = {}
    for pattern, (vr, vm, name, *_) in sorted(creator.items(), key=lambda item: "x" not in item[0]):
        kind = _kind(pattern)
        if kind is None:
            continue
        tag = int(pattern.replace("x", "0"), 16)
        if kind == 0 and tag & 0xFFFF < 0x1000:
            kind, tag = 1, tag & 0xFFFF00FF
        found.setdefault((tag, kind), Row(tag, kind, vr, vm, name))
    return [found[key] for key in sorted(found)]


def load_private() -> dict[str, list[Row]]:
    """The rows by creator, both in ascending order."""
    table = json.loads((TABLES / "private_dictionary.json").read_text("utf-8"))
    found = {creator: rows_of(table[creator]) for creator in sorted(table, key=str.encode)}
    return {creator: rows for creator, rows in found.items() if rows}


class Pool:
    """Each distinct string once, in UTF-8, in one run of bytes."""

    def __init__(self) -> None:
        self.offsets: dict[str, int] = {}
        self.chunks: list[list[bytes]] = [[]]
        self.size = self.in_chunk = 0

    def add(self, text: str) -> tuple[int, int]:
        """The offset and length of ``text``."""
        data = text.encode()
        if len(data) > 255:
            raise ValueError(f"cannot hold {text!r}")
        if text not in self.offsets:
            if self.in_chunk + len(data) > CHUNK:
                self.chunks.append([])
                self.size += 1  # the NUL that ends the chunk's literal
                self.in_chunk = 0
            self.offsets[text] = self.size
            self.chunks[-1].append(data)
            self.size += len(data)
            self.in_chunk += len(data)
        return self.offsets[text], len(data)

    def declaration(self, name: str) -> str:
        """A struct of char arrays without padding; its address is the address of the first byte."""
        fields = "".join(f"    char c{i}[{sum(map(len, chunk)) + 1}];\n" for i, chunk in enumerate(self.chunks))
        literals = ",\n".join("\n".join(f'    "{_escape(piece)}"' for piece in chunk) for chunk in self.chunks)
        return f"static const struct {{\n{fields}}} {name} = {{\n{literals}\n}};\n"


def _escape(piece: bytes) -> str:
    special = {ord("\\"): "\\\\", ord('"'): '\\"', ord("?"): "\\?"}
    return "".join(special.get(byte, chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}") for byte in piece)


def _lines(rows: Iterable[Row], pool: Pool, vms: list[str]) -> Iterable[str]:
    for row in rows:
        offset, length = pool.add(row.name)
        yield f"{{0x{row.tag:08X}u,{offset},0x{row.code:04X},{row.kind << 6 | vms.index(row.vm)},{length}}}"


def private_header() -> str:
    """``_privatetable_generated.h``: creators in ascending order of bytes, each with its rows in ascending order."""
    table = load_private()
    vms = sorted({row.vm for rows in table.values() for row in rows}, key=lambda vm: (len(vm), vm))
    if len(vms) > 64:
        raise ValueError("the multiplicity has six bits")
    pool = Pool()
    creators, lines = [], list[str]()
    for creator, rows in table.items():
        offset, length = pool.add(creator)
        creators.append(f"{{{offset},{len(lines)},{len(rows)},{length}}}")
        lines += _lines(rows, pool, vms)
    return "\n".join(
        [
            f"{BANNER}#ifndef PK_PRIVATETABLE_H\n#define PK_PRIVATETABLE_H\n#include <stdint.h>\n",
            f"#define PK_CREATOR_COUNT {len(creators)}\n#define PK_PRIVATE_COUNT {len(lines)}",
            "\ntypedef struct { uint32_t text; uint16_t first, count; uint8_t length; } pk_creator;",
            "typedef struct { uint32_t tag, name; uint16_t vr; uint8_t kind_vm, name_length; } pk_private;\n",
            strings("pk_private_vms", vms),
            numbers("pk_creator pk_creators", creators, 6),
            numbers("pk_private pk_privates", lines, 4),
            pool.declaration("pk_private_text"),
            "#endif\n",
        ]
    )

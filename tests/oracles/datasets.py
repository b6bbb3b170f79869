"""Slow and obvious twins of the native data-set reader and writer, from PS3.5 section 7 and annex A."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
UNDEFINED = 0xFFFFFFFF


@dataclass
class Node:
    """An element as the bytes of its value, or as items of elements."""

    tag: int
    vr: str
    value: bytes | None = None
    items: list[list[Node]] | None = None
    undefined: bool = field(default=False, compare=False)
    undefined_items: bool = field(default=False, compare=False)


def _tag(tag: int, order: str) -> bytes:
    return struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)


def write(nodes: list[Node], *, implicit: bool, big: bool) -> bytes:
    """The bytes of ``nodes``; values are taken to be in the byte order asked for already."""
    order = ">" if big else "<"
    out = b""
    for node in nodes:
        body = node.value if node.value is not None else b""
        if node.items is not None:
            for item in node.items:
                inner = write(item, implicit=implicit, big=big)
                if node.undefined_items:
                    body += _tag(0xFFFEE000, order) + struct.pack(order + "L", UNDEFINED) + inner
                    body += _tag(0xFFFEE00D, order) + bytes(4)
                else:
                    body += _tag(0xFFFEE000, order) + struct.pack(order + "L", len(inner)) + inner
        length = UNDEFINED if node.undefined else len(body)
        out += _tag(node.tag, order)
        if implicit:
            out += struct.pack(order + "L", length)
        elif node.vr in LONG:
            out += node.vr.encode() + bytes(2) + struct.pack(order + "L", length)
        else:
            out += node.vr.encode() + struct.pack(order + "H", length)
        out += body
        if node.undefined:
            out += _tag(0xFFFEE0DD, order) + bytes(4)
    return out


def read(data: bytes, vr_of: dict[int, str], *, implicit: bool, big: bool) -> list[Node]:
    """The elements of well-formed ``data``; ``vr_of`` gives the VR of each tag in implicit VR."""
    nodes, end = _read(data, 0, len(data), vr_of, implicit, big)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes are left over")
    return nodes


def _read(data: bytes, pos: int, end: int, vr_of: dict[int, str], implicit: bool, big: bool) -> tuple[list[Node], int]:
    order = ">" if big else "<"
    nodes: list[Node] = []
    while pos < end:
        group, element = struct.unpack_from(order + "HH", data, pos)
        tag = group << 16 | element
        if tag in (0xFFFEE00D, 0xFFFEE0DD):
            return nodes, pos
        if implicit:
            vr = vr_of[tag]
            (length,) = struct.unpack_from(order + "L", data, pos + 4)
            pos += 8
        else:
            vr = data[pos + 4 : pos + 6].decode()
            if vr in LONG:
                (length,) = struct.unpack_from(order + "L", data, pos + 8)
                pos += 12
            else:
                (length,) = struct.unpack_from(order + "H", data, pos + 6)
                pos += 8
        if vr == "SQ":
            items, pos = _read_items(data, pos, length, end, vr_of, implicit, big)
            nodes.append(Node(tag, vr, items=items, undefined=length == UNDEFINED))
        else:
            nodes.append(Node(tag, vr, value=data[pos : pos + length]))
            pos += length
    return nodes, pos


def _read_items(
    data: bytes, pos: int, length: int, end: int, vr_of: dict[int, str], implicit: bool, big: bool
) -> tuple[list[list[Node]], int]:
    order = ">" if big else "<"
    items: list[list[Node]] = []
    stop = end if length == UNDEFINED else pos + length
    while pos < stop:
        group, element, size = struct.unpack_from(order + "HHL", data, pos)
        pos += 8
        if (group, element) == (0xFFFE, 0xE0DD):
            return items, pos
        if size == UNDEFINED:
            item, pos = _read(data, pos, stop, vr_of, implicit, big)
            pos += 8
        else:
            item, pos = _read(data, pos, pos + size, vr_of, implicit, big)
        items.append(item)
    return items, pos

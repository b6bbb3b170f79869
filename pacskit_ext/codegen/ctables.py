"""The C headers: static const data only, so that nothing is parsed or built at import."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pacskit_ext.codegen.sources import Element, Source

BANNER = "/* Written by pacskit_ext/codegen; never edited by hand. */\n"
CHUNK = 60_000  # characters: one compiler stops at 65,535 in a string literal


def fnv1a(data: bytes) -> int:
    """The 32-bit FNV-1a hash, folded as the C side folds it."""
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value ^ (value >> 15)


class Text:
    """All strings of a table in one run of characters, found by offset and length."""

    def __init__(self) -> None:
        self.chunks: list[list[str]] = [[]]
        self.size = 0
        self._in_chunk = 0

    def add(self, *parts: str) -> int:
        """Append the parts as one piece and give its offset."""
        piece = "".join(parts)
        if not piece.isascii() or any(len(part) > 255 for part in parts):
            raise ValueError(f"cannot hold {piece!r}")
        if self._in_chunk + len(piece) > CHUNK:
            self.chunks.append([])
            self.size += 1  # the NUL that ends the chunk's literal
            self._in_chunk = 0
        self.chunks[-1].append(piece)
        offset = self.size
        self.size += len(piece)
        self._in_chunk += len(piece)
        return offset

    def declaration(self, name: str) -> str:
        """A struct of char arrays without padding; its address is the address of the first character."""
        lengths = [sum(map(len, chunk)) + 1 for chunk in self.chunks]
        fields = "".join(f"    char c{i}[{n}];\n" for i, n in enumerate(lengths))
        literals = ",\n".join("\n".join(f'    "{_escape(piece)}"' for piece in chunk) for chunk in self.chunks)
        return f"static const struct {{\n{fields}}} {name} = {{\n{literals}\n}};\n"


def _escape(piece: str) -> str:
    return piece.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")


def numbers(declaration: str, values: Iterable[int | str], per_line: int = 24) -> str:
    """A C array."""
    items = [str(value) for value in values]
    lines = (",".join(items[i : i + per_line]) for i in range(0, len(items), per_line))
    return f"static const {declaration}[{len(items)}] = {{\n" + ",\n".join(lines) + "\n};\n"


def strings(name: str, values: Sequence[str]) -> str:
    return f"static const char* const {name}[{len(values)}] = {{" + ", ".join(f'"{v}"' for v in values) + "};\n"


def open_addressed(hashes: Sequence[int], bits: int) -> tuple[list[int], int]:
    """Slots holding index + 1 (0 is empty) under linear probing, and the longest probe."""
    slots = [0] * (1 << bits)
    longest = 0
    for index, value in enumerate(hashes):
        slot, probe = value & ((1 << bits) - 1), 1
        while slots[slot]:
            slot, probe = (slot + 1) & ((1 << bits) - 1), probe + 1
        slots[slot] = index + 1
        longest = max(longest, probe)
    return slots, longest


def best_multiplier(tags: Sequence[int], bits: int) -> int:
    """The odd multiplier, of a fixed row of candidates, under which probing is shortest."""

    def cost(multiplier: int) -> tuple[int, int]:
        taken = set[int]()
        total = longest = 0
        for tag in tags:
            slot, probe = ((tag * multiplier) & 0xFFFFFFFF) >> (32 - bits), 1
            while slot in taken:
                slot, probe = (slot + 1) & ((1 << bits) - 1), probe + 1
            taken.add(slot)
            total, longest = total + probe, max(longest, probe)
        return total, longest

    candidates = [((0x9E3779B1 + 0x61C88646 * 2 * step) & 0xFFFFFFFF) | 1 for step in range(48)]
    return min(candidates, key=cost)


def _entries(
    elements: Sequence[Element], text: Text, vms: Sequence[str], code: Callable[[Element], int]
) -> Iterable[str]:
    for element in elements:
        offset = text.add(element.keyword, element.name)
        lengths = f"{len(element.keyword)},{len(element.name)}"
        yield (
            f"{{0x{element.tag:08X}u,{offset},0x{code(element):04X},"
            f"{vms.index(element.vm)},{int(element.retired)},{lengths}}}"
        )


def _code(element: Element) -> int:
    return ord(element.vr_code[0]) | ord(element.vr_code[1]) << 8


REPEAT_MASKS = (0xFF00FFFF, 0xFFFFFF00, 0xFFFFFF0F, 0xFFFF000F, 0xFFFF0000)  # what _tagtable.pyx folds a tag with


def tag_header(source: Source) -> str:
    """``_tagtable_generated.h``: elements, repeating groups, and the hashes over tags and keywords."""
    exact = [element for element in source.elements if not element.repeats]
    repeating = [element for element in source.elements if element.repeats]
    unknown = {element.mask for element in repeating} - set(REPEAT_MASKS)
    if unknown:
        raise ValueError(f"no rule for the masks {[hex(mask) for mask in unknown]}")
    vms = sorted({element.vm for element in source.elements}, key=lambda vm: (len(vm), vm))
    text = Text()
    exact_lines = list(_entries(exact, text, vms, _code))
    repeat_lines = list(_entries(repeating, text, vms, _code))

    bits, repeat_bits = 14, 8
    multiplier = best_multiplier([element.tag for element in exact], bits)

    def tag_hash(tag: int, width: int) -> int:
        return ((tag * multiplier) & 0xFFFFFFFF) >> (32 - width)

    tag_slots, _ = open_addressed([tag_hash(element.tag, bits) for element in exact], bits)
    repeat_slots, _ = open_addressed([tag_hash(element.tag, repeat_bits) for element in repeating], repeat_bits)
    keyword_slots = _keyword_slots([element.keyword for element in exact], bits)
    struct = "uint32_t tag, text; uint16_t vr; uint8_t vm, retired, keyword_length, name_length;"
    return "\n".join(
        [
            f"{BANNER}#ifndef PK_TAGTABLE_H\n#define PK_TAGTABLE_H\n#include <stdint.h>\n",
            f"#define PK_TAG_COUNT {len(exact)}\n#define PK_REPEAT_COUNT {len(repeating)}",
            f"#define PK_TAG_BITS {bits}\n#define PK_REPEAT_BITS {repeat_bits}",
            f"#define PK_TAG_MULTIPLIER {multiplier}u",
            f"\ntypedef struct {{ {struct} }} pk_element;\n",
            strings("pk_vms", vms),
            numbers("pk_element pk_elements", exact_lines, 1),
            numbers("pk_element pk_repeats", repeat_lines, 1),
            numbers("uint16_t pk_tag_slots", tag_slots),
            numbers("uint8_t pk_repeat_slots", repeat_slots),
            numbers("uint16_t pk_keyword_slots", keyword_slots),
            text.declaration("pk_tag_text"),
            "#endif\n",
        ]
    )


def _keyword_slots(keywords: Sequence[str], bits: int) -> list[int]:
    """Slots over the keywords, the rows without one left out."""
    slots = [0] * (1 << bits)
    for index, keyword in enumerate(keywords):
        if keyword:
            slot = fnv1a(keyword.encode()) & ((1 << bits) - 1)
            while slots[slot]:
                slot = (slot + 1) & ((1 << bits) - 1)
            slots[slot] = index + 1
    return slots


def uid_header(source: Source) -> str:
    """``_uidtable_generated.h``: UIDs in ascending order and the hashes over UIDs and keywords."""
    types = sorted({uid.type for uid in source.uids})
    text = Text()
    lines = []
    for uid in source.uids:
        parts = (uid.uid, uid.keyword, uid.name, uid.info)
        offset = text.add(*parts)
        lengths = ",".join(str(len(part)) for part in parts)
        flags = int(uid.retired)
        if uid.encoding is not None:
            flags |= 2
            for bit, fact in enumerate(("implicit", "little_endian", "deflated", "encapsulated"), start=2):
                flags |= bool(uid.encoding[fact]) << bit
        lines.append(f"{{{offset},{types.index(uid.type)},{flags},{lengths}}}")
    bits = 11
    uid_slots, _ = open_addressed([fnv1a(uid.uid.encode()) for uid in source.uids], bits)
    struct = "uint32_t text; uint8_t type, flags, uid_length, keyword_length, name_length, info_length;"
    return "\n".join(
        [
            f"{BANNER}#ifndef PK_UIDTABLE_H\n#define PK_UIDTABLE_H\n#include <stdint.h>\n",
            f"#define PK_UID_COUNT {len(lines)}\n#define PK_UID_BITS {bits}",
            "#define PK_UID_RETIRED 1\n#define PK_UID_SYNTAX 2\n#define PK_UID_IMPLICIT 4",
            "#define PK_UID_LITTLE 8\n#define PK_UID_DEFLATED 16\n#define PK_UID_ENCAPSULATED 32",
            f"\ntypedef struct {{ {struct} }} pk_uid;\n",
            strings("pk_uid_types", types),
            numbers("pk_uid pk_uids", lines, 4),
            numbers("uint16_t pk_uid_slots", uid_slots),
            numbers("uint16_t pk_uid_keyword_slots", _keyword_slots([uid.keyword for uid in source.uids], bits)),
            text.declaration("pk_uid_text"),
            "#endif\n",
        ]
    )

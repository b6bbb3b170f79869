"""Pixels the slow and obvious way: one value at a time, of exact numbers."""

from __future__ import annotations

from fractions import Fraction
from math import floor

__all__ = ["bits_of", "nearest", "partial_from_rgb", "rgb_from_full", "stored_values", "ybr_from_rgb"]


def stored_values(data: bytes, allocated: int, stored: int, high: int, *, signed: bool, big: bool = False) -> list[int]:
    """Every value of a series of cells (PS3.5 8.1.1)."""
    size = allocated // 8
    out = []
    for at in range(0, len(data) // size * size, size):
        digits = f"{int.from_bytes(data[at : at + size], 'big' if big else 'little'):0{allocated}b}"
        kept = digits[allocated - 1 - high : allocated - 1 - high + stored]
        value = int(kept, 2)
        out.append(value - (1 << stored) if signed and kept[0] == "1" else value)
    return out


def bits_of(data: bytes, first: int, count: int) -> list[int]:
    """Bits, the lowest of a byte first."""
    return [data[n // 8] >> n % 8 & 1 for n in range(first, first + count)]


def nearest(value: Fraction, bits: int) -> int:
    """Rounded, halves up, and held in range."""
    return min(max(floor(value + Fraction(1, 2)), 0), (1 << bits) - 1)


RED, GREEN, BLUE = Fraction(299, 1000), Fraction(587, 1000), Fraction(114, 1000)


def ybr_from_rgb(pixel: tuple[int, int, int], bits: int) -> list[int]:
    """YBR_FULL, by the luma of BT.601: the standard prints its factors to four digits (PS3.3 C.7.6.3.1.2)."""
    r, g, b = pixel
    y = RED * r + GREEN * g + BLUE * b
    half = 1 << (bits - 1)
    return [nearest(v, bits) for v in (y, (b - y) / 2 / (1 - BLUE) + half, (r - y) / 2 / (1 - RED) + half)]


def rgb_from_full(pixel: tuple[int, int, int], bits: int) -> list[int]:
    """Back from YBR_FULL."""
    y, cb, cr = pixel[0], pixel[1] - (1 << (bits - 1)), pixel[2] - (1 << (bits - 1))
    r, b = y + 2 * (1 - RED) * cr, y + 2 * (1 - BLUE) * cb
    return [nearest(v, bits) for v in (r, (y - RED * r - BLUE * b) / GREEN, b)]


def partial_from_rgb(pixel: tuple[int, int, int]) -> list[Fraction]:
    """YBR_PARTIAL_422 with the four digits that the standard prints, unrounded."""
    rows = (
        ("0.2568", "0.5041", "0.0979", 16),
        ("-0.1482", "-0.2910", "0.4392", 128),
        ("0.4392", "-0.3678", "-0.0714", 128),
    )
    return [sum((Fraction(k) * c for k, c in zip(row[:3], pixel, strict=True)), Fraction(0)) + row[3] for row in rows]

"""RLE Lossless, slowly and obviously, from the pseudo code of PS3.5 annex G."""

from __future__ import annotations

from struct import pack, unpack_from


def segments(frame: bytes) -> list[bytes]:
    """The segments by the offsets of the header (G.5)."""
    count = unpack_from("<L", frame)[0]
    starts = unpack_from(f"<{count}L", frame, 4)
    ends = (*starts[1:], len(frame))
    return [frame[start:end] for start, end in zip(starts, ends, strict=True)]


def unpack_segment(segment: bytes, size: int) -> bytes:
    """The first ``size`` bytes that a segment decodes to (G.3.2)."""
    out = bytearray()
    at = 0
    while len(out) < size:
        n = segment[at]
        at += 1
        if n < 128:
            if at + n + 1 > len(segment):
                raise IndexError
            out += segment[at : at + n + 1]
            at += n + 1
        elif n > 128:
            out += segment[at : at + 1] * (257 - n)
            if at == len(segment):
                raise IndexError
            at += 1
    return bytes(out)


def decode(frame: bytes, pixels: int, samples: int, width: int) -> bytes:
    """Little endian samples, colour by pixel."""
    planes = [unpack_segment(segment, pixels) for segment in segments(frame)]
    if len(planes) != samples * width or any(len(plane) != pixels for plane in planes):
        raise ValueError("not so many bytes")
    cells = []
    for pixel in range(pixels):
        for sample in range(samples):
            cells += [planes[sample * width + byte][pixel] for byte in reversed(range(width))]
    return bytes(cells)


def pack_row(row: bytes) -> bytes:
    """One row (G.3.1): what repeats is a run of up to 128, the rest is literal."""
    out = bytearray()
    at = 0
    while at < len(row):
        same = 1
        while same < 128 and row[at : at + 1] == row[at + same : at + same + 1]:
            same += 1
        if same > 1:
            out += bytes((257 - same, row[at]))
        else:
            out += bytes((0, row[at]))
        at += same
    return bytes(out)


def encode(pixels: bytes, columns: int, samples: int, width: int) -> bytes:
    """A frame that wastes room and is right."""
    cell = samples * width
    made = []
    for sample in range(samples):
        for byte in reversed(range(width)):
            plane = pixels[sample * width + byte :: cell]
            data = b"".join(pack_row(plane[n : n + columns]) for n in range(0, len(plane), columns))
            made.append(data + b"\0" * (len(data) % 2))
    starts = [64 + sum(map(len, made[:n])) for n in range(len(made))]
    return pack("<16L", len(made), *starts, *[0] * (15 - len(made))) + b"".join(made)

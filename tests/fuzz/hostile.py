"""Input that is made to exhaust a reader; run as a program, in a process of its own, with the name of a group.

Each case must end in the typed error that stands beside it. The last line printed is the peak memory in KiB.
"""

from __future__ import annotations

import resource
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pacskit import Dataset, FileSet, dcmread, scan
from pacskit.core.errors import DecodeError, LimitError, PacsError, TruncatedError
from pacskit.encoding import TransferSyntax, decode, encode, file_meta_bytes

DEEP = 100_000
EXPLICIT, IMPLICIT = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN, TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN
BIG, DEFLATED = TransferSyntax.EXPLICIT_VR_BIG_ENDIAN, TransferSyntax.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
HUGE = 0xFFFFFFFE
Case = tuple[type[Exception], Callable[[], object]]


def head(syntax: str, sop_class: str = "1.2.840.10008.5.1.4.1.1.7") -> bytes:
    return file_meta_bytes(sop_class, "1.2.3", syntax)


def sequence(syntax: str, length: int) -> bytes:
    order = ">" if syntax == BIG else "<"
    tag = struct.pack(order + "HH", 0x0008, 0x1140)
    return tag + (b"" if syntax == IMPLICIT else b"SQ\0\0") + struct.pack(order + "I", length)


def item(syntax: str, length: int) -> bytes:
    return struct.pack((">" if syntax == BIG else "<") + "HHI", 0xFFFE, 0xE000, length)


def nested(syntax: str, *, defined: bool) -> bytes:
    """Sequences within sequences; with lengths that are right where they are defined."""
    if not defined:
        return (sequence(syntax, 0xFFFFFFFF) + item(syntax, 0xFFFFFFFF)) * DEEP
    before = len(sequence(syntax, 0))
    each = before + 8
    parts = []
    for level in range(DEEP, 0, -1):
        inside = (level - 1) * each
        parts.append(sequence(syntax, inside + 8) + item(syntax, inside))
    return b"".join(parts)


def bombed(plain: bytes, megabytes: int) -> bytes:
    """Raw deflate of some bytes and then so many MiB of zeros, of which the blocks are all the same."""
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = machine.compress(plain) + machine.flush(zlib.Z_FULL_FLUSH)
    block = machine.compress(bytes(1 << 20)) + machine.flush(zlib.Z_FULL_FLUSH)
    return start + block * megabytes + machine.flush()


# -- groups ------------------------------------------------------------------------------------------------------------


def depth(folder: Path) -> Iterator[Case]:
    for syntax in (EXPLICIT, IMPLICIT, BIG):
        for defined in (False, True):
            data = nested(syntax, defined=defined)
            yield LimitError, lambda data=data, syntax=syntax: decode(data, syntax)  # type: ignore[misc]
            path = folder / "deep.dcm"
            path.write_bytes(head(syntax) + data)
            yield LimitError, lambda path=path: dcmread(path)  # type: ignore[misc]
            yield LimitError, lambda path=path: dcmread(path, defer_size=100)  # type: ignore[misc]
    unknown = (b"\x09\0\x10\x10UN\0\0\xff\xff\xff\xff" + item(EXPLICIT, 0xFFFFFFFF)) * DEEP
    yield PacsError, lambda: decode(unknown, EXPLICIT)


def lengths(folder: Path) -> Iterator[Case]:
    for syntax in (EXPLICIT, IMPLICIT, BIG):
        order = ">" if syntax == BIG else "<"
        vr = b"" if syntax == IMPLICIT else b"OB\0\0"
        value = struct.pack(order + "HH", 0x7FE0, 0x0010) + vr + struct.pack(order + "I", HUGE) + bytes(100)
        in_item = sequence(syntax, 0xFFFFFFFF) + item(syntax, HUGE) + bytes(100)
        for data in (value, sequence(syntax, HUGE) + bytes(100), sequence(syntax, 200) + item(syntax, HUGE), in_item):
            yield DecodeError, lambda data=data, syntax=syntax: decode(data, syntax)  # type: ignore[misc]
            path = folder / "long.dcm"
            path.write_bytes(head(syntax) + data)
            yield DecodeError, lambda path=path: dcmread(path)  # type: ignore[misc]
            yield DecodeError, lambda path=path: dcmread(path, defer_size=100)  # type: ignore[misc]
    fragments = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + item(EXPLICIT, 0) + item(EXPLICIT, HUGE)
    yield TruncatedError, lambda: decode(fragments, TransferSyntax.JPEG_BASELINE)


def deflate(folder: Path) -> Iterator[Case]:
    value = b"\x09\0\x10\x10UN\0\0" + struct.pack("<I", 1 << 31)
    bomb = bombed(value, 2048)
    yield LimitError, lambda: decode(bomb, DEFLATED)
    (folder / "bomb.dcm").write_bytes(head(DEFLATED) + bomb)
    yield LimitError, lambda: dcmread(folder / "bomb.dcm")
    yield LimitError, lambda: dcmread(folder / "bomb.dcm", defer_size=100)


def json(folder: Path) -> Iterator[Case]:
    level = '{"00081140":{"vr":"SQ","Value":['
    yield LimitError, lambda: Dataset.from_json(level * DEEP + "]}}" * DEEP)
    yield PacsError, lambda: Dataset.from_json(level * DEEP)
    yield LimitError, lambda: Dataset.from_json("[" * DEEP + "]" * DEEP)


def xml(folder: Path) -> Iterator[Case]:
    level = '<DicomAttribute tag="00081140" vr="SQ"><Item number="1">'
    start = '<?xml version="1.0"?><NativeDicomModel>'
    yield LimitError, lambda: Dataset.from_xml(start + level * DEEP)
    yield DecodeError, lambda: Dataset.from_xml(start + "<a>" * DEEP)
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    laughs = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><NativeDicomModel>&e9;</NativeDicomModel>'
    yield DecodeError, lambda: Dataset.from_xml(laughs)
    outside = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><NativeDicomModel>&e;</NativeDicomModel>'
    yield DecodeError, lambda: Dataset.from_xml(outside)
    attribute = '<DicomAttribute tag="00100020" vr="LO"><Value number="4000000000">x</Value></DicomAttribute>'
    yield DecodeError, lambda: Dataset.from_xml(start + attribute + "</NativeDicomModel>")


def dicomdir(folder: Path) -> Iterator[Case]:
    media = "1.2.840.10008.1.3.10"
    records = b"\x04\0\x20\x12SQ\0\0"
    for name, data in {
        "deep": records + b"\xff\xff\xff\xff" + item(EXPLICIT, 0xFFFFFFFF) + nested(EXPLICIT, defined=False),
        "long": records + struct.pack("<I", HUGE) + item(EXPLICIT, HUGE) + bytes(64),
    }.items():
        (folder / name).mkdir()
        path = folder / name / "DICOMDIR"
        path.write_bytes(head(EXPLICIT, media) + data)
        yield PacsError, lambda path=path: read_file_set(path)  # type: ignore[misc]


def read_file_set(path: Path) -> None:
    """Read a DICOMDIR and raise the first of what was wrong with it, where it could be read in part."""
    for problem in FileSet(path).read_problems:
        raise DecodeError(str(problem))


def archives(folder: Path) -> Iterator[Case]:
    plain = head(EXPLICIT) + b"\x09\0\x10\x10OB\0\0" + struct.pack("<I", 1 << 30)
    bomb = bombed(plain, 1024)
    with zipfile.ZipFile(folder / "bomb.zip", "w") as archive:
        archive.writestr("bomb.dcm", bomb)
    data = bytearray((folder / "bomb.zip").read_bytes())
    central = data.index(b"PK\1\2")
    for at in (8, central + 10):
        struct.pack_into("<H", data, at, 8)  # what is stored is deflate
    for at in (22, central + 24):
        struct.pack_into("<I", data, at, len(plain) + (1 << 30) + 64)  # so that it must be read past
    (folder / "bomb.zip").write_bytes(data)
    member = struct.pack("<100s24s12s12s8s1s", b"bomb.dcm", b"0000644\0", b"10000000000\0", b"0\0", b"        ", b"0")
    member = member.ljust(512, b"\0")
    member = member[:148] + b"%06o\0 " % sum(member) + member[156:]
    gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
    (folder / "bomb.tar.gz").write_bytes(gzip + bombed(member + plain, 1024))
    for name in ("bomb.zip", "bomb.tar.gz"):
        yield LimitError, lambda name=name: refuse(folder / name)  # type: ignore[misc]


def refuse(archive: Path) -> None:
    """Scan an archive and raise the error that its last row carries."""
    rows = list(scan(archive, ["PatientID", "Rows"]))
    if rows[-1].error is not None:
        raise rows[-1].error


GROUPS = {case.__name__: case for case in (depth, lengths, deflate, json, xml, dicomdir, archives)}


def peak() -> int:
    """The most memory that was resident, in KiB; ru_maxrss starts with what the parent had."""
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(group: str) -> None:
    encode(Dataset(PatientID="1"), EXPLICIT)
    with tempfile.TemporaryDirectory() as folder:
        for number, (expected, call) in enumerate(GROUPS[group](Path(folder))):
            try:
                found: object = call()
            except expected:
                continue
            raise SystemExit(f"case {number} gave {found!r:.200}")
    sys.stdout.write(f"{peak()}\n")


if __name__ == "__main__":
    main(sys.argv[1])

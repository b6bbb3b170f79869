"""What ``tests/fuzz/run.py`` feeds: each decoder with its seeds, and what has to hold for whatever goes in."""

from __future__ import annotations

import csv
import io
import re
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pydicom

from pacskit.core.config import ReadOptions, Strictness
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, PacsError
from pacskit.encoding import TransferSyntax, decode, dicomjson, encode, nativexml, read_part10
from pacskit.encoding.scan import ScanLimits, scan
from pacskit.encoding.sources import Reader
from tests.conftest import corpus_folder
from tests.foreign import wheel_files
from tests.fuzz import test_dicomdir, test_machine, test_pdu
from tests.fuzz.test_data_set import touch
from tests.fuzz.test_text_forms import take

__all__ = ["TARGETS", "Target"]

LARGEST_SEED = 8_000
BUDGETS = ReadOptions(max_elements=100_000, max_inflated=4 << 20, max_text=4 << 20)
EXPLICIT = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
SYNTAXES = (TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT, TransferSyntax.EXPLICIT_VR_BIG_ENDIAN)


@dataclass(frozen=True)
class Target:
    """A decoder: where to begin, what its inputs are made of, and how to run it.

    ``run`` may raise a PacsError, nothing else. What it returns stands for the way that was taken: an input that
    took a new one is kept as a seed.
    """

    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...]
    run: Callable[[bytes], str]


# ---- seeds ----------------------------------------------------------------------------------------------------------


@cache
def files() -> list[bytes]:
    """Small files of pydicom's wheel, and of the corpus where it is."""
    paths = list(wheel_files(LARGEST_SEED))
    paths += sorted((Path(str(pydicom.__file__)).parent / "data" / "charset_files").glob("*.dcm"))
    if folder := corpus_folder():
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as lines:
            paths += [folder / row["file"] for row in csv.DictReader(lines) if int(row["size"]) <= LARGEST_SEED]
    return [path.read_bytes() for path in paths]


def _read(options: ReadOptions = BUDGETS) -> Iterable[Dataset]:
    for data in files():
        with suppress(PacsError):
            yield read_part10(data, force=True, options=options)


def small_files() -> list[bytes]:
    """Files, and their data sets once more in implicit VR without a file meta."""
    found = files()
    for dataset in _read():
        with suppress(PacsError):
            found = [*found, encode(dataset, TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN)]
    return found


def json_texts() -> list[bytes]:
    texts = [dataset.to_json(suppress_invalid_tags=True).encode() for dataset in _read()]
    return [text for text in texts if len(text) <= LARGEST_SEED] + [text[:2_000] for text in texts[:5]]


def xml_texts() -> list[bytes]:
    texts = [dataset.to_xml(suppress_invalid_tags=True).encode() for dataset in _read()]
    return [text for text in texts if len(text) <= LARGEST_SEED] + [text[:2_000] for text in texts[:5]]


TERMS = (
    *("ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 126", "ISO_IR 127", "ISO_IR 138", "ISO_IR 144"),
    *("ISO_IR 148", "ISO_IR 166", "ISO_IR 203", "ISO_IR 13", "ISO_IR 192", "GB18030", "GBK"),
    *("ISO 2022 IR 6", "ISO 2022 IR 100", "ISO 2022 IR 13", "ISO 2022 IR 87", "ISO 2022 IR 159", "ISO 2022 IR 149"),
    *("ISO 2022 IR 58", "ISO 2022 IR 144", "ISO 2022 IR 203", "ISO_IR 999", "iso-ir 100", "UTF-8"),
)
ESCAPES = (
    *(b"\033(B", b"\033-A", b"\033-B", b"\033-C", b"\033-D", b"\033-L", b"\033-G", b"\033-F", b"\033-H", b"\033-M"),
    *(b"\033-b", b"\033)I", b"\033(J", b"\033-T", b"\033$B", b"\033$(D", b"\033$)C", b"\033$)A", b"\033", b"\033$"),
)
SAMPLES = (
    b"Yamada^Tarou=\033$B;3ED\033(B^\033$BB@O:\033(B=\033$B$d$^$@\033(B^\033$B$?$m$&\033(B",
    b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\033$B;3ED\033(J^\033$BB@O:\033(J",
    b"Hong^Gildong=\033$)C\xfb\xf3^\033$)C\xd1\xce\xd4\xd7=\033$)C\xc8\xab^\033$)C\xb1\xe6\xb5\xbf",
    b"Zhang^XiaoDong=\033$)A\xd5\xc5^\033$)A\xd0\xa1\xb6\xab",
    "Wang^XiaoDong=王^小東\\é😀".encode(),
    "Wang^XiaoDong=王^小东\\𠀀".encode("gb18030"),
    b"M\xfcller\r\n\xc4\\\033-L\xbf^\xc4=\xff",
)


def charset_inputs() -> list[bytes]:
    """A line of defined terms, a line break, a value."""
    pairs = [("", ""), *((term, "") for term in TERMS), *(("", term) for term in TERMS), ("ISO 2022 IR 13", TERMS[18])]
    return ["\\".join(pair).rstrip("\\").encode() + b"\n" + sample for pair in pairs for sample in SAMPLES]


# ---- what is run ----------------------------------------------------------------------------------------------------


def way(error: PacsError) -> str:
    """An error without what is the input's own."""
    return type(error).__name__ + re.split(r"['\"\[(0-9]", str(error), maxsplit=1)[0]


@cache
def headers() -> Reader:
    keys = ["PatientName", "SeriesNumber", "PixelSpacing", "ReferencedSeriesSequence[0].SeriesInstanceUID", "Rows"]
    made: Any = scan([], keys, workers=1, force=True, options=BUDGETS, limits=ScanLimits(max_header=1 << 20))
    reader: Reader = made._reader
    return reader


def scanner(data: bytes) -> str:
    """Read strictly, as usual and what can be saved; decode every value; write; look for a few keys only."""
    ways = []
    for strictness in Strictness:
        options = ReadOptions(strictness=strictness, max_elements=100_000, max_inflated=4 << 20)
        try:
            dataset = read_part10(data, force=True, options=options)
        except PacsError as error:
            ways.append(way(error))
            continue
        ways.append(",".join(sorted({str(found.kind) for found in dataset.diagnostics})))
        with suppress(PacsError):
            touch(dataset)
            touch(dataset.file_meta)
        for syntax in SYNTAXES:
            with suppress(PacsError):
                written = encode(dataset, syntax)
                again = decode(written, syntax, options=BUDGETS)
                assert encode(again, syntax) == written
    ways.append(head_alone(data))
    try:
        row = headers().stream(io.BytesIO(data), "", None, len(data))
        ways.append(type(row.error).__name__)
    except (PacsError, EOFError) as error:  # the job above it makes rows of these
        ways.append(type(error).__name__)
    return "|".join(ways)


def head_alone(data: bytes) -> str:
    """Read what is there of a file that is said to be longer; supply the value that ends it."""
    head = data[: len(data) // 2]
    try:
        dataset = read_part10(head, force=True, total=len(data), options=BUDGETS)
        pending = dataset.scan.pending() if dataset.scan is not None else None
        if pending is not None:
            dataset.scan.supply(data[pending[0] : pending[0] + pending[1]])  # type: ignore[union-attr]
        touch(dataset)
    except PacsError as error:
        return type(error).__name__
    return str(pending is not None)


def json(data: bytes) -> str:
    """From bytes and from a stream; what was read is the same when it is written and read again."""
    with suppress(DecodeError):
        dicomjson.read(io.BytesIO(data), options=BUDGETS)
    dataset = Dataset.from_json(data, options=BUDGETS)
    take(dataset)
    return ",".join(sorted({str(element.VR) for element in dataset}))


def xml(data: bytes) -> str:
    """From bytes and from a stream; what was read is the same when it is written and read again."""
    with suppress(DecodeError):
        nativexml.read(io.BytesIO(data), options=BUDGETS)
    dataset = Dataset.from_xml(data, options=BUDGETS)
    take(dataset)
    return ",".join(sorted({str(element.VR) for element in dataset}))


def _text_elements(charset: bytes, value: bytes) -> bytes:
    parts = []
    for tag, vr, content in (
        (0x00080005, b"CS", charset), (0x00100010, b"PN", value), (0x00104000, b"LT", value),
        (0x00081030, b"LO", value), (0x00189345, b"UC", value), (0x00080119, b"UC", value),
    ):  # fmt: skip
        content = content[:0xFFFE]
        content += b" " * (len(content) % 2)
        size = struct.pack("<2xL" if vr == b"UC" else "<H", len(content))
        parts.append((tag, struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr + size + content))
    return b"".join(element for _, element in sorted(parts))


def charset(data: bytes) -> str:
    """Decode text in every kind of VR, write it in UTF-8 and in its own set; what could be written is read back."""
    terms, _, value = data.partition(b"\n")
    dataset = decode(_text_elements(terms[:256], value), EXPLICIT, options=BUDGETS)
    touch(dataset)
    ways = sorted({str(found.kind) for found in dataset.diagnostics})
    name = dataset["PatientName"].value
    groups = [(one.alphabetic, one.ideographic, one.phonetic) for one in (name if isinstance(name, list) else [name])]
    ways.append(str(max(sum(map(bool, parts)) for parts in groups)))
    text = value.decode("utf-8", "replace")
    for content in (text, text[::-1], str(dataset["StudyDescription"].value)):
        made = Dataset(SpecificCharacterSet=terms[:256].decode("ascii", "replace").split("\\"))
        try:
            made.PatientComments = content
            written = encode(made, EXPLICIT)
        except PacsError as error:
            ways.append(way(error))
            continue
        again = decode(written, EXPLICIT).PatientComments
        if "\033" not in content:  # which begins a code extension wherever it stands (PS3.5 6.1.3)
            assert again.rstrip(" \0") == content.rstrip(" \0"), (terms, content, again)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    with suppress(PacsError):
        encode(dataset, EXPLICIT)
    return "|".join(ways)


def dicomdir(data: bytes) -> str:
    """A whole tree or a typed error; what was written again has no wrong offsets."""
    test_dicomdir.consume(data)
    return ""


def pdu(data: bytes) -> str:
    """Split at random places the events are the same; the first four bytes seed the places.

    Of a PDV that the stream ends in, more or less may have been handed on already.
    """
    random = Random(data[:4])
    sizes = [random.randint(1, 50) for _ in range(3)]
    whole, fault = test_pdu.framed(data[4:], [max(1, len(data))])
    parts, same = test_pdu.framed(data[4:], sizes)
    shared = min(len(whole), len(parts))
    assert fault == same
    assert whole[:shared] == parts[:shared]
    assert "last" not in whole[shared:] + parts[shared:]
    return f"{fault} {len(whole) > 0}"


def machine(data: bytes) -> str:
    """An association in which each byte is something that happens: it does what the table says."""
    return str(len(test_machine.walk(data)))


def dimse(data: bytes) -> str:
    """A command set is a message, or an error."""
    return test_machine.command(data)


BINARY = (
    b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xff\xff\xff\xff", b"SQ\0\0",
    b"UN\0\0", b"OB\0\0", b"UT\0\0", b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192", b"\xe0\x7f\x10\x00", b"\x08\x00\x40\x11",
    b"1.2.840.10008.1.2.2\0", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2\0", b"DICM",
    b"\x09\x00\x10\x00LO\x04\x00ACME",
)  # fmt: skip
JSON = (
    b'"vr":"SQ","Value":[', b'{"00081140":{"vr":"SQ","Value":[', b'"Value":[', b'"InlineBinary":"AAAA"', b"null", b"[",
    b'"BulkDataURI":"file:x"', b'{"Alphabetic":"A^B","Ideographic":"C"}', b"1e400", b"-0", b"1E-5", b"]", b"}", b"{",
    b"18446744073709551616", b"\\ud83d", b"\\u0000", b'\\"', b'"00100010"', b'"vr":"FD"', b'"NaN"', b"true", b",", b":",
)  # fmt: skip
XML = (
    b'<DicomAttribute tag="00100010" vr="PN" keyword="PatientName">', b"</DicomAttribute>", b'<Value number="1">',
    b"</Value>", b'<Item number="1">', b"</Item>", b'<PersonName number="1">', b"</PersonName>", b"<Alphabetic>",
    b"<FamilyName>", b"<InlineBinary>AAAA</InlineBinary>", b'<BulkData uri="x"/>', b"&amp;", b"&#0;", b"&#x110000;",
    b"<![CDATA[", b"]]>", b"<!--", b"-->", b'<!DOCTYPE x [<!ENTITY a "b">]>', b"&a;", b"<?xml encoding='utf-16'?>",
    b' privateCreator="X"', b' number="2"', b'vr="SQ"', b"<NativeDicomModel>",
)  # fmt: skip

TARGETS = {
    "scanner": Target(small_files, BINARY, scanner),
    "json": Target(json_texts, JSON, json),
    "xml": Target(xml_texts, XML, xml),
    "charset": Target(charset_inputs, (*ESCAPES, *map(str.encode, TERMS), b"\\", b"^", b"=", b"\n", b"\r\n"), charset),
    "dicomdir": Target(lambda: list(test_dicomdir.seeds()), BINARY, dicomdir),
    "machine": Target(lambda: [bytes(range(n, 200, 7)) for n in range(8)], (b"\0", b"\x0a\x0b"), machine),
    "dimse": Target(lambda: [test_machine.ECHO, test_machine.STORE, test_machine.FIND], BINARY[:4], dimse),
    "pdu": Target(lambda: [b"seed" + one for one in test_pdu.VALID], (*test_pdu.VALID, *BINARY[:4]), pdu),
}

"""What is not as the standard says: refused, tolerated with a diagnostic, or salvaged, as the reader is told."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from pacskit.core.config import ReadOptions, Strictness
from pacskit.core.diagnostics import DiagnosticKind
from pacskit.core.errors import ConfigurationError, DecodeError, TruncatedError
from pacskit.encoding import TransferSyntax, dcmread, decode, encode

STRICT = ReadOptions(strictness=Strictness.STRICT)
SALVAGE = ReadOptions(strictness=Strictness.SALVAGE)
EXPLICIT = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if vr in (b"SQ", b"OB", b"UN", b"ZZ"):
        return head + vr + b"\0\0" + struct.pack("<I", len(value)) + value
    return head + vr + struct.pack("<H", len(value)) + value


def item(content: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content


NAME = element(0x00100010, b"PN", b"DOE^JANE")
IDENTIFIER = element(0x00100020, b"LO", b"42")
BAD = {
    DiagnosticKind.ORDER: (IDENTIFIER + NAME, "PatientName"),
    DiagnosticKind.DOUBLE: (NAME + NAME, "PatientName"),
    DiagnosticKind.PADDING: (NAME + IDENTIFIER + bytes(37), ""),
    DiagnosticKind.UNKNOWN_VR: (NAME + element(0x00101010, b"ZZ", b"1234"), "PatientAge"),
    DiagnosticKind.ODD_LENGTH: (NAME + element(0x00100020, b"LO", b"421"), "PatientID"),
    DiagnosticKind.ELEMENT_IMPLICIT: (NAME + b"\x10\x00\x20\x00\x02\x00\x00\x0042", "PatientID"),
    DiagnosticKind.LEVEL_IMPLICIT: (b"\x10\x00\x20\x00\x02\x00\x00\x0042", "PatientID"),
    DiagnosticKind.CHARACTER_SET: (element(0x00080005, b"CS", b"ISO-IR 100") + NAME, "SpecificCharacterSet"),
    DiagnosticKind.STRAY_DELIMITER: (
        element(0x00081115, b"SQ", item(IDENTIFIER) + b"\xfe\xff\xdd\xe0\0\0\0\0"),
        "ReferencedSeriesSequence",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_departure_is_a_diagnostic_or_with_strict_reading_an_error(kind: DiagnosticKind) -> None:
    data, path = BAD[kind]
    dataset = decode(data, EXPLICIT)
    assert [(found.kind, found.path) for found in dataset.diagnostics] == [(kind, path)]
    assert encode(dataset, EXPLICIT) == data
    with pytest.raises(DecodeError, match=kind.value.split(";")[0]):
        decode(data, EXPLICIT, options=STRICT)


def test_a_diagnostic_says_which_item() -> None:
    odd = element(0x00100020, b"LO", b"421")
    inner = element(0x00081199, b"SQ", item(NAME) + item(odd))
    dataset = decode(element(0x00081115, b"SQ", item(IDENTIFIER) + item(inner)), EXPLICIT)
    (found,) = dataset.diagnostics
    assert found.path == "ReferencedSeriesSequence[1].ReferencedSOPSequence[1].PatientID"
    assert dataset[found.path].value == "421"
    assert found.offset is not None
    assert str(found) == f"a value of odd length [{found.path}, offset {found.offset}]"


def test_what_is_right_has_no_diagnostics(pydicom_files: tuple[Path, ...]) -> None:
    for name in ("CT_small.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "rtplan.dcm"):
        path = next(path for path in pydicom_files if path.name == name)
        assert dcmread(path, options=STRICT).diagnostics == []


def test_salvage_keeps_what_comes_before_the_end(pydicom_files: tuple[Path, ...]) -> None:
    path = next(path for path in pydicom_files if path.name == "MR_truncated.dcm")
    with pytest.raises(TruncatedError):
        dcmread(path)
    dataset = dcmread(path, options=SALVAGE)
    assert dataset.diagnostics[-1].kind is DiagnosticKind.CUT_VALUE
    assert dataset.diagnostics[-1].path == "PixelData"
    assert 0 < len(dataset.PixelData) < dataset.Rows * dataset.Columns * 2
    again = decode(encode(dataset, EXPLICIT), EXPLICIT, options=STRICT)
    assert again == dataset


@pytest.mark.parametrize("syntax", [EXPLICIT, TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN])
def test_whatever_is_cut_off_the_rest_is_salvaged_and_written_right(
    pydicom_files: tuple[Path, ...], syntax: TransferSyntax
) -> None:
    path = next(path for path in pydicom_files if path.name == "rtplan.dcm")
    whole = dcmread(path)
    data = encode(whole, syntax)
    for cut in range(0, len(data), 61):
        dataset = decode(data[:cut], syntax, options=SALVAGE)
        assert dataset.tags() == whole.tags()[: len(dataset)]
        again = decode(encode(dataset, EXPLICIT), EXPLICIT, options=STRICT)
        assert again.tags() == dataset.tags()
        done = dataset.tags()[:-1]
        assert [again[tag] for tag in done] == [whole[tag] for tag in done]


def test_files_without_head_are_read_only_when_asked(pydicom_files: tuple[Path, ...]) -> None:
    path = next(path for path in pydicom_files if path.name == "ExplVR_BigEndNoMeta.dcm")
    with pytest.raises(DecodeError):
        dcmread(path)
    dataset = dcmread(path, force=True)
    assert [found.kind for found in dataset.diagnostics][:2] == [DiagnosticKind.NO_PREFIX, DiagnosticKind.NO_META]
    assert dataset.transfer_syntax == TransferSyntax.EXPLICIT_VR_BIG_ENDIAN


def test_a_strictness_may_be_named() -> None:
    assert ReadOptions(strictness="salvage").strictness is Strictness.SALVAGE  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        ReadOptions(strictness="sloppy")  # type: ignore[arg-type]

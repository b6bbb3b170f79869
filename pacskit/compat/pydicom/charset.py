"""pydicom's helpers for character sets: Python codecs in the place of defined terms."""

from __future__ import annotations

import warnings
from collections.abc import MutableSequence, Sequence
from types import MappingProxyType
from typing import Any, Final

from pacskit.compat.pydicom import config
from pacskit.encoding.charsets import CharacterSet

__all__ = ["convert_encodings", "decode_bytes", "decode_element", "default_encoding", "encode_string"]

default_encoding: Final = "iso8859"
python_encoding: Final = MappingProxyType(
    {
        "": default_encoding,
        "ISO_IR 6": default_encoding,
        "ISO_IR 13": "shift_jis",
        "ISO_IR 100": "latin_1",
        "ISO_IR 101": "iso8859_2",
        "ISO_IR 109": "iso8859_3",
        "ISO_IR 110": "iso8859_4",
        "ISO_IR 126": "iso_ir_126",
        "ISO_IR 127": "iso_ir_127",
        "ISO_IR 138": "iso_ir_138",
        "ISO_IR 144": "iso_ir_144",
        "ISO_IR 148": "iso8859_9",
        "ISO_IR 166": "iso_ir_166",
        "ISO_IR 203": "iso8859_15",
        "ISO 2022 IR 6": "iso8859",
        "ISO 2022 IR 13": "shift_jis",
        "ISO 2022 IR 87": "iso2022_jp",
        "ISO 2022 IR 100": "latin_1",
        "ISO 2022 IR 101": "iso8859_2",
        "ISO 2022 IR 109": "iso8859_3",
        "ISO 2022 IR 110": "iso8859_4",
        "ISO 2022 IR 126": "iso_ir_126",
        "ISO 2022 IR 127": "iso_ir_127",
        "ISO 2022 IR 138": "iso_ir_138",
        "ISO 2022 IR 144": "iso_ir_144",
        "ISO 2022 IR 148": "iso8859_9",
        "ISO 2022 IR 149": "euc_kr",
        "ISO 2022 IR 159": "iso2022_jp_2",
        "ISO 2022 IR 166": "iso_ir_166",
        "ISO 2022 IR 58": "iso_ir_58",
        "ISO 2022 IR 203": "iso8859_15",
        "ISO_IR 192": "UTF8",
        "GB18030": "GB18030",
        "ISO 2022 GBK": "GBK",
        "ISO 2022 58": "GB2312",
        "GBK": "GBK",
    }
)
STAND_ALONE_ENCODINGS: Final = ("ISO_IR 192", "GBK", "GB18030")
_TERM_OF: Final = {
    codec: term for term, codec in reversed(list(python_encoding.items())) if term.startswith("ISO 2022 IR")
}
_ALONE: Final = {
    codec: term for term, codec in reversed(list(python_encoding.items())) if not term.startswith("ISO 2022")
}


def terms_of(encodings: Sequence[str]) -> list[str]:
    """The defined terms of Python codecs, with code extensions where there are several."""
    known = [name for name in encodings if name in _TERM_OF or name in _ALONE]
    if len(known) == 1 and known[0] in _ALONE:
        return [_ALONE[known[0]]]
    return [_TERM_OF.get(name) or _ALONE[name] for name in known]


def decode_bytes(value: bytes, encodings: Sequence[str], delimiters: set[int] | None = None) -> str:
    """Decode text in Python codecs; with ``^`` among the delimiters as part of a person name."""
    terms = terms_of(encodings)
    if not terms:
        return value.decode(encodings[0] if encodings else default_encoding, "replace")
    return CharacterSet(terms).decode_bytes(bytes(value), 0x5E in (delimiters or ()))


decode_string = decode_bytes


def encode_string(value: str, encodings: Sequence[str]) -> bytes:
    """Encode text in the first of the codecs that can express it, switching between them where one cannot."""
    terms = terms_of(encodings)
    if not terms:
        return value.encode(encodings[0] if encodings else default_encoding)
    try:
        return CharacterSet(terms).encode(value)
    except ValueError as error:
        if config.settings.writing_validation_mode == config.RAISE:
            raise UnicodeEncodeError(encodings[0], value, 0, len(value), str(error)) from error
        warnings.warn(
            f"Failed to encode value with encodings: {', '.join(encodings)} - using replacement characters in "
            "encoded string",
            UserWarning,
            stacklevel=2,
        )
        return value.encode(encodings[0], errors="replace")


def _corrected(term: str) -> str:
    """The codec of a term that is no defined term, with pydicom's warnings; LookupError when nothing is near."""
    normal = CharacterSet.normal(term)
    if normal in python_encoding:
        warnings.warn(
            f"Incorrect value for Specific Character Set '{term}' - assuming '{normal}'", UserWarning, stacklevel=4
        )
        return python_encoding[normal]
    import codecs

    try:
        codecs.lookup(term)
    except LookupError:
        text = f"Unknown encoding '{term}'"
        if config.settings.reading_validation_mode == config.RAISE:
            raise LookupError(text) from None
        warnings.warn(f"{text} - using default encoding instead", UserWarning, stacklevel=4)
        return default_encoding
    return term


def convert_encodings(encodings: str | MutableSequence[str] | None) -> list[str]:
    """The Python codecs of the terms of Specific Character Set."""
    terms = [encodings] if encodings is None or isinstance(encodings, str) else list(encodings)
    terms = [term or "ISO_IR 6" for term in terms]
    codecs = [python_encoding[term] if term in python_encoding else _corrected(term) for term in terms]
    alone = [term for term in terms if term in STAND_ALONE_ENCODINGS]
    if len(codecs) > 1 and alone:
        if terms[0] in STAND_ALONE_ENCODINGS:
            warnings.warn(
                f"Value '{terms[0]}' for Specific Character Set does not allow code extensions, ignoring: "
                f"{', '.join(terms[1:])}",
                UserWarning,
                stacklevel=2,
            )
            return codecs[:1]
        for term in alone:
            warnings.warn(f"Value '{term}' cannot be used as code extension, ignoring it", UserWarning, stacklevel=2)
        return [codec for term, codec in zip(terms, codecs, strict=True) if term not in STAND_ALONE_ENCODINGS]
    return codecs


def decode_element(elem: Any, dicom_character_set: str | MutableSequence[str] | None) -> None:
    """Decode the text of an element that holds bytes, in place."""
    from pacskit.compat.pydicom.valuerep import PersonName

    if elem.is_empty:
        return
    codecs = convert_encodings(dicom_character_set) if dicom_character_set else [default_encoding]
    if elem.VR == "PN":
        many = elem.value if elem.VM > 1 else [elem.value]
        names = [PersonName(name).decode(codecs) for name in many]
        elem.value = names if elem.VM > 1 else names[0]
    elif elem.VR in ("LO", "LT", "SH", "ST", "UC", "UT"):
        many = elem.value if elem.VM > 1 else [elem.value]
        texts = [decode_bytes(text, codecs, {13, 10, 9, 12}) if isinstance(text, bytes) else text for text in many]
        elem.value = texts if elem.VM > 1 else texts[0]

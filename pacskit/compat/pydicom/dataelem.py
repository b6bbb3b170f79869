"""pydicom's DataElement over ours."""

from __future__ import annotations

import struct
from collections.abc import Sequence as AnySequence
from datetime import date, time
from io import BufferedIOBase
from typing import Any, NamedTuple

from pacskit.compat.pydicom import config, dates
from pacskit.compat.pydicom.multival import MultiValue
from pacskit.compat.pydicom.names import PersonName
from pacskit.compat.pydicom.numbers import DS, IS
from pacskit.compat.pydicom.tag import BaseTag, Tag
from pacskit.compat.pydicom.uid import UID
from pacskit.compat.pydicom.validation import validate_value
from pacskit.compat.pydicom.valuerep import (
    ALLOW_BACKSLASH,
    BUFFERABLE_VRS,
    DEFAULT_CHARSET_VR,
    EXPLICIT_VR_LENGTH_32,
    LONG_VALUE_VR,
    STR_VR,
)
from pacskit.core import dictionary, values
from pacskit.core.element import DataElement as CoreElement
from pacskit.encoding import decode

__all__ = ["DataElement", "RawDataElement", "convert_raw_data_element", "empty_value_for_VR"]

_LUT_DESCRIPTORS = frozenset({0x00281101, 0x00281102, 0x00281103, 0x00283002})
_DATES: dict[str, Any] = {"DA": dates.DA, "DT": dates.DT, "TM": dates.TM}


def empty_value_for_VR(vr: str | None, raw: bool = False) -> Any:
    """What an empty element of a VR has as its value."""
    if vr == "SQ":
        return b"" if raw else []
    if config.value_of("use_none_as_empty_text_VR_value") or vr not in STR_VR:
        return None
    if raw:
        return b""
    return PersonName("") if vr == "PN" else ""


class DataElement(CoreElement):
    """An element whose values are of pydicom's types."""

    descripWidth = 35
    maxBytesToDisplay = 16
    showVR = True

    def __init__(
        self,
        tag: Any,
        VR: str,
        value: Any,
        file_value_tell: int | None = None,
        is_undefined_length: bool = False,
        already_converted: bool = False,
        validation_mode: int | None = None,
    ) -> None:
        del already_converted
        mode = config.settings.reading_validation_mode if validation_mode is None else validation_mode
        self.validation_mode = mode
        self.file_tell = file_value_tell
        self._undefined = is_undefined_length
        super().__init__(int(Tag(tag)), VR, value)

    def __getattr__(self, name: str) -> Any:
        if name == "validation_mode":
            return config.settings.reading_validation_mode
        if name == "file_tell":
            return self.offset
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def value_read(self, value: Any) -> Any:
        """The value in pydicom's types."""
        if self.VR == "SQ":
            from pacskit.compat.pydicom.sequence import Sequence

            return Sequence(value)
        if value is None or value == "":
            return empty_value_for_VR(self.VR)
        if isinstance(value, list):
            return MultiValue(self._convert, value)
        return self._convert(value)

    def value_assigned(self, value: Any) -> Any:
        """The value in pydicom's types, checked as the writing mode says."""
        vr = self.VR
        if isinstance(value, BufferedIOBase):
            return self._read_buffer(value)
        if vr == "SQ":
            from pacskit.compat.pydicom.sequence import Sequence

            return value if isinstance(value, Sequence) else Sequence(value)
        if vr not in ALLOW_BACKSLASH and isinstance(value, (str, bytes)):
            bar: Any = "\\" if isinstance(value, str) else b"\\"
            value = value.split(bar) if bar in value else value
        if hasattr(value, "dtype"):
            if self.tag == 0x7FE00010:
                raise TypeError(
                    "The value for (7FE0,0010) 'Pixel Data' should be set using 'bytes' not 'numpy.ndarray'. See the "
                    "Dataset.set_pixel_data() method for an alternative that supports ndarrays."
                )
            value = value.tolist()
        if not hasattr(value, "append") or isinstance(value, bytearray):
            return self._convert(value)
        if len(value) == 1:
            return self._convert(value[0])
        if self.tag in _LUT_DESCRIPTORS and value:
            validate_value("US", value[0], self.validation_mode)
            for one in value[1:]:
                validate_value(vr, one, self.validation_mode)
            return MultiValue(_same, value)
        return MultiValue(self._convert, value)

    def _read_buffer(self, value: BufferedIOBase) -> bytes:
        if self.VR not in BUFFERABLE_VRS:
            names = ", ".join(sorted(str(vr) for vr in BUFFERABLE_VRS if "or" not in vr))
            raise ValueError(
                f"Elements with a VR of '{self.VR}' cannot be used with buffered values, supported VRs are: {names}"
            )
        for able, what in ((value.readable, "readable"), (value.seekable, "seekable")):
            if value.closed or not able():
                state = "has been closed" if value.closed else f"is not {what}"
                raise ValueError(f"Invalid buffer for {self.tag} '{self.name}': the buffer {state}")
        return value.read()

    def _convert(self, value: Any) -> Any:
        vr = str(self.VR)
        mode = self.validation_mode
        if vr in DEFAULT_CHARSET_VR and isinstance(value, bytes):
            value = value.decode()
        if vr == "IS":
            return IS(value, mode)
        if vr == "DS":
            return DS(value, False, mode)
        if vr in _DATES and (config.value_of("datetime_conversion") or isinstance(value, (date, time))):
            return _DATES[vr](str(value) if isinstance(value, str) else value)
        if vr == "UI":
            return UID(value, mode) if value is not None else None
        if vr == "PN":
            return PersonName(value, validation_mode=mode)
        if vr == "AT" and (value == 0 or value):
            return value if isinstance(value, BaseTag) else Tag(value)
        self.validate(value)
        return str(value) if isinstance(value, (values.DA, values.TM, values.DT)) else value

    def validate(self, value: Any) -> None:
        """Check a value as the mode of the element says."""
        validate_value(self.VR, value, self.validation_mode)

    @property
    def tag(self) -> BaseTag:
        """The tag."""
        return BaseTag(int(super().tag))

    @property
    def VM(self) -> int:
        """How many values there are."""
        value = self.value
        if self.VR == "SQ":
            return 1
        if value is None:
            return 0
        if isinstance(value, (str, bytes)):
            return 1 if value else 0
        return len(value) if hasattr(value, "__iter__") else 1

    @property
    def is_undefined_length(self) -> bool:
        """Whether the length is undefined in the source, or to be written so."""
        return bool(self.__dict__.get("_undefined", False)) or super().is_undefined_length

    @is_undefined_length.setter
    def is_undefined_length(self, undefined: bool) -> None:
        self._undefined = undefined

    @property
    def is_raw(self) -> bool:
        """Always false: values are decoded when they are asked for, without an element of another type."""
        return False

    @property
    def is_buffered(self) -> bool:
        """Always false: a buffer that is assigned is read."""
        return False

    @property
    def is_empty(self) -> bool:
        """Whether there is no value."""
        return not self.value if self.VR == "SQ" else self.VM == 0

    @property
    def empty_value(self) -> Any:
        """What `clear` leaves."""
        return empty_value_for_VR(self.VR)

    def clear(self) -> None:
        """Empty the value."""
        self.value = self.empty_value

    @property
    def is_retired(self) -> bool:
        """Whether the standard has retired the attribute."""
        try:
            return dictionary.is_retired(self.tag)
        except KeyError:
            return False

    @property
    def name(self) -> str:
        """The name in the dictionary, in square brackets what says that it is private."""
        tag = self.tag
        if tag.is_private:
            if tag.is_private_creator:
                return "Private Creator"
            return "Private tag data" if tag.element else "Private Group Length"
        return super().name or ""

    def description(self) -> str:
        """The name."""
        return self.name

    @property
    def repval(self) -> str:
        """The value as it is printed."""
        value = self.value
        if self.VR in LONG_VALUE_VR and value is not None and len(value) > self.maxBytesToDisplay:
            return f"Array of {len(value)} elements"
        if self.maxBytesToDisplay < self.VM:
            return f"Array of {self.VM} elements"
        return value.name if isinstance(value, UID) else repr(value)

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.value[key]
        except TypeError:
            raise TypeError("DataElement value is unscriptable (not a Sequence)") from None

    def __str__(self) -> str:
        name = f"{self.name[: self.descripWidth]:<{self.descripWidth}}"
        vr = f" {self.VR}:" if self.showVR else ""
        return f"{self.tag} {name}{vr} {self.repval or ''}"

    def __repr__(self) -> str:
        return repr(self.value) if self.VR == "SQ" else str(self)

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, DataElement):
            return NotImplemented
        return self is other or (self.tag == other.tag and self.VR == other.VR and self.value == other.value)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (int(self.tag), str(self.VR), self.value), self.__dict__


def _same(value: Any) -> Any:
    return value


class RawDataElement(NamedTuple):
    """The bytes of an element, with what it takes to decode them."""

    tag: BaseTag
    VR: str | None
    length: int
    value: bytes | None
    value_tell: int
    is_implicit_VR: bool
    is_little_endian: bool
    is_raw: bool = True
    is_buffered: bool = False


def _vr_of(raw: RawDataElement) -> str:
    if raw.VR is not None and (raw.VR != "UN" or not config.value_of("replace_un_with_known_vr")):
        return raw.VR
    tag = BaseTag(int(raw.tag))
    if tag.is_private:
        return "LO" if tag.is_private_creator else raw.VR or "UN"
    if tag.element == 0:
        return "UL"
    try:
        return dictionary.vr_for(tag)
    except KeyError:
        if config.settings.reading_validation_mode == config.RAISE:
            raise KeyError(f"Unknown DICOM tag {tag} can't look up VR") from None
        return "UN"


def _encoded(raw: RawDataElement, vr: str) -> bytes:
    """The element in an explicit syntax of its own byte order."""
    order = "<" if raw.is_little_endian else ">"
    value = raw.value or b""
    head = struct.pack(f"{order}HH2s", int(raw.tag) >> 16, int(raw.tag) & 0xFFFF, vr.encode())
    if vr in EXPLICIT_VR_LENGTH_32:
        return head + struct.pack(f"{order}HL", 0, len(value)) + value
    if len(value) > 0xFFFF:
        return _encoded(raw, "UN")
    return head + struct.pack(f"{order}H", len(value)) + value


def convert_raw_data_element(
    raw: RawDataElement, *, encoding: str | AnySequence[str] | None = None, ds: Any = None
) -> DataElement:
    """Decode the bytes of a raw element."""
    from pacskit.compat.pydicom.charset import convert_encodings, decode_bytes

    vr = _vr_of(raw)
    del ds
    data = raw.value
    if not data and vr != "SQ":
        return DataElement(raw.tag, vr, empty_value_for_VR(vr, raw=raw.value is not None) or None, raw.value_tell)
    if vr in ("LO", "LT", "PN", "SH", "ST", "UC", "UT") and data is not None:
        terms = [encoding] if isinstance(encoding, str) else list(encoding or [])
        codecs = convert_encodings(terms) if terms else ["iso8859"]
        if vr == "PN":
            names = [PersonName(part.rstrip(b" \0"), codecs) for part in data.split(b"\\")]
            return DataElement(raw.tag, vr, names if len(names) > 1 else names[0], raw.value_tell)
        text = decode_bytes(data, codecs, {13, 10, 9, 12}).rstrip("\0 ")
        return DataElement(raw.tag, vr, text, raw.value_tell)
    syntax = "1.2.840.10008.1.2.1" if raw.is_little_endian else "1.2.840.10008.1.2.2"
    plain = vr.split(" or ")[0] if " or " in vr else vr
    read = decode(_encoded(raw, plain), syntax)[int(raw.tag)]
    value: Any = read.value
    if vr == "SQ":
        from pacskit.compat.pydicom.dataset import Dataset

        value = [Dataset(item) for item in value]
    return DataElement(raw.tag, vr, value, raw.value_tell, raw.length == 0xFFFFFFFF)


def DataElement_from_raw(
    raw: RawDataElement, encoding: str | AnySequence[str] | None = None, dataset: Any = None
) -> DataElement:
    """The older name of `convert_raw_data_element`."""
    return convert_raw_data_element(raw, encoding=encoding, ds=dataset)

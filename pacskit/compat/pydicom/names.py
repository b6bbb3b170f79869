"""pydicom's PersonName over ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pacskit.compat.pydicom import config
from pacskit.compat.pydicom.charset import decode_bytes, default_encoding, encode_string
from pacskit.compat.pydicom.validation import validate_pn_component_length, validate_value
from pacskit.core import values

__all__ = ["PersonName"]

_PARTS = ("family_name", "given_name", "middle_name", "name_prefix", "name_suffix")
_DELIMITERS = {0x5E, 13, 10, 9, 12}


def _decoded(data: bytes, encodings: Sequence[str]) -> str:
    return "=".join(decode_bytes(group, encodings, _DELIMITERS) for group in data.split(b"="))


def _group(named: dict[str, Any], suffix: str) -> list[Any]:
    return [named.pop(part + suffix, "") for part in _PARTS]


class PersonName(values.PersonName):
    """A person name that knows its codecs and the bytes it was made of; text in every other respect."""

    original_string: bytes | None
    encodings: tuple[str, ...] | None
    validation_mode: int

    def __new__(
        cls,
        val: Any = "",
        encodings: Sequence[str] | str | None = None,
        original_string: bytes | None = None,
        validation_mode: int | None = None,
    ) -> Any:
        if val is None:
            return None
        mode = config.settings.reading_validation_mode if validation_mode is None else validation_mode
        codecs = (encodings,) if isinstance(encodings, str) else tuple(encodings) if encodings else None
        if isinstance(val, PersonName):
            text, original_string, codecs = str(val), val.original_string, val.encodings
        elif isinstance(val, bytes):
            validate_value("PN", val, mode)
            text, original_string = _decoded(val, codecs or (default_encoding,)), val
        else:
            validate_value("PN", original_string or val, mode)
            text = str(val)
        self = super().__new__(cls, text.rstrip("=") if text.endswith("=") else text)
        self.original_string = original_string
        self.encodings = codecs
        self.validation_mode = mode
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return PersonName, (str(self), self.encodings, self.original_string, self.validation_mode)

    def __deepcopy__(self, memo: dict[int, Any]) -> PersonName:
        return self

    def decode(self, encodings: Sequence[str] | None = None) -> PersonName:
        """The name with its bytes decoded in other codecs."""
        codecs = tuple(encodings) if encodings else self.encodings or (default_encoding,)
        if self.original_string is None:
            data = self.encode()
            if not str(self).isascii():
                return self
            made: PersonName = PersonName(_decoded(data, codecs), codecs, None, self.validation_mode)
            return made
        made = PersonName(_decoded(self.original_string, codecs), codecs, self.original_string, self.validation_mode)
        for group in self.original_string.split(b"="):
            validate_value("PN", group, config.settings.writing_validation_mode, validate_pn_component_length)
        return made

    def encode(self, encodings: Sequence[str] | None = None) -> bytes:  # type: ignore[override]
        """The bytes of the name in its own codecs, or in others."""
        codecs = tuple(encodings) if encodings else self.encodings or (default_encoding,)
        if self.original_string is not None and (codecs == self.encodings or self.encodings is None):
            return self.original_string
        for group in str(self).split("="):
            validate_value("PN", group, config.settings.writing_validation_mode, validate_pn_component_length)
        return b"=".join(
            b"^".join(encode_string(part, codecs) for part in group.split("^")) for group in str(self).split("=")
        )

    def formatted(self, format_str: str) -> str:
        """Format with ``%(family_name)s`` and the like."""
        names = {part: getattr(self, part) for part in (*_PARTS, "alphabetic", "ideographic", "phonetic")}
        return format_str % names

    @classmethod
    def from_named_components(cls, *, encodings: Sequence[str] | None = None, **named: Any) -> PersonName:
        """Make a name of its components: ``family_name``, ``given_name_ideographic`` and the like."""
        groups = [_group(named, suffix) for suffix in ("", "_ideographic", "_phonetic")]
        return cls._of_groups(groups, named, encodings)

    @classmethod
    def from_named_components_veterinary(
        cls, responsible_party_name: Any = "", patient_name: Any = "", *, encodings: Any = None, **named: Any
    ) -> PersonName:
        """Make a name of an animal: the responsible party's and its own (PS3.5 6.2.1.1)."""
        groups = [[responsible_party_name, patient_name]]
        groups += [
            [named.pop(f"responsible_party_name{suffix}", ""), named.pop(f"patient_name{suffix}", "")]
            for suffix in ("_ideographic", "_phonetic")
        ]
        return cls._of_groups(groups, named, encodings)

    @classmethod
    def _of_groups(cls, groups: list[list[Any]], left: dict[str, Any], encodings: Any) -> PersonName:
        if left:
            raise TypeError(f"unexpected component {next(iter(left))!r}")
        codecs = (encodings,) if isinstance(encodings, str) else tuple(encodings or (default_encoding,))
        texts = []
        for group in groups:
            parts = [_decoded(part, codecs) if isinstance(part, bytes) else part for part in group]
            for character in "\\=^":
                if any(character in part for part in parts):
                    raise ValueError(f"Strings may not contain the {character} character")
            texts.append("^".join(parts).rstrip("^"))
        text = "=".join(texts).rstrip("=")
        data = b"=".join(encode_string(group, codecs) for group in text.split("="))
        made: PersonName = cls(data, codecs, validation_mode=config.settings.writing_validation_mode)
        return made

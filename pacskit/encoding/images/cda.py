"""What a clinical document (HL7 CDA) says of itself; no document type and no entity is let in."""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from xml.parsers import expat

from pacskit.core.errors import DecodeError

__all__ = ["ClinicalDocument", "read_cda"]

_HL7: Final = "urn:hl7-org:v3 "
_LOINC: Final = "2.16.840.1.113883.6.1"
_DEEPEST: Final = 1000


class ClinicalDocument(NamedTuple):
    """Identifier as root^extension, title, and LOINC code."""

    identifier: str
    title: str
    code: tuple[str, str, str] | None


class _Reader:
    """Takes what stands directly below the root; other elements are only counted."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.path: list[str] = []
        self.identifier = ""
        self.code: tuple[str, str, str] | None = None
        self.title: list[str] = []

    def fail(self, message: str) -> DecodeError:
        return DecodeError(message, offset=max(0, self.parser.CurrentByteIndex))

    def refuse(self, *_: Any) -> None:
        raise self.fail("a clinical document has no document type: it could bring entities along")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.path.append(name)
        if len(self.path) == 1 and name != _HL7 + "ClinicalDocument":
            raise self.fail(f"the root of the XML is {name.rpartition(' ')[2]}, not ClinicalDocument of HL7")
        if len(self.path) > _DEEPEST:
            raise self.fail(f"elements more than {_DEEPEST} deep")
        if len(self.path) != 2:
            return
        if name == _HL7 + "id" and not self.identifier:
            root, extension = attributes.get("root", ""), attributes.get("extension")
            self.identifier = f"{root}^{extension}" if extension else root
        elif name == _HL7 + "code" and attributes.get("codeSystem") == _LOINC and attributes.get("code"):
            meaning = attributes.get("displayName") or attributes["code"]
            self.code = (attributes["code"][:16], "LN", meaning[:64])

    def end(self, name: str) -> None:
        self.path.pop()

    def text(self, data: str) -> None:
        if len(self.path) == 2 and self.path[1] == _HL7 + "title":
            self.title.append(data)


def read_cda(data: bytes) -> ClinicalDocument:
    """Read a clinical document; DecodeError for XML that is none, is not well-formed or has a document type."""
    reader = _Reader()
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise reader.fail(f"the XML is not well-formed: {expat.ErrorString(error.code)}") from error
    except (LookupError, ValueError) as error:
        if isinstance(error, DecodeError):
            raise
        raise reader.fail(f"the XML cannot be read: {error}") from error
    if not reader.identifier:
        raise DecodeError("the clinical document has no id", tag=0x0040E001)
    return ClinicalDocument(reader.identifier, " ".join("".join(reader.title).split()), reader.code)

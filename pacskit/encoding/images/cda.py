"""What a clinical document (HL7 CDA) says of itself; no document type and no entity is let in."""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from xml.parsers import expat

from pacskit.core.errors import DecodeError

__all__ = ["ClinicalDocument", "read_cda"]

_HL7: Final = "urn:hl7-org:v3 "
_LOINC: Final = "2.16.840.1.113883.6.1"
_DEEPEST: Final = 1000


_ROLE: Final = [_HL7 + "recordTarget", _HL7 + "patientRole"]
_NAME: Final = [_HL7 + "patient", _HL7 + "name"]
_NAME_PARTS: Final = ("family", "given", "prefix", "suffix")
_SEXES: Final = {"M": "M", "F": "F", "UN": "O"}
_NO_DELIMITERS: Final = str.maketrans("^=\\", "   ")


class ClinicalDocument(NamedTuple):
    """Identifier as root^extension, title, LOINC code, and the patient by keywords."""

    identifier: str
    title: str
    code: tuple[str, str, str] | None
    patient: dict[str, str]


class _Reader:
    """Takes what stands directly below the root, and the first patient; other elements are only counted."""

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
        self.patient: dict[str, str] = {}
        self.names: dict[str, list[str]] = {part: [] for part in _NAME_PARTS}
        self.patients = 0

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
        if len(self.path) > 2:
            self.of_patient(attributes)
        if len(self.path) != 2:
            return
        if name == _HL7 + "recordTarget":
            self.patients += 1
        elif name == _HL7 + "id" and not self.identifier:
            root, extension = attributes.get("root", ""), attributes.get("extension")
            self.identifier = f"{root}^{extension}" if extension else root
        elif name == _HL7 + "code" and attributes.get("codeSystem") == _LOINC and attributes.get("code"):
            meaning = attributes.get("displayName") or attributes["code"]
            self.code = (attributes["code"][:16], "LN", meaning[:64])

    def of_patient(self, attributes: dict[str, str]) -> None:
        """An element of the first record target (CDA R2 4.2.2.11)."""
        if self.patients != 1 or self.path[1:3] != _ROLE:
            return
        place = tuple(name.removeprefix(_HL7) for name in self.path[3:])
        if place == ("id",) and attributes.get("extension"):
            self.patient.setdefault("PatientID", attributes["extension"].strip()[:64])
        elif place == ("patient", "birthTime") and attributes.get("value", "")[:8].isdecimal():
            self.patient.setdefault("PatientBirthDate", attributes["value"][:8])
        elif place == ("patient", "administrativeGenderCode") and attributes.get("code") in _SEXES:
            self.patient.setdefault("PatientSex", _SEXES[attributes["code"]])

    def end(self, name: str) -> None:
        self.path.pop()

    def text(self, data: str) -> None:
        if len(self.path) == 2 and self.path[1] == _HL7 + "title":
            self.title.append(data)
        elif self.patients == 1 and self.path[1:3] == _ROLE and self.path[3:5] == _NAME and len(self.path) == 6:
            part = self.path[5].removeprefix(_HL7)
            if part in self.names:
                self.names[part].append(" ".join(data.translate(_NO_DELIMITERS).split()))


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
    patient = {keyword: value for keyword, value in reader.patient.items() if "\\" not in value}
    name = _person(reader.names)
    if name:
        patient["PatientName"] = name
    return ClinicalDocument(reader.identifier, " ".join("".join(reader.title).split()), reader.code, patient)


def _person(names: dict[str, list[str]]) -> str:
    """Family, given, middle, prefix and suffix as a person name (PS3.5 6.2.1)."""
    given = [part for part in names["given"] if part]
    parts = [" ".join(names["family"]), " ".join(given[:1]), " ".join(given[1:])]
    parts += [" ".join(names["prefix"]), " ".join(names["suffix"])]
    return "^".join(parts).rstrip("^")[:64]

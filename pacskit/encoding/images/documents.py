"""Documents as objects: PDF, CDA, STL, OBJ and MTL (PS3.3 A.45, A.85, A.86; C.24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from pacskit._version import __version__
from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError, DecodeError, EncodeError
from pacskit.core.uid import generate_uid
from pacskit.encoding.images.cda import read_cda
from pacskit.encoding.images.classes import object_class
from pacskit.encoding.images.formats import DOCUMENTS, format_of, name_of, read_source
from pacskit.encoding.images.identity import begin, default, finish, secondary_capture
from pacskit.encoding.images.models import check_mtl, check_obj, check_stl
from pacskit.encoding.images.options import BuildOptions, Source
from pacskit.encoding.images.pdf import check_pdf
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE

__all__ = ["DocumentOptions", "Units", "encapsulate_document"]

Units = Literal["um", "mm", "cm", "m"]

_DEFAULT: Final = BuildOptions()
_MIME: Final = {
    "pdf": "application/pdf",
    "cda": "text/XML",
    "stl": "model/stl",
    "obj": "model/obj",
    "mtl": "model/mtl",
}
_CHECKS: Final = {"pdf": check_pdf, "stl": check_stl, "mtl": check_mtl}


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentOptions:
    """What a document says beside whose it is. Immutable.

    Parameters
    ----------
    title
        Document Title; None takes a CDA's, else it is empty.
    code
        Concept Name: code value, coding scheme designator and meaning; None takes a CDA's LOINC code, else it is empty.
    units
        What a coordinate of an STL or OBJ file means. The files do not say it, and it has to be known.
    materials
        The objects made of the MTL files that an OBJ file names, by these names.
    """

    title: str | None = None
    code: tuple[str, str, str] | None = None
    units: Units | None = None
    materials: Mapping[str, Dataset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.units is not None and self.units not in get_args(Units):
            raise ConfigurationError(f"units of {self.units!r}; there are {', '.join(get_args(Units))}")


_PLAIN: Final = DocumentOptions()


def encapsulate_document(
    source: Source,
    options: BuildOptions = _DEFAULT,
    /,
    *,
    document: DocumentOptions = _PLAIN,
    **attributes: Any,
) -> Dataset:
    """Make an object of a PDF, CDA (XML), STL (binary), OBJ or MTL file; its bytes are kept as they are.

    Parameters
    ----------
    source
        A path, or the bytes of the file; what it is, they say themselves.
    options
        Whose object it is.
    document
        Title, code, units of a model, materials.
    attributes
        Keywords or paths and their values.

    Raises
    ------
    DecodeError
        The file is damaged, or none of these.
    EncodeError
        Something is not said that has to be.
    """
    try:
        data = read_source(source, options.limits)
        name = format_of(data)
        if name not in DOCUMENTS:
            raise EncodeError(f"a {name} file is no document")
        kind = object_class(options.sop_class or f"encapsulated-{name}", "document")
        if kind.name != f"encapsulated-{name}":
            raise EncodeError(f"{kind.uid.name} does not hold a {name} file")
        if name in _CHECKS:
            _CHECKS[name](data)
        ds = begin(kind, options, attributes)
        _describe(ds, name, data, document, attributes, follows=options.like is not None)
    except (DecodeError, EncodeError) as error:
        error.path = error.path or name_of(source)
        raise
    return finish(ds, EXPLICIT_LITTLE)


def _describe(
    ds: Dataset, name: str, data: bytes, document: DocumentOptions, attributes: Mapping[str, Any], *, follows: bool
) -> None:
    title, code = document.title, document.code
    if name == "cda":
        clinical = read_cda(data)
        title = clinical.title if title is None else title
        code = clinical.code if code is None else code
        default(ds, HL7InstanceIdentifier=clinical.identifier)
        _check_patient(ds, clinical.patient, is_given="PatientID" in attributes)
        if not follows:
            _fill_patient(ds, clinical.patient)
    elif name in {"stl", "obj", "mtl"}:
        _three_dimensional(ds, name, data, document)
    if name in {"pdf", "cda"}:
        secondary_capture(ds)
    default(
        ds,
        AcquisitionDateTime="",
        BurnedInAnnotation="YES",
        DocumentTitle=(title or "")[:1024],
        ConceptNameCodeSequence=[] if code is None else [_code(*code)],
    )
    ds.MIMETypeOfEncapsulatedDocument = _MIME[name]
    ds.EncapsulatedDocumentLength = len(data)
    ds.EncapsulatedDocument = data + b"\0" if len(data) & 1 else data


def _check_patient(ds: Dataset, patient: dict[str, str], *, is_given: bool) -> None:
    """Raise EncodeError where a clinical document is of another patient, unless the caller has named that one."""
    held, found = str(ds.get("PatientID") or ""), patient.get("PatientID", "")
    if held and found and held != found and not is_given:
        raise EncodeError("the document is of another Patient ID than the object that it is to follow", tag=0x00100020)


def _fill_patient(ds: Dataset, patient: dict[str, str]) -> None:
    """What a clinical document says of its patient, where that is no other one."""
    if str(ds.get("PatientID") or "") in {"", patient.get("PatientID", "")}:
        for keyword, value in patient.items():
            if not ds.get(keyword):
                setattr(ds, keyword, value)


def _three_dimensional(ds: Dataset, name: str, data: bytes, document: DocumentOptions) -> None:
    """Equipment, frame of reference and units of a model (PS3.3 A.85; C.35.1)."""
    if document.units is None:
        raise EncodeError(f"a {name} file does not say what a coordinate means: give the units", tag=0x004008EA)
    _equipment(ds)
    default(ds, MeasurementUnitsCodeSequence=[_code(document.units, "UCUM", document.units)])
    if name != "mtl":
        default(ds, FrameOfReferenceUID=generate_uid(), PositionReferenceIndicator="")
    if name != "obj":
        return
    named = check_obj(data)
    absent = [one for one in named if one not in document.materials]
    if absent:
        raise EncodeError(f"the OBJ file uses {', '.join(absent)}: give the objects made of them as materials")
    if document.materials:
        _refer(ds, document.materials)


def _equipment(ds: Dataset) -> None:
    """The Enhanced General Equipment module (PS3.3 C.7.5.2), none of which may be empty."""
    for keyword, value in (
        ("Manufacturer", "pacskit"),
        ("ManufacturerModelName", "pacskit"),
        ("DeviceSerialNumber", "0"),
        ("SoftwareVersions", __version__),
    ):
        if not ds.get(keyword):
            setattr(ds, keyword, value)


def _refer(ds: Dataset, materials: Mapping[str, Dataset]) -> None:
    """The objects of material libraries by the names that the document has for them (PS3.3 C.24.2.4, C.12.2)."""
    references: list[Dataset] = []
    series: dict[str, Dataset] = {}
    for name, material in materials.items():
        if material.StudyInstanceUID != ds.StudyInstanceUID:
            raise EncodeError(f"the object of {name} is in another study: make both like one object", tag=0x0020000D)
        uids = {
            "ReferencedSOPClassUID": material.SOPClassUID,
            "ReferencedSOPInstanceUID": material.SOPInstanceUID,
        }
        references.append(Dataset(**uids, RelativeURIReferenceWithinEncapsulatedDocument=name))
        uid = str(material.SeriesInstanceUID)
        held = series.setdefault(uid, Dataset(SeriesInstanceUID=uid, ReferencedInstanceSequence=[]))
        held.ReferencedInstanceSequence.append(Dataset(**uids))
    ds.ReferencedInstanceSequence = references
    ds.ReferencedSeriesSequence = list(series.values())


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return Dataset(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)

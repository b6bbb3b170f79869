"""What an object says on its way out, where its study has been corrected: it stays as it was received in the store.

The patient's attributes are those that the index has; what the object said instead is in its Original Attributes
Sequence (PS3.3 C.12.1.1.9), with who changed that, when and why.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final, cast

from pacskit.core.dataset import Dataset
from pacskit.encoding import dcmread, encode
from pacskit.encoding.deferred import stream_parts
from pacskit.storage.attributes import decode_attributes, text_of, value_of
from pacskit.storage.index.correcting import Correction, patient_row
from pacskit.storage.index.find import decode_element
from pacskit.storage.index.keys import LEVELS, attributes_of

if TYPE_CHECKING:
    from pacskit.storage.store import Opened, Store

__all__ = ["coerce", "coerced"]

_OWN: Final = tuple(
    one for one in attributes_of(LEVELS[0]) if one.tag >> 16 == 0x0010 or one.keyword == "ReferencedPatientSequence"
)
_UTF8: Final = "ISO_IR 192"
_BIG: Final = 1 << 20  # values beyond that stay in the file until they are copied
_SYSTEM: Final = "pacskit"


def wanted_of(row: dict[str, Any]) -> dict[int, tuple[str, Any]]:
    """Return what a row of the index says of a patient: VR and value by tag."""
    encoded = decode_attributes(row["attributes"] or "{}")
    found: dict[int, tuple[str, Any]] = {}
    for one in _OWN:
        column = (one.column or "").partition(".")[2]
        if column and row.get(column):
            found[one.tag] = (one.vr, row[column])
        elif one.key in encoded:
            element = decode_element(one.tag, encoded[one.key])
            found[one.tag] = (element.vr, element.value)
    return found


def _changes(dataset: Dataset, wanted: dict[int, tuple[str, Any]]) -> Dataset:
    """Have a data set say what is wanted; return what it said instead."""
    before = Dataset()
    for one in _OWN:
        tag, new = one.tag, wanted.get(one.tag)
        if tag in dataset:
            if new is not None and one.vr != "SQ" and text_of(dataset, one.keyword) == _text(new[1]):
                continue
            before.add_new(tag, one.vr, value_of(dataset[tag]))
            del dataset[tag]
        elif new is None:
            continue
        else:
            before.add_new(tag, one.vr, [] if one.vr == "SQ" else "")
        if new is not None:
            dataset.add_new(tag, *new)
    return before


def coerce(dataset: Dataset, row: dict[str, Any], correction: Correction, *, system: str = _SYSTEM) -> bool:
    """Have a data set say of its patient what the index does; return whether it had to be changed.

    Attributes of the patient that the index has no value for go: they are another one's.
    """
    wanted = wanted_of(row)
    before = _changes(dataset, wanted)
    if not len(before):
        return False
    if any(not str(value).isascii() for _, value in wanted.values()):
        dataset.SpecificCharacterSet = _UTF8
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):  # type 2
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    item = Dataset(
        SourceOfPreviousValues="",
        AttributeModificationDateTime=f"{correction.moment}+0000",
        ModifyingSystem=system[:64],
        ReasonForTheAttributeModification="COERCE" if correction.kind == "merge" else "CORRECT",
        ModifiedAttributesSequence=[before],
    )
    dataset.OriginalAttributesSequence = [*(dataset.get("OriginalAttributesSequence") or ()), item]
    return True


def _text(value: Any) -> str:
    return "\\".join(map(str, value)) if isinstance(value, list) else str(value)


def coerced(store: Store, opened: Opened) -> Opened:
    """Return an object as it goes out: itself, or a temporary file whose data set says what the index does."""
    instance = opened.instance
    if not instance.correction:
        return opened
    with store.index.reader() as connection:
        found = patient_row(connection, instance.study_instance_uid)
    if found is None:
        return opened
    dataset = dcmread(cast("BinaryIO", opened.file), defer_size=_BIG, options=store.options)
    if not coerce(dataset, *found):
        return opened
    syntax = instance.transfer_syntax_uid
    spool = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - whoever has it closes it
    try:
        parts = stream_parts(dataset, syntax, encode)
        length = sum(_write(spool, part) for part in (parts if parts is not None else [encode(dataset, syntax)]))
    except BaseException:
        spool.close()
        raise
    opened.file.close()
    return replace(opened, instance=replace(instance, offset=0, length=length, sha256=None), file=spool)


def _write(file: IO[bytes], part: Any) -> int:
    with memoryview(part) as whole, whole.cast("B") as view:
        at = 0
        while at < len(view):
            at += file.write(view[at:])
        return at

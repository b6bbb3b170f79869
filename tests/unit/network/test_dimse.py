"""Command sets: pydicom as the oracle, and what a broken one gives."""

from __future__ import annotations

from dataclasses import fields
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from pacskit.core.errors import DecodeError, EncodeError, TruncatedError
from pacskit.core.status import Status
from pacskit.network import dimse
from pacskit.network.dimse import TEMPLATES, CFindRequest, CStoreRequest, Message, encode_message
from pacskit_ext._dimse import decode_command

# PS3.7 table E.1-1: our name → pydicom's keyword, where it does not follow by capitals alone.
KEYWORDS = {
    "affected_sop_class_uid": "AffectedSOPClassUID",
    "requested_sop_class_uid": "RequestedSOPClassUID",
    "affected_sop_instance_uid": "AffectedSOPInstanceUID",
    "requested_sop_instance_uid": "RequestedSOPInstanceUID",
    "error_id": "ErrorID",
    "event_type_id": "EventTypeID",
    "action_type_id": "ActionTypeID",
    "message_id": "MessageID",
    "message_id_being_responded_to": "MessageIDBeingRespondedTo",
    "move_originator_ae": "MoveOriginatorApplicationEntityTitle",
    "move_originator_message_id": "MoveOriginatorMessageID",
    "number_of_remaining_suboperations": "NumberOfRemainingSuboperations",
    "number_of_completed_suboperations": "NumberOfCompletedSuboperations",
    "number_of_failed_suboperations": "NumberOfFailedSuboperations",
    "number_of_warning_suboperations": "NumberOfWarningSuboperations",
    "move_destination": "MoveDestination",
    "priority": "Priority",
    "status": "Status",
    "offending_element": "OffendingElement",
    "error_comment": "ErrorComment",
    "attribute_identifier_list": "AttributeIdentifierList",
}
# PS3.7 table E.1-1, (0000,0100).
COMMANDS = {
    "CStore": 0x0001,
    "CGet": 0x0010,
    "CFind": 0x0020,
    "CMove": 0x0021,
    "CEcho": 0x0030,
    "NEventReport": 0x0100,
    "NGet": 0x0110,
    "NSet": 0x0120,
    "NAction": 0x0130,
    "NCreate": 0x0140,
    "NDelete": 0x0150,
}
VALUES = {
    "UID": st.from_regex(r"[0-9](\.[1-9][0-9]{0,8}){1,6}", fullmatch=True).map(lambda s: s[:64].rstrip(".")),
    "AE": st.from_regex(r"[A-Z][A-Z0-9_ ]{0,14}[A-Z]", fullmatch=True),
    "TAGS": st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=3),
    "LO": st.from_regex(r"[a-z]([a-z ]{0,30}[a-z])?", fullmatch=True),
    "US": st.integers(0, 0xFFFF),
}


def kind_of(name: str) -> str:
    if name.endswith("_uid"):
        return "UID"
    if name in ("move_destination", "move_originator_ae"):
        return "AE"
    if name in ("offending_element", "attribute_identifier_list"):
        return "TAGS"
    return "LO" if name == "error_comment" else "US"


@st.composite
def messages(draw: st.DrawFn) -> Message:
    cls = draw(st.sampled_from(sorted((t.factory for t in TEMPLATES.values()), key=lambda c: c.__name__)))
    values = {}
    for f in fields(cls):
        if f.name not in ("context", "data", "error") and (f.default is not None or draw(st.booleans())):
            values[f.name] = draw(VALUES[kind_of(f.name)])
    return cls(**values, data=draw(st.sampled_from([None, b""])))  # type: ignore[no-any-return]


def test_the_command_fields_are_the_standards() -> None:
    for name, value in COMMANDS.items():
        assert value == getattr(dimse, f"{name}Request").COMMAND_FIELD
        assert value | 0x8000 == getattr(dimse, f"{name}Response").COMMAND_FIELD
    assert dimse.CCancelRequest.COMMAND_FIELD == 0x0FFF
    assert len(TEMPLATES) == 2 * len(COMMANDS) + 1


@given(messages())
def test_pydicom_reads_what_we_write_and_we_read_what_pydicom_writes(message: Message) -> None:
    raw = encode_message(message)
    ds = _pydicom(raw)
    assert ds[0x00000000].value == len(raw) - 12
    assert ds.CommandField == message.COMMAND_FIELD
    assert (ds.CommandDataSetType == 0x0101) == (message.data is None)
    for f in fields(message):
        if f.name in ("context", "data", "error"):
            continue
        ours, element = getattr(message, f.name), ds.get(KEYWORDS[f.name])
        if kind_of(f.name) == "TAGS" and ours is not None:
            element = [int(tag) for tag in (element if len(ours) > 1 else [element])]
        assert element == ours, f.name
    again, has_data = decode_command(_pydicom_write(ds), TEMPLATES)
    assert again == message
    assert has_data == (message.data is not None)
    assert decode_command(raw, TEMPLATES)[0] == message


def _pydicom(raw: bytes) -> Dataset:
    return read_dataset(BytesIO(raw), is_implicit_VR=True, is_little_endian=True)


def _pydicom_write(ds: Dataset) -> bytes:
    fp = DicomBytesIO()
    fp.is_little_endian, fp.is_implicit_VR = True, True
    write_dataset(fp, ds)
    return fp.getvalue()


def test_unknown_elements_are_passed_over() -> None:
    raw = encode_message(dimse.CEchoRequest(message_id=7))
    odd = bytes.fromhex("0000 0110 04000000 41424344 0000 0050 02000000 2020")
    message, _ = decode_command(raw + odd, TEMPLATES)
    assert message.message_id == 7


@pytest.mark.parametrize("tag", [0x0002, 0x0110, 0x1000])
def test_a_missing_mandatory_element_is_named(tag: int) -> None:
    ds = _pydicom(encode_message(CStoreRequest(affected_sop_class_uid="1.2", affected_sop_instance_uid="1.3")))
    del ds[tag]
    with pytest.raises(DecodeError) as caught:
        decode_command(_pydicom_write(ds), TEMPLATES)
    assert caught.value.tag == tag


def test_every_truncation_is_an_error() -> None:
    raw = encode_message(CFindRequest(affected_sop_class_uid="1.2.840.10008.5.1.4.1.2.2.1", message_id=3, data=b""))
    for end in range(len(raw)):
        with pytest.raises(DecodeError):
            decode_command(raw[:end], TEMPLATES)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", DecodeError),
        (b"\0\0\0\1\2\0\0", TruncatedError),
        (bytes.fromhex("0000 0001 FFFFFFFF 0100"), TruncatedError),
        (bytes.fromhex("0800 0001 02000000 0100"), DecodeError),  # not group 0000
        (bytes.fromhex("0000 0001 04000000 01000000 0000 0008 02000000 0101"), DecodeError),  # US of four bytes
        (bytes.fromhex("0000 0001 02000000 3412 0000 0008 02000000 0101"), DecodeError),  # no such command
        (bytes.fromhex("0000 0001 02000000 3000"), DecodeError),  # no data set type
    ],
)
def test_a_broken_command_set_is_a_typed_error(raw: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_command(raw, TEMPLATES)


@given(st.binary(max_size=200))
def test_garbage_is_a_typed_error_or_a_message(raw: bytes) -> None:
    try:
        decode_command(raw, TEMPLATES)
    except DecodeError:
        return


def test_uids_and_titles_are_checked_both_ways() -> None:
    ok = encode_message(CStoreRequest(affected_sop_class_uid="1.2.3", affected_sop_instance_uid="1.2.345"))
    for bad in (b"1.2\x01345", b"1.2/345"[:3] + b"\xff345", b"1.2 345"):
        with pytest.raises(DecodeError):
            decode_command(ok.replace(b"1.2.345", bad), TEMPLATES)
    for uid in ("1." * 33, "1.2.ä"):
        with pytest.raises(EncodeError):
            encode_message(CStoreRequest(affected_sop_class_uid=uid, affected_sop_instance_uid="1.3"))
    with pytest.raises(EncodeError):
        encode_message(CFindRequest(affected_sop_class_uid="1.2", message_id=65536))
    long = encode_message(dimse.CEchoRequest().response(Status(0x0122), error_comment="é" * 100))
    assert decode_command(long, TEMPLATES)[0].error_comment == "é" * 64


def test_a_response_copies_what_identifies_the_request() -> None:
    request = CStoreRequest(message_id=9, affected_sop_class_uid="1.2", affected_sop_instance_uid="1.3")
    response = request.response(0xB000)
    assert isinstance(response, dimse.CStoreResponse)
    assert (response.message_id_being_responded_to, response.affected_sop_class_uid) == (9, "1.2")
    assert response.affected_sop_instance_uid == "1.3"
    assert response.status.is_warning
    deletion = dimse.NDeleteRequest(message_id=2, requested_sop_class_uid="1.4", requested_sop_instance_uid="1.5")
    assert deletion.response().affected_sop_class_uid == "1.4"

"""A-ASSOCIATE items: round trip, bytes by the standard's layout, and broken ones."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.errors import DecodeError, EncodeError, LimitError, TruncatedError
from pacskit.network.pdu import (
    AbortPdu,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    AsyncWindow,
    CommonExtendedItem,
    ContextItem,
    ContextResult,
    ExtendedItem,
    RoleItem,
    UserIdentity,
    UserInformation,
    decode_associate,
)

uids = st.from_regex(r"[0-2](\.[1-9][0-9]{0,5}){1,6}", fullmatch=True)
titles = st.from_regex(r"[A-Z][A-Z0-9_ ]{0,14}[A-Z]", fullmatch=True)
small = st.binary(max_size=300)
users = st.builds(
    UserInformation,
    max_length=st.integers(0, 0xFFFFFFFF),
    implementation_class_uid=uids | st.just(""),
    implementation_version=titles | st.just(""),
    async_window=st.none() | st.builds(AsyncWindow, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)),
    roles=st.lists(st.builds(RoleItem, uids, st.booleans(), st.booleans()), max_size=4).map(tuple),
    extended=st.lists(st.builds(ExtendedItem, uids, small), max_size=3).map(tuple),
    common_extended=st.lists(
        st.builds(CommonExtendedItem, uids, uids, st.lists(uids, max_size=3).map(tuple)), max_size=3
    ).map(tuple),
    identity=st.none() | st.builds(UserIdentity, st.integers(1, 5), small, small, st.booleans()),
    identity_response=st.none() | small,
)
ids = st.lists(st.integers(0, 127).map(lambda n: 2 * n + 1), min_size=1, max_size=6, unique=True)
requests = st.builds(
    lambda called, calling, numbers, syntax, transfer, user: AssociateRequest(
        called, calling, tuple(ContextItem(n, syntax, tuple(transfer)) for n in numbers), user
    ),
    titles,
    titles,
    ids,
    uids,
    st.lists(uids, min_size=1, max_size=3),
    users,
)
accepts = st.builds(
    lambda called, calling, numbers, result, transfer, user: AssociateAccept(
        called, calling, tuple(ContextResult(n, result, "" if result else transfer) for n in numbers), user
    ),
    titles,
    titles,
    ids,
    st.integers(0, 4),
    uids,
    users,
)


@given(requests | accepts)
def test_decode_undoes_encode(pdu: AssociateRequest | AssociateAccept) -> None:
    raw = pdu.encode()
    assert struct.unpack(">I", raw[2:6])[0] == len(raw) - 6
    assert decode_associate(raw[0], raw[6:]) == pdu


@given(requests, st.data())
def test_a_truncated_or_mutated_pdu_decodes_or_gives_a_typed_error(pdu: AssociateRequest, data: st.DataObject) -> None:
    body = bytearray(pdu.encode()[6:])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    for raw in (bytes(body), bytes(body[: data.draw(st.integers(0, len(body)))])):
        for kind in (1, 2):
            try:
                decode_associate(kind, raw)
            except DecodeError:
                continue


def test_the_bytes_are_the_standards() -> None:
    """PS3.8 9.3.2 and annex D, PS3.7 D.3.3, written out by hand; UIDs of odd length stay odd."""
    request = AssociateRequest(
        "CALLED",
        "ME",
        (ContextItem(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),),
        UserInformation(
            max_length=0x4000,
            implementation_class_uid="1.2.3",
            implementation_version="V1",
            async_window=AsyncWindow(2, 3),
            roles=(RoleItem("1.2.840.10008.1.1", False, True),),
            extended=(ExtendedItem("1.2.5", b"\x01\x00"),),
            common_extended=(CommonExtendedItem("1.2.5", "1.2.6", ("1.2.7",)),),
            identity=UserIdentity(2, b"user", b"pass", True),
        ),
    )
    user = (
        bytes.fromhex("51000004 00004000")
        + bytes.fromhex("52000005")
        + b"1.2.3"
        + bytes.fromhex("53000004 00020003")
        + bytes.fromhex("54000015 0011")
        + b"1.2.840.10008.1.1"
        + b"\x00\x01"
        + bytes.fromhex("55000002")
        + b"V1"
        + bytes.fromhex("56000009 0005")
        + b"1.2.5"
        + b"\x01\x00"
        + bytes.fromhex("57000017 0005")
        + b"1.2.5"
        + b"\x00\x051.2.6"
        + b"\x00\x07"
        + b"\x00\x051.2.7"
        + bytes.fromhex("5800000e 02 01 0004")
        + b"user"
        + b"\x00\x04pass"
    )
    contexts = (
        bytes.fromhex("2000002e 01000000 30000011")
        + b"1.2.840.10008.1.1"
        + bytes.fromhex("40000011")
        + b"1.2.840.10008.1.2"
    )
    body = (
        b"\x00\x01\x00\x00"
        + b"CALLED          "
        + b"ME              "
        + bytes(32)
        + bytes.fromhex("10000015")
        + b"1.2.840.10008.3.1.1.1"
        + contexts
        + bytes.fromhex("5000")
        + struct.pack(">H", len(user))
        + user
    )
    assert request.encode() == b"\x01\x00" + struct.pack(">I", len(body)) + body
    assert AssociateReject(1, 2, 2).encode() == bytes.fromhex("0300 00000004 00010202")
    assert AbortPdu(2, 6).encode() == bytes.fromhex("0700 00000004 00000206")


def test_padded_uids_and_unknown_items_are_taken() -> None:
    request = AssociateRequest("A", "B", (ContextItem(1, "1.2.3", ("1.2.4",)),))
    raw = request.encode()[6:].replace(b"\x00\x051.2.4", b"\x00\x061.2.4\x00").replace(
        bytes.fromhex("20000016"), bytes.fromhex("20000017")
    ) + bytes.fromhex("99000002aabb")
    assert decode_associate(1, raw) == request


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda raw: raw[:60], TruncatedError),
        (lambda raw: raw[:-1], TruncatedError),
        (lambda raw: raw[:68], DecodeError),  # no user information
        (lambda raw: raw + bytes.fromhex("20000004 01000000"), DecodeError),  # no syntaxes, and id 1 twice
        (lambda raw: raw.replace(bytes.fromhex("20000016 01"), bytes.fromhex("20000016 02")), DecodeError),
        (lambda raw: raw.replace(b"1.2.3", b"1\xff2.3"), DecodeError),
        (lambda raw: raw + bytes.fromhex("99000000") * 5000, LimitError),
    ],
)
def test_broken_pdus(change: object, error: type[Exception]) -> None:
    raw = AssociateRequest("A", "B", (ContextItem(1, "1.2.3", ("1.2.4",)),)).encode()[6:]
    with pytest.raises(error):
        decode_associate(1, change(raw))  # type: ignore[operator]


def test_what_cannot_be_written_is_an_error_and_a_credential_is_never_shown() -> None:
    with pytest.raises(EncodeError):
        AssociateRequest("A", "B", (ContextItem(1, "1." * 40, ("1.2",)),)).encode()
    identity = UserIdentity(2, b"jdoe", bytes(70000))
    with pytest.raises(EncodeError):
        AssociateRequest("A", "B", (), UserInformation(identity=identity)).encode()
    assert "jdoe" not in repr(identity)
    assert "jdoe" not in repr(AssociateRequest("A", "B", (), UserInformation(identity=identity)))

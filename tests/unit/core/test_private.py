"""Private blocks, creators and VRs: PS3.5 7.8, with pydicom beside."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.errors import PrivateGroupFull
from pacskit.encoding import decode, encode
from pacskit_ext._privatetable import PrivateDictionary
from tests.oracles.datasets import Node, write

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG = "1.2.840.10008.1.2.2"
MINE = PrivateDictionary().add("ACME", "0011xx01", "SQ").add("ACME", "0011xx02", "US").add("ACME", "0011xx03", "LO")


def acme(*nodes: Node) -> list[Node]:
    return [Node(0x00110010, "LO", b"ACME"), *nodes]


def sample(length: int = 2) -> list[Node]:
    """A private sequence, a number and a text, none with its VR."""
    item = acme(Node(0x00111002, "UN", struct.pack("<H", 7)))
    inner = write([Node(0x00111001, "SQ", items=[item, item])], implicit=True, big=False)[8:]
    return acme(
        Node(0x00111001, "UN", inner),
        Node(0x00111002, "UN", struct.pack("<H", 513) * (length // 2)),
        Node(0x00111003, "UN", b"text"),
        Node(0x00111004, "UN", b"\x01\x02"),
    )


def read(nodes: list[Node], syntax: str, private: PrivateDictionary | None = MINE) -> Dataset:
    data = write(nodes, implicit=syntax == IMPLICIT, big=syntax == BIG)
    return decode(data, syntax, options=ReadOptions(private=private))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_unknown_values_are_read_by_the_dictionary_of_their_creator(syntax: str) -> None:
    dataset = read(sample(), syntax)
    assert [(element.VR, element.private_creator) for element in dataset] == [
        ("LO", None),
        ("SQ", "ACME"),
        ("US", "ACME"),
        ("LO", "ACME"),
        ("UN", "ACME"),
    ]
    assert dataset[0x00111002].value == 513
    assert dataset[0x00111003].value == "text"
    assert dataset[0x00111004].value == b"\x01\x02"
    assert [item.private_block(0x0011, "ACME")[0x02].value for item in dataset[0x00111001].value] == [7, 7]
    assert encode(dataset, syntax) == write(sample(), implicit=syntax == IMPLICIT, big=syntax == BIG)


def test_two_readers_in_one_process_have_their_own_dictionaries() -> None:
    other = PrivateDictionary().add("ACME", "0011xx02", "SS", "1", "Other")
    mine, others, nobody = (read(sample(), IMPLICIT, private) for private in (MINE, other, None))
    assert [ds[0x00111002].VR for ds in (mine, others, nobody)] == ["US", "SS", "UN"]
    assert [ds[0x00111002].name for ds in (mine, others, nobody)] == ["[Unknown]", "[Other]", "Private tag data"]
    assert mine.private_dictionary is MINE
    assert pickle.loads(pickle.dumps(others))[0x00111002].VR == "SS"
    assert others.copy()[0x00111002].VR == "SS"


@pytest.mark.parametrize("touch", [lambda ds: None, lambda ds: list(ds.iterall())])
def test_changing_one_element_leaves_the_others_as_they_were(touch: Callable[[Dataset], object]) -> None:
    for syntax in (IMPLICIT, EXPLICIT, BIG):
        dataset = read(sample(), syntax)
        touch(dataset)
        dataset.add_new(0x00130010, "LO", "BETA")
        added = [Node(0x00130010, "LO", b"BETA")]
        assert encode(dataset, syntax) == write(sample() + added, implicit=syntax == IMPLICIT, big=syntax == BIG)


def test_a_changed_item_of_an_unknown_value_is_written() -> None:
    for syntax in (IMPLICIT, EXPLICIT, BIG):
        dataset = read(sample(), syntax)
        dataset[0x00111001].value[1][0x00111002].value = 9
        assert dataset.is_modified
        back = decode(encode(dataset, syntax), syntax, options=ReadOptions(private=MINE))
        assert [item[0x00111002].value for item in back[0x00111001].value] == [7, 9]


@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize("target", [EXPLICIT, BIG])
def test_implicit_becomes_explicit_with_the_vr_that_is_known(target: str, touched: bool) -> None:
    dataset = read(sample(), IMPLICIT)
    if touched:
        dataset.add_new(0x00130010, "LO", "BETA")
        list(dataset.iterall())
    back = decode(encode(dataset, target), target, options=ReadOptions(private=PrivateDictionary(standard=False)))
    assert [back[tag].VR for tag in (0x00111002, 0x00111003, 0x00111004)] == ["US", "LO", "UN"]
    assert (back[0x00111002].value, back[0x00111003].value) == (513, "text")


def test_a_value_too_long_for_its_vr_stays_unknown() -> None:
    dataset = read(sample(length=70_000), IMPLICIT)
    for target in (EXPLICIT, BIG):
        back = decode(encode(dataset, target), target, options=ReadOptions(private=MINE))
        assert back[0x00111002].value == dataset[0x00111002].value == [513] * 35_000


def test_text_without_vr_follows_the_character_set() -> None:
    nodes = [Node(0x00080005, "CS", b"ISO_IR 100"), *acme(Node(0x00111003, "UN", b"\xe9t\xe9 "))]
    dataset = read(nodes, EXPLICIT)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    back = decode(encode(dataset, EXPLICIT), EXPLICIT, options=ReadOptions(private=MINE))
    assert back[0x00111003].value == "été"


@pytest.mark.parametrize(
    "value", [b"", b"\x00" * 8, b"\xfe\xff\x00\xe0\xff\xff\xff\x00", b"\xfe\xff\x00\xe0\x04\0\0\0ab"]
)
def test_a_sequence_that_does_not_parse_stays_bytes(value: bytes) -> None:
    element = read(acme(Node(0x00111001, "UN", value)), IMPLICIT)[0x00111001]
    assert (element.VR, element.value) == ("UN", value) if value else (element.VR == "SQ" and element.value == [])


def test_a_length_that_does_not_fit_the_dictionary_stays_unknown() -> None:
    assert read(acme(Node(0x00111002, "UN", b"abc")), IMPLICIT)[0x00111002].value == b"abc"


def test_unknown_values_nest_no_deeper_than_a_data_set_may() -> None:
    value = b""
    for _ in range(1000):
        item = acme(Node(0x00111001, "UN", value))
        value = write([Node(0x00111001, "SQ", items=[item])], implicit=True, big=False)[8:]
    dataset = read(acme(Node(0x00111001, "UN", value)), IMPLICIT)
    depth = 0
    while (element := dataset[0x00111001]).VR == "SQ":
        dataset, depth = element.value[0], depth + 1
    assert depth == 128
    assert isinstance(element.value, bytes)


@given(st.binary(max_size=200))
def test_any_bytes_give_items_or_themselves(value: bytes) -> None:
    data = write(acme(Node(0x00111001, "UN", value)), implicit=True, big=False)
    dataset = decode(data, IMPLICIT, options=ReadOptions(private=MINE))
    for element in dataset.iterall():
        assert element.VR in {"SQ", "UN", "LO"} or element.tag != 0x00111001
    assert encode(dataset, IMPLICIT) == data


# ---- blocks -----------------------------------------------------------------------------------------


CREATORS = st.sampled_from(["ACME", "BETA 1.0", "GAMMA"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), CREATORS, st.just(0)),
        st.tuples(st.just("add"), CREATORS, st.integers(0, 256)),
        st.tuples(st.just("get"), CREATORS, st.integers(0, 256)),
        st.tuples(st.just("has"), CREATORS, st.integers(0, 256)),
        st.tuples(st.just("delete"), CREATORS, st.integers(0, 256)),
        st.tuples(st.just("item"), CREATORS, st.integers(0, 255)),
        st.tuples(st.just("creators"), CREATORS, st.just(0)),
    ),
    max_size=30,
)


def step(dataset: Any, verb: str, creator: str, offset: int) -> Any:
    """One verb on either library's data set: its result, or the kind of its error."""
    try:
        if verb == "creators":
            return list(dataset.private_creators(0x0011))
        if verb == "item":
            return dataset.get_private_item(0x0011, offset, creator).value
        block = dataset.private_block(0x0011, creator, create=verb == "create")
        if verb == "add":
            block.add_new(offset, "SH", f"{creator} {offset}")
        elif verb == "get":
            return block[offset].value
        elif verb == "has":
            return offset in block
        elif verb == "delete":
            del block[offset]
        return block.group, block.block_start, block.private_creator, int(block.get_tag(offset & 0xFF))
    except (KeyError, ValueError) as error:
        return KeyError if isinstance(error, KeyError) else ValueError


@given(STEPS)
def test_blocks_behave_as_pydicom_s(steps: list[tuple[str, str, int]]) -> None:
    ours, theirs = Dataset(), pydicom.Dataset()
    for verb, creator, offset in steps:
        assert step(ours, verb, creator, offset) == step(theirs, verb, creator, offset)
    assert [str(element) for element in ours] == [str(element) for element in theirs]


def test_known_names_print_as_pydicom_prints_them() -> None:
    ours, theirs = Dataset(), pydicom.Dataset()
    for dataset in (ours, theirs):
        block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x08, "CS", "IMAGE NUM 4")
        block.add_new(0xFE, "CS", "WHAT")
    assert [str(element) for element in ours] == [str(element) for element in theirs]
    assert ours[0x00291008].name == "[CSA Image Header Type]"


def test_a_creator_may_have_several_blocks() -> None:
    dataset = Dataset()
    for number in (0x10, 0x12):
        dataset.add_new(0x00110000 | number, "LO", "ACME")
        dataset.add_new(0x00110000 | number << 8 | number, "SH", f"{number:02x}")
    dataset.add_new(0x00110011, "LO", "BETA")
    assert [block.block_start for block in dataset.private_blocks(0x0011, "ACME")] == [0x1000, 0x1200]
    assert len(dataset.private_blocks(0x0011)) == 3
    assert dataset.get_private_item(0x0011, 0x12, "ACME").value == "12"
    with pytest.raises(KeyError):
        dataset.get_private_item(0x0011, 0x13, "ACME")
    block = dataset.private_block(0x0011, "ACME")
    assert (len(block), [element.value for element in block], block.get(0x10), block.get(0x11, "-")) == (
        1,
        ["10"],
        "10",
        "-",
    )


def test_a_block_that_others_use_without_reserving_it_is_not_given_away() -> None:
    dataset = Dataset()
    dataset.add_new(0x00111001, "SH", "an orphan")
    dataset.add_new(0x00110300, "SH", "in no block")
    assert dataset.private_block(0x0011, "ACME", create=True).block_start == 0x1100
    assert [int(element.tag) for element in dataset.private_orphans()] == [0x00110300, 0x00111001]


def test_a_full_group_says_so() -> None:
    dataset = Dataset()
    for number in range(0x10, 0x100):
        assert dataset.private_block(0x0011, f"ACME {number}", create=True).block_start == number << 8
    with pytest.raises(PrivateGroupFull) as caught:
        dataset.private_block(0x0011, "ONE MORE", create=True)
    assert caught.value.group == 0x0011
    assert dataset.private_block(0x0011, "ACME 255").block_start == 0xFF00


@pytest.mark.parametrize("group", [0x0001, 0x0007, 0xFFFF, 0x0010])
def test_groups_that_are_not_to_be_used_are_refused(group: int) -> None:
    with pytest.raises(ValueError, match="group"):
        Dataset().private_block(group, "ACME", create=True)


@pytest.mark.parametrize("creator", ["", " ", "A\\B", "A" * 65])
def test_a_creator_is_one_lo_value(creator: str) -> None:
    with pytest.raises(ValueError, match="creator"):
        Dataset().private_block(0x0011, creator, create=True)


def test_removing_from_items_is_counted_and_written() -> None:
    item = Dataset(PatientID="1")
    item.private_block(0x0011, "ACME", create=True).add_new(1, "SH", "x")
    dataset = Dataset(ReferencedStudySequence=[item])
    dataset = decode(encode(dataset, EXPLICIT), EXPLICIT)
    assert dataset.remove_private_tags() == 2
    assert dataset.remove_private_tags() == 0
    assert decode(encode(dataset, EXPLICIT), EXPLICIT).ReferencedStudySequence[0].tags() == [0x00100020]

"""pydicom's look-ups in the dictionary."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from pacskit.compat.pydicom.tag import Tag
from pacskit.core import dictionary

__all__ = [
    "add_dict_entries",
    "add_dict_entry",
    "dictionary_VM",
    "dictionary_VR",
    "dictionary_description",
    "dictionary_has_tag",
    "dictionary_is_retired",
    "dictionary_keyword",
    "get_entry",
    "keyword_for_tag",
    "repeater_has_keyword",
    "repeater_has_tag",
    "tag_for_keyword",
]

_KNOWN_NAMES: Final = (dictionary.vr_for, dictionary.vm_for, dictionary.name_for)


def get_entry(tag: Any) -> tuple[str, str, str, str, str]:
    """VR, VM, name, "Retired" or "", and keyword of a tag; KeyError when the dictionary has none."""
    number = Tag(tag)
    if number.is_private:
        raise KeyError(f"Tag {number} not found in DICOM dictionary")
    try:
        vr, vm, name = (str(look(number)) for look in _KNOWN_NAMES)
        retired = dictionary.is_retired(number)
    except KeyError as error:
        raise KeyError(f"Tag {number} not found in DICOM dictionary") from error
    return vr, vm, name, "Retired" if retired else "", dictionary.keyword_for(number)


def dictionary_VR(tag: Any) -> str:
    """The VR of a tag; KeyError when the dictionary has none."""
    return get_entry(tag)[0]


def dictionary_VM(tag: Any) -> str:
    """The value multiplicity of a tag."""
    return get_entry(tag)[1]


def dictionary_description(tag: Any) -> str:
    """The name of a tag."""
    return get_entry(tag)[2]


def dictionary_is_retired(tag: Any) -> bool:
    """Whether a tag is retired."""
    return bool(get_entry(tag)[3])


def dictionary_keyword(tag: Any) -> str:
    """The keyword of a tag."""
    return get_entry(tag)[4]


def dictionary_has_tag(tag: Any) -> bool:
    """Whether the dictionary has a tag, the repeating groups left aside."""
    try:
        number = Tag(tag)
    except (TypeError, ValueError, OverflowError):
        return False
    keyword = dictionary.keyword_for(number)
    return bool(keyword) and dictionary.tag_for(keyword) == number


def keyword_for_tag(tag: Any) -> str:
    """The keyword of a tag, "" when there is none."""
    try:
        return dictionary_keyword(tag)
    except KeyError:
        return ""


def tag_for_keyword(keyword: str) -> int | None:
    """The tag of a keyword, None when there is none."""
    return dictionary.tag_for(keyword)


def repeater_has_tag(tag: int) -> bool:
    """Whether a tag is of a repeating group such as the overlays."""
    number = Tag(tag)
    try:
        get_entry(number)
    except KeyError:
        return False
    return not dictionary_has_tag(number)


def repeater_has_keyword(keyword: str) -> bool:
    """Whether a keyword is of a repeating group."""
    if dictionary.tag_for(keyword) is not None:
        return False
    groups = (0x60000000, 0x50000000, 0x7F000000, 0x00203100, 0x00280400, 0x00280800, 0x10000000, 0x10100000)
    return any(dictionary.keyword_for(base + low) == keyword for base in groups for low in range(0x10000))


def add_dict_entry(*args: Any, **kwargs: Any) -> NoReturn:
    """Refused: the dictionary is the standard's, for every user of the process."""
    raise NotImplementedError(
        "the dictionary cannot be changed; name the VR with add_new(), and register private attributes with "
        "pacskit's private dictionary"
    )


add_dict_entries = add_dict_entry

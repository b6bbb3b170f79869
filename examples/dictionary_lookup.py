"""Ask the standard's tables about attributes and UIDs: python examples/dictionary_lookup.py PatientName 60020010."""

import sys

from pacskit.core import dictionary
from pacskit.core.uid import UID


def describe(text: str) -> str:
    """Say what a keyword, a tag in hexadecimal or a UID is."""
    if "." in text:
        uid = UID(text)
        return f"{uid}  {uid.type}  {uid.name}"
    tag = dictionary.tag_for(text)
    if tag is None:
        try:
            tag = int(text, 16)
        except ValueError:
            near = dictionary.suggest(text)
            return f"{text} is not in the dictionary" + (f"; did you mean {near}?" if near else "")
    entry = dictionary.entry_for(tag)
    if entry is None:
        return f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is not in the dictionary"
    retired = "  retired" if entry.is_retired else ""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})  {entry.vr}  {entry.vm}  {entry.keyword}  {entry.name}{retired}"


if __name__ == "__main__":
    for argument in sys.argv[1:] or ["PatientName", "60020010", "1.2.840.10008.5.1.4.1.1.2"]:
        print(describe(argument))

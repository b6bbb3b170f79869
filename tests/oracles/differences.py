"""Where pydicom and DCMTK say something else of a file than we do: every kind, who is right, and by which section.

``TABLE`` is the one list. A function for each pair of forms names the row that accounts for a difference; None is a
difference that nobody has explained yet. The tests also refuse rows that nothing needs any more.
"""

from __future__ import annotations

import base64
import math
import re
from typing import Any, NamedTuple

from pacskit.core.uid import UID

__all__ = [
    "FILES",
    "INVALID",
    "TABLE",
    "TRUNCATED",
    "Difference",
    "dump_reason",
    "json_reason_dcmtk",
    "json_reason_pydicom",
    "text_reason",
]


class Difference(NamedTuple):
    """A kind of difference: in which forms, from whom, who is right, where the standard says so, and what it is."""

    forms: str
    peer: str
    right: str
    section: str
    what: str


US, THEM, BOTH = "pacskit", "peer", "both"

TABLE = {
    # ---- pydicom ----
    "group length": Difference(
        "json", "pydicom", US, "PS3.18 F.2.2", "group lengths are not included; pydicom includes them"
    ),
    "empty sequence": Difference(
        "json", "pydicom", US, "PS3.18 F.2.5", "an attribute of no value has no Value; pydicom has an empty array"
    ),
    "empty value": Difference(
        "json", "pydicom", US, "PS3.18 F.2.5", 'an empty value among several is null; pydicom has ""'
    ),
    "byte order": Difference(
        "json", "pydicom", US, "PS3.18 F.2.7", "bytes are those of little endian; pydicom gives the file's"
    ),
    "UN in big endian": Difference(
        "values json", "pydicom", US, "PS3.5 6.2.2", "UN is always little endian; pydicom turns the numbers round"
    ),
    "padding": Difference(
        "json text", "pydicom", US, "PS3.5 6.2", "spaces round each value of a CS mean nothing; pydicom keeps them"
    ),
    "long text": Difference(
        "text", "pydicom", BOTH, "none: a matter of taste", "we print long text; pydicom its length"
    ),
    "private name": Difference(
        "text", "pydicom", BOTH, "PS3.5 7.8", "what vendors call an attribute: our dictionary has DCMTK's names too"
    ),
    "creator": Difference(
        "text", "pydicom", US, "PS3.5 7.8.1",
        "(gggg,0010-00FF) of odd groups are creators and (gggg,0000) is the length; pydicom takes (gggg,0000) for one",
    ),
    "several names": Difference(
        "text", "pydicom", BOTH, "none: a matter of taste", "quotes round each of several names, as round one"
    ),
    "no number": Difference(
        "text", "pydicom", BOTH, "PS3.5 6.2", "an empty number is None; blanks are empty, for pydicom '' then"
    ),
    "UN big endian text": Difference(
        "text", "pydicom", US, "PS3.5 6.2.2", "as in JSON: UN is little endian whatever the data set is"
    ),
    "original string": Difference(
        "text", "pydicom", US, "PS3.5 6.2", "an IS is shown as it was written, '01'; pydicom shows the number"
    ),
    "newer UID": Difference(
        "text", "pydicom", US, "PS3.6 A", "UIDs that are newer than pydicom's dictionary have their names"
    ),
    "length is UL": Difference(
        "values text", "pydicom", US, "PS3.5 7.2", "a group length is UL, for pydicom UN where implicit VR left it open"
    ),
    # ---- DCMTK ----
    "precision": Difference(
        "json", "dcmtk", BOTH, "PS3.5 6.2", "FL with 9 digits and FD with 17 are the same numbers as ours"
    ),
    "resolved": Difference(
        "json dump", "dcmtk", BOTH, "PS3.5 6.2.2",
        "UN may be looked up; DCMTK leaves it, we use the dictionaries; its bytes are those we have",
    ),
    "item character set": Difference(
        "json", "dcmtk", US, "PS3.18 F.2.2", "all text is UTF-8; DCMTK says so at the top, not in items"
    ),
    "empty character set": Difference(
        "json", "dcmtk", US, "PS3.18 F.2.5", "what is empty stays empty; DCMTK fills it in"
    ),
    "delimiters": Difference(
        "json", "dcmtk", BOTH, "PS3.5 6.2.1.1", "trailing delimiters of a name may be left out; we keep the text"
    ),
    "padded bytes": Difference(
        "json", "dcmtk", US, "PS3.18 F.2.7", "bytes are those of the value; DCMTK pads an odd number of them"
    ),
    "trailing NUL": Difference(
        "json", "dcmtk", US, "PS3.5 6.2", "text is padded with spaces; a NUL in that place is padding too, not text"
    ),
    "blanks": Difference(
        "json", "dcmtk", US, "PS3.18 F.2.5", "a value of padding alone is empty, so no Value; DCMTK has [null]"
    ),
    "undecided VR": Difference(
        "dump", "dcmtk", US, "PS3.5 7.1.2 and A",
        "DCMTK prints names of its own (up, xs) where implicit VR leaves US or SS open; we decide by the context",
    ),
    "encapsulated OW": Difference(
        "dump", "dcmtk", BOTH, "PS3.5 A.4", "encapsulated Pixel Data is OB; DCMTK corrects, we say what is there"
    ),
    "odd length": Difference(
        "dump", "dcmtk", BOTH, "PS3.5 7.1.1", "lengths are even; DCMTK corrects an odd one, we say what is there"
    ),
}  # fmt: skip

_CT = "cornerstoneWADOImageLoader/examples/test-images/CTImage.dcm_"
_LJ = "pylibjpeg-data/ljdata/ds/"
_IM = "dicomParser/testImages/encapsulated/multi-frame/IM00001."
_ICONV = (US, "PS3.3 C.12.1.1.2", "its converter of character sets stops at the text, which is as the standard has it")
_UN = (BOTH, "PS3.5 6.2.2", "(0008,0005) has VR UN, which DCMTK does not look up, and then has no such set")
_TERM = (THEM, "PS3.3 C.12.1.1.2", "the set of characters is no defined term there; we read it with a diagnostic")
_DAMAGED = (BOTH, "PS3.5 7.1.3", "elements of implicit VR in an explicit data set; we read it with a diagnostic")

# Files that a tool of DCMTK does not take: who is right, by which section, and why.
FILES: dict[tuple[str, str], tuple[str, str, str]] = {
    ("dcm2json", "pydicom/charset_files/chrH31.dcm"): _ICONV,
    ("dcm2json", "pydicom/charset_files/chrH32.dcm"): _ICONV,
    ("dcm2json", "pydicom/charset_files/chrJapMulti.dcm"): _ICONV,
    ("dcm2json", "pydicom/charset_files/chrJapMultiExplicitIR6.dcm"): _ICONV,
    ("dcm2json", "pydicom/charset_files/chrSQEncoding.dcm"): (
        US, "PS3.5 6.1.2.3", "an item with a set of its own: what DCMTK writes is no UTF-8"),
    ("dcm2json", "pydicom/charset_files/chrSQEncoding1.dcm"): _ICONV,
    ("dcm2json", "pydicom/test_files/J2K_pixelrep_mismatch.dcm"): _ICONV,
    ("dcm2json", f"{_IM}implicit_little_endian.dcm"): _TERM,
    ("dcm2json", f"{_IM}fragmented_no_bot_jpeg_baseline.50.dcm"): _TERM,
    ("dcm2json", f"{_LJ}JPEG2000/ELSCINT1_JP2vsJ2K.dcm"): _TERM,
    ("dcm2json", f"{_LJ}JPEG2000Lossless/JPEG2KLossless_1s_1f_u_16_16.dcm"): (
        THEM, "PS3.5 6.1.2.1", "letters beyond ASCII and no set of characters; we show them as Latin 1"),
    ("dcm2json", "pydicom-data/explicit_VR-UN.dcm"): _UN,
    ("dcm2json", f"{_CT}JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm"): _UN,
    ("dcm2json", f"{_CT}JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91.dcm"): _UN,
    ("dcm2json", f"{_CT}JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81.dcm"): _UN,
    ("dcm2json", "pydicom/test_files/SC_rgb_jpeg.dcm"): _DAMAGED,
    ("dcm2json", "nibabel/nibabel/nicom/tests/data/slicethickness_empty_string.dcm"): (
        US, "PS3.18 F.2.7", "an icon of compressed pixels, for which DCMTK has no form; bytes are bytes"),
    ("dcmdump", "pydicom/test_files/SC_rgb_jpeg.dcm"): _DAMAGED,
}  # fmt: skip

# Files that end inside an element: an error for us, where pydicom returns what there is (PS3.10 7.1, PS3.5 7.1.1:
# a value has its length). Nothing is cut off silently here; what comes before can be had with strictness "salvage".
TRUNCATED = {
    "pydicom/test_files/MR_truncated.dcm": "pixel data shorter than its length",
    "pydicom/test_files/rtplan_truncated.dcm": "cut inside a sequence",
    "pydicom/test_files/dicomdirtests/DICOMDIR-nooffset": "the last item is 24 bytes shorter than its length",
    "pydicom/test_files/no_meta.dcm": "a stray byte before the first element makes every tag a wrong one",
    "pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm": "cut inside the fragments",
}
# Values that are no values of their VR: an error when they are touched; pydicom raises one too, or warns.
INVALID = {("pydicom/test_files/badVR.dcm", 0x00280008): "'1A' is no integer string (PS3.5 6.2)"}

NUMBERS = ("SL", "UL", "SS", "US", "FL", "FD")
ARRAY = re.compile(r"Array of (\d+) elements$")


# ---- DICOM JSON -----------------------------------------------------------------------------------------------------


def json_reason_pydicom(path: str, ours: Any, theirs: Any, big: bool) -> str | None:
    """Which row accounts for two attribute objects, ours and pydicom's."""
    last = path.rpartition(".")[2]
    if last.endswith("0000") and ours is None:
        return "group length"
    if ours is None or theirs is None or ours["vr"] != theirs["vr"]:
        return None
    if ours == {"vr": "SQ"} and theirs == {"vr": "SQ", "Value": []}:
        return "empty sequence"
    if "InlineBinary" in ours and big:
        mine, other = (base64.b64decode(one["InlineBinary"]) for one in (ours, theirs))
        return "byte order" if mine[::2] == other[1::2] or mine == other[::-1] else None
    mine, other = ours.get("Value", []), theirs.get("Value", [])
    if big and int(last[:4], 16) & 1 and len(mine) == len(other) and ours["vr"] in NUMBERS:
        return "UN in big endian"
    if [value or "" for value in mine] == other:
        return "empty value"
    if ours["vr"] == "CS" and [value or "" for value in mine] == [value.strip(" ") for value in other]:
        return "padding"
    return None


def _same_float(one: Any, other: Any) -> bool:
    return isinstance(one, (int, float)) and isinstance(other, (int, float)) and math.isclose(one, other, rel_tol=1e-8)


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        value = {group: name.rstrip("^") for group, name in value.items() if name.strip("^")}
    return value or None


def _number_or_text(value: Any) -> Any:
    """What DCMTK has for text that is no JSON number: a string, with its padding."""
    text = value.rstrip("\0 ") if isinstance(value, str) else value
    try:
        return float(text)
    except (TypeError, ValueError):
        return text


def json_reason_dcmtk(path: str, ours: Any, theirs: Any, raw: bytes) -> str | None:
    """Which row accounts for two attribute objects, ours and DCMTK's; ``raw`` are the bytes in the file."""
    if ours is None or theirs is None:
        return None
    if ours["vr"] != theirs["vr"]:
        same = base64.b64decode(theirs.get("InlineBinary", "")) in (raw, raw + b"\0") or ours["vr"] == "SQ"
        return "resolved" if theirs["vr"] == "UN" and same else None
    if path.rpartition(".")[2] == "00080005":
        return "item character set" if "." in path else "empty character set" if "Value" not in ours else None
    mine, other = ours.get("Value", []), theirs.get("Value", [])
    if other == [None] and not mine:
        return "blanks"
    if ours["vr"] in ("FL", "FD") and all(_same_float(a, b) for a, b in zip(mine, other, strict=True)):
        return "precision"
    if ours["vr"] == "PN":
        names = [[one for value in values if (one := _stripped(value))] for values in (mine, other)]
        return "delimiters" if names[0] == names[1] else None
    if "InlineBinary" in ours:
        padded = base64.b64decode(ours["InlineBinary"]) + b"\0"
        return "padded bytes" if padded == base64.b64decode(theirs.get("InlineBinary", "")) else None
    if list(map(_number_or_text, mine)) == list(map(_number_or_text, other)):
        return "trailing NUL" if raw.endswith(b"\0") else None
    return None


# ---- text -----------------------------------------------------------------------------------------------------------


def _parts(line: str) -> tuple[str, str, str]:
    """Tag with its indent, name, and what stands after the name."""
    found = re.match(r"( *\(\w{4},\w{4}\)) +(.*?) +((?:[A-Z]{2}: .*)|(?:\d+ item\(s\) ---- ))$", line, re.DOTALL)
    return (found[1], found[2], found[3]) if found else ("", "", line)


def text_reason(ours: str, theirs: str, vr: str, big: bool) -> str | None:
    """Which row accounts for two lines of ``str(dataset)``, ours and pydicom's."""
    (tag, name, value), (other_tag, other_name, other_value) = _parts(ours), _parts(theirs)
    if not tag or tag != other_tag:
        return None
    private = int(tag.strip()[1:5], 16) & 1
    if tag.endswith(",0000)") and value.startswith("UL") and other_value.startswith("UN"):
        return "length is UL"
    if name != other_name:
        creator = "Private Creator" in (name, other_name)
        return None if not private or value != other_value else "creator" if creator else "private name"
    if ARRAY.search(other_value) and vr in ("LT", "ST", "UT", "UC", "UR"):
        return "long text"
    if vr == "PN" and value.replace("'", "").replace('"', "") == other_value.replace("'", "").replace('"', ""):
        return "several names"
    if vr == "UI" and other_value[4:].startswith("1.2.840.10008.") and UID(other_value[4:]).name == value[4:]:
        return "newer UID"
    if vr == "IS" and int(value[5:-1]) == int(other_value[5:-1]):
        return "original string"
    if value.endswith(": None") and other_value.endswith(": ''"):
        return "no number"
    if vr == "CS" and re.sub(r" *' *", "'", value[4:]) == re.sub(r" *' *", "'", other_value[4:]):
        return "padding"
    return "UN big endian text" if big and private and value[:4] == other_value[:4] else None


# ---- dcmdump --------------------------------------------------------------------------------------------------------


def dump_reason(tag: int, ours: str, theirs: str) -> str | None:
    """Which row accounts for two VRs, that of our dump and that of ``dcmdump``."""
    if theirs in ("up", "xs", "ox", "lt", "px"):
        return "undecided VR"
    if theirs == "UN":
        return "resolved"
    if tag == 0x7FE00010 and {ours, theirs} == {"OB", "OW"}:
        return "encapsulated OW"
    return None

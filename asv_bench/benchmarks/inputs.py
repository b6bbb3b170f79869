"""Objects to measure with, made from seeds by an encoder of our own: no measured toolkit had a hand in them.

An element is ``(tag, vr, value)`` with the value's bytes, or the items of a sequence.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from typing import Final, TypeAlias

__all__ = [
    "CT_STORAGE",
    "EXPLICIT",
    "IMPLICIT",
    "INDEX_KEYS",
    "big_words",
    "ct_slice",
    "encode",
    "enhanced_mr",
    "multiframe_head",
    "part10",
    "segmentation",
    "small_instance",
    "sr_tree",
    "structure_set",
]

Element: TypeAlias = "tuple[int, str, bytes | list[list[Element]]]"

IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
BIG: Final = "1.2.840.10008.1.2.2"
CT_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.2"
MR_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.4.1"
SR_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.88.33"
SEG_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.66.4"
RT_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.481.3"
SECONDARY: Final = "1.2.840.10008.5.1.4.1.1.7.2"
INDEX_KEYS: Final = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "Modality",
    "PatientName",
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
)

_LONG: Final = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}  # PS3.5 7.1.2
_ROOT: Final = "1.2.826.0.1.3680043.8.498"

# What a scanner says of a slice: tag, VR, value. {n} is the slice, {z} its place, {series} and {patient} numbers.
_CT: Final = r"""
00080005 CS ISO_IR 100
00080008 CS ORIGINAL\PRIMARY\AXIAL\CT_SOM5 SPI
00080012 DA 20240311
00080013 TM 101502.000000
00080020 DA 20240311
00080021 DA 20240311
00080022 DA 20240311
00080023 DA 20240311
00080030 TM 100733.421000
00080031 TM 101344.187000
00080032 TM 101402.733212
00080033 TM 101402.733212
00080050 SH A{patient:07d}
00080060 CS CT
00080070 LO EXAMPLE MEDICAL
00080080 LO ST. ELSEWHERE HOSPITAL
00080081 ST 1 EXAMPLE STREET\SPRINGFIELD
00080090 PN REFERRING^ANNA^^DR
00081010 SH CT0042
00081030 LO CHEST^ROUTINE (ADULT)
0008103E LO Thorax 1.0 B31f
00081040 LO Radiology
00081050 PN PERFORMING^BRUNO
00081070 PN OPERATOR^C
00081090 LO Sensation 64
00100010 PN MÜLLER^JÜRGEN {patient}
00100020 LO PAT{patient:06d}
00100030 DA 19560417
00100040 CS M
00101010 AS 067Y
00101020 DS 1.78
00101030 DS 82.5
00102160 SH
00104000 LT No known allergies.
00180010 LO OMNIPAQUE 350
00180015 CS CHEST
00180022 CS HELICAL MODE
00180050 DS 1
00180060 DS 120
00180090 DS 500
00181000 LO 55123
00181020 LO syngo CT 2012B
00181030 LO ThoraxRoutine
00181040 LO IV
00181041 DS 90.0
00181044 DS 90
00181045 IS 1
00181046 DS 3.0
00181047 DS 30
00181049 DS 350
00181100 DS 356
00181110 DS 1040
00181111 DS 570
00181120 DS 0
00181130 DS 171.5
00181140 CS CW
00181150 IS 500
00181151 IS 178
00181152 IS 89
00181160 SH WEDGE_2
00181170 IS 21
00181190 DS 1.2
00181200 DA 20240311
00181201 TM 063012.000000
00181210 SH B31f
00185100 CS FFS
00189305 FD 0.5
00189306 FD 0.6
00189307 FD 38.4
00189309 FD 46.1
00189310 FD 23.0
00189311 FD 1.2
00189324 FD 7.28
00189345 FD 6.02
0020000D UI {root}.2.{patient}
0020000E UI {root}.3.{patient}.{series}
00200010 SH {patient}
00200011 IS {series}
00200012 IS 4
00200013 IS {n}
00200032 DS -177.65234375\-349.65234375\{z:.1f}
00200037 DS 1\0\0\0\1\0
00200052 UI {root}.5.{patient}
00201002 IS 412
00201040 LO
00201041 DS {z:.1f}
00204000 LT Reconstructed at 1 mm, no gap.
00280002 US 1
00280004 CS MONOCHROME2
00280010 US 512
00280011 US 512
00280030 DS 0.6953125\0.6953125
00280100 US 16
00280101 US 12
00280102 US 11
00280103 US 0
00280106 US 0
00280107 US 4095
00281050 DS 40\-600
00281051 DS 400\1200
00281052 DS -1024
00281053 DS 1
00281054 LO HU
00281055 LO WINDOW1\WINDOW2
00281056 CS LINEAR
00282110 CS 00
00321060 LO CT Chest with contrast
00400002 DA 20240311
00400003 TM 100000
00400244 DA 20240311
00400245 TM 100733.421000
00400253 SH 1
00400254 LO CHEST^ROUTINE (ADULT)
00400280 ST
00402017 LO REQ{patient:06d}
"""


def _even(value: bytes, pad: bytes) -> bytes:
    return value + pad if len(value) & 1 else value


def _packed(vr: str, text: str) -> bytes:
    if vr in ("US", "UL", "FD", "FL"):
        code = {"US": "H", "UL": "I", "FD": "d", "FL": "f"}[vr]
        numbers = [float(part) if code in "df" else int(part) for part in text.split("\\")]
        return struct.pack(f"<{len(numbers)}{code}", *numbers)
    return _even(text.encode("latin-1"), b"\0" if vr == "UI" else b" ")


def _element(tag: int, vr: str, text: str) -> Element:
    return tag, vr, _packed(vr, text)


def _code(tag: int, value: str, scheme: str, meaning: str) -> Element:
    """A code sequence of one item (PS3.3 8)."""
    parts = [(0x00080100, "SH", value), (0x00080102, "SH", scheme), (0x00080104, "LO", meaning)]
    return tag, "SQ", [[_element(*part) for part in parts]]


def encode(elements: Iterable[Element], *, implicit: bool = False, defined: bool = True) -> bytes:
    """The bytes of a data set in Little Endian, in order of tags; sequences of defined length, or delimited."""
    out: list[bytes] = []
    for tag, vr, value in sorted(elements, key=lambda element: element[0]):
        body = value if isinstance(value, bytes) else _sequence(value, implicit, defined)
        length = len(body) if defined or isinstance(value, bytes) else 0xFFFFFFFF
        head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        if implicit:
            out.append(head + struct.pack("<I", length))
        elif vr in _LONG:
            out.append(head + vr.encode() + struct.pack("<HI", 0, length))
        else:
            out.append(head + vr.encode() + struct.pack("<H", length))
        out.append(body)
    return b"".join(out)


def _sequence(items: list[list[Element]], implicit: bool, defined: bool) -> bytes:
    out: list[bytes] = []
    for item in items:
        body = encode(item, implicit=implicit, defined=defined)
        out.append(struct.pack("<HHI", 0xFFFE, 0xE000, len(body) if defined else 0xFFFFFFFF))
        out.append(body)
        if not defined:
            out.append(struct.pack("<HHI", 0xFFFE, 0xE00D, 0))
    if not defined:
        out.append(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    return b"".join(out)


def part10(data: bytes, sop_class: str, instance: str, syntax: str = EXPLICIT) -> bytes:
    """A DICOM file (PS3.10 7.1) around a data set."""
    meta = [
        (0x00020001, "OB", b"\0\1"),
        _element(0x00020002, "UI", sop_class),
        _element(0x00020003, "UI", instance),
        _element(0x00020010, "UI", syntax),
        _element(0x00020012, "UI", _ROOT),
    ]
    body = encode(meta)
    return bytes(128) + b"DICM" + encode([(0x00020000, "UL", struct.pack("<I", len(body)))]) + body + data


def instance_uid(number: int, kind: int = 4) -> str:
    """The SOP Instance UID of the object of this number."""
    return f"{_ROOT}.{kind}.{number}"


def _private(random_: random.Random) -> list[Element]:
    """A scanner's private group: a creator and many small values of all sorts."""
    found: list[Element] = [_element(0x00290010, "LO", "EXAMPLE CT HEADER")]
    for number in range(96):
        vr = ("DS", "IS", "LO", "US", "FD", "SH", "CS", "UL")[number % 8]
        text = {
            "DS": f"{random_.uniform(-500, 500):.4f}",
            "FD": repr(random_.uniform(0, 1)),
            "LO": f"setting {random_.randrange(1000)}",
            "SH": f"K{random_.randrange(100)}",
            "CS": "YES",
        }.get(vr, str(random_.randrange(1000)))
        found.append(_element(0x00291001 + number, vr, text))
    return found


def _references(sop_class: str, numbers: Iterable[int]) -> list[list[Element]]:
    return [[_element(0x00081150, "UI", sop_class), _element(0x00081155, "UI", instance_uid(n))] for n in numbers]


def ct_elements(number: int, *, pixels: int = 512 * 512 * 2, seed: int = 0) -> list[Element]:
    """One slice: some 260 elements, nested ones counted, and so many bytes of pixel data."""
    random_ = random.Random(seed * 1_000_003 + number)
    names = {"n": number, "z": -412.5 + number, "series": number // 100 + 1, "patient": number // 10, "root": _ROOT}
    found: list[Element] = []
    for line in _CT.strip().splitlines():
        tag, vr, text = int(line[:8], 16), line[9:11], line[12:].format(**names)
        found.append(_element(tag, vr, text))
    found += [
        _element(0x00080016, "UI", CT_STORAGE),
        _element(0x00080018, "UI", instance_uid(number)),
        (0x00081110, "SQ", _references("1.2.840.10008.3.1.2.3.1", [number])),
        (0x00081140, "SQ", _references(CT_STORAGE, range(number, number + 8))),
        _code(0x00081032, "41806003", "SCT", "CT of chest"),
        _code(0x00082218, "51185008", "SCT", "Chest"),
        _code(0x00080096, "74", "99EX", "Protocol"),
        (0x00400275, "SQ", [[_element(0x00400007, "LO", "CT Chest"), _element(0x00400009, "SH", "SPS1")]]),
        *_private(random_),
        (0x7FE00010, "OW", random_.randbytes(pixels)),
    ]
    return found


def ct_slice(number: int = 0, *, implicit: bool = False, pixels: int = 512 * 512 * 2) -> bytes:
    """The data set of a CT slice of 512 x 512 x 16 bit."""
    return encode(ct_elements(number, pixels=pixels), implicit=implicit, defined=False)


def small_instance(number: int = 0) -> bytes:
    """The data set of an image of 39 kB."""
    return ct_slice(number, pixels=34_398)


def _frame(number: int, random_: random.Random) -> list[Element]:
    """The functional groups of one frame (PS3.3 C.7.6.16.2, C.8.13.5)."""

    def group(tag: int, *parts: Element) -> Element:
        return tag, "SQ", [list(parts)]

    z = f"{-120 + number * 1.5:.2f}"
    return [
        group(0x00189112, _element(0x00189082, "FD", "4.6"), _element(0x00180086, "IS", "1")),
        group(0x00189115, _element(0x00189016, "CS", "NONE"), _element(0x00189081, "CS", "NO"),
              _element(0x00189078, "CS", "SENSE"), _element(0x00189069, "FD", "2"), _element(0x00189155, "FD", "1")),
        group(0x00189117, (0x00189076, "SQ", [[_element(0x00189089, "FD", "0.1\\0.7\\0.7")]]),
              _element(0x00189075, "CS", "DIRECTIONAL"), _element(0x00189087, "FD", "1000")),
        group(0x00189119, _element(0x00189098, "FD", repr(127.7 + random_.random())),
              _element(0x00189151, "DT", "20240311101402.730000"), _element(0x00189220, "FD", "12.5")),
        group(0x00189226, _element(0x00089007, "CS", "ORIGINAL\\PRIMARY\\DIFFUSION\\NONE"),
              _element(0x00089205, "CS", "MONOCHROME"), _element(0x00089206, "CS", "VOLUME"),
              _element(0x00089207, "CS", "NONE"), _element(0x00089208, "CS", "MAGNITUDE"),
              _element(0x00089209, "CS", "DIFFUSION")),
        group(0x00209071, _code(0x00082218, "12738006", "SCT", "Brain"), _element(0x00209072, "CS", "U")),
        group(0x00209111, _element(0x00189073, "FD", "3200"), _element(0x00189074, "DT", "20240311101402.730000"),
              _element(0x00189151, "DT", "20240311101403.110000"), _element(0x00209056, "SH", "1"),
              _element(0x00209057, "UL", str(number + 1)), _element(0x00209128, "UL", "1"),
              _element(0x00209157, "UL", f"1\\{number + 1}\\1"), _element(0x00209156, "US", str(number % 60000))),
        group(0x00209113, _element(0x00200032, "DS", f"-110.25\\-98.5\\{z}")),
        group(0x00209116, _element(0x00200037, "DS", "1\\0\\0\\0\\0.98\\-0.19")),
        group(0x00289110, _element(0x00180050, "DS", "3"), _element(0x00180088, "DS", "3.3"),
              _element(0x00280030, "DS", "0.9375\\0.9375")),
        group(0x00289132, _element(0x00281050, "DS", str(random_.randrange(500))),
              _element(0x00281051, "DS", str(random_.randrange(900)))),
        group(0x00289145, _element(0x00281052, "DS", "0"), _element(0x00281053, "DS", f"{random_.random():.6f}"),
              _element(0x00281054, "LO", "US")),
        group(0x00409096, _element(0x00409210, "SH", "ADC"), _element(0x00409224, "FD", "0"),
              _element(0x00409225, "FD", "1"), _code(0x004008EA, "1", "UCUM", "no units")),
    ]  # fmt: skip


def enhanced_mr(frames: int = 1000, *, implicit: bool = False, seed: int = 0) -> bytes:
    """The data set of an enhanced MR with some sixty elements of functional groups for each frame, without pixels."""
    random_ = random.Random(seed)
    head: list[Element] = [
        _element(0x00080005, "CS", "ISO_IR 100"),
        _element(0x00080016, "UI", MR_STORAGE),
        _element(0x00080018, "UI", instance_uid(seed, 6)),
        _element(0x00080060, "CS", "MR"),
        _element(0x00100010, "PN", "DOE^JANE"),
        _element(0x00100020, "LO", "PAT1"),
        _element(0x0020000D, "UI", f"{_ROOT}.2.900"),
        _element(0x0020000E, "UI", f"{_ROOT}.3.900.1"),
        _element(0x00280008, "IS", str(frames)),
    ]
    groups: Element = (0x52009230, "SQ", [_frame(number, random_) for number in range(frames)])
    return encode([*head, groups], implicit=implicit)


def _measurement(number: int, random_: random.Random) -> list[Element]:
    """A NUM content item (PS3.3 C.18.1)."""
    measured: Element = (0x0040A300, "SQ", [[_code(0x004008EA, "mm", "UCUM", "millimetre"),
                                             _element(0x0040A30A, "DS", f"{random_.uniform(1, 60):.2f}")]])  # fmt: skip
    return [
        _element(0x0040A010, "CS", "CONTAINS"),
        _element(0x0040A040, "CS", "NUM"),
        _code(0x0040A043, str(100_000 + number % 500), "99EX", f"Measurement {number % 500}"),
        measured,
    ]


def sr_tree(items: int = 5000, *, seed: int = 0) -> bytes:
    """The data set of a structured report: containers of ten measurements each."""
    random_ = random.Random(seed)
    containers: list[list[Element]] = [
        [
            _element(0x0040A010, "CS", "CONTAINS"),
            _element(0x0040A040, "CS", "CONTAINER"),
            _code(0x0040A043, "125007", "DCM", "Measurement Group"),
            _element(0x0040A050, "CS", "SEPARATE"),
            (0x0040A730, "SQ", [_measurement(start + number, random_) for number in range(10)]),
        ]
        for start in range(0, items, 10)
    ]
    head: list[Element] = [
        _element(0x00080005, "CS", "ISO_IR 192"),
        _element(0x00080016, "UI", SR_STORAGE),
        _element(0x00080018, "UI", instance_uid(seed, 7)),
        _element(0x00080060, "CS", "SR"),
        _element(0x00100020, "LO", "PAT1"),
        _element(0x0020000D, "UI", f"{_ROOT}.2.900"),
        _element(0x0040A040, "CS", "CONTAINER"),
        _code(0x0040A043, "126000", "DCM", "Imaging Measurement Report"),
        (0x0040A730, "SQ", containers),
    ]
    return encode(head, defined=False)


def _segment_frame(number: int) -> list[Element]:
    """What the functional groups of one frame of a segmentation say (PS3.3 A.51.5)."""
    source: list[Element] = [
        _element(0x00081150, "UI", CT_STORAGE),
        _element(0x00081155, "UI", instance_uid(number % 400)),
        _element(0x00081160, "IS", "1"),
        _code(0x0040A170, "121322", "DCM", "Source image for image processing operation"),
    ]
    return [
        (0x00089124, "SQ", [[(0x00082112, "SQ", [source]), _code(0x00089215, "113076", "DCM", "Segmentation")]]),
        (0x00209111, "SQ", [[_element(0x00209157, "UL", f"{number // 400 + 1}\\{number % 400 + 1}")]]),
        (0x00209113, "SQ", [[_element(0x00200032, "DS", f"-177.65\\-349.65\\{-412.5 + number % 400:.1f}")]]),
        (0x0062000A, "SQ", [[_element(0x0062000B, "US", str(number // 400 + 1))]]),
    ]


def segmentation(frames: int = 12_000, *, seed: int = 0) -> bytes:
    """The data set of a segmentation, its sequences delimited, without pixels: nineteen elements for each frame."""
    head: list[Element] = [
        _element(0x00080005, "CS", "ISO_IR 192"),
        _element(0x00080016, "UI", SEG_STORAGE),
        _element(0x00080018, "UI", instance_uid(seed, 9)),
        _element(0x00080060, "CS", "SEG"),
        _element(0x00100020, "LO", "PAT1"),
        _element(0x0020000D, "UI", f"{_ROOT}.2.900"),
        _element(0x00280008, "IS", str(frames)),
    ]
    groups: Element = (0x52009230, "SQ", [_segment_frame(number) for number in range(frames)])
    return encode([*head, groups], defined=False)


def structure_set(contours: int = 500, points: int = 900, *, seed: int = 0) -> bytes:
    """The data set of an RT structure set (PS3.3 C.8.8.6) of ten regions."""
    random_ = random.Random(seed)

    def contour(number: int) -> list[Element]:
        z = f"{number - 250:.2f}"
        places = [f"{random_.uniform(-250, 250):.2f}\\{random_.uniform(-250, 250):.2f}\\{z}" for _ in range(points)]
        data = _packed("DS", "\\".join(places))
        return [
            _element(0x30060042, "CS", "CLOSED_PLANAR"),
            _element(0x30060046, "IS", str(points)),
            (0x30060050, "DS", data),
        ]

    regions: list[list[Element]] = [
        [
            _element(0x3006002A, "IS", "255\\0\\0"),
            (0x30060040, "SQ", [contour(number) for number in range(region, contours, 10)]),
            _element(0x30060084, "IS", str(region + 1)),
        ]
        for region in range(10)
    ]
    head: list[Element] = [
        _element(0x00080016, "UI", RT_STORAGE),
        _element(0x00080018, "UI", instance_uid(seed, 10)),
        _element(0x00080060, "CS", "RTSTRUCT"),
        _element(0x00100020, "LO", "PAT1"),
    ]
    return encode([*head, (0x30060039, "SQ", regions)], implicit=True)


def big_words(size: int) -> bytes:
    """The data set of an image of 16 bits of so many bytes, in Explicit VR Little Endian."""
    block = random.Random(0).randbytes(1_000_000)
    head = encode([_element(0x00280100, "US", "16"), _element(0x00280103, "US", "0")])
    pixels = (block * (size // len(block) + 1))[:size]
    return b"".join([head, struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size), pixels])


def multiframe_head(size: int, number: int = 0) -> tuple[str, bytes]:
    """A multi-frame object's UID and all of its data set but the ``size`` bytes of pixel data that follow it."""
    uid = instance_uid(number, 8)
    frames = max(1, size // (1024 * 1024))
    elements = [
        _element(0x00080016, "UI", SECONDARY),
        _element(0x00080018, "UI", uid),
        _element(0x00080060, "CS", "OT"),
        _element(0x00100010, "PN", "DOE^JANE"),
        _element(0x00100020, "LO", "PAT2"),
        _element(0x0020000D, "UI", f"{_ROOT}.2.901"),
        _element(0x0020000E, "UI", f"{_ROOT}.3.901.1"),
        _element(0x00280002, "US", "1"),
        _element(0x00280004, "CS", "MONOCHROME2"),
        _element(0x00280008, "IS", str(frames)),
        _element(0x00280010, "US", "1024"),
        _element(0x00280011, "US", "1024"),
        _element(0x00280100, "US", "8"),
        _element(0x00280101, "US", "8"),
        _element(0x00280102, "US", "7"),
        _element(0x00280103, "US", "0"),
    ]
    return uid, encode(elements) + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, size)

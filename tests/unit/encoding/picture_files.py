"""Pictures, documents and videos as their own libraries write them, and an object of every kind made of them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pacskit import images
from pacskit.core.dataset import Dataset
from pacskit.encoding.codecs.video import encode_video

Array = NDArray[Any]
SYNTAX = "1.2.840.10008.1.2.4."

GRAY: Array = (np.add.outer(np.arange(40), np.arange(56)) * 2).astype(np.uint8)
RGB: Array = np.ascontiguousarray(np.stack([GRAY, np.roll(GRAY, 7, 1), 255 - GRAY], -1))
DEEP: Array = GRAY.astype(np.uint16) * 257


def picture(pixels: Array, format: str, **options: Any) -> bytes:
    """A file that Pillow writes."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format, **options)
    return target.getvalue()


def oriented(pixels: Array, format: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(pixels, format, exif=exif, **({"quality": 100, "subsampling": 0} if format == "JPEG" else {}))


PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\nxref\n0 3\n"
    b"0000000000 65535 f \n0000000009 00000 n \n0000000054 00000 n \n"
    b"trailer<</Size 3/Root 1 0 R>>\nstartxref\n100\n%%EOF\n"
)
CDA = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3">'
    b'<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/><id root="1.2.3.4" extension="9"/>'
    b'<code code="11488-4" codeSystem="2.16.840.1.113883.6.1" codeSystemName="LOINC" displayName="Consult note"/>'
    b"<title>Good <!-- nothing -->Health\n Clinic</title><effectiveTime value='20260401'/>"
    b'<recordTarget><patientRole><id extension="42" root="1.2"/><patient><name><given>Jane</given>'
    b"<family>Doe</family></name><administrativeGenderCode code='F' codeSystem='2.16.840.1.113883.5.1'/>"
    b"<birthTime value='19700102'/></patient></patientRole></recordTarget></ClinicalDocument>\n"
)
STL = (
    b"made by a test".ljust(80, b"\0")
    + struct.pack("<I", 2)
    + struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)
    + struct.pack("<12fH", 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0)
)
MTL = b"# colours\nnewmtl red\nKd 1 0 0\n"
OBJ = b"mtllib red.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvn 0 0 1\nusemtl red\nf 1//1 2//1 \\\n -1//-1\n"
DOCUMENTS = {"pdf": PDF, "cda": CDA, "stl": STL, "mtl": MTL, "obj": OBJ}

HEAD = [Dataset(CodeValue="69536005", CodingSchemeDesignator="SCT", CodeMeaning="Head")]
EYE: dict[str, Any] = {
    "ImageLaterality": "L",
    "AnatomicRegionSequence": [Dataset(CodeValue="81745001", CodingSchemeDesignator="SCT", CodeMeaning="Eye")],
    "AcquisitionDeviceTypeCodeSequence": [
        Dataset(CodeValue="409898007", CodingSchemeDesignator="SCT", CodeMeaning="Fundus Camera")
    ],
    "LossyImageCompression": "00",
}
MM = images.DocumentOptions(units="mm")


@cache
def video(number: str, *, container: str = "mp4", frames: int = 4) -> bytes:
    """A video of a transfer syntax: a picture that moves to the right."""
    big = np.repeat(np.repeat(RGB, 4, 0), 4, 1)
    shown = [np.roll(big, 8 * n, 1) for n in range(frames)]
    if number == "108":
        shown = [one.astype(np.uint16) * 4 for one in shown]
    return encode_video(shown, SYNTAX + number, 25, container=container)  # type: ignore[arg-type]


def of_class(name: str, **options: Any) -> images.BuildOptions:
    return images.BuildOptions(sop_class=name, **options)


def obj_and_mtl() -> tuple[Dataset, Dataset]:
    material = images.encapsulate_document(MTL, document=MM)
    document = images.DocumentOptions(units="mm", materials={"red.mtl": material})
    model = images.encapsulate_document(
        OBJ, images.BuildOptions(like=material, same="series"), document=document, InstanceNumber=2
    )
    return model, material


def _videos() -> Iterator[tuple[str, Callable[[], Dataset]]]:
    kinds = {"100": "video-endoscopic", "101": "video-microscopic"}
    for number in ("100", "101", "102", "104", "107", "108"):
        container = "mpegts" if number in kinds else "mp4"
        yield (
            f"video {number}",
            lambda number=number, container=container: images.from_video(  # type: ignore[misc]
                video(number, container=container),
                of_class(kinds.get(number, "video-photographic")),
                AnatomicRegionSequence=HEAD,
            ),
        )


MADE: dict[str, Callable[[], Dataset]] = {
    "gray 8": lambda: images.from_array(GRAY),
    "gray 12": lambda: images.from_array(DEEP >> 4, bits_stored=12),
    "gray signed": lambda: images.from_array(DEEP.astype(np.int16)),
    "white is zero": lambda: images.from_array(GRAY, photometric="MONOCHROME1"),
    "rgb": lambda: images.from_array(RGB),
    "ybr": lambda: images.from_array(RGB, photometric="YBR_FULL"),
    "rgb 16": lambda: images.from_array(RGB.astype(np.uint16) * 257),
    "bits": lambda: images.from_array(np.stack([GRAY[:39, :55] > 50, GRAY[:39, :55] > 90])),
    "one bit frame": lambda: images.from_array(GRAY > 50),
    "bytes": lambda: images.from_array(np.stack([GRAY, 255 - GRAY])),
    "one byte frame": lambda: images.from_array(GRAY, images.BuildOptions(multi_frame=True)),
    "words": lambda: images.from_array(np.stack([DEEP, DEEP >> 1])),
    "colors": lambda: images.from_array(np.stack([RGB, 255 - RGB])),
    "film": lambda: images.from_array(np.stack([RGB, 255 - RGB]), images.BuildOptions(frame_time=40)),
    "jpeg": lambda: images.from_file(picture(RGB, "JPEG")),
    "jpeg 444": lambda: images.from_file(picture(RGB, "JPEG", subsampling=0)),
    "jpeg gray": lambda: images.from_file(picture(GRAY, "JPEG")),
    "jpeg rgb": lambda: images.from_file(picture(RGB, "JPEG", keep_rgb=True)),
    "jpegs": lambda: images.from_files([picture(RGB, "JPEG"), picture(255 - RGB, "JPEG")]),
    "progressive": lambda: images.from_file(picture(RGB, "JPEG", progressive=True)),
    "jpeg 2000": lambda: images.from_file(picture(RGB, "JPEG2000")),
    "jpeg 2000 lossy": lambda: images.from_file(picture(RGB, "JPEG2000", irreversible=True, mct=1)),
    "png": lambda: images.from_file(picture(RGB, "PNG")),
    "tiff": lambda: images.from_file(picture(DEEP, "TIFF")),
    "webp": lambda: images.from_file(picture(RGB, "WEBP", lossless=True)),
    **{
        f"{name} {kind}": lambda name=name, data=data: images.from_file(data, of_class(name))  # type: ignore[misc]
        for name in ("vl-photographic", "vl-endoscopic", "vl-microscopic")
        for kind, data in (("jpeg", picture(RGB, "JPEG")), ("gray", picture(GRAY, "PNG")))
    },
    "ophthalmic 8": lambda: images.from_array(RGB, of_class("ophthalmic-8-bit"), **EYE),
    "ophthalmic 16": lambda: images.from_array(DEEP, of_class("ophthalmic-16-bit"), **EYE),
    "ophthalmic jpeg": lambda: images.from_file(picture(RGB, "JPEG"), of_class("ophthalmic-8-bit"), **EYE),
    "ophthalmic film": lambda: images.from_array(
        np.stack([GRAY, GRAY]), of_class("ophthalmic-8-bit", frame_time=100), **EYE
    ),
    **dict(_videos()),
    "pdf": lambda: images.encapsulate_document(PDF),
    "cda": lambda: images.encapsulate_document(CDA),
    "stl": lambda: images.encapsulate_document(STL, document=MM),
    "obj": lambda: obj_and_mtl()[0],
    "mtl": lambda: obj_and_mtl()[1],
}
"""An object of every kind."""

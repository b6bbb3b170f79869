"""What a data set says after its pixels were converted (PS3.3 C.7.6.3, C.7.6.1.1.5 and C.12.4, PS3.5 8.1 and 8.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pacskit.core.dataset import Dataset
from pacskit.core.uid import UID, generate_uid
from pacskit.encoding.codecs.native import cells_from
from pacskit.encoding.reader import decode
from pacskit.encoding.transcoding.plan import PIXEL_DATA, Frames
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE
from pacskit.encoding.writer import encode

__all__ = ["Identity", "NewUid", "forget_tables", "free_overlays", "plain_icons", "set_loss", "set_pixels"]

NewUid = Literal["lossy", "always", "never"]

_TABLES: Final = (0x7FE00000, 0x7FE00001, 0x7FE00002, 0x7FE00003)
"""Group Length, Extended Offset Table, its lengths, Encapsulated Pixel Data Value Total Length."""
_DESCRIPTION: Final = 1024  # characters of an ST
_METHODS: Final = {
    **dict.fromkeys(("50", "51", "57", "70"), "ISO_10918_1"),
    **dict.fromkeys(("80", "81"), "ISO_14495_1"),
    **dict.fromkeys(("90", "91"), "ISO_15444_1"),
    **dict.fromkeys(("201", "202", "203"), "ISO_15444_15"),
    **dict.fromkeys(("110", "111", "112"), "ISO_18181_1"),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """When the result is an instance of its own, and which UID it gets then: made up, given, or made of the old one."""

    new_uid: NewUid = "lossy"
    sop_instance_uid: str | Callable[[str], str] | None = None

    def uid_for(self, before: str) -> str:
        """The UID of what was made from the instance ``before``."""
        uid = self.sop_instance_uid
        return generate_uid() if uid is None else uid if isinstance(uid, str) else uid(before)


def forget_tables(dataset: Dataset) -> None:
    """Take out the tables of the frames that were."""
    for tag in _TABLES:
        if tag in dataset:
            del dataset[tag]


def set_pixels(dataset: Dataset, frames: Frames, high_bit: int) -> None:
    """Say what the new frames are; what is right already is not touched."""
    format = frames.format
    wanted: dict[str, Any] = {"PhotometricInterpretation": frames.photometric}
    if format.samples > 1:
        wanted["PlanarConfiguration"] = frames.planar
    if format.bits_allocated != frames.decoded.bits_allocated:
        wanted["BitsAllocated"] = format.bits_allocated
    if high_bit != format.bits_stored - 1:
        wanted["HighBit"] = format.bits_stored - 1
    for keyword, value in wanted.items():
        if dataset.get(keyword) != value:
            setattr(dataset, keyword, value)


# -- loss --------------------------------------------------------------------------------------------------------------


def _texts(value: Any) -> list[str]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return ["" if one is None else str(one) for one in values]


def _appended(dataset: Dataset, keyword: str, value: str) -> None:
    before = dataset.get(keyword)
    setattr(dataset, keyword, [*_texts(before), value] if before not in (None, "", []) else value)


def method_of(syntax: str) -> str:
    """The defined term of Lossy Image Compression Method for a transfer syntax."""
    return _METHODS.get(syntax.rpartition(".")[2], "")


def ratio_text(raw: int, encoded: int) -> str:
    """A compression ratio in eight characters, so that it can be put in when all frames are written."""
    return f"{min(raw / max(1, encoded), 999999.0):.7f}"[:8]


def _mark(dataset: Dataset, syntax: str, ratio: str) -> None:
    dataset.LossyImageCompression = "01"
    _appended(dataset, "LossyImageCompressionRatio", ratio)
    _appended(dataset, "LossyImageCompressionMethod", method_of(syntax))


def _code(value: str, meaning: str) -> Dataset:
    return Dataset(CodeValue=value, CodingSchemeDesignator="DCM", CodeMeaning=meaning)


def _derived(dataset: Dataset, target: str) -> None:
    """Image Type and Frame Type begin with DERIVED, and the derivation is told (PS3.3 C.7.6.1.1.2 and C.12.4.1)."""
    frame_types = (found for found in dataset.find("FrameType") if "(" not in found[0])  # none that are private
    image_type = [("ImageType", dataset["ImageType"])] if "ImageType" in dataset else []
    for path, element in [*image_type, *frame_types]:
        values = _texts(element.value)
        if values[0] == "ORIGINAL":
            dataset.assign(path, ["DERIVED", *values[1:]])
    text = f"Lossy compression: {UID(target).name}"
    before = str(dataset.get("DerivationDescription") or "")
    joined = f"{before}; {text}" if before else text
    if len(joined) <= _DESCRIPTION:
        dataset.DerivationDescription = joined
    codes = list(dataset.get("DerivationCodeSequence") or ())
    dataset.DerivationCodeSequence = [*codes, _code("113040", "Lossy Compression")]


def _renamed(dataset: Dataset, identity: Identity, purpose: Dataset) -> None:
    """A SOP Instance UID of its own, with a reference to what it was made from (PS3.3 C.12.4.1.2)."""
    before, sop_class = dataset.get("SOPInstanceUID"), dataset.get("SOPClassUID")
    if before and sop_class:
        item = Dataset(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=before)
        item.PurposeOfReferenceCodeSequence = [purpose]
        dataset.SourceImageSequence = [*(dataset.get("SourceImageSequence") or ()), item]
    dataset.SOPInstanceUID = identity.uid_for(str(before or ""))


def set_loss(
    dataset: Dataset, frames: Frames | None, source: str, target: str, ratios: tuple[str, str], identity: Identity
) -> bool:
    """Say what was lost, now or before; return whether the result has a new SOP Instance UID.

    ``ratios`` are those of the source, where it was compressed, and of the target.
    """
    lossy = frames is not None and frames.lossy
    if frames is not None and frames.was_lossy and dataset.get("LossyImageCompression") != "01":
        _mark(dataset, source, ratios[0])
    was = dataset.get("LossyImageCompression") == "01"
    if lossy:
        _mark(dataset, target, ratios[1])
        _derived(dataset, target)
    if identity.new_uid == "always" or (lossy and identity.new_uid == "lossy"):
        original = lossy and not was
        purpose = _code("121320", "Uncompressed predecessor") if original else _code("121322", _PROCESSED)
        _renamed(dataset, identity, purpose)
        return True
    return False


_PROCESSED: Final = "Source image for image processing operation"


# -- overlays and icons ------------------------------------------------------------------------------------------------


def free_overlays(dataset: Dataset) -> None:
    """Give overlays in unused bits of the pixels data of their own (PS3.5 8.1.2): code streams have no such bits."""
    from pacskit.encoding.pixels.overlays import overlay_groups, overlay_of

    for group in overlay_groups(dataset):
        if group << 16 | 0x3000 in dataset or overlay_of(dataset, group).bit is None:
            continue
        data = _packed(dataset, group)
        dataset.add_new(group << 16 | 0x0100, "US", 1)
        dataset.add_new(group << 16 | 0x0102, "US", 0)
        dataset.add_new(group << 16 | 0x3000, "OW", data + b"\0" * (len(data) % 2))


def _packed(dataset: Dataset, group: int) -> bytes:
    import numpy as np

    from pacskit.encoding.pixels.overlays import overlay_array, overlay_of

    overlay = overlay_of(dataset, group)
    numbers = range(overlay.number_of_frames)
    if overlay.rows * overlay.columns % 8:
        return np.packbits(overlay_array(dataset, group).reshape(-1), bitorder="little").tobytes()
    parts = (overlay_array(dataset, group, number).reshape(-1) for number in numbers)
    return b"".join(np.packbits(part, bitorder="little").tobytes() for part in parts)


def plain_icons(dataset: Dataset, source: str) -> None:
    """Decode pixel data within sequences that is encapsulated: it is in the source's syntax (PS3.5 A.4)."""
    for path, _ in list(dataset.find(PIXEL_DATA, where=lambda one: one.is_undefined_length)):
        if "." in path:
            above, _, index = path.rpartition(".")[0].rpartition("[")
            items = dataset.element_at(above).value
            items[int(index[:-1])] = _plain_icon(items[int(index[:-1])], source)


def _plain_icon(item: Dataset, source: str) -> Dataset:
    from pacskit.encoding.pixels.reader import PixelReader

    twin = item.copy()
    twin.transfer_syntax = UID(source)
    reader = PixelReader(twin)
    format = replace(reader.format, planar=0, photometric=reader.photometric)
    data = b"".join(cells_from(frame, format) for frame in reader.frames(threads=1))
    twin.add_new(PIXEL_DATA, "OW" if format.bits_allocated > 8 else "OB", data + b"\0" * (len(data) % 2))
    twin.PhotometricInterpretation = format.photometric
    if format.samples > 1:
        twin.PlanarConfiguration = 0
    twin.transfer_syntax = None
    return decode(encode(twin, EXPLICIT_LITTLE), EXPLICIT_LITTLE)  # read, so that its length is written as it is

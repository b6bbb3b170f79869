"""An image object of pixels: the modules that say what they are (PS3.3 C.7.6.3, C.8.6, C.8.12, C.8.17)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pacskit.core.dataset import Dataset
from pacskit.core.errors import EncodeError
from pacskit.core.uid import generate_uid
from pacskit.encoding.frames import set_frames
from pacskit.encoding.images.classes import ObjectClass, object_class
from pacskit.encoding.images.identity import begin, default, finish, missing, secondary_capture
from pacskit.encoding.images.options import BuildOptions
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE

__all__ = ["Lossy", "PixelSource", "image_object", "video_object"]

_PIXEL_DATA: Final = 0x7FE00010
_FRAME_TIME: Final = 0x00181063
_PAGES: Final = 0x00182001
_ASKED_OF_OPHTHALMIC: Final = ("ImageLaterality", "AnatomicRegionSequence", "AcquisitionDeviceTypeCodeSequence")


@dataclass(frozen=True, slots=True)
class Lossy:
    """That pixels were compressed with loss: how many times smaller, and by what, "" where no term says it."""

    ratio: float
    method: str = ""


@dataclass(frozen=True, slots=True)
class PixelSource:
    """Frames as they go into a data set.

    ``frames`` are native frames, those of single bits packed into one entry, or code streams of ``syntax``.
    """

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    photometric: str
    frames: tuple[Any, ...]
    count: int
    signed: bool = False
    syntax: str = EXPLICIT_LITTLE
    lossy: Lossy | None = None
    icc_profile: bytes | None = None
    has_audio: bool = False


def _class_for(source: PixelSource, options: BuildOptions) -> ObjectClass:
    if options.sop_class is not None:
        return object_class(options.sop_class, "sc", "vl", "ophthalmic")
    if source.bits_allocated == 1:
        return object_class("single-bit")
    if source.count == 1 and not options.multi_frame:
        return object_class("secondary-capture")
    if source.samples > 1:
        return object_class("true-color")
    return object_class("grayscale-byte" if source.bits_allocated == 8 else "grayscale-word")


def _check(kind: ObjectClass, source: PixelSource) -> None:
    """Raise EncodeError where the class has no room for the pixels."""
    name = kind.uid.name
    if source.bits_allocated not in kind.bits or source.samples not in kind.samples:
        shown = f"{source.samples} sample(s) of {source.bits_allocated} bits"
        raise EncodeError(f"{name} does not hold {shown}", tag=0x00280100)
    if source.count > 1 and not kind.multi_frame:
        raise EncodeError(f"{name} holds one frame, not {source.count}", tag=0x00280008)
    if source.signed and kind.name != "secondary-capture":
        raise EncodeError(f"{name} holds unsigned pixels only", tag=0x00280103)
    if source.photometric == "MONOCHROME1" and kind.name != "secondary-capture":
        raise EncodeError(f"{name} holds MONOCHROME2, not MONOCHROME1", tag=0x00280004)
    if kind.family in {"vl", "ophthalmic"} and source.bits_allocated == 8 and source.bits_stored != 8:
        raise EncodeError(f"{name} stores 8 bits, not {source.bits_stored}", tag=0x00280101)
    if kind.name == "grayscale-word" and source.bits_stored < 9:
        raise EncodeError(f"{name} stores 9 to 16 bits, not {source.bits_stored}", tag=0x00280101)
    if kind.name == "grayscale-byte" and source.bits_stored != 8:
        raise EncodeError(f"{name} stores 8 bits, not {source.bits_stored}", tag=0x00280101)


def image_object(source: PixelSource, options: BuildOptions, attributes: Mapping[str, Any]) -> Dataset:
    """Return an image object, ready to be saved."""
    kind = _class_for(source, options)
    _check(kind, source)
    ds = begin(kind, options, attributes)
    _describe(ds, source)
    _MODULES[kind.family](ds, kind, source)
    if kind.multi_frame:
        _frames(ds, kind, source.count, options.frame_time)
    _loss(ds, source.lossy, always=kind.family in {"vl", "ophthalmic"})
    if source.samples == 3 and source.icc_profile is not None:
        ds.add_new(0x00282000, "OB", source.icc_profile)
    _store(ds, source)
    return finish(ds, source.syntax)


def video_object(
    source: PixelSource, kind: ObjectClass, frame_time: float, options: BuildOptions, attributes: Mapping[str, Any]
) -> Dataset:
    """Return a video object around a bit stream, which is the only one of ``source.frames``."""
    ds = begin(kind, options, attributes)
    _describe(ds, source)
    _visible_light(ds, kind, source)
    _frames(ds, kind, source.count, frame_time)
    if "SpecimenDescriptionSequence" not in ds:
        missing(ds, ("AnatomicRegionSequence",), f"{kind.uid.name} says what is seen")
    if source.has_audio:
        default(ds, MultiplexedAudioChannelsDescriptionCodeSequence=[])
    default(ds, RecommendedDisplayFrameRate=max(1, round(1000 / frame_time)))
    _loss(ds, source.lossy, always=True)
    count = ds.NumberOfFrames
    set_frames(ds, source.frames, source.syntax, table="none")
    ds.NumberOfFrames = count
    return finish(ds, source.syntax)


def _describe(ds: Dataset, source: PixelSource) -> None:
    """The Image Pixel module (PS3.3 C.7.6.3)."""
    ds.SamplesPerPixel = source.samples
    ds.PhotometricInterpretation = source.photometric
    ds.Rows, ds.Columns = source.rows, source.columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = source.bits_allocated, source.bits_stored, source.bits_stored - 1
    ds.PixelRepresentation = int(source.signed)
    if source.samples > 1:
        ds.PlanarConfiguration = 0


def _captured(ds: Dataset, kind: ObjectClass, source: PixelSource) -> None:
    """The SC Image and SC Multi-frame Image modules (PS3.3 C.8.6.2, C.8.6.3)."""
    secondary_capture(ds)
    _side(ds)
    if not kind.multi_frame:
        default(ds, PatientOrientation="")
        return
    default(ds, PatientOrientation="", BurnedInAnnotation="YES")
    if source.bits_allocated > 1 and source.samples == 1:
        default(ds, PresentationLUTShape="IDENTITY")
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"


def _visible_light(ds: Dataset, kind: ObjectClass, source: PixelSource) -> None:
    """The VL Image and Acquisition Context modules (PS3.3 C.8.12.1, C.7.6.14)."""
    default(ds, ImageType=["ORIGINAL", "PRIMARY"], AcquisitionContextSequence=[], PatientOrientation="")
    _side(ds)


def _side(ds: Dataset) -> None:
    """Laterality is asked for where nothing says that the part of the body is no paired one (PS3.3 C.7.3.1)."""
    if not any(keyword in ds for keyword in ("ImageLaterality", "AnatomicRegionSequence", "BodyPartExamined")):
        default(ds, Laterality="")


def _ophthalmic(ds: Dataset, kind: ObjectClass, source: PixelSource) -> None:
    """The modules of an Ophthalmic Photography image (PS3.3 C.8.17, C.7.4.2)."""
    asked = _ASKED_OF_OPHTHALMIC if source.lossy else (*_ASKED_OF_OPHTHALMIC, "LossyImageCompression")
    missing(ds, asked, f"{kind.uid.name} says which eye, region and device, and what became of the pixels")
    default(
        ds,
        ImageType=["ORIGINAL", "PRIMARY"],
        AcquisitionContextSequence=[],
        SynchronizationFrameOfReferenceUID=generate_uid(),
        SynchronizationTrigger="NO TRIGGER",
        AcquisitionTimeSynchronized="N",
        AcquisitionDateTime=f"{ds.ContentDate}{ds.ContentTime}",
        PatientOrientation="",
        BurnedInAnnotation="YES",
        PatientEyeMovementCommanded="",
        RefractiveStateSequence=[],
        EmmetropicMagnification=None,
        IntraOcularPressure=None,
        HorizontalFieldOfView=None,
        PupilDilated="",
        IlluminationTypeCodeSequence=[],
        LightPathFilterTypeStackCodeSequence=[],
        ImagePathFilterTypeStackCodeSequence=[],
        LensesCodeSequence=[],
        DetectorType="",
        PresentationLUTShape="IDENTITY",
    )
    if source.samples > 1:
        del ds["PresentationLUTShape"]


_MODULES: Final[dict[str, Callable[[Dataset, ObjectClass, PixelSource], None]]] = {
    "sc": _captured,
    "vl": _visible_light,
    "ophthalmic": _ophthalmic,
}


def _frames(ds: Dataset, kind: ObjectClass, count: int, frame_time: float | None) -> None:
    """The Multi-frame module and what tells frames apart (PS3.3 C.7.6.6, C.7.6.5, C.8.6.4)."""
    ds.NumberOfFrames = count
    if frame_time is not None:
        ds.FrameTime = float(f"{frame_time:.10g}")
        ds.FrameIncrementPointer = _FRAME_TIME
        default(ds, StartTrim=1, StopTrim=count)
        return
    if kind.family == "sc":
        if count > 1:  # of one frame there may be no pointer (PS3.3 C.8.6.3)
            ds.PageNumberVector = list(range(1, count + 1))
            ds.FrameIncrementPointer = _PAGES
        return
    if count > 1:
        raise EncodeError(f"frames of {kind.uid.name} have a frame time", tag=_FRAME_TIME)
    ds.FrameTime = 0.0  # of a single frame nobody knows, and the pointer has to point somewhere
    ds.FrameIncrementPointer = _FRAME_TIME


def _loss(ds: Dataset, lossy: Lossy | None, *, always: bool) -> None:
    """What is known of lossy compression (PS3.3 C.7.6.1.1.5); else nothing, or empty where it has to be there."""
    if lossy is None:
        if always:
            default(ds, LossyImageCompression="")
        return
    ds.LossyImageCompression = "01"
    ds.LossyImageCompressionRatio = float(f"{max(lossy.ratio, 0.0001):.6g}")
    if lossy.method:
        ds.LossyImageCompressionMethod = lossy.method


def _store(ds: Dataset, source: PixelSource) -> None:
    if source.syntax != EXPLICIT_LITTLE:
        set_frames(ds, source.frames, source.syntax)
        return
    data = source.frames[0] if len(source.frames) == 1 else b"".join(source.frames)
    if len(data) & 1:
        data = bytes(data) + b"\0"
    if len(data) >= 0xFFFFFFFF:
        raise EncodeError(f"{len(data)} bytes of pixels do not fit one native element", tag=_PIXEL_DATA)
    ds.add_new(_PIXEL_DATA, "OW" if source.bits_allocated > 8 else "OB", bytes(data))

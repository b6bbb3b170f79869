"""What a caller may choose when objects are made of pictures, documents and videos."""

from __future__ import annotations

from dataclasses import dataclass, fields
from os import PathLike
from typing import Any, Literal, get_args, get_type_hints

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError

__all__ = ["Alpha", "BuildLimits", "BuildOptions", "Orientation", "Same", "Source", "check_choices"]

Same = Literal["patient", "study", "series"]
Orientation = Literal["apply", "refuse", "ignore"]
Alpha = Literal["refuse", "blend", "drop"]
Source = str | PathLike[str] | bytes | bytearray | memoryview


def check_choices(options: Any) -> None:
    """Raise ConfigurationError for a field of a dataclass that is none of the words its type allows."""
    hints = get_type_hints(type(options))
    for field in fields(options):
        allowed = get_args(hints[field.name])
        if allowed and all(isinstance(word, str) for word in allowed):
            value = getattr(options, field.name)
            if value not in allowed:
                raise ConfigurationError(f"{field.name} is {value!r}, none of {', '.join(allowed)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLimits:
    """What a file nobody has vouched for may cost.

    Parameters
    ----------
    max_bytes
        How many bytes all its decoded frames may have together; checked against its header before it is decoded.
    max_frames
        How many frames it may have.
    max_document
        How many bytes a document or video may have; never above what one element holds.
    """

    max_bytes: int = 1 << 30
    max_frames: int = 10_000
    max_document: int = (1 << 32) - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How an object is made. Immutable.

    Parameters
    ----------
    sop_class
        Which object: a name of ``OBJECT_CLASSES`` or a SOP Class UID. None: a Secondary Capture that fits the pixels,
        or the class for the document.
    like
        A data set or file whose patient, study or series the object belongs to, ``same`` says which.
    template
        A data set or file of which all attributes are taken that neither describe pixels nor identify study, series or
        instance.
    multi_frame
        Make a multi-frame object of one frame, too.
    frame_time
        Milliseconds between frames; None where they are pages.
    orientation
        An EXIF or TIFF orientation: ``apply`` turns the pixels (which decodes a JPEG), ``refuse`` raises EncodeError,
        ``ignore`` keeps them as they are.
    alpha
        Pixels that are not opaque: ``refuse`` raises EncodeError, ``blend`` puts them on ``background``, ``drop``
        leaves the alpha channel out. One that is opaque everywhere is left out.
    background
        Red, green and blue, 0 to 255.
    keep_code_stream
        Keep a JPEG, JPEG-LS, JPEG 2000 or JPEG XL code stream where a transfer syntax holds it, instead of decoding it.
    limits
        What the source may cost.
    """

    sop_class: str | None = None
    like: Dataset | str | PathLike[str] | None = None
    same: Same = "study"
    template: Dataset | str | PathLike[str] | None = None
    multi_frame: bool = False
    frame_time: float | None = None
    orientation: Orientation = "apply"
    alpha: Alpha = "refuse"
    background: tuple[int, int, int] = (0, 0, 0)
    keep_code_stream: bool = True
    limits: BuildLimits = BuildLimits()

    def __post_init__(self) -> None:
        check_choices(self)
        if self.frame_time is not None and not 0 < self.frame_time < 1e9:
            raise ConfigurationError(f"a frame time of {self.frame_time} ms")
        if not all(0 <= level <= 255 for level in self.background):
            raise ConfigurationError(f"{self.background} is no colour of red, green and blue from 0 to 255")

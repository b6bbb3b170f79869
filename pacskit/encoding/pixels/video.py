"""Frames of a video: its fragments are one bit stream, which decodes from the beginning (PS3.5 A.4.5 and on)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.dataset import Dataset
from pacskit.core.errors import CodecTruncatedError, DecodeError
from pacskit.encoding.codecs import DecodeLimits, PixelFormat
from pacskit.encoding.codecs.video import decode_video
from pacskit_ext._frames import fragments_of, parse_fragments

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["VideoFrames"]

_PIXEL_DATA: Final = 0x7FE00010


class VideoFrames:
    """The frames of a video in any order; going back decodes from the beginning again. It needs ``pacskit[video]``."""

    __slots__ = ("_format", "_limits", "_stream", "number_of_frames")

    def __init__(self, dataset: Dataset, format: PixelFormat, limits: DecodeLimits) -> None:
        element = dataset.get(_PIXEL_DATA)
        if element is None:
            raise DecodeError("the data set has no pixel data", tag=_PIXEL_DATA)
        fragments = fragments_of(element)
        if fragments is None:
            if element.raw is not None:
                raise DecodeError("a video is encapsulated", tag=_PIXEL_DATA)
            fragments = parse_fragments(element.value)
        count = dataset.get("NumberOfFrames")
        if not isinstance(count, int) or count < 1:
            raise DecodeError("a video has a Number of Frames", tag=0x00280008)
        self.number_of_frames = int(count)
        self._stream = [fragments[number] for number in range(len(fragments))]
        self._format = format
        self._limits = limits

    @property
    def nbytes(self) -> int:
        """Bytes of the bit stream."""
        return sum(len(fragment) for fragment in self._stream)

    def frames(self, numbers: Iterable[int]) -> Iterator[NDArray[Any]]:
        """Yield the frames of these numbers."""
        shown: Iterator[NDArray[Any]] | None = None
        at = 0  # the number of the next one
        for number in numbers:
            if not 0 <= number < self.number_of_frames:
                raise IndexError(f"there are {self.number_of_frames} frames")
            if shown is None or number < at:
                shown, at = decode_video(b"".join(self._stream), self._format, limits=self._limits), 0
            for frame in shown:
                at += 1
                if at > number:
                    yield frame
                    break
            else:
                raise CodecTruncatedError(f"the video ends before frame {number}", tag=_PIXEL_DATA)

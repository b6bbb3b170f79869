"""Frames of a data set as arrays of stored values."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pacskit.core.dataset import Dataset
from pacskit.core.errors import CodecError, CodecUnavailable, DecodeError, LimitError
from pacskit.encoding.codecs import DecodeLimits, PixelFormat, Region, decode_frame, decoded_photometric
from pacskit.encoding.codecs import registry as default_registry
from pacskit.encoding.codecs.registry import CodecRegistry
from pacskit.encoding.frames import FrameIndex
from pacskit.encoding.pixels.color import convert_color
from pacskit.encoding.pixels.layout import layout_of
from pacskit.encoding.pixels.native import NativePixels, values_in_place
from pacskit.encoding.pixels.palette import apply_palette

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pacskit.encoding.pixels.video import VideoFrames

__all__ = ["PixelReader", "decode_into", "frames", "pixel_array"]

_PIXEL_DATA: Final = 0x7FE00010
_LIMITS: Final = DecodeLimits()
_MOST_THREADS: Final = 8
_WORTH_A_THREAD: Final = 1 << 20  # bytes: a run of frames that decodes much longer than a thread takes to begin
_QUICKER: Final = 50  # times as fast as other decoders are those of _QUICK, nearly as memory is
_GROWTH: Final = 100
_UID: Final = "1.2.840.10008.1.2"
_QUICK: Final = frozenset({_UID + ".5", _UID + ".1.98"})
_VIDEO: Final = _UID + ".4.10"
_WHOLE_CELLS: Final = frozenset(_UID + suffix for suffix in (".5", ".1.98", ".8.1"))  # every bit of a cell is kept


class PixelReader:
    """The frames of a data set as arrays, in any order; keep one to read many frames.

    What it gives are the stored values: (rows, columns) or (rows, columns, samples), colour by pixel, in the colour
    space that ``photometric`` names. Bits above or below the stored ones are left out (PS3.5 8.1.1). Arrays that are
    views of the source are read-only; so is all that ``array`` gives, whatever the transfer syntax.

    Parameters
    ----------
    dataset
        A data set with Pixel Data, Float Pixel Data or Double Float Pixel Data.
    limits
        What a frame may cost; ``max_bytes`` also bounds an array of many frames, where it is above a hundred times what
        is encoded.
    registry
        The codecs.
    ignore_tables
        Divide encapsulated pixel data without its offset tables, where those are wrong.
    """

    __slots__ = (
        "_dataset",
        "_index",
        "_layout",
        "_limits",
        "_native",
        "_registry",
        "_syntax",
        "_video",
        "format",
        "number_of_frames",
        "photometric",
    )

    def __init__(
        self,
        dataset: Dataset,
        *,
        limits: DecodeLimits = _LIMITS,
        registry: CodecRegistry = default_registry,
        ignore_tables: bool = False,
    ) -> None:
        self._dataset = dataset
        self._layout = layout_of(dataset)
        self._limits = limits
        self._registry = registry
        self._native: NativePixels | None = None
        self._video: VideoFrames | None = None
        self._syntax = str(dataset.transfer_syntax or dataset.file_meta.get("TransferSyntaxUID") or "")
        self.format: PixelFormat = self._layout.format
        self.photometric: str = self.format.photometric
        if _is_video(self._syntax):
            self._video = _video_frames(dataset, self.format, limits)
            self.number_of_frames: int = self._video.number_of_frames
            self.photometric = decoded_photometric(self._syntax, self.format)
            return
        self._index = FrameIndex(dataset, ignore_tables=ignore_tables)
        self.number_of_frames = self._index.number_of_frames
        if not self._index.is_encapsulated:
            self._native = NativePixels(self._index, self._layout)
            self.photometric = "YBR_FULL" if self.photometric == "YBR_FULL_422" else self.photometric
        elif not self._syntax:
            raise DecodeError("encapsulated pixel data without a transfer syntax", tag=_PIXEL_DATA)
        else:
            self.photometric = decoded_photometric(self._syntax, self.format)

    @property
    def is_encapsulated(self) -> bool:
        """Whether frames are code streams."""
        return self._native is None

    @property
    def limits(self) -> DecodeLimits:
        """What a frame may cost."""
        return self._limits

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a stored value."""
        return self.format.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array of all frames; a single frame has no axis for it."""
        count = self.number_of_frames
        return self.format.shape if count == 1 else (count, *self.format.shape)

    # -- one frame -----------------------------------------------------------------------------------------------------

    def frame(
        self,
        number: int,
        *,
        out: NDArray[Any] | None = None,
        reduce: int = 0,
        region: tuple[int, int, int, int] | None = None,
    ) -> NDArray[Any]:
        """Return one frame, from 0, in ``out`` where that is given: C-contiguous, of a frame's shape and dtype.

        ``region`` is (top, left, rows, columns) of it; with ``reduce`` width and height are halved so often. See
        `pacskit.encoding.codecs.decode_frame` for which code streams are decoded only in part for that; of native
        pixel data there is one resolution, and a region of it is a view.
        """
        self._check(number)
        if reduce or region is not None:
            if out is not None:
                raise ValueError("a part of a frame is returned, not decoded into out")
            return self._part(number, reduce, region)
        if out is not None:
            _check_out(out, self.format.shape, self.dtype)
        if self._native is not None:
            found: NDArray[Any] = self._native.values(number, 1, None if out is None else out[np.newaxis])[0]
            return found
        if self._video is None:
            return self._decode(number, out)
        (shown,) = self._video.frames([number])
        if out is None:
            return shown
        out[...] = shown
        return out

    def cells(self, number: int) -> NDArray[Any]:
        """Return the cells of one frame with every bit, as unsigned numbers in one dimension.

        Raises DecodeError for code streams that keep only the stored bits.
        """
        self._check(number)
        if self._native is not None:
            return self._native.cells(number)
        if self._video is not None or self._syntax not in _WHOLE_CELLS:
            raise DecodeError("the code stream holds the stored bits only", tag=_PIXEL_DATA)
        found = self._decoded(number, replace(self.format, bits_stored=self.format.bits_allocated), None)
        return found.reshape(-1).view(f"u{self.format.itemsize}")

    def _check(self, number: int) -> None:
        if not 0 <= number < self.number_of_frames:
            raise IndexError(f"there are {self.number_of_frames} frames")

    def _decode(self, number: int, out: NDArray[Any] | None) -> NDArray[Any]:
        format = self.format
        if self._syntax not in _WHOLE_CELLS or not self._layout.has_unused_bits:
            return self._decoded(number, format, out)
        whole = self._decoded(number, replace(format, bits_stored=format.bits_allocated), out)
        values_in_place(whole, self._layout)
        return whole

    def _part(self, number: int, reduce: int, region: tuple[int, int, int, int] | None) -> NDArray[Any]:
        """Return part of a frame: decoded so where there is a code stream, else cut out."""
        format = self.format
        found = None if region is None else Region(*region).check(format.rows, format.columns)
        in_code_stream = self._native is None and self._video is None and self._syntax not in _WHOLE_CELLS
        if in_code_stream:
            return self._decoded(number, format, None, reduce=reduce, region=found)
        if reduce:
            raise CodecUnavailable("these pixels have one resolution only", syntax=self._syntax, tag=_PIXEL_DATA)
        whole = self.frame(number)
        return whole if found is None else whole[found.slices()]

    def _decoded(self, number: int, format: PixelFormat, out: NDArray[Any] | None, **part: Any) -> NDArray[Any]:
        views = self._index.views(number)
        stream = views[0] if len(views) == 1 else self._index.frame(number)
        registry, limits = self._registry, self._limits
        try:
            return decode_frame(stream, self._syntax, format, out=out, registry=registry, limits=limits, **part)
        except CodecError as error:
            error.tag = _PIXEL_DATA if error.tag is None else error.tag
            error.add_note(f"frame {number} of {self.number_of_frames}")
            raise

    def rgb(self, number: int) -> NDArray[Any]:
        """Return one frame in RGB, 8 or 16 bits to a sample: converted from YBR, or looked up in its palette.

        Raises DecodeError where the pixels are gray, or of a colour space that is not converted (HSV, CMYK, …).
        """
        found = self.frame(number)
        if self.photometric == "RGB":
            return found
        if self.photometric == "PALETTE COLOR":
            return apply_palette(found, self._dataset)
        if not self.photometric.startswith("YBR_"):
            raise DecodeError(f"{self.photometric} is not converted to RGB", tag=0x00280004)
        return convert_color(found, self.photometric, "RGB", bits=self.format.bits_stored)

    # -- many frames ---------------------------------------------------------------------------------------------------

    def frames(
        self,
        indices: Iterable[int] | None = None,
        *,
        threads: int | None = None,
        reduce: int = 0,
        region: tuple[int, int, int, int] | None = None,
    ) -> Iterator[NDArray[Any]]:
        """Iterate over frames, all or those of ``indices``, in their order; ``reduce`` and ``region`` as for ``frame``.

        Code streams decode in ``threads``, by default as many as there are processors, a few frames or a megabyte
        for each of them ahead of who asks. Threads end with the iterator.
        """
        numbers = range(self.number_of_frames) if indices is None else indices
        wanted = self._threads(threads)
        part: dict[str, Any] = {"reduce": reduce, "region": region} if reduce or region is not None else {}
        if self._video is not None and not part:
            return self._video.frames(numbers)
        if wanted == 1:
            return (self.frame(number, **part) for number in numbers)
        return self._frames_ahead(numbers, wanted, part)

    def _frames_ahead(self, numbers: Iterable[int], threads: int, part: dict[str, Any]) -> Iterator[NDArray[Any]]:
        def work(run: list[int]) -> tuple[list[NDArray[Any]], Exception | None]:
            done: list[NDArray[Any]] = []
            try:
                for number in run:
                    done.append(self.frame(number, **part))  # one by one: those before a damaged one count
            except Exception as error:
                return done, error
            return done, None

        runs = _runs(numbers, max(1, _WORTH_A_THREAD // self.format.nbytes))
        with closing(_ahead(work, runs, threads)) as results:
            for found, error in results:
                yield from found
                if error is not None:
                    raise error

    def array(self, *, threads: int | None = None) -> NDArray[Any]:
        """Return all frames in one read-only array of ``shape``: a view of native pixel data wherever that can be."""
        if self._native is not None:
            found = self._native.values(0, self.number_of_frames)
        else:
            first = self.frame(0)  # before room is made for what may be no more than a claim
            found = first[np.newaxis]
            if self.number_of_frames > 1:
                found = self._room()
                found[0] = first
                self._fill(found, range(self.number_of_frames), 0 if self._video else 1, threads)
        found.flags.writeable = False
        return found.reshape(self.shape)

    def decode_into(
        self, out: NDArray[Any], indices: Iterable[int] | None = None, *, threads: int | None = None
    ) -> None:
        """Decode frames into an array: C-contiguous, (number of indices, *a frame's shape), of the dtype.

        For one frame the first axis may be left out.
        """
        numbers = range(self.number_of_frames) if indices is None else list(indices)
        for number in numbers:
            self._check(number)
        if len(numbers) == 1 and out.shape == self.format.shape:
            out = out[np.newaxis]
        _check_out(out, (len(numbers), *self.format.shape), self.dtype)
        if self._native is not None and isinstance(numbers, range):
            self._native.values(0, len(numbers), out)
        else:
            self._fill(out, numbers, 0, threads)

    def _fill(self, out: NDArray[Any], numbers: range | list[int], start: int, threads: int | None) -> None:
        """Decode ``numbers[start:]`` to their places."""
        if self._video is not None:
            for place, frame in enumerate(self._video.frames(numbers)):
                out[place] = frame
            return
        wanted = self._threads(threads)
        run = max(1, min(_WORTH_A_THREAD // self.format.nbytes, len(numbers) // (4 * wanted)))

        def work(places: list[int]) -> None:
            for place in places:
                self.frame(numbers[place], out=out[place])

        runs = _runs(range(start, len(numbers)), run)
        for _ in map(work, runs) if wanted == 1 else _ahead(work, runs, wanted):
            continue

    def _room(self) -> NDArray[Any]:
        wanted = self.number_of_frames * self.format.nbytes
        fragments = None if self._video is not None else self._index.fragments
        encoded = self._video.nbytes if self._video is not None else fragments.view.nbytes if fragments else 0
        if wanted > max(self._limits.max_bytes, _GROWTH * encoded):
            raise LimitError(
                f"{self.number_of_frames} frames of {self.format.nbytes} bytes in one array; the limit is "
                f"{self._limits.max_bytes}: iterate over frames, or pass limits",
                tag=_PIXEL_DATA,
            )
        return np.empty((self.number_of_frames, *self.format.shape), self.dtype)

    def _threads(self, threads: int | None) -> int:
        """How many threads: none for what is not worth it."""
        if threads is not None and threads < 1:
            raise ValueError("there is at least one thread")
        if self._native is not None or self._video is not None or self.number_of_frames == 1:
            return 1
        if threads is not None:
            return threads
        worth = _WORTH_A_THREAD * (_QUICKER if self._syntax in _QUICK else 1)
        return 1 if self.format.nbytes * self.number_of_frames < worth else min(_processors(), _MOST_THREADS)


def _is_video(syntax: str) -> bool:
    from pacskit.encoding.codecs.video import is_video

    return syntax.startswith(_VIDEO) and is_video(syntax)


def _video_frames(dataset: Dataset, format: PixelFormat, limits: DecodeLimits) -> VideoFrames:
    from pacskit.encoding.pixels.video import VideoFrames

    return VideoFrames(dataset, format, limits)


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _check_out(out: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"out is {out.shape} {out.dtype}; {shape} {dtype} is needed")
    if not (out.flags.c_contiguous and out.flags.writeable and out.flags.aligned):
        raise ValueError("out must be C-contiguous, writeable and aligned")


def _runs(numbers: Iterable[int], length: int) -> Iterator[list[int]]:
    """The numbers in pieces."""
    left = iter(numbers)
    while run := list(islice(left, length)):
        yield run


def _ahead(work: Callable[[list[int]], Any], runs: Iterable[list[int]], threads: int) -> Generator[Any]:
    """Results of ``work`` in order, a few runs ahead of who asks."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="pacskit-frames") as pool:
        try:
            for run in runs:
                waiting.append(pool.submit(work, run))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


# -- of a data set -----------------------------------------------------------------------------------------------------


def pixel_array(
    dataset: Dataset, *, limits: DecodeLimits = _LIMITS, threads: int | None = None, ignore_tables: bool = False
) -> NDArray[Any]:
    """Return the stored values of all frames: ([frames,] rows, columns[, samples]), read-only.

    Native pixel data in the byte order of the machine are not copied. Nothing is converted: YBR stays YBR (see
    ``convert_color``), palette colour stays an index (``apply_palette``), numbers are not rescaled.
    """
    return PixelReader(dataset, limits=limits, ignore_tables=ignore_tables).array(threads=threads)


def frames(
    dataset: Dataset,
    indices: Iterable[int] | None = None,
    *,
    threads: int | None = None,
    reduce: int = 0,
    region: tuple[int, int, int, int] | None = None,
) -> Iterator[NDArray[Any]]:
    """Iterate over the frames of a data set, all or those of ``indices``, or parts; see ``PixelReader.frames``."""
    return PixelReader(dataset).frames(indices, threads=threads, reduce=reduce, region=region)


def decode_into(
    dataset: Dataset, out: NDArray[Any], indices: Iterable[int] | None = None, *, threads: int | None = None
) -> None:
    """Decode frames of a data set into an array of your own; see ``PixelReader.decode_into``."""
    PixelReader(dataset).decode_into(out, indices, threads=threads)

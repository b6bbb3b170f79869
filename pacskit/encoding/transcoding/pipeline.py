"""Frames of the target, one after the other, a few of them ahead in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import CodecError, DecodeError, EncodeError, TranscodeError
from pacskit.encoding.codecs import EncodeOptions, encode_frame
from pacskit.encoding.codecs.jpegxl import recompress_jpeg, reconstruct_jpeg
from pacskit.encoding.codecs.native import cells_from
from pacskit.encoding.codecs.registry import CodecRegistry
from pacskit.encoding.pixels.color import convert_color
from pacskit.encoding.pixels.reader import PixelReader
from pacskit.encoding.transcoding.plan import Frames, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pacskit.encoding.frames import FrameIndex

__all__ = ["coded_frames", "converted", "native_chunks", "stream_frames"]

_AHEAD: Final = 2  # frames a thread


def converted(pixels: NDArray[Any], frames: Frames) -> NDArray[Any]:
    """Decoded pixels in the colours and cells that the encoder of the target wants."""
    if frames.format.samples == 3 and frames.format.photometric != frames.decoded.photometric:
        pixels = convert_color(
            pixels, frames.decoded.photometric, frames.format.photometric, bits=frames.decoded.bits_stored
        )
    return pixels.astype(frames.format.dtype, copy=False)


def ahead(work: Callable[[int], bytes], count: int, threads: int) -> Iterator[bytes]:
    """Results of ``work`` for 0 to ``count`` - 1, in order, not many more of them at a time than there are threads."""
    if threads == 1 or count == 1:
        yield from map(work, range(count))
        return
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(min(threads, count), thread_name_prefix="pacskit-transcode") as pool:
        try:
            for number in range(count):
                waiting.append(pool.submit(work, number))
                if len(waiting) >= _AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def coded_frames(
    reader: PixelReader,
    frames: Frames,
    target: str,
    options: EncodeOptions,
    *,
    threads: int,
    registry: CodecRegistry,
) -> Iterator[bytes]:
    """The code streams of the target."""

    def work(number: int) -> bytes:
        try:
            pixels = converted(reader.frame(number), frames)
            return encode_frame(pixels, target, frames.format, options, registry=registry)
        except (DecodeError, EncodeError) as error:
            error.add_note(f"frame {number} of {reader.number_of_frames}")
            raise

    return ahead(work, reader.number_of_frames, threads)


def stream_frames(index: FrameIndex, step: Step, source: str, target: str, threads: int) -> Iterator[bytes]:
    """The code streams of JPEG recompressed, or rebuilt."""
    function = recompress_jpeg if step is Step.RECOMPRESS else reconstruct_jpeg

    def work(number: int) -> bytes:
        try:
            return function(index.frame(number))
        except CodecError as error:
            raise TranscodeError(
                f"frame {number}: {error.message}", source=source, target=target, tag=0x7FE00010
            ) from error

    return ahead(work, index.number_of_frames, threads)


def native_chunks(reader: PixelReader, frames: Frames, *, threads: int) -> Iterator[bytes]:
    """Cells of native pixel data, little endian; frames of single bits follow on within a byte (PS3.5 8.1.1)."""
    bits = frames.format.rows * frames.format.columns * frames.format.samples
    if frames.format.bits_allocated > 1 or bits % 8 == 0:
        yield from ahead(
            lambda number: cells_from(converted(reader.frame(number), frames), frames.format),
            reader.number_of_frames,
            threads,
        )
        return
    import numpy as np

    rest = np.empty(0, np.uint8)
    for number in range(reader.number_of_frames):
        rest = np.concatenate([rest, reader.frame(number).reshape(-1)])
        whole = rest.size // 8 * 8
        yield np.packbits(rest[:whole], bitorder="little").tobytes()
        rest = rest[whole:]
    if rest.size:
        yield np.packbits(rest, bitorder="little").tobytes()

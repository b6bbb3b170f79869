"""Image objects of picture files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from pacskit.core.dataset import Dataset
from pacskit.core.errors import CodecError, CodecLimitError, EncodeError
from pacskit.encoding.images.arrays import array_source
from pacskit.encoding.images.documents import DocumentOptions, encapsulate_document
from pacskit.encoding.images.formats import PICTURES, STREAMS, format_of, name_of, read_source
from pacskit.encoding.images.options import BuildOptions, Source
from pacskit.encoding.images.pictures import Picture, read_pictures
from pacskit.encoding.images.pixels import Lossy, PixelSource, image_object
from pacskit.encoding.images.streams import keep, must_be_decoded

__all__ = ["from_file", "from_files"]

_DEFAULT: Final = BuildOptions()


def from_file(
    source: Source,
    options: BuildOptions = _DEFAULT,
    /,
    *,
    document: DocumentOptions | None = None,
    **attributes: Any,
) -> Dataset:
    """Make an object of a file: PNG, JPEG, TIFF, BMP, WebP, GIF, JPEG-LS, JPEG 2000, JPEG XL, a document or a video.

    Its first bytes say what it is. Pages of a TIFF and frames of a GIF become frames. A JPEG, JPEG-LS, JPEG 2000 or
    JPEG XL code stream is kept byte for byte where a transfer syntax holds it; a progressive JPEG, and one that has to
    be turned, is decoded and marked as lossy.

    Parameters
    ----------
    source
        A path, or the bytes of the file.
    options
        Which object, whose, and what to do about orientation and alpha.
    document
        What a document or model says beside; of no meaning for others.
    attributes
        Keywords or paths and their values.

    Raises
    ------
    CodecError
        The file is damaged, above the limits, or none of these.
    EncodeError
        It is whole, but no object holds it.
    ConfigurationError
        An option or attribute that cannot be.
    """
    data = read_source(source, options.limits)
    name = _named(data, source)
    if name == "video":
        from pacskit.encoding.images.videos import from_video

        return from_video(source, options, **attributes)
    if name not in PICTURES | STREAMS:
        return encapsulate_document(source, options, document=document or DocumentOptions(), **attributes)
    return image_object(_located(data, name, source, options), options, attributes)


def from_files(sources: Iterable[Source], options: BuildOptions = _DEFAULT, /, **attributes: Any) -> Dataset:
    """Make one multi-frame object of several pictures, in their order; they have to be of one size and kind.

    Code streams are kept where all of them are of one transfer syntax.
    """
    found: list[PixelSource] = []
    spent = 0
    for source in sources:
        data = read_source(source, options.limits)
        found.append(_located(data, _named(data, source), source, options))
        one = found[-1]
        spent += one.rows * one.columns * one.samples * max(1, one.bits_allocated // 8) * one.count
        if spent > options.limits.max_bytes:
            raise CodecLimitError(f"pixels of {spent} bytes; the limit is {options.limits.max_bytes}")
    if not found:
        raise EncodeError("an image without frames")
    return image_object(_joined(found), replace(options, multi_frame=True), attributes)


def _named(data: bytes, source: Source) -> str:
    try:
        return format_of(data)
    except CodecError as error:
        error.path = name_of(source)
        raise


def _located(data: bytes, name: str, source: Source, options: BuildOptions) -> PixelSource:
    """The frames of a picture; an error gets the path."""
    try:
        return _frames_of(data, name, options)
    except (CodecError, EncodeError) as error:
        error.path = error.path or name_of(source)
        raise


def _frames_of(data: bytes, name: str, options: BuildOptions) -> PixelSource:
    if name not in PICTURES | STREAMS:
        raise EncodeError(f"a {name} file is no picture")
    if name in PICTURES:
        return _decoded(read_pictures(data, name, options))
    if name == "jpeg" and must_be_decoded(data, options):
        return _decoded(read_pictures(data, name, options))
    kept = keep(data, name, options)
    return kept if options.keep_code_stream else _plain(kept)


def _plain(kept: PixelSource) -> PixelSource:
    """The pixels of a code stream that is not to be kept."""
    from pacskit.encoding.codecs import PixelFormat, decode_frame, decoded_photometric

    form = PixelFormat(
        kept.rows, kept.columns, kept.samples, kept.bits_allocated, kept.bits_stored, kept.signed, kept.photometric
    )
    pixels = decode_frame(kept.frames[0], kept.syntax, form)
    if pixels.dtype == np.int8:
        raise EncodeError("signed pixels of 8 bits", tag=0x00280103)
    photometric = decoded_photometric(kept.syntax, form)
    return array_source(pixels, photometric, kept.bits_stored, icc_profile=kept.icc_profile, lossy=kept.lossy)


def _decoded(pictures: list[Picture]) -> PixelSource:
    first = pictures[0]
    for number, page in enumerate(pictures):
        if page.pixels.shape != first.pixels.shape or page.pixels.dtype != first.pixels.dtype:
            raise EncodeError(
                f"page {number + 1} is {page.pixels.shape} {page.pixels.dtype}, the first {first.pixels.shape} "
                f"{first.pixels.dtype}: frames are all alike",
                tag=0x00280008,
            )
    stacked = first.pixels[np.newaxis] if len(pictures) == 1 else np.stack([page.pixels for page in pictures])
    photometric = "RGB" if first.pixels.ndim == 3 else "MONOCHROME2"
    return array_source(stacked, photometric, icc_profile=first.icc_profile, lossy=_worst(p.lossy for p in pictures))


def _worst(found: Iterable[Lossy | None]) -> Lossy | None:
    known = [one for one in found if one is not None]
    return max(known, key=lambda one: one.ratio) if known else None


def _joined(found: list[PixelSource]) -> PixelSource:
    first = found[0]
    if len(found) == 1:
        return first

    def form(one: PixelSource) -> tuple[object, ...]:
        return (one.rows, one.columns, one.samples, one.bits_allocated, one.bits_stored, one.photometric, one.signed, one.syntax)  # fmt: skip  # noqa: E501

    for number, one in enumerate(found):
        if form(one) != form(first):
            raise EncodeError(f"picture {number + 1} is {form(one)}, the first {form(first)}: frames are all alike")
    if first.bits_allocated == 1:
        bits = [np.unpackbits(np.frombuffer(one.frames[0], np.uint8), bitorder="little") for one in found]
        cells = first.rows * first.columns
        whole = np.concatenate([part[: cells * one.count] for part, one in zip(bits, found, strict=True)])
        frames: tuple[Any, ...] = (np.packbits(whole, bitorder="little").tobytes(),)
    else:
        frames = tuple(frame for one in found for frame in one.frames)
    return replace(
        first, frames=frames, count=sum(one.count for one in found), lossy=_worst(one.lossy for one in found)
    )

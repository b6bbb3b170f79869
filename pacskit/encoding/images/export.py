"""Frames as picture files: as a screen shows them, or as they are stored."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError, EncodeError
from pacskit.encoding.codecs import DecodeLimits
from pacskit.encoding.codecs.video import encode_video
from pacskit.encoding.display import Window, render
from pacskit.encoding.display.icc import colors_by_profile
from pacskit.encoding.display.overlay import draw_overlays
from pacskit.encoding.display.shutter import cover
from pacskit.encoding.display.source import GRAY, to_rgb
from pacskit.encoding.images.names import fill, write_whole
from pacskit.encoding.images.options import check_choices
from pacskit.encoding.images.pictures import rgb_profile
from pacskit.encoding.pixels import PixelReader, convert_color, icc_profile, overlay_groups

__all__ = [
    "ANIMATIONS",
    "FORMATS",
    "ExportOptions",
    "ImageFormat",
    "export_frames",
    "to_animation",
    "to_image",
    "without_frame",
]

ImageFormat = Literal["png", "jpeg", "tiff", "bmp", "npy", "gif", "mp4"]

ANIMATIONS: Final = frozenset({"gif", "mp4"})
FORMATS: Final = {
    "png": ".png",
    "jpeg": ".jpg",
    "tiff": ".tif",
    "bmp": ".bmp",
    "npy": ".npy",
    "gif": ".gif",
    "mp4": ".mp4",
}
_MP4: Final = "1.2.840.10008.1.2.4.102"
_TOP_GIF: Final = 655_350  # ms: what two bytes hold of hundredths of a second
_RATE: Final = 10.0
_LIMITS: Final = DecodeLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """How frames are exported. Immutable.

    Parameters
    ----------
    format
        PNG, JPEG, TIFF, BMP and NPY make a file of each frame, GIF and MP4 one of all. MP4 needs ``pacskit[video]``.
    rendered
        As a screen shows it, 8 bits, with window, palette, overlays and shutter; else the stored values, of YBR as RGB
        (in NPY they stay). What a format cannot hold as it is, as PNG signed values, is an EncodeError.
    window
        As ``pacskit.pixels.render`` takes it: ``auto``, ``full``, ``minmax``, a number, an explanation, a Window or a
        pair of center and width.
    bits
        8, or 16 for rendered gray PNG and TIFF files.
    overlays
        Draw the graphics overlays where frames are rendered.
    srgb
        Give rendered colours as sRGB, by the ICC profile of the data set; else they stay what they are, and the profile
        goes into PNG, JPEG and TIFF files with them.
    quality
        JPEG and MP4, 1 to 100.
    rate
        Frames a second of GIF and MP4; None takes Frame Time or a rate of the data set, and 10 where there is none.
    overwrite
        Replace files that are there.
    limits
        What a frame may cost to decode.
    """

    format: ImageFormat = "png"
    rendered: bool = True
    window: Window | tuple[float, float] | int | str = "auto"
    bits: Literal[8, 16] = 8
    overlays: bool = True
    srgb: bool = False
    quality: int = 90
    rate: float | None = None
    overwrite: bool = False
    limits: DecodeLimits = _LIMITS

    def __post_init__(self) -> None:
        check_choices(self)
        if not 1 <= self.quality <= 100 or self.bits not in {8, 16}:
            raise ConfigurationError(f"a quality of {self.quality} or a depth of {self.bits} bits")
        if self.rate is not None and not 0 < self.rate <= 1000:
            raise ConfigurationError(f"a rate of {self.rate} frames a second")
        if self.bits == 16 and (self.format not in {"png", "tiff", "npy"} or not self.rendered):
            raise ConfigurationError("16 bits are for rendered PNG, TIFF and NPY files")
        if self.format in ANIMATIONS and not self.rendered:
            raise ConfigurationError(f"a {self.format} file holds rendered frames only")
        if self.srgb and not self.rendered:
            raise ConfigurationError("stored values are not made sRGB: that is for rendered frames")


_DEFAULT: Final = ExportOptions()
_GIF: Final = ExportOptions(format="gif")


def to_image(ds: Dataset, frame: int = 0, options: ExportOptions = _DEFAULT) -> bytes:
    """Return one frame as a picture file.

    Raises DecodeError for pixel data that cannot be decoded, EncodeError for values that the format does not hold.
    """
    if options.format in ANIMATIONS:
        raise ConfigurationError(f"a {options.format} file holds all frames: to_animation")
    reader = PixelReader(ds, limits=options.limits)
    if not 0 <= frame < reader.number_of_frames:
        raise IndexError(f"there are {reader.number_of_frames} frames")
    return next(_files(ds, reader, [frame], options))


def to_animation(ds: Dataset, options: ExportOptions = _GIF, *, frames: Iterable[int] | None = None) -> bytes:
    """Return frames as one GIF or MP4 file, each as long as Frame Time says.

    Raises EncodeError for what MP4 (H.264 at level 4.1) cannot hold, CodecUnavailable for MP4 without
    ``pacskit[video]``.
    """
    reader = PixelReader(ds, limits=options.limits)
    return _animation(ds, reader, _chosen(frames, reader.number_of_frames), options)


def _chosen(frames: Iterable[int] | None, count: int) -> list[int]:
    numbers = list(range(count) if frames is None else frames)
    if not numbers or any(not 0 <= number < count for number in numbers):
        raise IndexError(f"there are {count} frames")
    return numbers


def export_frames(
    ds: Dataset,
    folder: str | os.PathLike[str],
    options: ExportOptions = _DEFAULT,
    *,
    name: str = "{SOPInstanceUID}-{frame}",
    frames: Iterable[int] | None = None,
    threads: int | None = None,
) -> list[Path]:
    """Write frames as picture files; return their paths.

    Parameters
    ----------
    folder
        Where; made where it is missing.
    options
        Which format, and how.
    name
        A pattern for the file names without their ending: ``{frame}`` is the number from 1, with as many digits as the
        last has, other fields are keywords. It may name folders, with ``/``, but not lead out of ``folder``. An
        animation leaves ``{frame}`` and what is before it, back to the last letter or digit, out.
    frames
        Which frames, from 0; None for all.
    threads
        How many decode.

    Each file is whole or not there. Raises FileExistsError where one is there and ``overwrite`` is not set.
    """
    reader = PixelReader(ds, limits=options.limits)
    count = reader.number_of_frames
    numbers = _chosen(frames, count)
    made: list[Path] = []
    suffix = FORMATS[options.format]
    if options.format in ANIMATIONS:
        plain_name = without_frame(name)
        whole = _animation(ds, reader, numbers, options)
        path = Path(folder) / f"{fill(plain_name, ds, {})}{suffix}"
        return [write_whole(path, whole, overwrite=options.overwrite)]
    digits = len(str(count))
    for number, data in zip(numbers, _files(ds, reader, numbers, options, threads), strict=True):
        filled = fill(name, ds, {"frame": str(number + 1).zfill(digits)})
        made.append(write_whole(Path(folder) / f"{filled}{suffix}", data, overwrite=options.overwrite))
    return made


def without_frame(name: str) -> str:
    """A pattern for what has no frames of its own."""
    before, found, after = name.partition("{frame")
    if not found:
        return name
    return (before.rstrip("-_. ") + after.partition("}")[2]) or "frames"


def _files(
    ds: Dataset, reader: PixelReader, numbers: list[int], options: ExportOptions, threads: int | None = None
) -> Iterator[bytes]:
    profile = None if options.srgb else rgb_profile(icc_profile(ds))
    for pixels in _arrays(ds, reader, numbers, options, threads):
        yield _encoded(pixels, options, profile if pixels.ndim == 3 else None)


def _arrays(
    ds: Dataset, reader: PixelReader, numbers: list[int], options: ExportOptions, threads: int | None = None
) -> Iterator[NDArray[Any]]:
    """The pixels of each frame as they go into a file."""
    photometric = reader.photometric
    for number, stored in zip(numbers, reader.frames(numbers, threads=threads), strict=True):
        if options.rendered:
            yield _shown(ds, number, stored, photometric, options)
        elif stored.ndim == 3 and options.format != "npy" and photometric != "RGB":
            yield convert_color(stored, photometric, "RGB", bits=reader.format.bits_stored)
        else:
            yield stored


def _shown(ds: Dataset, number: int, stored: NDArray[Any], photometric: str, options: ExportOptions) -> NDArray[Any]:
    """A frame as a screen shows it."""
    if photometric in GRAY:
        return render(ds, number, pixels=stored, window=options.window, overlays=options.overlays, bits=options.bits)
    colors = to_rgb(ds, stored, photometric)
    if options.srgb:
        colors = colors_by_profile(colors, ds)
    has_shutter = "ShutterShape" in ds
    if has_shutter or (options.overlays and overlay_groups(ds)):
        colors = np.require(colors, requirements=["W", "O"])
    if has_shutter:
        cover(colors, ds)
    if options.overlays:
        draw_overlays(colors, ds, number)
    return colors


# -- files -------------------------------------------------------------------------------------------------------------


def _encoded(pixels: NDArray[Any], options: ExportOptions, profile: bytes | None) -> bytes:
    target = BytesIO()
    if options.format == "npy":
        np.save(target, pixels, allow_pickle=False)
        return target.getvalue()
    if options.format == "png" and pixels.ndim == 3 and pixels.dtype == np.uint16:
        import imagecodecs

        return bytes(imagecodecs.png_encode(pixels))
    image = _picture(pixels, options.format)
    extra: dict[str, Any] = {} if profile is None or options.format == "bmp" else {"icc_profile": profile}
    if options.format == "jpeg":
        extra |= {"quality": options.quality, "subsampling": 0}
    elif options.format == "tiff":
        extra |= {"compression": "tiff_adobe_deflate"}
    image.save(target, options.format.upper(), **extra)
    return target.getvalue()


def _picture(pixels: NDArray[Any], format: str) -> Any:
    """Pillow's image of an array, with every value as it is."""
    from PIL import Image

    kind = pixels.dtype
    gray = pixels.ndim == 2
    if kind == np.uint8 and (gray or pixels.shape[2] == 3):
        return Image.fromarray(np.ascontiguousarray(pixels))
    if gray and kind == np.uint16 and format in {"png", "tiff"}:
        return Image.fromarray(np.ascontiguousarray(pixels, "<u2"))
    if gray and format == "tiff" and kind in {np.dtype("i1"), np.dtype("i2"), np.dtype("i4")}:
        return Image.fromarray(np.ascontiguousarray(pixels, "<i4"))
    if gray and format == "tiff" and kind == np.dtype("f4"):
        return Image.fromarray(np.ascontiguousarray(pixels, "<f4"))
    shown = f"{'gray' if gray else f'{pixels.shape[2]} samples'} of {kind}"
    other = "TIFF or NPY" if gray and format != "tiff" and kind.itemsize <= 4 else "NPY"
    raise EncodeError(f"a {format} file cannot hold pixels as they are stored, {shown}: render them, or take {other}")


# -- animations --------------------------------------------------------------------------------------------------------


def _times(ds: Dataset, numbers: list[int], options: ExportOptions) -> list[float]:
    """How many milliseconds each frame is shown (PS3.3 C.7.6.5)."""
    if options.rate is not None:
        return [1000 / options.rate] * len(numbers)
    vector = ds.get("FrameTimeVector")
    if isinstance(vector, list) and len(vector) > max(numbers):
        after = [float(value) for value in vector[1:]] or [1000 / _RATE]  # each is the time since the frame before
        return [max(1.0, after[min(number, len(after) - 1)]) for number in numbers]
    for keyword, scale in (("FrameTime", None), ("RecommendedDisplayFrameRate", 1000.0), ("CineRate", 1000.0)):
        value = ds.get(keyword)
        if isinstance(value, (int, float)) and value > 0:
            return [float(value) if scale is None else scale / float(value)] * len(numbers)
    return [1000 / _RATE] * len(numbers)


def _animation(ds: Dataset, reader: PixelReader, numbers: list[int], options: ExportOptions) -> bytes:
    if options.format not in ANIMATIONS:
        raise ConfigurationError(f"a {options.format} file holds one frame")
    times = _times(ds, numbers, options)
    frames = (_deep(pixels) for pixels in _arrays(ds, reader, numbers, options))
    if options.format == "mp4":
        from pacskit.encoding.codecs import EncodeOptions

        rate = 1000 * len(times) / sum(times)
        even = (_with_even_sides(pixels) for pixels in frames)
        return encode_video(even, _MP4, rate, container="mp4", options=EncodeOptions(quality=options.quality))
    from PIL import Image

    pictures = (Image.fromarray(np.ascontiguousarray(pixels)) for pixels in frames)
    first = next(pictures)
    target = BytesIO()
    shown = [min(max(10, 10 * round(time / 10)), _TOP_GIF) for time in times]
    first.save(
        target,
        "GIF",
        save_all=True,
        append_images=chain(pictures),
        duration=shown if len(shown) > 1 else shown[0],
        loop=0,
    )
    return target.getvalue()


def _deep(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return pixels if pixels.dtype == np.uint8 else np.asarray(pixels, np.uint8)


def _with_even_sides(pixels: NDArray[Any]) -> NDArray[Any]:
    """A row or column more, as the last, where 4:2:0 needs it."""
    odd = [(0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2)] + [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, odd, mode="edge") if any(more for _, more in odd) else pixels

"""Frames of picture files, decoded by Pillow: nothing is decoded whose header is above the budget."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pacskit.core.errors import CodecError, CodecLimitError, CodecTruncatedError, EncodeError, PacsError
from pacskit.encoding.images.options import BuildOptions
from pacskit.encoding.images.pixels import Lossy

__all__ = ["Picture", "orientation_of", "read_pictures", "rgb_profile"]

_ORIENTATION: Final = 0x0112
_TIFF_COMPRESSION: Final = 259
_TIFF_PHOTOMETRIC: Final = 262
_TIFF_JPEG: Final = frozenset({6, 7})
_MODES: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "I;16B", "I;16L"})
_TURNS: Final[dict[int, tuple[int, bool]]] = {  # quarter turns to the left, then mirrored left to right
    1: (0, False),
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}


class Picture(NamedTuple):
    """A decoded frame: bool, uint8 or uint16, gray or RGB."""

    pixels: NDArray[Any]
    icc_profile: bytes | None = None
    lossy: Lossy | None = None


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Everything that Pillow raises for a damaged file, as a CodecError."""
    try:
        yield
    except (PacsError, MemoryError, RecursionError):
        raise
    except EOFError as error:
        raise CodecTruncatedError(f"the {name} file ends too early: {error}", codec="Pillow") from error
    except Exception as error:
        if type(error).__name__ == "DecompressionBombError":
            raise CodecLimitError(f"the {name} file: {error}", codec="Pillow") from error
        kind = CodecTruncatedError if "truncated" in str(error).lower() else CodecError
        raise kind(f"the {name} file cannot be decoded: {error or type(error).__name__}", codec="Pillow") from error


def _reader(name: str) -> Callable[[BytesIO], Any]:
    """Pillow's reader of one format: ``Image.open`` would try all of them, under limits of the whole process."""
    from importlib import import_module

    module, reader = {
        "png": ("PngImagePlugin", "PngImageFile"),
        "jpeg": ("JpegImagePlugin", "JpegImageFile"),
        "tiff": ("TiffImagePlugin", "TiffImageFile"),
        "bmp": ("BmpImagePlugin", "BmpImageFile"),
        "webp": ("WebPImagePlugin", "WebPImageFile"),
        "gif": ("GifImagePlugin", "GifImageFile"),
    }[name]
    found: Callable[[BytesIO], Any] = getattr(import_module(f"PIL.{module}"), reader)
    return found


def orientation_of(jpeg: bytes, end: int) -> int:
    """The EXIF orientation in the segments of a JPEG before ``end``, 1 where there is none; nothing is decoded."""
    from PIL import Image

    at = jpeg.find(b"Exif\0\0", 0, end)
    if at < 4 or jpeg[at - 4 : at - 2] != b"\xff\xe1":
        return 1
    exif = Image.Exif()
    with _translated("jpeg"):
        exif.load(jpeg[at : at - 2 + int.from_bytes(jpeg[at - 2 : at], "big")])
        found = exif.get(_ORIENTATION, 1)
    return found if isinstance(found, int) and found in _TURNS else 1


def _orientation(image: Any) -> int:
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) and found in _TURNS else 1


def read_pictures(data: bytes, name: str, options: BuildOptions) -> list[Picture]:
    """Decode every page of a picture file.

    Raises CodecError where it is damaged, CodecLimitError where its header says more than the budget, EncodeError for
    kinds of pixels that no object holds.
    """
    if name == "webp" and (b"ANIM" in data[:64]):
        raise EncodeError("an animated WebP: make a video of it")
    if name == "png":
        _check_png(data)
        if data[24] == 16 and data[25] in {2, 4, 6}:
            return [_deep_png(data, options)]
    with _translated(name), _reader(name)(BytesIO(data)) as image:
        pages = getattr(image, "n_frames", 1)
        if pages > options.limits.max_frames:
            raise CodecLimitError(f"{pages} pages; the limit is {options.limits.max_frames}", codec="Pillow")
        found, spent = [], 0
        for page in range(pages):
            if page:
                image.seek(page)
            spent += _cost(image)
            if spent > options.limits.max_bytes:
                raise CodecLimitError(
                    f"pixels of {spent} bytes; the limit is {options.limits.max_bytes}", codec="Pillow"
                )
            found.append(_page(image, name, len(data) // pages, options))
    return found


def _cost(image: Any) -> int:
    """What the pixels of a page cost, as its header says."""
    width, height = image.size
    if not 0 < width <= 0xFFFF or not 0 < height <= 0xFFFF:
        raise EncodeError(f"a picture of {width}x{height} pixels has no place in an image object", tag=0x00280010)
    deep = {"I;16": 2, "I;16B": 2, "RGB": 4, "RGBA": 4, "P": 4, "PA": 4}  # as Pillow holds them
    return int(width * height * deep.get(image.mode, 4 if image.mode not in {"1", "L"} else 1))


def _page(image: Any, name: str, size: int, options: BuildOptions) -> Picture:
    turn = _orientation(image)
    if turn != 1 and options.orientation == "refuse":
        raise EncodeError(f"the picture is stored turned (orientation {turn})")
    if turn != 1 and name == "tiff" and options.orientation == "ignore":
        raise EncodeError("the orientation of a TIFF file cannot be ignored: apply or refuse it")
    tags = getattr(image, "tag_v2", {})
    compression, is_white = tags.get(_TIFF_COMPRESSION), tags.get(_TIFF_PHOTOMETRIC) == 0
    if image.mode not in _MODES:
        raise EncodeError(f"pixels of the mode {image.mode} of Pillow cannot be stored: convert them before")
    icc = image.info.get("icc_profile")
    image.load()
    pixels = _pixels(image, options)
    if is_white and pixels.dtype == np.uint16:  # Pillow turns only those of 8 bits
        pixels = np.uint16(0xFFFF) - pixels
    if turn != 1 and name != "tiff" and options.orientation == "apply":  # Pillow has turned a TIFF already
        pixels = _turned(pixels, turn)
    return Picture(
        pixels, rgb_profile(icc) if pixels.ndim == 3 else None, _loss(name, compression, pixels, size, image)
    )


def _turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    turns, mirrored = _TURNS[orientation]
    pixels = np.rot90(pixels, turns)
    return np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels)


def _loss(name: str, compression: Any, pixels: NDArray[Any], size: int, image: Any) -> Lossy | None:
    ratio = pixels.nbytes / max(size, 1)
    if name == "jpeg" or (name == "tiff" and compression in _TIFF_JPEG):
        return Lossy(ratio, "ISO_10918_1")
    return Lossy(ratio) if name == "webp" and not image.info.get("lossless") else None


def _pixels(image: Any, options: BuildOptions) -> NDArray[Any]:
    if image.mode == "1":
        return np.asarray(image, np.bool_)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in {"L", "RGB"} and "transparency" not in image.info:
        return np.array(image, np.uint8)
    is_gray = image.mode in {"L", "LA"}
    flat = image.convert("RGBA") if not is_gray or "transparency" in image.info else image.convert("LA")
    values = np.asarray(flat, np.uint8)
    opaque = _without_alpha(values[..., :-1], values[..., -1], options)
    if is_gray and opaque.shape[2] == 3 and _is_gray(opaque):
        opaque = opaque[..., :1]
    return np.ascontiguousarray(opaque[..., 0] if opaque.shape[2] == 1 else opaque)


def _is_gray(pixels: NDArray[Any]) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def _without_alpha(values: NDArray[Any], alpha: NDArray[Any], options: BuildOptions) -> NDArray[Any]:
    top = int(np.iinfo(values.dtype).max)
    if int(alpha.min()) == top or options.alpha == "drop":
        return values
    if options.alpha == "refuse":
        raise EncodeError("the picture has transparent pixels: blend them with a background, or drop the alpha channel")
    levels = np.asarray(options.background, np.float64) * (top / 255)
    if values.shape[2] == 1:
        levels = levels @ np.array([[0.299], [0.587], [0.114]])
    share = alpha[..., np.newaxis].astype(np.float64) / top
    blended: NDArray[Any] = np.rint(values * share + levels * (1 - share)).astype(values.dtype)
    return blended


def _check_png(data: bytes) -> None:
    """Follow the chunks to the last and their check sums (ISO/IEC 15948 5.3): decoders are content with all rows."""
    at, name = 8, b""
    while name != b"IEND":
        length = int.from_bytes(data[at : at + 4], "big")
        name, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            raise CodecTruncatedError("the PNG ends in a chunk, or without its last one", offset=len(data))
        if at == 8 and (name != b"IHDR" or length != 13):
            raise CodecError("the PNG has no header", offset=at)
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise CodecError("a chunk of the PNG has a wrong check sum", offset=at)
        at = end


def _deep_png(data: bytes, options: BuildOptions) -> Picture:
    """A PNG of 16 bits with colours or alpha, of which Pillow would drop the low ones."""
    import imagecodecs

    rows, columns = struct.unpack_from(">II", data, 16)[::-1]
    samples = {2: 3, 4: 2, 6: 4}[data[25]]
    if rows * columns * samples * 2 > options.limits.max_bytes:
        raise CodecLimitError(f"{columns}x{rows} pixels of 16 bits; the limit is {options.limits.max_bytes} bytes")
    if not 0 < rows <= 0xFFFF or not 0 < columns <= 0xFFFF:
        raise EncodeError(f"a picture of {columns}x{rows} pixels has no place in an image object", tag=0x00280010)
    with _translated("png"), _reader("png")(BytesIO(data)) as image:
        turn, icc = _orientation(image), image.info.get("icc_profile")
        values = imagecodecs.png_decode(data)
    if turn != 1 and options.orientation == "refuse":
        raise EncodeError(f"the picture is stored turned (orientation {turn})")
    if samples % 2 == 0:
        values = _without_alpha(values[..., :-1], values[..., -1], options)
    values = values[..., 0] if values.shape[2] == 1 else values
    if turn != 1 and options.orientation == "apply":
        values = _turned(values, turn)
    return Picture(np.ascontiguousarray(values), rgb_profile(icc) if values.ndim == 3 else None)


def rgb_profile(profile: bytes | None) -> bytes | None:
    """An ICC profile that is whole and of RGB; others have no place in an object of RGB (PS3.3 C.11.15)."""
    if not profile or len(profile) < 128 or profile[36:40] != b"acsp" or profile[16:20] != b"RGB ":
        return None
    size = int.from_bytes(profile[:4], "big")
    return bytes(profile[:size]) + b"\0" * (size & 1) if 128 <= size <= len(profile) else None

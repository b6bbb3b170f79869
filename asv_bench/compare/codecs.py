"""Codecs by CPU time on one thread: our own against the peers, those by library against the library called bare."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asv_bench.benchmarks.pictures import CODED, FORMATS, picture
from asv_bench.compare.parse import _cpu, _module
from asv_bench.compare.rows import Build, Missing, Row, Scale, Subject
from pacskit.core.errors import CodecUnavailable, EncodeError
from pacskit.encoding.codecs import EncodeOptions, decode_frame, encode_frame

__all__ = ["ROWS"]

_MEGA = 1_000_000


def _rate(work: Callable[[], object], nbytes: int, count: int) -> float:
    """Megabytes of pixels a second."""

    def run() -> int:
        for _ in range(count):
            work()
        return count * nbytes

    work()  # what is loaded at the first call is not the codec
    return _cpu(run) / _MEGA


def _encoded(name: str, family: str, options: EncodeOptions) -> bytes:
    try:
        return encode_frame(picture(name), CODED[family], FORMATS[name], options)
    except (EncodeError, CodecUnavailable) as error:
        raise Missing(str(error)) from None


def _decode(name: str, family: str, *others: tuple[str, Callable[[bytes, Any], Callable[[], object]]]) -> Build:
    """``others`` get the frame and an array to decode into."""

    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        frame = _encoded(name, family, EncodeOptions(effort=1))
        format, syntax = FORMATS[name], CODED[family]
        out = picture(name).copy()
        count = max(1, scale(20, 400) * (1 << 19) // format.nbytes // (10 if family in {"j2k", "jpegls"} else 1))

        def ours() -> float:
            return _rate(lambda: decode_frame(frame, syntax, format, out=out), format.nbytes, count)

        def subject(title: str, make: Callable[[bytes, Any], Callable[[], object]]) -> Subject:
            return Subject(title, lambda: _rate(make(frame, out), format.nbytes, count))

        return [Subject("pacskit", ours), *(subject(*other) for other in others)]

    return build


def _encode(name: str, family: str, *others: tuple[str, Callable[[Any, ExitStack], Callable[[int], float]]]) -> Build:
    """``others`` get the pixels, and measure so many calls themselves."""

    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        _encoded(name, family, EncodeOptions())
        pixels, format, syntax = picture(name), FORMATS[name], CODED[family]
        count = max(1, scale(10, 100) * (1 << 19) // format.nbytes)

        def ours() -> float:
            return _rate(lambda: encode_frame(pixels, syntax, format), format.nbytes, count)

        def subject(title: str, make: Callable[[Any, ExitStack], Callable[[int], float]]) -> Subject:
            return Subject(title, lambda: make(pixels, stack)(count))

        return [Subject("pacskit", ours), *(subject(*other) for other in others)]

    return build


# -- the peers ---------------------------------------------------------------------------------------------------------


def _rle_decode(frame: bytes, out: Any) -> Callable[[], object]:
    peer = _module("rle.rle")
    return lambda: peer.decode_frame(frame, out.shape[0] * out.shape[1], 8 * out.itemsize, "<")


def _rle_encode(pixels: Any, stack: ExitStack) -> Callable[[int], float]:
    peer = _module("rle.rle")
    raw, samples = pixels.tobytes(), pixels.size // (pixels.shape[0] * pixels.shape[1])
    arguments = (raw, *pixels.shape[:2], samples, 8 * pixels.itemsize, "<")
    return lambda count: _rate(lambda: peer.encode_frame(*arguments), pixels.nbytes, count)


def _gdcm_rle(pixels: Any, stack: ExitStack) -> Callable[[int], float]:
    """GDCM encodes an image that it has read; reading it is not measured."""
    gdcm = _module("gdcm")
    path = Path(stack.enter_context(TemporaryDirectory())) / "image.dcm"
    _write(pixels, path)

    def once() -> float:
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        if not reader.Read():
            raise Missing("GDCM does not read the image")
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.RLELossless))
        change.SetInput(reader.GetImage())
        return _cpu(lambda: pixels.nbytes if change.Change() else 0)

    return lambda count: count / sum(1 / max(once(), 1) for _ in range(count)) / _MEGA


def _write(pixels: Any, path: Path) -> None:
    pydicom = _module("pydicom")
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = dataset.PlanarConfiguration = 0
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def _imagecodecs(function: str, **keywords: Any) -> Callable[[bytes, Any], Callable[[], object]]:
    def make(frame: bytes, out: Any) -> Callable[[], object]:
        decode = getattr(_module("imagecodecs"), function)
        return lambda: decode(frame, out=out, **keywords)

    return make


def _libjpeg(frame: bytes, out: Any) -> Callable[[], object]:
    decode = _module("libjpeg.utils").decode
    return lambda: decode(frame, colour_transform=0)


def _jpeg_encode(pixels: Any, stack: ExitStack) -> Callable[[int], float]:
    encode = _module("imagecodecs").jpeg8_encode
    keywords = {"lossless": True, "predictor": 1, "bitspersample": 12 if pixels.itemsize == 2 else 8}
    return lambda count: _rate(lambda: encode(pixels, **keywords), pixels.nbytes, count)


_RLE = ("pylibjpeg-rle", _rle_decode)
_RLE_PEERS = (("pylibjpeg-rle", _rle_encode), ("GDCM", _gdcm_rle))
_AS_STORED = {"colorspace": "YCBCR", "outcolorspace": "YCBCR"}
_BARE = "the library bare"


def _bare(function: str, **keywords: Any) -> tuple[str, Callable[[bytes, Any], Callable[[], object]]]:
    return _BARE, _imagecodecs(function, **keywords)


_TURBO = ("imagecodecs", _jpeg_encode)
_LOSSLESS = (("pylibjpeg-libjpeg", _libjpeg), ("imagecodecs", _imagecodecs("jpeg8_decode")))
_BASELINE = (_bare("jpeg8_decode", **_AS_STORED), ("pylibjpeg-libjpeg", _libjpeg))
_BUILDS: tuple[tuple[str, str, Build, float | None, str], ...] = (
    ("rle:encode:ct", "RLE, encode a CT", _encode("CT", "rle", *_RLE_PEERS), 1.1, "GDCM"),
    ("rle:encode:rgb", "RLE, encode RGB", _encode("RGB", "rle", *_RLE_PEERS), 1.1, "GDCM"),
    ("rle:decode:ct", "RLE, decode a CT", _decode("CT", "rle", _RLE), 1.1, "pylibjpeg-rle"),
    ("rle:decode:rgb", "RLE, decode RGB", _decode("RGB", "rle", _RLE), 1.1, "pylibjpeg-rle"),
    (
        "jpegll:encode",
        "JPEG Lossless, encode",
        _encode("CT", "jpegll", _TURBO),
        3,
        "imagecodecs",
    ),
    ("jpegll:decode", "JPEG Lossless, decode", _decode("CT", "jpegll", *_LOSSLESS), 3, "pylibjpeg-libjpeg"),
    ("jpeg", "JPEG Baseline, decode RGB", _decode("RGB", "jpeg", *_BASELINE), None, ""),
    ("j2k", "JPEG 2000, decode a CT", _decode("CT", "j2k", _bare("jpeg2k_decode", numthreads=1)), 0.97, _BARE),
    ("jpegls", "JPEG-LS, decode a CT", _decode("CT", "jpegls", _bare("jpegls_decode")), 0.97, _BARE),
    ("htj2k", "HTJ2K, decode a CT", _decode("CT", "htj2k", _bare("htj2k_decode")), 0.97, _BARE),
)
ROWS = [Row(key, f"{title} (CPU)", "MB/s", build, least, peer) for key, title, build, least, peer in _BUILDS]

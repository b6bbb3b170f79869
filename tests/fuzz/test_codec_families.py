"""Mutated frames of JPEG-LS, JPEG 2000, HTJ2K, JPEG XL, deflate and uncompressed ones, in a child process."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest

from pacskit.encoding.codecs import EncodeOptions, PixelFormat, encode_frame
from pacskit.encoding.codecs.jpegxl import recompress_jpeg
from tests.fuzz.codec_mutations import PER_CODEC, Case, mutate_and_decode
from tests.oracles.encapsulated import pixels

UID = "1.2.840.10008.1.2"
GRAY = PixelFormat(61, 67)
SIGNED = PixelFormat(61, 67, bits_stored=12, signed=True)
COLOUR = PixelFormat(40, 43, 3, 8, 8, photometric="RGB")
YBR = PixelFormat(40, 43, 3, 8, 8, photometric="YBR_FULL")
BITS = PixelFormat(61, 67, 1, 1, 1)
EOC = b"\xff\xd9"
NONE = EncodeOptions()


def case(
    suffix: str, format: PixelFormat, options: EncodeOptions = NONE, *, end: bytes = b"", knows_cuts: bool = True
) -> Case:
    syntax = UID + suffix
    frame = encode_frame(pixels(format), syntax, format, options)
    return Case(f"{suffix} {format} {options.interleave}", syntax, format, frame, knows_cuts=knows_cuts, end=end)


def jpeg_ls() -> list[Case]:
    return [
        case(".4.80", GRAY, end=EOC),
        case(".4.80", SIGNED, end=EOC),
        case(".4.81", COLOUR, end=EOC),
        *(case(".4.80", COLOUR, EncodeOptions(interleave=mode), end=EOC) for mode in (0, 1)),
    ]


def jpeg_2000() -> list[Case]:
    return [
        case(".4.90", GRAY, end=EOC),
        case(".4.90", SIGNED, end=EOC),
        case(".4.90", COLOUR, end=EOC),
        case(".4.90", BITS, end=EOC),
        case(".4.91", COLOUR, end=EOC),
    ]


def parts() -> list[Case]:
    """Lower resolutions and regions, of tiles too: code streams made of the headers of others."""
    import imagecodecs

    format = PixelFormat(150, 203, 1, 8, 8)
    tiled = Case("tiles", UID + ".4.91", format, saved_in_tiles(format), end=EOC, part=(1, (40, 50, 60, 70)))
    jpeg = imagecodecs.jpeg8_encode(pixels(format), level=80)
    return [
        tiled,
        replace(tiled, name="tiles, whole", part=(2, None)),
        replace(case(".4.90", SIGNED, end=EOC), part=(1, None)),
        replace(case(".4.201", COLOUR, end=EOC), part=(2, None)),
        Case("jpeg halved", UID + ".4.50", format, bytes(jpeg), end=EOC, part=(1, None)),
    ]


def saved_in_tiles(format: PixelFormat) -> bytes:
    from PIL import Image

    to = io.BytesIO()
    options = {"no_jp2": True, "progression": "RPCL", "tile_size": (64, 32), "num_resolutions": 4}
    Image.fromarray(pixels(format)).save(to, "JPEG2000", **options)
    return to.getvalue()


def htj2k() -> list[Case]:
    return [
        case(".4.201", GRAY, end=EOC),
        case(".4.201", YBR, end=EOC),
        case(".4.202", SIGNED, end=EOC),
        case(".4.202", COLOUR, end=EOC),
        case(".4.203", COLOUR, end=EOC),
    ]


def jpeg_xl() -> list[Case]:
    import imagecodecs

    jpeg = Case(
        "jxl jpeg", UID + ".4.111", COLOUR, recompress_jpeg(imagecodecs.jpeg8_encode(pixels(COLOUR), subsampling="420"))
    )
    return [case(".4.110", GRAY), case(".4.110", SIGNED), case(".4.110", COLOUR), case(".4.112", COLOUR), jpeg]


def cells() -> list[Case]:
    return [
        case(".8.1", GRAY),
        case(".8.1", BITS),
        case(".1.98", COLOUR),
        case(".1.98", PixelFormat(40, 44, 3, 8, 8, photometric="YBR_FULL_422")),
    ]


@pytest.mark.parametrize("cases", [jpeg_ls, jpeg_2000, parts, htj2k, jpeg_xl, cells])
def test_mutations(cases: Callable[[], list[Case]]) -> None:
    made = cases()
    report = mutate_and_decode(made)
    assert not report.findings, report.findings[:20]
    assert report.outcomes.total() >= PER_CODEC
    assert report.outcomes["refused"], "no mutation was found out: the mutations are too weak"

"""Mutated frames of JPEG Lossless, in a child process."""

from __future__ import annotations

from pacskit.encoding.codecs import EncodeOptions, PixelFormat, encode_frame
from tests.fuzz.codec_mutations import PER_CODEC, Case, mutate_and_decode
from tests.fuzz.test_codecs import picture
from tests.oracles import jpeg_lossless as twin

PROCESS_14, SV1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"


def case(name: str, format: PixelFormat, predictor: int = 1, restart_rows: int = 0) -> Case:
    syntax = SV1 if predictor == 1 else PROCESS_14
    options = EncodeOptions(predictor=predictor, restart_interval=restart_rows * format.columns)
    frame = encode_frame(picture(format), syntax, format, options)
    return Case(name, syntax, format, frame, end=b"\xff\xd9")


def separate_scans() -> Case:
    """Components one after the other, with codes of up to 16 bits."""
    format = PixelFormat(24, 20, 3, 8, 8, photometric="RGB")
    pixels = picture(format)
    code = twin.code_of_lengths({category: min(category + 1, 16) if category < 14 else 16 for category in range(17)})
    planes = [pixels[..., component].tolist() for component in range(3)]
    frame = twin.encode(planes, 8, [code] * 3, predictor=6, interleaved=False)
    return Case("scans", PROCESS_14, format, frame, end=b"\xff\xd9")


def test_mutations() -> None:
    cases = [
        case("sv1 12", PixelFormat(61, 67, 1, 16, 12)),
        case("predictor 7, 16, restarts", PixelFormat(61, 67, 1, 16, 16, signed=True), predictor=7, restart_rows=4),
        case("rgb", PixelFormat(40, 43, 3, 8, 8, photometric="RGB")),
        case(
            "rgb, predictor 4, restarts", PixelFormat(40, 43, 3, 8, 8, photometric="RGB"), predictor=4, restart_rows=9
        ),
        separate_scans(),
    ]
    report = mutate_and_decode(cases)
    assert not report.findings, report.findings[:20]
    assert report.outcomes.total() >= PER_CODEC
    assert report.outcomes["refused"] > 0.8 * report.outcomes.total(), "few mutations were found out: they are too weak"

"""Real files to every transfer syntax and back: the pixels that were, and attributes that differ only where they must.

The ordinary run takes one file of each kind of pixels; ``PACSKIT_WHOLE_CORPUS`` set makes it all of them.
"""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest

from pacskit import DataElement, Dataset, DecodeError, TranscodeError, dcmread
from pacskit.encoding.codecs import EncodeOptions, is_lossless
from pacskit.encoding.transcoding import SYNTAX_NAMES, Step, Transcoded, compare_pixels, transcode_file
from pacskit.encoding.transfer_syntax import UNCOMPRESSED
from tests.conftest import corpus_folder

EXPLICIT = str(UNCOMPRESSED[0])
NO_PREFIX = {"JLSL_RGB_ILV0.dcm", "JLSL_RGB_ILV1.dcm", "JLSL_RGB_ILV2.dcm", "JLSN_RGB_ILV0.dcm"}
TRAPS = {
    "JPEGLosslessP14SV1_3s_2f_u_08_08.dcm",  # libjxl 0.11.2 loses pixels of it at effort 1
    "sm_image_grayscale.dcm",  # OpenJPEG makes mid-gray of its black frames when it is given a PSNR
    "6_1.dcm",  # a value of a sequence that is left in the file, so that the sequence is written anew
    "IM_0027_fMAP.dcm",  # private items with an Image Type of their own
    "axial_epi_fmri_interleaved_i_to_s-00001.dcm",  # private sequences, which Implicit VR does not tell
}
WHOLE = "PACSKIT_WHOLE_CORPUS" in os.environ
pytestmark = [pytest.mark.corpus, *([pytest.mark.timeout(3600)] if WHOLE else [])]
MOST_BYTES = 600_000
GROUP_LENGTH = "(7FE0,0000)"
OPTIONS = dict.fromkeys(("j2k-lossy", "htj2k-lossy"), EncodeOptions(psnr=40))
ALWAYS = {"PixelData", GROUP_LENGTH, "ExtendedOffsetTable", "ExtendedOffsetTableLengths"}
COLOUR = {"PhotometricInterpretation", "PlanarConfiguration"}
LOSS = {"LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"}
DERIVED = {
    "SOPInstanceUID", "SourceImageSequence", "DerivationDescription", "DerivationCodeSequence", "ImageType",
    "FrameType",
}  # fmt: skip
ICON = re.compile(r"IconImageSequence\[0\]\.PixelData")


def _rows() -> list[dict[str, str]]:
    folder = corpus_folder()
    if folder is None:
        return []
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["pixels"] == "yes" and row["transfer_syntax"]]
    rows = [row for row in rows if row["file"].rpartition("/")[2] not in NO_PREFIX]
    if WHOLE:
        return rows
    kinds: dict[tuple[str, ...], dict[str, str]] = {}
    about = ("photometric", "samples", "bits_allocated", "bits_stored", "pixel_representation")
    for row in sorted(rows, key=lambda row: int(row["size"])):
        size = int(row["rows"] or 0) * int(row["columns"] or 0) * int(row["frames"] or 1)
        if size * int(row["samples"] or 1) * int(row["bits_allocated"] or 8) // 8 <= MOST_BYTES:
            kinds.setdefault((row["transfer_syntax"], *(row[name] for name in about[:3])), row)
            kinds.setdefault(tuple(row[name] for name in about), row)
    kinds |= {(row["file"],): row for row in rows if row["file"].rpartition("/")[2] in TRAPS}
    return list({row["file"]: row for row in kinds.values()}.values())


def changed(before: Dataset, after: Dataset) -> set[str]:
    """What differs, but for group lengths, VRs that Implicit VR does not tell, and words in the other byte order."""
    return {
        re.sub(
            r"^.*\.FrameType$",
            "FrameType",
            re.sub(r"^(SourceImage|DerivationCode)Sequence.*", r"\1Sequence", change.path),
        )
        for change in before.diff(after)
        if not re.search(r",0000\)$", change.path) and not _same_bytes(change.before, change.after)
    }


def _same_bytes(before: object, after: object) -> bool:
    """Big Endian has the words of OW in its order (PS3.5 8.2)."""
    if not isinstance(before, DataElement) or not isinstance(after, DataElement):
        return False
    if (str(before.VR), str(after.VR)) == ("SQ", "UN"):
        return True  # whose items are in Implicit VR then
    one, other = before.raw, after.raw
    if one is None or other is None:
        return False
    if before.is_little_endian == after.is_little_endian:
        return bytes(one) == bytes(other)
    width = {"OW": 2, "US": 2, "SS": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.get(str(before.VR), 1)
    return bytes(other) == np.frombuffer(one, f"u{width}").byteswap().tobytes()


def allowed(before: Dataset, lossy: bool, was_lossy: bool, syntax: str) -> set[str]:
    found = ALWAYS | (COLOUR if before.SamplesPerPixel > 1 else set())
    if before.get("HighBit") != before.get("BitsStored", 0) - 1:
        found = found | {"HighBit"}
    if lossy:
        found = found | LOSS | DERIVED
        if syntax == SYNTAX_NAMES["jpeg"] and before.BitsStored <= 8 < before.BitsAllocated:
            found = found | {"BitsAllocated"}
    if was_lossy and before.get("LossyImageCompression") != "01":
        found = found | LOSS
    return found


def converted(source: Path, target: Path, name: str) -> Transcoded | TranscodeError:
    try:
        return transcode_file(source, target, SYNTAX_NAMES[name], OPTIONS.get(name, EncodeOptions()))
    except TranscodeError as error:
        return error


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row["file"].rpartition("/")[2])
def test_to_every_syntax_and_back(row: dict[str, str], corpus: Path, tmp_path: Path) -> None:
    path = corpus / row["file"]
    before = dcmread(path)
    pixels = before.pixel_array
    there, back = tmp_path / "there.dcm", tmp_path / "back.dcm"
    was_lossy = not is_lossless(row["transfer_syntax"])
    reached = 0
    for name, syntax in SYNTAX_NAMES.items():
        made = converted(path, there, name)
        if isinstance(made, TranscodeError):
            assert made.tag is not None, name
            assert str(syntax) not in UNCOMPRESSED, (name, made)
            assert not there.exists()
            continue
        reached += 1
        after = dcmread(there)
        assert after.file_meta.TransferSyntaxUID == after.transfer_syntax == syntax
        extra = {path for path in changed(before, after) if not ICON.search(path)}
        embedded = {path for path in extra if re.match(r"\(60[0-9A-F]{2},", path) or path.startswith("Overlay")}
        beyond = extra - embedded - allowed(before, made.lossy, was_lossy, syntax)
        assert not beyond, name
        if made.step in (Step.NOTHING, Step.RECOMPRESS, Step.REBUILD):
            there.unlink()
            continue
        again = transcode_file(there, back, EXPLICIT)
        assert not again.lossy
        if made.lossy:
            found = compare_pixels(before, dcmread(back))
            assert found.psnr > 20, (name, found)
            assert dcmread(back).LossyImageCompression == "01"
        else:
            assert np.array_equal(dcmread(back).pixel_array, pixels), name
        if made.step is Step.PIXELS and not made.lossy:
            buffer = io.BytesIO()
            before.transcode(syntax).save_as(buffer)
            if buffer.getvalue() != there.read_bytes():  # as where a sequence has a value that was left in the file
                assert dcmread(buffer.getvalue()).diff(after) == [], f"{name}: in memory it is another file"
        there.unlink()
    assert reached >= (4 if "FloatPixelData" in before or "DoubleFloatPixelData" in before else 6)


def test_damaged_files_leave_nothing(corpus: Path, tmp_path: Path) -> None:
    """Every file whose pixels nobody reads: an error of ours, and no file."""
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["pixels"].startswith("no")]
    assert len(rows) > 10
    failed = 0
    for row in rows:
        try:
            transcode_file(corpus / row["file"], tmp_path / "made.dcm", SYNTAX_NAMES["rle"])
            (tmp_path / "made.dcm").unlink()
        except (DecodeError, TranscodeError):
            failed += 1
        assert list(tmp_path.iterdir()) == []
    assert failed >= 3

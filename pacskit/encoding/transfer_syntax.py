"""TransferSyntax, the encodings of PS3.5 section 10 by name."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from pacskit.core.uid import UID

__all__ = ["EXPLICIT_LITTLE", "GRAMMARS", "UNCOMPRESSED", "Grammar", "TransferSyntax", "grammar"]

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


class TransferSyntax(UID):
    """A transfer syntax UID; the standard's are attributes of the class.

    >>> TransferSyntax.RLE_LOSSLESS.is_encapsulated
    True
    """

    __slots__ = ()

    IMPLICIT_VR_LITTLE_ENDIAN: ClassVar[TransferSyntax]
    EXPLICIT_VR_LITTLE_ENDIAN: ClassVar[TransferSyntax]
    EXPLICIT_VR_BIG_ENDIAN: ClassVar[TransferSyntax]
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: ClassVar[TransferSyntax]
    ENCAPSULATED_UNCOMPRESSED: ClassVar[TransferSyntax]
    JPEG_BASELINE: ClassVar[TransferSyntax]
    JPEG_EXTENDED: ClassVar[TransferSyntax]
    JPEG_LOSSLESS: ClassVar[TransferSyntax]
    JPEG_LOSSLESS_SV1: ClassVar[TransferSyntax]
    JPEG_LS_LOSSLESS: ClassVar[TransferSyntax]
    JPEG_LS_NEAR_LOSSLESS: ClassVar[TransferSyntax]
    JPEG_2000_LOSSLESS: ClassVar[TransferSyntax]
    JPEG_2000: ClassVar[TransferSyntax]
    JPEG_2000_MC_LOSSLESS: ClassVar[TransferSyntax]
    JPEG_2000_MC: ClassVar[TransferSyntax]
    MPEG2_MAIN: ClassVar[TransferSyntax]
    MPEG2_MAIN_HIGH: ClassVar[TransferSyntax]
    MPEG4_HIGH_41: ClassVar[TransferSyntax]
    MPEG4_HIGH_41_BD: ClassVar[TransferSyntax]
    MPEG4_HIGH_42_2D: ClassVar[TransferSyntax]
    MPEG4_HIGH_42_3D: ClassVar[TransferSyntax]
    MPEG4_STEREO_42: ClassVar[TransferSyntax]
    HEVC_MAIN: ClassVar[TransferSyntax]
    HEVC_MAIN_10: ClassVar[TransferSyntax]
    JPEG_XL_LOSSLESS: ClassVar[TransferSyntax]
    JPEG_XL_RECOMPRESSION: ClassVar[TransferSyntax]
    JPEG_XL: ClassVar[TransferSyntax]
    HTJ2K_LOSSLESS: ClassVar[TransferSyntax]
    HTJ2K_LOSSLESS_RPCL: ClassVar[TransferSyntax]
    HTJ2K: ClassVar[TransferSyntax]
    RLE_LOSSLESS: ClassVar[TransferSyntax]
    DEFLATED_IMAGE_FRAME: ClassVar[TransferSyntax]


_SUFFIXES = {
    "IMPLICIT_VR_LITTLE_ENDIAN": "",
    "EXPLICIT_VR_LITTLE_ENDIAN": ".1",
    "EXPLICIT_VR_BIG_ENDIAN": ".2",
    "DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN": ".1.99",
    "ENCAPSULATED_UNCOMPRESSED": ".1.98",
    "JPEG_BASELINE": ".4.50",
    "JPEG_EXTENDED": ".4.51",
    "JPEG_LOSSLESS": ".4.57",
    "JPEG_LOSSLESS_SV1": ".4.70",
    "JPEG_LS_LOSSLESS": ".4.80",
    "JPEG_LS_NEAR_LOSSLESS": ".4.81",
    "JPEG_2000_LOSSLESS": ".4.90",
    "JPEG_2000": ".4.91",
    "JPEG_2000_MC_LOSSLESS": ".4.92",
    "JPEG_2000_MC": ".4.93",
    "MPEG2_MAIN": ".4.100",
    "MPEG2_MAIN_HIGH": ".4.101",
    "MPEG4_HIGH_41": ".4.102",
    "MPEG4_HIGH_41_BD": ".4.103",
    "MPEG4_HIGH_42_2D": ".4.104",
    "MPEG4_HIGH_42_3D": ".4.105",
    "MPEG4_STEREO_42": ".4.106",
    "HEVC_MAIN": ".4.107",
    "HEVC_MAIN_10": ".4.108",
    "JPEG_XL_LOSSLESS": ".4.110",
    "JPEG_XL_RECOMPRESSION": ".4.111",
    "JPEG_XL": ".4.112",
    "HTJ2K_LOSSLESS": ".4.201",
    "HTJ2K_LOSSLESS_RPCL": ".4.202",
    "HTJ2K": ".4.203",
    "RLE_LOSSLESS": ".5",
    "DEFLATED_IMAGE_FRAME": ".8.1",
}
for _name, _suffix in _SUFFIXES.items():
    setattr(TransferSyntax, _name, TransferSyntax("1.2.840.10008.1.2" + _suffix))

UNCOMPRESSED = (
    TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN,
    TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN,
    TransferSyntax.EXPLICIT_VR_BIG_ENDIAN,
    TransferSyntax.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)
"""The syntaxes among which a data set is converted without touching its pixels."""


class Grammar(NamedTuple):
    """How the elements of a data set are laid out in a transfer syntax."""

    implicit: bool
    big: bool
    deflated: bool
    encapsulated: bool


GRAMMARS = {
    "1.2.840.10008.1.2": Grammar(True, False, False, False),
    EXPLICIT_LITTLE: Grammar(False, False, False, False),
    "1.2.840.10008.1.2.2": Grammar(False, True, False, False),
    "1.2.840.10008.1.2.1.99": Grammar(False, False, True, False),
    "1.2.840.10008.1.2.4.95": Grammar(False, False, True, False),  # JPIP Referenced Deflate
    "1.2.840.10008.1.2.4.205": Grammar(False, False, True, False),  # JPIP HTJ2K Referenced Deflate
    "1.2.840.10008.1.2.4.94": Grammar(False, False, False, False),  # JPIP Referenced
    "1.2.840.10008.1.2.4.204": Grammar(False, False, False, False),  # JPIP HTJ2K Referenced
    "1.2.840.113619.5.2": Grammar(True, False, False, False),  # GE private: big endian pixels only
}
_ENCAPSULATED = Grammar(False, False, False, True)


def grammar(transfer_syntax: str) -> Grammar:
    """The grammar of a transfer syntax: every other one is explicit little endian, encapsulated (PS3.5 A.4)."""
    return GRAMMARS.get(transfer_syntax, _ENCAPSULATED)

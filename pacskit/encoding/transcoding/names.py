"""Transfer syntaxes by names that can be typed."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pacskit.core.errors import ConfigurationError
from pacskit.core.uid import UID
from pacskit.encoding.transfer_syntax import TransferSyntax

__all__ = ["SYNTAX_NAMES", "syntax_named"]

SYNTAX_NAMES: Final = MappingProxyType(
    {
        "explicit": TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN,
        "implicit": TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN,
        "big-endian": TransferSyntax.EXPLICIT_VR_BIG_ENDIAN,
        "deflated": TransferSyntax.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        "rle": TransferSyntax.RLE_LOSSLESS,
        "jpeg": TransferSyntax.JPEG_BASELINE,
        "jpeg-extended": TransferSyntax.JPEG_EXTENDED,
        "jpeg-lossless": TransferSyntax.JPEG_LOSSLESS_SV1,
        "jpeg-lossless-14": TransferSyntax.JPEG_LOSSLESS,
        "jpeg-ls": TransferSyntax.JPEG_LS_LOSSLESS,
        "jpeg-ls-near": TransferSyntax.JPEG_LS_NEAR_LOSSLESS,
        "j2k": TransferSyntax.JPEG_2000_LOSSLESS,
        "j2k-lossy": TransferSyntax.JPEG_2000,
        "htj2k": TransferSyntax.HTJ2K_LOSSLESS,
        "htj2k-rpcl": TransferSyntax.HTJ2K_LOSSLESS_RPCL,
        "htj2k-lossy": TransferSyntax.HTJ2K,
        "jxl": TransferSyntax.JPEG_XL_LOSSLESS,
        "jxl-jpeg": TransferSyntax.JPEG_XL_RECOMPRESSION,
        "jxl-lossy": TransferSyntax.JPEG_XL,
        "deflated-frame": TransferSyntax.DEFLATED_IMAGE_FRAME,
        "encapsulated": TransferSyntax.ENCAPSULATED_UNCOMPRESSED,
    }
)
"""What each name stands for; the plain names of a family are its lossless syntax, where it has one."""


def syntax_named(name: str) -> UID:
    """Return the transfer syntax of one of the names, or of a UID.

    >>> syntax_named("jpeg-ls")
    '1.2.840.10008.1.2.4.80'
    """
    found = SYNTAX_NAMES.get(name.strip().lower())
    if found is not None:
        return found
    uid = UID(name.strip())
    if uid.type == "Transfer Syntax":
        return uid
    raise ConfigurationError(f"{name!r} is no transfer syntax: a UID, or one of {', '.join(SYNTAX_NAMES)}")

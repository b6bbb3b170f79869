"""pydicom's errors."""

from __future__ import annotations

from pacskit.core.errors import DecodeError

__all__ = ["BytesLengthException", "InvalidDicomError"]


class InvalidDicomError(DecodeError):
    """A file that is not a DICOM file: a DecodeError, so that one ``except`` serves both libraries."""

    def __init__(self, *args: object) -> None:
        super().__init__(str(args[0]) if args else "The specified file is not a valid DICOM file.")


class BytesLengthException(DecodeError):
    """A value whose length is no multiple of what its VR needs."""

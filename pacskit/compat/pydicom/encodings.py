"""What pydicom's data sets know of the encoding that they were read in and are to be written in."""

from __future__ import annotations

from typing import Any

__all__ = ["KnowsEncoding"]


class KnowsEncoding:
    """The part of `dataset.Dataset` about encodings."""

    scan: Any
    get: Any

    @property
    def original_encoding(self) -> tuple[bool | None, bool | None]:
        """Whether what was read had no VRs, and was little endian; (None, None) when nothing was read."""
        set_ = self.__dict__.get("_read_as")
        if set_ is not None:
            return set_[0], set_[1]
        scan = self.scan
        return (None, None) if scan is None else (scan.implicit, not scan.big)

    def set_original_encoding(
        self, is_implicit_vr: bool | None, is_little_endian: bool | None, character_encoding: Any = None
    ) -> None:
        """Say how the data set was encoded."""
        self.__dict__["_read_as"] = (is_implicit_vr, is_little_endian)
        self.__dict__["_read_charset"] = character_encoding or ""

    @property
    def read_implicit_vr(self) -> bool | None:
        """The older name of the first of `original_encoding`."""
        return self.original_encoding[0]

    @property
    def read_little_endian(self) -> bool | None:
        """The older name of the second of `original_encoding`."""
        return self.original_encoding[1]

    @property
    def is_implicit_VR(self) -> bool | None:
        """Whether `save_as` writes without VRs when no transfer syntax says so."""
        chosen: bool | None = self.__dict__.get("_is_implicit", self.original_encoding[0])
        return chosen

    @is_implicit_VR.setter
    def is_implicit_VR(self, value: bool | None) -> None:
        self.__dict__["_is_implicit"] = value

    @property
    def is_little_endian(self) -> bool | None:
        """Whether `save_as` writes little endian when no transfer syntax says so."""
        chosen: bool | None = self.__dict__.get("_is_little", self.original_encoding[1])
        return chosen

    @is_little_endian.setter
    def is_little_endian(self, value: bool | None) -> None:
        self.__dict__["_is_little"] = value

    @property
    def is_original_encoding(self) -> bool:
        """Whether encoding and character set are those that were read."""
        now = (self.is_implicit_VR, self.is_little_endian)
        return now == self.original_encoding and self.original_character_set == self._character_set

    @property
    def _character_set(self) -> Any:
        return self.get("SpecificCharacterSet", "iso8859") or "iso8859"

    @property
    def original_character_set(self) -> Any:
        """The Specific Character Set that was read."""
        chosen = self.__dict__.get("_read_charset")
        if chosen or self.scan is None:
            return chosen or ""
        return self._character_set

    read_encoding = original_character_set

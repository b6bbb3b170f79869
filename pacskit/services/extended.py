"""SOP class extended negotiation: what the service-class-application-information of PS3.4 says."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final, Self

__all__ = ["QueryNegotiation", "RetrieveNegotiation", "StorageNegotiation"]


@dataclass(frozen=True, slots=True)
class _Flags:
    """Bytes that are 1 for yes; what a peer leaves out at the end is no."""

    def encode(self) -> bytes:
        """Return the bytes of the item."""
        return bytes(astuple(self))

    @classmethod
    def decode(cls, information: bytes) -> Self:
        """Read the bytes of an item; those that the standard does not know are passed over."""
        names = cls.__dataclass_fields__
        return cls(**{name: byte == 1 for name, byte in zip(names, information, strict=False)})

    def agreed(self, other: Self) -> Self:
        """Return what both want."""
        both = zip(self.__dataclass_fields__, astuple(self), astuple(other), strict=True)
        return type(self)(**{name: one and two for name, one, two in both})


@dataclass(frozen=True, slots=True)
class QueryNegotiation(_Flags):
    """C-FIND (PS3.4 C.5.1.1)."""

    relational: bool = False
    """Keys above the level need not be given, and those of levels above match too."""
    combined_datetime: bool = False
    """A range of dates and one of times are one range of moments."""
    fuzzy_names: bool = False
    """Person names match by their words, in any order, spelt about so; see `pacskit.storage.fuzzy`."""
    timezone: bool = False
    enhanced_conversion: bool = False


@dataclass(frozen=True, slots=True)
class RetrieveNegotiation(_Flags):
    """C-MOVE and C-GET (PS3.4 C.5.2.1, C.5.3.1)."""

    relational: bool = False
    """The unique keys above the level need not be given."""
    enhanced_conversion: bool = False


@dataclass(frozen=True, slots=True)
class StorageNegotiation:
    """C-STORE (PS3.4 B.3.1).

    ``level`` is 0 to 2 (2: every attribute is kept; 3: not applicable), ``signatures`` the level of support for digital
    signatures (0: unspecified), ``coercion`` 0 when no element is changed, 1 when some may be, 2 for not applicable.
    """

    level: int = 3
    signatures: int = 0
    coercion: int = 2

    def encode(self) -> bytes:
        """Return the bytes of the item."""
        return bytes((self.level, 0, self.signatures, 0, self.coercion, 0))

    @classmethod
    def decode(cls, information: bytes) -> Self:
        """Read the bytes of an item."""
        padded = information.ljust(5, b"\0")
        return cls(padded[0], padded[2], padded[4])


ARCHIVE_STORAGE: Final = StorageNegotiation(level=2, signatures=0, coercion=0)
ARCHIVE_QUERY: Final = QueryNegotiation(relational=True, combined_datetime=True, fuzzy_names=True)
ARCHIVE_RETRIEVE: Final = RetrieveNegotiation(relational=True)

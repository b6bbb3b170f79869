"""PDUs as handlers of ``EVT_PDU_*``, ``EVT_DATA_*`` and ``EVT_ACSE_*`` see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from pacskit.compat.pynetdicom.errors import UnsupportedAttribute
from pacskit.compat.pynetdicom.pdu_primitives import A_ASSOCIATE, A_RELEASE, abort_of
from pacskit.network.pdu import AbortPdu, AssociateReject, decode_associate

__all__ = ["PDU", "PduSplitter", "pdu_of"]


class PDU:
    """A PDU that passed; its class is named after it: ``A_ASSOCIATE_RQ``."""

    pdu_type: ClassVar[int] = 0

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def pdu_length(self) -> int:
        """The length of what follows the head."""
        return len(self._data) - 6

    def encode(self) -> bytes:
        """Its bytes."""
        return self._data

    def __len__(self) -> int:
        return len(self._data)

    def to_primitive(self) -> Any:
        """What it says about the association; None for P-DATA-TF, whose messages have events of their own."""
        body, kind = self._data[6:], self.pdu_type
        if kind in {1, 2}:
            return A_ASSOCIATE.of(decode_associate(kind, body))
        if kind == 3:
            return A_ASSOCIATE.of(AssociateReject.decode(body))
        if kind in {5, 6}:
            return A_RELEASE(None if kind == 5 else "affirmative")
        return abort_of(AbortPdu.decode(body)) if kind == 7 else None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnsupportedAttribute(f"a PDU has no {name!r} here: see encode() and to_primitive()")


_NAMES: Final = {
    1: "A_ASSOCIATE_RQ",
    2: "A_ASSOCIATE_AC",
    3: "A_ASSOCIATE_RJ",
    4: "P_DATA_TF",
    5: "A_RELEASE_RQ",
    6: "A_RELEASE_RP",
    7: "A_ABORT_RQ",
}
_CLASSES: Final = {kind: type(name, (PDU,), {"pdu_type": kind}) for kind, name in _NAMES.items()}


def pdu_of(data: bytes) -> PDU | None:
    """A whole PDU as an object; None for what the standard has not."""
    cls = _CLASSES.get(data[0])
    return None if cls is None else cls(data)


class PduSplitter:
    """Cuts one direction of a connection's bytes into PDUs."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every PDU that ends in ``data``."""
        self._held += data
        while len(self._held) >= 6:
            end = 6 + int.from_bytes(self._held[2:6], "big")
            if len(self._held) < end:
                return
            whole = bytes(self._held[:end])
            del self._held[:end]
            yield whole

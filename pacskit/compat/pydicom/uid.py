"""pydicom's UIDs: the class, the constants of the standard by keyword, and the generator."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator
from contextvars import ContextVar
from typing import Any, Final

from pacskit.core import uid as core
from pacskit.core import uids

__all__ = ["UID", "generate_uid", "register_transfer_syntax"]

PYDICOM_ROOT_UID: Final = "1.2.826.0.1.3680043.8.498."
RE_VALID_UID: Final = r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*$"
RE_VALID_UID_PREFIX: Final = re.compile(r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*\.$")
_MAX_PREFIX: Final = 54


class UID(core.UID):
    """A UID whose properties about its encoding raise for what is no transfer syntax."""

    def __new__(cls, val: Any, validation_mode: int | None = None) -> UID:
        if not isinstance(val, str):
            raise TypeError("A UID must be created from a string")
        text = str.strip(val)
        if validation_mode is None and isinstance(val, UID):
            return val
        from pacskit.compat.pydicom.valuerep import validate_value

        validate_value("UI", text, validation_mode)
        return super().__new__(cls, text)

    def _encoding(self, name: str) -> Any:
        private = getattr(self, "_PRIVATE_TS_ENCODING", None)
        if private is not None and name in ("is_implicit_VR", "is_little_endian"):
            return private[name == "is_little_endian"]
        if self.is_transfer_syntax:
            return getattr(super(), name)
        raise ValueError("UID is not a transfer syntax.")

    @property
    def is_transfer_syntax(self) -> bool:
        """Whether it is the standard's, or was given an encoding."""
        return hasattr(self, "_PRIVATE_TS_ENCODING") or (not self.is_private and self.type == "Transfer Syntax")

    @property
    def is_implicit_VR(self) -> bool:
        """Whether data sets have no VRs."""
        return bool(self._encoding("is_implicit_VR"))

    @property
    def is_little_endian(self) -> bool:
        """Whether numbers are little endian."""
        return bool(self._encoding("is_little_endian"))

    @property
    def is_deflated(self) -> bool:
        """Whether data sets are deflated."""
        return bool(self._encoding("is_deflated"))

    @property
    def is_encapsulated(self) -> bool:
        """Whether pixel data is encapsulated."""
        return bool(self._encoding("is_encapsulated"))

    is_compressed = is_encapsulated

    @property
    def type(self) -> str:
        """The type of the registry; "" for what is not in it."""
        return super().type or ""

    def set_private_encoding(self, implicit_vr: bool, little_endian: bool) -> None:
        """Say how data sets in this private transfer syntax are encoded."""
        self._PRIVATE_TS_ENCODING = (implicit_vr, little_endian)


PYDICOM_IMPLEMENTATION_UID: Final = UID(f"{PYDICOM_ROOT_UID}1")
"""Named for scripts that compare with it; files that pacskit writes bear pacskit's own."""

for _name in uids.__all__:
    if not _name.startswith("_") and _name.isidentifier() and isinstance(getattr(uids, _name), str):
        globals()[_name] = core.UID.__new__(UID, getattr(uids, _name))


def _found(*names: str) -> list[Any]:
    return [globals()[name] for name in names if name in globals()]


UncompressedTransferSyntaxes: Final = _found(
    "ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "DeflatedExplicitVRLittleEndian", "ExplicitVRBigEndian"
)
JPEGTransferSyntaxes: Final = _found("JPEGBaseline8Bit", "JPEGExtended12Bit", "JPEGLossless", "JPEGLosslessSV1")
JPEGLSTransferSyntaxes: Final = _found("JPEGLSLossless", "JPEGLSNearLossless")
JPEG2000TransferSyntaxes: Final = _found("JPEG2000Lossless", "JPEG2000", "JPEG2000MCLossless", "JPEG2000MC")
RLETransferSyntaxes: Final = _found("RLELossless")
AllTransferSyntaxes: Final = tuple(
    globals()[name] for name in uids.__all__ if getattr(globals().get(name), "is_transfer_syntax", False)
)


class PrivateSyntaxes(Collection[UID]):
    """The private transfer syntaxes that were registered in the current context (thread, task)."""

    def __init__(self) -> None:
        self._known: ContextVar[tuple[UID, ...]] = ContextVar("pacskit.compat.pydicom.uid", default=())

    def append(self, uid: UID) -> None:
        """Add one."""
        self._known.set((*self._known.get(), uid))

    def clear(self) -> None:
        """Forget all."""
        self._known.set(())

    def __contains__(self, uid: object) -> bool:
        return uid in self._known.get()

    def __iter__(self) -> Iterator[UID]:
        return iter(self._known.get())

    def __len__(self) -> int:
        return len(self._known.get())

    def __eq__(self, other: object) -> bool:
        return list(self) == other if isinstance(other, list) else self is other

    def __hash__(self) -> int:
        return id(self)

    def __getitem__(self, index: int) -> UID:
        return self._known.get()[index]


PrivateTransferSyntaxes: Final = PrivateSyntaxes()


def register_transfer_syntax(uid: str, implicit_vr: bool | None = None, little_endian: bool | None = None) -> UID:
    """Give a private transfer syntax its encoding; ``dcmread`` and ``dcmwrite`` of this package know it then."""
    made = UID(uid)
    if None not in (implicit_vr, little_endian):
        made.set_private_encoding(bool(implicit_vr), bool(little_endian))
    elif not made.is_transfer_syntax:
        raise ValueError(
            "The corresponding dataset encoding for 'uid' must be set using the 'implicit_vr' and 'little_endian' "
            "arguments"
        )
    if made not in PrivateTransferSyntaxes:
        PrivateTransferSyntaxes.append(made)
    return made


def generate_uid(prefix: str | None = PYDICOM_ROOT_UID, entropy_srcs: list[str] | None = None) -> UID:
    """Make a new UID under a prefix; without one, from a random UUID. The same sources give the same UID."""
    if prefix is None:
        return UID(str(core.generate_uid(entropy=entropy_srcs)))
    if len(prefix) > _MAX_PREFIX:
        raise ValueError(f"The prefix must be less than {_MAX_PREFIX} chars")
    if not RE_VALID_UID_PREFIX.match(prefix):
        raise ValueError("The prefix is not in a valid format")
    if entropy_srcs is None:
        return UID(prefix + str(secrets.randbelow(10 ** (64 - len(prefix)))), validation_mode=0)
    return UID(str(core.generate_uid(prefix, entropy=entropy_srcs)))

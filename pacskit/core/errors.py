"""The tree of errors. Each carries its facts as fields.

::

    PacsError
    ├── DecodeError(ValueError)      bytes that are not what the standard says
    │   ├── TruncatedError(EOFError)
    │   ├── LimitError               a budget was exceeded
    │   └── CodecError               a code stream that cannot be decoded
    │       ├── CodecTruncatedError(TruncatedError)
    │       ├── CodecLimitError(LimitError)
    │       └── CodecUnavailable     no installed back end decodes it
    ├── EncodeError(ValueError)      a value that cannot be written
     │   └── TranscodeError           pixels that cannot get from one transfer syntax to another
     ├── GeometryError(ValueError)    frames that are not the slices of one volume
    ├── ConfigurationError(ValueError)
    ├── SourceError(OSError)         bytes that were left where they are cannot be had any more
    ├── PrivateGroupFull(ValueError) no block of a private group is free
    ├── StorageError                 the archive could not keep or find an object
    │   ├── DuplicateInstance
    │   └── InstanceNotFound(KeyError)
    └── NetworkError(OSError)
        ├── ConnectError             no TCP connection
        │   └── TlsError             no TLS over it, or not any more
        ├── AssociationRejected      A-ASSOCIATE-RJ
        ├── AssociationAborted       A-ABORT, or the connection was lost
        ├── AssociationReleased      the peer released; nothing more can be sent
        ├── DeadlineExceeded(TimeoutError)
        ├── ProtocolError            the peer broke PS3.7 or PS3.8
        ├── NoPresentationContext    nothing accepted fits what is to be sent
        └── DimseError               a response status that is neither success nor pending
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pacskit_ext._errors import DecodeError, EncodeError, LimitError, PacsError, TruncatedError

__all__ = [
    "AssociationAborted",
    "AssociationRejected",
    "AssociationReleased",
    "CodecError",
    "CodecLimitError",
    "CodecTruncatedError",
    "CodecUnavailable",
    "ConfigurationError",
    "ConnectError",
    "DeadlineExceeded",
    "DecodeError",
    "DimseError",
    "DuplicateInstance",
    "EncodeError",
    "GeometryError",
    "InstanceNotFound",
    "LimitError",
    "NetworkError",
    "NoPresentationContext",
    "PacsError",
    "PrivateGroupFull",
    "ProtocolError",
    "SourceError",
    "StorageError",
    "TlsError",
    "TranscodeError",
    "TruncatedError",
]


class CodecError(DecodeError):
    """A frame that cannot be decoded; ``codec`` names the back end and ``syntax`` the transfer syntax, where known."""

    def __init__(
        self,
        message: str,
        *,
        codec: str | None = None,
        syntax: str | None = None,
        offset: int | None = None,
        tag: int | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message, offset=offset, tag=tag, path=path)
        self.codec = codec
        self.syntax = syntax

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.codec}: {text}" if self.codec else text

    def __reduce__(self) -> tuple[Any, ...]:
        facts = {"codec": self.codec, "syntax": self.syntax, "offset": self.offset, "tag": self.tag, "path": self.path}
        return _rebuild, (type(self), self.message, facts)


class CodecTruncatedError(CodecError, TruncatedError):
    """A code stream that ends too early."""


class CodecLimitError(CodecError, LimitError):
    """A frame larger than the budget."""


class CodecUnavailable(CodecError):
    """No installed back end decodes this; ``message`` says what to install."""


def _rebuild(cls: type[CodecError], message: str, facts: dict[str, Any]) -> CodecError:
    return cls(message, **facts)


class TranscodeError(EncodeError):
    """Pixels that cannot get from the transfer syntax ``source`` to ``target``; None where one is open."""

    def __init__(
        self, message: str, *, source: str | None = None, target: str | None = None, tag: int | None = None
    ) -> None:
        super().__init__(message, tag=tag)
        self.source = source
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        facts = {"source": self.source, "target": self.target, "tag": self.tag}
        return _rebuild_transcoding, (self.message, facts)


def _rebuild_transcoding(message: str, facts: dict[str, Any]) -> TranscodeError:
    return TranscodeError(message, **facts)


class ConfigurationError(PacsError, ValueError):
    """A setting that cannot work."""


class SourceError(PacsError, OSError):
    """Bytes that were left where they are cannot be had: a file that changed or is gone, a source that fails or lies.

    ``path`` names the file (or the kind of source), ``offset`` the first byte asked for, ``tag`` the attribute.
    """

    def __init__(self, message: str, *, path: str, offset: int, tag: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.offset = offset
        self.tag = tag

    def __str__(self) -> str:
        where = f", ({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})" if self.tag is not None else ""
        return f"{self.message} [{self.path}, offset {self.offset}{where}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return _source_error, (self.message, self.path, self.offset, self.tag)


def _source_error(message: str, path: str, offset: int, tag: int | None) -> SourceError:
    return SourceError(message, path=path, offset=offset, tag=tag)


class PrivateGroupFull(PacsError, ValueError):
    """No block of a private group is free (PS3.5 7.8.1)."""

    def __init__(self, group: int) -> None:
        super().__init__(f"every block of group {group:04X} is reserved or in use")
        self.group = group


class GeometryError(PacsError, ValueError):
    """Frames that are not the slices of one volume (PS3.3 C.7.6.2).

    ``missing`` are distances in millimetres from the first slice where one should be, ``duplicates`` pairs of indices
    of slices at one place, ``irregular`` indices of slices that are off their place.
    """

    def __init__(
        self,
        message: str,
        *,
        missing: tuple[float, ...] = (),
        duplicates: tuple[tuple[int, int], ...] = (),
        irregular: tuple[int, ...] = (),
    ) -> None:
        super().__init__(message)
        self.missing = missing
        self.duplicates = duplicates
        self.irregular = irregular


class StorageError(PacsError):
    """The archive could not keep or find an object."""


class DuplicateInstance(StorageError):
    """The SOP instance is there already and the policy is to reject."""

    def __init__(self, sop_instance_uid: str) -> None:
        super().__init__(f"SOP instance {sop_instance_uid} is stored already")
        self.sop_instance_uid = sop_instance_uid


class InstanceNotFound(StorageError, KeyError):
    """No such SOP instance is stored."""

    def __init__(self, sop_instance_uid: str) -> None:
        super().__init__(f"SOP instance {sop_instance_uid} is not stored")
        self.sop_instance_uid = sop_instance_uid

    def __str__(self) -> str:
        return str(self.args[0])


class NetworkError(PacsError, OSError):
    """Something between us and a peer; ``peer`` says which one (``AE@host:port``) where it is known."""

    def __init__(self, message: str, *, peer: str | None = None) -> None:
        super().__init__(message)
        self.peer = peer

    def __str__(self) -> str:
        text = str(self.args[0])
        return f"{text} [{self.peer}]" if self.peer else text


class ConnectError(NetworkError):
    """The TCP connection could not be made."""


class TlsError(ConnectError):
    """TLS could not be agreed with the peer, or was broken; the message says why."""


class AssociationRejected(NetworkError):
    """The peer answered A-ASSOCIATE-RJ (PS3.8 9.3.4); ``advice`` says what to look at."""

    def __init__(
        self, result: int, source: int, reason_code: int, reason: str, *, advice: str = "", peer: str | None = None
    ) -> None:
        super().__init__(f"association rejected: {reason}" + (f"; {advice}" if advice else ""), peer=peer)
        self.advice = advice
        self.result = result
        self.source = source
        self.reason_code = reason_code
        self.reason = reason

    @property
    def is_transient(self) -> bool:
        """Whether trying again later may succeed (result 2)."""
        return self.result == 2


class AssociationAborted(NetworkError):
    """The association ended without a release (PS3.8 9.3.8, or a lost connection).

    ``source`` is 0 for the service user, 2 for the service provider, None when the connection was lost.
    """

    def __init__(
        self, message: str, *, source: int | None = None, reason_code: int | None = None, peer: str | None = None
    ) -> None:
        super().__init__(message, peer=peer)
        self.source = source
        self.reason_code = reason_code


class AssociationReleased(NetworkError):
    """The association has been released."""


class DeadlineExceeded(NetworkError, TimeoutError):
    """A deadline passed; ``operation`` says what was waited for, ``seconds`` how long."""

    def __init__(self, operation: str, seconds: float, *, peer: str | None = None) -> None:
        super().__init__(f"{operation} took longer than {seconds:g} s", peer=peer)
        self.operation = operation
        self.seconds = seconds


class ProtocolError(NetworkError):
    """The peer sent what PS3.7 or PS3.8 does not allow here."""


class NoPresentationContext(NetworkError):
    """No accepted presentation context fits what is to be sent."""


class DimseError(NetworkError):
    """A DIMSE response whose status is neither success, pending nor warning.

    A handler raises it to answer with ``status``; a client gets it when the peer refused. ``offending`` are the tags
    at fault, ``attributes`` those of an attribute list error, ``error_id`` is the implementation's own (PS3.7 C.4).
    """

    def __init__(
        self,
        status: int,
        comment: str | None = None,
        *,
        peer: str | None = None,
        offending: Sequence[int] = (),
        attributes: Sequence[int] = (),
        error_id: int | None = None,
    ) -> None:
        super().__init__(comment or f"DIMSE status 0x{status:04X}", peer=peer)
        self.status = status
        self.comment = comment
        self.offending = tuple(offending)
        self.attributes = tuple(attributes)
        self.error_id = error_id

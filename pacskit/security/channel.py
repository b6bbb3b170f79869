"""TLS without a socket: ciphertext in, plaintext out, and the other way round.

A driver feeds what it received, reads plaintext into its own buffer, and sends what `TlsChannel.take_output` and
`TlsChannel.encrypt` give. Deadlines, closing and waking stay where they are: at the plain connection.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pacskit.core.errors import TlsError

__all__ = ["TlsChannel", "TlsInfo"]

_CHUNK = 131072  # ciphertext that is sent at a time, so that the peer decrypts while we go on encrypting
_RECORD = 16384  # plaintext in a record (RFC 8446 5.1)
_RECORDS = frozenset(range(20, 25))  # content types (RFC 8446 5.1)
_ALERT = 21
_REASONS = {
    "CERTIFICATE_VERIFY_FAILED": "the certificate of the peer is not accepted",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer has no certificate",
    "UNSUPPORTED_PROTOCOL": "the peer has no version of TLS that the profile allows",
    "NO_SHARED_CIPHER": "the peer has no cipher suite that the profile allows",
    "WRONG_VERSION_NUMBER": "the peer has no version of TLS that the profile allows",
}


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What a handshake came to. ``certificate`` is the peer's, as the `ssl` module describes it, empty without one."""

    version: str
    suite: str
    certificate: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fingerprint: str = ""
    resumed: bool = False

    @property
    def common_name(self) -> str:
        """The common name of the peer's certificate."""
        parts = [value for part in self.certificate.get("subject", ()) for name, value in part if name == "commonName"]
        return str(parts[-1]) if parts else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The subject alternative names of the peer's certificate."""
        return tuple(str(value) for _, value in self.certificate.get("subjectAltName", ()))


class TlsChannel:
    """One side of a TLS connection. Belongs to one thread.

    ``established`` says whether the handshake is done, ``at_end`` whether the peer will send nothing more, ``cut``
    whether it did not say so itself (RFC 8446 6.1), ``failure`` why nothing works any more.
    """

    __slots__ = (
        "_began",
        "_closed",
        "_incoming",
        "_keep",
        "_left",
        "_outgoing",
        "_tls",
        "at_end",
        "cut",
        "established",
        "failure",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
        keep: Callable[[ssl.SSLSession], object] | None = None,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side, server_hostname, session)
        self._keep = keep
        self._began = False
        self._closed = False
        self._left = False  # whether a record may have been read in part
        self.established = False
        self.at_end = False
        self.cut = False
        self.failure: str | None = None

    # Ciphertext

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take in what was received."""
        if not self._began and len(data):
            self._began = True
            if data[0] not in _RECORDS:
                raise self._fail("the peer does not speak TLS")
        self._incoming.write(data)

    def feed_end(self) -> None:
        """The connection was closed."""
        self._incoming.write_eof()
        if not self.established and self.failure is None:
            raise self._fail("the peer closed the connection before the TLS handshake was done")

    def take_output(self) -> bytes:
        """Return what is to be sent."""
        return self._outgoing.read()

    @property
    def has_output(self) -> bool:
        return self._outgoing.pending > 0

    # The handshake

    def handshake(self) -> bool:
        """Go on with it; return whether it is done. There may be output in any case, and also after TlsError."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as exc:
            raise self._fail(_why(exc)) from None
        self.established = True
        return True

    def info(self) -> TlsInfo:
        """Describe the connection; raise TlsError where it has failed meanwhile (OpenSSL has forgotten it then)."""
        if self.failure is not None:
            raise TlsError(self.failure)
        tls = self._tls
        suite = tls.cipher()
        der = tls.getpeercert(binary_form=True)
        return TlsInfo(
            version=tls.version() or "",
            suite=suite[0] if suite else "",
            certificate=(tls.getpeercert() or {}) if der else {},
            fingerprint=hashlib.sha256(der).hexdigest() if der else "",
            resumed=bool(tls.session_reused),
        )

    # Plaintext

    def read_into(self, buffer: memoryview) -> int | None:
        """Fill ``buffer`` as far as possible; return how much, 0 at the end, None when more has to be fed."""
        read, incoming = self._tls.read, self._incoming
        size = len(buffer)
        got: int = 0
        if self.failure is not None:
            raise TlsError(self.failure)
        try:
            while self._left or incoming.pending:
                room = size - got
                count: Any = read(room, buffer[got:])
                got += int(count)
                # A read ends with its record; where it did not, there may be more of that.
                self._left = count == room
                if self._left:
                    return got
                if not count:
                    self.at_end = True
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.at_end = True
        except ssl.SSLError as exc:
            error = self._fail(_why(exc))
            if not got:
                raise error from None
        if got:
            return got
        if incoming.eof and not self.at_end:
            self.at_end = self.cut = True
        return 0 if self.at_end else None

    def encrypt(self, buffers: Sequence[Any]) -> Iterator[bytes]:
        """Yield the ciphertext of ``buffers``, in pieces that are to be sent at once."""
        if self.failure is not None:
            raise TlsError(self.failure)
        write, outgoing = self._tls.write, self._outgoing
        try:
            for piece in _records(buffers):
                done = write(piece)
                while done < len(piece):  # the peer may have asked for shorter records (RFC 6066 4)
                    done += write(memoryview(piece)[done:])
                if outgoing.pending >= _CHUNK:
                    yield outgoing.read()
        except ssl.SSLError as exc:
            raise self._fail(_why(exc)) from None
        if outgoing.pending:
            yield outgoing.read()

    def close(self) -> bytes:
        """Say that nothing more will come; return what is to be sent for that."""
        if self._closed or not self.established or self.failure is not None:
            return b""
        self._closed = True
        # A session that was resumed serves again. Each look at one costs 5 kB for good where CPython has gh-116810.
        if self._keep is not None and not self._tls.session_reused and (session := self._tls.session) is not None:
            self._keep(session)
        with contextlib.suppress(ssl.SSLError):  # it would wait for the peer to say the same
            self._tls.unwrap()
        return self._outgoing.read()

    def _fail(self, reason: str) -> TlsError:
        self.failure = reason
        return TlsError(reason)


def _records(buffers: Sequence[Any]) -> Iterator[bytearray | memoryview]:
    """Yield ``buffers`` as whole records and a rest: a record for each header would cost more than a copy."""
    staged = bytearray()
    for buffer in buffers:
        view, start = memoryview(buffer), 0
        if staged:
            start = min(_RECORD - len(staged), len(view))
            staged += view[:start]
            if len(staged) == _RECORD:
                yield staged
                staged = bytearray()
        end = len(view)
        while end - start >= _RECORD:
            yield view[start : start + _RECORD]
            start += _RECORD
        if start < end:
            staged += view[start:]
    if staged:
        yield staged


def _why(exc: ssl.SSLError) -> str:
    reason = exc.reason or type(exc).__name__
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"{_REASONS['CERTIFICATE_VERIFY_FAILED']}: {exc.verify_message.rstrip('.')}"
    if "ALERT_" in reason:
        said = reason.partition("ALERT_")[2].lower().replace("_", " ")
        return f"the peer ended TLS: {said}"
    return _REASONS.get(reason, f"TLS failed: {reason.lower().replace('_', ' ')}")

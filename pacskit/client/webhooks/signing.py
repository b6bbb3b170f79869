"""The signature of a delivery: HMAC-SHA256 over its ID, the time of the attempt and the body (Standard Webhooks 1.0).

The headers are ``webhook-id``, ``webhook-timestamp`` (seconds since 1970) and ``webhook-signature``, one or more of
``v1,BASE64`` with spaces between them. Who verifies refuses what is older or newer than some minutes, and remembers the
IDs of these minutes: so a delivery that somebody has recorded is worth nothing to him.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from pacskit.core.errors import ConfigurationError, PacsError

__all__ = ["InvalidDelivery", "key_of", "new_secret", "sign", "verify"]

_PREFIX: Final = "whsec_"
_TOLERANCE: Final = 300.0


class InvalidDelivery(PacsError):
    """A delivery is not what it says it is: do nothing of what it says, and answer 400."""


def new_secret() -> str:
    """Draw a secret."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """Return the key that a secret stands for: ``whsec_`` and 24 to 64 bytes in Base64. Raises ConfigurationError."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise ConfigurationError(f"a secret is {_PREFIX} and 24 to 64 bytes in Base64")
    return key


def sign(secret: str, delivery: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a delivery."""
    text = f"{delivery}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key_of(secret), text, hashlib.sha256).digest()).decode()


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, tolerance: float = _TOLERANCE) -> Any:
    """Verify a delivery; return what it says. Raises InvalidDelivery.

    The caller remembers ``webhook-id`` for at least ``tolerance`` seconds, and does nothing the second time.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        delivery, stamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
        timestamp = int(stamp)
    except (KeyError, ValueError):
        raise InvalidDelivery("a header of the signature is missing or wrong") from None
    if abs(time.time() - timestamp) > tolerance:
        raise InvalidDelivery("it was sent too long ago, or one of the clocks is wrong")
    expected = sign(secret, delivery, timestamp, body)
    if not any(hmac.compare_digest(expected.encode(), one.encode()) for one in signatures):
        raise InvalidDelivery("the signature is not that of this secret")
    try:
        return json.loads(body)
    except ValueError:
        raise InvalidDelivery("it is no JSON") from None

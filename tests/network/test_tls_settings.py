"""TLS settings that cannot work are refused before anything connects."""

from __future__ import annotations

from typing import Any

import pytest

from pacskit.core.errors import ConfigurationError
from pacskit.security.certificates import CaForTests
from pacskit.security.context import tls_context


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cert": "missing.pem"}, "missing.pem cannot be read"),
        ({"ca": "missing.pem"}, "missing.pem cannot be used as CA"),
        ({"key": "a.key"}, "a key needs its certificate"),
        ({"profile": "ssl3"}, "a TLS profile is one of"),
        ({"require_client_cert": True}, "needs a CA"),
        ({"bindings": ["WS1=cn:x"]}, "needs a CA"),
        ({"ca": "x", "bindings": ["WS1"]}, "a binding is AE=cn:NAME"),
        ({"ca": "x", "bindings": ["WS1=sha256:12"]}, "64 hexadecimal digits"),
        ({"ca": "x", "bindings": ["WS1=colour:red"]}, "not by 'colour'"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        tls_context(**settings)


def test_a_key_of_another_certificate_is_noticed(ca: CaForTests) -> None:
    with pytest.raises(ConfigurationError, match="key values mismatch"):
        tls_context(cert=ca.server.cert, key=ca.client.key)

"""TLS sessions that a client keeps."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from pacskit.network.threads import Server
from pacskit.security.certificates import CaForTests
from pacskit.security.context import TlsContext, tls_context
from tests.network.peers import VERIFICATION, Recorder, connect


def test_a_session_is_looked_at_once(ca: CaForTests, mutual: TlsContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython leaks a session at each look, until 3.12.8 and 3.13.1 (gh-116810): one look for many associations."""
    looks: list[ssl.SSLObject] = []
    real: Any = ssl.SSLObject.session

    def look(tls: ssl.SSLObject) -> ssl.SSLSession | None:
        looks.append(tls)
        return real.fget(tls)  # type: ignore[no-any-return]

    monkeypatch.setattr(ssl.SSLObject, "session", property(look))
    client = tls_context(cert=ca.client.cert, key=ca.client.key, ca=ca.ca)
    resumed = []
    with Server([Recorder()], ae="SERVER", tls=mutual) as server:
        for _ in range(5):
            with connect(server.address[1], [VERIFICATION], tls=client) as association:
                assert association.info.tls is not None
                resumed.append(association.info.tls.resumed)
    assert resumed == [False, True, True, True, True]
    assert len(looks) == 1

"""One side of TLS without a socket."""

from __future__ import annotations

import pytest

from pacskit.core.errors import TlsError
from pacskit.security.certificates import CaForTests
from pacskit.security.channel import TlsChannel
from pacskit.security.context import tls_context


def test_a_connection_that_has_failed_is_not_described(ca: CaForTests) -> None:
    """In TLS 1.3 a client is done before the server has looked at its certificate; OpenSSL knows nothing afterwards."""
    server = tls_context(cert=ca.server.cert, key=ca.server.key, ca=ca.ca).server()
    client = tls_context(ca=ca.ca).client("127.0.0.1", 1)
    buffer = memoryview(bytearray(1000))
    assert not client.handshake()
    server.feed(client.take_output())
    assert not server.handshake()
    client.feed(server.take_output())
    assert client.handshake()
    server.feed(client.take_output())
    with pytest.raises(TlsError, match="no certificate"):
        server.handshake()
    client.feed(server.take_output())
    with pytest.raises(TlsError, match="certificate required"):
        client.read_into(buffer)
    with pytest.raises(TlsError, match="certificate required"):
        client.info()


def _agree(client: TlsChannel, server: TlsChannel) -> None:
    while not (client.established and server.established):
        for ours, theirs in ((client, server), (server, client)):
            if not ours.established:
                ours.handshake()
            if ours.has_output:
                theirs.feed(ours.take_output())


@pytest.mark.parametrize("resume", [True, False])
def test_sessions_are_taken_up_where_that_is_wanted(ca: CaForTests, resume: bool) -> None:
    ours = tls_context(cert=ca.client.cert, key=ca.client.key, ca=ca.ca, resume=resume)
    theirs = tls_context(cert=ca.server.cert, key=ca.server.key, ca=ca.ca)
    resumed = []
    for _ in range(2):
        client, server = ours.client("127.0.0.1", 1), theirs.server()
        _agree(client, server)
        resumed.append(client.info().resumed)
        assert client.read_into(memoryview(bytearray(100))) is None  # which takes the tickets
        client.close()
    assert resumed == [False, resume]

"""A server of handlers that was stopped is started again."""

from __future__ import annotations

import pytest

import pacskit
from pacskit.core.errors import ConfigurationError


def test_it_serves_again_and_takes_new_handlers() -> None:
    scp = pacskit.SCP("AGAIN")
    with scp:
        assert pacskit.echo(scp.address).is_success
        with pytest.raises(ConfigurationError, match="already"):
            scp.start()
        with pytest.raises(ConfigurationError, match="before the server is started"):
            scp.on_echo(lambda event: None)
        port = scp.port
    assert scp.port == 0  # the one that was asked for
    with pytest.raises(pacskit.ConnectError):
        pacskit.echo(f"AGAIN@127.0.0.1:{port}")
    scp.serve_forever()  # it has been stopped: there is nothing to wait for
    asked: list[str] = []
    scp.on_echo(lambda event: asked.append(event.association.calling))
    with scp:
        assert pacskit.echo(scp.address, calling="TWICE").is_success
    assert asked == ["TWICE"]

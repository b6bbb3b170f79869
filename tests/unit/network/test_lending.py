"""The book-keeping of pools, without associations."""

from __future__ import annotations

import pytest

from pacskit.core.errors import ConnectError
from pacskit.network.address import Address
from pacskit.network.lending import Ledger

HERE = Address("A", "127.0.0.1", 104)


def test_what_has_grown_old_is_not_lost_when_the_address_is_left_alone() -> None:
    ledger: Ledger[str] = Ledger(size=3, idle=-1.0, wait=1, back_off=60, longest=60)
    for name in ("old", "other"):
        assert ledger.seek(HERE, (name,))[:2] == (True, None)
    ledger.returned(HERE, ("old",), "old", good=True)
    ledger.failed(HERE, ConnectError("nobody there"))
    with pytest.raises(ConnectError):
        ledger.seek(HERE, ("new",))
    assert ledger.counts(HERE) == (1, 1)
    assert ledger.close() == ["old"]
    assert ledger.counts(HERE) == (0, 0)

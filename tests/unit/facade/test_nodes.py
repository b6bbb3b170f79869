"""Nodes that one archive adds are those of every archive on its index; the changes of one are seen by all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pacskit import Address, Archive, ArchiveSettings, ConfigurationError, aio
from pacskit.facade.nodes import Nodes
from pacskit.storage.index.changes import Change
from tests.unit.storage.objects import instance

PATIENCE = 100


def test_what_one_archive_adds_the_other_resolves(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    settings = ArchiveSettings(index=engine(), nodes=("FIXED@10.0.0.1:104",))
    with Archive(tmp_path, settings=settings) as one, Archive(tmp_path, settings=settings) as other:
        assert one.nodes.add("tls:WS1@ws1.example:2762") == Address("WS1", "ws1.example", 2762, True)
        one.nodes.add("WS2@[::1]:104")
        assert other.nodes.get("WS1 ") == Address("WS1", "ws1.example", 2762, True)
        assert [str(node) for node in other.nodes] == [
            "FIXED@10.0.0.1:104",
            "tls:WS1@ws1.example:2762",
            "WS2@[::1]:104",
        ]
        other.nodes.add("WS1@10.0.0.9")
        assert one.nodes.get("WS1") == Address("WS1", "10.0.0.9")
        other.nodes.remove("WS2")
        assert (len(one.nodes), "WS2" in one.nodes, "WS1" in one.nodes) == (2, False, True)
        with pytest.raises(KeyError):
            one.nodes.remove("WS2")
    with Archive(tmp_path, settings=settings) as again:
        assert len(again.nodes) == 2


def test_those_of_the_settings_stand_above(tmp_path: Path) -> None:
    with Archive(tmp_path) as one:
        one.nodes.add("WS1@10.0.0.1:104")
    with Archive(tmp_path, settings=ArchiveSettings(nodes=("WS1@10.0.0.2:104",))) as one:
        assert [str(node) for node in one.nodes] == ["WS1@10.0.0.2:104"]
        assert str(one.nodes.get("WS1")) == "WS1@10.0.0.2:104"
        assert one.nodes.add("WS1@10.0.0.2:104")
        for wrong in (lambda: one.nodes.add("WS1@10.0.0.3:104"), lambda: one.nodes.remove("WS1")):
            with pytest.raises(ConfigurationError, match="node of the settings"):
                wrong()
    alone = Nodes(["A@h"])
    alone.add("B@h")
    alone.remove("B")
    assert ([one.ae for one in alone], alone.get("B"), alone.get("A")) == (["A"], None, Address("A", "h"))


def test_who_follows_an_archive_sees_what_another_one_stores(
    tmp_path: Path,
    engine: Callable[[], str | None],
) -> None:
    settings = ArchiveSettings(index=engine(), keep_changes=5000, keep_changes_days=3)
    with Archive(tmp_path, settings=settings) as one, Archive(tmp_path, settings=settings) as other:
        followed: list[Change] = []
        thread = threading.Thread(
            target=lambda: followed.extend(other.changes(kinds=["instance.*"], wait=True, limit=3))
        )
        thread.start()
        for number in range(3):
            one.store(instance(uid=f"1.2.1.1.{number}", PatientID="p"))
        thread.join(PATIENCE)
        assert [one.sop_instance_uid for one in followed] == ["1.2.1.1.0", "1.2.1.1.1", "1.2.1.1.2"]
        assert list(one.changes(kinds=["instance.*"])) == followed
    with pytest.raises(ConfigurationError, match="changes are kept"):
        ArchiveSettings(keep_changes=3)


def test_changes_and_webhooks_of_a_loop(tmp_path: Path) -> None:
    async def work() -> list[int]:
        async with aio.Archive(tmp_path) as archive:
            await archive.serve(port=0)
            archive.webhooks.add("ris", "https://ris.example/")
            archive.webhooks.remove("ris")
            for number in range(70):
                await archive.store(instance(uid=f"1.2.1.1.{number}", PatientID="p"))
            return [one.number async for one in archive.changes(3, kinds=["instance.*"])]

    assert len(asyncio.run(work())) == 70

"""An archive over tiers: received, moved, restarted, retrieved; settings; the quota over the network."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

import pacskit
from pacskit.encoding import dcmwrite, encode
from pacskit.encoding.head import read_head
from pacskit.storage.errors import UnderHold
from pacskit.storage.lifecycle import CycleLimits, MovePolicy, Policies, Quota, RetentionPolicy, Tier
from pacskit.testing import SeaweedFS
from tests.unit.storage.objects import EXPLICIT, instance

LATER = timedelta(days=40)
MONTH = (MovePolicy(source="hot", target="cold", idle_days=30),)


def data_of(number: int, size: int = 50_000) -> bytes:
    made: Any = instance("1.2.3", "1.2.3.1", f"1.2.3.1.{number}", PatientID="7", Modality="CT", InstanceNumber=number)
    made.add_new(0x7FE00010, "OB", bytes([number]) * size)
    return encode(made, EXPLICIT)


def files(folder: Path, numbers: range) -> list[Path]:
    """Files to send, and their data sets as `data_of` has them."""
    made = []
    for number in numbers:
        path = folder / f"{number}.dcm"
        dataset: Any = instance(
            "1.2.3", "1.2.3.1", f"1.2.3.1.{number}", PatientID="7", Modality="CT", InstanceNumber=number
        )
        dataset.add_new(0x7FE00010, "OB", bytes([number]) * 50_000)
        dcmwrite(path, dataset)
        made.append(path)
    return made


def digests(folder: Path) -> dict[str, bytes]:
    """The SHA-256 of the data sets in a folder."""
    found = {}
    for path in sorted(folder.rglob("*.dcm")):
        head = read_head(path)
        found[str(head.sop_instance_uid)] = hashlib.sha256(path.read_bytes()[head.offset :]).digest()
    return found


def _stored(folder: Path) -> list[int]:
    return [sum(1 for one in (folder / name).rglob("*") if one.is_file()) for name in ("hot", "cold")]


def check_moved_and_recalled(settings: pacskit.ArchiveSettings, directory: Path, folder: Path) -> None:
    """C-STORE, move, another process's archive, C-GET: the same bytes; and home again."""
    folder.mkdir()
    expected = {f"1.2.3.1.{number}": hashlib.sha256(data_of(number)).digest() for number in range(5)}
    with pacskit.Archive(directory, settings=settings) as archive:
        archive.serve(port=0)
        with pacskit.Peer(str(archive.address)) as peer:
            assert all(one.status == 0 for one in peer.store(files(folder, range(5))))
        done = archive.lifecycle.run(now=datetime.now(UTC) + LATER)
        assert done.count("move")[0] == 5
        assert [(one.name, one.instances) for one in archive.lifecycle.status()] == [("hot", 0), ("cold", 5)]
    with pacskit.Archive(directory, settings=settings) as archive:
        assert [(one.name, one.instances) for one in archive.lifecycle.status()] == [("hot", 0), ("cold", 5)]
        archive.serve(port=0)
        with pacskit.Peer(str(archive.address)) as peer:
            for one in peer.get("STUDY", "1.2.3"):
                one.save_into(folder / "got")
        assert digests(folder / "got") == expected
        assert list(archive._store.verify(digest=True)) == []
        assert archive.lifecycle.run().count("recall")[0] == 5
        assert [(one.name, one.instances) for one in archive.lifecycle.status()] == [("hot", 5), ("cold", 0)]
        assert list(archive._store.verify(digest=True)) == []


def test_an_archive_survives_moves_and_restarts(engine: Callable[[], str | None], tmp_path: Path) -> None:
    settings = pacskit.ArchiveSettings(
        index=engine(),
        digest=True,
        tiers=(
            Tier(name="hot", store=f"file://{tmp_path}/hot"),
            Tier(name="cold", store=f"file://{tmp_path}/cold"),
        ),
        lifecycle=Policies(moves=MONTH),
    )
    check_moved_and_recalled(settings, tmp_path / "archive", tmp_path / "files")
    assert _stored(tmp_path) == [5, 0]


def test_an_archive_over_one_store_gets_tiers_afterwards(tmp_path: Path) -> None:
    one = pacskit.ArchiveSettings(blobs=f"file://{tmp_path}/hot")
    with pacskit.Archive(tmp_path / "archive", settings=one) as archive:
        for path in files(tmp_path, range(2)):
            archive.store(path)
    tiers = (Tier(name="hot", store=f"file://{tmp_path}/hot"), Tier(name="cold", store=f"file://{tmp_path}/cold"))
    more = pacskit.ArchiveSettings(tiers=tiers, lifecycle=Policies(moves=MONTH))
    with pacskit.Archive(tmp_path / "archive", settings=more) as archive:
        assert archive.lifecycle.run(now=datetime.now(UTC) + LATER).count("move")[0] == 2
        assert list(archive._store.verify(digest=True)) == []
    assert _stored(tmp_path) == [0, 2]
    with pytest.raises(pacskit.ConfigurationError, match="no store is given"):
        pacskit.Archive(tmp_path / "archive", settings=pacskit.ArchiveSettings(tiers=tiers[:1]))


@pytest.mark.interop
def test_the_cold_tier_may_be_a_bucket(tmp_path: Path) -> None:
    try:
        server = SeaweedFS()
    except pacskit.ConfigurationError as error:
        pytest.skip(str(error))
    with server:
        server.make_bucket("cold")
        settings = pacskit.ArchiveSettings(
            digest=True,
            tiers=(
                Tier(name="hot", store=f"file://{tmp_path}/hot"),
                Tier(name="cold", store=server.address("cold/pacs"), options=server.options),
            ),
            lifecycle=Policies(moves=MONTH),
        )
        check_moved_and_recalled(settings, tmp_path / "archive", tmp_path / "files")


def test_what_is_above_the_quota_is_refused_until_there_is_room(tmp_path: Path) -> None:
    settings = pacskit.ArchiveSettings(
        tiers=(
            Tier(name="hot", store=f"file://{tmp_path}/hot"),
            Tier(name="cold", store=f"file://{tmp_path}/cold"),
        ),
        lifecycle=Policies(quota=Quota(bytes=200_000, high=0.7, low=0.3, hard=0.9, target="cold")),
    )
    with pacskit.Archive(tmp_path / "archive", settings=settings) as archive:
        archive.serve(port=0)
        sent = files(tmp_path, range(5))
        with pacskit.Peer(str(archive.address)) as peer:
            assert [one.status for one in peer.store(sent)] == [0, 0, 0, 0, 0xA700]
            assert archive.lifecycle.run().count("move")[0] == 3
            assert [one.status for one in peer.store(sent[4:])] == [0]
        assert archive.counts().instances == 5
        assert archive.recall(study_uid="1.2.3", dry_run=True).count("recall")[0] == 3
        assert archive.recall(study_uid="1.2.3").count("recall")[0] == 3
    assert _stored(tmp_path) == [5, 0]


def test_an_archive_without_tiers_has_retention_and_holds(tmp_path: Path) -> None:
    settings = pacskit.ArchiveSettings(
        lifecycle=Policies(retention=(RetentionPolicy(name="old", age_days=30, modalities=("CT",)),))
    )
    with pacskit.Archive(tmp_path / "archive", settings=settings) as archive:
        for path in files(tmp_path, range(2)):
            archive.store(path)
        archive.holds.put(study_uid="1.2.3", reason="a claim")
        assert archive.lifecycle.run(now=datetime.now(UTC) + LATER).actions == ()
        with pytest.raises(UnderHold):
            archive._store.delete("STUDY", study_uid="1.2.3")
        archive.holds.release(study_uid="1.2.3")
        assert archive.lifecycle.run(now=datetime.now(UTC) + LATER).count("delete")[0] == 2
        assert archive.counts().instances == 0
        assert archive.lifecycle.status() == []
        with pytest.raises(pacskit.ConfigurationError):
            archive.recall(study_uid="1.2.3")
        with pytest.raises(pacskit.ConfigurationError):
            archive.recall()


def _ended(archive: pacskit.Archive, id: int) -> Any:
    """The job, when it has ended."""
    queue = archive.jobs.queue
    until = time.monotonic() + 60
    while (job := queue.get(id)).state in {"pending", "queued", "running"} and time.monotonic() < until:
        queue.bell.wait(queue.bell.rung, 1)
    return job


def test_cycles_recalls_and_recompression_are_jobs(tmp_path: Path) -> None:
    settings = pacskit.ArchiveSettings(
        digest=True,
        tiers=(
            Tier(name="hot", store=f"file://{tmp_path}/hot"),
            Tier(name="cold", store=f"file://{tmp_path}/cold"),
        ),
        lifecycle=Policies(moves=(MovePolicy(source="hot", target="cold", idle_days=0),), every="5 2 * * *"),
    )
    name = get_testdata_file("CT_small.dcm", download=False)
    assert isinstance(name, str)
    with pacskit.Archive(tmp_path / "archive", settings=settings) as archive:
        stored = archive.store(name).instance
        assert stored is not None
        archive.serve(port=0)
        jobs = archive.jobs
        assert [(one.name, one.kind) for one in jobs.queue.schedules()] == [("lifecycle", "lifecycle")]
        done = _ended(archive, jobs.enqueue("lifecycle").id)
        assert (done.state, done.result["move"], done.result["failed"]) == ("completed", 1, 0)
        done = _ended(archive, jobs.enqueue("recall", {"study_uid": stored.study_instance_uid}).id)
        assert (done.state, done.result["recall"]) == ("completed", 1)
        payload = {"instances": [stored.sop_instance_uid], "syntax": "1.2.840.10008.1.2.4.80"}
        done = _ended(archive, jobs.enqueue("recompress", payload).id)
        assert (done.state, done.result) == ("completed", {"recompressed": 1, "kept": 0})
        assert _ended(archive, jobs.enqueue("recompress", {}).id).state == "failed"
        assert list(archive._store.verify(digest=True)) == []
    quiet = pacskit.ArchiveSettings(tiers=settings.tiers, lifecycle=Policies(every=""))
    with pacskit.Archive(tmp_path / "archive", settings=quiet) as archive:
        archive.serve(port=0)
        assert list(archive.jobs.queue.schedules()) == []


TOML = """
[archive]
ae = "PACS"

[[archive.tiers]]
name = "hot"
store = "file:///srv/hot"

[[archive.tiers]]
name = "cold"
store = "s3://images/cold"
options = { region = "eu-central-1", storage_class = "STANDARD_IA" }

[archive.lifecycle]
recall = "now"
recall_study = true
every = "5 2 * * *"
limits = { instances = 500 }
quota = { high = 0.9, low = 0.8, hard = 0.95, target = "cold" }

[[archive.lifecycle.moves]]
source = "hot"
target = "cold"
idle_days = 30
modalities = ["CT", "MR"]

[[archive.lifecycle.retention]]
name = "ten years"
study_age_days = 3653
patients = ["VET*"]
"""


def test_tiers_and_policies_are_read_from_toml_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "pacs.toml").write_text(TOML)
    settings = pacskit.ArchiveSettings.from_toml(tmp_path / "pacs.toml")
    assert [one.name for one in settings.tiers] == ["hot", "cold"]
    assert settings.tiers[1].options.storage_class == "STANDARD_IA"
    assert settings.lifecycle == Policies(
        moves=(MovePolicy(source="hot", target="cold", idle_days=30, modalities=("CT", "MR")),),
        retention=(RetentionPolicy(name="ten years", study_age_days=3653, patients=("VET*",)),),
        quota=Quota(high=0.9, low=0.8, hard=0.95, target="cold"),
        limits=CycleLimits(instances=500),
        recall="now",
        recall_study=True,
        every="5 2 * * *",
    )
    told = pacskit.ArchiveSettings.from_env(
        {
            "PACSKIT_TIERS": '[{"name": "hot", "store": "/a"}, {"name": "cold", "store": "/b"}]',
            "PACSKIT_LIFECYCLE_MOVES": '[{"source": "hot", "target": "cold", "age_days": 3}]',
            "PACSKIT_LIFECYCLE_RECALL_STUDY": "yes",
        }
    )
    assert told.lifecycle.moves == (MovePolicy(source="hot", target="cold", age_days=3),)
    assert told.lifecycle.recall_study


@pytest.mark.parametrize(
    "change",
    [
        'name = "hot"\nstore = "s3://images/other"',
        'name = "warm"\nstore = "file:///srv/hot"',
        'name = "warm"\nstore = "ftp://x/y"',
        'name = "warm"\nstore = "s3://key:secret@x"',
        'name = "warm"',
        'name = "warm"\nstore = "/w"\nspeed = 3',
        'name = "warm"\nstore = "/w"\n[[archive.lifecycle.moves]]\nsource = "warm"\ntarget = "tape"',
        'name = "warm"\nstore = "/w"\n[[archive.lifecycle.moves]]\nsource = "warm"\ntarget = "cold"\nwhen = 3',
        'name = "warm"\nstore = "/w"\n[archive.blob_cache]\ndirectory = "/c"',
    ],
)
def test_tiers_that_cannot_be_are_refused(change: str, tmp_path: Path) -> None:
    (tmp_path / "pacs.toml").write_text(f"{TOML}\n[[archive.tiers]]\n{change}\n")
    with pytest.raises(pacskit.ConfigurationError):
        pacskit.ArchiveSettings.from_toml(tmp_path / "pacs.toml")

"""Archives over a bucket of a real S3 server and an index in PostgreSQL: processes that share nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless

import pacskit
from pacskit.core.errors import DimseError
from pacskit.encoding import dcmwrite
from pacskit.encoding.frames import set_frames
from pacskit.network.association import Association
from pacskit.network.dimse import CStoreRequest
from pacskit.storage import Store
from pacskit.storage.blobs import open_store
from pacskit.testing import TO_CLIENT, TO_SERVER, Azurite, Close, FaultProxy, Feed, SeaweedFS, Stall
from pacskit.testing.faults import Fault, Passing
from tests.conftest import Dcmtk
from tests.interop.conftest import Serve, Served, run
from tests.interop.files import wheel_file
from tests.interop.stores.test_faults import Answers, answer
from tests.interop.test_kill import EXPLICIT, encoded

pytestmark = [pytest.mark.interop, pytest.mark.timeout(110)]

NUMBERS = count(1)
CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def shared(
    seaweedfs: SeaweedFS, postgres_schema: Callable[[], str], tmp_path: Path
) -> Iterator[Callable[..., list[str]]]:
    """What makes the options of a server of one archive: all have the same index and bucket."""
    # one bucket for all: each takes volumes of its own, of which there are few
    index, place = postgres_schema(), f"faults/archive-{next(NUMBERS)}"
    seaweedfs.make_bucket("faults")

    def options(endpoint: str | None = None, **store: Any) -> list[str]:
        path = tmp_path / f"{next(NUMBERS)}.toml"
        given = {"endpoint": endpoint or seaweedfs.endpoint, "region": "us-east-1", **store}
        lines = [f"[archive]\nindex = {json.dumps(index)}\nblobs = 's3://{place}'\n[blob_store]\n"]
        lines += [f"{name} = {json.dumps(value)}\n" for name, value in given.items()]
        lines += ["[blob_store.credentials]\n"]
        lines += [f"{name} = {json.dumps(value)}\n" for name, value in seaweedfs.options.credentials.items()]
        path.write_text("".join(lines))
        return ["--config", str(path)]

    yield options
    with open_store(seaweedfs.address(place), seaweedfs.options) as store:
        store.delete([info.key for info in store.list()])


class Sent:
    """Instances, and what was sent of each."""

    def __init__(self, study: str) -> None:
        self.study = study
        self.digests: dict[str, str] = {}
        self._made = pydicom.dcmread(wheel_file("CT_small.dcm"))
        self._made.StudyInstanceUID, self._made.SeriesInstanceUID = study, f"{study}.1"

    def send(self, association: Association, number: int, size: int = 2000) -> int:
        """Send one; return the status of the answer."""
        uid = self._made.SOPInstanceUID = f"{self.study}.1.{number}"
        self._made.PixelData = os.urandom(size)
        data = encoded(self._made)
        request = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid=uid)
        status = association.perform(request, data).status
        if status == 0:
            self.digests[uid] = hashlib.sha256(data).hexdigest()
        return status


def associated(archive: Served) -> Association:
    return Association.request(archive.address, [(CT, [EXPLICIT])], calling="TEST")


def digests(archive: Served, study: str, folder: Path, dcmtk: Dcmtk) -> dict[str, str]:
    """What DCMTK retrieves of a study, by digest of its data sets."""
    folder.mkdir()
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
    done = run(dcmtk.tool("getscu"), "-v", "-S", "-od", folder, "+B", *keys, *archive.dcmtk)
    assert done.returncode == 0, done.stdout
    found = {}
    for path in folder.iterdir():
        raw = path.read_bytes()
        start = 132 + 12 + int.from_bytes(raw[140:144], "little")
        found[str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)] = raw[start:]
    return {uid: hashlib.sha256(data).hexdigest() for uid, data in found.items()}


def test_what_one_node_takes_every_node_finds_and_sends(
    dcmtk: Dcmtk, serve: Serve, shared: Callable[..., list[str]], storescp: Callable[..., Any], tmp_path: Path
) -> None:
    destination = storescp()
    to = ("--node", f"DEST@127.0.0.1:{destination.port}")
    nodes = [serve(*shared(), *to, directory=tmp_path / f"node{number}") for number in range(2)]
    nodes.append(serve(*shared(), "--processes", "2", directory=tmp_path / "node2"))
    sent = Sent("1.2.840.77.1")
    for number, node in enumerate(nodes):
        with associated(node) as association:
            for size in (2000, 200_000, 2_500_000):
                assert sent.send(association, 10 * number + size, size) == 0
    for number, node in enumerate(nodes):
        assert digests(node, sent.study, tmp_path / f"got{number}", dcmtk) == sent.digests
    with pacskit.connect(nodes[1].address) as peer:
        *_, last = peer.move("STUDY", sent.study, to="DEST")
        assert (last.completed, last.failed) == (len(sent.digests), 0)
    assert len(list(destination.directory.iterdir())) == len(sent.digests)
    assert not [path for node in nodes for path in node.directory.rglob("*") if path.is_file()]


def test_pixels_are_converted_on_their_way_out_of_a_bucket(
    dcmtk: Dcmtk, serve: Serve, shared: Callable[..., list[str]], tmp_path: Path
) -> None:
    archive = serve(*shared())
    compressed = pacskit.dcmread(wheel_file("MR_small.dcm")).transcode(JPEG2000Lossless)
    dcmwrite(tmp_path / "compressed.dcm", compressed)
    with pacskit.connect(archive.address) as peer:
        assert [one.status for one in peer.store(tmp_path / "compressed.dcm")] == [0]
    study = compressed.StudyInstanceUID
    folder = tmp_path / "got"
    folder.mkdir()
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
    run(dcmtk.tool("getscu"), "-v", "-S", "-od", folder, *keys, *archive.dcmtk)
    (path,) = folder.iterdir()
    got = pydicom.dcmread(path)
    assert got.file_meta.TransferSyntaxUID == EXPLICIT
    assert got.PixelData == pydicom.dcmread(wheel_file("MR_small.dcm")).PixelData


A700, SUB_OPERATIONS_FAILED, SUCCESS = 0xA700, 0xA702, 0


@pytest.mark.parametrize("fault", ["500", "timeout", "partial", "reset"])
def test_a_store_with_a_fault_is_said_to_be_out_of_resources_and_nothing_is_half_written(
    serve: Serve,
    shared: Callable[..., list[str]],
    seaweedfs: SeaweedFS,
    tmp_path: Path,
    storescp: Callable[..., Any],
    fault: str,
) -> None:
    faults: dict[str, Fault] = {
        "500": Answers(float("inf"), answer("500 Internal Server Error", b"<Code>InternalError</Code>")),
        "timeout": Stall(0, TO_CLIENT),
        "partial": Close(300, TO_CLIENT),
        "reset": Answers(float("inf")),
    }
    destination = storescp()
    with FaultProxy(f"S3@127.0.0.1:{seaweedfs.port}") as proxy:
        options = shared(f"http://127.0.0.1:{proxy.address.port}", timeout=1.0, deadline=2.0)
        archive = serve(*options, "--node", f"DEST@127.0.0.1:{destination.port}")
        healthy = serve(*shared(), directory=tmp_path / "healthy", ae="HEALTHY")
        sent = Sent("1.2.840.77.2")
        with associated(archive) as association:
            assert sent.send(association, 1, 100_000) == SUCCESS
            proxy.fault = faults[fault]
            began = time.monotonic()
            assert sent.send(association, 2, 100_000) == A700
            assert time.monotonic() - began < 60
            with pacskit.connect(archive.address) as peer:
                assert [one.StudyInstanceUID for one in peer.find("STUDY", StudyInstanceUID=sent.study)] == [sent.study]
                for retrieval in (peer.get("STUDY", sent.study), peer.move("STUDY", sent.study, to="DEST")):
                    with pytest.raises(DimseError, match="an instance cannot be sent") as caught:
                        list(retrieval)
                    assert caught.value.status == SUB_OPERATIONS_FAILED
            proxy.fault = None
            assert sent.send(association, 2, 100_000) == SUCCESS  # without a restart
        with pacskit.connect(archive.address) as peer:
            *_, last = peer.move("STUDY", sent.study, to="DEST")
            assert (last.completed, last.failed) == (2, 0)
        with pacskit.connect(healthy.address) as peer:
            assert len(list(peer.get("STUDY", sent.study))) == 2
        with ArchiveStore(options, tmp_path / "look") as store:
            problems = list(store.verify(digest=True))
        # what was cut off may have got there whole all the same, and nobody was told of it
        assert {problem.kind for problem in problems} <= {"orphan"}
        assert len(problems) <= 2
        assert "Traceback" not in archive.log.read_text()


def ArchiveStore(options: list[str], directory: Path) -> Store:
    """The store of an archive, in this process."""
    settings = pacskit.ArchiveSettings.from_toml(options[1])
    return Store(directory, index=settings.index, blobs=settings.blobs, blob_options=settings.blob_store)


def test_a_frame_of_a_large_object_is_a_range_of_a_bucket(
    shared: Callable[..., list[str]], seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    frames = [os.urandom(200_000) for _ in range(150)]
    dataset = pacskit.Dataset(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7.4", SOPInstanceUID="1.2.3", StudyInstanceUID="1.2",
        SeriesInstanceUID="1.2.1", Rows=512, Columns=512,
    )  # fmt: skip
    set_frames(dataset, frames, JPEG2000Lossless)
    counter = Counted()
    with FaultProxy(f"S3@127.0.0.1:{seaweedfs.port}", counter) as proxy:
        path = shared(f"http://127.0.0.1:{proxy.address.port}")[1]
        with pacskit.Archive(tmp_path / "archive", settings=pacskit.ArchiveSettings.from_toml(path)) as archive:
            archive.store(dataset)
            counter.requests = counter.received = 0
            assert archive.frames("1.2.3", [77]) == [frames[77]]
    assert counter.requests <= 3
    assert counter.received <= 1.1 * len(frames[77])


@dataclass
class Counted:
    """Counts requests and the bytes of answers that pass a proxy."""

    requests: int = 0
    received: int = 0
    where: None = None

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        if passing.direction == TO_SERVER:
            self.requests += len(re.findall(rb"\b(?:GET|HEAD|PUT|POST) /", data))
        else:
            self.received += len(data)
        yield Feed(data)


def test_an_archive_in_azure(azurite: Azurite, tmp_path: Path) -> None:
    azurite.make_container("archive")
    settings = pacskit.ArchiveSettings(blobs=azurite.address("archive"), blob_store=azurite.options)
    data = pacskit.dcmread(wheel_file("CT_small.dcm"))
    with pacskit.Archive(tmp_path, settings=settings) as archive:
        assert archive.store(wheel_file("CT_small.dcm")).outcome == "stored"
        assert archive.store(wheel_file("CT_small.dcm")).outcome == "ignored"
        assert archive.frames(data.SOPInstanceUID, [0]) == [data.PixelData]
        address = archive.serve(port=0)
        with pacskit.connect(address) as peer:
            (got,) = peer.get("STUDY", data.StudyInstanceUID)
    assert got.dataset.PixelData == data.PixelData

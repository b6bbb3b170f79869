"""How blobs go to a real service: in how many requests, with which headers, in how much memory."""

from __future__ import annotations

import asyncio
import io
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

import pytest

import pacskit
from pacskit.core.dataset import Dataset
from pacskit.encoding import dcmwrite
from pacskit.encoding.frames import FrameIndex, set_frames
from pacskit.network.aio_calls import Calls
from pacskit.storage.blobs import BlobError, BlobSource, BlobStore, CloudStore, FrameTable, MemoryStore, open_store
from pacskit.testing import Azurite, FaultProxy, Feed, SeaweedFS
from pacskit.testing.faults import Direction, Passing
from tests.conftest import ROOT

pytestmark = pytest.mark.interop

MIB = 1 << 20
NUMBERS = count(1)
REQUEST = re.compile(rb"^(GET|PUT|HEAD|POST|DELETE) \S+ HTTP/1.1\r\n(.*?)\r\n\r\n", re.DOTALL | re.MULTILINE)


@dataclass
class Recorder:
    """Keeps what passes, either way."""

    to_server: bytearray = field(default_factory=bytearray)
    to_client: bytearray = field(default_factory=bytearray)
    where: Direction | None = None

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        kept: bytearray = getattr(self, passing.direction)
        kept += data
        yield Feed(data)

    def requests(self) -> list[tuple[str, str]]:
        return [(found[1].decode(), found[2].decode("latin-1").lower()) for found in REQUEST.finditer(self.to_server)]


@pytest.fixture
def recorder(seaweedfs: SeaweedFS) -> Iterator[tuple[Recorder, str]]:
    seaweedfs.make_bucket("streams")
    recorder = Recorder()
    with FaultProxy(f"S3@127.0.0.1:{seaweedfs.port}", recorder) as proxy:
        endpoint = f"http://127.0.0.1:{proxy.address.port}"
        yield recorder, seaweedfs.address(f"streams/run-{next(NUMBERS)}", endpoint=endpoint)


def image(table: str, frames: int, size: int) -> tuple[bytes, list[bytes]]:
    """A multi-frame object and its frames."""
    dataset = Dataset(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7.4", SOPInstanceUID="1.2.3", Rows=size // 1024, Columns=512,
        NumberOfFrames=str(frames), BitsAllocated=16, BitsStored=16, HighBit=15, PixelRepresentation=0,
        SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
    )  # fmt: skip
    contents = [random.Random(number).randbytes(size) for number in range(frames)]
    if table == "native":
        dataset.add_new(0x7FE00010, "OW", b"".join(contents))
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    else:
        set_frames(
            dataset,
            contents,
            "1.2.840.10008.1.2.4.90",
            table="extended" if table == "extended" else "basic",
            fragments_per_frame=3 if table == "fragments" else 1,
        )
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    file = io.BytesIO()
    dcmwrite(file, dataset)
    return file.getvalue(), contents


@pytest.mark.parametrize("table", ["native", "basic", "extended", "fragments"])
def test_one_frame_is_a_few_requests_and_little_more_than_its_bytes(
    recorder: tuple[Recorder, str], seaweedfs: SeaweedFS, table: str
) -> None:
    seen, address = recorder
    size = 512 << 10
    blob, frames = image(table, 12, size)
    with open_store(address, seaweedfs.options) as store:
        store.put_stream("a", blob)
        kept = FrameTable.of(pacskit.dcmread(io.BytesIO(blob))).to_bytes()
        seen.to_server.clear()
        seen.to_client.clear()
        assert FrameTable.from_bytes(kept).read(store, "a", [7]) == [frames[7]]
        assert [method for method, _ in seen.requests()] == ["GET"]
        assert size < len(seen.to_client) < 1.01 * size
        seen.to_server.clear()
        remote = pacskit.dcmread(BlobSource(store, "a"), defer_size="64 KB")
        assert bytes(FrameIndex(remote).frame(7)) == frames[7]
        assert len(seen.requests()) == {"native": 2, "fragments": 6}.get(table, 4)
        assert len(kept) < 500


@pytest.mark.parametrize("size", [1000, 6 * MIB], ids=["small", "parts"])
def test_class_and_encryption_are_asked_for(recorder: tuple[Recorder, str], seaweedfs: SeaweedFS, size: int) -> None:
    seen, address = recorder
    options = replace(seaweedfs.options, storage_class="STANDARD_IA", sse="AES256", timeout=5.0, deadline=5.4)
    with open_store(address, options) as store:
        for replaces in (False, True):
            seen.to_server.clear()
            with suppress(BlobError):  # this server has no keys to encrypt with: what it was asked is what counts
                store.put_stream("a", bytes(size), replace=replaces)
            asked = [text for method, text in seen.requests() if method in ("PUT", "POST")]
            assert any("x-amz-storage-class: standard_ia" in text for text in asked)
            assert any("x-amz-server-side-encryption: aes256" in text for text in asked)
            assert all("content-type: application/dicom" in text for text in asked if "storage-class" in text)


@pytest.mark.parametrize("kind", ["s3", "azure"])
def test_streams_take_little_memory(seaweedfs: SeaweedFS, azurite: Azurite, kind: str) -> None:
    name = f"memory-{next(NUMBERS)}"
    azurite.make_container("streams")
    server = seaweedfs if kind == "s3" else azurite
    credentials = json.dumps(dict(server.options.credentials))
    size = (96 if kind == "s3" else 64) * MIB
    command = [sys.executable, "-m", "tests.interop.stores.streams_child", server.address(f"streams/{name}")]
    done = subprocess.run(
        [*command, credentials, str(size)], cwd=ROOT, capture_output=True, text=True, timeout=110, check=True
    )
    put, read = map(int, done.stdout.split())
    assert put < 32 * MIB
    assert read < 32 * MIB


def test_a_blob_of_one_store_is_the_source_of_another(seaweedfs: SeaweedFS, azurite: Azurite) -> None:
    azurite.make_container("streams")
    data = random.Random(5).randbytes(6 * MIB)
    name = f"copy-{next(NUMBERS)}"
    with (
        open_store(seaweedfs.address(f"streams/{name}"), seaweedfs.options) as hot,
        open_store(azurite.address(f"streams/{name}"), azurite.options) as cold,
    ):
        hot.put_stream("a", data)
        with hot.get("a") as reader:
            cold.put_stream("a", reader, size=reader.info.size)
        with cold.get("a") as reader:
            hot.put_stream("b", reader)
        assert hot.get("b").read() == data


def test_claims_that_were_left_are_swept(seaweedfs: SeaweedFS) -> None:
    with open_store(seaweedfs.address(f"streams/claims-{next(NUMBERS)}"), seaweedfs.options) as store:
        assert isinstance(store, CloudStore)
        store.put_small(".incoming/left", b"1")
        assert list(store.list()) == []
        assert store.sweep() == 0
        assert store.sweep(older_than=timedelta(0)) == 1
        assert store.sweep(older_than=timedelta(0)) == 0


def test_stores_are_called_from_asyncio_through_threads(seaweedfs: SeaweedFS) -> None:
    async def main(store: BlobStore) -> list[bytes]:
        calls = Calls(4)
        try:
            puts = [calls.call(store.put_stream, f"a/{number}", b"%d" % number) for number in range(20)]
            await asyncio.gather(*puts)
            gets = [calls.call(store.get_range, f"a/{number}", 0, 9) for number in range(20)]
            return list(await asyncio.gather(*gets))
        finally:
            calls.stop()

    with open_store(seaweedfs.address(f"streams/aio-{next(NUMBERS)}"), seaweedfs.options) as store:
        assert asyncio.run(main(store)) == [b"%d" % number for number in range(20)]
    assert asyncio.run(main(MemoryStore())) == [b"%d" % number for number in range(20)]

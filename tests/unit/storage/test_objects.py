"""The archive over a blob store: several stores on one index, nothing of theirs is true for them alone."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import generate_frames
from pydicom.uid import RLELossless

from pacskit.core.errors import ConfigurationError, DecodeError, InstanceNotFound, StorageError
from pacskit.encoding import encode
from pacskit.storage import DuplicatePolicy, FrameNotFound, Outcome, Store
from pacskit.storage.blobs import BlobReader, BlobTimeout, BlobUnavailable, FrameTable, MemoryStore
from pacskit.storage.blobs.base import Source
from pacskit.storage.errors import OutcomeUnknown
from pacskit.storage.objects import BlobFile, CacheOptions
from tests.unit.storage.objects import CT, EXPLICIT, found, instance, put

PATIENCE = 60
SYNTAXES = ["1.2.840.10008.1.2", EXPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]


class Watched(MemoryStore):
    """A store that counts what it is asked, and fails as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.bytes = 0
        self.fault: Callable[[str, str], None] = lambda call, key: None

    def put_stream(self, key: str, source: Source, **options: Any) -> Any:
        self.asked["put"] += 1
        self.fault("put", key)
        return super().put_stream(key, source, **options)

    def get(self, key: str, *, start: int = 0, length: int | None = None, sha256: bytes | None = None) -> BlobReader:
        self.asked["get"] += 1
        self.fault("get", key)
        return super().get(key, start=start, length=length, sha256=sha256)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.asked["range"] += 1
        self.fault("range", key)
        return super().get_range(key, start, length)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.asked["ranges"] += 1
        self.fault("ranges", key)
        self.bytes += sum(length for _, length in ranges)
        return super().get_ranges(key, ranges)


@pytest.fixture
def blobs() -> MemoryStore:
    return Watched()


@pytest.fixture
def nodes(tmp_path: Path, engine: Callable[[], str | None], blobs: Watched) -> Iterator[list[Store]]:
    """Three stores with nothing in common but the index and the blobs."""
    index = engine() or f"sqlite://{tmp_path}/index.sqlite"
    with ExitStack() as stack:
        yield [stack.enter_context(Store(tmp_path / f"node{n}", index=index, blobs=blobs)) for n in range(3)]
    with Store(tmp_path / "last", index=index, blobs=blobs) as last:
        assert list(last.verify(digest=True)) == []
        assert last.counts().instances == len(list(blobs.list()))
    assert [path for path in tmp_path.rglob("node*/**/*") if path.is_file()] == []


@pytest.mark.parametrize("size", [100, 3 << 20])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_one_stores_the_others_have(nodes: list[Store], blobs: Watched, syntax: str, size: int) -> None:
    dataset = instance(PatientID="7", PatientName="Doe^Jane", InstanceNumber=3)
    dataset.add_new(0x7FE00010, "OW", os.urandom(size))
    data = encode(dataset, syntax)
    with nodes[0].begin(CT, dataset.SOPInstanceUID, syntax) as ingest:
        for at in range(0, len(data), 100_001):
            ingest.write(memoryview(data)[at : at + 100_001])
        assert ingest.secure() is not None  # nothing waits to be indexed
        ingest.follow_up()
    for node in nodes:
        stored = node.get(dataset.SOPInstanceUID)
        assert stored is not None
        assert stored.sha256 == hashlib.sha256(data).digest()
        blobs.asked.clear()
        with node.open(stored, whole=True) as opened:
            assert opened.read() == data
        assert blobs.asked == {"get": 1}
        assert found(node, "STUDY", "NumberOfStudyRelatedInstances", PatientName="DOE*") == ["1"]
        with pytest.raises(StorageError):
            node.path(stored)
    (info,) = blobs.list()
    read = pydicom.dcmread(io.BytesIO(blobs.get(info.key).read()))  # the judge of the head is not ours
    assert read.PatientName == "Doe^Jane"
    assert read.PixelData == dataset.PixelData


def test_policies_for_duplicates(nodes: list[Store], blobs: Watched) -> None:
    one, two, three = nodes
    first = put(one, instance(StudyDescription="first")).instance
    assert first is not None
    blobs.asked.clear()
    assert put(two, instance(StudyDescription="x"), duplicates="ignore").outcome is Outcome.IGNORED
    assert put(two, instance(StudyDescription="x"), duplicates="reject").outcome is Outcome.REJECTED
    assert blobs.asked == {}
    second = put(three, instance(StudyDescription="second"), duplicates="replace")
    assert second.outcome is Outcome.REPLACED
    assert [info.key for info in blobs.list()] == [second.instance.key if second.instance else ""]
    with one.open(first) as opened:  # located before it was replaced
        assert opened.instance == second.instance
        assert b"second" in opened.read()
    assert two.delete("IMAGE", instance_uid="1.2.1.1.1") == 1
    with pytest.raises(InstanceNotFound):
        one.open(first)
    third = put(one, instance()).instance
    assert third is not None
    assert second.instance is not None
    assert len({first.key, second.instance.key, third.key}) == 3  # so no cache has other bytes of one


@pytest.mark.parametrize("policy", list(DuplicatePolicy))
def test_all_store_the_same_instances_at_once(nodes: list[Store], policy: DuplicatePolicy) -> None:
    outcomes: Counter[Outcome] = Counter()
    failed: list[BaseException] = []
    lock, begin = threading.Lock(), threading.Barrier(6)

    def work(node: Store) -> None:
        try:
            begin.wait(PATIENCE)
            for number in range(8):
                outcome = put(node, instance(uid=f"1.2.1.1.{number}"), duplicates=policy).outcome
                with lock:
                    outcomes[outcome] += 1
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(node,)) for node in (*nodes, *nodes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failed
    assert outcomes[Outcome.STORED] == 8
    assert sum(outcomes.values()) == 48
    for node in nodes:
        assert node.counts().instances == 8
        for number in range(8):
            with node.open(f"1.2.1.1.{number}") as opened:
                assert opened.read()


def test_a_store_that_fails_has_acknowledged_nothing(nodes: list[Store], blobs: Watched) -> None:
    def fails(call: str, key: str) -> None:
        raise BlobTimeout("it does not answer", key=key)

    kept = put(nodes[0], instance(uid="1.2.1.1.9")).instance
    assert kept is not None
    blobs.fault = fails
    with pytest.raises(BlobTimeout):
        put(nodes[0], instance())
    with pytest.raises(BlobUnavailable):
        nodes[1].open(kept, whole=True)
    blobs.fault = lambda call, key: None
    assert nodes[2].get("1.2.1.1.1") is None
    assert put(nodes[0], instance()).outcome is Outcome.STORED


class Broken:
    """An index whose transactions end in an error."""

    def __init__(self, index: Any, error: Exception) -> None:
        self.index, self.error = index, error

    def ingest(self, *args: Any, **options: Any) -> Any:
        raise self.error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.index, name)


def test_an_index_that_fails_leaves_no_object_unless_nobody_knows(tmp_path: Path, blobs: Watched) -> None:
    with Store(tmp_path, blobs=blobs) as store:
        index: Any = store.index
        store.index = Broken(index, StorageError("the index is full"))  # type: ignore[assignment]
        with pytest.raises(StorageError, match="full"):
            put(store, instance())
        assert list(blobs.list()) == []
        store.index = Broken(index, OutcomeUnknown("the line broke"))  # type: ignore[assignment]
        with pytest.raises(OutcomeUnknown):
            put(store, instance())
        store.index = index
        (orphan,) = blobs.list()  # which nobody was told of
        assert put(store, instance()).outcome is Outcome.STORED
        kept = store.get("1.2.1.1.1")
        assert kept is not None
        assert kept.key != orphan.key


def test_an_object_that_is_gone_is_missing(tmp_path: Path, blobs: Watched) -> None:
    with Store(tmp_path, blobs=blobs) as store:
        kept = put(store, instance()).instance
        assert kept is not None
        blobs.delete(kept.key)
        with pytest.raises(StorageError, match="missing"):
            store.open(kept, whole=True)
        with store.open(kept) as opened, pytest.raises(StorageError):
            opened.read()
        assert [problem.kind for problem in store.verify()] == ["missing"]


def test_an_attribute_is_read_from_the_store_afterwards(nodes: list[Store]) -> None:
    for number, kind in enumerate(("FLAT", "BOWTIE")):
        put(nodes[number], instance(uid=f"1.2.1.1.{number}", FilterType=kind))
    nodes[2].index.add_tag("FilterType", level="IMAGE")
    assert nodes[2].index.wait_for_tags(PATIENCE)
    above = {"StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.1"}
    assert found(nodes[2], "IMAGE", "SOPInstanceUID", FilterType="BOWTIE", **above) == ["1.2.1.1.1"]


def test_a_cache_is_each_processs_own(tmp_path: Path, blobs: Watched) -> None:
    cache = CacheOptions(directory=str(tmp_path / "cache"))
    index = f"sqlite://{tmp_path}/index.sqlite"
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(Store(tmp_path / name, index=index, blobs=blobs, blob_cache=cache)) for name in "ab"
        )
        kept = put(one, instance(PixelData=b"1" * 100)).instance
        assert kept is not None
        for node in (one, two, two):
            with node.open(kept, whole=True) as opened:
                assert b"1" * 100 in opened.read()
        assert blobs.asked == {"put": 1, "get": 2}
        assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["0", "1"]


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    for address in ("s4://bucket", "s3://user:secret@bucket", "s3://"):
        with pytest.raises(ConfigurationError) as caught:
            Store(tmp_path, blobs=address)
        assert "secret" not in str(caught.value)


# -- an object as a file


CONTENT = os.urandom(5000)
MOVES = st.lists(
    st.tuples(st.sampled_from(["read", "set", "cur", "end", "into"]), st.integers(-200, 6000)), max_size=12
)


@given(MOVES, st.booleans())
def test_a_blob_reads_as_a_file_does(moves: list[tuple[str, int]], begin: bool) -> None:
    store = MemoryStore()
    store.put_stream("a", CONTENT)
    file, twin = BlobFile(store, "a", len(CONTENT), begin=begin), io.BytesIO(CONTENT)
    with file, twin:
        for move, number in moves:
            if move == "read":
                assert file.read(number) == twin.read(number)
            elif move == "into":
                ours, theirs = bytearray(abs(number)), bytearray(abs(number))
                assert file.readinto(ours) == twin.readinto(theirs)
                assert ours == theirs
            else:
                whence = ("set", "cur", "end").index(move)
                start = (0, twin.tell(), len(CONTENT))[whence]
                number = max(-start, number)
                assert file.seek(number, whence) == twin.seek(number, whence)
            assert file.tell() == twin.tell()
        file.seek(0)
        assert file.readall() == CONTENT
        with pytest.raises(OSError, match="fileno"):
            file.fileno()


def test_reading_in_order_is_one_request_and_reading_somewhere_one_range(blobs: Watched) -> None:
    data = os.urandom(5 << 20)
    blobs.put_stream("a", data)
    blobs.asked.clear()
    with BlobFile(blobs, "a", len(data)) as file:
        assert b"".join(iter(lambda: file.read(100_000), b"")) == data
    assert blobs.asked == {"get": 1}
    with BlobFile(blobs, "a", len(data)) as file:
        file.seek(1 << 20)
        assert file.read(10) == data[1 << 20 :][:10]
    assert blobs.asked == {"get": 1, "range": 1}
    with BlobFile(blobs, "a", len(data), begin=True) as file:
        file.seek(400)
        assert file.read() == data[400:]
    assert blobs.asked == {"get": 2, "range": 1}


# -- frames


def judged(path: Path) -> list[bytes] | None:
    """The frames of a file as pydicom divides them; None where it cannot."""
    try:
        read = pydicom.dcmread(path)
        if not (read.SOPInstanceUID and read.StudyInstanceUID and read.SeriesInstanceUID and read.SOPClassUID):
            return None
        count = int(read.get("NumberOfFrames") or 1)
        if read.file_meta.TransferSyntaxUID.is_encapsulated:
            return list(generate_frames(read.PixelData, number_of_frames=count))
        size = read.Rows * read.Columns * read.get("SamplesPerPixel", 1) * read.BitsAllocated
        if read.PhotometricInterpretation == "YBR_FULL_422":
            size = size // 3 * 2
        swapped = not read.file_meta.TransferSyntaxUID.is_little_endian and read.BitsAllocated == 8
        if size % 8 or swapped or len(read.PixelData) < count * size // 8:
            return None
        return [read.PixelData[n * size // 8 : (n + 1) * size // 8] for n in range(count)]
    except Exception:
        return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("remote", [False, True])
def test_frames_are_those_that_pydicom_finds(
    tmp_path: Path, blobs: Watched, pydicom_files: tuple[Path, ...], remote: bool
) -> None:
    several = encapsulated = 0
    with Store(tmp_path, blobs=blobs if remote else None) as store:
        for path in pydicom_files:
            frames = judged(path)
            raw = path.read_bytes()
            if frames is None or raw[128:132] != b"DICM" or len(raw) > 8 << 20:
                continue
            read = pydicom.dcmread(path, stop_before_pixels=True)
            store.delete("IMAGE", instance_uid=str(read.SOPInstanceUID))  # several files are one instance
            start = 132 + 12 + int.from_bytes(raw[140:144], "little")
            try:
                with store.begin(read.SOPClassUID, read.SOPInstanceUID, read.file_meta.TransferSyntaxUID) as ingest:
                    ingest.write(raw[start:])
                    kept = ingest.commit().instance
            except DecodeError:
                continue
            assert kept is not None
            blobs.asked.clear()
            try:
                got = store.frames(kept, range(len(frames)))
            except DecodeError:
                continue  # a file made to be broken
            assert got == frames, path.name
            assert blobs.asked.total() <= 3 * remote, path.name
            assert store.frames(kept.sop_instance_uid, [len(frames) - 1]) == frames[-1:]
            with pytest.raises(FrameNotFound):
                store.frames(kept, [len(frames)])
            several += len(frames) > 1
            encapsulated += len(frames) > 1 and read.file_meta.TransferSyntaxUID.is_encapsulated
    assert several > 5
    assert encapsulated > 2


@pytest.mark.parametrize("syntax", [EXPLICIT, str(RLELossless)])
def test_a_frame_of_many_is_one_request(nodes: list[Store], blobs: Watched, syntax: str) -> None:
    frames = [os.urandom(64 * 64) for _ in range(300)]
    made = pydicom.Dataset()
    made.Rows = made.Columns = 64
    made.BitsAllocated, made.SamplesPerPixel, made.NumberOfFrames = 8, 1, len(frames)
    dataset = instance(Rows=64, Columns=64, BitsAllocated=8, SamplesPerPixel=1, NumberOfFrames=len(frames))
    if syntax == EXPLICIT:
        dataset.add_new(0x7FE00010, "OB", b"".join(frames))
    else:
        from pacskit.encoding.frames import set_frames

        set_frames(dataset, frames, syntax)
    kept = put(nodes[0], dataset, syntax).instance
    assert kept is not None
    packed = nodes[1].index.frames(kept.sop_instance_uid, kept.key)
    assert packed is not None
    assert len(FrameTable.from_bytes(packed)) == len(frames)
    blobs.asked.clear()
    assert nodes[2].frames(kept, [137]) == [frames[137]]
    assert blobs.asked == {"ranges": 1}
    assert blobs.bytes == len(frames[137])
    start, length = nodes[1].value_range(kept, 0x7FE00010) or (0, 0)
    if syntax == EXPLICIT:
        assert blobs.get_range(kept.key, start, length) == b"".join(frames)
    assert nodes[1].value_range(kept, 0x00100010) is None
    nodes[0].delete("IMAGE", instance_uid=kept.sop_instance_uid)
    assert nodes[1].index.frames(kept.sop_instance_uid, kept.key) is None

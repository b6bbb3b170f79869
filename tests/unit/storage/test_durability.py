"""What is synced before what: each policy's promise about a power cut, seen from the calls that keep it."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import StorageError
from pacskit.encoding import encode
from pacskit.storage import Outcome, Store
from pacskit.storage.index.sqlite import SQLiteIndex
from tests.unit.storage.objects import CT, EXPLICIT, instance, put

UID = "1.2.1.1.1"
FINAL = "objects/1.2.1/1.2.1.1/1.2.1.1.1.dcm"


class Calls(list[tuple[str, str]]):
    """The calls that change names or sync, in their order, with paths below a directory."""

    def __init__(self, below: Path) -> None:
        super().__init__()
        self.below = below

    def note(self, what: str, path: Any) -> None:
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        if Path(path).is_relative_to(self.below) or self.below.is_relative_to(path):
            self.append((what, os.path.relpath(path, self.below)))

    def first(self, what: str, path: str, after: int = -1) -> int:
        return next(at for at, call in enumerate(self) if at > after and call == (what, path))

    def in_order(self, *wanted: tuple[str, str]) -> None:
        """Each of these happened, after the one before it."""
        at = -1
        for what, path in wanted:
            assert (what, path) in self[at + 1 :], f"{what} {path} is not after the one before it in {self}"
            at = self.first(what, path, at)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    noted = Calls(tmp_path)

    def watch(name: str, which: int) -> None:
        original = getattr(os, name)

        def call(*args: Any, **options: Any) -> Any:
            path = args[which] if not isinstance(args[which], int) else os.readlink(f"/proc/self/fd/{args[which]}")
            done = original(*args, **options)
            noted.note(name, path)
            return done

        monkeypatch.setattr(os, name, call)

    for name, which in {"fdatasync": 0, "fsync": 0, "rename": 1, "link": 1, "unlink": 0, "mkdir": 0}.items():
        watch(name, which)
    commit = SQLiteIndex.commit

    def committed(index: SQLiteIndex) -> None:
        commit(index)
        noted.append(("commit", "index"))

    monkeypatch.setattr(SQLiteIndex, "commit", committed)
    return noted


def secure(store: Store, uid: str = UID, **options: Any) -> None:
    ingest = store.begin(CT, uid, EXPLICIT, **options)
    ingest.write(encode(instance(uid=uid), EXPLICIT))
    assert ingest.secure() is None


def named_safely(store: Store) -> list[tuple[str, str]]:
    """What precedes the row and what follows it, for the first object of a store."""
    own = f"staging/{store.blobs.session}"
    return [
        *(("link", FINAL), ("fsync", "objects/1.2.1/1.2.1.1"), ("commit", "index")),
        ("unlink", f"{own}/1.ign~{FINAL[8:].replace('/', '~')}"),
    ]


def test_group_syncs_bytes_and_staging_name_before_the_answer(tmp_path: Path, calls: Calls) -> None:
    with Store(tmp_path, linger=60) as store:
        own = f"staging/{store.blobs.session}"
        calls.in_order(("mkdir", own), ("fsync", "staging"))
        for above in (".", ".."):  # the names of "staging" and "objects", and that of the directory itself
            calls.in_order(("mkdir", own), ("fsync", above))
        calls.clear()
        secure(store)
        whole = f"{own}/1.ign~{FINAL[8:].replace('/', '~')}"
        assert calls[:3] == [("fdatasync", f"{own}/1"), ("rename", whole), ("fsync", own)]
        assert store.counts().instances == 1
        for directory in ("objects/1.2.1/1.2.1.1", "objects/1.2.1", "objects"):
            calls.in_order(("link", FINAL), ("fsync", directory), ("commit", "index"))
        calls.in_order(*named_safely(store))


@pytest.mark.parametrize("commit", ["group", "object"])
def test_with_the_row_before_the_answer_the_order_is_the_same(tmp_path: Path, calls: Calls, commit: Any) -> None:
    with Store(tmp_path, commit=commit) as store:
        own = f"staging/{store.blobs.session}"
        calls.clear()
        ingest = store.begin(CT, UID, EXPLICIT)
        ingest.write(encode(instance(), EXPLICIT))
        stored = ingest.commit() if commit == "group" else ingest.secure()
        assert stored is not None
        assert stored.outcome is Outcome.STORED
        calls.in_order(("fdatasync", f"{own}/1"), ("fsync", own), *named_safely(store))
        assert store.index._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # type: ignore[attr-defined]


def test_os_syncs_nothing(tmp_path: Path, calls: Calls) -> None:
    with Store(tmp_path, commit="os") as store:
        secure(store)
        put(store, instance(uid="1.2.1.1.2"))
        put(store, instance(uid="1.2.1.1.2"), duplicates="replace")
        assert store.delete("IMAGE", instance_uid="1.2.1.1.2") == 1
        assert store.index._connection.execute("PRAGMA synchronous").fetchone() == (1,)  # type: ignore[attr-defined]
    assert not [call for call in calls if "sync" in call[0]]


def removed_safely(store: Store) -> list[tuple[str, str]]:
    return [
        ("commit", "index"),
        ("fsync", f"staging/{store.blobs.session}"),  # so that no staging name of it can come back
        ("unlink", FINAL),
        ("fsync", "objects/1.2.1/1.2.1.1"),
        ("commit", "index"),  # of its tombstone
    ]


def test_what_is_deleted_cannot_come_back(tmp_path: Path, calls: Calls) -> None:
    with Store(tmp_path) as store, Store(tmp_path) as other:
        secure(other)  # another process's staging names are as dangerous
        assert store.counts().instances == 1
        calls.clear()
        store.delete("IMAGE", instance_uid=UID)
        calls.in_order(*removed_safely(store))
        calls.in_order(*removed_safely(other))


@pytest.mark.parametrize("how", ["commit", "secure"])
def test_what_is_replaced_cannot_come_back(tmp_path: Path, calls: Calls, how: str) -> None:
    with Store(tmp_path) as store:
        put(store, instance())
        calls.clear()
        if how == "commit":
            put(store, instance(), duplicates="replace")
        else:
            secure(store, duplicates="replace")
            assert store.counts().instances == 1
        calls.in_order(*removed_safely(store))
        unlinked = next(at for at, (what, path) in enumerate(calls) if what == "unlink" and ".rep~" in path)
        assert (
            calls.first("commit", "index") < unlinked < calls.first("fsync", f"staging/{store.blobs.session}", unlinked)
        )
        assert unlinked < calls.first("unlink", FINAL)


def test_a_duplicate_that_was_ignored_cannot_come_back(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path) as store:
        put(store, instance())
        monkeypatch.setattr(store.blobs, "may_have", lambda key: False)  # as for two that come at the same time
        calls.clear()
        assert put(store, instance()).outcome is Outcome.IGNORED
        own = f"staging/{store.blobs.session}"
        whole = f"{own}/2.ign~{FINAL[8:].replace('/', '~')}"
        calls.in_order(("rename", whole), ("fsync", own), ("unlink", whole), ("fsync", own))


def test_the_end_of_a_session_syncs_its_directory_before_it_goes(tmp_path: Path, calls: Calls) -> None:
    with Store(tmp_path) as store:
        secure(store)
        own, lock = f"staging/{store.blobs.session}", f"staging/{store.blobs.session}.lock"
    calls.in_order(*named_safely(store), ("fsync", own), ("unlink", lock))


def test_recovery_syncs_names_before_rows_and_staging_names_go_last(tmp_path: Path, calls: Calls) -> None:
    with Store(tmp_path) as store:
        own = f"staging/{store.blobs.session}"
        whole = tmp_path / own / f"1.ign~{FINAL[8:].replace('/', '~')}"
        secure(store)
        kept = whole.read_bytes()
    (tmp_path / own).mkdir()
    (tmp_path / own).with_suffix(".lock").touch()
    (tmp_path / "index.sqlite").unlink()
    (tmp_path / FINAL).unlink()
    whole.write_bytes(kept)  # as after a power cut that left the staging name alone
    calls.clear()
    with Store(tmp_path) as again:
        assert list(again.verify(digest=True)) == []
        assert again.counts().instances == 1
    for directory in ("objects/1.2.1/1.2.1.1", "objects/1.2.1", "objects"):
        calls.in_order(
            ("link", FINAL), ("fsync", directory), ("commit", "index"), ("unlink", os.path.relpath(whole, tmp_path)),
            ("fsync", own), ("unlink", f"{own}.lock"),
        )  # fmt: skip


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_eight_that_store_at_a_time_share_the_syncs_of_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path, linger=60) as store:
        own, entered, held, synced = str(store.files.own), threading.Event(), threading.Event(), list[str]()
        original = os.fsync

        def fsync(descriptor: int) -> None:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if path == own and not synced:
                entered.set()
                held.wait(60)
            synced.append(path)
            original(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        threads = [threading.Thread(target=secure, args=(store, f"1.2.1.1.{number}")) for number in range(8)]
        threads[0].start()
        assert entered.wait(60)
        for thread in threads[1:]:
            thread.start()
        wait_for(lambda: len(store.files._staged._queue) == 7)
        held.set()
        for thread in threads:
            thread.join(60)
        assert synced == [own, own]  # the first one's, and that of the seven who came meanwhile
        assert store.counts().instances == 8
        assert sorted(path for path in synced[2:] if "objects" in path) == [
            str(tmp_path / one) for one in ("objects", "objects/1.2.1", "objects/1.2.1/1.2.1.1")
        ]


@pytest.mark.parametrize("what", ["fdatasync", "fsync"])
def test_what_cannot_be_synced_is_not_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    with Store(tmp_path) as store:
        with monkeypatch.context() as failing:

            def fail(descriptor: int) -> None:
                raise OSError(errno.EIO, "input/output error")

            failing.setattr(os, what, fail)
            ingest = store.begin(CT, UID, EXPLICIT)
            ingest.write(encode(instance(), EXPLICIT))
            with pytest.raises(StorageError):
                ingest.secure()
            assert len(store.backlog) == 0
            assert list(store.files.own.iterdir()) == []
        secure(store)
        assert store.counts().instances == 1


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[tuple[Store, Path]]:
    """A session that has died with an object in flight that has two names, and its staging file."""
    store = Store(tmp_path)
    put(store, instance())
    with store.begin(CT, UID, EXPLICIT, duplicates="replace") as ingest:
        ingest.write(encode(instance(PatientName="New"), EXPLICIT))
        pending = ingest._file()
        pending.name()  # type: ignore[union-attr]
    (staged,) = (one for one in store.files.own.iterdir() if one.stat().st_size)
    yield store, staged
    os.close(store.files._lock)
    store.index.close()


def test_a_final_name_of_which_the_staging_name_does_not_say_is_found(tmp_path: Path, dead: tuple[Store, Path]) -> None:
    store, staged = dead
    number, _, _ = staged.name.partition("~")
    staged.rename(staged.with_name(f"{number}~{FINAL[8:].replace('/', '~')}"))  # a power cut undid this alone
    descriptor, store.files._lock = store.files._lock, os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    with Store(tmp_path) as again:
        assert list(again.verify(digest=True)) == []
        with again.open(UID) as opened:
            assert b"New" in opened.read()
        assert len(list(again.blobs.iter_keys())) == 1


def test_a_name_whose_tombstone_is_left_is_not_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(index: SQLiteIndex, keys: Any) -> None:
        raise StorageError("the index cannot be written")

    with Store(tmp_path) as store:
        put(store, instance())
        with monkeypatch.context() as failing:
            failing.setattr(SQLiteIndex, "forget_retired", forget)
            with pytest.raises(StorageError):
                store.delete("IMAGE", instance_uid=UID)
        stored = put(store, instance()).instance
        assert stored is not None
        assert stored.key != FINAL[8:]
        assert store.index.is_retired(FINAL[8:])


def test_objects_stay_where_what_they_replaced_cannot_be_discarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forget(index: SQLiteIndex, keys: Any) -> None:
        raise StorageError("the index cannot be written")

    with Store(tmp_path) as store:
        put(store, instance())
        with monkeypatch.context() as failing:
            failing.setattr(SQLiteIndex, "forget_retired", forget)
            secure(store, duplicates="replace")
            secure(store, "1.2.1.1.2")
            assert store.counts().instances == 2
        assert "left to the next start" in caplog.text
        assert not store.backlog.stuck
        assert list(store.verify(digest=True)) == []
    assert not (tmp_path / FINAL).exists()


def test_no_more_wait_for_the_index_than_are_let(tmp_path: Path) -> None:
    with Store(tmp_path, queue=4, linger=60) as store:
        store.backlog._closing = True  # its thread ends at once
        for number in range(1, 12):
            secure(store, f"1.2.1.1.{number}")
            assert len(store.backlog) <= 4
        assert store.counts().instances == 11

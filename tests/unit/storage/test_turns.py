"""What one process has acknowledged is what another one answers, from the moment on at which it was acknowledged."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import StorageError
from pacskit.encoding import encode
from pacskit.storage import Store
from pacskit.storage.pending import SHARED_LINGER
from tests.unit.storage.objects import CT, EXPLICIT, found, instance, put

ROOT = Path(__file__).resolve().parents[3]

# Two stores have two sessions, and locks of their own, as in two processes.


def secure(store: Store, uid: str) -> None:
    ingest = store.begin(CT, uid, EXPLICIT)
    ingest.write(encode(instance(uid=uid, PatientID="1"), EXPLICIT))
    assert ingest.secure() is None


@contextmanager
def unwritable(directory: Path) -> Iterator[None]:
    """Hold the index, as somebody's long transaction would."""
    with closing(sqlite3.connect(directory / "index.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def asked(question: Callable[[], Any]) -> Future[Any]:
    answer: Future[Any] = Future()

    def ask() -> None:
        try:
            answer.set_result(question())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return answer


QUESTIONS: dict[str, Callable[[Store], Any]] = {
    "counts": lambda store: store.counts().instances,
    "find": lambda store: len(found(store, "STUDY", "StudyInstanceUID", PatientID="1")),
    "locate": lambda store: len(list(store.locate("STUDY", study_uid="1.2.1"))),
    "get": lambda store: int(store.get("1.2.1.1.1") is not None),
    "delete": lambda store: store.delete("STUDY", study_uid="1.2.1"),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_another_process_waits_for_what_is_acknowledged(tmp_path: Path, name: str) -> None:
    with Store(tmp_path) as one, Store(tmp_path) as other:
        with unwritable(tmp_path):
            secure(one, "1.2.1.1.1")
            answer = asked(lambda: QUESTIONS[name](other))
            with pytest.raises(TimeoutError):
                answer.result(0.1)  # it cannot come, however long this is
        assert answer.result(60) == 1
    assert list(one.files.staging.rglob("*")) == []


def test_a_question_is_not_put_off_by_what_comes_after_it(tmp_path: Path) -> None:
    """A process that goes on storing holds nobody up: each answer has all that was there when it was asked for."""
    stop = threading.Event()
    acknowledged: list[int] = []
    with Store(tmp_path, linger=SHARED_LINGER) as one, Store(tmp_path) as other:

        def work() -> None:
            for number in range(1, 5000):
                secure(one, f"1.2.1.1.{number}")
                acknowledged.append(number)
                if stop.is_set():
                    return

        worker = threading.Thread(target=work)
        worker.start()
        try:
            for _ in range(20):
                before = len(acknowledged)
                assert other.counts().instances >= before
        finally:
            stop.set()
            worker.join(60)
        assert other.counts().instances == len(acknowledged)


CHILD = """
import os, sqlite3, sys
from pathlib import Path
from pacskit.storage import Store
from pacskit.storage.pending import SHARED_LINGER
from tests.unit.storage.test_turns import secure, unwritable
with unwritable(Path(sys.argv[1])):
    secure(Store(sys.argv[1]), "1.2.1.1.7")
    os.write(1, b"acknowledged\\n")
    sys.stdin.read()
    os._exit(9)
"""


def test_what_a_process_acknowledged_that_died_is_indexed_by_who_asks(tmp_path: Path) -> None:
    with Store(tmp_path) as other:
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == b"acknowledged\n"
            answers = [asked(lambda: other.counts().instances) for _ in range(4)]  # they wait, then one sees to it
            child.stdin.close()
            assert [answer.result(60) for answer in answers] == [1] * 4
        assert list(other.verify(digest=True)) == []
        assert [path.name for path in other.files.staging.iterdir() if other.blobs.session not in path.name] == []


def test_the_next_start_sees_to_it_too(tmp_path: Path) -> None:
    Store(tmp_path).close()
    done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], input=b"", cwd=ROOT, check=False)
    assert done.returncode == 9
    with Store(tmp_path) as store:
        assert store.counts().instances == 1
        assert [path.name for path in store.files.staging.iterdir() if store.blobs.session not in path.name] == []


def test_who_cannot_index_makes_the_answer_of_others_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as one, Store(tmp_path) as other:
        put(one, instance(uid="1.2.1.1.1"))

        def full(*args: Any, **options: Any) -> Any:
            raise StorageError("the index is full")

        with monkeypatch.context() as patch:
            patch.setattr(one.index, "ingest_all", full)
            secure(one, "1.2.1.1.2")
            with pytest.raises(StorageError, match="full"):
                one.backlog.complete()
            with pytest.raises(StorageError, match="another process"):
                other.counts()
        one.backlog.complete()
        assert other.counts().instances == 2


def test_one_of_two_processes_keeps_an_instance_that_both_were_sent(tmp_path: Path) -> None:
    with Store(tmp_path) as one, Store(tmp_path) as other:
        for store in (one, other):
            secure(store, "1.2.1.1.3")
        assert one.counts() == other.counts()
        assert other.counts().instances == 1
        assert list(one.verify(digest=True)) == []
        assert len(list(one.blobs.iter_keys())) == 1

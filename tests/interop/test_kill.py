"""The end of the server in the middle of parallel stores: what was acknowledged is there, nothing is half there."""

from __future__ import annotations

import hashlib
import random
import threading
from pathlib import Path

import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

import pacskit
from pacskit.network.association import Association
from pacskit.network.dimse import CStoreRequest
from pacskit.storage import Store
from tests.interop.conftest import Serve, Served
from tests.interop.files import wheel_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(110)]

EXPLICIT = "1.2.840.10008.1.2.1"
WORKERS, ROUNDS = 8, 20


class Sender:
    """Eight associations that store until the server is gone; every acknowledged instance is noted with its digest."""

    def __init__(self, archive: Served, number: int, enough: int) -> None:
        self.acknowledged: dict[str, str] = {}
        self.study = f"1.2.3.{number}"
        self.enough = threading.Event()
        self._archive = archive
        self._wanted = enough
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(worker,)) for worker in range(WORKERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _run(self, worker: int) -> None:
        ds = pydicom.dcmread(wheel_file("CT_small.dcm"))
        ds.StudyInstanceUID, ds.SeriesInstanceUID = self.study, f"{self.study}.{worker}"
        try:
            with Association.request(
                self._archive.address, [(ds.SOPClassUID, [EXPLICIT])], calling=f"WORKER{worker}"
            ) as association:
                for number in range(1, 500):
                    self._send(association, ds, f"{self.study}.{worker}.{number}", number)
        except pacskit.NetworkError:
            return  # the server has been killed

    def _send(self, association: Association, ds: pydicom.Dataset, uid: str, number: int) -> None:
        ds.SOPInstanceUID = uid
        # Every fourth is long enough to be written to disk while it arrives.
        ds.PixelData = bytes(1_500_000 if number % 4 == 0 else 32_768)
        data = encoded(ds)
        request = CStoreRequest(affected_sop_class_uid=ds.SOPClassUID, affected_sop_instance_uid=uid)
        status = association.perform(request, data).status
        assert status == 0
        with self._lock:
            self.acknowledged[uid] = hashlib.sha256(data).hexdigest()
            if len(self.acknowledged) >= self._wanted:
                self.enough.set()


def encoded(ds: pydicom.Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, ds)
    return buffer.getvalue()


def test_nothing_acknowledged_is_lost(serve: Serve, tmp_path: Path) -> None:
    chance = random.Random(20)
    directory = tmp_path / "archive"
    acknowledged: dict[str, str] = {}
    for number in range(ROUNDS):
        archive = serve("--commit", ("group", "os")[number % 2], directory=directory)
        if number:
            check_served(archive, f"1.2.3.{number - 1}", acknowledged)
        sender = Sender(archive, number, chance.randint(1, 50))
        sender.start()
        assert sender.enough.wait(20)
        archive.kill()
        sender.join()
        acknowledged |= sender.acknowledged
    assert len(acknowledged) > 20 * WORKERS
    serve(directory=directory).stop()
    with Store(directory) as store:
        assert list(store.verify(digest=True)) == []
        for uid, digest in acknowledged.items():
            with store.open(uid) as opened:
                assert hashlib.sha256(opened.read()).hexdigest() == digest
    assert [path for path in (directory / "staging").rglob("*") if path.is_file()] == []


def test_a_polite_end_loses_nothing_either(serve: Serve, tmp_path: Path) -> None:
    archive = serve()
    sender = Sender(archive, 1, 40)
    sender.start()
    assert sender.enough.wait(20)
    assert archive.stop() == 0
    sender.join()
    with Store(archive.directory) as store:
        assert list(store.verify(digest=True)) == []
        kept = {instance.sop_instance_uid for instance in store.locate("STUDY", study_uid=sender.study)}
    assert kept >= set(sender.acknowledged)


def check_served(archive: Served, study: str, acknowledged: dict[str, str]) -> None:
    """Right after the restart the index answers for all that was acknowledged in the round before."""
    with pacskit.connect(archive.address) as peer:
        (answer,) = peer.find(pacskit.Level.STUDY, StudyInstanceUID=study)
        files = list((archive.directory / "objects" / study).rglob("*.dcm"))
        assert answer.NumberOfStudyRelatedInstances == len(files)
        assert {path.stem for path in files} >= {uid for uid in acknowledged if uid.startswith(f"{study}.")}

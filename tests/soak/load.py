"""Associations that store until the server is gone."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import pacskit
from pacskit.core.dataset import Dataset
from pacskit.encoding import encode
from pacskit.network.dimse import CStoreRequest
from tests.soak.objects import CT, Ledger

__all__ = ["Load"]

_EXPLICIT = "1.2.840.10008.1.2.1"
_SIZES = (200, 40_000, 40_000, 1_500_000)  # the last is written to disk while it arrives


class Load:
    """``count`` associations at ``address``; what is acknowledged goes into ``ledger``.

    ``driver`` requests them, with ``tls`` where that is given.
    """

    def __init__(
        self, driver: Any, address: object, ledger: Ledger, *, count: int = 8, enough: int = 80, tls: Any = None
    ) -> None:
        self.enough = threading.Event()
        self.surprises: list[BaseException] = []
        self._driver, self._address, self._ledger, self._tls = driver, address, ledger, tls
        self._wanted = enough
        self._acknowledged = 0
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float = 60.0) -> bool:
        """Wait until all have ended, as they do when the server is gone; return whether they have."""
        for thread in self._threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, worker: int) -> None:
        try:
            self._store(worker)
        except (pacskit.AssociationAborted, pacskit.AssociationReleased):
            return  # the server has stopped
        except BaseException as exc:
            self.surprises.append(exc)
        finally:
            self.enough.set()  # nobody waits for what does not come

    def _store(self, worker: int) -> None:
        association = self._driver.request(self._address, [(CT, [_EXPLICIT])], calling=f"LOAD{worker}", tls=self._tls)
        number = 0
        while True:
            number += 1
            uid, data = self._data(worker, number)
            request = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid=uid)
            status = association.perform(request, data).status
            if status != 0:
                raise AssertionError(f"status {status}")
            self._ledger.note(uid, hashlib.sha256(data).digest())
            self._acknowledged += 1
            if self._acknowledged >= self._wanted:
                self.enough.set()

    @staticmethod
    def _data(worker: int, number: int) -> tuple[str, bytes]:
        study = f"1.2.826.0.1.3680043.9.7433.8.{worker}"
        uid = f"{study}.1.{number}"
        ds = Dataset(
            SOPClassUID=CT,
            SOPInstanceUID=uid,
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.1",
            PatientID=f"LOAD{worker}",
            InstanceNumber=number,
            PixelData=number.to_bytes(4, "little") * (_SIZES[number % len(_SIZES)] // 4),
        )
        return uid, encode(ds, _EXPLICIT)

"""How full it is, and the gate that lets nothing more in when it is too full."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from time import monotonic

from pacskit.storage.errors import OutOfSpace, storage_error
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.lifecycle.policies import Quota
from pacskit.storage.lifecycle.selecting import bytes_at

__all__ = ["Gate"]

_RECOUNT = 60.0  # seconds after which what has left is noticed
_FULL = 5.0  # the same, while nothing is taken


class Gate:
    """Refuses objects while the limit of a quota is reached.

    What other processes bring is seen at once; what leaves after a minute, or a few seconds while nothing is taken.
    """

    def __init__(self, index: SqlIndex, quota: Quota, *, disk: Path, home: str | None = None) -> None:
        self._index = index
        self._quota = quota
        self._disk = disk
        self._home = home
        self._lock = threading.Lock()
        self._used = 0
        self._last = 0
        self._counted = -_RECOUNT

    def usage(self, *, recount: bool = True) -> tuple[int, int]:
        """Return how many bytes are used, and how many there are."""
        if self._quota.bytes is None:
            try:
                found = shutil.disk_usage(self._disk)
            except OSError as error:
                raise storage_error(error, "asking how full the disk is") from error
            return found.total - found.free, found.total
        with self._lock:
            if recount or monotonic() - self._counted > _RECOUNT:
                self._used, self._last = bytes_at(self._index, self._home)
                self._counted = monotonic()
            else:
                more, self._last = bytes_at(self._index, self._home, self._last)
                self._used += more
            return self._used, self._quota.bytes

    def check(self) -> None:
        """Raise OutOfSpace while it is too full."""
        used, total = self.usage(recount=False)
        if used >= self._quota.hard * total and monotonic() - self._counted > _FULL:
            used, total = self.usage()
        if used >= self._quota.hard * total:
            raise OutOfSpace("the archive has reached the limit of its quota")

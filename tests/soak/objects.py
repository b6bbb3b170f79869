"""What is stored: images of several sizes and transfer syntaxes, and the note of what was acknowledged."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Final

from pacskit.core.dataset import Dataset
from pacskit.encoding import encode
from pacskit.storage import Store

__all__ = ["CT", "SYNTAXES", "Ledger", "image"]

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
RLE: Final = "1.2.840.10008.1.2.5"
SYNTAXES: Final = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "deflated": "1.2.840.10008.1.2.1.99",
    "big endian": "1.2.840.10008.1.2.2",
    "RLE": RLE,
}
_SIDES: Final = (8, 32, 64, 140, 512, 1024)  # of an image of 16 bits: 128 bytes to 2 MiB
_WEIGHTS: Final = (6, 6, 6, 6, 3, 1)


@cache
def _pixels(side: int) -> bytes:
    return Random(side).randbytes(side * 2) * side


@cache
def _compressed(side: int) -> bytes:
    return bytes(_native(side).transcode(RLE).PixelData)


def _native(side: int) -> Dataset:
    ds = Dataset(
        SOPClassUID=CT,
        SOPInstanceUID="1.2.3",
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=side,
        Columns=side,
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=0,
        PixelData=_pixels(side),
    )
    ds.file_meta.TransferSyntaxUID = SYNTAXES["explicit"]
    return ds


def image(chance: Random, study: str, number: int, version: int) -> tuple[Dataset, bytes]:
    """An image of any size and transfer syntax, and the digest of its data set."""
    side = chance.choices(_SIDES, _WEIGHTS)[0]
    syntax = chance.choice(list(SYNTAXES.values()))
    ds = _native(side)
    ds.update(
        Dataset(
            SOPInstanceUID=f"{study}.1.{number}",
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.1",
            PatientID=study[-16:],
            PatientName="Soak^Test",
            StudyDate="20200101",
            Modality="CT",
            InstanceNumber=version,
        )
    )
    if syntax == RLE:
        ds.PixelData = _compressed(side)
    ds.file_meta.TransferSyntaxUID = syntax
    return ds, hashlib.sha256(encode(ds, syntax)).digest()


@dataclass
class Ledger:
    """The instances that one archive has acknowledged, with their digests."""

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, uid: str, digest: bytes) -> None:
        with self._lock:
            self.acknowledged[uid] = digest

    def forget(self, study: str) -> None:
        with self._lock:
            for uid in [uid for uid in self.acknowledged if uid.startswith(f"{study}.")]:
                del self.acknowledged[uid]

    def count(self, study: str) -> int:
        """How many instances of ``study`` there have to be."""
        with self._lock:
            return sum(uid.startswith(f"{study}.") for uid in self.acknowledged)

    def missing(self, store: Store) -> list[str]:
        """What is not there as it was acknowledged, and what else is wrong with ``store``."""
        found = [f"{problem.kind}: {problem.key}" for problem in store.verify(digest=True)]
        for uid, digest in self.acknowledged.items():
            stored = store.get(uid)
            if stored is None:
                found.append(f"acknowledged, not there: {uid}")
            elif stored.sha256 != digest:
                found.append(f"acknowledged, another one there: {uid}")
        return found

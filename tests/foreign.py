"""DICOM files that travel in a published package: pydicom's wheel, nothing downloaded."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pydicom

__all__ = ["wheel_files"]


@cache
def wheel_files(largest: int | None = None) -> tuple[Path, ...]:
    """The files of pydicom's wheel that end in ``.dcm``, in the same order everywhere, at most so many bytes each."""
    folder = Path(str(pydicom.__file__)).parent / "data" / "test_files"
    found = sorted(path for path in folder.rglob("*.dcm") if path.is_file())
    return tuple(path for path in found if largest is None or path.stat().st_size <= largest)

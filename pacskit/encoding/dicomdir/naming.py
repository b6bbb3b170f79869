"""File-IDs (PS3.10 8.2): at most 8 components of at most 8 characters out of ``A-Z 0-9 _`` (PS3.12 B to F)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path, PurePath
from typing import Any

from pacskit.encoding.dicomdir.problems import FileSetError, UnsafePathError

__all__ = ["DICOMDIR", "Components", "FileIDs", "entry", "is_valid_file_id", "make_file_id", "parse_file_id", "resolve"]

Components = tuple[str, ...]
DICOMDIR = "DICOMDIR"

_COMPONENT = re.compile(r"[A-Z0-9_]{1,8}")
_OTHER = re.compile(r"[^A-Z0-9_]")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f:*?\"<>|]")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def is_valid_file_id(file_id: Iterable[str]) -> bool:
    """Whether the standard allows the file-ID.

    >>> is_valid_file_id(["CT", "IM000001"]), is_valid_file_id(["ct", "slice.dcm"])
    (True, False)
    """
    components = tuple(file_id)
    return 1 <= len(components) <= 8 and all(_COMPONENT.fullmatch(one) for one in components)


def make_file_id(name: str | PurePath | Iterable[str]) -> Components:
    """Make a valid file-ID from a path, whatever it is: the suffix goes, other characters become ``_``.

    >>> make_file_id("Head CT/slice 1.dcm")
    ('HEAD_CT', 'SLICE_1')
    """
    if isinstance(name, (str, PurePath)):
        parts = [part for part in re.split(r"[\\/]", str(name)) if part.strip(". ")]
    else:
        parts = list(name)
    if not parts:
        return ("_",)
    stem, dot, suffix = parts[-1].rpartition(".")
    if dot and stem.strip(". ") and not suffix.isdigit():  # "1.2.840.3" has no suffix
        parts[-1] = stem
    if len(parts) > 8:
        parts = [*parts[:7], parts[-1]]
    return tuple(_component(part) for part in parts)


def _component(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii") or "_"
    name = _OTHER.sub("_", plain.strip().upper()) or "_"
    return name if len(name) <= 8 else name[-8:] if name[-8:].isdigit() else name[:8]


def parse_file_id(value: Any) -> Components | None:
    r"""The components of a Referenced File ID, None for an empty one.

    Components with slashes, which some writers join wrongly, are divided. Raises UnsafePathError for anything that
    could lead out of the directory: ``..``, an absolute path, a drive, a control character.

    >>> parse_file_id(["CT", "IM000001"])
    ('CT', 'IM000001')
    """
    if value is None:
        return None
    if isinstance(value, list) and value and all(isinstance(one, str) and _COMPONENT.fullmatch(one) for one in value):
        return tuple(value)
    if isinstance(value, (bytes, memoryview)):
        value = bytes(value).decode("latin-1")
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(one, str) for one in texts):
        raise FileSetError("a Referenced File ID is no text")
    joined = "\\".join(texts).strip(" \0")
    if not joined:
        return None
    parts = tuple(part.strip(" ") for part in re.split(r"[\\/]", joined))
    for part in parts:
        if not part.strip(". ") or _FORBIDDEN.search(part) or len(part) > 255:
            raise UnsafePathError("a Referenced File ID leads out of the file-set", joined)
    return parts


def resolve(directory: Path, file_id: Components) -> Path:
    """The file of a file-ID; names on media may be in another case than in the DICOMDIR.

    Raises UnsafePathError when a symbolic link leads out of the directory.
    """
    path = directory
    for component in parse_file_id(file_id) or ():
        path = entry(path, component)
    if not path.resolve().is_relative_to(directory.resolve()):
        raise UnsafePathError("a symbolic link leads out of the file-set", "/".join(file_id))
    return path


def entry(directory: Path, component: str) -> Path:
    """The entry of a directory that has a name, whatever its case; the name itself where there is none."""
    exact, lower = directory / component, component.lower()
    if exact.exists() or exact.is_symlink():
        return exact
    for name in (lower, lower + ".", lower + ";1"):
        if (directory / name).exists():
            return directory / name
    try:
        found = sorted(path for path in directory.iterdir() if path.name.lower() == lower)
    except OSError:
        found = []
    return found[0] if found else exact


def _variants(component: str) -> Iterator[str]:
    yield component
    for number in count(1):
        suffix = str(number)
        yield component[: 8 - len(suffix)] + suffix


class FileIDs:
    """The file-IDs of a file-set: which are taken, and new ones that are not."""

    def __init__(self) -> None:
        self._files: Counter[Components] = Counter({(DICOMDIR,): 1})
        self._folders: Counter[Components] = Counter()
        self._numbers: Counter[tuple[Components, str]] = Counter()
        self.directory: Path | None = None  # where files that no record knows take names too

    def add(self, file_id: Components) -> None:
        """Take a file-ID."""
        name = tuple(part.upper() for part in file_id)
        self._files[name] += 1
        for depth in range(1, len(name)):
            self._folders[name[:depth]] += 1

    def discard(self, file_id: Components) -> None:
        """Give a file-ID back."""
        name = tuple(part.upper() for part in file_id)
        self._files[name] -= 1
        for depth in range(1, len(name)):
            self._folders[name[:depth]] -= 1

    def is_file(self, file_id: Components) -> bool:
        """Whether a file has the name."""
        if self._files[tuple(part.upper() for part in file_id)] > 0:
            return True
        return self.directory is not None and self.directory.joinpath(*file_id).is_file()

    def is_taken(self, file_id: Components) -> bool:
        """Whether a file or a folder has the name."""
        if self._folders[tuple(part.upper() for part in file_id)] > 0 or self.is_file(file_id):
            return True
        return self.directory is not None and self.directory.joinpath(*file_id).exists()

    def unique(self, wanted: Components) -> Components:
        """The file-ID, with numbers at the end of components where it is taken or would be file and folder at once."""
        parts: Components = ()
        for component in wanted[:-1]:
            parts = next(name for one in _variants(component) if not self.is_file(name := (*parts, one)))
        return next(name for one in _variants(wanted[-1]) if not self.is_taken(name := (*parts, one)))

    def child(self, folder: Components, prefix: str) -> Components:
        """A new name in a folder: the prefix and six digits, or letters when digits are used up."""
        while True:
            number = self._numbers[folder, prefix]
            self._numbers[folder, prefix] += 1
            name = (*folder, prefix + (f"{number:06d}" if number < 1_000_000 else _base36(number)))
            if not self.is_taken(name):
                return name


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text.rjust(6, "0")

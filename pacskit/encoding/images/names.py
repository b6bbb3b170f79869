"""Names of files, made of a pattern and of values nobody has vouched for; files that are whole or not there."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from errno import EEXIST
from pathlib import Path, PurePosixPath
from typing import Final

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import ConfigurationError

__all__ = ["fill", "plain", "write_whole"]

_FIELD: Final = re.compile(r"\{(\w+)(?::(\d{1,2}))?\}")
_STRANGE: Final = re.compile(r"[^A-Za-z0-9._+=@ -]+")
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST: Final = 120


def plain(text: str) -> str:
    """A value as part of a file name: no separator, no dot in front, nothing that a system reserves, not too long."""
    found = _STRANGE.sub("_", text).strip(" .")[:_LONGEST].rstrip(" .") or "_"
    return "_" + found if _RESERVED.fullmatch(found) else found


def fill(pattern: str, dataset: Dataset, fields: Mapping[str, str]) -> PurePosixPath:
    """Fill a pattern: ``{frame}``, ``{frame:4}`` with zeros, what else is in ``fields``, and keywords of the data set.

    Raises ConfigurationError for a field that does not exist, and for a pattern that leads out of its folder.
    """

    def value(match: re.Match[str]) -> str:
        name, width = match[1], int(match[2] or 0)
        if name in fields:
            return fields[name].zfill(width)
        if tag_for(name) is None:
            raise ConfigurationError(f"{{{name}}} is neither a keyword nor one of {', '.join(fields)}")
        held = dataset.get(name)
        return plain("" if held is None else str(held)).zfill(width)

    made = _FIELD.sub(value, pattern)
    parts = made.split("/")
    if "{" in made or any(part in {"", ".", ".."} for part in parts) or "\\" in made or "\0" in made or ":" in made:
        raise ConfigurationError(f"the pattern {pattern!r} gives {made!r}, which is no name of a file in a folder")
    return PurePosixPath(*parts)


def write_whole(path: Path, data: bytes | memoryview, *, overwrite: bool) -> Path:
    """Write a file that is whole or not there; FileExistsError where it is and may not be overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with staging.open("xb") as file:
            file.write(data)
        if overwrite:
            staging.replace(path)
        else:
            _move_to_new(staging, path)
    finally:
        staging.unlink(missing_ok=True)
    return path


def _move_to_new(staging: Path, path: Path) -> None:
    """Rename, but never over a file that is there."""
    if os.name != "posix":
        staging.rename(path)  # which refuses by itself
        return
    try:
        os.link(staging, path)
    except FileExistsError:
        raise FileExistsError(EEXIST, "the file is there already", os.fspath(path)) from None
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(EEXIST, "the file is there already", os.fspath(path)) from None
        staging.replace(path)

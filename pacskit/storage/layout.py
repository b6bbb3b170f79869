"""Names of objects in a blob store: made from UIDs, safe whatever a peer sent.

A key is a relative path of at most :data:`MAX_KEY` characters out of ``A-Z a-z 0-9 . _ - /``. The schemes are functions
``(study, series, instance) -> key``; this slice has one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import PurePosixPath

__all__ = ["MAX_KEY", "Layout", "safe_name", "uid_hierarchy", "with_generation"]

MAX_KEY = 212  # a staging name is a counter, a mark and the key, in 255 characters

Layout = Callable[[str, str, str], str]

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)


def safe_name(uid: str) -> str:
    """Return the UID where it is one (PS3.5 9.1), else a name made from its hash.

    >>> safe_name("1.2.840.10008.1.2")
    '1.2.840.10008.1.2'
    >>> safe_name("../../etc/passwd")
    'x3754d6cb3a38e1185e5b382d5f3ef3f1'
    """
    if len(uid) <= 64 and _UID.fullmatch(uid):
        return uid
    return "x" + hashlib.sha256(uid.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def uid_hierarchy(study: str, series: str, instance: str) -> str:
    """Return ``study/series/instance.dcm``.

    >>> uid_hierarchy("1.2", "1.2.3", "1.2.3.4")
    '1.2/1.2.3/1.2.3.4.dcm'
    """
    return f"{safe_name(study)}/{safe_name(series)}/{safe_name(instance)}.dcm"


def with_generation(key: str, generation: str) -> str:
    """Return another name for an object whose first name is taken.

    >>> with_generation("1.2/1.3/1.4.dcm", "a1")
    '1.2/1.3/1.4_a1.dcm'
    """
    path = PurePosixPath(key)
    return str(path.with_name(f"{path.stem}_{generation}{path.suffix}"))

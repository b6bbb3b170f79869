"""Names of objects in a blob store: made from UIDs, safe whatever a peer sent.

A key is a relative path of at most :data:`MAX_KEY` characters out of ``A-Z a-z 0-9 . _ - /``. The schemes are functions
``(study, series, instance) -> key``: `uid_hierarchy`, `date_hierarchy`, `flat`, and those that `template` makes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePosixPath
from string import Formatter
from typing import Final

from pacskit.core.errors import ConfigurationError

__all__ = [
    "MAX_KEY",
    "Layout",
    "date_hierarchy",
    "flat",
    "layout_for",
    "safe_name",
    "template",
    "uid_hierarchy",
    "with_generation",
]

MAX_KEY = 212  # a staging name is a counter, a mark and the key, in 255 characters

Layout = Callable[[str, str, str], str]

_FIELDS: Final = ("study", "series", "instance", "year", "month", "day", "hash")
_LONGEST: Final = "1" * 64  # characters of a UID (PS3.5 9.1)
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


def flat(study: str, series: str, instance: str) -> str:
    """Return ``instance.dcm``.

    >>> flat("1.2", "1.2.3", "1.2.3.4")
    '1.2.3.4.dcm'
    """
    return f"{safe_name(instance)}.dcm"


def date_hierarchy(study: str, series: str, instance: str) -> str:
    """Return ``year/month/day/study/series/instance.dcm``, by the day (UTC) on which the instance is stored."""
    return f"{datetime.now(UTC):%Y/%m/%d}/{uid_hierarchy(study, series, instance)}"


def template(text: str) -> Layout:
    """Return a scheme from its text; ConfigurationError where some instances would get no good key by it.

    Fields are ``study``, ``series``, ``instance``, ``year``, ``month`` and ``day`` (of storing, UTC) and ``hash`` (two
    characters of a hash of the instance's UID, which spread objects evenly).

    >>> template("{hash}/{study}/{instance}.dcm")("1.2", "1.2.3", "1.2.3.4")
    '66/1.2/1.2.3.4.dcm'
    """
    from pacskit.storage.blobs.base import check_key
    from pacskit.storage.blobs.errors import InvalidKey

    try:
        fields = [(name, spec, how) for _, name, spec, how in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise ConfigurationError(f"a naming template that cannot be read: {error}") from None
    if any(name not in _FIELDS or spec or how for name, spec, how in fields):
        raise ConfigurationError(f"a naming template has the fields {', '.join(_FIELDS)}")
    if "instance" not in {name for name, _, _ in fields}:
        raise ConfigurationError("a naming template needs {instance}, or all instances would have one name")

    def layout(study: str, series: str, instance: str) -> str:
        now = datetime.now(UTC)
        return text.format(
            study=safe_name(study),
            series=safe_name(series),
            instance=safe_name(instance),
            year=f"{now:%Y}",
            month=f"{now:%m}",
            day=f"{now:%d}",
            hash=hashlib.sha256(instance.encode("utf-8", "surrogatepass")).hexdigest()[:2],
        )

    try:
        fits = len(check_key(layout(_LONGEST, _LONGEST, _LONGEST))) <= MAX_KEY
    except InvalidKey as error:
        raise ConfigurationError(f"a naming template whose keys are none: {error}") from None
    if not fits:
        raise ConfigurationError(f"a naming template whose keys may have more than {MAX_KEY} characters")
    return layout


def layout_for(naming: str) -> Layout:
    """Return the scheme of a name: ``uid``, ``date``, ``flat``, or a template."""
    named: dict[str, Layout] = {"uid": uid_hierarchy, "date": date_hierarchy, "flat": flat}
    if naming in named:
        return named[naming]
    if "{" not in naming:
        raise ConfigurationError(f"naming is {', '.join(named)} or a template, not {naming!r}")
    return template(naming)


def with_generation(key: str, generation: str) -> str:
    """Return another name for an object whose first name is taken.

    >>> with_generation("1.2/1.3/1.4.dcm", "a1")
    '1.2/1.3/1.4_a1.dcm'
    """
    path = PurePosixPath(key)
    return str(path.with_name(f"{path.stem}_{generation}{path.suffix}"))

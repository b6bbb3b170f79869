"""pynetdicom's check of AE titles."""

from __future__ import annotations

from typing import Any

from pacskit.network.address import check_ae_title

__all__ = ["set_ae"]


def set_ae(value: Any, name: str, allow_empty: bool = True, allow_none: bool = True) -> str | None:
    """Return an AE title that can be used (PS3.5 6.2); ValueError or TypeError for what is none."""
    if value is None and allow_none:
        return None
    if isinstance(value, bytes):
        value = value.decode("ascii")
    if not isinstance(value, str):
        raise TypeError(f"'{name}' must be str{' or None' if allow_none else ''}, not '{type(value).__name__}'")
    if not value and allow_empty:
        return value
    try:
        check_ae_title(value)
    except ValueError as error:
        raise ValueError(f"Invalid '{name}' value: {error}") from None
    return value

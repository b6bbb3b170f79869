"""pydicom's settings, held by context and not by process.

Each setting can be read and set as in pydicom. What is set counts for the current context (``contextvars``): the
thread or task that set it, and what it starts with a copy of its context. No other thread changes behaviour under its
feet, and pacskit itself never looks at any of them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

__all__ = ["IGNORE", "RAISE", "WARN", "Settings", "disable_value_validation", "settings", "strict_reading", "value_of"]

IGNORE: Final = 0
WARN: Final = 1
RAISE: Final = 2
have_numpy: Final = True
logger = logging.getLogger("pacskit.compat.pydicom")

_DEFAULTS: Final[dict[str, Any]] = {
    "reading_validation_mode": WARN,
    "writing_validation_mode": None,
    "infer_sq_for_un_vr": True,
    "buffered_read_size": 8192,
    "use_DS_decimal": False,
    "use_DS_numpy": False,
    "use_IS_numpy": False,
    "allow_DS_float": False,
    "enforce_valid_values": False,
    "datetime_conversion": False,
    "use_none_as_empty_text_VR_value": False,
    "replace_un_with_known_vr": True,
    "convert_wrong_length_to_UN": False,
    "show_file_meta": True,
    "assume_implicit_vr_switch": True,
    "INVALID_KEYWORD_BEHAVIOR": "WARN",
    "INVALID_KEY_BEHAVIOR": "WARN",
    "debugging": False,
    "_use_future": False,
}
# The values that were set, as a dict that is replaced and never changed.
_CHANGED: Final[ContextVar[dict[str, Any] | None]] = ContextVar("pacskit.compat.pydicom.config", default=None)
# What pydicom would obey and this package cannot: setting it to anything else is refused.
_FIXED: Final = frozenset({"use_DS_numpy", "use_IS_numpy", "convert_wrong_length_to_UN"})


def value_of(name: str) -> Any:
    """The value of a setting in the current context."""
    changed = _CHANGED.get()
    return changed[name] if changed and name in changed else _DEFAULTS[name]


def _set(name: str, value: Any) -> None:
    if name in _FIXED and value != _DEFAULTS[name]:
        raise NotImplementedError(f"pacskit.compat.pydicom.config.{name} can only be {_DEFAULTS[name]!r}")
    _CHANGED.set({**(_CHANGED.get() or {}), name: value})


class Settings:
    """The settings that pydicom keeps in ``config.settings``."""

    @property
    def reading_validation_mode(self) -> int:
        """What is done about an invalid value when it is read: IGNORE, WARN or RAISE."""
        return int(value_of("reading_validation_mode"))

    @reading_validation_mode.setter
    def reading_validation_mode(self, mode: int) -> None:
        _set("reading_validation_mode", mode)

    @property
    def writing_validation_mode(self) -> int:
        """What is done about an invalid value when it is set or written."""
        mode = value_of("writing_validation_mode")
        if mode is None:
            return RAISE if value_of("_use_future") else WARN
        return int(mode)

    @writing_validation_mode.setter
    def writing_validation_mode(self, mode: int | None) -> None:
        _set("writing_validation_mode", mode)

    @property
    def _writing_validation_mode(self) -> int | None:
        mode: int | None = value_of("writing_validation_mode")
        return mode

    @_writing_validation_mode.setter
    def _writing_validation_mode(self, mode: int | None) -> None:
        _set("writing_validation_mode", mode)

    @property
    def infer_sq_for_un_vr(self) -> bool:
        """Whether UN of undefined length is read as a sequence; pacskit always does (PS3.5 6.2.2)."""
        return bool(value_of("infer_sq_for_un_vr"))

    @infer_sq_for_un_vr.setter
    def infer_sq_for_un_vr(self, infer: bool) -> None:
        _set("infer_sq_for_un_vr", infer)

    @property
    def buffered_read_size(self) -> int:
        """The size of the pieces in which pydicom copies buffered values; of no effect here."""
        return int(value_of("buffered_read_size"))

    @buffered_read_size.setter
    def buffered_read_size(self, size: int) -> None:
        if size <= 0:
            raise ValueError("The read size must be greater than 0")
        _set("buffered_read_size", size)


settings: Final = Settings()


@contextmanager
def disable_value_validation() -> Iterator[None]:
    """Validate no values inside the block."""
    token = _CHANGED.set(
        {**(_CHANGED.get() or {}), "reading_validation_mode": IGNORE, "writing_validation_mode": IGNORE}
    )
    try:
        yield
    finally:
        _CHANGED.reset(token)


@contextmanager
def strict_reading() -> Iterator[None]:
    """Raise for invalid values that are read inside the block."""
    token = _CHANGED.set({**(_CHANGED.get() or {}), "reading_validation_mode": RAISE})
    try:
        yield
    finally:
        _CHANGED.reset(token)


def debug(debug_on: bool = True, default_handler: bool = True) -> None:
    """Set the level of the logger; no handler is ever added to it here."""
    del default_handler
    logger.setLevel(logging.DEBUG if debug_on else logging.WARNING)
    _set("debugging", debug_on)


def DS_decimal(use_Decimal_boolean: bool = True) -> None:
    """Give DS values as DSdecimal, in the current context."""
    _set("use_DS_decimal", use_Decimal_boolean)


def DS_numpy(use_numpy: bool = True) -> None:
    """Refused: ``ds.array(keyword)`` gives an array of any numeric attribute."""
    _set("use_DS_numpy", use_numpy)


def future_behavior(enable_future: bool = True) -> None:
    """Raise for invalid values on writing, as pydicom's next version will."""
    _set("_use_future", enable_future)


class _Module(ModuleType):
    """The module itself, so that ``config.use_DS_decimal = True`` reaches the context."""

    def __getattr__(self, name: str) -> Any:
        if name in _DEFAULTS:
            return value_of(name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _DEFAULTS:
            _set(name, value)
        else:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Module

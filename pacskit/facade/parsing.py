"""Settings from a TOML file and from the environment, by the types of their fields."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from pacskit.core.errors import ConfigurationError

__all__ = ["from_environment", "from_toml"]

_PREFIX: Final = "PACSKIT_"
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})

T = TypeVar("T")


def from_toml(cls: type[T], path: str | os.PathLike[str], *, table: str) -> T:
    """Make settings of a class from a file; its fields are at the top of it, or in ``table``.

    Raises ConfigurationError, or OSError where the file cannot be read.
    """
    try:
        values = tomllib.loads(Path(path).read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    within = values.pop(table, {})
    if not isinstance(within, dict) or within.keys() & values.keys():
        raise ConfigurationError(f"{path}: [{table}] is a table with what is not given before it")
    return _made(cls, values | within)


def from_environment(cls: type[T], source: Mapping[str, str]) -> T:
    """Make settings of a class from variables: a field is ``PACSKIT_FIELD``, one of a group ``PACSKIT_GROUP_FIELD``.

    Raises ConfigurationError.
    """
    values: dict[str, Any] = {}
    for name, hint in _hints(cls).items():
        group = _group(hint)
        variable = _PREFIX + name.upper()
        if group is not None:
            parts = {key: (f"{variable}_{key.upper()}", part) for key, part in _hints(group).items()}
            given = {key: _parsed(one, part, source[one]) for key, (one, part) in parts.items() if one in source}
            values |= {name: given} if given else {}
        elif variable in source:
            values[name] = _parsed(variable, hint, source[variable])
    return _made(cls, values)


def _made(cls: type[T], values: dict[str, Any]) -> T:
    hints = _hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ConfigurationError(f"unknown settings: {', '.join(unknown)}")
    for name, value in values.items():
        group = _group(hints[name])
        if group is not None and not isinstance(value, group):
            try:
                values[name] = group(**value)
            except TypeError as error:
                raise ConfigurationError(f"{name}: {error}") from None
    return cls(**values)


def _hints(cls: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {one.name: hints[one.name] for one in fields(cls) if one.init}


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types that a field may have."""
    return get_args(hint) if NoneType in get_args(hint) else (hint,)


def _group(hint: Any) -> type[Any] | None:
    """The class of a field that has fields of its own."""
    return next((one for one in _alternatives(hint) if isinstance(one, type) and is_dataclass(one)), None)


def _parsed(name: str, hint: Any, text: str) -> Any:
    """Read a value as the type of its field says."""
    kinds = _alternatives(hint)
    if NoneType in kinds and {int, float} & set(kinds) and text.lower() == "none":  # a text may be that word
        return None
    if bool in kinds:
        if text.lower() not in _TRUE | _FALSE:
            raise ConfigurationError(f"{name} is yes or no, not {text!r}")
        return text.lower() in _TRUE
    if int in kinds or float in kinds:
        return _number(name, text)
    if any(get_origin(one) is tuple and get_args(one)[0] is str for one in kinds):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if _group(hint) is not None or any(get_origin(one) in (tuple, dict, Mapping) for one in kinds):
        return _json(name, text)
    return text


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ConfigurationError(f"{name} is JSON, not {text!r}") from None


def _number(name: str, text: str) -> float | int:
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        raise ConfigurationError(f"{name} is a number, not {text!r}") from None

"""pydicom's lists of values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex

from pacskit.compat.pydicom import config
from pacskit.core import values

__all__ = ["ConstrainedList", "MultiValue"]


class ConstrainedList(values.MultiValue[Any]):
    """A list each item of which is checked, or converted, by ``_validate``."""

    def __init__(self, iterable: Iterable[Any] | None = None) -> None:
        super().__init__([self._validate(item) for item in iterable or ()])

    def _validate(self, item: Any) -> Any:
        """The item as it is kept."""
        raise NotImplementedError(f"'{type(self).__name__}._validate()' must be implemented")

    @property
    def _list(self) -> list[Any]:
        return list(self)

    def append(self, item: Any) -> None:
        super().append(self._validate(item))

    def extend(self, val: Iterable[Any]) -> None:
        if not hasattr(val, "__iter__"):
            raise TypeError("An iterable is required")
        super().extend([self._validate(item) for item in val])

    def insert(self, position: SupportsIndex, item: Any) -> None:
        super().insert(position, self._validate(item))

    def __iadd__(self, other: Iterable[Any]) -> ConstrainedList:  # type: ignore[misc]
        self.extend(other)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            super().__setitem__(index, [self._validate(item) for item in value])
        else:
            super().__setitem__(index, self._validate(value))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), list(self), self.__dict__)

    def twin(self) -> Any:
        """The same values in another list."""
        return _rebuild(type(self), list(self), self.__dict__)

    def __deepcopy__(self, memo: dict[int, Any]) -> ConstrainedList:
        from copy import deepcopy

        return _rebuild(type(self), [deepcopy(item, memo) for item in self], self.__dict__)


def _rebuild(cls: type[ConstrainedList], items: list[Any], attributes: dict[str, Any]) -> ConstrainedList:
    made = cls.__new__(cls)
    made.__dict__.update(attributes)
    list.extend(made, items)
    return made


class MultiValue(ConstrainedList):
    """The values of an element that has more than one, each converted by ``type_constructor``."""

    def __init__(
        self,
        type_constructor: Callable[[Any], Any],
        iterable: Iterable[Any],
        validation_mode: int | None = None,
    ) -> None:
        from pacskit.compat.pydicom.valuerep import DS, IS, DSclass

        mode = config.settings.reading_validation_mode if validation_mode is None else validation_mode

        def number_or_empty(item: Any) -> Any:
            return item if item == "" else type_constructor(item, validation_mode=mode)  # type: ignore[call-arg]

        numeric = type_constructor in (DS, IS, DSclass)
        self.type_constructor = number_or_empty if numeric else type_constructor
        super().__init__(iterable)

    def _validate(self, item: Any) -> Any:
        return self.type_constructor(item)

    def __str__(self) -> str:
        if not self:
            return ""
        return f"[{', '.join(str(x) if not isinstance(x, (str, bytes)) else repr(_plain(x)) for x in self)}]"

    __repr__ = __str__

    def __reduce__(self) -> tuple[Any, ...]:
        constructor = self.type_constructor if isinstance(self.type_constructor, type) else _as_is
        return _rebuild, (type(self), list(self), {"type_constructor": constructor})


def _plain(value: str | bytes) -> str | bytes:
    return str(value) if isinstance(value, str) else value


def _as_is(value: Any) -> Any:
    return value

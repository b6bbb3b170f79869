"""pydicom's Sequence over ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pacskit.compat.pydicom.dataset import Dataset
from pacskit.core import sequence as core
from pacskit.core.dataset import Dataset as CoreDataset

__all__ = ["Sequence"]


class Sequence(core.Sequence[Dataset]):
    """A list of data sets."""

    def __init__(self, iterable: Iterable[Any] | None = None) -> None:
        if isinstance(iterable, CoreDataset):
            raise TypeError("The Sequence constructor requires an iterable")
        super().__init__([self._validate(item) for item in iterable or ()])

    @staticmethod
    def _validate(item: Any) -> Dataset:
        if not isinstance(item, CoreDataset):
            raise TypeError("Sequence contents must be 'Dataset' instances.")
        return item  # type: ignore[return-value]

    def append(self, item: Any) -> None:
        super().append(self._validate(item))

    def insert(self, position: Any, item: Any) -> None:
        super().insert(position, self._validate(item))

    def extend(self, val: Iterable[Any]) -> None:
        if isinstance(val, CoreDataset):
            raise TypeError("An iterable of 'Dataset' is required")
        super().extend([self._validate(item) for item in val])

    def __iadd__(self, other: Iterable[Any]) -> Sequence:  # type: ignore[override,misc]
        if isinstance(other, CoreDataset):
            raise TypeError("An iterable of 'Dataset' is required")
        self.extend(other)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            if isinstance(value, CoreDataset):
                raise TypeError("Can only assign an iterable of 'Dataset'")
            super().__setitem__(index, [self._validate(item) for item in value])
        else:
            super().__setitem__(index, self._validate(value))

    def __str__(self) -> str:
        return f"[{''.join(str(item) for item in self)}]"

    def __repr__(self) -> str:
        return f"<Sequence, length {len(self)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Sequence, (list(self),)

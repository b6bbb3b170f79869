"""Rows of a scan as Arrow columns: text as text, numbers as numbers, several values as lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import ConfigurationError
from pacskit_ext._headers import ScanRow

if TYPE_CHECKING:
    import pyarrow

__all__ = ["to_arrow", "to_parquet"]

_GROUP: Final = 65536  # rows that are columns at one time
_TYPES: Final = {
    "DS": "float64", "FD": "float64", "FL": "float32", "IS": "int64", "SL": "int32", "SS": "int16", "SV": "int64",
    "UL": "uint32", "US": "uint16", "UV": "uint64", "US or SS": "int32", "AT": "uint32",
    "OB": "binary", "OD": "binary", "OF": "binary", "OL": "binary", "OV": "binary", "OW": "binary", "UN": "binary",
    "OB or OW": "binary", "US or OW": "binary", "US or SS or OW": "binary",
}  # fmt: skip


def _arrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise ConfigurationError("tables need pyarrow: pip install 'pacskit[arrow]'") from error
    return pyarrow


class _Column:
    """One key: its Arrow type, and how values become what that type takes."""

    def __init__(self, name: str, vr: str, vm: str) -> None:
        pa = _arrow()
        kind = _TYPES.get(vr, "string")
        self.name = name
        self.many = vm != "1" and kind != "binary"
        self.convert: Any = {"string": str, "binary": bytes}.get(kind, float if kind.startswith("float") else int)
        self.lowest, self.highest = _range(kind)
        single = getattr(pa, kind)()
        self.type = pa.list_(single) if self.many else single

    def _one(self, value: Any) -> Any:
        if isinstance(value, float) and self.convert is int and not value.is_integer():
            raise ValueError("no whole number")
        made = self.convert(value)
        if self.lowest is not None and not self.lowest <= made <= self.highest:
            raise ValueError("out of range")
        return made

    def value(self, value: Any) -> Any:
        """Return what the column takes; raises ValueError or TypeError for a value that does not fit."""
        if value is None or value == "":
            return None
        if isinstance(value, list):
            if not self.many and self.convert is not str:
                raise ValueError("several values")
            made = [None if one is None or one == "" else self._one(one) for one in value]
            return made if self.many else "\\".join(one or "" for one in made)
        one = self._one(value)
        return [one] if self.many else one


def _range(kind: str) -> tuple[int | None, int]:
    digits = kind.removeprefix("u").removeprefix("int")
    if not digits.isdigit():
        return None, 0
    bits = int(digits)
    return (0, (1 << bits) - 1) if kind.startswith("u") else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def _schema(columns: list[_Column]) -> pyarrow.Schema:
    pa = _arrow()
    fixed = [("path", pa.string()), ("member", pa.string()), ("size", pa.int64()), ("error", pa.string())]
    return pa.schema([*fixed, ("transfer_syntax", pa.string()), *((column.name, column.type) for column in columns)])


def _text(value: str | None) -> str | None:
    """A name as UTF-8 can hold it: bytes that are no text in the file system's encoding are escaped."""
    return None if value is None else value.encode("utf-8", "backslashreplace").decode("utf-8")


def _batches(rows: Iterable[ScanRow], columns: list[_Column]) -> Iterator[Any]:
    pa = _arrow()
    schema = _schema(columns)
    source = iter(rows)
    while group := list(islice(source, _GROUP)):
        errors = ["" if row.error is None else f"{type(row.error).__name__}: {row.error}" for row in group]
        arrays = []
        for column in columns:
            values: list[Any] = []
            for number, row in enumerate(group):
                try:
                    values.append(column.value(row.values[column.name]))
                except (ValueError, TypeError, OverflowError) as error:
                    values.append(None)
                    errors[number] += f"{'; ' if errors[number] else ''}{column.name} does not fit its column: {error}"
            arrays.append(pa.array(values, column.type))
        fixed = [
            pa.array([_text(row.path) for row in group], pa.string()),
            pa.array([_text(row.member) for row in group], pa.string()),
            pa.array([row.size for row in group], pa.int64()),
            pa.array([_text(error) or None for error in errors], pa.string()),
            pa.array([row.transfer_syntax and str(row.transfer_syntax) for row in group], pa.string()),
        ]
        yield pa.RecordBatch.from_arrays([*fixed, *arrays], schema=schema)


def _columns(kinds: Mapping[str, tuple[str, str]]) -> list[_Column]:
    return [_Column(name, vr, vm) for name, (vr, vm) in kinds.items()]


def to_arrow(rows: Iterable[ScanRow], kinds: Mapping[str, tuple[str, str]]) -> pyarrow.Table:
    """Return rows as a table; ``kinds`` says VR and VM of each key. Raises ConfigurationError without pyarrow.

    A value that its column cannot hold is null, and the column ``error`` says so.
    """
    columns = _columns(kinds)
    return _arrow().Table.from_batches(_batches(rows, columns), schema=_schema(columns))


def to_parquet(rows: Iterable[ScanRow], kinds: Mapping[str, tuple[str, str]], path: str | os.PathLike[str]) -> int:
    """Write rows to a Parquet file, a group of rows at a time; return how many there were."""
    _arrow()
    from pyarrow import parquet

    columns = _columns(kinds)
    count = 0
    with parquet.ParquetWriter(os.fspath(path), _schema(columns)) as writer:
        for batch in _batches(rows, columns):
            writer.write_batch(batch)
            count += batch.num_rows
    return count

"""Values of image attributes as plain numbers and texts, checked: what is no number or not finite is a DecodeError."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pacskit.core.arrays import array_of
from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import DecodeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["array", "integer", "items", "missing", "number", "numbers", "positive", "required", "text"]


def missing(keyword: str, why: str = "is absent or empty") -> DecodeError:
    """The error for an attribute that has to be there."""
    return DecodeError(f"{keyword} {why}", tag=tag_for(keyword))


def numbers(ds: Dataset, keyword: str, count: int | None = None) -> tuple[float, ...] | None:
    """The values of a numeric attribute; None where it is absent or empty.

    Raises DecodeError for what is no finite number, and where there are not ``count`` of them.
    """
    value: Any = ds.get(keyword)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    values = value if isinstance(value, list | tuple) else [value]
    try:
        found = tuple(float(each) for each in values)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise DecodeError(f"{keyword} is not numeric", tag=tag_for(keyword)) from error
    if not all(map(math.isfinite, found)):
        raise DecodeError(f"{keyword} is not a finite number", tag=tag_for(keyword))
    if count is not None and len(found) != count:
        raise DecodeError(f"{keyword} has {len(found)} values instead of {count}", tag=tag_for(keyword))
    return found or None


def number(ds: Dataset, keyword: str) -> float | None:
    """The first value of a numeric attribute; None where it is absent or empty."""
    found = numbers(ds, keyword)
    return None if found is None else found[0]


def positive(ds: Dataset, keyword: str) -> float | None:
    """The first value, which has to be above zero; None where it is absent or empty."""
    found = number(ds, keyword)
    if found is not None and found <= 0:
        raise DecodeError(f"{keyword} is {found:g}, not above zero", tag=tag_for(keyword))
    return found


def integer(ds: Dataset, keyword: str) -> int | None:
    """The first value of an integer attribute; None where it is absent or empty."""
    found = number(ds, keyword)
    if found is not None and not found.is_integer():
        raise DecodeError(f"{keyword} is {found:g}, no integer", tag=tag_for(keyword))
    return None if found is None else int(found)


def required(ds: Dataset, keyword: str) -> int:
    """The value of an integer attribute that has to be there and above zero."""
    found = integer(ds, keyword)
    if found is None:
        raise missing(keyword)
    if found <= 0:
        raise DecodeError(f"{keyword} is {found}, not above zero", tag=tag_for(keyword))
    return found


def array(ds: Dataset, keyword: str) -> NDArray[Any]:
    """The numbers of an attribute that is there, as an array of one dimension."""
    try:
        return array_of(ds[keyword])
    except DecodeError:
        raise
    except (TypeError, ValueError) as error:
        raise DecodeError(f"{keyword} holds no numbers", tag=tag_for(keyword)) from error


def text(ds: Dataset, keyword: str) -> str | None:
    """The first value of a text attribute without spaces around it; None where it is absent or empty."""
    value: Any = ds.get(keyword)
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    return (str(value).strip() or None) if value is not None else None


def items(ds: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """The items of a sequence; none where it is absent or empty."""
    value: Any = ds.get(keyword)
    if value is None:
        return ()
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        raise DecodeError(f"{keyword} is not a sequence", tag=tag_for(keyword))
    return tuple(value)

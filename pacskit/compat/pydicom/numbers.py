"""pydicom's DS and IS over ours."""

from __future__ import annotations

import math
import warnings
from decimal import Decimal
from typing import Any

from pacskit.compat.pydicom import config
from pacskit.compat.pydicom.validation import is_valid_ds, validate_value
from pacskit.core import values

__all__ = ["DS", "IS", "DSclass", "DSdecimal", "DSfloat", "ISfloat", "format_number_as_ds"]

_HOW = "Set 'config.settings.reading_validation_mode' to 'WARN' to override the"


def format_number_as_ds(val: float | Decimal) -> str:
    """The text of at most 16 characters that is nearest to a number (PS3.5 6.2)."""
    if not isinstance(val, (float, Decimal)):
        raise TypeError("'val' must be of type float or decimal.Decimal")
    if not math.isfinite(val):
        raise ValueError(f"Cannot encode non-finite floats as DICOM decimal strings. Got '{val}'")
    text = str(val)
    if len(text) <= 16:
        return text
    sign = 1 if val < 0 else 0
    size = math.log10(abs(float(val)))
    if size < -4 or size >= 14 - sign:
        text = f"{val:.{10 - sign}e}"
        return text if len(text) <= 16 else f"{val:.{9 - sign}e}"
    return f"{val:.{14 - sign - (math.floor(size) if size >= 1 else 0)}f}"


class _Decimal:
    """What both classes of decimal strings have in common."""

    original_string: str
    auto_format: bool

    def _remember(self, val: Any, auto_format: bool) -> None:
        checked = False
        if isinstance(val, str):
            self.original_string = val.strip()
        elif isinstance(val, (DSfloat, DSdecimal)):
            checked = val.auto_format
            auto_format = auto_format or checked
            if hasattr(val, "original_string"):
                self.original_string = val.original_string
        elif isinstance(val, values.DS) and val.original_string is not None:
            self.original_string = val.original_string
        self.auto_format = auto_format
        if auto_format and not checked:
            text = getattr(self, "original_string", None)
            if text is None:
                self.original_string = format_number_as_ds(self)  # type: ignore[arg-type]
            elif not is_valid_ds(text):
                self.original_string = format_number_as_ds(float(text))

    def _check(self, text: str, mode: int) -> None:
        problem: Exception | None = None
        if len(text) > 16:
            problem = OverflowError(
                "Values for elements with a VR of 'DS' must be <= 16 characters long, but the float provided requires "
                f"> 16 characters to be accurately represented. {_HOW} length check, or explicitly construct a DS "
                "object with 'auto_format' set to True"
            )
        elif not is_valid_ds(text):
            problem = ValueError(f'Value "{text}" is not valid for elements with a VR of DS')
        if problem is not None:
            if mode == config.RAISE:
                raise problem
            warnings.warn(str(problem), UserWarning, stacklevel=4)

    def __ne__(self, other: object) -> bool:
        return not self == other


class DSfloat(_Decimal, float):
    """A decimal string as a float that keeps its text."""

    def __new__(cls, val: Any, auto_format: bool = False, validation_mode: int | None = None) -> Any:
        del auto_format, validation_mode
        if val is None:
            return None
        if isinstance(val, str) and not val.strip():
            return val
        return float.__new__(cls, val)

    def __init__(self, val: Any, auto_format: bool = False, validation_mode: int | None = None) -> None:
        self._remember(val, auto_format)
        mode = config.settings.reading_validation_mode if validation_mode is None else validation_mode
        if mode == config.RAISE and not self.auto_format:
            self._check(str(self), mode)

    def __eq__(self, other: object) -> Any:
        return str(self) == other if isinstance(other, str) else float.__eq__(self, other)

    __hash__ = float.__hash__

    def __str__(self) -> str:
        return getattr(self, "original_string", None) or float.__repr__(self)

    def __repr__(self) -> str:
        return f"'{self}'"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild, (DSfloat, float(self), self.__dict__)


class DSdecimal(_Decimal, Decimal):
    """A decimal string as a Decimal that keeps its text."""

    def __new__(cls, val: Any, auto_format: bool = False, validation_mode: int | None = None) -> Any:
        del auto_format, validation_mode
        if val is None:
            return None
        if isinstance(val, str) and not val.strip():
            return val
        if isinstance(val, float) and not config.value_of("allow_DS_float"):
            raise TypeError(
                "'DS' cannot be instantiated with a float value unless 'config.allow_DS_float' is set to True. You "
                "should convert the value to a string with the desired number of digits, or use 'Decimal.quantize()' "
                "and pass a 'Decimal' instance."
            )
        return Decimal.__new__(cls, val.strip() if isinstance(val, str) else val)

    def __init__(self, val: Any, auto_format: bool = False, validation_mode: int | None = None) -> None:
        self._remember(val, auto_format)
        mode = config.settings.reading_validation_mode if validation_mode is None else validation_mode
        if mode != config.IGNORE:
            self._check(repr(self).strip("'"), mode)

    def __eq__(self, other: object) -> Any:
        return str(self) == other if isinstance(other, str) else Decimal.__eq__(self, other)

    __hash__ = Decimal.__hash__

    def __str__(self) -> str:
        text = getattr(self, "original_string", "")
        return text if text and len(text) <= 16 else Decimal.__str__(self)

    def __repr__(self) -> str:
        return f"'{getattr(self, 'original_string', None) or self}'"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild, (DSdecimal, Decimal(Decimal.__str__(self)), self.__dict__)


DSclass = DSfloat


def DS(val: Any, auto_format: bool = False, validation_mode: int | None = None) -> Any:
    """A DSfloat, or a DSdecimal where `config` says so; empty text and None stay what they are."""
    if val is None:
        return None
    mode = config.settings.reading_validation_mode if validation_mode is None else validation_mode
    if isinstance(val, str):
        if not val.strip():
            return val
        validate_value("DS", val, mode)
    return (DSdecimal if config.value_of("use_DS_decimal") else DSfloat)(val, auto_format, mode)


def _text_of(val: Any) -> str | None:
    if isinstance(val, str):
        return val.strip()
    if isinstance(val, (IS, ISfloat)):
        return getattr(val, "original_string", None)
    return val.original_string if isinstance(val, values.IS) else None


class ISfloat(float):
    """An integer string that is no whole number; tolerated where `config` says so."""

    original_string: str

    def __new__(cls, val: Any, validation_mode: int | None = None) -> Any:
        return "" if isinstance(val, str) and not val.strip() else float.__new__(cls, val)

    def __init__(self, val: Any, validation_mode: int | None = None) -> None:
        text = _text_of(val)
        if text is not None:
            self.original_string = text
        message = f'Value "{self}" is not valid for elements with a VR of IS'
        if validation_mode == config.WARN:
            warnings.warn(message, UserWarning, stacklevel=3)
        elif validation_mode == config.RAISE:
            raise TypeError(f"{message}\nSet reading_validation_mode to WARN or IGNORE to bypass")

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild, (ISfloat, float(self), self.__dict__)


class IS(int):
    """An integer string that keeps its text."""

    original_string: str

    def __new__(cls, val: Any, validation_mode: int | None = None) -> Any:
        if val is None:
            return None
        mode = config.settings.reading_validation_mode if validation_mode is None else validation_mode
        if isinstance(val, str):
            if not val.strip():
                return val
            validate_value("IS", val, mode)
        try:
            made: Any = int.__new__(cls, val)
        except ValueError:
            made = int.__new__(cls, float(val))
        if isinstance(val, (float, Decimal, str)) and made != float(val):
            made = ISfloat(val, mode)
        if mode == config.RAISE and not -(1 << 31) <= made < 1 << 31:
            raise OverflowError(
                "Elements with a VR of IS must have a value between -2**31 and (2**31 - 1). Set "
                "'config.settings.reading_validation_mode' to 'WARN' to override the value check"
            )
        if isinstance(made, IS) and (text := _text_of(val)) is not None:
            made.original_string = text
        return made

    def __init__(self, val: Any, validation_mode: int | None = None) -> None:
        """Everything is done when the object is made."""

    def __eq__(self, other: object) -> Any:
        return str(self) == other if isinstance(other, str) else int.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__

    def __str__(self) -> str:
        return getattr(self, "original_string", None) or int.__repr__(self)

    def __repr__(self) -> str:
        return f"'{int.__repr__(self)}'"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild, (IS, int(self), self.__dict__)


def _rebuild(cls: Any, number: Any, attributes: dict[str, Any]) -> Any:
    base: Any = {DSfloat: float, DSdecimal: Decimal, ISfloat: float, IS: int}[cls]
    made = base.__new__(cls, number)
    made.__dict__.update(attributes)
    return made

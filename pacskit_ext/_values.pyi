from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self, SupportsIndex, TypeVar

from pacskit_ext._dates import DA as DA
from pacskit_ext._dates import DT as DT
from pacskit_ext._dates import TM as TM

T = TypeVar("T")

class VR(StrEnum):
    AE = "AE"
    AS = "AS"
    AT = "AT"
    CS = "CS"
    DA = "DA"
    DS = "DS"
    DT = "DT"
    FD = "FD"
    FL = "FL"
    IS = "IS"
    LO = "LO"
    LT = "LT"
    OB = "OB"
    OD = "OD"
    OF = "OF"
    OL = "OL"
    OV = "OV"
    OW = "OW"
    PN = "PN"
    SH = "SH"
    SL = "SL"
    SQ = "SQ"
    SS = "SS"
    ST = "ST"
    SV = "SV"
    TM = "TM"
    UC = "UC"
    UI = "UI"
    UL = "UL"
    UN = "UN"
    UR = "UR"
    US = "US"
    UT = "UT"
    UV = "UV"
    US_SS = "US or SS"
    OB_OW = "OB or OW"
    US_SS_OW = "US or SS or OW"
    US_OW = "US or OW"

class Tag(int):
    __slots__ = ()
    def __new__(cls, value: int | str | tuple[int, int] | list[int], element: int | None = None) -> Self: ...
    @property
    def group(self) -> int: ...
    @property
    def element(self) -> int: ...
    @property
    def elem(self) -> int: ...
    @property
    def is_private(self) -> bool: ...
    @property
    def is_private_creator(self) -> bool: ...
    @property
    def keyword(self) -> str: ...

class DS(float):
    @property
    def original_string(self) -> str | None: ...
    def __new__(cls, value: float | str | Decimal = 0.0) -> Self: ...

class IS(int):
    __slots__ = ()
    def __new__(cls, value: float | str | Decimal = 0) -> Self: ...
    @property
    def original_string(self) -> str: ...

class PersonName(str):
    __slots__ = ()
    @property
    def components(self) -> tuple[str, ...]: ...
    @property
    def alphabetic(self) -> str: ...
    @property
    def ideographic(self) -> str: ...
    @property
    def phonetic(self) -> str: ...
    @property
    def family_name(self) -> str: ...
    @property
    def given_name(self) -> str: ...
    @property
    def middle_name(self) -> str: ...
    @property
    def name_prefix(self) -> str: ...
    @property
    def name_suffix(self) -> str: ...
    def family_comma_given(self) -> str: ...
    def formatted(self, pattern: str) -> str: ...

class MultiValue(list[T]):
    changed: bool
    def twin(self) -> Self: ...
    def append(self, value: T) -> None: ...
    def insert(self, index: SupportsIndex, value: T) -> None: ...
    def sort(self, *, key: Any = None, reverse: bool = False) -> None: ...
    def pop(self, index: SupportsIndex = -1) -> T: ...
    def extend(self, values: Iterable[T]) -> None: ...

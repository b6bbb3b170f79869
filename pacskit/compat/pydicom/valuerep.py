"""pydicom's value types and sets of VRs."""

from __future__ import annotations

from typing import Final

from pacskit.compat.pydicom.dates import DA, DT, TM
from pacskit.compat.pydicom.names import PersonName
from pacskit.compat.pydicom.numbers import DS, IS, DSclass, DSdecimal, DSfloat, ISfloat, format_number_as_ds
from pacskit.compat.pydicom.validation import MAX_VALUE_LEN, is_valid_ds, validate_value
from pacskit.core.vr import VR

__all__ = [
    "DA",
    "DS",
    "DT",
    "IS",
    "MAX_VALUE_LEN",
    "TM",
    "VR",
    "DSclass",
    "DSdecimal",
    "DSfloat",
    "ISfloat",
    "PersonName",
    "format_number_as_ds",
    "is_valid_ds",
    "validate_value",
]

TEXT_VR_DELIMS: Final = frozenset({0x0D, 0x0A, 0x09, 0x0C})
PN_DELIMS: Final = frozenset({0x5E})
AMBIGUOUS_VR: Final = frozenset({VR.US_SS_OW, VR.US_SS, VR.US_OW, VR.OB_OW})
STANDARD_VR: Final = frozenset(VR) - AMBIGUOUS_VR
DEFAULT_CHARSET_VR: Final = frozenset({VR.AE, VR.AS, VR.CS, VR.DA, VR.DT, VR.TM, VR.UI, VR.UR})
CUSTOMIZABLE_CHARSET_VR: Final = frozenset({VR.LO, VR.LT, VR.PN, VR.SH, VR.ST, VR.UC, VR.UT})
BYTES_VR: Final = frozenset({VR.OB, VR.OD, VR.OF, VR.OL, VR.OV, VR.OW, VR.UN})
FLOAT_VR: Final = frozenset({VR.DS, VR.FD, VR.FL})
INT_VR: Final = frozenset({VR.AT, VR.IS, VR.SL, VR.SS, VR.SV, VR.UL, VR.US, VR.UV})
LIST_VR: Final = frozenset({VR.SQ})
STR_VR: Final = DEFAULT_CHARSET_VR | CUSTOMIZABLE_CHARSET_VR
ALLOW_BACKSLASH: Final = frozenset({VR.LT, VR.ST, VR.UT, VR.US_SS_OW, VR.US_OW, VR.OB_OW}) | BYTES_VR
LONG_VALUE_VR: Final = frozenset({VR.LT, VR.UC, VR.UT}) | BYTES_VR | AMBIGUOUS_VR
EXPLICIT_VR_LENGTH_32: Final = frozenset(
    {VR.OB, VR.OD, VR.OF, VR.OL, VR.OW, VR.OV, VR.SQ, VR.SV, VR.UC, VR.UN, VR.UR, VR.UT, VR.UV}
)
EXPLICIT_VR_LENGTH_16: Final = STANDARD_VR - EXPLICIT_VR_LENGTH_32
BUFFERABLE_VRS: Final = (BYTES_VR | {VR.OB_OW}) - {VR.UN}

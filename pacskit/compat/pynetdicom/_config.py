"""pynetdicom's settings of the process: each has one value here, and setting another is refused with what to use."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Final

from pacskit.compat.pynetdicom.errors import Unsupported

# Each setting with its value here, and what takes the place of the others.
_FIXED: Final[dict[str, tuple[Any, str]]] = {
    "CODECS": (("ascii",), "AE titles are ASCII; see pacskit.SCP for a server with other needs"),
    "ENFORCE_UID_CONFORMANCE": (False, "UIDs are checked for their length only"),
    "LOG_HANDLER_LEVEL": ("standard", "set the level of the logger 'pacskit.compat.pynetdicom'"),
    "LOG_REQUEST_IDENTIFIERS": (False, "identifiers hold patient data, which is never logged"),
    "LOG_RESPONSE_IDENTIFIERS": (False, "identifiers hold patient data, which is never logged"),
    "PASS_CONTEXTVARS": (False, "pass what handlers need as their arguments"),
    "STORE_RECV_CHUNKED_DATASET": (False, "pacskit.SCP receives objects of any size into files"),
    "STORE_SEND_CHUNKED_DATASET": (False, "pacskit.connect sends objects of any size from files"),
    "UNRESTRICTED_STORAGE_SERVICE": (False, "add a supported context for each SOP class, or use pacskit.SCP"),
    "USE_SHORT_DIMSE_AET": (True, "AE titles in messages are sent without padding"),
    "WINDOWS_TIMER_RESOLUTION": (None, "nothing here waits by sleeping"),
}


class _Module(ModuleType):
    """The module itself, so that what cannot be set says so."""

    def __getattr__(self, name: str) -> Any:
        if name in _FIXED:
            return _FIXED[name][0]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _FIXED:
            super().__setattr__(name, value)
            return
        fixed, instead = _FIXED[name]
        if value != fixed:
            raise Unsupported(f"_config.{name} is {fixed!r} and nothing else: {instead}")


sys.modules[__name__].__class__ = _Module

"""Data sets to and from other libraries, where those are installed."""

from __future__ import annotations

from pacskit.integration.pydicom import from_pydicom, to_pydicom

__all__ = ["from_pydicom", "to_pydicom"]

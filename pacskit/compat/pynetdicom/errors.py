"""What this package refuses, as errors that say what differs from pynetdicom and what to use instead."""

from __future__ import annotations

from pacskit.core.errors import PacsError

__all__ = ["Unsupported", "UnsupportedAttribute"]


class Unsupported(PacsError, NotImplementedError):
    """A part of pynetdicom that has no counterpart here; the message says what takes its place."""


class UnsupportedAttribute(Unsupported, AttributeError):
    """An attribute of pynetdicom's inside that does not exist here."""

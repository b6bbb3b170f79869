"""Which back ends decode or encode a transfer syntax, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from threading import Lock
from typing import NamedTuple

from pacskit.core.errors import ConfigurationError
from pacskit.encoding.codecs.base import Codec, Direction

__all__ = ["BUILT_IN", "ENTRY_POINTS", "CodecRegistry", "RegisteredCodec", "registry"]

ENTRY_POINTS = "pacskit.codecs"
"""The group of entry points whose objects, called without arguments, return a codec; it may have a ``priority``."""

LAST = -100
"""The priority of what is used only where nothing else serves."""

BUILT_IN: tuple[tuple[str, str, int], ...] = (
    ("pacskit.encoding.codecs.rle", "RleCodec", 0),
    ("pacskit.encoding.codecs.jpeg_lossless", "JpegLosslessCodec", 0),
    ("pacskit.encoding.codecs.jpeg", "JpegCodec", 0),
    ("pacskit.encoding.codecs.jpegls", "CharlsCodec", 0),
    ("pacskit.encoding.codecs.jpegls", "PyJpeglsCodec", 0),
    ("pacskit.encoding.codecs.htj2k", "OpenJphCodec", 0),
    ("pacskit.encoding.codecs.jpeg2000", "Jpeg2kCodec", 0),
    ("pacskit.encoding.codecs.jpeg2000", "OpenJpegCodec", 0),
    ("pacskit.encoding.codecs.jpegxl", "JpegXlCodec", 0),
    ("pacskit.encoding.codecs.deflate", "DeflatedFrameCodec", 0),
    ("pacskit.encoding.codecs.native", "EncapsulatedUncompressedCodec", 0),
    ("pacskit.encoding.codecs.video", "VideoCodec", 0),
    ("pacskit.encoding.codecs.gpl", "LibjpegCodec", LAST),
)
"""Module, class and priority of each of our own, in the order in which equals are tried."""


class RegisteredCodec(NamedTuple):
    """A codec, how early it is tried, and its version: None where its library is not installed."""

    codec: Codec
    priority: int
    version: str | None


class CodecRegistry:
    """Ordered back ends per transfer syntax and direction.

    Those of higher ``priority`` are tried first, equals in the order of registration, our own before others. Nothing
    is imported before the first question.

    Parameters
    ----------
    built_in
        Module, class and priority of the codecs that are there from the start.
    entry_points
        The group of entry points to load, None for none.
    """

    def __init__(self, built_in: tuple[tuple[str, str, int], ...] = (), *, entry_points: str | None = None) -> None:
        self._built_in = built_in
        self._entry_points = entry_points
        self._lock = Lock()
        self._loaded = False
        self._all: tuple[RegisteredCodec, ...] = ()
        self._orders: dict[tuple[str, Direction], tuple[Codec, ...]] = {}

    def register(self, codec: Codec, *, priority: int = 0) -> None:
        """Add a back end; above 0 it is tried before our own."""
        if not isinstance(codec, Codec):
            raise ConfigurationError(f"{codec!r} is no codec: it lacks what pacskit.encoding.codecs.Codec names")
        self._load()
        with self._lock:
            self._set((*self._all, RegisteredCodec(codec, priority, codec.version())))

    def unregister(self, codec: Codec) -> None:
        """Take a back end away."""
        self._load()
        with self._lock:
            left = tuple(entry for entry in self._all if entry.codec is not codec)
            if len(left) == len(self._all):
                raise ConfigurationError(f"{codec.name} is not registered")
            self._set(left)

    @contextmanager
    def override(self, *codecs: Codec) -> Iterator[None]:
        """Within the block only ``codecs`` are there, in this order; for every thread."""
        self._load()
        with self._lock:
            before = self._all
            self._set(tuple(RegisteredCodec(codec, 0, codec.version()) for codec in codecs))
        try:
            yield
        finally:
            with self._lock:
                self._set(before)

    def entries(self) -> tuple[RegisteredCodec, ...]:
        """Return every registered back end in order, installed or not."""
        self._load()
        return self._all

    def codecs(self, syntax: str, direction: Direction) -> tuple[Codec, ...]:
        """Return the installed back ends for ``"decode"`` or ``"encode"`` in the order in which they are tried."""
        self._load()
        key = str(syntax), direction
        found = self._orders.get(key)
        if found is None:
            found = tuple(entry.codec for entry in self.known(syntax, direction) if entry.version is not None)
            self._orders[key] = found
        return found

    def known(self, syntax: str, direction: Direction) -> tuple[RegisteredCodec, ...]:
        """Return the back ends of a syntax in order, also those that are not installed."""
        self._load()
        return tuple(entry for entry in self._all if syntax in _syntaxes(entry.codec, direction))

    def syntaxes(self, direction: Direction) -> tuple[str, ...]:
        """Return the transfer syntaxes that an installed back end serves."""
        self._load()
        return tuple(
            dict.fromkeys(
                syntax
                for entry in self._all
                if entry.version is not None
                for syntax in _syntaxes(entry.codec, direction)
            )
        )

    def _set(self, entries: tuple[RegisteredCodec, ...]) -> None:
        self._all = tuple(sorted(entries, key=lambda entry: -entry.priority))
        self._orders = {}

    def _load(self) -> None:
        if self._loaded:
            return
        with self._lock:
            if self._loaded:
                return
            found = []
            for module, factory, priority in self._built_in:
                codec = getattr(import_module(module), factory)()
                found.append(RegisteredCodec(codec, priority, codec.version()))
            if self._entry_points is not None:
                found += [_plugged_in(point) for point in metadata.entry_points(group=self._entry_points)]
            self._set(tuple(found))
            self._loaded = True


def _syntaxes(codec: Codec, direction: Direction) -> tuple[str, ...]:
    return codec.decodes if direction == "decode" else codec.encodes


def _plugged_in(point: metadata.EntryPoint) -> RegisteredCodec:
    try:
        codec = point.load()()
    except Exception as error:
        raise ConfigurationError(f"the codec of entry point {point.name} ({point.value}): {error}") from error
    if not isinstance(codec, Codec):
        raise ConfigurationError(f"entry point {point.name} ({point.value}) gives no codec")
    return RegisteredCodec(codec, int(getattr(codec, "priority", 0)), codec.version())


registry = CodecRegistry(BUILT_IN, entry_points=ENTRY_POINTS)
"""The registry that is used where none is given."""

"""Suites that prove what others plug in; for pytest, unittest or no runner at all."""

from pacskit.testing.codecs import CodecTests

__all__ = ["CodecTests"]

"""The version of pacskit, read by packaging and by the implementation version name."""

__version__ = "0.1.0"

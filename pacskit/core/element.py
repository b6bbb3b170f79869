"""DataElement, one attribute of a data set."""

from pacskit_ext._element import DataElement

__all__ = ["DataElement"]

"""Tag, the pair of group and element number that names an attribute."""

from pacskit_ext._values import Tag

__all__ = ["Tag"]

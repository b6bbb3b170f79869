"""VR, the value representations of PS3.5 6.2."""

from pacskit_ext._values import VR

__all__ = ["VR"]

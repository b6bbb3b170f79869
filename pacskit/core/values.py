"""The Python values of VRs that have types of their own."""

from pacskit_ext._values import DA, DS, DT, IS, TM, MultiValue, PersonName

__all__ = ["DA", "DS", "DT", "IS", "TM", "MultiValue", "PersonName"]

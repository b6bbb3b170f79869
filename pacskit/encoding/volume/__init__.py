"""Volumes: geometry of a series, planes through it, projections, measurements (PS3.3 C.7.6.2)."""

from __future__ import annotations

from pacskit.encoding.functional_groups import FunctionalGroups, functional_groups
from pacskit.encoding.volume.geometry import Plane, Stack, plane_of, stack_of
from pacskit.encoding.volume.grid import Grid
from pacskit.encoding.volume.series import sort_series
from pacskit.encoding.volume.volume import Volume

__all__ = [
    "FunctionalGroups",
    "Grid",
    "Plane",
    "Stack",
    "Volume",
    "functional_groups",
    "plane_of",
    "sort_series",
    "stack_of",
]

"""Volumes: geometry of a series, planes through it, projections, measurements (PS3.3 C.7.6.2)."""

from __future__ import annotations

from pacskit.encoding.functional_groups import FunctionalGroups, functional_groups
from pacskit.encoding.volume.geometry import Plane, Stack, plane_of, stack_of
from pacskit.encoding.volume.grid import Grid
from pacskit.encoding.volume.measure import (
    Statistics,
    angle,
    angle_between,
    distance,
    ellipse_area,
    ellipse_mask,
    perimeter,
    polygon_area,
    polygon_mask,
    statistics,
)
from pacskit.encoding.volume.realworld import RealWorldMap, apply_real_world_map, real_world_maps
from pacskit.encoding.volume.series import sort_series
from pacskit.encoding.volume.suv import apply_suv, suv_factor
from pacskit.encoding.volume.volume import Volume

__all__ = [
    "FunctionalGroups",
    "Grid",
    "Plane",
    "RealWorldMap",
    "Stack",
    "Statistics",
    "Volume",
    "angle",
    "angle_between",
    "apply_real_world_map",
    "apply_suv",
    "distance",
    "ellipse_area",
    "ellipse_mask",
    "functional_groups",
    "perimeter",
    "plane_of",
    "polygon_area",
    "polygon_mask",
    "real_world_maps",
    "sort_series",
    "stack_of",
    "statistics",
    "suv_factor",
]

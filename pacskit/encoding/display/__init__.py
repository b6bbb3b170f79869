"""Display of images: modality, VOI and presentation transformations, rendering (PS3.4 N.2, PS3.3 C.11)."""

from __future__ import annotations

from pacskit.encoding.display.icc import apply_icc_profile
from pacskit.encoding.display.lut import LookupTable, read_table
from pacskit.encoding.display.modality import Rescale, apply_modality_lut, apply_rescale, modality_transform
from pacskit.encoding.display.pipeline import GrayPipeline, pipeline_for
from pacskit.encoding.display.presentation import apply_presentation_lut, presentation_transform
from pacskit.encoding.display.rendering import render
from pacskit.encoding.display.state import PresentationState
from pacskit.encoding.display.voi import Window, apply_voi, apply_voi_lut, apply_windowing, voi_tables, windows

__all__ = [
    "GrayPipeline",
    "LookupTable",
    "PresentationState",
    "Rescale",
    "Window",
    "apply_icc_profile",
    "apply_modality_lut",
    "apply_presentation_lut",
    "apply_rescale",
    "apply_voi",
    "apply_voi_lut",
    "apply_windowing",
    "modality_transform",
    "pipeline_for",
    "presentation_transform",
    "read_table",
    "render",
    "voi_tables",
    "windows",
]

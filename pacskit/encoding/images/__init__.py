"""Objects made of arrays, pictures, documents and videos, and these taken out of objects again."""

from __future__ import annotations

from pacskit.encoding.images.arrays import from_array
from pacskit.encoding.images.classes import OBJECT_CLASSES, ObjectClass
from pacskit.encoding.images.documents import DocumentOptions, encapsulate_document
from pacskit.encoding.images.export import ExportOptions, export_frames, to_animation, to_image
from pacskit.encoding.images.extract import Extracted, export_payload, extract_document, extract_video, payload_of
from pacskit.encoding.images.files import from_file, from_files
from pacskit.encoding.images.options import BuildLimits, BuildOptions
from pacskit.encoding.images.videos import VideoFacts, from_video, video_facts

__all__ = [
    "OBJECT_CLASSES",
    "BuildLimits",
    "BuildOptions",
    "DocumentOptions",
    "ExportOptions",
    "Extracted",
    "ObjectClass",
    "VideoFacts",
    "encapsulate_document",
    "export_frames",
    "export_payload",
    "extract_document",
    "extract_video",
    "from_array",
    "from_file",
    "from_files",
    "from_video",
    "payload_of",
    "to_animation",
    "to_image",
    "video_facts",
]

"""Images, documents and videos into objects and out of them, under one name: ``pacskit.images``."""

from __future__ import annotations

from pacskit.encoding.images import (
    OBJECT_CLASSES,
    BuildLimits,
    BuildOptions,
    DocumentOptions,
    ExportOptions,
    Extracted,
    ObjectClass,
    VideoFacts,
    encapsulate_document,
    export_frames,
    export_payload,
    extract_document,
    extract_video,
    from_array,
    from_file,
    from_files,
    from_video,
    payload_of,
    to_image,
    video_facts,
)

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
    "to_image",
    "video_facts",
]

"""Data sets and files from one transfer syntax to any other, frame by frame (PS3.5 8.2 and A.4)."""

from pacskit.core.errors import TranscodeError
from pacskit.encoding.transcoding.comparing import Difference, compare_pixels
from pacskit.encoding.transcoding.conversion import Policy, transcode
from pacskit.encoding.transcoding.files import Place, Transcoded, transcode_body, transcode_file
from pacskit.encoding.transcoding.names import SYNTAX_NAMES, syntax_named
from pacskit.encoding.transcoding.plan import Step, can_transcode

__all__ = [
    "SYNTAX_NAMES",
    "Difference",
    "Place",
    "Policy",
    "Step",
    "TranscodeError",
    "Transcoded",
    "can_transcode",
    "compare_pixels",
    "syntax_named",
    "transcode",
    "transcode_body",
    "transcode_file",
]

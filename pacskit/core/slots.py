"""Methods of Dataset that a higher layer provides: declared here, filled in when that layer is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pacskit.core.errors import ConfigurationError

__all__ = [
    "LateMethod",
    "dataset_to_bytes",
    "decode_into",
    "frames",
    "from_json",
    "from_xml",
    "pixel_array",
    "pixel_format",
    "save_as",
    "to_json",
    "to_json_dict",
    "to_xml",
    "transcode",
]


class LateMethod:
    """A function that a higher layer binds once, when it is imported."""

    __slots__ = ("_function", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._function: Callable[..., Any] | None = None

    def bind(self, function: Callable[..., Any]) -> None:
        """Fill the slot in."""
        self._function = function

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if self._function is None:
            raise ConfigurationError(f"{self.name} needs pacskit.encoding to be imported")
        return self._function(*args, **keywords)


save_as = LateMethod("Dataset.save_as")
dataset_to_bytes = LateMethod("pickling a Dataset")
to_json = LateMethod("Dataset.to_json")
to_json_dict = LateMethod("Dataset.to_json_dict")
from_json = LateMethod("Dataset.from_json")
to_xml = LateMethod("Dataset.to_xml")
from_xml = LateMethod("Dataset.from_xml")
pixel_array = LateMethod("Dataset.pixel_array")
pixel_format = LateMethod("Dataset.pixel_format")
frames = LateMethod("Dataset.frames")
decode_into = LateMethod("Dataset.decode_into")
transcode = LateMethod("Dataset.transcode")

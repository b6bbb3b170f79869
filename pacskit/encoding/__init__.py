"""How the model becomes bytes: data-set readers and writers, Part 10 files, transfer syntaxes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pacskit.core import slots
from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.filemeta import FileMeta
from pacskit.core.uid import UID
from pacskit.encoding.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    dcmopen,
    dcmread,
    dcmwrite,
    file_meta_bytes,
    read_part10,
)
from pacskit.encoding.reader import decode
from pacskit.encoding.transfer_syntax import UNCOMPRESSED, TransferSyntax
from pacskit.encoding.writer import encode, transcode

if TYPE_CHECKING:
    from pacskit.encoding.dicomdir import FileSet

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "UNCOMPRESSED",
    "FileSet",
    "TransferSyntax",
    "dcmopen",
    "dcmread",
    "dcmwrite",
    "decode",
    "encode",
    "file_meta_bytes",
    "read_part10",
    "transcode",
]


def __getattr__(name: str) -> Any:
    """Import what few programs need when it is asked for."""
    if name == "FileSet":
        from pacskit.encoding.dicomdir import FileSet

        return FileSet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _unpickle(data: bytes, syntax: UID, preamble: bytes | None, meta: bytes, private: Any = None) -> Dataset:
    dataset = decode(data, syntax, options=ReadOptions(private=private))
    dataset.preamble = preamble
    if meta:
        dataset.file_meta = FileMeta(decode(meta))
    return dataset


def _reduce(dataset: Dataset) -> tuple[Any, ...]:
    syntax = dataset.transfer_syntax or TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
    meta = Dataset(list(dataset.file_meta))
    head = encode(meta, TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN) if len(meta) else b""
    private = dataset.scan.private if dataset.scan is not None else None
    return _unpickle, (encode(dataset, syntax), UID(syntax), dataset.preamble, head, private)


slots.save_as.bind(dcmwrite)
slots.dataset_to_bytes.bind(_reduce)


def _bind_later(method: slots.LateMethod, module: str, function: str) -> None:
    """Fill a slot in with a function whose module is imported when it is first called."""

    def first(*args: Any, **keywords: Any) -> Any:
        method.bind(getattr(import_module(module), function))
        return method(*args, **keywords)

    method.bind(first)


for _method in (slots.to_json, slots.to_json_dict, slots.from_json):
    _bind_later(_method, "pacskit.encoding.dicomjson", _method.name.partition(".")[2])
for _method in (slots.to_xml, slots.from_xml):
    _bind_later(_method, "pacskit.encoding.nativexml", _method.name.partition(".")[2])
_bind_later(slots.pixel_format, "pacskit.encoding.pixels.layout", "pixel_format")
for _method in (slots.pixel_array, slots.frames, slots.decode_into):
    _bind_later(_method, "pacskit.encoding.pixels.reader", _method.name.partition(".")[2])
_bind_later(slots.transcode, "pacskit.encoding.transcoding.conversion", "transcode")

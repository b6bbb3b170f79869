"""pydicom's readers over ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pacskit.compat.pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pacskit.compat.pydicom.errors import InvalidDicomError
from pacskit.compat.pydicom.tag import Tag
from pacskit.compat.pydicom.uid import PrivateTransferSyntaxes
from pacskit.core.config import ReadOptions, Strictness
from pacskit.core.dataset import Dataset as CoreDataset
from pacskit.core.errors import DecodeError, TruncatedError
from pacskit.encoding import decode, read_part10
from pacskit.encoding.reader import rewrap

__all__ = ["dcmread", "read_dataset", "read_file_meta_info", "read_partial", "read_preamble"]

_SYNTAX = {
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}


def _meta_of(dataset: CoreDataset) -> FileMetaDataset:
    return FileMetaDataset(Dataset(list(dataset.file_meta)))


def _source(fp: Any) -> tuple[Any, bytes]:
    if isinstance(fp, (str, os.PathLike)):
        return fp, Path(fp).read_bytes()
    if fp is None or not callable(getattr(fp, "read", None)) or not callable(getattr(fp, "seek", None)):
        raise TypeError(f"dcmread: Expected a file path, file-like or readable buffer, but got {type(fp).__name__}")
    return fp, fp.read()


def dcmread(
    fp: Any,
    defer_size: Any = None,
    stop_before_pixels: bool = False,
    force: bool = False,
    specific_tags: Any = None,
) -> FileDataset:
    """Read a DICOM file. ``defer_size`` has nothing to do: no value is decoded before it is asked for."""
    del defer_size
    source, data = _source(fp)
    if not data and not force:
        raise EOFError("Unexpected end of file. Read 0 bytes of 128 expected starting at position 0x0")
    wanted = None if specific_tags is None else [int(Tag(tag)) for tag in specific_tags]
    try:
        core = read_part10(data, stop_before_pixels=stop_before_pixels, specific_tags=wanted, force=force)
    except DecodeError as error:
        if not force and data[128:132] != b"DICM":
            raise InvalidDicomError(
                "File is missing DICOM File Meta Information header or the 'DICM' prefix is missing from the header. "
                "Use force=True to force reading."
            ) from error
        core = read_part10(
            data,
            stop_before_pixels=stop_before_pixels,
            specific_tags=wanted,
            force=True,
            options=ReadOptions(strictness=Strictness.SALVAGE),
        )
    core = _private_syntax(core, data, stop_before_pixels, wanted)
    made = rewrap(core, FileDataset, Dataset)
    made._of_file(source, core.preamble, _meta_of(core))
    return made


def _private_syntax(core: CoreDataset, data: bytes, stop: bool, wanted: Any) -> CoreDataset:
    """The data set read again in the encoding that was registered for its private transfer syntax."""
    uid = core.file_meta.get("TransferSyntaxUID")
    known = next((syntax for syntax in PrivateTransferSyntaxes if syntax == uid), None)
    meta = core.file_meta.scan
    if known is None or meta is None:
        return core
    syntax = _SYNTAX[known.is_implicit_VR, known.is_little_endian]
    again = decode(data, syntax, start=meta.stopped, stop_before_pixels=stop, specific_tags=wanted)
    again.file_meta, again.preamble = core.file_meta, core.preamble
    return again


def read_dataset(  # noqa: PLR0913
    fp: Any,
    is_implicit_VR: bool,
    is_little_endian: bool,
    bytelength: int | None = None,
    stop_when: Any = None,
    defer_size: Any = None,
    parent_encoding: Any = None,
    specific_tags: Any = None,
    at_top_level: bool = True,
) -> Dataset:
    """Read a data set without file meta."""
    if stop_when is not None:
        raise NotImplementedError("read_dataset() has no stop_when; use stop_before_pixels or specific_tags")
    del defer_size, parent_encoding, at_top_level
    data = fp.read() if bytelength is None else fp.read(bytelength)
    wanted = None if specific_tags is None else [int(Tag(tag)) for tag in specific_tags]
    syntax = _SYNTAX[is_implicit_VR, is_little_endian]
    try:
        core = decode(data, syntax, specific_tags=wanted)
    except TruncatedError:
        core = decode(data, syntax, specific_tags=wanted, options=ReadOptions(strictness=Strictness.SALVAGE))
    return rewrap(core, Dataset, Dataset)


def read_partial(
    fileobj: Any,
    stop_when: Any = None,
    defer_size: Any = None,
    force: bool = False,
    specific_tags: Any = None,
) -> FileDataset:
    """Read a file that is open."""
    if stop_when is not None:
        raise NotImplementedError("read_partial() has no stop_when; use stop_before_pixels or specific_tags")
    return dcmread(fileobj, defer_size, force=force, specific_tags=specific_tags)


def read_file_meta_info(filename: Any) -> FileMetaDataset:
    """Read the File Meta Information of a file."""
    return _meta_of(read_part10(Path(filename).read_bytes(), specific_tags=[0x00080005]))


def read_preamble(fp: Any, force: bool) -> bytes | None:
    """Read the preamble and the prefix of an open file; leave it at its beginning where there is none."""
    preamble, prefix = fp.read(128), fp.read(4)
    if prefix == b"DICM":
        return bytes(preamble)
    if not force:
        raise InvalidDicomError(
            "File is missing DICOM File Meta Information header or the 'DICM' prefix is missing from the header. Use "
            "force=True to force reading."
        )
    fp.seek(0)
    return None

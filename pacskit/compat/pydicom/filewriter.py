"""pydicom's writers over ours."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from pacskit.compat.pydicom.dataset import FileMetaDataset, validate_file_meta
from pacskit.compat.pydicom.uid import UID
from pacskit.core.dataset import Dataset as CoreDataset
from pacskit.encoding import encode

__all__ = ["dcmwrite", "save_as", "write_data_element", "write_dataset", "write_file_meta_info"]

_SYNTAX = {
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}
_DEFLATED = "1.2.840.10008.1.2.1.99"


def _syntax_of(meta: Any) -> UID | None:
    syntax = meta.get("TransferSyntaxUID") if meta else None
    return UID(syntax) if syntax else None


def _fallback(dataset: Any, implicit: bool | None, little: bool | None) -> tuple[bool | None, bool | None]:
    """The encoding that was asked for, set on the data set, or read: in this order."""
    if implicit is not None:
        return implicit, True if little is None else little
    chosen: tuple[bool | None, bool | None] = (dataset.is_implicit_VR, dataset.is_little_endian)
    return chosen if None not in chosen else dataset.original_encoding


def _determine_encoding(
    ds: Any, tsyntax: UID | None, implicit_vr: bool | None, little_endian: bool | None, force_encoding: bool = False
) -> tuple[bool, bool]:
    """Whether to write without VRs, and little endian; ValueError where nothing says so or what says so disagrees."""
    if force_encoding:
        if None in (implicit_vr, little_endian):
            raise ValueError("'implicit_vr' and 'little_endian' are required if 'force_encoding' is used")
        return bool(implicit_vr), bool(little_endian)
    if tsyntax is None or (tsyntax.is_private and not tsyntax.is_transfer_syntax):
        implicit, little = _fallback(ds, implicit_vr, little_endian)
        if implicit is not None and little is not None:
            return implicit, little
        if tsyntax is None:
            raise ValueError(
                "Unable to determine the encoding to use for writing the dataset, please set the file meta's Transfer "
                "Syntax UID or use the 'implicit_vr' and 'little_endian' arguments"
            )
        raise ValueError(
            "The 'implicit_vr' and 'little_endian' arguments are required when using a private transfer syntax"
        )
    if not tsyntax.is_transfer_syntax:
        raise ValueError(f"The Transfer Syntax UID '{tsyntax.name}' is not a valid transfer syntax")
    told = tsyntax.is_implicit_VR, tsyntax.is_little_endian
    names = (("implicit_vr", "VR encoding"), ("little_endian", "endianness"))
    for given, wanted, (name, what) in zip((implicit_vr, little_endian), told, names, strict=True):
        if given is not None and given != wanted:
            raise ValueError(
                f"The '{name}' value is not consistent with the required {what} for the '{tsyntax.name}' transfer "
                "syntax"
            )
    return told


def _encoded(dataset: Any, implicit: bool, little: bool, syntax: UID | None) -> bytes:
    public = syntax is not None and not syntax.is_private and syntax.is_transfer_syntax
    fits = public and syntax is not None and (syntax.is_implicit_VR, syntax.is_little_endian) == (implicit, little)
    target = str(syntax if fits else _SYNTAX[implicit, little])
    made = dataset.copy()
    if made.transfer_syntax is not None and target not in (str(made.transfer_syntax), _DEFLATED):
        made.transfer_syntax = None  # whether the pixels fit is for the caller to know, as in pydicom
    return encode(made, target)


def write_data_element(fp: Any, elem: Any, encodings: Any = None) -> None:
    """Write one element in the encoding of ``fp``."""
    from pacskit.compat.pydicom.charset import terms_of
    from pacskit.compat.pydicom.dataelem import RawDataElement, convert_raw_data_element

    if isinstance(elem, RawDataElement):
        elem = convert_raw_data_element(elem, encoding=encodings)
    names = [encodings] if isinstance(encodings, str) else list(encodings or [])
    terms = [term for term in terms_of(names) if term not in ("ISO_IR 6", "ISO 2022 IR 6", "")]
    alone = CoreDataset([elem])
    if not terms or elem.tag == 0x00080005:
        data = _encoded(alone, fp.is_implicit_VR, fp.is_little_endian, None)
    else:
        alone.add_new(0x00080005, "CS", terms)
        own = CoreDataset()
        own.add_new(0x00080005, "CS", terms)
        head = _encoded(own, fp.is_implicit_VR, fp.is_little_endian, None)
        data = _encoded(alone, fp.is_implicit_VR, fp.is_little_endian, None)
        data = data[len(head) :] if data.startswith(head) else data[: -len(head)]
    fp.write(data)


def write_dataset(fp: Any, dataset: Any, parent_encoding: Any = "iso8859") -> int:
    """Write a data set in the encoding of ``fp``; return how many bytes it has."""
    del parent_encoding
    return int(fp.write(_encoded(dataset, fp.is_implicit_VR, fp.is_little_endian, None)))


def _head(meta: Any, enforce: bool) -> bytes:
    """The elements of group 0002 with their length where it is there or enforced."""
    from pacskit.compat.pydicom.dataelem import DataElement

    validate_file_meta(meta, enforce_standard=enforce)
    if enforce and "FileMetaInformationGroupLength" not in meta:
        meta.add(DataElement(0x00020000, "UL", 0))
    if "FileMetaInformationGroupLength" not in meta:
        return encode(CoreDataset(list(meta)), _SYNTAX[False, True])
    rest = CoreDataset([element for element in meta if element.tag != 0x00020000])
    body = encode(rest, _SYNTAX[False, True])
    meta[0x00020000].value = len(body)
    return b"\x02\x00\x00\x00UL\x04\x00" + len(body).to_bytes(4, "little") + body


def write_file_meta_info(fp: Any, file_meta: Any, enforce_standard: bool = True) -> None:
    """Write the File Meta Information."""
    fp.write(_head(file_meta, enforce_standard))


def _complete_meta(dataset: Any, meta: Any, syntax: UID | None, encoding: tuple[bool, bool]) -> Any:
    if syntax is None and encoding != (False, True):  # which stands for every compressed syntax too
        meta.TransferSyntaxUID = _SYNTAX[encoding]
    for keyword, source in (
        ("MediaStorageSOPClassUID", "SOPClassUID"),
        ("MediaStorageSOPInstanceUID", "SOPInstanceUID"),
    ):
        value = dataset.get(source)
        if value and meta.get(keyword) != value:
            setattr(meta, keyword, value)
    return meta


def _check(dataset: Any, enforce: bool, force: bool, preamble: Any) -> None:
    groups = {int(tag) >> 16 for tag in dataset.tags()}
    name = type(dataset).__name__
    if 0 in groups:
        raise ValueError(f"Command Set elements (0000,eeee) are present in the '{name}' and cannot be written")
    if 2 in groups:
        raise ValueError(
            f"File Meta Information Group elements (0002,eeee) must be in a FileMetaDataset instance in the "
            f"'{name}.file_meta' attribute"
        )
    if force and enforce:
        raise ValueError("'force_encoding' cannot be used with 'enforce_file_format'")
    if preamble and len(preamble) != 128:
        raise ValueError(f"'{name}.preamble' must be 128-bytes long")


def dcmwrite(
    filename: Any,
    dataset: Any,
    /,
    write_like_original: bool | None = None,
    *,
    implicit_vr: bool | None = None,
    little_endian: bool | None = None,
    enforce_file_format: bool = False,
    force_encoding: bool = False,
    overwrite: bool = True,
) -> None:
    """Write a data set: what of preamble and meta it has, or a whole file where ``enforce_file_format`` is true."""
    if write_like_original is not None:
        warnings.warn(
            "'write_like_original' is deprecated and will be removed in v4.0, please use 'enforce_file_format' instead",
            DeprecationWarning,
            stacklevel=2,
        )
        enforce_file_format = not write_like_original
    preamble = getattr(dataset, "preamble", None)
    _check(dataset, enforce_file_format, force_encoding, preamble)
    from copy import deepcopy

    meta = deepcopy(getattr(dataset, "file_meta", None))
    if meta is None:
        meta = FileMetaDataset()
    syntax = _syntax_of(meta)
    encoding = _determine_encoding(dataset, syntax, implicit_vr, little_endian, force_encoding)
    if encoding == (True, False) and not force_encoding:
        raise ValueError("Implicit VR and big endian is not a valid encoding combination")
    _check_pixels(dataset, syntax)
    if enforce_file_format:
        meta = _complete_meta(dataset, meta, syntax, encoding)
        preamble = preamble or bytes(128)
    parts = [preamble + b"DICM"] if preamble else []
    if len(meta) or enforce_file_format:
        parts.append(_head(meta, enforce_file_format))
    parts.append(_encoded(dataset, *encoding, _syntax_of(meta)))
    _put(filename, b"".join(parts), overwrite)


def _check_pixels(dataset: Any, syntax: UID | None) -> None:
    if syntax is None or syntax.is_private or not syntax.is_transfer_syntax or "PixelData" not in dataset:
        return
    element = dataset["PixelData"]
    if syntax.is_compressed and not element.is_undefined_length:
        value = element.value
        if isinstance(value, bytes) and value and value[:4] != b"\xfe\xff\x00\xe0":
            raise ValueError(
                "The (7FE0,0010) Pixel Data element value hasn't been encapsulated as required for a compressed "
                "transfer syntax - see pydicom.encaps.encapsulate() for more information"
            )


def _put(target: Any, data: bytes, overwrite: bool) -> None:
    if isinstance(target, (str, os.PathLike)):
        with Path(target).open("wb" if overwrite else "xb") as file:
            file.write(data)
        return
    if not callable(getattr(target, "write", None)) or not callable(getattr(target, "seek", None)):
        raise TypeError(
            f"dcmwrite: Expected a file path, file-like or writeable buffer, but got {type(target).__name__}"
        )
    target.write(data)


def save_as(
    dataset: Any,
    filename: Any,
    write_like_original: bool | None = None,
    *,
    implicit_vr: bool | None = None,
    little_endian: bool | None = None,
    **options: Any,
) -> None:
    """`dcmwrite`, without converting from one byte order to the other."""
    if implicit_vr is not None and little_endian is None:
        little_endian = True
    syntax = _syntax_of(getattr(dataset, "file_meta", None))
    read = dataset.original_encoding[1]
    target = syntax.is_little_endian if syntax is not None and syntax.is_transfer_syntax else little_endian
    if target is None:
        target = dataset.is_little_endian
    if read is not None and target is not None and read != target:
        raise ValueError(
            f"'{type(dataset).__name__}.save_as()' cannot be used to convert between little and big endian encoding. "
            "Please read the documentation for filewriter.dcmwrite() if this is what you really want to do"
        )
    dcmwrite(filename, dataset, write_like_original, implicit_vr=implicit_vr, little_endian=little_endian, **options)

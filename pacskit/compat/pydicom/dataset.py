"""pydicom's Dataset over ours."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from pacskit.compat.pydicom import config
from pacskit.compat.pydicom.datadict import dictionary_VR, repeater_has_keyword, tag_for_keyword
from pacskit.compat.pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pacskit.compat.pydicom.encodings import KnowsEncoding
from pacskit.compat.pydicom.tag import BaseTag, Tag, tag_in_exception
from pacskit.core.dataset import Dataset as CoreDataset
from pacskit.core.element import DataElement as CoreElement

__all__ = ["Dataset", "FileDataset", "FileMetaDataset", "validate_file_meta"]

_CAMEL = re.compile(r"(?P<start>(^[A-Z]))((?=.*[a-z])[A-Za-z0-9]+)$")
_FORMAT = "%(tag)s %(name)-35.35s %(VR)s: %(repval)s"


def _converted(element: CoreElement) -> CoreElement:
    """An element of ours as one of this package."""
    if isinstance(element, DataElement):
        return element
    value: Any = element.value
    if element.VR == "SQ":
        value = [item if isinstance(item, Dataset) else Dataset(item) for item in value]
    return DataElement(int(element.tag), str(element.VR), value)


class Dataset(KnowsEncoding, CoreDataset):
    """A data set that takes any attribute and gives values of pydicom's types."""

    _element_class = DataElement
    indent_chars = "   "
    default_element_format = _FORMAT
    default_sequence_element_format = _FORMAT
    is_decompressed: bool
    is_undefined_length_sequence_item = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and args[0] is not None:
            source = args[0]
            if isinstance(source, Mapping):
                for key, element in source.items():
                    self[key] = element
            else:
                for element in source:
                    self.add(_converted(element))
        kwargs.pop("parent_encoding", None)
        for name, value in kwargs.items():
            setattr(self, name, value)

    # -- elements ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self._slice_of(key)
        try:
            tag = int(Tag(key))
        except Exception as error:
            if isinstance(key, str) and "[" in key:
                return super().__getitem__(key)
            raise KeyError(f"'{key}'") from error
        return super().__getitem__(tag)

    def _slice_of(self, key: slice) -> Dataset:
        start = 0 if key.start is None else int(Tag(key.start))
        stop = 1 << 32 if key.stop is None else int(Tag(key.stop))
        tags = [tag for tag in self.tags() if start <= tag < stop]
        part = Dataset()
        for tag in tags[:: key.step] if key.step else tags:
            part.add(self[tag])
        part.set_original_encoding(*self.original_encoding, self.original_character_set)
        return part

    def __setitem__(self, key: Any, elem: Any) -> None:
        if isinstance(key, slice):
            raise NotImplementedError("Slicing is not supported when setting Dataset items")
        try:
            tag = Tag(key)
        except Exception as error:
            raise ValueError(f"Unable to convert the key '{key}' to an element tag") from error
        if isinstance(elem, RawDataElement):
            elem = convert_raw_data_element(elem, encoding=self._character_set, ds=self)
        if not isinstance(elem, CoreElement):
            raise TypeError("Dataset items must be 'DataElement' instances")
        if tag != elem.tag:
            raise ValueError(f"The key '{tag}' doesn't match the 'DataElement' tag '{elem.tag}'")
        super().add(_converted(elem))

    def add(self, data_element: Any) -> None:
        """Put an element in."""
        self[data_element.tag] = data_element

    def add_new(self, tag: Any, VR: str, value: Any) -> None:
        """Make an element and put it in."""
        self.add(DataElement(tag, VR, value))

    def __delitem__(self, key: Any) -> None:
        if isinstance(key, slice):
            for tag in self._slice_of(key).tags():
                super().__delitem__(tag)
            return
        try:
            super().__delitem__(int(Tag(key)))
        except (TypeError, ValueError) as error:
            raise KeyError(f"'{key}'") from error

    def __contains__(self, name: object) -> bool:
        try:
            return super().__contains__(int(Tag(name)))
        except Exception as error:
            text = (
                f"Invalid value '{name}' used with the 'in' operator: must be an element tag as a 2-tuple or int, or "
                "an element keyword"
            )
            if isinstance(error, OverflowError):
                text = (
                    "Invalid element tag value used with the 'in' operator: tags have a maximum value of "
                    "(0xFFFF, 0xFFFF)"
                )
            if config.value_of("INVALID_KEY_BEHAVIOR") == "RAISE":
                raise ValueError(text) from error
            if config.value_of("INVALID_KEY_BEHAVIOR") == "WARN":
                warnings.warn(text, UserWarning, stacklevel=2)
            return False

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of an attribute by keyword (or of any other attribute by name), or an element by tag."""
        if isinstance(key, str):
            return getattr(self, key, default)
        try:
            tag = Tag(key)
        except Exception as error:
            raise TypeError("Dataset.get key must be a string or tag") from error
        return super().get(int(tag), default)

    def get_item(self, key: Any, *, keep_deferred: bool = False) -> Any:
        """The element undecoded as a RawDataElement where it was read and not touched, else the element."""
        del keep_deferred
        if isinstance(key, slice):
            return self._slice_of(key)
        element = self.get(Tag(key))
        if element is None or element.raw is None or element.VR == "SQ":
            return element
        raw = bytes(element.raw)
        implicit, little = self.original_encoding
        length = 0xFFFFFFFF if element.is_undefined_length else len(raw)
        return RawDataElement(
            element.tag, None if implicit else str(element.VR), length, raw, element.offset, bool(implicit),
            little is not False,
        )  # fmt: skip

    def data_element(self, name: str) -> Any:
        """The element of a keyword, None when it is absent."""
        tag = tag_for_keyword(name)
        return self[tag] if tag is not None and tag in self else None

    def elements(self) -> Iterator[Any]:
        """The elements, as far as possible undecoded."""
        for tag in self.tags():
            yield self.get_item(tag)

    def pop(self, key: Any, *default: Any) -> Any:
        """Remove an element and return it."""
        try:
            tag = int(Tag(key))
            element = self[tag]
        except Exception as error:
            if default:
                return default[0]
            raise KeyError(key) from error
        del self[tag]
        return element

    def popitem(self) -> tuple[BaseTag, Any]:
        """Remove the last element and return it with its tag."""
        if not len(self):
            raise KeyError("popitem(): dictionary is empty")
        tag = BaseTag(self.tags()[-1])
        return tag, self.pop(tag)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The element of a tag, after putting one in where there is none."""
        tag = Tag(key)
        if tag in self:
            return self[tag]
        if not isinstance(default, CoreElement):
            vr = "UN"
            if not tag.is_private:
                try:
                    vr = dictionary_VR(tag)
                except KeyError:
                    if config.settings.writing_validation_mode == config.RAISE:
                        raise KeyError(f"Unknown DICOM tag {tag}") from None
                    warnings.warn(f"Unknown DICOM tag {tag} - setting VR to 'UN'", UserWarning, stacklevel=2)
            default = DataElement(tag, vr, default)
        self[tag] = default
        return self[tag]

    def update(self, d: Any) -> None:
        """Take elements by tag and values by keyword."""
        for key, value in list(d.items()):
            if isinstance(key, str):
                setattr(self, key, value)
            else:
                self[Tag(key)] = value

    # -- attributes ----------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("is_") or name.islower():
            if name == "file_meta":
                self._set_file_meta(value)
            else:
                super().__setattr__(name, value)
            return
        tag = tag_for_keyword(name)
        if tag is not None:
            if tag in self:
                self[tag].value = value
                self[tag] = self[tag]
            else:
                self.add_new(tag, dictionary_VR(tag), value)
            return
        if name[:1].isupper() and repeater_has_keyword(name):
            raise ValueError(
                f"'{name}' is a DICOM repeating group element and must be added using the add() or add_new() methods."
            )
        if _CAMEL.match(name):
            text = f"Camel case attribute '{name}' used which is not in the element keyword data dictionary"
            if config.value_of("INVALID_KEYWORD_BEHAVIOR") == "RAISE":
                raise ValueError(text)
            if config.value_of("INVALID_KEYWORD_BEHAVIOR") == "WARN":
                warnings.warn(text, UserWarning, stacklevel=2)
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        tag = tag_for_keyword(name)
        if tag is not None and tag in self:
            del self[tag]
        elif name == "file_meta" and "_meta" in self.__dict__:
            del self.__dict__["_meta"]
        elif name == "preamble":
            self.preamble = None
        elif name in self.__dict__:
            del self.__dict__[name]
        else:
            raise AttributeError(name)

    def _set_file_meta(self, value: Any) -> None:
        if value is not None and not isinstance(value, CoreDataset):
            raise TypeError(f"'{type(self).__name__}.file_meta' must be a 'FileMetaDataset' instance")
        if value is not None and not isinstance(value, FileMetaDataset):
            value = FileMetaDataset(value)
        self.__dict__["_meta"] = value

    @property  # type: ignore[misc]
    def file_meta(self) -> Any:
        """The File Meta Information; AttributeError when there is none."""
        try:
            return self.__dict__["_meta"]
        except KeyError:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute 'file_meta'") from None

    def ensure_file_meta(self) -> None:
        """Give the data set an empty File Meta Information if it has none."""
        if "_meta" not in self.__dict__:
            self._set_file_meta(FileMetaDataset())

    def decode(self) -> None:
        """Decode text that was assigned as bytes."""
        from pacskit.compat.pydicom.charset import decode_element

        for element in self.iterall():
            if element.VR != "SQ":
                decode_element(element, self._character_set)

    def save_as(  # type: ignore[override]
        self, filename: Any, /, write_like_original: Any = None, **options: Any
    ) -> None:
        """Write the data set; the options are those of `filewriter.dcmwrite`."""
        from pacskit.compat.pydicom.filewriter import save_as

        save_as(self, filename, write_like_original, **options)

    # -- pixels --------------------------------------------------------------------------------------------------

    @property
    def pixel_array(self) -> Any:
        """The pixels as an array to write to, YBR_FULL as RGB; the same one until pixels are assigned anew."""
        from pacskit.compat.pydicom.pixels import kept_pixel_array

        return kept_pixel_array(self)

    def overlay_array(self, group: int) -> Any:
        """The overlay of a group as an array of 0 and 1."""
        from pacskit.compat.pydicom.pixels import overlay_array

        return overlay_array(self, group)

    # -- text ----------------------------------------------------------------------------------------------------

    def dir(self, *filters: str) -> list[str]:
        """The keywords that are there, those with one of the texts in them."""
        names = sorted({element.keyword for element in self if element.keyword})
        wanted = [text.lower() for text in filters]
        return [name for name in names if not wanted or any(text in name.lower() for text in wanted)]

    def trait_names(self) -> list[str]:
        """The names that completion offers."""
        return dir(self)

    def formatted_lines(
        self, element_format: str = _FORMAT, sequence_element_format: str = _FORMAT, indent_format: str | None = None
    ) -> Iterator[str]:
        """A line for each element at every depth."""
        del indent_format
        for element in self.iterall():
            names = ("tag", "name", "VR", "VM", "value", "repval", "keyword", "is_private", "is_empty")
            facts = {name: getattr(element, name) for name in names}
            yield (sequence_element_format if element.VR == "SQ" else element_format) % facts

    def _pretty(self, indent: int, top: bool) -> Iterator[str]:
        here = self.indent_chars * indent
        if self.__dict__.get("_meta") and config.value_of("show_file_meta"):
            yield f"{'Dataset.file_meta ':-<49}"
            yield from (here + repr(element) for element in self.file_meta)
            yield "-" * 49
        for element in self:
            with tag_in_exception(element.tag):
                if element.VR != "SQ":
                    yield here + repr(element)
                    continue
                yield f"{here}{element.tag}  {element.name}  {len(element.value)} item(s) ---- "
                for item in () if top else element.value:
                    yield from item._pretty(indent + 1, False)
                    yield f"{self.indent_chars * (indent + 1)}---------"

    def __str__(self) -> str:
        return "\n".join(self._pretty(0, False))

    __repr__ = __str__

    def top(self) -> str:
        """The elements of the first level as text."""
        return "\n".join(self._pretty(0, True))

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, Dataset):
            return NotImplemented
        return self is other or (list(self) == list(other) and self._own() == other._own())

    def _own(self) -> dict[str, Any]:
        """The attributes that are no elements."""
        hidden = ("_pixels", "_read_as", "_read_charset", "filename", "buffer", "timestamp", "fileobj_type", "preamble")
        return {name: value for name, value in self.__dict__.items() if name not in hidden}

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> Any:
        """A data set that can be changed without touching this one."""
        twin = super().copy()
        twin.__dict__.update(self.__dict__)
        twin.__dict__.pop("_pixels", None)
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        own = {name: value for name, value in self.__dict__.items() if name not in {"buffer", "_pixels"}}
        return _unpickled, (type(self), list(self), self.original_encoding, self.preamble, own)

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing is held open."""


def _unpickled(
    cls: type[Dataset], elements: list[Any], encoding: Any, preamble: bytes | None, own: dict[str, Any]
) -> Dataset:
    made = cls.__new__(cls)
    for element in elements:
        made.add(element)
    made.set_original_encoding(*encoding)
    made.preamble = preamble
    made.__dict__.update(own)
    return made


class FileMetaDataset(Dataset):
    """The elements of group 0002, and no others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args:
            self.validate(args[0])
        super().__init__(*args, **kwargs)

    @staticmethod
    def validate(init_value: Any) -> None:
        """Raise ValueError for an element of another group."""
        if init_value is None:
            return
        if not isinstance(init_value, (CoreDataset, dict)):
            raise TypeError(f"Argument must be a dict or Dataset, not {type(init_value)}")
        others = [str(Tag(int(tag))) for tag in init_value.keys() if Tag(int(tag)).group != 2]  # noqa: SIM118
        if others:
            raise ValueError(
                "File meta datasets may only contain group 2 elements but the following elements are present: "
                f"{', '.join(others)}"
            )

    def __setitem__(self, key: Any, elem: Any) -> None:
        if Tag(elem.tag).group != 2:
            raise ValueError("Only group 2 data elements are allowed in a FileMetaDataset")
        super().__setitem__(key, elem)


class FileDataset(Dataset):
    """A data set that knows the file it is of."""

    def __init__(
        self,
        filename_or_obj: Any,
        dataset: Any,
        preamble: bytes | None = None,
        file_meta: Any = None,
        is_implicit_VR: bool = True,
        is_little_endian: bool = True,
    ) -> None:
        super().__init__(dataset)
        self._of_file(filename_or_obj, preamble, file_meta)
        self.set_original_encoding(is_implicit_VR, is_little_endian)

    def _of_file(self, source: Any, preamble: bytes | None, file_meta: Any) -> None:
        self.preamble = preamble
        self._set_file_meta(file_meta if file_meta is not None else FileMetaDataset())
        self.buffer = None
        if isinstance(source, (str, os.PathLike)):
            self.filename: Any = os.fspath(source)
        elif isinstance(source, io.BufferedReader):
            self.filename = source.name
        else:
            self.filename = getattr(source, "name", None)
            self.buffer = source
        self.timestamp = None
        if isinstance(self.filename, str) and os.path.exists(self.filename):
            self.timestamp = os.stat(self.filename).st_mtime


def validate_file_meta(file_meta: Any, enforce_standard: bool = True) -> None:
    """Check the File Meta Information (PS3.10 7.1), filling in what is the same for every file."""
    from pacskit.encoding import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

    FileMetaDataset.validate(file_meta)
    if not enforce_standard:
        return
    for keyword, value in (
        ("FileMetaInformationVersion", b"\x00\x01"),
        ("ImplementationClassUID", IMPLEMENTATION_CLASS_UID),
        ("ImplementationVersionName", IMPLEMENTATION_VERSION_NAME),
    ):
        if keyword not in file_meta:
            setattr(file_meta, keyword, value)
    missing = []
    for tag, name in (
        (0x00020002, "Media Storage SOP Class UID"),
        (0x00020003, "Media Storage SOP Instance UID"),
        (0x00020010, "Transfer Syntax UID"),
    ):
        if tag not in file_meta or file_meta[tag].is_empty:
            missing.append(f"{Tag(tag)} {name}")
    if missing:
        raise AttributeError(
            f"Required File Meta Information elements are either missing or have an empty value: {', '.join(missing)}"
        )

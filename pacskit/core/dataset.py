"""Dataset, the attributes of one object or item (PS3.5 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from pacskit.core import compare, paths, slots
from pacskit.core.arrays import array_of
from pacskit.core.compare import Change, Conflict
from pacskit.core.diagnostics import Diagnostic, charset_diagnostics, diagnostics_of
from pacskit.core.dictionary import iter_keywords
from pacskit.core.filemeta import FileMeta
from pacskit.core.private import PrivateAttributes
from pacskit.core.tag import Tag
from pacskit.core.textforms import TextForms
from pacskit.core.uid import UID
from pacskit_ext._element import DataElement
from pacskit_ext._table import ElementTable
from pacskit_ext._texts import plain_texts, texts_as_json

if TYPE_CHECKING:
    from os import PathLike
    from typing import BinaryIO

    from numpy.typing import NDArray
    from typing_extensions import Unpack

    from pacskit.core._generated.keywords import KeywordAttributes
    from pacskit.encoding.codecs.base import EncodeOptions, PixelFormat  # its methods are filled in from there
    from pacskit.encoding.transcoding.conversion import Policy
else:

    class KeywordAttributes:
        """What type checkers see of the keyword attributes has no part at run time."""

        __slots__ = ()


__all__ = ["Dataset"]


class Dataset(ElementTable, PrivateAttributes, TextForms, KeywordAttributes):
    """Attributes by keyword (``ds.PatientID``) or tag (``ds[0x0010, 0x0020]``), in ascending order of tags.

    Values of a data set that was read stay undecoded until they are touched. Keywords of the dictionary read and
    assign values; any other name with a capital is an AttributeError, so that a typing mistake cannot pass for data.

    Any number of threads may read one data set at once; while one changes it, no other may use it. It pickles as bytes.

    >>> ds = Dataset(PatientID="42")
    >>> ds.PatientName = "DOE^JANE"
    >>> ds.PatientName.family_name
    'DOE'
    >>> "StudyDate" in ds
    False
    """

    __slots__ = ("_file_meta", "_notes", "_preamble", "_syntax")

    _file_meta: FileMeta | Callable[[], FileMeta]  # a function makes it on first use
    _notes: tuple[Diagnostic, ...]  # of the file; those of the data set are in the scan
    _preamble: bytes | None
    _syntax: UID | None

    def __init__(self, elements: Mapping[Any, Any] | Iterable[DataElement] | None = None, /, **attributes: Any) -> None:
        if elements is not None:
            for element in elements.values() if isinstance(elements, Mapping) else elements:
                self.add(element)
        for keyword, value in attributes.items():
            setattr(self, keyword, value)

    @property
    def file_meta(self) -> FileMeta:
        """The File Meta Information (PS3.10 7.1); empty when there was none."""
        meta: FileMeta | Callable[[], FileMeta] | None = getattr(self, "_file_meta", None)
        if not isinstance(meta, FileMeta):
            meta = FileMeta() if meta is None else meta()
            self._file_meta = meta
        return meta

    @file_meta.setter
    def file_meta(self, meta: FileMeta | Dataset | Callable[[], FileMeta]) -> None:
        self._file_meta = FileMeta(meta) if isinstance(meta, Dataset) else meta

    @property
    def preamble(self) -> bytes | None:
        """The 128 bytes before the prefix of the file, or None."""
        return getattr(self, "_preamble", None)

    @preamble.setter
    def preamble(self, preamble: bytes | None) -> None:
        if preamble is not None and len(preamble) != 128:
            raise ValueError(f"a preamble has 128 bytes, not {len(preamble)}")
        self._preamble = preamble

    @property
    def transfer_syntax(self) -> UID | None:
        """The transfer syntax that the data set was read in; None for one that was made."""
        return getattr(self, "_syntax", None)

    @transfer_syntax.setter
    def transfer_syntax(self, syntax: UID | None) -> None:
        self._syntax = syntax

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """What reading tolerated, in the order met; empty for a data set that was made."""
        found = list(getattr(self, "_notes", ()))
        if self.scan is not None:
            found += diagnostics_of(self.scan)
            charset = self.get(0x00080005)
            if charset is not None and charset.raw:
                found += charset_diagnostics(bytes(charset.raw))
        return found

    def keys(self) -> list[Tag]:
        """The tags, in ascending order."""
        return [element.tag for element in self]

    def values(self) -> list[DataElement]:
        """The elements, in ascending order of tags."""
        return list(self)

    def items(self) -> list[tuple[Tag, DataElement]]:
        """Pairs of tag and element."""
        return [(element.tag, element) for element in self]

    def update(self, other: Mapping[Any, Any] | Dataset) -> None:
        """Take every element of a data set, or every value of a mapping of keywords."""
        if isinstance(other, ElementTable):
            for element in other:
                self.add(element)
            return
        for key, value in other.items():
            if isinstance(value, DataElement):
                self.add(value)
            else:
                setattr(self, key, value)

    def setdefault(self, keyword: str, value: Any) -> Any:
        """Get the value of an attribute, after setting it to ``value`` if it is absent."""
        if keyword not in self:
            setattr(self, keyword, value)
        return self.get(keyword)

    def walk(self, callback: Callable[[Dataset, DataElement], object], recursive: bool = True) -> None:
        """Call ``callback(dataset, element)`` for every element, by default at every depth."""
        for element in self.values():
            callback(self, element)
            if recursive and element.VR == "SQ" and element.tag in self:
                for item in element.value:
                    item.walk(callback)

    def element_at(self, path: str) -> DataElement:
        """The element that a path ends in, as ``ds[path]`` gives it; KeyError when there is none."""
        return paths.element_at(self, path)

    def item(self, path: str) -> Dataset:
        """The item that a path such as ``ReferencedSeriesSequence[0]`` ends in; KeyError when there is none."""
        return paths.item_at(self, path)

    def assign(self, path: str, value: Any) -> None:
        """Set an attribute by path, making sequences and the next item of one where they are missing."""
        paths.assign(self, path, value)

    def remove_at(self, path: str) -> None:
        """Remove the element, or the item, that a path ends in, as ``del ds[path]`` does."""
        paths.remove_at(self, path)

    def find(
        self, key: int | str | tuple[int, int] | None = None, *, where: Callable[[DataElement], bool] | None = None
    ) -> Iterator[tuple[str, DataElement]]:
        """Iterate over paths and elements at every depth: those of one attribute, those for which ``where`` is true."""
        wanted = None if key is None else Tag(key)
        for path, element in self._paths(""):
            if (wanted is None or element.tag == wanted) and (where is None or where(element)):
                yield path, element

    def _paths(self, prefix: str) -> Iterator[tuple[str, DataElement]]:
        for element in self:
            path = prefix + paths.name_of(element.tag)
            yield path, element
            if element.VR == "SQ":
                for index, item in enumerate(element.value):
                    yield from item._paths(f"{path}[{index}].")

    def diff(self, other: Dataset) -> list[Change]:
        """What has to change for this data set to become the other, item by item; print the changes to see them."""
        return list(compare.diff(self, other))

    def merge(self, other: Dataset, *, conflict: Conflict | str = Conflict.ERROR) -> list[Change]:
        """Take what only the other has. Raises MergeConflict for what differs, unless ``conflict`` decides it."""
        return compare.merge(self, other, conflict)

    def array(self, key: int | str | tuple[int, int]) -> NDArray[Any]:
        """The numbers of an attribute as an array of one dimension; see `array_of`. Raises KeyError if absent."""
        return array_of(self[key])

    @property
    def pixel_format(self) -> PixelFormat:
        """The format of a frame, of what the data set says; DecodeError with the tag of what is missing or wrong."""
        return slots.pixel_format(self)  # type: ignore[no-any-return]

    @property
    def pixel_array(self) -> NDArray[Any]:
        """The stored values of all frames, ([frames,] rows, columns[, samples]), read-only: copy it to change it.

        A view of native pixel data, else decoded anew each time: keep it. Nothing is converted; see `pacskit.pixels`.
        """
        return slots.pixel_array(self)  # type: ignore[no-any-return]

    def frames(
        self,
        indices: Iterable[int] | None = None,
        *,
        threads: int | None = None,
        reduce: int = 0,
        region: tuple[int, int, int, int] | None = None,
    ) -> Iterator[NDArray[Any]]:
        """Iterate over frames as arrays, all or those of ``indices``; code streams decode in threads, a few ahead.

        ``region`` is the (top, left, rows, columns) wanted of each; ``reduce`` halves width and height so often, where
        the code stream has lower resolutions (JPEG 2000, HTJ2K, JPEG Baseline), and raises CodecUnavailable elsewhere.
        """
        return slots.frames(  # type: ignore[no-any-return]
            self, indices, threads=threads, reduce=reduce, region=region
        )

    def decode_into(
        self, out: NDArray[Any], indices: Iterable[int] | None = None, *, threads: int | None = None
    ) -> None:
        """Decode frames into an array of your own, (frames, rows, columns[, samples])."""
        slots.decode_into(self, out, indices, threads=threads)

    def transcode(self, syntax: str, options: EncodeOptions | None = None, **policy: Unpack[Policy]) -> Dataset:
        """The data set in another transfer syntax, its pixels decoded and encoded where they must be; this one stays.

        ``policy`` is ``new_uid``, ``sop_instance_uid``, ``threads``, ``limits`` or ``registry``, as
        `pacskit.encoding.transcoding.Policy` has them.
        """
        given = () if options is None else (options,)
        return slots.transcode(self, syntax, *given, **policy)  # type: ignore[no-any-return]

    def texts_as_json(self, tags: Iterable[int], longest: int) -> tuple[str, list[int]]:
        """Values as members of a JSON object, ``"ggggeeee":["VR","value",…]``, and the tags that are no plain text."""
        return texts_as_json(self, tags, longest)

    def plain_texts(self, tags: Iterable[int]) -> list[str | None]:
        """The text of attributes, "" where there is none; None for what is several values, or no ASCII text."""
        return plain_texts(self, tags)

    def group_dataset(self, group: int) -> Self:
        """The elements of one group, in a data set of their own."""
        return self[group << 16 : (group + 1) << 16]

    def save_as(self, target: str | PathLike[str] | BinaryIO, **options: Any) -> None:
        """Write a DICOM file (PS3.10 7.1); the options are those of ``dcmwrite``."""
        slots.save_as(target, self, **options)

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def copy(self) -> Self:
        """A data set that can be changed without touching this one; the source's bytes are shared."""
        twin = super().copy()
        for name in Dataset.__slots__:
            if hasattr(self, name):
                setattr(twin, name, getattr(self, name))
        if isinstance(getattr(twin, "_file_meta", None), FileMeta):
            twin._file_meta = self.file_meta.copy()
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return slots.dataset_to_bytes(self)  # type: ignore[no-any-return]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(e.keyword for e in self if e.keyword), *iter_keywords()})

    def _lines(self, indent: str) -> Iterator[str]:
        for element in self:
            if element.VR == "SQ":
                yield f"{indent}{element.tag}  {element.name}  {len(element.value)} item(s) ---- "
                for item in element.value:
                    yield from item._lines(indent + "   ")
                    yield f"{indent}   ---------"
            else:
                yield f"{indent}{element}"

    def __str__(self) -> str:
        lines = list(self._lines(""))
        if hasattr(self, "_file_meta") and len(self.file_meta):
            head = [f"Dataset.file_meta {'-' * 31}", *map(str, self.file_meta), "-" * 49]
            return "\n".join(head + lines)
        return "\n".join(lines)

    __repr__ = __str__

"""What a handler is given: the request as an object, with the verbs that fit it."""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import StorageError
from pacskit.core.uid import UID
from pacskit.encoding import decode, file_meta_bytes
from pacskit.storage.layout import safe_name

if TYPE_CHECKING:
    from pacskit.network.flow import Request
    from pacskit.network.negotiation import AssociationInfo

__all__ = ["EchoEvent", "FindEvent", "StoreEvent"]

_PIECE = 1 << 20
_MAPPED = 64 << 20


class EchoEvent:
    """A C-ECHO; ``association`` says who asks."""

    __slots__ = ("association",)

    def __init__(self, association: AssociationInfo) -> None:
        self.association = association


class FindEvent:
    """A C-FIND: ``dataset`` is the identifier. ``is_cancelled`` is asked whether the peer wants no more answers."""

    __slots__ = ("_cancelled", "_is_cancelled", "association", "dataset", "level")

    def __init__(
        self,
        association: AssociationInfo,
        level: Level,
        dataset: Dataset,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.association = association
        self.level = level
        self.dataset = dataset
        self._is_cancelled = is_cancelled
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether the peer wants no more answers, or has gone; looks each time, and stays True."""
        if not self._cancelled:
            self._cancelled = self._is_cancelled()
        return self._cancelled


class StoreEvent:
    """An instance that has arrived: its data set as it came, not decoded before ``dataset`` is asked for.

    Valid until the handler returns (for ``Peer.get``: until the next instance is asked for).
    """

    __slots__ = ("_data", "_dataset", "_request", "association")

    def __init__(self, request: Request, association: AssociationInfo) -> None:
        self.association = association
        self._request = request
        self._data: bytes | BinaryIO = request.data
        self._dataset: Dataset | None = None

    @property
    def sop_class_uid(self) -> UID:
        return UID(self._request.command.affected_sop_class_uid)

    @property
    def sop_instance_uid(self) -> UID:
        return UID(self._request.command.affected_sop_instance_uid)

    @property
    def transfer_syntax(self) -> UID:
        """The transfer syntax in which the data set came."""
        return UID(self._request.context.transfer_syntax)

    @property
    def move_originator(self) -> str | None:
        """Who asked for the C-MOVE that this is part of, if it is."""
        title: str | None = self._request.command.move_originator_ae
        return title

    @property
    def dataset(self) -> Dataset:
        """The data set, with the File Meta that `save_into` would write; decoded on first touch."""
        if self._dataset is None:
            self._dataset = decode(self._bytes(), self.transfer_syntax)
            self._dataset.file_meta.MediaStorageSOPClassUID = self.sop_class_uid
            self._dataset.file_meta.MediaStorageSOPInstanceUID = self.sop_instance_uid
            self._dataset.file_meta.TransferSyntaxUID = self.transfer_syntax
        return self._dataset

    def _bytes(self) -> bytes | mmap.mmap:
        """The data set: a large one is mapped, which outlives the file but holds a descriptor, so only a large one."""
        data = self._data
        if isinstance(data, bytes):
            return data
        if data.seek(0, os.SEEK_END) > _MAPPED:
            return mmap.mmap(data.fileno(), 0, access=mmap.ACCESS_READ)
        data.seek(0)
        return data.read()

    def save_into(self, directory: str | os.PathLike[str]) -> Path:
        """Write the bytes as they came to a DICOM file ``directory/UID.dcm``; return its path.

        The directory is made where it is missing; a file of that name is replaced. Raises StorageError.
        """
        folder = Path(directory)
        target = folder / f"{safe_name(self.sop_instance_uid)}.dcm"
        staging = folder / f".{target.name}.{os.getpid()}-{id(self):x}.part"
        head = file_meta_bytes(
            self.sop_class_uid,
            self.sop_instance_uid,
            self.transfer_syntax,
            source_ae=self.association.calling,
            receiving_ae=self.association.called,
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with staging.open("xb") as file:
                    file.write(head)
                    self._copy_to(file)
                staging.replace(target)
            except BaseException:
                staging.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StorageError(f"an instance could not be saved: {error.strerror}") from error
        return target

    def _copy_to(self, target: BinaryIO) -> None:
        if isinstance(self._data, bytes):
            target.write(self._data)
            return
        self._data.seek(0)
        shutil.copyfileobj(self._data, target, _PIECE)

"""DICOM JSON and Native XML."""

from __future__ import annotations

from pacskit.core.dataset import Dataset
from pacskit.encoding import dcmread

from . import inputs
from .common import Benchmark


class Header(Benchmark):
    """The header of a slice."""

    def setup_cache(self) -> bytes:
        return inputs.part10(inputs.ct_slice(), inputs.CT_STORAGE, inputs.instance_uid(0))

    def setup(self, file: bytes) -> None:
        dataset = dcmread(file, stop_before_pixels=True)
        self.json, self.xml = dataset.to_json(), dataset.to_xml()

    def time_open_and_to_json(self, file: bytes) -> None:
        dcmread(file, stop_before_pixels=True).to_json()

    def time_open_and_to_xml(self, file: bytes) -> None:
        dcmread(file, stop_before_pixels=True).to_xml()

    def time_from_json(self, file: bytes) -> None:
        Dataset.from_json(self.json)

    def time_from_xml(self, file: bytes) -> None:
        Dataset.from_xml(self.xml)


class Inline(Benchmark):
    """A whole slice, its pixels in base64."""

    def setup_cache(self) -> bytes:
        return inputs.part10(inputs.ct_slice(), inputs.CT_STORAGE, inputs.instance_uid(0))

    def time_to_json(self, file: bytes) -> None:
        dcmread(file).to_json()

    def peakmem_to_json(self, file: bytes) -> None:
        dcmread(file).to_json()

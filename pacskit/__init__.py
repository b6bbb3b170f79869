"""An embeddable PACS: DICOM files, network and archive behind one import."""

from pacskit._version import __version__

__all__ = ["__version__"]

"""DataElement, one attribute of a data set, and BulkDataElement, one whose value is elsewhere."""

from pacskit_ext._bulkdata import BulkDataElement
from pacskit_ext._element import DataElement

__all__ = ["BulkDataElement", "DataElement"]

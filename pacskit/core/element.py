"""DataElement, one attribute of a data set; BulkDataElement and DeferredElement, whose values are elsewhere."""

from pacskit_ext._bulkdata import BulkDataElement
from pacskit_ext._deferred import DeferredElement
from pacskit_ext._element import DataElement

__all__ = ["BulkDataElement", "DataElement", "DeferredElement"]

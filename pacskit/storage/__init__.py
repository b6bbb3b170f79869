"""Blob stores and the index.

>>> from pacskit.storage import Store  # doctest: +SKIP
"""

from pacskit.storage.errors import InvalidIdentifier, InvalidInstance, OutOfSpace
from pacskit.storage.index.find import Element, Match
from pacskit.storage.index.query import FindOptions, Model
from pacskit.storage.records import Commit, Counts, DuplicatePolicy, Outcome, StoredInstance
from pacskit.storage.store import Ingest, Problem, Store, Stored

__all__ = [
    "Commit",
    "Counts",
    "DuplicatePolicy",
    "Element",
    "FindOptions",
    "Ingest",
    "InvalidIdentifier",
    "InvalidInstance",
    "Match",
    "Model",
    "OutOfSpace",
    "Outcome",
    "Problem",
    "Store",
    "Stored",
    "StoredInstance",
]

"""Blob stores and the index.

>>> from tempfile import TemporaryDirectory
>>> from pacskit.core.dataset import Dataset
>>> from pacskit.encoding import encode
>>> explicit = "1.2.840.10008.1.2.1"
>>> ct = Dataset(
...     SOPClassUID="1.2.840.10008.5.1.4.1.1.2",
...     SOPInstanceUID="1.2.3.4",
...     StudyInstanceUID="1.2",
...     SeriesInstanceUID="1.2.3",
...     PatientName="DOE^JANE",
... )
>>> with TemporaryDirectory() as directory, Store(directory) as store:
...     with store.begin(ct.SOPClassUID, ct.SOPInstanceUID, explicit) as ingest:
...         ingest.write(encode(ct, explicit))
...         print(ingest.commit().outcome)
...     for match in store.find("STUDY", Model.STUDY_ROOT, Dataset(PatientName="doe*")):
...         print(match.dataset(Dataset).StudyInstanceUID)
stored
1.2
"""

from pacskit.storage.errors import FrameNotFound, InstanceRejected, InvalidIdentifier, InvalidInstance, OutOfSpace
from pacskit.storage.index.find import Element, Match
from pacskit.storage.index.query import FindOptions, Model
from pacskit.storage.index.removing import Removal, Removed
from pacskit.storage.records import Commit, Counts, DuplicatePolicy, Outcome, Stored, StoredInstance
from pacskit.storage.removal import Swept
from pacskit.storage.scrub import Problem, Scrub, ScrubReport
from pacskit.storage.store import Ingest, Opened, Store

__all__ = [
    "Commit",
    "Counts",
    "DuplicatePolicy",
    "Element",
    "FindOptions",
    "FrameNotFound",
    "Ingest",
    "InstanceRejected",
    "InvalidIdentifier",
    "InvalidInstance",
    "Match",
    "Model",
    "Opened",
    "OutOfSpace",
    "Outcome",
    "Problem",
    "Removal",
    "Removed",
    "Scrub",
    "ScrubReport",
    "Store",
    "Stored",
    "StoredInstance",
    "Swept",
]

"""Objects to store: made from attributes, encoded by pacskit."""

from __future__ import annotations

from typing import Any

from pacskit.core.dataset import Dataset
from pacskit.encoding import encode
from pacskit.storage import Store, Stored

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"


def instance(study: str = "1.2.1", series: str = "1.2.1.1", uid: str = "1.2.1.1.1", **attributes: Any) -> Dataset:
    """Return a data set with the UIDs and what else is given."""
    made = Dataset(SOPClassUID=CT, SOPInstanceUID=uid, StudyInstanceUID=study, SeriesInstanceUID=series)
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def put(store: Store, dataset: Dataset, syntax: str = EXPLICIT, **options: Any) -> Stored:
    """Store a data set the way a service does."""
    with store.begin(dataset.SOPClassUID, dataset.SOPInstanceUID, syntax, **options) as ingest:
        ingest.write(encode(dataset, syntax))
        return ingest.commit()


def identifier(**keys: Any) -> Dataset:
    """Return the identifier of a query."""
    made = Dataset()
    for keyword, value in keys.items():
        setattr(made, keyword, value)
    return made


def found(
    store: Store, level: str, keyword: str, model: str = "STUDY_ROOT", options: Any = None, **keys: Any
) -> list[str]:
    """Return one attribute of each match."""
    matches = store.find(level, model, identifier(**{keyword: "", **keys}), options)
    return sorted(str(one.dataset(Dataset)[keyword].value) for one in matches)

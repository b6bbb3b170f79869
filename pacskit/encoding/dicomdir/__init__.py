"""DICOMDIR: file-sets on media and in directories (PS3.10 8, PS3.3 F)."""

from pacskit.encoding.dicomdir.fileset import FileSet, Progress
from pacskit.encoding.dicomdir.keys import record_type_for
from pacskit.encoding.dicomdir.naming import is_valid_file_id, make_file_id
from pacskit.encoding.dicomdir.problems import (
    FileIDError,
    FileSetError,
    MissingKeyError,
    Problem,
    ProblemKind,
    UnsafePathError,
)
from pacskit.encoding.dicomdir.reader import DirectoryLimits
from pacskit.encoding.dicomdir.records import Instance, Patient, Record, Series, Study

__all__ = [
    "DirectoryLimits",
    "FileIDError",
    "FileSet",
    "FileSetError",
    "Instance",
    "MissingKeyError",
    "Patient",
    "Problem",
    "ProblemKind",
    "Progress",
    "Record",
    "Series",
    "Study",
    "UnsafePathError",
    "is_valid_file_id",
    "make_file_id",
    "record_type_for",
]

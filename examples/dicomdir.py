"""Make, extend, list and check a file-set: python examples/dicomdir.py DIRECTORY [FILE...]."""

import sys
from pathlib import Path

from pacskit.core.errors import PacsError
from pacskit.encoding import FileSet


def extend(fs: FileSet, files: list[str]) -> None:
    """Add files; what is no DICOM file, or tells too little for a record, is named and passed over."""
    for name in files:
        try:
            fs.add(name, invent=True)  # numbers and dates that records must have and the file lacks
        except PacsError as error:
            print(f"{name}: {error}")


def show(fs: FileSet) -> None:
    """List the instances by patient, study and series, then what is wrong."""
    for patient in fs.patients:
        for study in patient.studies:
            for series in study.series:
                print(patient.PatientID, study.StudyDate, series.Modality, f"{len(series.instances)} instances")
                for instance in series.instances:
                    print("   ", instance.record_type, instance.path)
    for problem in fs.verify():
        print(problem)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    directory = Path(sys.argv[1])
    exists = (directory / "DICOMDIR").exists()
    file_set = FileSet(directory) if exists or len(sys.argv) == 2 else FileSet(root=directory)
    if len(sys.argv) > 2:
        extend(file_set, sys.argv[2:])
        file_set.write(progress=lambda done, total: print(f"{done}/{total}", end="\r"))
    show(file_set)

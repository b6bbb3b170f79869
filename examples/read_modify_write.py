"""Read a DICOM file, change it, write it: python examples/read_modify_write.py IN.dcm OUT.dcm"""

import sys
from datetime import date

import pacskit as pk


def main(source: str, target: str) -> None:
    ds = pk.dcmread(source)  # decoded on first touch; the pixel data stays as it is
    print("was:", ds.PatientName, ds.get("StudyDate"), ds.file_meta.TransferSyntaxUID.name)
    ds.PatientName = "DOE^JANE"
    ds.StudyDate = date(2026, 8, 1)  # Python values in, DA out
    ds.add_new("SeriesDescription", pk.VR.LO, "changed by an example")
    if "PatientBirthDate" in ds:
        del ds.PatientBirthDate
    ds.save_as(target)
    again = pk.dcmread(target, stop_before_pixels=True)
    print("is: ", again.PatientName, again.StudyDate)


if __name__ == "__main__":
    main(*sys.argv[1:3])

"""An object of a picture, document or video, and a file of it again: python examples/build_images.py FILE OUT.dcm"""

import sys
from pathlib import Path

import pacskit as pk
from pacskit import images


def main(source: str, target: str) -> None:
    ds = images.from_file(source, PatientID="42", PatientName="DOE^JANE", StudyDescription="Imported")
    ds.save_as(target)
    print(f"{ds.SOPClassUID.name} in {pk.UID(ds.file_meta.TransferSyntaxUID).name}")
    again = pk.dcmread(target)
    folder = Path(target).parent
    if images.payload_of(again) == "frames":
        for path in images.export_frames(again, folder, images.ExportOptions(overwrite=True), name="frame-{frame}"):
            print(path.name)
    else:
        print(images.export_payload(again, folder, name="payload", overwrite=True).name)


if __name__ == "__main__":
    main(*sys.argv[1:])

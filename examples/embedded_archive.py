"""An archive inside your program: python examples/embedded_archive.py DIR FILE ..."""

import sys

import pacskit as pk


def main(directory: str, *files: str) -> None:
    with pk.Archive(directory, ae="VENDOR") as archive:  # files, SQLite index, C-ECHO/STORE/FIND/MOVE/GET
        for file in files:
            print("stored:", file, archive.store(file).outcome)
        address = archive.serve(port=0)  # 0: any free port
        archive.nodes.add("WS1@127.0.0.1:11113")  # where C-MOVE may send to
        with pk.connect(address) as peer:  # any DICOM client will do
            for study in peer.find(pk.Level.STUDY):
                print("study:", study.StudyInstanceUID, study.NumberOfStudyRelatedInstances)
        for patient in archive.find(pk.Level.PATIENT, PatientName="*"):  # and without the network
            print("patient:", patient.PatientID)
        # archive.wait() would serve until another thread calls archive.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Talk to an archive: python examples/scu.py AE@host:port FILE ... (a running ``pacskit serve`` does)"""

import sys
from datetime import date
from pathlib import Path

import pacskit as pk


def main(address: str, *files: str) -> None:
    with pk.connect(address, calling="WS1", timeouts=pk.Timeouts(connect=5, dimse=30)) as peer:
        print("echo:", peer.echo())
        for sent in peer.store(files):  # one association, negotiated from the files
            print("store:", sent.dataset_path, sent.status, sent.error or "")
        for study in peer.find(pk.Level.STUDY, PatientName="*", StudyDate=pk.between(date(1990, 1, 1), None)):
            print("find:", study.StudyInstanceUID, study.get("NumberOfStudyRelatedInstances"))
            for instance in peer.get(pk.Level.STUDY, study.StudyInstanceUID):
                print("get:", instance.save_into(Path("inbox")), instance.transfer_syntax.name)
        print(peer.explain())


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except pk.NetworkError as error:  # every error carries its facts as fields
        sys.exit(f"{type(error).__name__}: {error}")

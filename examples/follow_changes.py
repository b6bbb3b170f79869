"""What happens to an archive, as it happens: python examples/follow_changes.py DIR FILE ..."""

import sys
import threading

import pacskit as pk


def main(directory: str, *files: str) -> None:
    with pk.Archive(directory, ae="VENDOR") as archive:
        last = archive.index.last_change()  # where to go on; keep it in a safe place of your own

        def store() -> None:  # as modalities do, through this process or any other one on the archive
            for file in files:
                archive.store(file)

        thread = threading.Thread(target=store)
        thread.start()
        left = len(files)
        for change in archive.changes(after=last, wait=True):  # waits for what is to come, until archive.close()
            print(change.number, change.kind, change.sop_instance_uid or change.study_instance_uid or change.patient_id)
            last = change.number  # done with it: the next start begins after this one
            left -= change.kind == "instance.stored"
            if not left:
                break
        thread.join()
        for change in archive.changes(after=last):  # what else is there by now; does not wait
            print(change.number, change.kind, change.study_instance_uid)


if __name__ == "__main__":
    main(*sys.argv[1:])

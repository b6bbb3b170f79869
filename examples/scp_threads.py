"""A server made of three functions: python examples/scp_threads.py [PORT [SECONDS]]"""

import sys
import threading
from collections.abc import Iterator

import pacskit as pk

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 11112
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else None

scp = pk.SCP("VENDOR", port=PORT, limits=pk.Limits(max_associations=32))
known: dict[str, pk.Dataset] = {}


@scp.on_echo
def hello(event: pk.EchoEvent) -> pk.Status:
    print("echo from", event.association.calling, flush=True)
    return pk.Status.SUCCESS


@scp.on_store
def keep(event: pk.StoreEvent) -> pk.Status:
    path = event.save_into("inbox")  # wire bytes to disk under a safe name, never decoded
    known[event.dataset.StudyInstanceUID] = pk.dcmread(path, stop_before_pixels=True)
    print("stored", path, flush=True)
    return pk.Status.SUCCESS


@scp.on_find(pk.Level.STUDY)
def search(event: pk.FindEvent) -> Iterator[pk.Dataset]:
    for ds in list(known.values()):
        if event.cancelled:
            return
        yield pk.Dataset(StudyInstanceUID=ds.StudyInstanceUID, PatientID=ds.get("PatientID"))


if __name__ == "__main__":
    with scp:
        print("listening at", scp.address, flush=True)
        if SECONDS is None:
            scp.serve_forever()  # until Ctrl-C
        else:
            threading.Event().wait(SECONDS)

"""A server of coroutines, in the event loop of your program: python examples/scp_asyncio.py [PORT [SECONDS]]"""

import asyncio
import sys
from collections.abc import AsyncIterator

import pacskit as pk
from pacskit import aio

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 11112
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else None

server = aio.SCP("VENDOR", port=PORT, limits=pk.Limits(max_associations=32))
known: dict[str, pk.Dataset] = {}


@server.on_store
def keep(event: pk.StoreEvent) -> None:  # writes to the disk, so it is no coroutine: it is called in a thread
    event.save_into("inbox")
    dataset = event.dataset
    known[dataset.StudyInstanceUID] = dataset


@server.on_echo
async def hello(event: pk.EchoEvent) -> pk.Status:
    print("echo from", event.association.calling, flush=True)
    return pk.Status.SUCCESS


@server.on_find(pk.Level.STUDY)
async def search(event: pk.FindEvent) -> AsyncIterator[pk.Dataset]:
    for ds in list(known.values()):
        if event.cancelled:
            return
        yield pk.Dataset(StudyInstanceUID=ds.StudyInstanceUID, PatientID=ds.get("PatientID"))


async def try_it() -> None:
    """Be a client too, in the same loop."""
    async with aio.connect(server.address, calling="ME") as peer:
        await peer.echo()
        ds = pk.Dataset(SOPClassUID=pk.UID("1.2.840.10008.5.1.4.1.1.2"), SOPInstanceUID="1.2.3.4", PatientID="42")
        ds.StudyInstanceUID = "1.2.3"
        async for sent in peer.store(ds):
            print("stored:", sent.status, flush=True)
        async for study in peer.find(PatientID="42"):
            print("found:", study.StudyInstanceUID, flush=True)


async def main() -> None:
    async with server:
        print("listening at", server.address, flush=True)
        if SECONDS is None:
            await server.serve_forever()  # until Ctrl-C
        else:
            await try_it()
            await asyncio.sleep(SECONDS)


if __name__ == "__main__":
    asyncio.run(main())

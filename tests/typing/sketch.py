"""The API that others rely on, as far as it is there. It is type-checked; what it does is tested elsewhere."""

from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import pacskit as pk
from pacskit import VR, Level, Status, TransferSyntax

__all__ = ["embedded", "main", "run"]

# 1. Read, change, write: pydicom's words, typed, decoded on first touch.
ds = pk.dcmread("ct.dcm")  # pixel data stays a view of the source
print(ds.PatientName.family_name, ds[0x0008, 0x0060].value, ds.get("SeriesNumber"))
ds.PatientName = "DOE^JANE"
ds.StudyDate = date(2026, 8, 1)  # Python values in, DA out
ds.add_new("SeriesDescription", VR.LO, "axial 1 mm")
del ds.PatientBirthDate
uids = {elem.value for elem in ds.iterall() if elem.vr is VR.UI}
pk.dcmwrite("out.dcm", ds, transfer_syntax=TransferSyntax.RLE_LOSSLESS)
header = pk.dcmread("mr.dcm", stop_before_pixels=True, specific_tags=["StudyInstanceUID", "Rows"])

# 2. Pixels: an array for a slice, an iterator for a slide; frames decode with the GIL released.
pixels = ds.pixel_array
with pk.dcmopen("whole_slide.dcm") as slide:  # memory-mapped
    for tile in slide.frames(range(64), threads=4):
        print(tile.shape)
ds.transcode(TransferSyntax.JPEG_LS_LOSSLESS).save_as("small.dcm")

# 3. SCU: a peer associates at its first verb, with the contexts that verb needs; long verbs are iterators.
with pk.connect("PACS@10.0.0.5:104", calling="WS1", timeouts=pk.Timeouts(connect=5, dimse=30)) as peer:
    peer.echo()
    for study in peer.find(Level.STUDY, PatientID="42", StudyDate=pk.between(date(2026, 1, 1), None)):
        print(study.StudyInstanceUID)
    for sent in peer.store(Path("outbox").glob("*.dcm")):  # one association, negotiated from the files
        if not sent.status.is_success:
            print(sent.dataset_path, sent.status)
    for step in peer.move(Level.STUDY, "1.2.3", to="WS1"):
        print(step.completed, step.remaining, step.failed)
    for instance in peer.get(Level.SERIES, "1.2.3.4"):
        instance.save_into("inbox")

try:
    pk.echo("OLD@10.0.0.6:2762", tls=pk.tls_context(cert="ws.crt", key="ws.key", ca="hospital.pem"))  # one-off
except pk.AssociationRejected as exc:  # every error is a PacsError with its facts as fields
    print(exc.reason)

# 4. An SCP in ten lines, on threads.
scp = pk.SCP("VENDOR", port=11112, limits=pk.Limits(max_associations=32))


@scp.on_store
def keep(event: pk.StoreEvent) -> Status:
    event.save_into("inbox")  # wire bytes to disk under a safe name, never decoded
    return Status.SUCCESS


@scp.on_find(Level.STUDY)
def search(event: pk.FindEvent) -> Iterator[pk.Dataset]:
    for match in (ds, header):
        if event.cancelled:
            return
        yield match


def run() -> None:
    with scp:
        scp.serve_forever()


# 5. The same SCP on asyncio: same names, `async` where there is waiting.
async def main() -> None:
    server = pk.aio.SCP("VENDOR", port=11113)

    @server.on_store
    async def forward(event: pk.StoreEvent) -> Status:
        async with pk.aio.connect("ARCHIVE@10.0.0.7:104") as up:
            async for sent in up.store([event.dataset]):
                return sent.status
        return Status.OUT_OF_RESOURCES

    @server.on_find(Level.STUDY)
    async def matches(event: pk.FindEvent) -> AsyncIterator[pk.Dataset]:
        yield header

    async with server:
        await server.serve_forever()


# 6. An embedded archive in five lines: files, SQLite index, C-ECHO/STORE/FIND/MOVE/GET.
def embedded() -> None:
    with pk.Archive("/srv/pacs", ae="VENDOR") as archive:
        archive.serve(port=11112)
        archive.nodes.add("TRIAGE@10.0.0.9:104")
        archive.wait()

"""A web program that receives and queries DICOM: python examples/fastapi_app.py AE@host:port [PORT [once]]

The event loop of the web server runs the DICOM server too, and awaits the peer's answers. With ``once`` it asks itself
one question and ends.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

import pacskit as pk
from pacskit import aio

PEERS: dict[str, str] = {}  # the browser names a peer; where that is, is not for it to say
received: list[str] = []
scp = aio.SCP("WEB")


@scp.on_store
def keep(event: pk.StoreEvent) -> None:  # a plain function is called in a thread: it may block
    received.append(event.save_into("inbox").name)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with scp:  # listens while the application runs; stops with it
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(pk.NetworkError)
async def say_why(request: Request, error: pk.NetworkError) -> JSONResponse:
    """Each error of the network has its type and its reason: the peer's fault is no error of ours."""
    late = isinstance(error, pk.DeadlineExceeded)
    return JSONResponse({"error": type(error).__name__, "reason": str(error)}, 504 if late else 502)


def peer_of(name: str) -> aio.Peer:
    if name not in PEERS:
        raise HTTPException(404, f"no peer {name!r}")
    return aio.connect(PEERS[name], calling="WEB", timeouts=pk.Timeouts(connect=5, dimse=30))


@app.get("/{peer}/echo")
async def echo(peer: str) -> dict[str, str]:
    async with peer_of(peer) as connection:
        return {"status": str(await connection.echo())}


@app.get("/{peer}/studies")
async def studies(peer: str, patient_id: str = "*", limit: int = 100) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with peer_of(peer) as connection:
        async for study in connection.find(pk.Level.STUDY, PatientID=patient_id, StudyDate="", PatientName=""):
            found.append(study.to_json_dict())
            if len(found) == limit:
                break  # leaving early cancels the query at the peer
    return found


@app.get("/received")
async def what_came() -> list[str]:
    return received


async def main(address: str, port: int, *, once: bool) -> None:
    PEERS["main"] = address
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        where = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print("listening at", where, flush=True)
        if once:
            async with httpx.AsyncClient(base_url=where, timeout=30) as browser:
                print("echo:", (await browser.get("/main/echo")).json())
                async with aio.connect(scp.address) as modality:
                    ds = pk.Dataset(SOPClassUID=pk.UID("1.2.840.10008.5.1.4.1.1.2"), SOPInstanceUID="1.2.3.4")
                    print("sent:", [str(sent.status) async for sent in modality.store(ds)])
                print("received:", (await browser.get("/received")).json())
                for study in (await browser.get("/main/studies", params={"patient_id": "*"})).json():
                    print("study:", study["0020000D"]["Value"])
            server.should_exit = True
        await running


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int((sys.argv[2:] or ["8000"])[0]), once="once" in sys.argv))

"""asyncio under TLS, and in programs that have a loop of their own."""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit import aio
from pacskit.encoding import encode
from tests.network.peers import EXPLICIT, FAST
from tests.network.test_services import instance

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server and of a client that trusts it."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))


def test_tls(run: Run, tls: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path) -> None:
    server_side, client_side = tls
    made = instance()
    made.PixelData = random.Random(5).randbytes(3_000_000)

    async def main() -> None:
        scp = aio.SCP("SECURE", tls=server_side)

        @scp.on_store
        def keep(event: pacskit.StoreEvent) -> None:
            event.save_into(tmp_path)

        async with scp:
            async with aio.connect(scp.address, tls=client_side) as peer:
                for _ in range(20):
                    assert (await peer.echo()).is_success
                assert [sent.status async for sent in peer.store([made, made])] == [0, 0]
            with pytest.raises(pacskit.ConnectError):
                await aio.echo(scp.address, tls=ssl.create_default_context())  # which does not know that certificate
            with pytest.raises(pacskit.NetworkError):
                await aio.echo(scp.address, timeouts=FAST)  # plain, to a TLS port
            assert (await aio.echo(scp.address, tls=client_side)).is_success

    run(main())
    (path,) = tmp_path.glob("*.dcm")
    assert path.read_bytes().endswith(encode(made, EXPLICIT))


def test_in_a_web_application(run: Run) -> None:
    """A server in the lifespan of an application of FastAPI's kind, and verbs in its requests."""
    fastapi = pytest.importorskip("fastapi")
    httpx = pytest.importorskip("httpx")
    scp = aio.SCP("VENDOR")

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with scp:
            yield

    async def echo() -> str:
        return str(await aio.echo(scp.address))

    async def main() -> list[str]:
        app = fastapi.FastAPI(lifespan=lifespan)
        app.add_api_route("/echo", echo)
        transport = httpx.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as web:
            return [(await web.get("/echo")).json() for _ in range(3)]

    assert run(main()) == [str(pacskit.Status(0))] * 3

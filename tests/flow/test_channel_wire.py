"""What of a request travels, to whom, and what never gets out."""

import gzip
import socket
import ssl
import traceback
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.core.backoff import RetryPolicy
from pipeline.errors import FatalError, UsageError
from pipeline.events import Event
from pipeline.io.http import Session
from pipeline.ports import Request
from tests.flow.server import CANARY, LIMITS, channels, get, judge, read, scripted, serving

pytestmark = pytest.mark.anyio


# ---- what travels --------------------------------------------------------------------------------


async def test_the_target_and_headers_travel_as_written_and_a_large_body_whole() -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        response = web.Response()
        response.set_cookie("session", "1")
        return response

    body = bytes(range(256)) * 16_384
    target = "/a%2Fb/%7Euser?sig=a%2Bb+c%3d&name=%C3%A9"
    async with serving(handler) as server, channels() as made:
        channel = made.get(server.url, LIMITS)
        for _ in range(2):
            await channel.send(
                "save", lambda: Request("POST", server.url + target, {"X-Signed": "Ab=="}, body), judge
            )
    assert server.targets == [target] * 2
    assert server.bodies == [body] * 2
    assert seen[1].headers["X-Signed"] == "Ab=="
    assert not {"Cookie", "Content-Type", "Transfer-Encoding"} & set(seen[1].headers)


async def test_an_answer_is_decompressed_up_to_a_limit() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        size = int(request.query["size"])
        return web.Response(body=gzip.compress(bytes(size)), headers={"Content-Encoding": "gzip"})

    async with serving(handler) as server, channels(session=Session(max_body=1_000_000)) as made:
        channel = made.get(server.url, LIMITS)
        answer = await channel.send("read", get(server, "/?size=1000000"), judge)
        assert answer.body == bytes(1_000_000)
        with pytest.raises(FatalError, match="longer than 1000000 bytes"):
            await channel.send("read", get(server, "/?size=50000000"), judge)
        assert len(await read(channel, get(server, "/?size=5000000"))) == 5_000_000


async def test_a_request_to_another_address_is_never_sent() -> None:
    async with serving(scripted()) as server, serving(scripted()) as other, channels() as made:
        channel = made.get(server.url, LIMITS)
        for url in (other.url, server.url + "0", server.url.replace("http:", "https:")):
            with pytest.raises(FatalError, match="another address"):
                await channel.send("read", lambda url=url: Request("GET", url + "/", {}), judge)  # type: ignore[misc]
        await channel.send("read", lambda: Request("GET", server.url.replace("http", "HTTP"), {}), judge)
    assert (len(server.arrivals), len(other.arrivals)) == (1, 0)


async def test_a_key_with_a_line_break_is_an_error_that_says_so() -> None:
    async with serving(scripted()) as server, channels() as made:
        with pytest.raises(UsageError, match="line break") as caught:
            await made.get(server.url, LIMITS).send(
                "read", lambda: Request("GET", server.url, {"X-Api-Key": CANARY + "\n"}), judge
            )
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert server.arrivals == []


async def test_a_certificate_that_nobody_vouches_for_gets_no_request(tmp_path: Path) -> None:
    server_side, client_side = self_signed(tmp_path)
    async with serving(scripted(), server_side) as server:
        async with channels() as made:
            with pytest.raises(FatalError, match="certificate is not valid"):
                await made.get(server.url, LIMITS).send("read", get(server), judge)
        assert server.arrivals == []
        async with channels(session=Session(tls=client_side)) as made:
            assert (await made.get(server.url, LIMITS).send("read", get(server), judge)).status == 200


def self_signed(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the context of a server with its own certificate, and one of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(chain, private)
    return server_side, ssl.create_default_context(cafile=str(chain))


async def test_no_secret_reaches_an_error_or_an_event() -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        if request.path == "/drop" and request.transport is not None:
            request.transport.abort()
        said = request.headers.get("Authorization", "") + request.headers.get("X-Api-Key", "")
        return web.Response(status=int(request.query.get("status", "200")), text=f"not with {said}")

    events: list[Event] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
    texts: list[str] = []
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(echo))
        made = await stack.enter_async_context(channels(events.append, policy=RetryPolicy(patience=0)))
        urls = [f"{server.url}/?status={status}" for status in (400, 401, 404, 410, 413, 429, 500)]
        for url in [*urls, f"{server.url}/drop?", f"{closed}/?"]:
            for headers in ({"Authorization": f"Bearer {CANARY}"}, {"X-Api-Key": CANARY}):
                request = Request("POST", f"{url}&token={CANARY}", headers, CANARY.encode())
                with pytest.raises(Exception, match=r".") as caught:
                    await made.get(url, LIMITS).send("save", lambda request=request: request, judge)  # type: ignore[misc]
                error = caught.value
                texts += [repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
    assert len(texts) == 2 * 9 * 3
    assert any("[secret]" in text for text in texts)
    assert CANARY not in "".join(texts)
    assert CANARY not in repr(events)

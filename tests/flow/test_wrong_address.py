"""What a user is told where there is no such server as the job names: what came, and what to correct."""

import socket
from asyncio import StreamReader, StreamWriter, start_server
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from pipeline.core.backoff import RetryPolicy
from pipeline.errors import TransientError
from pipeline.ports import Request
from tests.flow.server import CANARY, LIMITS, channels, judge, post, scripted, serving

pytestmark = pytest.mark.anyio

ADVISED = replace(LIMITS, address="`url`")
ADVICE = "; nothing was answered before, so check `url`"
TWICE = RetryPolicy(tries=2)
Talk = Callable[[StreamReader, StreamWriter], Awaitable[None]]


async def says_something_else(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer as a server does that speaks another protocol."""
    await reader.read(1)
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    await writer.drain()
    writer.close()


async def hangs_up(_: StreamReader, writer: StreamWriter) -> None:
    writer.close()


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """Serve something that is not HTTP; gives its host and port."""
    async with await start_server(talk, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def told(origin: str, body: bytes = b"{}") -> str:
    """What is said of a server that never answers well."""
    async with channels(policy=TWICE) as made:
        channel = made.get(origin, ADVISED)
        with pytest.raises(TransientError) as caught:
            await channel.send(
                "save", lambda: Request("POST", f"{origin}/save?token={CANARY}", {}, body), judge
            )
    assert CANARY not in str(caught.value)
    assert "/save" not in str(caught.value)
    return str(caught.value)


async def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"
    text = await told(f"http://{host}")
    assert text.startswith(f"save: {host}: no connection (Connection refused); given up")
    assert text.endswith(ADVICE)


async def test_a_server_that_speaks_another_protocol() -> None:
    async with talking(says_something_else) as host:
        text = await told(f"http://{host}")
    assert f"{host}: no whole answer (what came is not HTTP)" in text
    assert text.endswith(ADVICE)


@pytest.mark.parametrize("size", [2, 400_000])
async def test_a_server_that_hangs_up_at_once_is_told_without_the_address_of_the_request(size: int) -> None:
    async with talking(hangs_up) as host:
        text = await told(f"http://{host}", b"x" * size)
    assert f"{host}: no whole answer (" in text
    assert text.endswith(ADVICE)


async def test_https_to_a_port_for_http() -> None:
    async with serving(scripted()) as server:
        text = await told(server.url.replace("http:", "https:"))
    assert "no connection (TLS could not be set up; is it a port for http?)" in text
    assert text.endswith(ADVICE)


async def test_a_host_that_answered_before_is_not_a_wrong_one() -> None:
    async with serving(scripted(200, 503, 503)) as server, channels(policy=TWICE) as made:
        channel = made.get(server.url, ADVISED)
        await channel.send("save", post(server), judge)
        with pytest.raises(TransientError, match=r"its tries are used up$"):
            await channel.send("save", post(server), judge)


async def test_a_host_that_asks_to_wait_is_not_a_wrong_one() -> None:
    policy = RetryPolicy(tries=2, patience=0.0)
    statuses = scripted(429, 429, headers={"Retry-After": "1"})
    async with serving(statuses) as server, channels(policy=policy) as made:
        with pytest.raises(TransientError) as caught:
            await made.get(server.url, ADVISED).send("save", post(server), judge)
    assert "check" not in str(caught.value)

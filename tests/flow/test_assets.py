"""Files behind URLs that a server hands us: real servers, some of which mean no good."""

import asyncio
import gzip
import os
import socket
import threading
import traceback
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from aiohttp import web

from pipeline.core.backoff import RetryPolicy
from pipeline.errors import FatalError, RowError, TransientError
from pipeline.events import Event, RequestDone
from pipeline.io.assets import LIMITS as STORAGE_LIMITS
from pipeline.io.assets import Storage
from pipeline.io.channel import Channels
from pipeline.io.multipart import boundary_of, content_type, multipart
from pipeline.ports import Assets, Limits, Request
from tests.flow.server import CANARY, LIMITS, Handler, Server, channels, judge, scripted, serving

pytestmark = pytest.mark.anyio

PICTURE = os.urandom(200_000)


async def picture(_: web.Request) -> web.StreamResponse:
    return web.Response(body=PICTURE)


@asynccontextmanager
async def storage(
    handler: Handler, emit: Callable[[Event], None] = lambda _: None, policy: RetryPolicy | None = None
) -> AsyncIterator[tuple[Server, Channels, Assets]]:
    """A server that the job itself names, and the files on it."""
    async with serving(handler) as server, channels(emit, policy=policy) as made:
        made.get(server.url, LIMITS)
        yield server, made, Storage(made)


async def failing(ask: Callable[[], Awaitable[object]], kind: type[Exception] = RowError) -> str:
    """Return the error of a question, and see that it tells no secret."""
    with pytest.raises(kind) as caught:
        await ask()
    assert type(caught.value) is kind
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert CANARY not in repr(vars(caught.value))
    return str(caught.value)


# ---- what is fetched -----------------------------------------------------------------------------


async def test_a_file_comes_as_it_is_and_its_address_travels_as_it_was_signed() -> None:
    target = "/a%2Fb/%7Euser?sig=a%2Bb+c%3d&name=%C3%A9"
    async with storage(picture) as (server, _, assets):
        assert await assets.get(server.url + target, most=len(PICTURE)) == PICTURE
        assert await assets.get(f"{server.url}/two words/é?q=ü", most=len(PICTURE)) == PICTURE
    assert server.targets == [target, "/two%20words/%C3%A9?q=%C3%BC"]


async def test_no_credentials_travel() -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        response = web.Response(text="a picture")
        response.set_cookie("session", CANARY)
        return response

    async with storage(handler) as (server, made, assets):
        headers = {"Authorization": f"Bearer {CANARY}", "X-Api-Key": CANARY}
        await made.get(server.url, LIMITS).send(
            "save", lambda: Request("GET", server.url + "/", headers), judge
        )
        for _ in range(2):
            await assets.get(server.url + "/file", most=len(PICTURE))
    assert [set(request.headers) for request in seen[1:]] == [
        {"Host", "User-Agent", "Accept", "Accept-Encoding"}
    ] * 2


async def test_busy_and_broken_hosts_are_asked_again() -> None:
    events: list[Event] = []
    async with storage(scripted(429, 503, 500, headers={"Retry-After": "0"}), events.append) as (
        server,
        _,
        assets,
    ):
        assert await assets.get(f"{server.url}/file?token={CANARY}", most=100) == b"answer 200"
    done = [event for event in events if isinstance(event, RequestDone)]
    assert [(event.kind, event.status) for event in done] == [
        ("asset", 429), ("asset", 503), ("asset", 500), ("asset", 200)
    ]  # fmt: skip
    assert CANARY not in repr(events)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (404, "a file is not there (404)"),
        (410, "a file is not there (410)"),
        (401, "a file is not given out (401)"),
        (403, "a file is not given out (403)"),
        (400, "it answered 400"),
        (304, "it answered 304"),
    ],
)
async def test_what_is_not_to_be_had_is_told_with_its_host(status: int, why: str) -> None:
    async with storage(scripted(status)) as (server, _, assets):
        text = await failing(lambda: assets.get(f"{server.url}/{CANARY}?token={CANARY}", most=100))
    assert why in text
    assert text.startswith(server.url.removeprefix("http://"))
    assert len(server.arrivals) == 1


@pytest.mark.parametrize("answers_others", [True, False])
async def test_a_host_that_answers_nobody_is_an_outage_and_one_bad_file_is_none(
    *, answers_others: bool
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/good":
            return web.Response()
        if len(server.arrivals) > 1 and answers_others:
            await assets.get(server.url + "/good", most=100)
        return web.Response(status=500)

    async with storage(handler, policy=RetryPolicy(tries=3)) as (server, _, assets):
        url = f"{server.url}/bad?token={CANARY}"
        text = await failing(
            lambda: assets.get(url, most=100), RowError if answers_others else TransientError
        )
    assert "it answered 500; given up after 3 attempt(s)" in text


async def test_a_name_that_does_not_exist_is_an_outage_only_where_nothing_else_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up = 0
    go_on = threading.Event()

    def unknown(*_: object, **__: object) -> None:
        nonlocal looked_up
        looked_up += 1
        if looked_up == 2:
            loop.call_soon_threadsafe(again.set)
            go_on.wait()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    loop, again = asyncio.get_running_loop(), asyncio.Event()
    url = f"http://pictures.invalid/{CANARY}"
    async with storage(picture, policy=RetryPolicy(tries=3)) as (server, _, assets):

        async def another() -> None:
            await again.wait()
            await assets.get(server.url, most=len(PICTURE))
            go_on.set()

        async with anyio.create_task_group() as group:
            group.start_soon(another)
            text = await failing(lambda: assets.get(url, most=100))
        assert "pictures.invalid: no connection (the name is not known)" in text
        await failing(lambda: assets.get(url, most=100), TransientError)


# ---- how much ------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "deflate", None])
async def test_no_more_than_the_limit_is_taken_however_small_it_travels(encoding: str | None) -> None:
    body = bytes(50_000_000) if encoding is None else gzip.compress(bytes(50_000_000), 9)
    if encoding == "deflate":
        body = zlib.compress(bytes(50_000_000), 9)

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Encoding": encoding} if encoding else None)

    async with storage(handler) as (server, made, assets):
        text = await failing(lambda: assets.get(f"{server.url}/{CANARY}", most=1_000_000))
        assert "a file is longer than 1000000 bytes" in text
        assert len(server.arrivals) == 1
        assert len(await assets.get(server.url + "/", most=50_000_000)) == 50_000_000
        assert made.pace_of(server.url.removeprefix("http://")).why == "start"


async def test_a_file_without_a_known_length_is_stopped_too() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            try:
                await response.write(bytes(100_000))
            except OSError:
                break
        return response

    async with storage(handler) as (server, _, assets):
        assert "longer than 1000" in await failing(lambda: assets.get(server.url, most=1000))


@pytest.mark.parametrize(
    ("encoding", "body", "why"),
    [
        ("gzip", b"no gzip at all", "its compression is broken"),
        ("gzip", gzip.compress(b"a picture", mtime=0)[:-3], "ends in the middle"),
        ("br", b"x", "not asked for"),
    ],
)
async def test_a_body_that_cannot_be_unpacked_fails_its_row(encoding: str, body: bytes, why: str) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Encoding": encoding})

    async with storage(handler) as (server, _, assets):
        assert why in await failing(lambda: assets.get(server.url, most=1000))


@pytest.mark.parametrize("ranges", [True, False])
async def test_of_the_head_of_a_file_no_more_is_read(*, ranges: bool) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers["Range"])
        if ranges:
            return web.Response(status=206, body=PICTURE[request.http_range])
        return web.Response(body=PICTURE * 100)

    async with storage(handler) as (server, _, assets):
        for _ in range(2):
            assert await assets.head(server.url + "/", most=1000) == PICTURE[:1000]
        assert await assets.head(server.url + "/", most=150_000) == PICTURE[:150_000]
    assert asked == ["bytes=0-999"] * 2 + ["bytes=0-149999"]


async def test_a_part_of_a_file_that_is_kept_compressed_ends_anywhere() -> None:
    packed = gzip.compress(PICTURE)

    async def handler(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip"}
        return web.Response(status=206, body=packed[request.http_range], headers=headers)

    async with storage(handler) as (server, _, assets):
        start = await assets.head(server.url + "/", most=100_000)
    assert 0 < len(start) <= 100_000
    assert PICTURE.startswith(start)


# ---- uploads, and the pace -----------------------------------------------------------------------


async def test_an_upload_has_a_known_length_no_credentials_and_no_redirect() -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    fields = [("key", "a/b.png"), ("policy", CANARY)]
    boundary = boundary_of(fields, PICTURE * 5)
    body = multipart(fields, PICTURE * 5, boundary)
    async with storage(handler) as (server, _, assets):
        headers = {"Content-Type": content_type(boundary)}
        answer = await assets.channel(server.url + "/bucket").send(
            "upload", lambda: Request("POST", server.url + "/bucket", headers, body), judge
        )
    assert answer.status == 307
    assert server.bodies == [body]
    assert seen[0].headers["Content-Length"] == str(len(body))
    assert not {"Authorization", "Cookie", "Transfer-Encoding"} & set(seen[0].headers)


async def test_an_answer_to_an_upload_that_never_ends_fails_its_row() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(2_000_000))

    async with storage(handler) as (server, _, assets):
        door = assets.channel(server.url)
        text = await failing(
            lambda: door.send("upload", lambda: Request("POST", server.url + "/", {}), judge)
        )
    assert "longer than 1048576 bytes" in text


async def test_an_upload_to_another_host_than_that_of_its_door_is_not_sent() -> None:
    async with serving(picture) as other, storage(picture) as (server, _, assets):
        door = assets.channel(server.url)
        with pytest.raises(FatalError, match="another address"):
            await door.send("upload", lambda: Request("POST", other.url + "/", {}), judge)
    assert other.arrivals == []


async def test_files_of_the_platforms_own_host_keep_its_pace_in_whatever_order_they_come() -> None:
    tight = Limits(rate_ceiling=40.0, concurrency_ceiling=2)
    url = "https://api.example.com/v1"
    for own_first in (True, False):
        async with Channels(lambda _: None) as made:
            if own_first:
                made.get(url, tight)
            files = Storage(made).channel("https://API.example.com:443/files")
            own = made.get(url, tight)
            assert own.host is files.host
            bounds = own.host.pace.bounds
            assert (bounds.rate_ceiling, bounds.concurrency_ceiling) == (40.0, 2)


async def test_files_of_another_host_have_limits_of_their_own() -> None:
    async with Channels(lambda _: None) as made:
        Storage(made).channel("https://pictures.example.com/a")
        assert made.hosts == ("pictures.example.com",)
        bounds = made.pace_of("pictures.example.com").bounds
    assert bounds.rate_ceiling == STORAGE_LIMITS.rate_ceiling == 1000
    assert bounds.concurrency_ceiling == STORAGE_LIMITS.concurrency_ceiling == 64

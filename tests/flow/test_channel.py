"""The channel against real servers: what is sent, what is tried again, and how fast."""

import asyncio
import gzip
import socket
import ssl
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.core.backoff import RetryPolicy, RetryQuota
from pipeline.errors import BundleRefused, CredentialsError, FatalError, TransientError, UsageError
from pipeline.events import Event, PaceChanged, RequestDone, Waited
from pipeline.io.channel import Channels, HostChannel
from pipeline.io.http import Session
from pipeline.ports import Answer, Channel, Fatal, Limits, Ok, Reject, Request, Retry, Verdict

pytestmark = pytest.mark.anyio

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LIMITS = Limits(rate_ceiling=1000.0)
CANARY = "canary-5f1d0c9e"


class Server:
    """A real server on a free port of 127.0.0.1. It keeps when each request came, and its raw target."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.arrivals: list[float] = []
        self.targets: list[str] = []
        self.bodies: list[bytes] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.arrivals.append(time.monotonic())
        self.targets.append(request.raw_path)
        self.bodies.append(await request.read())
        return await self.handler(request)


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(handler)
    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


def scripted(*statuses: int, headers: dict[str, str] | None = None) -> Handler:
    """Answer with these statuses in turn, then with 200."""
    left = list(statuses)

    async def handler(_: web.Request) -> web.StreamResponse:
        status = left.pop(0) if left else 200
        return web.Response(status=status, text=f"answer {status}", headers=headers)

    return handler


def judge(answer: Answer) -> Verdict:
    """Judge as a platform would."""
    text = answer.body.decode()
    after = answer.headers.get("retry-after")
    if answer.status < 400:
        return Ok()
    if answer.status == 429 or answer.status >= 500:
        return Retry(text, after=float(after) if after else None, pushback=answer.status in {429, 503})
    if answer.status in {401, 404, 410}:
        return Fatal(text, credentials=answer.status == 401, missing=answer.status == 404)
    if answer.status == 413:
        return Reject(text, too_large=True, at_most=100)
    return Reject(text, rows={"row-1": text})


def get(server: Server, path: str = "/rows") -> Callable[[], Request]:
    return lambda: Request("GET", server.url + path, {"Authorization": f"Bearer {CANARY}"})


def post(server: Server, body: bytes = b"{}") -> Callable[[], Request]:
    return lambda: Request("POST", f"{server.url}/save?token={CANARY}", {"X-Api-Key": CANARY}, body)


@asynccontextmanager
async def channels(
    emit: Callable[[Event], None] = lambda _: None,
    *,
    rate: float | None = 1000.0,
    concurrency: int | None = 8,
    policy: RetryPolicy | None = None,
    quota: RetryQuota | None = None,
    session: Session | None = None,
) -> AsyncIterator[Channels]:
    """Give channels that back off for no time, so that tests need not wait."""
    async with Channels(
        emit,
        requests_per_second=rate,
        concurrency=concurrency,
        policy=policy,
        quota=quota,
        session=session,
        roll=lambda: 0.0,
    ) as made:
        yield made


async def read(channel: Channel, build: Callable[[], Request]) -> bytes:
    async with channel.stream("read", build, judge) as pieces:
        return b"".join([piece async for piece in pieces])


# ---- what is tried again -------------------------------------------------------------------------


async def test_a_request_is_tried_again_after_503_and_then_gives_its_answer() -> None:
    events: list[Event] = []
    async with serving(scripted(503, 500, 503)) as server, channels(events.append) as made:
        channel: Channel = made.get(server.url, LIMITS)
        answer = await channel.send("save", post(server, b"[1]"), judge)
    assert (answer.status, answer.body) == (200, b"answer 200")
    assert server.bodies == [b"[1]"] * 4
    done = [event for event in events if isinstance(event, RequestDone)]
    assert [(event.attempt, event.status, event.outcome) for event in done] == [
        (1, 503, "retry"),
        (2, 500, "retry"),
        (3, 503, "retry"),
        (4, 200, "ok"),
    ]
    assert [(event.sent, event.received) for event in done] == [(3, 10)] * 4


async def test_the_request_is_built_afresh_for_every_attempt() -> None:
    async with serving(scripted(503, 503)) as server, channels() as made:
        bodies = iter([b"one", b"two", b"three"])

        def build() -> Request:
            return Request("POST", server.url, {}, next(bodies))

        await made.get(server.url, LIMITS).send("save", build, judge)
    assert server.bodies == [b"one", b"two", b"three"]


async def test_when_its_tries_are_used_up_a_call_ends_as_transient_and_may_have_been_carried_out() -> None:
    async with serving(scripted(*[503] * 9)) as server, channels(policy=RetryPolicy(tries=3)) as made:
        channel = made.get(server.url, LIMITS)
        with pytest.raises(
            TransientError, match=r"save: .*answer 503.*3 attempt.*tries are used up"
        ) as caught:
            await channel.send("save", post(server), judge)
    assert len(server.arrivals) == 3
    assert caught.value.unknown
    assert caught.value.pushback


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BundleRefused),
        (413, BundleRefused),
        (401, CredentialsError),
        (404, UsageError),
        (410, FatalError),
    ],
)
async def test_what_is_refused_for_good_is_not_tried_again(status: int, error: type[Exception]) -> None:
    async with serving(scripted(status)) as server, channels() as made:
        with pytest.raises(error) as caught:
            await made.get(server.url, LIMITS).send("save", post(server), judge)
    assert len(server.arrivals) == 1
    assert type(caught.value) is error
    if isinstance(caught.value, BundleRefused):
        assert caught.value.rows == ({"row-1": "answer 400"} if status == 400 else {})
        assert (caught.value.too_large, caught.value.at_most) == (
            (status == 413),
            100 if status == 413 else None,
        )


async def test_a_call_may_have_tries_of_its_own() -> None:
    async with serving(scripted(*[503] * 9)) as server, channels() as made:
        with pytest.raises(TransientError, match=r"1 attempt.*tries are used up"):
            await made.get(server.url, LIMITS).send("save", post(server), judge, tries=1)
    assert len(server.arrivals) == 1


async def test_a_redirect_is_not_followed() -> None:
    async with serving(scripted(302, headers={"Location": "/elsewhere"})) as server, channels() as made:
        answer = await made.get(server.url, LIMITS).send("save", post(server), judge)
    assert answer.status == 302
    assert len(server.arrivals) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_nothing_but_the_channel_repeats_a_request(method: str) -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async with serving(drop) as server, channels(policy=RetryPolicy(tries=1)) as made:
        channel = made.get(server.url, LIMITS)
        with pytest.raises(TransientError) as caught:
            await channel.send("save", lambda: Request(method, server.url + "/", {}), judge)
    assert len(server.arrivals) == 1
    assert caught.value.unknown


async def test_a_cancelled_request_is_not_tried_again_and_frees_its_slot() -> None:
    arrived, hold = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/slow":
            arrived.set()
            await hold.wait()
        return web.Response()

    async with serving(handler) as server, channels(concurrency=1) as made:
        channel = made.get(server.url, LIMITS)
        async with anyio.create_task_group() as group:
            group.start_soon(channel.send, "slow", get(server, "/slow"), judge)
            await arrived.wait()
            group.cancel_scope.cancel()
        hold.set()
        await channel.send("quick", get(server, "/quick"), judge)
    assert server.targets == ["/slow", "/quick"]


# ---- settle --------------------------------------------------------------------------------------


def dropping(first: int) -> Handler:
    """Drop the connection of the first so many requests, after they were received."""
    left = [None] * first

    async def handler(request: web.Request) -> web.StreamResponse:
        if left and request.method == "POST":
            left.pop()
            if request.transport is not None:
                request.transport.abort()
        return web.Response(text="done")

    return handler


async def test_after_a_dropped_connection_settle_is_asked_before_the_repeat() -> None:
    asked: list[int] = []
    async with serving(dropping(2)) as server, channels() as made:

        async def settle() -> Answer | None:
            asked.append(len(server.arrivals))
            return None

        answer = await made.get(server.url, LIMITS).send("create", post(server), judge, settle=settle)
    assert answer.body == b"done"
    assert asked == [1, 2]
    assert len(server.arrivals) == 3


async def test_an_answer_from_settle_ends_the_call() -> None:
    found = Answer(200, {}, b"found")
    async with serving(dropping(1)) as server, channels(concurrency=1) as made:
        channel = made.get(server.url, LIMITS)

        async def settle() -> Answer | None:
            await channel.send("look", get(server), judge)  # goes through the same channel
            return found

        assert await channel.send("create", post(server), judge, settle=settle) is found
    assert server.targets == [f"/save?token={CANARY}", "/rows"]


async def test_settle_is_not_asked_where_nothing_can_have_been_carried_out() -> None:
    asked: list[str] = []

    async def settle() -> Answer | None:
        asked.append("settle")
        return None

    async with serving(scripted(429, headers={"Retry-After": "0"})) as server, channels() as made:
        await made.get(server.url, LIMITS).send("create", post(server), judge, settle=settle)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
    async with channels(policy=RetryPolicy(tries=3)) as made:
        with pytest.raises(TransientError, match="no connection") as caught:
            await made.get(closed, LIMITS).send(
                "create", lambda: Request("POST", closed + "/", {}), judge, settle=settle
            )
    assert not caught.value.unknown
    assert asked == []


async def test_a_call_that_cannot_be_settled_ends_as_unknown() -> None:
    async with serving(dropping(9)) as server, channels(policy=RetryPolicy(tries=5)) as made:

        async def settle() -> Answer | None:
            raise TransientError("the listing did not answer", unknown=False)

        with pytest.raises(TransientError, match="could not be found out") as caught:
            await made.get(server.url, LIMITS).send("create", post(server), judge, settle=settle)
    assert caught.value.unknown
    assert len(server.arrivals) == 1


# ---- pushback and outages ------------------------------------------------------------------------


async def test_a_retry_after_holds_back_every_call_to_that_host() -> None:
    async with serving(scripted(429, headers={"Retry-After": "0.5"})) as server:
        events: list[Event] = []
        async with channels(events.append, concurrency=1) as made, anyio.create_task_group() as group:
            channel = made.get(server.url, LIMITS)
            for _ in range(6):
                group.start_soon(channel.send, "save", post(server), judge)
    refused, *others = server.arrivals
    assert len(others) == 6
    assert min(others) - refused >= 0.5
    assert any(isinstance(event, Waited) and event.why == "gate" for event in events)


async def test_a_server_that_asks_for_time_again_and_again_uses_up_no_tries_and_no_quota() -> None:
    quota = RetryQuota(capacity=1)
    handler = scripted(*[429] * 50, headers={"Retry-After": "0.001"})
    async with serving(handler) as server, channels(policy=RetryPolicy(tries=2), quota=quota) as made:
        answer = await made.get(server.url, LIMITS).send("save", post(server), judge)
    assert answer.status == 200
    assert len(server.arrivals) == 51
    assert quota.left == 1


async def test_a_wait_longer_than_patience_ends_every_call_at_once() -> None:
    handler = scripted(429, headers={"Retry-After": "3600"})
    async with serving(handler) as server, channels(policy=RetryPolicy(patience=60.0)) as made:
        channel = made.get(server.url, LIMITS)
        with pytest.raises(TransientError, match="over 60 s after") as caught:
            await channel.send("save", post(server), judge)
        assert (caught.value.after, caught.value.unknown) == (3600.0, False)
        with pytest.raises(TransientError, match="more than the 60 s allowed"):
            await channel.send("save", post(server), judge)
    assert len(server.arrivals) == 1


async def test_an_outage_does_not_become_a_storm() -> None:
    handler = scripted(*[500] * 1000)
    quota = RetryQuota(capacity=10)
    async with serving(handler) as server, channels(policy=RetryPolicy(tries=50), quota=quota) as made:
        channel = made.get(server.url, LIMITS)
        ends: list[str] = []

        async def call() -> None:
            with pytest.raises(TransientError) as caught:
                await channel.send("save", post(server), judge)
            ends.append(str(caught.value))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(call)
    assert len(server.arrivals) == 20 + 10
    assert len(ends) == 20
    assert all("retries are used up" in end for end in ends)
    assert channel.successes == 0


async def test_a_request_that_always_fails_is_told_from_an_outage_by_the_successes_of_others() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500 if request.path == "/poison" else 200)

    async with serving(handler) as server, channels(policy=RetryPolicy(tries=3)) as made:
        channel = made.get(server.url, LIMITS)
        mark = channel.successes
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(channel.send, "save", get(server), judge)
            with pytest.raises(TransientError, match="tries are used up"):
                await channel.send("save", get(server, "/poison"), judge)
        assert channel.successes - mark == 5


async def test_a_call_that_backs_off_holds_no_slot() -> None:
    async with (
        serving(scripted(500)) as server,
        Channels(
            lambda _: None,
            requests_per_second=1000.0,
            concurrency=1,
            policy=RetryPolicy(base=0.5),
            roll=lambda: 0.999,
        ) as made,
        anyio.create_task_group() as group,
    ):
        channel = made.get(server.url, LIMITS)
        group.start_soon(channel.send, "first", get(server, "/first"), judge)
        group.start_soon(channel.send, "second", get(server, "/second"), judge)
    assert server.targets == ["/first", "/second", "/first"]


# ---- pace ----------------------------------------------------------------------------------------


class CountingSession(Session):
    """The real session; keeps when each request was handed to aiohttp."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[float] = []

    async def send(self, request: Request) -> Answer:
        self.starts.append(time.monotonic())
        return await super().send(request)


def most_in_a_second(times: list[float]) -> int:
    first = most = 0
    for number, moment in enumerate(times):
        while moment - times[first] >= 1.0:
            first += 1
        most = max(most, number - first + 1)
    return most


async def send_many(channel: HostChannel, build: Callable[[], Request], count: int, callers: int) -> None:
    left = iter(range(count))

    async def caller() -> None:
        for _ in left:
            await channel.send("save", build, judge)

    async with anyio.create_task_group() as group:
        for _ in range(callers):
            group.start_soon(caller)


async def test_no_second_sees_more_requests_than_the_rate_and_a_server_that_counts_refuses_none() -> None:
    recent: list[float] = []

    async def handler(_: web.Request) -> web.StreamResponse:
        now = time.monotonic()
        recent[:] = [*(moment for moment in recent if now - moment < 1.0), now]
        return web.Response(status=429 if len(recent) > 51 else 200)

    session, events = CountingSession(), list[Event]()
    async with serving(handler) as server, channels(events.append, rate=50.0, session=session) as made:
        await send_many(made.get(server.url, LIMITS), get(server), count=130, callers=16)
    assert most_in_a_second(session.starts) <= 50
    assert [event.status for event in events if isinstance(event, RequestDone)] == [200] * 130
    assert max(event.seconds for event in events if isinstance(event, Waited) and event.why == "throttle") > 0


async def test_every_attempt_counts_in_the_rate() -> None:
    session = CountingSession()
    handler = scripted(*[500, 200] * 15)
    policy = RetryPolicy(tries=30)
    async with serving(handler) as server, channels(rate=20.0, session=session, policy=policy) as made:
        await send_many(made.get(server.url, LIMITS), get(server), count=15, callers=4)
    assert len(session.starts) == 30
    assert most_in_a_second(session.starts) <= 20


async def test_requests_are_spread_over_the_second() -> None:
    session = CountingSession()
    async with serving(scripted()) as server, channels(rate=50.0, session=session) as made:
        await send_many(made.get(server.url, LIMITS), get(server), count=25, callers=8)
    starts = session.starts
    assert min(later - earlier for earlier, later in pairwise(starts)) > 0.008


async def test_as_many_requests_run_at_once_as_the_concurrency_allows_and_never_more() -> None:
    running, most = 0, 0
    together = asyncio.Barrier(3)  # lets requests pass by threes only

    async def handler(_: web.Request) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await together.wait()
        running -= 1
        return web.Response()

    async with serving(handler) as server, channels(concurrency=3) as made:
        await send_many(made.get(server.url, LIMITS), get(server), count=30, callers=10)
    assert most == 3


async def test_without_a_rate_of_the_job_pushback_halves_the_pace_and_tells() -> None:
    events: list[Event] = []
    limits = Limits(rate_floor=10.0, rate_ceiling=400.0, concurrency_ceiling=8)
    async with serving(scripted(503)) as server, channels(events.append, rate=None, concurrency=None) as made:
        channel = made.get(server.url, limits)
        host = made.hosts[0]
        assert (made.pace_of(host).rate, made.pace_of(host).concurrency) == (200.0, 4)
        await channel.send("save", post(server), judge)
        assert (made.pace_of(host).rate, made.pace_of(host).concurrency) == (100.0, 2)
    assert [event for event in events if isinstance(event, PaceChanged)] == [
        PaceChanged(host, 2, 100.0, "pushback")
    ]


async def test_a_rate_of_the_job_is_kept_whatever_the_server_says() -> None:
    async with serving(scripted(503, 503)) as server, channels(rate=30.0, concurrency=None) as made:
        await made.get(server.url, LIMITS).send("save", post(server), judge)
        pace = made.pace_of(made.hosts[0])
    assert (pace.rate, pace.concurrency) == (30.0, 2)


async def test_both_sides_of_a_job_share_one_channel_and_its_tighter_limits() -> None:
    async with channels(rate=None, concurrency=None) as made:
        one = made.get("http://127.0.0.1:1/api", Limits(rate_ceiling=40.0))
        other = made.get("http://127.0.0.1:1/other", Limits(rate_ceiling=10.0, concurrency_ceiling=2))
        assert one is other
        assert made.hosts == ("127.0.0.1:1",)
        assert made.pace_of("127.0.0.1:1").rate == 10.0
        assert made.get("http://127.0.0.1:2", LIMITS) is not one
        with pytest.raises(UsageError, match="is not a URL"):
            made.get("ftp://user:secret@127.0.0.1", LIMITS)


# ---- streams -------------------------------------------------------------------------------------


async def test_a_stream_gives_the_body_in_pieces_while_the_channel_serves_others() -> None:
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path != "/stream":
            return web.Response()
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await go_on.wait()
        await response.write(b"second")
        return response

    events: list[Event] = []
    async with serving(handler) as server, channels(events.append, concurrency=1) as made:
        channel: Channel = made.get(server.url, LIMITS)
        async with channel.stream("read", get(server, "/stream"), judge) as pieces:
            assert await anext(pieces) == b"first"
            await channel.send("save", get(server), judge)
            go_on.set()
            assert b"".join([piece async for piece in pieces]) == b"second"
    streamed = [event for event in events if isinstance(event, RequestDone) and event.kind == "read"]
    assert [(event.outcome, event.received) for event in streamed] == [("ok", 11)]


async def test_opening_a_stream_is_tried_again_and_refusals_are_judged_with_their_body() -> None:
    async with serving(scripted(503, 503)) as server, channels() as made:
        assert await read(made.get(server.url, LIMITS), get(server)) == b"answer 200"
        assert len(server.arrivals) == 3
    async with serving(scripted(401)) as server, channels() as made:
        with pytest.raises(CredentialsError, match="answer 401"):
            await read(made.get(server.url, LIMITS), get(server))


async def test_a_stream_that_breaks_off_is_transient_and_is_not_read_again() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"part")
        if request.transport is not None:
            request.transport.close()
        return response

    events: list[Event] = []
    async with serving(handler) as server, channels(events.append) as made:
        with pytest.raises(TransientError, match="no whole answer"):
            await read(made.get(server.url, LIMITS), get(server))
    assert len(server.arrivals) == 1
    assert [event.outcome for event in events if isinstance(event, RequestDone)] == ["error"]


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

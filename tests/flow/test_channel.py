"""The channel against real servers: what is tried again, settled and streamed."""

import asyncio
import socket

import anyio
import pytest
from aiohttp import web

from pipeline.core.backoff import RetryPolicy
from pipeline.errors import BundleRefused, CredentialsError, FatalError, TransientError, UsageError
from pipeline.events import Event, RequestDone
from pipeline.ports import Answer, Channel, Request
from tests.flow.server import CANARY, LIMITS, Handler, channels, get, judge, post, read, scripted, serving

pytestmark = pytest.mark.anyio


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
    assert not caught.value.pushback


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

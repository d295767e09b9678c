"""How fast the channel sends, and what it does when a server asks for less or fails."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import anyio
import pytest
from aiohttp import web

from pipeline.core.backoff import RetryPolicy, RetryQuota
from pipeline.errors import TransientError, UsageError
from pipeline.events import Event, PaceChanged, RequestDone, Waited
from pipeline.io.channel import Channels, HostChannel
from pipeline.io.http import Read, Session
from pipeline.ports import Answer, Limits, Request
from tests.flow.server import LIMITS, channels, get, judge, post, scripted, serving

pytestmark = pytest.mark.anyio


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

    async def send(self, request: Request, read: Read | None = None) -> Answer:
        self.starts.append(time.monotonic())
        return await super().send(request, read)


def most_in_a_second(times: list[float]) -> int:
    first = most = 0
    for number, moment in enumerate(times):
        while moment - times[first] >= 1.0:
            first += 1
        most = max(most, number - first + 1)
    return most


async def undisturbed(measure: Callable[[], Awaitable[None]]) -> None:
    """Measure again, a few times at most, where the machine itself held this process up for long.

    A process that does not run between its token and its request says nothing about the channel.
    """
    for _ in range(6):
        async with anyio.create_task_group() as group:
            longest = [0.0]
            group.start_soon(_hold_ups, longest)
            try:
                await measure()
            except AssertionError:
                if longest[0] < HOLD_UP:
                    raise
            else:
                return
            finally:
                group.cancel_scope.cancel()
    await measure()


HOLD_UP = 0.005


async def _hold_ups(longest: list[float]) -> None:
    while True:
        began = time.monotonic()
        await anyio.sleep(0.001)
        longest[0] = max(longest[0], time.monotonic() - began - 0.001)


async def send_many(channel: HostChannel, build: Callable[[], Request], count: int, callers: int) -> None:
    left = iter(range(count))

    async def caller() -> None:
        for _ in left:
            await channel.send("save", build, judge)

    async with anyio.create_task_group() as group:
        for _ in range(callers):
            group.start_soon(caller)


async def test_no_second_sees_more_requests_than_the_rate_and_a_server_that_counts_refuses_none() -> None:
    await undisturbed(_counted_by_a_server)


async def _counted_by_a_server() -> None:
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
    await undisturbed(_attempts_counted)


async def _attempts_counted() -> None:
    session = CountingSession()
    handler = scripted(*[500, 200] * 15)
    policy = RetryPolicy(tries=30)
    async with serving(handler) as server, channels(rate=20.0, session=session, policy=policy) as made:
        await send_many(made.get(server.url, LIMITS), get(server), count=15, callers=4)
    assert len(session.starts) == 30
    assert most_in_a_second(session.starts) <= 20


async def test_requests_are_spread_over_the_second() -> None:
    await undisturbed(_spread)


async def _spread() -> None:
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


SLOWER = {"Retry-After": "0.001"}


@pytest.mark.parametrize(("status", "headers"), [(429, None), (503, SLOWER), (500, SLOWER)])
async def test_without_a_rate_of_the_job_pushback_halves_the_pace_and_tells(
    status: int, headers: dict[str, str] | None
) -> None:
    events: list[Event] = []
    limits = Limits(rate_floor=10.0, rate_ceiling=400.0, concurrency_ceiling=8)
    handler = scripted(status, headers=headers)
    async with serving(handler) as server, channels(events.append, rate=None, concurrency=None) as made:
        channel = made.get(server.url, limits)
        host = made.hosts[0]
        assert (made.pace_of(host).rate, made.pace_of(host).concurrency) == (200.0, 4)
        await channel.send("save", post(server), judge)
        assert (made.pace_of(host).rate, made.pace_of(host).concurrency) == (100.0, 2)
    assert [event for event in events if isinstance(event, PaceChanged)] == [
        PaceChanged(host, 2, 100.0, "pushback")
    ]


@pytest.mark.parametrize(("failures", "rate"), [(1, 200.0), (3, 200.0), (12, 100.0)])
async def test_failures_that_ask_for_nothing_halve_the_pace_only_where_many_come(
    failures: int, rate: float
) -> None:
    limits = Limits(rate_floor=10.0, rate_ceiling=400.0, concurrency_ceiling=8)
    handler = scripted(*[(503, 502, 500)[number % 3] for number in range(failures)])
    policy = RetryPolicy(tries=20)
    async with serving(handler) as server, channels(rate=None, concurrency=None, policy=policy) as made:
        await made.get(server.url, limits).send("save", post(server), judge)
        assert made.pace_of(made.hosts[0]).rate == rate


async def test_a_rate_of_the_job_is_kept_whatever_the_server_says() -> None:
    async with serving(scripted(429, 429)) as server, channels(rate=30.0, concurrency=None) as made:
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

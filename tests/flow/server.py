"""A real server that answers to order, and the channel's side of the talk with it."""

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from pipeline.core.backoff import RetryPolicy, RetryQuota
from pipeline.events import Event
from pipeline.io.channel import Channels
from pipeline.io.http import Session
from pipeline.ports import Answer, Channel, Fatal, Limits, Ok, Reject, Request, Retry, Verdict

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
        slower = answer.status == 429 or (answer.status == 503 and after is not None)
        return Retry(text, after=float(after) if after else None, pushback=slower)
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

"""The door to a host: retry( slot( gate( throttle( request )))), the same for every request of a run."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final, Self

import anyio
from yarl import URL

from pipeline.core.backoff import RetryPolicy, RetryQuota
from pipeline.core.pace import Bounds, Pace
from pipeline.errors import UsageError
from pipeline.events import Event
from pipeline.io.attempts import Call, Exchange
from pipeline.io.guarded import GuardedSession
from pipeline.io.host import Host
from pipeline.io.http import Read, Reply, Session
from pipeline.ports import Answer, Limits, Request, Verdict

_REDIRECT: Final = 300  # and above: an answer to be judged, not a body to be streamed


class HostChannel:
    """The channel of one host (`pipeline.ports.Channel`), shared by all calls of a run to it."""

    def __init__(self, host: Host, session: Session) -> None:
        self.host = host
        self._session = session

    @property
    def successes(self) -> int:
        """Good answers so far, of all calls.

        A caller whose tries are used up learns from it whether the host answered others meanwhile.
        """
        return self.host.successes

    async def send(
        self,
        kind: str,
        build: Callable[[], Request],
        judge: Callable[[Answer], Verdict],
        *,
        settle: Callable[[], Awaitable[Answer | None]] | None = None,
        tries: int | None = None,
        read: Read | None = None,
    ) -> Answer:
        """Send one request and return its good answer.

        `tries` bounds the attempts that fail (None: as the policy says). An attempt that the server puts off
        (429, or "slower" with a Retry-After) is not counted; patience bounds those. `read` reads the body
        (None: whole, up to the session's limit).

        Raises:
            TransientError: tries, patience or the run's retries are used up; `unknown` is true where an
                attempt that was not settled may have been carried out.
            BundleRefused, FatalError, UsageError, CredentialsError: what `judge` made of the answer.
            FatalError: the request is for another host, the certificate is not valid, the answer is too long.
        """
        call = Call(self.host, kind, tries)

        async def attempt() -> Answer:
            if call.unknown and settle is not None:
                settled = await call.settle(settle)
                if settled is not None:
                    return settled
            async with self.host.slot():
                request = await self.host.turn(lambda: self._session.usual(build()))
                with Exchange(call, request) as exchange:
                    answer = await self._session.send(request, read)
            exchange.judged(answer, judge(answer))
            return answer

        return await call.run(attempt)

    @asynccontextmanager
    async def stream(
        self, kind: str, build: Callable[[], Request], judge: Callable[[Answer], Verdict]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Send one request and give the body of its good answer piece by piece.

        Errors of opening are those of `send`; a body that breaks off raises TransientError where it is read.
        Reading holds no slot, so that whoever reads can send other requests meanwhile.
        """
        call = Call(self.host, kind)
        async with AsyncExitStack() as stack:
            opened = await call.run(partial(self._open, call, build, judge, stack))
            if isinstance(opened, Answer):
                yield _single(opened.body)
                return
            exchange, reply = opened
            try:
                yield await stack.enter_async_context(aclosing(reply.chunks()))
            finally:
                exchange.ended("error" if reply.broken else "ok", reply.status, reply.received)

    async def _open(
        self,
        call: Call,
        build: Callable[[], Request],
        judge: Callable[[Answer], Verdict],
        stack: AsyncExitStack,
    ) -> tuple[Exchange, Reply] | Answer:
        async with self.host.slot():
            request = await self.host.turn(lambda: self._session.usual(build()))
            with Exchange(call, request) as exchange:
                async with AsyncExitStack() as attempt:
                    reply = await attempt.enter_async_context(self._session.stream(request))
                    if reply.status < _REDIRECT:
                        stack.push_async_exit(attempt.pop_all())
                        exchange.opened()
                        return exchange, reply
                    answer = await reply.read(self._session.max_body)
        exchange.judged(answer, judge(answer))
        return answer


class Channels:
    """The channels of one run: one per host, over one session and one retry quota.

    `requests_per_second` and `concurrency` hold for each host; where one is None it is tuned between the
    floor and the ceiling of the host's limits. To be used as `async with`. `get` fits
    `pipeline.ports.Tools.channel`. `roll` gives random numbers in [0, 1). `guarded` is the session for URLs
    that a server hands us.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        *,
        requests_per_second: float | None = None,
        concurrency: int | None = None,
        policy: RetryPolicy | None = None,
        quota: RetryQuota | None = None,
        session: Session | None = None,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self.quota = quota or RetryQuota()
        self._emit = emit
        self._rate = requests_per_second
        self._concurrency = concurrency
        self._policy = policy or RetryPolicy()
        self._session = session or Session()
        self._roll = roll
        self._channels: dict[URL, HostChannel] = {}
        self._hosts: dict[URL, Host] = {}
        self._limits: dict[URL, Limits] = {}
        self._own: set[str] = set()
        self.guarded = GuardedSession(self.is_own)

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        await self.guarded.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        # Also where the run is being cancelled: a session that is left open is complained of at the end.
        with anyio.CancelScope(shield=True):
            await self.guarded.__aexit__(*error)
            await self._session.__aexit__(*error)

    def get(self, base_url: str, limits: Limits) -> HostChannel:
        """Return the channel of the host of `base_url`: the same for every URL of that scheme, host and port.

        Where both sides of a job use one host, the tighter of their limits hold. Raises UsageError for an
        address that is not an http or https URL.
        """
        origin = _origin(base_url)
        self._own.add(_plain(origin.raw_host))
        host = self._host(origin, limits)
        channel = self._channels.get(origin)
        if channel is None:
            channel = self._channels[origin] = HostChannel(host, self._session)
        return channel

    def host(self, url: URL, limits: Limits) -> Host:
        """Return what all calls to the host of `url` share, those of its channel too if it has one.

        Such a channel's limits hold then. This makes no channel, and no host the job's own.
        """
        origin = url.origin()
        return self._hosts[origin] if origin in self._channels else self._host(origin, limits)

    def is_own(self, host: str) -> bool:
        """Whether a channel was asked for to this host, on any port: the job itself names it."""
        return _plain(host) in self._own

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that have a channel, as `host` or `host:port`."""
        return tuple(host.name for host in self._hosts.values())

    @property
    def successes(self) -> int:
        """Good answers of all hosts so far."""
        return sum(host.successes for host in self._hosts.values())

    def pace_of(self, host: str) -> Pace:
        """Return the pace of one of `hosts` as it stands; KeyError if it is none of them."""
        return {known.name: known.pace for known in self._hosts.values()}[host]

    def _host(self, origin: URL, limits: Limits) -> Host:
        known = self._limits.get(origin)
        limits = self._limits[origin] = limits if known is None else _tighter(known, limits)
        bounds = self._bounds(limits)
        host = self._hosts.get(origin)
        if host is None:
            host = Host(origin, bounds, self._policy, self.quota, self._roll, self._emit)
            host.address = limits.address
            self._hosts[origin] = host
        else:
            host.narrow(bounds)
        return host

    def _bounds(self, limits: Limits) -> Bounds:
        low, high = limits.rate_floor, limits.rate_ceiling
        least, most = limits.concurrency_floor, limits.concurrency_ceiling
        if self._rate is not None:
            low = high = self._rate
        if self._concurrency is not None:
            least = most = self._concurrency
        return Bounds(low, high, least, most)


def _origin(base_url: str) -> URL:
    """Return scheme, host and port. A password in the address must not reach a message, so none quotes it."""
    try:
        url = URL(base_url)
        if url.scheme in {"http", "https"}:
            return url.origin()
    except ValueError:
        pass
    raise UsageError("the address of a server is not a URL like https://api.example.com; correct its `url`")


def _plain(host: str | None) -> str:
    return (host or "").rstrip(".").lower()


def _tighter(one: Limits, other: Limits) -> Limits:
    return replace(
        one,
        rate_floor=min(one.rate_floor, other.rate_floor),
        rate_ceiling=min(one.rate_ceiling, other.rate_ceiling),
        concurrency_floor=min(one.concurrency_floor, other.concurrency_floor),
        concurrency_ceiling=min(one.concurrency_ceiling, other.concurrency_ceiling),
    )


async def _single(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body

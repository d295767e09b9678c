"""What all calls to one host share: slots, gate, throttle, pace, and the count of good answers."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
from yarl import URL

from pipeline.core.backoff import RetryPolicy, RetryQuota
from pipeline.core.pace import Bounds, Pace
from pipeline.errors import FatalError, TransientError, UsageError
from pipeline.events import Event, PaceChanged, Waited
from pipeline.io.throttle import Throttle
from pipeline.ports import Request

_TOLD: Final = 0.001  # seconds: a shorter wait is no event


class Host:
    """One host. `successes` counts good answers, of all calls together.

    `roll` gives random numbers in [0, 1). `quota` is shared with the other hosts of the run. `address` is
    what a user corrects where the host is the wrong one.
    """

    def __init__(
        self,
        origin: URL,
        bounds: Bounds,
        policy: RetryPolicy,
        quota: RetryQuota,
        roll: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        self.name = origin.host_port_subcomponent or ""
        self.policy = policy
        self.quota = quota
        self.roll = roll
        self.emit = emit
        self.successes = 0
        self.address = ""
        self.pace = Pace.start(bounds)
        self._origin = origin
        self._prefix = str(origin)
        self._throttle = Throttle(self.pace.rate)
        self._slots = anyio.CapacityLimiter(self.pace.concurrency)
        self._turns = anyio.Lock(fast_acquire=True)
        self._opens = 0.0

    def narrow(self, bounds: Bounds) -> None:
        """Keep the pace within these bounds from now on."""
        self._set(self.pace.within(bounds))

    def shut(self, seconds: float) -> None:
        """Shut the gate: let no request of any call out for so long. A gate that is shut longer stays so."""
        self._opens = max(self._opens, time.monotonic() + seconds)

    def waited(self, why: str, seconds: float) -> None:
        """Tell of a wait, if there was one to speak of."""
        if seconds >= _TOLD:
            self.emit(Waited(self.name, why, seconds))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Be one of the requests that run at once."""
        borrower = object()
        began = time.monotonic()
        await self._slots.acquire_on_behalf_of(borrower)
        try:
            self.waited("slot", time.monotonic() - began)
            yield
        finally:
            self._slots.release_on_behalf_of(borrower)

    async def turn(self, build: Callable[[], Request]) -> Request:
        """Wait for the gate, then for a token, first come first served; return the request to send at once.

        The request is built just before its token is taken: its signature is fresh, and the work of
        building it does not come between the token and the sending.

        Raises:
            TransientError: the gate stays shut for longer than patience.
            FatalError: the request is for another host.
        """
        began = time.monotonic()
        gated = 0.0
        async with self._turns:
            while True:
                gated += await self._gate()
                await self._throttle.space()
                if self._opens > time.monotonic():
                    continue
                request = build()
                self._check_origin(request)
                await self._throttle.take()
                if self._opens <= time.monotonic():
                    break
        self.waited("gate", gated)
        self.waited("throttle", time.monotonic() - began - gated)
        return request

    def learn(self, kind: str, *, ok: bool, pushback: bool, failed: bool, seconds: float, size: int) -> None:
        """Count an attempt, and tune the pace by it (see `Pace.after`)."""
        if ok:
            self.successes += 1
            self.quota.give()
        if not self.pace.bounds.fixed:
            now = time.monotonic()
            pace = self.pace.after(
                kind, ok=ok, pushback=pushback, failed=failed, seconds=seconds, now=now, size=size
            )
            self._set(pace)

    async def _gate(self) -> float:
        began = now = time.monotonic()
        while (wait := self._opens - now) > 0:
            if wait > self.policy.patience:
                text = f"asks to wait {wait:.0f} s, more than the {self.policy.patience:.0f} s allowed"
                raise TransientError(f"{self.name} {text}", after=wait, pushback=True, unknown=False)
            await anyio.sleep(wait)
            now = time.monotonic()
        return now - began

    def _check_origin(self, request: Request) -> None:
        """Keep credentials with their host: servers name addresses too, as in the link to a next page."""
        after = len(self._prefix)
        if request.url.startswith(self._prefix) and request.url[after : after + 1] in {"", "/", "?"}:
            return
        try:
            if URL(request.url, encoded=True).origin() == self._origin:
                return
        except ValueError:
            raise UsageError(f"{self.name}: the address of a request is not a valid URL") from None
        text = "a request to another address was not sent, as it would take this host's credentials there"
        raise FatalError(f"{self._prefix}: {text}")

    def _set(self, pace: Pace) -> None:
        old, self.pace = self.pace, pace
        if (pace.rate, pace.concurrency) == (old.rate, old.concurrency):
            return
        self._throttle.rate = pace.rate
        self._slots.total_tokens = pace.concurrency
        self.emit(PaceChanged(self.name, pace.concurrency, pace.rate, pace.why))

"""Requests per second to one host: never more than the rate in any second, and evenly spread."""

import time
from typing import Final

import anyio
from asyncio_throttle.throttler import Throttler

_HEADROOM: Final = 0.985  # of the rate, in the long run: a server's second is not ours to the millisecond
_WINDOW: Final = 1.012  # seconds of ours that count as one second of the server's
_NEAREST: Final = 0.9  # of the even distance: the closest that two requests come when catching up
_WAKE_UP: Final = 0.002  # seconds: how late the event loop wakes a sleeper (epoll counts milliseconds)
_CREDIT: Final = 0.5  # seconds that may be caught up after the event loop was busy with something else
_POLL: Final = 0.005  # seconds between two looks of asyncio-throttle


class Throttle:
    """The tokens of one host, for one caller at a time: hold a lock around `space` and `take`.

    asyncio-throttle keeps the hard limit. Alone it would send a second's requests at once and then nothing,
    and its waiters would poll all at once. So tokens are also spaced: a server that counts sees a request
    each 1/rate seconds, and delays on the way that differ by less than that do not push two seconds' requests
    into one.
    """

    def __init__(self, rate: float) -> None:
        self._throttler = Throttler(rate_limit=1, period=1.0, retry_interval=_POLL)
        self._last = self._due = float("-inf")
        self.rate = rate

    @property
    def rate(self) -> float:
        """Requests per second. Setting it counts from the next token."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        whole = max(1, int(rate))
        self._throttler.rate_limit = whole
        self._throttler.period = _WINDOW * whole / rate
        self._gap = 1.0 / (_HEADROOM * rate)
        self._nearest = max(0.0, _NEAREST / rate - _WAKE_UP)

    async def space(self) -> None:
        """Wait until the next token is due."""
        wait = max(self._due, self._last + self._nearest) - time.monotonic()
        if wait > 0:
            await anyio.sleep(wait)

    async def take(self) -> None:
        """Take the token; it counts from the return of this call."""
        await self._throttler.acquire()
        now = self._last = time.monotonic()
        behind = now - self._due
        self._due = self._due + self._gap if behind < _CREDIT else now + self._gap

"""The pace of requests to one host, tuned between floor and ceiling by what the answers show."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

WINDOW: Final = 1.0
"""Seconds: at most one halving, and at most one step of growth, in each."""

_SHORT: Final = 0.3  # weights of a new latency: a short memory of about 3 answers
_LONG: Final = 0.03  # and a long one of about 33
_KNOWN: Final = 20  # answers before the long memory is believed
_GROWING: Final = 2.0  # short over long: latency grows; the kinds of request vary less than this
_STEADY: Final = 1.5  # short over long: still quick enough to try more
_NOISE: Final = 0.02  # seconds; a smaller difference is jitter, whatever the ratio
_USED: Final = 0.5  # a limit grows only where at least this part of it was in use
_STEP: Final = 0.05  # growth of the rate per window, as a part of its ceiling
_RECENT: Final = 0.1  # weight of a new failure: a memory of about 10 attempts
_MANY: Final = 0.5  # of the last attempts failed: the server has too much to do, whatever it says


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between what the pace may move: requests per second, and requests at once.

    Where floor and ceiling are equal the value is fixed.
    """

    rate_floor: float
    rate_ceiling: float
    concurrency_floor: int
    concurrency_ceiling: int

    def __post_init__(self) -> None:
        if not (0 < self.rate_floor <= self.rate_ceiling and math.isfinite(self.rate_ceiling)):
            raise ValueError(
                f"a rate needs 0 < floor <= ceiling; found {self.rate_floor}, {self.rate_ceiling}"
            )
        if not 1 <= self.concurrency_floor <= self.concurrency_ceiling:
            found = f"{self.concurrency_floor}, {self.concurrency_ceiling}"
            raise ValueError(f"a concurrency needs 1 <= floor <= ceiling; found {found}")

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to tune."""
        return self.rate_floor == self.rate_ceiling and self.concurrency_floor == self.concurrency_ceiling


@dataclass(frozen=True, slots=True)
class Latency:
    """A short and a long moving mean, in seconds, of the answers to requests that are alike."""

    short: float = 0.0
    long: float = 0.0
    answers: int = 0

    def after(self, seconds: float) -> "Latency":
        """Return the means after one more answer. Early on, both are the plain mean of all answers."""
        answers = self.answers + 1
        short = self.short + (seconds - self.short) * max(_SHORT, 1 / answers)
        long = self.long + (seconds - self.long) * max(_LONG, 1 / answers)
        return Latency(short, long, answers)

    def above(self, ratio: float) -> bool:
        """Whether the last few answers took more than `ratio` times as long as was usual."""
        excess = self.short - self.long
        return self.answers >= _KNOWN and excess > _NOISE and self.short > ratio * self.long


@dataclass(frozen=True, slots=True)
class Pace:
    """Rate (requests per second) and concurrency as they stand, and what the next step is decided from.

    Additive growth, halving on pushback: as TCP, and for its reasons. Latencies are compared only between
    requests of one kind whose sizes are within a factor of two, so that a run of large requests does not
    look like a server that slows down. Times are seconds on any clock that does not go back.
    """

    bounds: Bounds
    rate: float
    concurrency: int
    why: str = "start"
    since: float = -math.inf
    halved: float = -math.inf
    good: int = 0
    busy: float = 0.0
    failing: float = 0.0
    """The part of the last attempts that failed."""
    latencies: Mapping[tuple[str, int], Latency] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def start(cls, bounds: Bounds) -> "Pace":
        """Return the first pace: half of each ceiling, from where either way is short."""
        rate = max(bounds.rate_floor, bounds.rate_ceiling / 2)
        return cls(bounds, rate, max(bounds.concurrency_floor, (bounds.concurrency_ceiling + 1) // 2))

    def after(
        self,
        kind: str,
        *,
        ok: bool,
        pushback: bool,
        seconds: float,
        now: float,
        size: int = 0,
        failed: bool = False,
    ) -> "Pace":
        """Return the pace after one attempt of a request.

        `ok`: a good answer. `pushback`: the server asks for less. `failed`: it does not, but it is in trouble
        (5xx, or no answer at all), which slows down only where many attempts end so. An attempt that is none
        of these (a request that was refused) says nothing about the pace. `seconds` is the time the attempt
        took, `size` its bytes both ways, `now` when it ended.
        """
        if pushback:
            return _halved(self, "pushback", seconds, now)
        if failed:
            return _troubled(self, seconds, now)
        if not ok:
            return self
        alike = (kind, size.bit_length())
        latency = self.latencies.get(alike, Latency()).after(seconds)
        seen = replace(
            self,
            since=now - seconds if self.since == -math.inf else self.since,
            good=self.good + 1,
            busy=self.busy + seconds,
            failing=self.failing * (1 - _RECENT),
            latencies={**self.latencies, alike: latency},
        )
        if latency.above(_GROWING):
            return _halved(seen, "latency", seconds, now)
        if now - seen.since < WINDOW:
            return seen
        return _grown(seen, now, quick=not latency.above(_STEADY))

    def within(self, bounds: Bounds) -> "Pace":
        """Return this pace, moved into other bounds."""
        rate = min(max(self.rate, bounds.rate_floor), bounds.rate_ceiling)
        concurrency = min(max(self.concurrency, bounds.concurrency_floor), bounds.concurrency_ceiling)
        return replace(self, bounds=bounds, rate=rate, concurrency=concurrency)


def _troubled(pace: Pace, seconds: float, now: float) -> Pace:
    """Count a failure, unless the attempt began before the last halving; halve where they are many."""
    if now - seconds < pace.halved:
        return pace
    failing = pace.failing + (1 - pace.failing) * _RECENT
    seen = replace(pace, failing=failing)
    if failing <= _MANY or now - pace.halved < WINDOW:
        return seen
    return _halved(seen, "failures", seconds, now)


def _halved(pace: Pace, why: str, seconds: float, now: float) -> Pace:
    """Halve, unless the attempt began before the last halving or that was less than a window ago."""
    fresh = replace(pace, since=now, good=0, busy=0.0)
    if now - seconds < pace.halved or now - pace.halved < WINDOW:
        return fresh
    rate = max(pace.bounds.rate_floor, pace.rate / 2)
    concurrency = max(pace.bounds.concurrency_floor, pace.concurrency // 2)
    return replace(fresh, rate=rate, concurrency=concurrency, why=why, halved=now, failing=0.0)


def _grown(pace: Pace, now: float, *, quick: bool) -> Pace:
    """Grow what was in use over the window that ends now; what was idle proves nothing."""
    elapsed, bounds = now - pace.since, pace.bounds
    rate, concurrency, why = pace.rate, pace.concurrency, pace.why
    if quick and pace.good / elapsed >= _USED * rate:
        rate = min(bounds.rate_ceiling, rate + _STEP * bounds.rate_ceiling)
    if quick and pace.busy / elapsed >= _USED * concurrency:  # Little's law: the mean number in flight
        concurrency = min(bounds.concurrency_ceiling, concurrency + 1)
    if (rate, concurrency) != (pace.rate, pace.concurrency):
        why = "answers come quickly"
    return replace(pace, rate=rate, concurrency=concurrency, why=why, since=now, good=0, busy=0.0)

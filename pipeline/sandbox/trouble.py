"""Decides what happens to one request under the faults that are set."""

import random
from collections import deque
from dataclasses import dataclass

from pipeline.sandbox.faults import Faults


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a request. `carried_out`: the server does the work before it fails."""

    status: int | None = None
    """None: no answer at all, the connection is closed."""
    message: str = ""
    after: float | None = None
    carried_out: bool = False


class Trouble:
    """The faults with the memory that they need: a seeded random source and the last second's requests."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311 - faults that can be repeated, no secret
        self._began: float | None = None
        self._count = 0
        self._accepted: deque[float] = deque()

    def fate(self, kind: str, number: int, size: int, now: float) -> Fate | None:
        """Return what goes wrong with a request, or None when nothing does.

        `number` counts requests from 1, `size` is that of the body in bytes, `now` a monotonic time.
        """
        faults = self.faults
        if faults.outage or (faults.outage_from is not None and number >= faults.outage_from):
            return Fate()
        if faults.kinds and kind not in faults.kinds:
            return None
        if self._busy(now):
            return Fate(429, "too many requests", faults.retry_after)
        if faults.max_bytes is not None and size > faults.max_bytes:
            return Fate(413, f"the body has {size} bytes, at most {faults.max_bytes} are taken")
        return self._chance()

    def _busy(self, now: float) -> bool:
        faults = self.faults
        self._began = now if self._began is None else self._began
        self._count += 1
        if now - self._began < faults.busy_seconds:
            return True
        if faults.busy_every and self._count % faults.busy_every == 0:
            return True
        if faults.requests_per_second is None:
            return False
        while self._accepted and self._accepted[0] <= now - 1.0:
            self._accepted.popleft()
        if len(self._accepted) + 1 > faults.requests_per_second * (1.0 + faults.slack):
            return True
        self._accepted.append(now)
        return False

    def _chance(self) -> Fate | None:
        faults, drawn = self.faults, self._random.random()
        for chance, status, carried_out in (
            (faults.fail_before, faults.fail_status, False),
            (faults.fail_after, faults.fail_status, True),
            (faults.drop_before, None, False),
            (faults.drop_after, None, True),
        ):
            if drawn < chance:
                return Fate(status, "the server is in trouble", carried_out=carried_out)
            drawn -= chance
        return None

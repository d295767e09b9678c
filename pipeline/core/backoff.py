"""When to try again: full-jitter back-off, a retry allowance shared by the run, and Retry-After."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from typing import Final

_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
_DOUBLINGS: Final = 60  # 2.0 ** 60 is far above any cap, and far below an overflow


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long one call goes on.

    `tries` bounds the attempts that failed, the first one included. An attempt that the server only put off
    (429, or "slower" with a Retry-After) is not counted. `patience` bounds, in seconds, the time from the
    call's first failure to its next attempt, whatever the failures were. The back-off before retry n is
    drawn from [0, min(cap, base * 2**n)] seconds.
    """

    tries: int = 6
    patience: float = 600.0
    base: float = 0.5
    cap: float = 30.0

    def __post_init__(self) -> None:
        if self.tries < 1 or min(self.patience, self.base, self.cap) < 0:
            msg = "a retry policy needs tries >= 1, and patience, base and cap of 0 seconds or more"
            raise ValueError(f"{msg}; found {self}")


def full_jitter(policy: RetryPolicy, retries: int, roll: float) -> float:
    """Return the seconds to wait after `retries` earlier retries; `roll` is random in [0, 1).

    "Full jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/: callers that
    failed together come back spread over the whole interval.
    """
    return roll * min(policy.cap, policy.base * 2.0 ** min(retries, _DOUBLINGS))


@dataclass(slots=True)
class RetryQuota:
    """The run's allowance of retries, so that an outage does not become a storm.

    As in the standard retry mode of the AWS SDKs: every retry costs, every good answer gives a little back,
    and an empty allowance ends the calls that fail. The AWS cost is flat; here an empty allowance refuses
    only while nothing succeeds, so that one bundle that always fails cannot take the retries of the others.
    """

    capacity: float = 100.0
    cost: float = 1.0
    gain: float = 0.5
    left: float = -1.0

    def __post_init__(self) -> None:
        if self.left < 0:
            self.left = self.capacity

    def take(self, *, healthy: bool) -> bool:
        """Pay for one retry; False when the allowance is empty and nothing else succeeds."""
        covered = self.left >= self.cost
        self.left = max(0.0, self.left - self.cost)
        return covered or healthy

    def give(self) -> None:
        """Count one good answer."""
        self.left = min(self.capacity, self.left + self.gain)


def asks_for_less(status: int, after: float | None, body: bytes = b"") -> bool:
    """Whether a status says that the server is asked for too much, and not that it is in trouble.

    429 says so; 503 where it names a wait (`after`, in seconds), or its body has the code with which object
    storage throttles: SlowDown of S3, ServerBusy of Azure. A 503 alone may be one worker that restarts.
    """
    named = after is not None or b"SlowDown" in body or b"ServerBusy" in body
    return status == _TOO_MANY or (status == _UNAVAILABLE and named)


def http_date(value: str) -> float | None:
    """Return the Unix time of an HTTP date (RFC 9110, 5.6.7, all three forms), or None if it is none."""
    try:
        parts = parsedate_tz(value)
        if parts is None or not _on_the_clock(parts):
            return None
        # A date without a zone is GMT, as RFC 9110 has it; mktime_tz would take the machine's zone.
        return float(mktime_tz((*parts[:9], parts[9] or 0)))
    except (ValueError, OverflowError, IndexError):
        return None


def _on_the_clock(parts: Sequence[int | None]) -> bool:
    """Whether day and time can be; the parser of mail dates lets a 99th day pass, as a later one."""
    most = ((2, 31), (3, 23), (4, 59), (5, 60))
    return all((parts[place] or 0) <= limit for place, limit in most)


def retry_after(value: str | None, *, now: float) -> float | None:
    """Return the seconds, never negative, that a Retry-After header asks for; None if it is unreadable.

    The header holds seconds or an HTTP date (RFC 9110, 10.2.3). `now` is Unix time; the answer's own `Date`,
    read by `http_date`, is the better one where the clocks of server and client may differ.
    """
    if value is None:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    when = http_date(text)
    return None if when is None else max(0.0, when - now)

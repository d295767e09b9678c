"""The attempts of one call: how each ended, and whether another one follows."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Final, Self, TypeVar

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from pipeline.core.backoff import full_jitter
from pipeline.errors import (
    BundleRefused,
    CredentialsError,
    FatalError,
    LabelferryError,
    TransientError,
    UsageError,
)
from pipeline.events import RequestDone
from pipeline.io.host import Host
from pipeline.ports import Answer, Fatal, Ok, Reject, Request, Retry, Verdict

Result = TypeVar("Result")

_SECRET: Final = re.compile(r"auth|cookie|token|key|secret|sign", re.IGNORECASE)
_TRANSIENT: Final = retry_if_exception_type(TransientError)
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class Call:
    """One call. `unknown` is true while an attempt that was not settled may have been carried out.

    `tries` takes the place of the policy's, with the same meaning: put-offs are not counted.
    """

    def __init__(self, host: Host, kind: str, tries: int | None = None) -> None:
        self.host = host
        self.tries = host.policy.tries if tries is None else tries
        self.kind = kind
        self.attempts = 0
        self.unknown = False
        self.put_off = False  # the server did not try the last attempt, it asked to come back later
        self._failures = 0
        self._first_failure: float | None = None
        self._successes = host.successes
        self._over = ""

    async def run(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Attempt until it succeeds or may not be tried again, then raise a TransientError that says why."""
        try:
            return await attempt()
        except TransientError as error:
            failed: list[TransientError] = [error]

        async def again() -> Result:
            # tenacity starts from the first attempt's failure: most calls have none, and do not pay for it
            if failed:
                raise failed.pop()
            return await attempt()

        retrying = AsyncRetrying(
            retry=_TRANSIENT, wait=self._wait, stop=self._stop, sleep=self._back_off, reraise=True
        )
        try:
            return await retrying(again)
        except TransientError as error:
            text = f"{self.kind}: {error}; given up after {self.attempts} attempt(s): {self._over}"
            if self.host.address and not self.host.successes and not error.pushback:
                text = f"{text}; nothing was answered before, so check {self.host.address}"
            unknown = self.unknown or error.unknown
            raise TransientError(text, after=error.after, pushback=error.pushback, unknown=unknown) from None

    async def settle(self, settle: Callable[[], Awaitable[Answer | None]]) -> Answer | None:
        """Find out what became of earlier attempts. Not finding out ends the call."""
        try:
            answer = await settle()
        except TransientError:
            self._over = "what became of an earlier attempt could not be found out"
            raise
        self.unknown = False
        return answer

    def _wait(self, state: RetryCallState) -> float:
        """Return the seconds of back-off; what the server asks for holds for all calls to the host."""
        error = state.outcome.exception() if state.outcome else None
        after = error.after if isinstance(error, TransientError) else None
        wait = full_jitter(self.host.policy, self.attempts - 1, self.host.roll())
        if after is not None:
            wait = after if self.put_off else max(wait, after)
        if after is not None or self.put_off:
            self.host.shut(wait if after is None else after)
        return wait

    def _stop(self, state: RetryCallState) -> bool:
        host, now = self.host, time.monotonic()
        if self._first_failure is None:
            self._first_failure = now
        self._failures += not self.put_off
        healthy, self._successes = host.successes > self._successes, host.successes
        if self._over:
            return True
        if self._failures >= self.tries:
            self._over = "its tries are used up"
        elif now - self._first_failure + state.upcoming_sleep > host.policy.patience:
            self._over = f"the next would come over {host.policy.patience:.0f} s after the first failure"
        elif not self.put_off and not host.quota.take(healthy=healthy):
            self._over = "the run's retries are used up and nothing else succeeds"
        return bool(self._over)

    async def _back_off(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        self.host.waited("backoff", seconds)


class Exchange:
    """One attempt on its way: times it, tells how it ended, and turns a verdict into its error.

    As a context manager around the network it counts the answer that does not come.
    """

    def __init__(self, call: Call, request: Request) -> None:
        self._call = call
        self._request = request
        self._sent = len(request.body)
        call.attempts += 1
        call.put_off = False
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, LabelferryError):
            lost = isinstance(error, TransientError)
            self._call.unknown |= isinstance(error, TransientError) and error.unknown
            self._learn(ok=False, failed=lost)
            self.ended("error", None, 0)

    def opened(self) -> None:
        """Count a good answer whose body is still to be read."""
        self._learn(ok=True)

    def judged(self, answer: Answer, verdict: Verdict) -> None:
        """Count a whole answer. Raises what the verdict means, if that is not Ok."""
        error, outcome = self._meaning(answer.status, verdict)
        slower = failed = False
        if isinstance(verdict, Retry):
            slower = verdict.pushback or verdict.after is not None or answer.status == _TOO_MANY
            failed = not slower and answer.status >= _SERVER_ERROR
        self._learn(ok=error is None, pushback=slower, failed=failed, received=len(answer.body))
        self.ended(outcome, answer.status, len(answer.body))
        if error is not None:
            raise error

    def ended(self, outcome: str, status: int | None, received: int) -> None:
        """Tell that the attempt is over."""
        call = self._call
        seconds = time.monotonic() - self._began
        call.host.emit(
            RequestDone(
                call.host.name, call.kind, status, outcome, call.attempts, self._sent, received, seconds
            )
        )

    def _learn(self, *, ok: bool, pushback: bool = False, failed: bool = False, received: int = 0) -> None:
        seconds, size = time.monotonic() - self._began, self._sent + received
        self._call.host.learn(
            self._call.kind, ok=ok, pushback=pushback, failed=failed, seconds=seconds, size=size
        )

    def _meaning(self, status: int, verdict: Verdict) -> tuple[LabelferryError | None, str]:
        match verdict:
            case Ok():
                return None, "ok"
            case Retry(message, after, pushback):
                # 429 turns a request away at the door; with any other failure it may have been carried out.
                unknown = status != _TOO_MANY
                self._call.unknown |= unknown
                self._call.put_off = status == _TOO_MANY or (pushback and after is not None)
                text = f"{self._call.host.name}: {self._clean(message)}"
                return TransientError(text, after=after, pushback=pushback, unknown=unknown), "retry"
            case Reject(message, rows, too_large, at_most):
                reasons = {row: self._clean(reason) for row, reason in rows.items()}
                text = self._clean(message)
                return BundleRefused(text, rows=reasons, too_large=too_large, at_most=at_most), "reject"
            case Fatal(message, credentials, missing):
                kind = CredentialsError if credentials else UsageError if missing else FatalError
                return kind(self._clean(message)), "fatal"

    def _clean(self, text: str) -> str:
        """Take the request's own secrets out of a text: some servers send headers back in their errors."""
        for name, value in self._request.headers.items():
            if _SECRET.search(name):
                for secret in (value, value.rpartition(" ")[2]):
                    text = text.replace(secret, "[secret]") if secret else text
        return text

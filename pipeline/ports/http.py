"""The seams to the network: requests, answers, what they mean, and the doors that they go through."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from pipeline.core.labels import Media


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to travel. `url` is sent exactly as written."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Ok:
    """The answer is good."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, after this many seconds if the server named them. `pushback`: the server asks for less."""

    message: str
    after: float | None = None
    pushback: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """Refused for good. `rows` maps the target ids that the answer names to reasons."""

    message: str
    rows: Mapping[str, str] = field(default_factory=dict)
    too_large: bool = False
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Fatal:
    """Nothing more can be done. `credentials` and `missing` choose the exit code (4, 2)."""

    message: str
    credentials: bool = False
    missing: bool = False


Verdict: TypeAlias = Ok | Retry | Reject | Fatal


class Channel(Protocol):
    """The one door to a host: retry, slot, gate, throttle, in that order, around each request.

    `build` makes the request afresh for every attempt (signatures carry a time). `judge` says what the
    answer means. Ok gives the answer back; Retry is tried again and ends as TransientError when the
    tries are used up; Reject raises BundleRefused; Fatal raises FatalError, UsageError or CredentialsError.

    A request that is not idempotent comes with `settle`: it is awaited before any repeat of an attempt that
    may have been carried out. An Answer from it ends the call; None means go on (`build` is called again and
    may by then build a smaller request).
    """

    async def send(
        self,
        kind: str,
        build: Callable[[], Request],
        judge: Callable[[Answer], Verdict],
        *,
        settle: Callable[[], Awaitable[Answer | None]] | None = None,
        tries: int | None = None,
    ) -> Answer:
        """Send one request, `tries` times at most, and return its good answer."""
        ...

    def stream(
        self, kind: str, build: Callable[[], Request], judge: Callable[[Answer], Verdict]
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Send one request and give the body of its good answer piece by piece.

        Only an answer with an error status is judged (with its body); opening is retried, reading is not.
        """
        ...


class Assets(Protocol):
    """Files behind URLs that a server hands us.

    They are asked for without credentials, of public hosts only, or of those that the job names itself. The
    URLs are secrets: errors name the host and no more.
    """

    async def get(self, url: str, *, most: int) -> bytes:
        """Return a file of at most `most` bytes, decompressed; up to 5 redirects are followed.

        Raises:
            RowError: it is not there, refused or too long, or its host may not be asked.
            TransientError: the host does not answer.
        """
        ...

    async def head(self, url: str, *, most: int) -> bytes:
        """Return the first `most` bytes of a file, or all where it has fewer. Errors as for `get`."""
        ...

    def channel(self, url: str) -> Channel:
        """Return the door to the host of a URL, for uploads: the same guard, no redirects.

        Where the host is the platform's own, its limits hold for both together. RowError for a host that may
        not be asked, here or when something is sent.
        """
        ...


MOST_MEDIA = 100 * 1024 * 1024
"""Bytes of one picture that are read where the caller names no limit."""


@runtime_checkable
class Gallery(Protocol):
    """An adapter whose platform keeps pictures itself, and gives them out for its own credentials only."""

    async def picture(self, media: Media, *, most: int) -> bytes:
        """Return the first `most` bytes of the picture that `Media.ref` names, or all where it has fewer.

        Raises:
            RowError: it is not there, or not given out.
            TransientError: the platform does not answer.
        """
        ...


class Pictures(Protocol):
    """The pictures of a job's rows, wherever the source says they are."""

    async def read(self, media: Media, *, most: int = MOST_MEDIA) -> bytes:
        """Return the bytes of one frame's picture.

        Raises:
            RowError: the source does not say where it is, it is not there, outside of the folder that the job
                names, longer than `most` bytes, or not the one whose digest is known.
            TransientError: its host does not answer.
        """
        ...

    async def size_of(self, media: Media) -> tuple[int, int] | None:
        """Return width and height in pixels, from the first bytes of the picture alone. Errors as for `read`.

        None where they are not told there: an unknown format, a damaged file, a header that comes late.
        """
        ...

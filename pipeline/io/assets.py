"""Files behind URLs that a server hands us: fetched and uploaded without credentials, from public hosts only.

Design: docs/decisions/0014-assets.md
"""

from functools import partial
from typing import Final

from yarl import URL

from pipeline.core.backoff import asks_for_less, http_date, retry_after
from pipeline.errors import BundleRefused, FatalError, RowError, TransientError
from pipeline.io.channel import Channels, HostChannel
from pipeline.io.guarded import GuardedSession, Unpacked, address_of
from pipeline.io.http import Read, Reply
from pipeline.ports import Answer, Limits, Ok, Reject, Request, Retry, Verdict

LIMITS: Final = Limits(rate_ceiling=1000.0, concurrency_ceiling=64)
"""Of a host that stores files. Where it is also that of a platform's own API, that one's limits hold."""
REDIRECTS: Final = 5
"""Redirects that are followed for one file."""

_TOLD: Final = 4096  # bytes of an error's body that are read, so that the connection can be used again
_GOOD: Final = range(200, 300)
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_LATER: Final = frozenset({408, 425, 429})
_GONE: Final = frozenset({404, 410})
_CLOSED: Final = frozenset({401, 403})
_SERVER_ERROR: Final = 500


class Storage:
    """The hosts where files are (`pipeline.ports.Assets`).

    A host that has a channel in `channels` keeps one pace for both, so that its limits hold for both
    together. `session` is that of the channels, unless one is given that is entered already.
    """

    def __init__(self, channels: Channels, session: GuardedSession | None = None) -> None:
        self._channels = channels
        self._session = session or channels.guarded
        self._doors: dict[URL, HostChannel] = {}

    async def get(self, url: str, *, most: int) -> bytes:
        """Return a file of at most `most` bytes, decompressed.

        Raises:
            RowError: it is not there, not to be had without credentials, too long, or its address is not one
                that may be asked. The message names the host and no more of the URL.
            TransientError: the host does not answer, nor anybody else meanwhile.
        """
        return await self._fetch(url, {}, partial(_whole, most=most))

    async def head(self, url: str, *, most: int) -> bytes:
        """Return the first `most` bytes of a file, or all of it where it has fewer. Errors as for `get`."""
        headers = {"Range": f"bytes=0-{most - 1}", "Accept-Encoding": "identity"}
        return await self._fetch(url, headers, partial(_start, most=most))

    def channel(self, url: str) -> HostChannel:
        """Return the door to the host of this URL: no credentials, and no redirects.

        Requests to a host that may not be asked, and answers of more than 1 MiB, raise RowError.
        """
        return self._door(address_of(url))

    async def _fetch(self, url: str, headers: dict[str, str], read: Read) -> bytes:
        at = address_of(url)
        for _ in range(REDIRECTS + 1):
            answer = await self._answer(at, headers, read)
            if answer.status not in _MOVED:
                return answer.body
            at = _next(at, answer.headers.get("location"))
        raise RowError(f"{at.host}: a file was not fetched: it is redirected more than {REDIRECTS} times")

    async def _answer(self, at: URL, headers: dict[str, str], read: Read) -> Answer:
        door = self._door(at)
        seen: list[tuple[int, int]] = []

        def build() -> Request:
            seen.append((door.successes, self._channels.successes))
            return Request("GET", str(at), headers)

        try:
            return await door.send("asset", build, _judge, read=read)
        except BundleRefused as refusal:
            raise RowError(f"{door.host.name}: {refusal}") from None
        except FatalError as error:
            raise RowError(str(error)) from None
        except TransientError as error:
            # A host that answers others after this file failed first is not down: the file is at fault.
            if len(seen) < 2:  # noqa: PLR2004 - it was not tried again
                raise
            here, anywhere = seen[1]
            nowhere = self._session.is_unknown(at.raw_host or "") and self._channels.successes > anywhere
            if nowhere or (door.successes > here and not error.pushback):
                raise RowError(str(error)) from None
            raise

    def _door(self, at: URL) -> HostChannel:
        origin = at.origin()
        if origin not in self._doors:
            self._doors[origin] = HostChannel(self._channels.host(at, LIMITS), self._session)
        return self._doors[origin]


async def _whole(reply: Reply, most: int) -> Answer:
    if reply.status not in _GOOD:
        return await reply.start(_TOLD)
    length = reply.headers.get("content-length", "")
    if isinstance(reply, Unpacked) and reply.plain and length.isdecimal() and int(length) > most:
        raise reply.too_long(most)
    return await reply.read(most)


async def _start(reply: Reply, most: int) -> Answer:
    return await reply.start(most if reply.status in _GOOD else _TOLD)


def _judge(answer: Answer) -> Verdict:
    """Say what an answer means. Its text is not told: it may hold the URL."""
    status = answer.status
    if status in _GOOD or status in _MOVED:
        return Ok()
    if status in _LATER or status >= _SERVER_ERROR:
        text = f"a file was not fetched: it answered {status}"
        after = _after(answer)
        return Retry(text, after, pushback=asks_for_less(status, after, answer.body))
    if status in _GONE:
        return Reject(f"a file is not there ({status})")
    if status in _CLOSED:
        return Reject(f"a file is not given out ({status}): its address has expired, or is not open to all")
    return Reject(f"a file was not fetched: it answered {status}")


def _after(answer: Answer) -> float | None:
    """Return the seconds of Retry-After; a date is taken relative to the answer's own."""
    header = answer.headers.get("retry-after", "").strip()
    sent = http_date(answer.headers.get("date", ""))
    return retry_after(header, now=sent or 0.0) if header[:1].isdigit() or sent is not None else None


def _next(at: URL, location: str | None) -> URL:
    """Return where a redirect leads. Raises RowError."""
    if not location:
        raise RowError(f"{at.host}: a file was not fetched: a redirect leads nowhere")
    try:
        found = address_of(str(at.join(URL(location, encoded=True))))
    except ValueError:
        raise RowError(f"{at.host}: a file was not fetched: a redirect leads to no valid address") from None
    if at.scheme == "https" and found.scheme != "https":
        raise RowError(f"{at.host}: a file was not fetched: a redirect leads from https to http")
    return found

"""The way onto the network: one aiohttp session for all hosts. Decides nothing and retries nothing."""

import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import aiohttp
from yarl import URL

from pipeline.errors import FatalError, LabelferryError, TransientError, UsageError
from pipeline.ports import Answer, Request

MAX_BODY: Final = 256 * 1024 * 1024
"""Bytes, decompressed: the largest answer that is read whole."""

AGENT: Final = "labelferry"
"""The User-Agent of all requests."""

_CHUNK: Final = 64 * 1024
_PIECE: Final = 256 * 1024  # bytes of a request that are written at once; of an answer, read at once
_REASONS: Final[Mapping[type[Exception], str]] = {
    aiohttp.ClientConnectorDNSError: "the name is not known",
    TimeoutError: "time ran out",
    aiohttp.ServerDisconnectedError: "the server closed the connection",
    aiohttp.ClientSSLError: "TLS could not be set up; is it a port for http?",
    aiohttp.ClientResponseError: "what came is not HTTP",
}
_UNSENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to connect; between two pieces of an answer; for one whole request that is not streamed."""

    connect: float = 30.0
    read: float = 120.0
    whole: float = 900.0


class Reply:
    """An answer whose body has not been read. Header names are lower case.

    `received` counts the bytes read so far, decompressed; `broken` tells whether the body broke off.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self.received = 0
        self.broken = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the decompressed body in pieces. Raises TransientError when it breaks off."""
        pieces = self._response.content.iter_chunked(_CHUNK)
        while True:
            try:
                piece = await anext(pieces, b"")
            except (aiohttp.ClientError, OSError) as error:
                self.broken = True
                raise _failure(error, self._response.url) from None
            if not piece:
                return
            self.received += len(piece)
            yield piece

    async def read(self, limit: int) -> Answer:
        """Read the whole body. Raises FatalError when it is longer than `limit` bytes, decompressed."""
        pieces = []
        async with aclosing(self.chunks()) as chunks:
            async for piece in chunks:
                if self.received > limit:
                    self._response.close()
                    raise self.too_long(limit)
                pieces.append(piece)
        return Answer(self.status, self.headers, b"".join(pieces))

    async def start(self, size: int) -> Answer:
        """Read the first `size` bytes of the body at most, and leave the rest where it is."""
        pieces = []
        async with aclosing(self.chunks()) as chunks:
            async for piece in chunks:
                pieces.append(piece)
                if self.received >= size:
                    break
        return Answer(self.status, self.headers, b"".join(pieces)[:size])

    @property
    def host(self) -> str:
        """Who answered; all of the URL that may be told."""
        return host_of(self._response.url)

    def too_long(self, limit: int) -> LabelferryError:
        """Return the error of a body that is longer than `limit` bytes."""
        text = f"the answer is longer than {limit} bytes, the most that is read at once"
        return FatalError(f"{self.host}: {text}; ask for fewer rows at a time")


Read: TypeAlias = Callable[[Reply], Awaitable[Answer]]
"""How the body of an answer is read."""


class Session:
    """The connections of a run. TLS is verified; there are no cookies, and redirects are answers like others.

    Requests travel exactly as they are: no header but User-Agent, Accept, Accept-Encoding and those that
    frame the message is added, and no target is encoded again, so a signature over either stays right.
    How many requests run at once is the channel's business, so the pool itself has no limit.

    Errors carry the host and the kind of failure, never a URL, a header or a body: those hold secrets.
    """

    def __init__(
        self,
        *,
        timeouts: Timeouts = Timeouts(),
        max_body: int = MAX_BODY,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.max_body = max_body
        self._whole = _timeout(timeouts, timeouts.whole)
        self._streamed = _timeout(timeouts, None)
        self._tls = tls
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        verify: ssl.SSLContext | bool = True if self._tls is None else self._tls
        self._client = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_once,),
            read_bufsize=_PIECE,
            **self.options(verify),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    def options(self, verify: ssl.SSLContext | bool) -> dict[str, Any]:  # noqa: FBT001 - as aiohttp has it
        """Return what of the connections a kind of session has its own way with."""
        return {
            "connector": aiohttp.TCPConnector(limit=0, ssl=verify),
            "headers": {"User-Agent": AGENT},
            "skip_auto_headers": ("Content-Type",),
        }

    def usual(self, request: Request) -> Request:
        """Return a request with its address spelt so that it can be compared."""
        return request

    def address(self, text: str) -> URL:
        """Return the address of a request, to be sent as written. Raises UsageError."""
        try:
            return URL(text, encoded=True)
        except ValueError:
            raise _no_url() from None

    def reply(self, response: aiohttp.ClientResponse) -> Reply:
        """Return an answer, to be read."""
        return Reply(response)

    async def send(self, request: Request, read: Read | None = None) -> Answer:
        """Send a request and read its answer, whatever its status: whole, or as `read` does it.

        Raises:
            TransientError: no whole answer came; `unknown` is false where the request cannot have arrived.
            FatalError: the certificate is not valid, or the answer is longer than `max_body`.
            UsageError: the URL is not one, or a header holds what HTTP forbids.
        """
        async with await self._request(request, self._whole) as response:
            reply = self.reply(response)
            return await (reply.read(self.max_body) if read is None else read(reply))

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Reply]:
        """Send a request and give its answer once the headers are there. Errors as for `send`.

        There is no limit to the length of the body, nor to the time that reading it takes.
        """
        async with await self._request(request, self._streamed) as response:
            yield self.reply(response)

    async def _request(self, request: Request, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        if self._client is None:
            raise RuntimeError("the session is used outside of its `async with` block")
        url = self.address(request.url)
        try:
            return await self._client.request(
                request.method,
                url,
                headers=_headers(request),
                data=_pieces(request.body) if len(request.body) > _PIECE else request.body or None,
                timeout=limits,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(error, url) from None
        except ValueError:
            text = "a header holds a line break or another character that HTTP forbids; check keys and tokens"
            raise UsageError(f"{host_of(url)}: {text}") from None


def _headers(request: Request) -> Mapping[str, str]:
    """Return the headers, with the length of a body that is written in pieces, lest it be sent chunked."""
    if len(request.body) <= _PIECE:
        return request.headers
    return {**request.headers, "Content-Length": str(len(request.body))}


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    """Give a body that would block the event loop if it were written at once.

    aiohttp can do the same with a file, but reads it through a thread, 64 KiB at a time: a busy event loop
    then takes seconds to send a bundle.
    """
    whole = memoryview(body)
    for start in range(0, len(body), _PIECE):
        yield whole[start : start + _PIECE]


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep failures from aiohttp, which would send a PUT or DELETE again, unasked and uncounted."""
    try:
        return await handler(request)
    except (aiohttp.ClientError, OSError) as error:
        raise _failure(error, request.url) from None


def _timeout(timeouts: Timeouts, whole: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(whole, sock_connect=timeouts.connect, sock_read=timeouts.read)


def host_of(url: URL) -> str:
    """Return the host and, where it is not the usual one, the port: all of a URL that may be told."""
    return url.host_port_subcomponent or "an address without a host"


def _no_url() -> UsageError:
    return UsageError("the address of a request is not a valid http or https URL")


def _failure(error: Exception, url: URL) -> LabelferryError:
    """Return what a failure on the network means. Of the URL only the host is named."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        text = "the TLS certificate is not valid for this host, so nothing was sent; check the address"
        return FatalError(f"{host_of(url)}: {text}")
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return _no_url()
    if isinstance(error, _UNSENT):
        return TransientError(f"{host_of(url)}: no connection ({_reason(error)})", unknown=False)
    return TransientError(f"{host_of(url)}: no whole answer ({_reason(error)})", unknown=True)


def _reason(error: Exception) -> str:
    """Name a failure without its text, which may hold the URL and so a token in its query."""
    for kind, text in _REASONS.items():
        if isinstance(error, kind):
            return text
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else "the connection broke off"
    return type(error).__name__

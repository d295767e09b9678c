"""The way onto the network: one aiohttp session for all hosts. Decides nothing and retries nothing."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import aiohttp
from yarl import URL

from pipeline.errors import FatalError, LabelferryError, TransientError, UsageError
from pipeline.ports import Answer, Request

MAX_BODY: Final = 256 * 1024 * 1024
"""Bytes, decompressed: the largest answer that is read whole."""

_CHUNK: Final = 64 * 1024
_PIECE: Final = 256 * 1024  # bytes of a request that are written at once; of an answer, read at once
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
        async for piece in self.chunks():
            if self.received > limit:
                self._response.close()
                text = f"the answer is longer than {limit} bytes, the most that is read at once"
                raise FatalError(f"{_host(self._response.url)}: {text}; ask for fewer rows at a time")
            pieces.append(piece)
        return Answer(self.status, self.headers, b"".join(pieces))


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
            connector=aiohttp.TCPConnector(limit=0, ssl=verify),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "labelferry"},
            skip_auto_headers=("Content-Type",),
            middlewares=(_once,),
            read_bufsize=_PIECE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def send(self, request: Request) -> Answer:
        """Send a request and read its whole answer, whatever its status.

        Raises:
            TransientError: no whole answer came; `unknown` is false where the request cannot have arrived.
            FatalError: the certificate is not valid, or the answer is longer than `max_body`.
            UsageError: the URL is not one, or a header holds what HTTP forbids.
        """
        async with await self._request(request, self._whole) as response:
            return await Reply(response).read(self.max_body)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Reply]:
        """Send a request and give its answer once the headers are there. Errors as for `send`.

        There is no limit to the length of the body, nor to the time that reading it takes.
        """
        async with await self._request(request, self._streamed) as response:
            yield Reply(response)

    async def _request(self, request: Request, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        if self._client is None:
            raise RuntimeError("the session is used outside of its `async with` block")
        try:
            url = URL(request.url, encoded=True)
        except ValueError:
            raise _no_url() from None
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
            raise UsageError(f"{_host(url)}: {text}") from None


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


def _host(url: URL) -> str:
    return url.host_port_subcomponent or "an address without a host"


def _no_url() -> UsageError:
    return UsageError("the address of a request is not a valid http or https URL")


def _failure(error: Exception, url: URL) -> LabelferryError:
    """Return what a failure on the network means. Of the URL only the host is named."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        text = "the TLS certificate is not valid for this host, so nothing was sent; check the address"
        return FatalError(f"{_host(url)}: {text}")
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return _no_url()
    if isinstance(error, _UNSENT):
        return TransientError(f"{_host(url)}: no connection ({_reason(error)})", unknown=False)
    return TransientError(f"{_host(url)}: no whole answer ({_reason(error)})", unknown=True)


def _reason(error: Exception) -> str:
    """Name a failure without its text, which may hold the URL and so a token in its query."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name is not known"
    if isinstance(error, TimeoutError):
        return "time ran out"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__

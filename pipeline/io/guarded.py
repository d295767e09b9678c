"""The way to addresses that somebody else chose: public ones only, and no more bytes than were asked for.

A server that hands out a URL must not be able to make this machine read what only this machine can reach.
"""

import re
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import aiohttp
from aiohttp.abc import ResolveResult
from yarl import URL

from pipeline.core.addresses import is_public
from pipeline.core.inflating import Inflater
from pipeline.errors import LabelferryError, RowError
from pipeline.io.http import AGENT, Reply, Session, Timeouts, host_of
from pipeline.ports import Request

MAX_ANSWER: Final = 1024 * 1024
"""Bytes, decompressed: the most that is read of an answer where the caller names no limit."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PART: Final = 206  # a part of a file, as it was asked for: it ends anywhere
_SCHEMES: Final = frozenset({"http", "https"})
_NO_SUCH_NAME: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


@lru_cache(maxsize=64)  # uploads all go to one address, which is asked about at every step
def address_of(text: str) -> URL:
    """Return a URL that somebody else wrote: its host spelt in the usual way, path and query as they came.

    Raises RowError, without the URL, for one that is not http or https, or that holds a user or a password.
    """
    if _CONTROL.search(text):
        raise RowError("the address of a file holds a line break or another character that no address has")
    try:
        usual = URL(text)
        origin = usual.origin() if usual.scheme in _SCHEMES and usual.host else None
        # What was signed must travel as it is, unless it cannot travel at all.
        written = URL(text, encoded=True) if text.isascii() and " " not in text else usual
    except ValueError:
        raise RowError("the address of a file is not a valid http or https URL") from None
    if origin is None:
        raise RowError("the address of a file is not an http or https URL")
    if "@" in written.raw_authority:
        raise RowError(f"{host_of(usual)}: the address of a file holds a user or a password; it is not read")
    return URL(f"{origin}{written.raw_path_qs}", encoded=True)


class Resolver(aiohttp.ThreadedResolver):
    """Finds the addresses of a name, and refuses (RowError) a name of which one is not public.

    `own` tells whether the job itself names a host: that one may be anywhere. `unknown` collects the names
    that do not exist.
    """

    def __init__(self, own: Callable[[str], bool]) -> None:
        super().__init__()
        self._own = own
        self.unknown: set[str] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses. Raises OSError where there are none, as aiohttp expects it."""
        try:
            found = await super().resolve(host, port, family)
        except socket.gaierror as error:
            if error.errno in _NO_SUCH_NAME:
                self.unknown.add(host)
            raise
        if not self._own(host) and not all(is_public(address["host"]) for address in found):
            raise refused(host)
        return found


class Unpacked(Reply):
    """An answer that is decompressed in small pieces. Its errors are those of a row."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        super().__init__(response)
        self.plain = "content-encoding" not in self.headers

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the decompressed body in pieces. Raises TransientError when it breaks off, and RowError."""
        async with aclosing(super().chunks()) as pieces:
            try:
                inflater = Inflater(self.headers.get("content-encoding", ""))
                async for piece in pieces:
                    self.received -= len(piece)
                    for part in inflater.feed(piece):
                        self.received += len(part)
                        yield part
                if not inflater.whole and self.status != _PART:
                    raise ValueError("its compression ends in the middle")  # noqa: TRY301 - one way out
            except ValueError as error:
                raise RowError(f"{self.host}: a file cannot be read: {error}") from None

    def too_long(self, limit: int) -> LabelferryError:
        """Return the error of a body that is longer than `limit` bytes."""
        return RowError(f"{self.host}: a file is longer than {limit} bytes, the most that is taken")


class GuardedSession(Session):
    """The connections to hosts that a server named. It knows no credentials.

    `own` tells whether the job itself names a host. Every other one must be public: its name is looked up and
    all its addresses are checked when a connection is made, so a name that changes its mind is caught too.
    Where that is not so, or an answer is too long, RowError is raised.
    """

    def __init__(
        self,
        own: Callable[[str], bool],
        *,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(timeouts=timeouts, max_body=MAX_ANSWER, tls=tls)
        self._own = own
        self._resolver: Resolver | None = None

    def options(self, verify: ssl.SSLContext | bool) -> dict[str, Any]:  # noqa: FBT001 - as aiohttp has it
        """Return the options of connections that are guarded."""
        self._resolver = Resolver(self._own)
        return {
            "connector": aiohttp.TCPConnector(limit=0, ssl=verify, resolver=self._resolver),
            # aiohttp decompresses without a limit that could be told from a broken answer.
            "auto_decompress": False,
            "headers": {"User-Agent": AGENT, "Accept-Encoding": "gzip, deflate"},
            "skip_auto_headers": ("Content-Type", "Accept-Encoding"),
        }

    def usual(self, request: Request) -> Request:
        """Return a request with its address spelt in the usual way. Raises RowError."""
        return replace(request, url=str(address_of(request.url)))

    def address(self, text: str) -> URL:
        """Return the address of a request, if it may be asked. Raises RowError."""
        url = address_of(text)
        host = url.host or ""
        if _is_literal(host) and not is_public(host) and not self._own(host):
            raise refused(host)
        return url

    def reply(self, response: aiohttp.ClientResponse) -> Reply:
        """Return an answer, to be read."""
        return Unpacked(response)

    def is_unknown(self, host: str) -> bool:
        """Whether a name was looked up and does not exist."""
        return self._resolver is not None and host in self._resolver.unknown


def refused(host: str) -> RowError:
    """Return the error of a host that is not asked for anything."""
    return RowError(
        f"{host}: a file was not fetched from there: it is no public address, nor the job's own host"
    )


def _is_literal(host: str) -> bool:
    """Whether a host is not looked up by its name: the same rule as aiohttp has."""
    return ":" in host or host.replace(".", "").isdigit()

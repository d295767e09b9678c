"""Serves a stand-in on a local port, with its faults, its log and the control endpoints.

The control endpoints are outside the API and need no key: `GET /_sandbox/log`, `GET /_sandbox/rows`,
`GET /_sandbox/cpu`, `POST /_sandbox/faults` (a JSON object of `Faults`; what it leaves out is off) and
`POST /_sandbox/reset`, which takes all labels away.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from math import ceil
from typing import Any, Protocol

import msgspec
from aiohttp import web

from pipeline.errors import UsageError
from pipeline.sandbox.faults import Faults
from pipeline.sandbox.log import WriteLog
from pipeline.sandbox.options import Options
from pipeline.sandbox.trouble import Fate, Trouble

CONTROL = "/_sandbox/"
LARGEST_BODY = 1 << 30

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REQUEST_NUMBER: web.RequestKey[int] = web.RequestKey("number", int)


class Service(Protocol):
    """What a platform's stand-in is made of."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes of the API, prefix included."""
        ...

    def kind(self, request: web.Request, body: bytes) -> str:
        """Name the kind of a request, for the log and for faults that are limited to kinds."""
        ...

    def rows(self) -> Iterable[Mapping[str, Any]]:
        """Give the rows as they are stored."""
        ...

    def reset(self) -> None:
        """Take all labels away."""
        ...


class Sandbox:
    """The faults and the log that a stand-in works with."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.log = WriteLog(options.log)
        self.trouble = Trouble(options.faults)

    @property
    def faults(self) -> Faults:
        """The faults as they are now."""
        return self.trouble.faults

    def order(self, faults: Faults) -> None:
        """Replace the faults."""
        self.trouble = Trouble(faults)

    def poisoned(self, rows: Iterable[tuple[str, ...]]) -> dict[str, str]:
        """Return a reason for each row that the faults refuse, by its id.

        A row is its id and any other names that it may be poisoned by; the last one is its title.
        """
        poison = self.faults.poison
        if not poison:
            return {}
        return {
            names[0]: f"row {names[-1]!r} is refused by order of the sandbox"
            for names in rows
            if not poison.isdisjoint(names)
        }

    def written(self, request: web.Request, action: str, rows: Iterable[tuple[str, str, str, int]]) -> None:
        """Log rows (id, title, digest, labels) that this request writes."""
        self.log.write(request[REQUEST_NUMBER], action, rows)


@asynccontextmanager
async def serve(service: Service, sandbox: Sandbox) -> AsyncIterator[str]:
    """Serve until the context ends; gives the address of the server, without prefix.

    Raises:
        UsageError: the port is taken or not allowed.
    """
    options = sandbox.options
    app = web.Application(middlewares=[_middleware(service, sandbox)], client_max_size=LARGEST_BODY)
    app.add_routes([*service.routes(), *_control(service, sandbox)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, options.host, options.port).start()
        except OSError as error:
            raise UsageError(f"the sandbox cannot serve on {options.host}:{options.port}: {error}") from error
        host, port = runner.addresses[0][:2]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        await runner.cleanup()
        sandbox.log.close()
        if options.cpu:
            sys.stdout.write(f"sandbox cpu seconds: {time.process_time():.3f}\n")
            sys.stdout.flush()


def _middleware(service: Service, sandbox: Sandbox) -> Any:  # noqa: ANN401 - aiohttp has no public type for it
    @web.middleware
    async def trouble(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(CONTROL):
            return await handler(request)
        arrived = time.monotonic()
        number = request[REQUEST_NUMBER] = sandbox.log.begin()
        body = await request.read()
        kind = service.kind(request, body)
        fate = sandbox.trouble.fate(kind, number, len(body), arrived)
        if latency := sandbox.options.latency + sandbox.faults.latency:
            await asyncio.sleep(latency)
        if fate is None:
            answer = await handler(request)
            sandbox.log.end(kind, str(answer.status), len(body))
            return answer
        if fate.carried_out:
            await handler(request)
        sandbox.log.end(kind, "dropped" if fate.status is None else str(fate.status), len(body))
        return _fail(request, fate)

    return trouble


def _fail(request: web.Request, fate: Fate) -> web.StreamResponse:
    if fate.status is None:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    headers = {} if fate.after is None else {"Retry-After": str(ceil(fate.after))}
    return web.json_response({"message": fate.message}, status=fate.status, headers=headers)


def _control(service: Service, sandbox: Sandbox) -> Iterable[web.RouteDef]:
    async def log(_: web.Request) -> web.Response:
        return _json(sandbox.log.summary())

    async def rows(_: web.Request) -> web.Response:
        return _json(list(service.rows()))

    async def cpu(_: web.Request) -> web.Response:
        return _json({"seconds": time.process_time()})

    async def faults(request: web.Request) -> web.Response:
        try:
            sandbox.order(msgspec.json.decode(await request.read(), type=Faults))
        except (msgspec.DecodeError, ValueError) as error:
            return web.json_response({"message": str(error)}, status=400)
        return _json(sandbox.faults)

    async def reset(_: web.Request) -> web.Response:
        service.reset()
        return _json({})

    return (
        web.get(CONTROL + "log", log),
        web.get(CONTROL + "rows", rows),
        web.get(CONTROL + "cpu", cpu),
        web.post(CONTROL + "faults", faults),
        web.post(CONTROL + "reset", reset),
    )


def _json(value: Any) -> web.Response:  # noqa: ANN401 - anything that is JSON
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")

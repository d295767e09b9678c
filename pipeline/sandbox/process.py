"""Runs a stand-in in a process of its own, so that its CPU is not the client's."""

import asyncio
import gc
import multiprocessing
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

import anyio.to_thread

from pipeline.errors import LabelferryError, UsageError
from pipeline.ports import Running, Seed

NEW_OBJECTS = 500_000
"""Objects made and not freed before the process looks for reference cycles; Python's own choice is 700. A
stand-in keeps dozens of objects of every row that it is sent, and neither they nor requests have cycles: with
5,000 rows looking for some takes most of its time.
"""

StandIn: TypeAlias = Callable[[Seed, Mapping[str, Any]], AbstractAsyncContextManager[Running]]


@dataclass(slots=True)
class Apart:
    """A stand-in in another process. `cpu` is its whole CPU time in seconds, known when it has stopped."""

    running: Running
    pid: int
    cpu: float = field(default=0.0)


@asynccontextmanager
async def apart(stand_in: StandIn, seed: Seed, options: Mapping[str, Any]) -> AsyncIterator[Apart]:
    """Serve in a new process until the context ends. It also ends when this process dies.

    `stand_in` must be importable by its module and name.

    Raises:
        UsageError: the stand-in did not start; the message says why.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(stand_in, seed, dict(options), theirs), daemon=True)
    await anyio.to_thread.run_sync(process.start)
    theirs.close()
    try:
        first = await anyio.to_thread.run_sync(_receive, ours)
        if not isinstance(first, Running):
            raise UsageError(f"the stand-in did not start: {first}")
        server = Apart(first, process.pid or 0)
        yield server
        ours.send(None)
        server.cpu = float(await anyio.to_thread.run_sync(_receive, ours) or 0.0)
    finally:
        ours.close()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(process.join)


def _receive(pipe: Connection) -> Any:  # noqa: ANN401 - a Running, a reason or a number
    try:
        return pipe.recv()
    except EOFError:
        return None


def _serve(stand_in: StandIn, seed: Seed, options: Mapping[str, Any], pipe: Connection) -> None:
    # Ctrl-C goes to the whole group; the parent decides when the server stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
    asyncio.run(_until_told(stand_in, seed, options, pipe))


async def _until_told(stand_in: StandIn, seed: Seed, options: Mapping[str, Any], pipe: Connection) -> None:
    try:
        async with stand_in(seed, options) as running:
            pipe.send(running)
            await anyio.to_thread.run_sync(_receive, pipe)
        pipe.send(time.process_time())
    except LabelferryError as error:
        pipe.send(str(error))
    except BrokenPipeError:
        return

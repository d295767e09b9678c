"""The process pool for masks and other heavy pure work."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from multiprocessing import process
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from shutil import disk_usage
from threading import Thread
from time import monotonic
from typing import Any, Generic, Self, TypeVar, cast

import anyio
from anyio import CapacityLimiter, lowlevel, to_thread

from pipeline.core.codecs import layered
from pipeline.core.encoding import (
    Layer,
    layers_of,
    masks_of,
    seconds_of_layers,
    seconds_of_mask,
    seconds_of_row,
    with_masks,
    with_pictures,
)
from pipeline.core.geometry import AnyMask
from pipeline.core.instances import OnTop
from pipeline.core.labels import LabelRow
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.rows import EditedRow
from pipeline.errors import RowError, UsageError
from pipeline.events import Event, WorkerLost
from pipeline.io import worker
from pipeline.io.streams import all_of

CHUNK_SECONDS = 0.030
"""Predicted work of one chunk; below it the parent's own cost per task would show."""
HERE_SECONDS = 2 * CHUNK_SECONDS
"""Predicted work up to which a chunk of a small job is done at once. In a thread beside the event loop it
would take several times as long: both wait for the interpreter's lock at every call into numpy."""
BUSY_SECONDS = 0.002
"""Predicted work after which the event loop sees to other tasks."""
SMALL_JOB_SECONDS = 1.0
"""Predicted work up to which no process is started."""
SHARED_FROM = 1 << 20
"""Packed bytes from which a raster crosses in shared memory, where there is room."""
SHARED_FOLDER = Path("/dev/shm")  # noqa: S108 - where Linux keeps shared memory; nothing is made there by name

LEAVING_SECONDS = 2.0
"""Time for workers to end after the first one has."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Chunk(Generic[Item, Result]):
    """Some items of one call, the function that does them all, and how an item crosses to a worker."""

    work: Callable[[Sequence[Any]], list[Result | RowError]]
    cross: Callable[[Item, list[SharedMemory]], Any]
    items: tuple[Item, ...]
    seconds: float
    """Predicted."""

    def halves(self) -> tuple["Chunk[Item, Result]", "Chunk[Item, Result]"]:
        """Return the chunk in two parts."""
        middle = len(self.items) // 2
        return replace(self, items=self.items[:middle]), replace(self, items=self.items[middle:])


class Workers:
    """Encodes and converts rows in processes, keeping order; implements the Encoder port.

    Use as an async context manager. `count` 0 means no processes at all: the work is done in one thread.
    """

    def __init__(self, count: int, emit: Callable[[Event], None]) -> None:
        self._count = count
        self._emit = emit
        self._pool: ProcessPoolExecutor | None = None
        self._expected = 0.0
        self._met = 0.0
        self._inline = CapacityLimiter(1)
        self._beginning: asyncio.Future[ProcessPoolExecutor] | None = None
        self._starting = anyio.Lock()
        self._suspects = anyio.Lock()

    async def __aenter__(self) -> Self:
        """Nothing is started yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all workers."""
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.gather(self._beginning, return_exceptions=True)
        if self._pool is not None:
            self._end(self._pool)

    async def warm(self, seconds: float) -> None:
        """Start the workers now if the whole job's predicted work (seconds) is worth it."""
        self._expected = seconds
        if self._worth_it():
            await asyncio.shield(self._begun())

    async def encode(self, rows: Sequence[EditedRow], codec: str) -> list[EditedRow | RowError]:
        """Turn every mask of the rows, whatever its notation, into this codec ("": leave them).

        In a layered one, all masks of a frame become one picture, as the row's `layers` say.
        """
        if layered(codec):
            return await self._draw(rows, codec)
        done: list[EditedRow | RowError] = list(rows)
        masks = (
            {at: found for at, row in enumerate(rows) if (found := masks_of(row.row, codec))} if codec else {}
        )
        costs = [sum(map(seconds_of_mask, found)) for found in masks.values()]
        work = partial(worker.encode_all, codec)
        results = await self._map(work, _parcels, list(masks.values()), costs)
        for (at, found), result in zip(masks.items(), results, strict=True):
            row = rows[at]
            if isinstance(result, RowError):
                done[at] = _named(row, result)
            else:
                whole = with_masks(row.row, codec, list(map(_encoded, found, result, repeat(codec))))
                done[at] = EditedRow(row.key, row.place, whole, row.existing, row.append, row.layers)
        return done

    async def _draw(self, rows: Sequence[EditedRow], codec: str) -> list[EditedRow | RowError]:
        done: list[EditedRow | RowError] = list(rows)
        frames = {at: found for at, row in enumerate(rows) if (found := layers_of(row))}
        items = [[(_on_top(rows[at]), part) for part in found.values()] for at, found in frames.items()]
        costs = [sum(map(seconds_of_layers, found.values())) for found in frames.values()]
        results = await self._map(partial(worker.draw_all, codec), _pictures, items, costs)
        for (at, found), result in zip(frames.items(), results, strict=True):
            if isinstance(result, RowError):
                done[at] = _named(rows[at], result)
            else:
                done[at] = with_pictures(rows[at], dict(zip(found, result, strict=True)))
        return done

    async def apply(
        self, operation: Callable[[LabelRow], LabelRow], rows: Sequence[LabelRow]
    ) -> list[LabelRow | RowError]:
        """Run one heavy built-in operation on rows."""
        costs = [seconds_of_row(row) for row in rows]
        return await self._map(partial(worker.apply_all, operation), _as_it_is, rows, costs)

    async def _map(
        self,
        work: Callable[[Sequence[Any]], list[Result | RowError]],
        cross: Callable[[Item, list[SharedMemory]], Any],
        items: Sequence[Item],
        costs: Sequence[float],
    ) -> list[Result | RowError]:
        chunks = [Chunk(work, cross, tuple(part), seconds) for part, seconds in _parts(items, costs)]
        self._met += sum(costs)
        results: list[list[Result | RowError]] = [[] for _ in chunks]

        async def run(index: int, chunk: Chunk[Item, Result]) -> None:
            results[index] = await self._run(chunk)

        async with all_of() as group:
            for index, chunk in enumerate(chunks):
                group.start_soon(run, index, chunk)
        return [result for part in results for result in part]

    async def _run(self, chunk: Chunk[Item, Result]) -> list[Result | RowError]:
        pool = await self._ready()
        if pool is None:
            async with self._inline:
                pool = await self._ready()  # while this chunk waited, the processes may have started
                if pool is None:
                    return await _here(chunk)
        try:
            return await self._submit(pool, chunk)
        except BrokenProcessPool:
            async with self._suspects:
                await self._replace(pool, len(chunk.items))
                return await self._alone(chunk)

    async def _alone(self, chunk: Chunk[Item, Result]) -> list[Result | RowError]:
        """Run a chunk that was in a broken pool, with no other suspect beside it, halving it if it breaks."""
        pool = await self._running()
        try:
            return await self._submit(pool, chunk)
        except BrokenProcessPool:
            await self._replace(pool, len(chunk.items))
        if len(chunk.items) == 1:
            return [
                RowError("encoding it ended a worker process twice (out of memory, or killed from outside)")
            ]
        first, second = chunk.halves()
        return await self._alone(first) + await self._alone(second)

    async def _submit(self, pool: ProcessPoolExecutor, chunk: Chunk[Item, Result]) -> list[Result | RowError]:
        blocks: list[SharedMemory] = []
        try:
            items = [chunk.cross(item, blocks) for item in chunk.items]
            return await asyncio.wrap_future(pool.submit(chunk.work, items))
        finally:
            for block in blocks:
                block.close()
                block.unlink()

    def _worth_it(self) -> bool:
        whole = max(self._expected, self._met)
        return self._count > 0 and (self._pool is not None or whole > SMALL_JOB_SECONDS)

    async def _ready(self) -> ProcessPoolExecutor | None:
        """Return the processes, or None where there are none, or none yet: they start beside the work.

        Those that take the place of lost ones are waited for: what ended them must not be done here.
        """
        if not self._worth_it():
            return None
        return await self._running() if self._begun().done() else None

    def _begun(self) -> asyncio.Future[ProcessPoolExecutor]:
        if self._beginning is None:
            self._beginning = asyncio.ensure_future(self._running())
        return self._beginning

    async def _running(self) -> ProcessPoolExecutor:
        async with self._starting:
            if self._pool is None:
                try:
                    self._pool = await self._started()
                except BrokenProcessPool:
                    # A signal to all processes, as systemd sends it, ends those that begin.
                    self._pool = await self._started(last=True)
            return self._pool

    async def _started(self, *, last: bool = False) -> ProcessPoolExecutor:
        """Start the processes. Where one of them ends, raises BrokenProcessPool, the last time UsageError."""
        pool = ProcessPoolExecutor(
            self._count, multiprocessing.get_context("spawn"), initializer=worker.start
        )
        try:
            await asyncio.gather(*(_warmed(pool) for _ in range(self._count)))
        except (BrokenProcessPool, OSError, ValueError) as error:
            self._end(pool)
            if isinstance(error, OSError) and error.errno is not None:
                raise
            if last:
                raise UsageError(UNGUARDED) from None
            # A pool that is just being closed, as one of its processes has ended, has no handles any more, or
            # numbers of handles that something else has now.
            raise BrokenProcessPool(str(error)) from error
        except asyncio.CancelledError:
            self._end(pool)
            raise
        return pool

    async def _replace(self, broken: ProcessPoolExecutor, rows: int) -> None:
        if self._pool is broken:
            self._emit(WorkerLost(rows))
            self._pool = None
            self._end(broken)

    def _end(self, pool: ProcessPoolExecutor) -> None:
        processes = tuple((pool._processes or {}).values())  # noqa: SLF001 - there is no other way to them
        pool.shutdown(wait=False, cancel_futures=True)
        Thread(target=_see_off, args=(processes,), daemon=True).start()


async def _here(chunk: Chunk[Any, Result]) -> list[Result | RowError]:
    if chunk.seconds <= HERE_SECONDS:
        done: list[Result | RowError] = []
        some = max(1, int(len(chunk.items) * BUSY_SECONDS / max(chunk.seconds, BUSY_SECONDS)))
        for start in range(0, len(chunk.items), some):
            await lowlevel.checkpoint()
            done += chunk.work(chunk.items[start : start + some])
        return done
    return await to_thread.run_sync(chunk.work, chunk.items)


def _see_off(processes: Sequence[BaseProcess]) -> None:
    """Kill the workers of a pool that has ended if they stay behind.

    One that died may have held the lock under which the others wait for work. They would never hear that they
    are to end, and the interpreter would wait for them for ever. None is killed while all are at work: half a
    result in the pipe would keep its reader waiting instead.
    """
    wait([each.sentinel for each in processes])
    last = monotonic() + LEAVING_SECONDS
    for each in processes:
        each.join(max(0.0, last - monotonic()))
        if each.is_alive():
            each.kill()


UNGUARDED = (
    "the worker processes could not start. A script that runs a job must do so below "
    '`if __name__ == "__main__":`, since every worker imports the script first; '
    "or set `engine: {workers: 0}`"
)
UNGUARDED_EXIT = 17


def leave_if_imported_by_a_worker() -> None:
    """End a worker that is importing a user's script without a guard, before it runs the job again."""
    if getattr(process.current_process(), "_inheriting", False):
        os._exit(UNGUARDED_EXIT)


async def _warmed(pool: ProcessPoolExecutor) -> None:
    # A process begins with those signals blocked that its parent blocks. A Ctrl-C at the terminal goes to all
    # processes, and would end a worker that is still importing and cannot ignore it yet.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        ready = pool.submit(worker.encode_all, "encord_rle", [[Mask.empty(1, 1)]])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    await asyncio.wrap_future(ready)


def _named(row: EditedRow, error: RowError) -> RowError:
    return RowError(f"row {row.row.title or row.key.key!r}: {error}")


def _encoded(mask: AnyMask, data: str | bytes, codec: str) -> EncodedMask:
    return EncodedMask(mask.height, mask.width, codec, data)


def _as_it_is(item: Item, _blocks: list[SharedMemory]) -> Item:
    return item


def _parcels(masks: Sequence[AnyMask], blocks: list[SharedMemory]) -> list[worker.Parcel]:
    return [_parcel(mask, blocks) for mask in masks]


def _on_top(row: EditedRow) -> OnTop:
    return row.layers.on_top if row.layers else OnTop.LAST


def _pictures(
    row: Sequence[tuple[OnTop, Sequence[Layer]]], blocks: list[SharedMemory]
) -> list[worker.Picture]:
    return [(on_top, [(number, _parcel(mask, blocks)) for number, mask in part]) for on_top, part in row]


def _parcel(mask: AnyMask, blocks: list[SharedMemory]) -> worker.Parcel:
    if not isinstance(mask, Raster):
        return mask
    bits = mask.packed()
    if len(bits) < SHARED_FROM or not _room_for(len(bits)):
        return worker.Bits(mask.height, mask.width, bits)
    block = SharedMemory(create=True, size=len(bits))
    blocks.append(block)
    cast("memoryview", block.buf)[: len(bits)] = bits
    return worker.SharedBits(mask.height, mask.width, block.name, len(bits))


def _room_for(size: int) -> bool:
    """Return whether shared memory has room: a container's is small, and writing beyond it is a SIGBUS."""
    return not SHARED_FOLDER.exists() or disk_usage(SHARED_FOLDER).free >= 2 * size


def _parts(items: Sequence[Item], costs: Sequence[float]) -> Iterator[tuple[Sequence[Item], float]]:
    start, predicted = 0, 0.0
    for index, cost in enumerate(costs):
        predicted += cost
        if predicted >= CHUNK_SECONDS:
            yield items[start : index + 1], predicted
            start, predicted = index + 1, 0.0
    if start < len(items):
        yield items[start:], predicted

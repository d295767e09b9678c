"""Small pieces between the stages: batches with a linger, chunks of what is there, work kept in order."""

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint_if_cancelled
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from pipeline.core.batching import Batcher, BatchRule
from pipeline.errors import Stopped

Item = TypeVar("Item")
Result = TypeVar("Result")

_CANCELLED = "a part of the run was cancelled from elsewhere; the run stops here and can be resumed"


async def batches(
    rows: MemoryObjectReceiveStream[Item], rule: BatchRule, size_of: Callable[[Item], int]
) -> AsyncIterator[list[Item]]:
    """Give the items in batches: full by rows or bytes, or when the oldest has waited, or at the end."""
    batcher = Batcher[Item](rule)
    now = asyncio.get_running_loop().time  # the clock of anyio's deadlines, without anyio's way to it
    while True:
        try:
            item = rows.receive_nowait()
        except anyio.WouldBlock:
            late = True
            with anyio.CancelScope(deadline=batcher.due):
                try:
                    item = await rows.receive()
                except anyio.EndOfStream:
                    break
                late = False
            if late:
                yield batcher.take()
                continue
        except anyio.EndOfStream:
            break
        for batch in batcher.add(item, size_of(item), now()):
            yield batch
    if rest := batcher.take():
        yield rest


async def chunks(rows: MemoryObjectReceiveStream[Item], at_most: int) -> AsyncIterator[list[Item]]:
    """Give what is there, at most so many items at once; wait only when there is nothing."""
    async for first in rows:
        chunk = [first]
        while len(chunk) < at_most:
            try:
                chunk.append(rows.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
        yield chunk


async def batched(items: AsyncIterable[Item], size: int) -> AsyncIterator[list[Item]]:
    """Give the items so many at a time, and at the end what is left."""
    batch: list[Item] = []
    async for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@asynccontextmanager
async def until(stop: anyio.Event | None) -> AsyncIterator[None]:
    """Leave the block once `stop` is set, in the middle of a wait where it is waiting."""
    if stop is None:
        yield
        return

    async def watch(scope: anyio.CancelScope) -> None:
        await stop.wait()
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        yield
        group.cancel_scope.cancel()


async def taken_until(stop: anyio.Event, items: AsyncIterator[Item]) -> AsyncGenerator[Item, None]:
    """Give the items until `stop` is set, which ends a wait for the next one, but no other wait.

    Every item that came is given. A generator is closed by the task that read it.
    """
    waiting = False
    last: list[Item] = []

    async def watch(scope: anyio.CancelScope) -> None:
        await stop.wait()
        if waiting:
            scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        try:
            while not stop.is_set():
                waiting = True
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    break
                waiting = False
                if group.cancel_scope.cancel_called:
                    last.append(item)  # it came at the moment of the stop, and may wait for room outside
                    break
                yield item
        finally:
            waiting = False
            if isinstance(items, AsyncGenerator):
                await _close(items)
        group.cancel_scope.cancel()
    for item in last:
        yield item


async def _close(items: AsyncGenerator[object, None]) -> None:
    try:
        await items.aclose()
    except* GeneratorExit:
        pass  # a task group in the generator wraps its end


@asynccontextmanager
async def all_of() -> AsyncIterator[TaskGroup]:
    """Open a task group that raises Stopped where one of its tasks is cancelled from elsewhere.

    Any other group would end all its tasks then, without an error, as if everything were done.
    """
    async with anyio.create_task_group() as group:
        yield group
    if group.cancel_scope.cancel_called:
        raise Stopped(_CANCELLED)


async def put(item: Item, into: MemoryObjectSendStream[Item]) -> None:
    """Send an item, and give way to others only where the stream is full."""
    try:
        into.send_nowait(item)
    except anyio.WouldBlock:
        await into.send(item)
    except anyio.BrokenResourceError:
        # Where all stages are being cancelled the receiver may have gone, and that is no error of the sender.
        await checkpoint_if_cancelled()
        raise


async def pour(items: Iterable[Item], into: MemoryObjectSendStream[Item]) -> None:
    """Send the items, and give way to others only where the stream is full."""
    for item in items:
        try:
            into.send_nowait(item)
        except (anyio.WouldBlock, anyio.BrokenResourceError):
            await put(item, into)


async def in_order(
    items: AsyncIterator[Item],
    work: Callable[[Item], Awaitable[Result]],
    give: Callable[[Result], Awaitable[None]],
    at_once: int,
) -> None:
    """Do `work` on up to `at_once` items at a time, and `give` the results in the order of the items.

    An item is taken only once there is room for its result: a batch that waits is rows in memory.
    """
    waiting, ready = anyio.create_memory_object_stream[_Slot[Result]](at_once - 1)

    async def fill(slot: "_Slot[Result]", item: Item) -> None:
        slot.results.append(await work(item))
        slot.done.set()

    async def start() -> None:
        async with waiting:
            while True:
                slot = _Slot[Result]()
                await waiting.send(slot)
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    slot.done.set()
                    return
                tasks.start_soon(fill, slot, item)

    async with all_of() as tasks, ready:
        tasks.start_soon(start)
        async for slot in ready:
            await slot.done.wait()
            for result in slot.results:
                await give(result)


class _Slot(Generic[Result]):
    """The place of one result in the queue; of none, for the end of the items."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.done = anyio.Event()


async def ahead(
    items: AsyncIterator[Item], work: Callable[[Item], Awaitable[Result]], at_once: int
) -> AsyncGenerator[Result, None]:
    """Give the results in the order of the items, working on a few items ahead of the one that is given.

    Plain tasks and no task group: a generator may be closed from another task than the one that began it.
    """
    running: deque[asyncio.Future[Result]] = deque()
    try:
        async for item in items:
            running.append(asyncio.ensure_future(work(item)))
            if len(running) == at_once:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def together(calls: Sequence[Callable[[], Awaitable[Result]]]) -> list[Result]:
    """Make the calls at once and return their results in order.

    The first error ends the other calls, and is raised as it is.
    """
    results: dict[int, Result] = {}
    failed: list[Exception] = []

    async def make(number: int, call: Callable[[], Awaitable[Result]]) -> None:
        try:
            results[number] = await call()
        except Exception as error:  # noqa: BLE001 - raised below, where it is not wrapped in a group
            failed.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for number, call in enumerate(calls):
            group.start_soon(make, number, call)
    if failed:
        raise failed[0]
    if len(results) < len(calls):
        raise Stopped(_CANCELLED)
    return [results[number] for number in range(len(calls))]

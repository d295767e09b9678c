"""Batches wait no longer than their linger, and concurrent work keeps its order."""

from asyncio import CancelledError
from collections.abc import AsyncIterator
from functools import partial

import anyio
import pytest

from pipeline.core.batching import BatchRule
from pipeline.errors import Stopped
from pipeline.io.streams import batches, chunks, in_order, taken_until, together

pytestmark = pytest.mark.anyio


async def test_a_row_does_not_wait_for_a_batch_that_does_not_fill() -> None:
    send, receive = anyio.create_memory_object_stream[int](10)
    with send, receive:
        send.send_nowait(1)
        async for batch in batches(receive, BatchRule(100, 1000, linger=0.01), lambda _: 1):
            assert batch == [1]
            break


async def test_the_end_of_input_flushes_what_is_left() -> None:
    send, receive = anyio.create_memory_object_stream[int](10)
    with receive:
        with send:
            for item in range(7):
                send.send_nowait(item)
        found = [batch async for batch in batches(receive, BatchRule(3, 1000, linger=60), lambda _: 1)]
    assert found == [[0, 1, 2], [3, 4, 5], [6]]


async def test_chunks_take_what_is_there_and_wait_for_nothing_else() -> None:
    send, receive = anyio.create_memory_object_stream[int](10)
    with receive:
        with send:
            for item in range(5):
                send.send_nowait(item)
        assert [chunk async for chunk in chunks(receive, 4)] == [[0, 1, 2, 3], [4]]


async def test_work_that_ends_out_of_order_is_given_in_order_and_bounded() -> None:
    running = most = 0
    given: list[int] = []

    async def items() -> AsyncIterator[int]:
        for item in range(20):
            yield item

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(20 - item):
            await anyio.lowlevel.checkpoint()
        running -= 1
        return item

    async def give(item: int) -> None:
        given.append(item)

    await in_order(items(), work, give, at_once=4)
    assert given == list(range(20))
    assert 1 < most <= 4


async def test_work_that_is_cancelled_from_elsewhere_is_an_error_and_not_the_end_of_the_work() -> None:
    async def items() -> AsyncIterator[int]:
        for item in range(20):
            yield item

    async def work(item: int) -> int:
        if item == 3:
            raise CancelledError
        return item

    async def give(_: int) -> None:
        return

    with pytest.raises(Stopped, match="from elsewhere"):
        await in_order(items(), work, give, at_once=4)
    with pytest.raises(Stopped, match="from elsewhere"):
        await together([partial(work, item) for item in range(5)])


async def test_an_item_that_waits_for_room_when_the_stop_comes_is_given_and_no_other_is_taken() -> None:
    stop, room = anyio.Event(), anyio.Event()
    taken: list[int] = []
    given: list[int] = []

    async def items() -> AsyncIterator[int]:
        for item in range(20):
            taken.append(item)
            yield item

    async def give() -> None:
        async for item in taken_until(stop, items()):
            if item == 3:
                await room.wait()
            given.append(item)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(give)
            await anyio.wait_all_tasks_blocked()
            stop.set()
            await anyio.wait_all_tasks_blocked()
            room.set()
    assert taken == given == [0, 1, 2, 3]


async def test_the_stop_ends_the_wait_for_the_next_item() -> None:
    stop = anyio.Event()

    async def items() -> AsyncIterator[int]:
        yield 1
        stop.set()
        await anyio.sleep_forever()

    with anyio.fail_after(20):
        assert [item async for item in taken_until(stop, items())] == [1]

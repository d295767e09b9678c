"""Batches wait no longer than their linger, and concurrent work keeps its order."""

from collections.abc import AsyncIterator

import anyio
import pytest

from pipeline.core.batching import BatchRule
from pipeline.io.streams import batches, chunks, in_order

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

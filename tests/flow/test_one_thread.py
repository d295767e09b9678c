"""One thread takes one function after the other, and a loop may wait for it standing still."""

import threading
from functools import partial

import anyio
import anyio.to_thread
import pytest

from pipeline.io.one_thread import OneThread

pytestmark = pytest.mark.anyio

MORE_THAN_ANY_TEST = 60.0


@pytest.mark.parametrize("patience", [0.0, MORE_THAN_ANY_TEST])
async def test_functions_run_one_after_the_other_in_one_thread_that_is_not_the_caller(
    patience: float,
) -> None:
    thread = OneThread("ours", patience=patience)
    ran: list[tuple[int, int]] = []

    async def ask(number: int) -> None:
        await thread.run(lambda: ran.append((number, threading.get_ident())))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(ask, number)
    assert [number for number, _ in ran] == list(range(20))
    (ident,) = {ident for _, ident in ran}
    assert ident != threading.get_ident()


async def test_a_patient_loop_does_nothing_else_until_a_quick_function_is_done() -> None:
    thread = OneThread("ours", patience=MORE_THAN_ANY_TEST)
    happened: list[str] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_note, happened, "another task")
        happened.append(await thread.run(lambda: "result"))
    assert happened == ["result", "another task"]


async def test_beside_a_function_that_takes_longer_than_patience_the_loop_goes_on() -> None:
    thread = OneThread("ours", patience=0.001)
    let_go = threading.Event()
    happened: list[str] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_note, happened, "another task", let_go)
        await thread.run(partial(let_go.wait, MORE_THAN_ANY_TEST))
        happened.append("result")
    assert happened == ["another task", "result"]


@pytest.mark.parametrize("patience", [0.0, MORE_THAN_ANY_TEST])
async def test_what_a_function_raises_is_raised_where_it_was_asked_for(patience: float) -> None:
    thread = OneThread("ours", patience=patience)
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda: 1 // 0)
    assert await thread.run(lambda: 1) == 1


@pytest.mark.parametrize("patience", [0.0, MORE_THAN_ANY_TEST])
async def test_a_stop_iteration_is_an_error_as_any_other(patience: float) -> None:
    thread = OneThread("ours", patience=patience)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await thread.run(lambda: next(iter(())))


async def test_the_thread_ends_when_it_is_told() -> None:
    thread = OneThread("ours")
    found = await thread.run(threading.current_thread)
    thread.end()
    await anyio.to_thread.run_sync(found.join)
    assert not found.is_alive()


async def _note(happened: list[str], what: str, let_go: threading.Event | None = None) -> None:
    happened.append(what)
    if let_go is not None:
        let_go.set()

"""One thread for functions that are not ours: always the same one, and nobody waits for it at the end."""

import asyncio
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeAlias, TypeVar

Result = TypeVar("Result")
_Queue: TypeAlias = SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]


class OneThread:
    """Runs one function after the other in a thread of its own, which begins with the first.

    Unlike the thread of an executor it ends with the process: a function that takes long cannot hold up a
    process that was told to stop at once.
    """

    def __init__(self) -> None:
        self._queue: _Queue = SimpleQueue()
        self._begun = False

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns, or raise what it raises. Cancelled, it does not wait for its end."""
        if not self._begun:
            Thread(target=_serve, args=(self._queue,), name="user functions", daemon=True).start()
            weakref.finalize(self, self._queue.put, None)
            self._begun = True
        future: Future[Result] = Future()
        self._queue.put((future, work))
        return await asyncio.wrap_future(future)


def _serve(queue: _Queue) -> None:
    while (given := queue.get()) is not None:
        future, work = given
        if future.set_running_or_notify_cancel():
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
                future.set_exception(error)
            else:
                future.set_result(result)
        del given, future, work

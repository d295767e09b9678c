"""One thread for functions that may take long: always the same one, and nobody waits for it at the end."""

import asyncio
import weakref
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeAlias, TypeVar

Result = TypeVar("Result")
_Queue: TypeAlias = SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]


class OneThread:
    """Runs one function after the other in a thread of its own, which begins with the first.

    Unlike the thread of an executor it ends with the process: a function that takes long cannot hold up a
    process that was told to stop at once.

    `patience`: seconds for which the caller's event loop stands still for a result. A function that often
    goes in and out of the interpreter has to wait up to 5 ms each time that it comes back in, if the loop is
    at work, so one that takes 2 ms alone would take 50 beside it.
    """

    def __init__(self, name: str, *, patience: float = 0.0) -> None:
        self._name = name
        self._patience = patience
        self._queue: _Queue = SimpleQueue()
        self._last: Future[Any] | None = None
        self.end = weakref.finalize(self, self._queue.put, None)
        """Lets the thread end, once it has done what it was given."""

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns, or raise what it raises. Cancelled, it does not wait for its end."""
        if self._last is None:
            Thread(target=_serve, args=(self._queue,), name=self._name, daemon=True).start()
        is_next = self._last is None or self._last.done()
        future: Future[Result] = Future()
        self._last = future
        self._queue.put((future, work))
        if self._patience and is_next and wait([future], self._patience).done:
            return future.result()
        return await asyncio.wrap_future(future)


def _serve(queue: _Queue) -> None:
    while (given := queue.get()) is not None:
        future, work = given
        if future.set_running_or_notify_cancel():
            try:
                result = work()
            except StopIteration as error:  # no future takes one, and who waits for it would wait for ever
                future.set_exception(RuntimeError(f"a function raised {error!r}"))
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
                future.set_exception(error)
            else:
                future.set_result(result)
        del given, future, work

"""Ends work by signals: a run at a terminal drains at the first one, a call from Python is cancelled."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType, TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import anyio

from pipeline.errors import Exit

Result = TypeVar("Result")
Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None

CODES = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}


class Shutdown:
    """Listens for SIGINT and SIGTERM while it is entered.

    The first signal sets `stop` and calls `on_first`, if there is one. The second one cancels the body, which
    then ends without an error. From then on, and afterwards, the former handlers are back. Signals reach the
    main thread only: in any other thread this does nothing.
    """

    def __init__(self, on_first: Callable[[], object] | None = None) -> None:
        self.stop = anyio.Event()
        self.on_first = on_first
        self.signal: signal.Signals | None = None
        """The first signal that came."""
        self._scope = anyio.CancelScope()
        self._former: dict[signal.Signals, Handler] = {}

    @property
    def exit_code(self) -> Exit | None:
        """130 after SIGINT, 143 after SIGTERM, None when no signal came."""
        return None if self.signal is None else CODES[self.signal]

    async def __aenter__(self) -> Self:
        self._scope.__enter__()
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            for number in CODES:
                self._former[number] = signal.getsignal(number)
                # The loop's own way: a handler set by `signal` alone would not wake a loop that waits.
                loop.add_signal_handler(number, self._came, number)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._restore()
        return self._scope.__exit__(kind, error, trace)

    def _came(self, number: signal.Signals) -> None:
        if self.signal is not None:
            self._scope.cancel()
            # Where a thread cannot be cancelled, a third signal must still end the process.
            self._restore()
            return
        self.signal = number
        self.stop.set()
        if self.on_first is not None:
            self.on_first()

    def _restore(self) -> None:
        loop = asyncio.get_running_loop()
        for number, handler in self._former.items():
            loop.remove_signal_handler(number)
            # None stands for a handler that was not set from Python and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._former.clear()


def interrupts_as_usual() -> bool:
    """Whether Ctrl-C raises KeyboardInterrupt in this thread, as Python does it by itself."""
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(signal.SIGINT) is signal.default_int_handler


async def unless_interrupted(work: Callable[[], Awaitable[Result]]) -> Result | None:
    """Return what `work` returns, or None once Ctrl-C has cancelled it. For the main thread only.

    asyncio raises KeyboardInterrupt at the second Ctrl-C wherever that thread is: also in the middle of what
    ends tasks, which then wait for each other for ever. Here the second one changes nothing, and only a third
    one is asyncio's again.
    """
    loop, former = asyncio.get_running_loop(), signal.getsignal(signal.SIGINT)
    result: Result | None = None

    def restore() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, former)

    with anyio.CancelScope() as scope:

        def interrupt() -> None:
            if scope.cancel_called:
                restore()
            scope.cancel()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        try:
            result = await work()
        finally:
            restore()
    return None if scope.cancel_called else result

"""Ends a run by signals: the first one lets it drain, the second one ends it at once."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self, TypeAlias

import anyio

from pipeline.errors import Exit

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

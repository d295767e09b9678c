"""The progress of a run: a live line on a terminal, a plain line every few seconds elsewhere."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from pipeline import events

WINDOW = 20.0
"""Seconds that the rate is taken over."""


class Progress:
    """Counts what has happened so far. It is fed by one thread and may be read by another."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.phase = "starting"
        self.expected: int | None = None
        self.waiting = ""
        self.rows = self.labels = self.rejected = self.in_flight = 0
        self._clock = clock
        self._began = clock()
        self._marks: deque[tuple[float, int]] = deque([(self._began, 0)])

    def add(self, event: events.Event) -> None:
        """Count one event."""
        match event:
            case events.RunStarted():
                self.expected = event.rows
            case events.Phase():
                self.phase = event.name
            case events.BundleSent():
                self.in_flight += 1
            case events.StageTime(stage="save"):
                self.in_flight -= 1
            case events.BundleDone():
                self._settle(event.saved, event.labels)
            case events.RowsSettled():
                self._settle(event.rows, event.labels)
            case events.RowRejected():
                self.rejected += 1
                self._settle(1, 0)
            case events.RequestDone():
                self._answered(event)
            case _:
                pass

    def _answered(self, request: events.RequestDone) -> None:
        """Remember why nothing may happen for a while: a server that is busy, or not there."""
        if request.outcome in ("retry", "error"):
            what = f"answers {request.status}" if request.status else "does not answer"
            self.waiting = f"waiting: {request.host} {what}"
        else:
            self.waiting = ""

    def _settle(self, rows: int, labels: int) -> None:
        self.rows += rows
        self.labels += labels
        now = self._clock()
        self._marks.append((now, self.rows))
        while len(self._marks) > 2 and self._marks[1][0] < now - WINDOW:  # noqa: PLR2004 - both ends of the window
            self._marks.popleft()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    @property
    def rate(self) -> float:
        """Rows per second over the last seconds."""
        since, rows = self._marks[0]
        return (self.rows - rows) / max(self._clock() - since, 1e-3)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the last row at the present rate, where both are known."""
        rate = self.rate
        if self.expected is None or rate <= 0:
            return None
        return max(self.expected - self.rows, 0) / rate

    def line(self) -> str:
        """Return all of it in one line of text."""
        of = "" if self.expected is None else f" of {self.expected:,}"
        left = self.seconds_left
        parts = [
            f"{self.phase}: {self.rows:,}{of} rows",
            f"{self.labels:,} labels",
            f"{self.in_flight} bundle{'' if self.in_flight == 1 else 's'} in flight",
            f"{self.rate:,.0f} rows/s",
            *([] if left is None else [f"{clock_time(left)} left"]),
            f"{self.rejected:,} rejected",
            *([self.waiting] if self.waiting else []),
        ]
        return ", ".join(parts)


def clock_time(seconds: float) -> str:
    """Return a length of time as people write it: `8 s`, `2 min 05 s`, `3 h 20 min`."""
    whole = int(seconds + 0.5)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


@contextmanager
def live(progress: Progress, stream: TextIO) -> Iterator[Callable[[str], None]]:
    """Show the progress on a terminal until the context ends. Gives what prints a line above it."""
    console = Console(file=stream, highlight=False)
    bar = Bar(
        SpinnerColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        get_time=monotonic,
    )
    task = bar.add_task(progress.line(), total=None)

    def draw() -> None:
        bar.update(task, total=progress.expected, completed=progress.rows, description=progress.line())

    with bar, every(0.2, draw):
        yield lambda line: console.print(line, markup=False, soft_wrap=True)


@contextmanager
def every(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Run an action again and again, in a thread, until the context ends."""
    over = threading.Event()

    def repeat() -> None:
        # Where the screen has gone away there is nobody left to tell.
        with suppress(OSError):
            while not over.wait(seconds):
                action()

    thread = threading.Thread(target=repeat, name="labelferry-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

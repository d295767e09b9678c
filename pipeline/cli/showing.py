"""Shows a run as it goes on: as logs in JSON, as a live line, or as plain lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeAlias

from pipeline.cli.ending import redactor
from pipeline.events import Event
from pipeline.io.progress import Progress, every, live
from pipeline.io.telemetry import EventLog, forward_logging, open_log

PLAIN_EVERY = 3.0
"""Seconds between two lines of progress where there is no terminal."""
REJECTS_LOGGED = 5

Shown: TypeAlias = tuple[Callable[[Event], None], Callable[[str], None]]
"""A listener for events, and a function that says a line."""


@contextmanager
def shown(stream: TextIO, *, as_json: bool) -> Iterator[Shown]:
    """Show what happens until the context ends."""

    def plain(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    progress = Progress()
    if as_json:
        with _json(progress, plain) as both:
            yield both
    elif stream.isatty():
        with live(progress, stream) as above:
            yield _on_console(progress, above)
    else:
        with every(PLAIN_EVERY, lambda: plain(progress.line())):
            yield _on_console(progress, plain)


@contextmanager
def _json(progress: Progress, write: Callable[[str], None]) -> Iterator[Shown]:
    log = open_log(write, redactor(), as_json=True)
    forward_logging(log)

    def beat() -> None:
        rows, labels, left = progress.rows, progress.labels, progress.seconds_left
        log.info("progress", rows=rows, labels=labels, expected=progress.expected, seconds_left=left)

    with every(PLAIN_EVERY, beat):
        yield _both(progress, EventLog(log)), log.warning


def _on_console(progress: Progress, write: Callable[[str], None]) -> Shown:
    log = open_log(write, redactor(), as_json=False)
    forward_logging(log)
    return _both(progress, EventLog(log, REJECTS_LOGGED)), write


def _both(progress: Progress, events: EventLog) -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        progress.add(event)
        events(event)

    return tell

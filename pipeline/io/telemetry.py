"""Logs: every event as one structlog line, on a console or as JSON, with secrets taken out."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import structlog

from pipeline import events
from pipeline.io.redaction import Redactor


class _Lines:
    """What structlog writes to: a function that takes whole lines."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def msg(self, message: str) -> None:
        self._write(message)

    debug = info = warning = error = critical = msg


def open_log(
    write: Callable[[str], None], redactor: Redactor, *, as_json: bool
) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that gives finished lines to `write`.

    As JSON every line is one object with `time` (ISO 8601, UTC), `level` and `event`, and everything from
    `info` up is written. On a console only warnings and errors are: the rest is what the progress shows.
    """

    def redact(_logger: object, _name: str, line: structlog.typing.EventDict) -> Mapping[str, Any]:
        cleaned: Mapping[str, Any] = redactor.value(line)
        return cleaned

    finish: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    processors: list[structlog.typing.Processor] = [structlog.processors.add_log_level, redact]
    if as_json:
        processors.insert(0, structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"))
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        _Lines(write),
        processors=[*processors, finish],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if as_json else logging.WARNING),
        cache_logger_on_first_use=True,
    )
    return log


_NAMES: dict[type, tuple[str, int]] = {
    events.RunStarted: ("run started", logging.INFO),
    events.Phase: ("phase", logging.INFO),
    events.RowsOpened: ("rows opened", logging.INFO),
    events.BundleSent: ("bundle sent", logging.INFO),
    events.BundleDone: ("bundle done", logging.INFO),
    events.RowsSettled: ("rows settled", logging.INFO),
    events.RowRejected: ("row rejected", logging.WARNING),
    events.GroupsChanged: ("groups changed", logging.INFO),
    events.LossSeen: ("loss", logging.INFO),
    events.PaceChanged: ("pace changed", logging.INFO),
    events.WorkerLost: ("worker process lost; its rows run again", logging.WARNING),
    events.RunEnded: ("run ended", logging.INFO),
}
_TROUBLE = frozenset({"retry", "reject", "fatal", "error"})


class EventLog:
    """Writes events to a log. Of requests only those that went wrong; notes and timings are in the report.

    After `most` rejected rows the others are not logged one by one: they are in the journal.
    """

    def __init__(self, log: structlog.typing.FilteringBoundLogger, most: int | None = None) -> None:
        self._log = log
        self._left = most

    def __call__(self, event: events.Event) -> None:
        """Write one event."""
        name, level = _NAMES.get(type(event), ("", logging.NOTSET))
        if isinstance(event, events.RequestDone) and event.outcome in _TROUBLE:
            name, level = "request failed", logging.INFO
        elif isinstance(event, events.RowRejected) and self._left is not None:
            self._left -= 1
            if self._left < 0:
                return
        if name:
            self._log.log(level, name, **{field.name: getattr(event, field.name) for field in fields(event)})


class _Forward(logging.Handler):
    """Passes what other libraries log on as one line each, without stack traces."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage().partition("\n")[0]
        self._log.log(record.levelno, message, logger=record.name)


def forward_logging(log: structlog.typing.FilteringBoundLogger) -> None:
    """Send the standard library's logging of warnings and errors to this log, and nowhere else."""
    root = logging.getLogger()
    root.handlers = [_Forward(log)]
    root.setLevel(logging.WARNING)

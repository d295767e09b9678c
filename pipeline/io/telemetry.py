"""Logs: every event as one structlog line, on a console or as JSON, with secrets taken out.

A secret is known by its name (`token`, `api_key`, `Authorization` ...) or by its value (what the environment
and the job hold under such a name). Whatever leaves the program for a screen or a file goes through a
`Redactor`.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

import structlog

from pipeline import events

HIDDEN = "[redacted]"
SHORTEST = 6
"""A value of fewer characters is not searched for in text: it would hide ordinary words."""

_WORDS = (
    r"(?:token|secret|passw(?:or)?d|passphrase|(?:api|ssh|private)_?key|authorization|cookie|credentials?)"
)
_NAME = re.compile(rf"{_WORDS}(?!_?(?:file|path))", re.IGNORECASE)
_PATTERNS = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        HIDDEN,
    ),
    (re.compile(r"(?i)\b(bearer|basic|token)(\s+)[A-Za-z0-9._~+/=-]{8,}"), rf"\1\2{HIDDEN}"),
    (re.compile(r"(://[^\s/@:]*:)[^\s/@]+@"), rf"\1{HIDDEN}@"),
    (
        re.compile(
            rf"(?i)([\w-]*{_WORDS}(?!_?(?:file|path))[\"']?\s*[=:]\s*)"
            rf"(?!(?:bearer|basic|token)\s)(?:\"[^\"]*\"|'[^']*'|[^\s&,;\"'}}\])]+)"
        ),
        rf"\1{HIDDEN}",
    ),
)


class Redactor:
    """Takes secrets out of text and of plain values, by name and by value."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._values: set[str] = set()
        self._search: re.Pattern[str] | None = None
        self.learn(environment)

    def learn(self, known: Any) -> None:  # noqa: ANN401 - any plain value
        """Remember every text that stands under a secret's name in a (nested) mapping."""
        for value in _secrets(known, secret=False):
            lines = [value, *value.splitlines()] if "\n" in value else [value]
            self._values.update(line.strip() for line in lines if len(line.strip()) >= SHORTEST)
        longest_first = sorted(self._values, key=len, reverse=True)
        self._search = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        if self._search is not None:
            text = self._search.sub(HIDDEN, text)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text

    def value(self, value: Any) -> Any:  # noqa: ANN401 - any plain value
        """Return a plain value (mappings, lists, text, numbers) without secrets, at any depth."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.value(key): HIDDEN if _is_secret(key) and isinstance(item, str) else self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def _is_secret(name: Any) -> bool:  # noqa: ANN401 - keys of any mapping
    return isinstance(name, str) and _NAME.search(name) is not None


def _secrets(value: Any, *, secret: bool) -> Iterable[str]:  # noqa: ANN401 - any plain value
    if isinstance(value, str):
        if secret:
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secrets(item, secret=secret or _is_secret(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item, secret=secret)


# ---- logs ---------------------------------------------------------------------------------------------


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

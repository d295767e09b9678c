"""How a verb ends: one place turns every error into one message on stderr and an exit code."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, ParamSpec

from pipeline.errors import Exit, FatalError, LabelferryError

if TYPE_CHECKING:
    from pipeline.io.redaction import Redactor

P = ParamSpec("P")

CRASH_LOG = "labelferry-crash.log"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_crash_folder = Path()


def crash_beside(folder: Path) -> None:
    """Write the log of a crash into this folder from now on."""
    global _crash_folder  # noqa: PLW0603 - where a crash is logged belongs to the process
    _crash_folder = folder


@cache
def redactor() -> "Redactor":
    """Return the redactor of this process; it knows the secrets of the environment."""
    from pipeline.io.redaction import Redactor

    return Redactor(dict(os.environ))


def say(message: str) -> None:
    """Write one message to stderr, without secrets."""
    sys.stderr.write(f"labelferry: {redactor().text(message)}\n")
    sys.stderr.flush()


def ended(verb: Callable[P, None]) -> Callable[P, None]:
    """Make a verb end with one message and the exit code of its error."""

    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with _ending():
            verb(*args, **kwargs)
            sys.stdout.flush()

    return run


@contextmanager
def _ending() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Whoever read the output has enough of it. Python would complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        leave(Exit.STOPPED)
    except KeyboardInterrupt:
        say("interrupted")
        leave(Exit.INTERRUPTED)
    except BaseExceptionGroup as group:
        _end_with(_first(group))
    except LabelferryError as error:
        _end_with(error)
    except Exception as error:  # noqa: BLE001 - the last place that can turn it into a message
        _end_with(error)


def leave(code: Exit | int) -> NoReturn:
    """End the process with this code."""
    raise SystemExit(int(code))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error to show: a bug before an error of ours, and a fatal one before others."""
    leaves = list(_leaves(group))
    return min(
        leaves, key=lambda error: (isinstance(error, LabelferryError), not isinstance(error, FatalError))
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _end_with(error: BaseException) -> NoReturn:
    if isinstance(error, LabelferryError):
        say(str(error))
        leave(error.exit_code if isinstance(error, FatalError) else Exit.STOPPED)
    if isinstance(error, KeyboardInterrupt):
        say("interrupted")
        leave(Exit.INTERRUPTED)
    if isinstance(error, OSError) and error.errno in _FULL:
        say(f"the disk is full ({error}); make room, then go on with `labelferry resume`")
        leave(Exit.STOPPED)
    kept = _keep_trace(error)
    where = f"; the trace is in {kept}" if kept else ""
    what = str(error).partition("\n")[0]
    say(f"this is a bug: {type(error).__name__}: {what}{where}; please report it with that file")
    leave(Exit.STOPPED)


def _keep_trace(error: BaseException) -> Path | None:
    """Append the trace to a log that only its owner can read; return where, or None when nowhere could be."""
    import tempfile
    import traceback
    from datetime import UTC, datetime

    text = redactor().text("".join(traceback.format_exception(error)))
    entry = f"---- {datetime.now(UTC).isoformat()}\n{text}\n"
    for folder in (_crash_folder, Path(tempfile.gettempdir())):
        path = (folder / CRASH_LOG).absolute()
        try:
            with os.fdopen(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "w"
            ) as file:
                file.write(entry)
        except OSError:
            continue
        return path
    return None

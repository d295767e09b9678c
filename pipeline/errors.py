"""Every error of labelferry, by what the caller does next: try again, reject rows, or stop."""

from collections.abc import Mapping
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line."""

    SAVED = 0
    STOPPED = 1
    USAGE = 2
    REJECTED = 3
    CREDENTIALS = 4
    DIFFERENT = 5
    RUNNING = 75
    INTERRUPTED = 130
    TERMINATED = 143


class LabelferryError(Exception):
    """Base of all errors that labelferry raises on purpose; the message is written for a user."""


class TransientError(LabelferryError):
    """Worth another try: a timeout, a reset, 429, 5xx.

    `after` is the number of seconds that the server asked for, if it did. `pushback` is true for an
    answer that says "slower" (429, or 503 that names a wait), which halves the pace.
    `unknown` is true where the request may have been carried out although no good answer came.
    """

    def __init__(
        self, message: str, *, after: float | None = None, pushback: bool = False, unknown: bool = True
    ) -> None:
        super().__init__(message)
        self.after = after
        self.pushback = pushback
        self.unknown = unknown


class RowError(LabelferryError):
    """One row cannot be read, edited, encoded or saved; the others go on."""


class BundleRefused(LabelferryError):  # noqa: N818 - a refusal, named for what the server did
    """A request of several rows was refused for good.

    `rows` maps target ids that the answer names to their reasons (empty: it names none).
    `too_large` means the request as a whole was too big and no row is to blame; `at_most` is the number
    of rows that the server says it takes.
    """

    def __init__(
        self,
        message: str,
        *,
        rows: Mapping[str, str] | None = None,
        too_large: bool = False,
        at_most: int | None = None,
    ) -> None:
        super().__init__(message)
        self.rows = dict(rows or {})
        self.too_large = too_large
        self.at_most = at_most


class FatalError(LabelferryError):
    """The run cannot go on. `exit_code` says how the command line ends."""

    exit_code: Exit = Exit.STOPPED


class Stopped(FatalError):  # noqa: N818 - a state, not a fault
    """The run stopped and can be resumed: an outage, a full disk, a cap reached."""


class UsageError(FatalError):
    """The job, the command line or something found before any write is wrong."""

    exit_code = Exit.USAGE


class CredentialsError(FatalError):
    """A key or token was refused, has expired, or is missing."""

    exit_code = Exit.CREDENTIALS


class AlreadyRunning(FatalError):  # noqa: N818 - a state, not a fault
    """Another process runs the same job."""

    exit_code = Exit.RUNNING

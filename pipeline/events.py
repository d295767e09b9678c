"""What happens in a run, as values. Logs, progress, metrics and the report all hang on these."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins or goes on. `rows` is the number of source rows, where known."""

    job: str
    run: str
    rows: int | None
    resumed: bool


@dataclass(frozen=True, slots=True)
class Phase:
    """The run enters a phase: listing, matching, moving, finishing."""

    name: str


@dataclass(frozen=True, slots=True)
class Created:
    """Something came into being in the target that rows need: a project, a dataset, a class, a tag.

    `planned`: nothing was made, as nothing may be written; a run would make it.
    """

    what: str
    planned: bool = False


@dataclass(frozen=True, slots=True)
class RowsOpened:
    """Rows were initialised in one call."""

    rows: int


@dataclass(frozen=True, slots=True)
class BundleSent:
    """A bundle leaves for the target."""

    bundle: str
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class BundleDone:
    """A bundle was settled: so many rows saved, so many rejected, labels and groups of the saved ones."""

    bundle: str
    saved: int
    rejected: int
    labels: int
    groups: int = 0


@dataclass(frozen=True, slots=True)
class RowsSettled:
    """Rows that end without a save: outcome is unchanged, skipped or already-done."""

    outcome: str
    rows: int
    labels: int
    groups: int = 0


@dataclass(frozen=True, slots=True)
class RowRejected:
    """One row was rejected."""

    row: str
    title: str
    stage: str
    reason: str
    labels: int
    groups: int = 0


@dataclass(frozen=True, slots=True)
class GroupsChanged:
    """Operations made groups, or took groups apart so that nothing is left of them."""

    made: int
    discarded: int


@dataclass(frozen=True, slots=True)
class LossSeen:
    """Something that the target does not hold, of a row that was allowed to lose it, or was not."""

    row: str
    object: str | None
    what: str
    why: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class NoteSeen:
    """Something that the target sets itself, or a warning that stops nothing."""

    row: str
    object: str | None
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class RequestDone:
    """One attempt of one HTTP request ended. `outcome` is ok, retry, reject, fatal or error."""

    host: str
    kind: str
    status: int | None
    outcome: str
    attempt: int
    sent: int
    received: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Waited:
    """A request waited: why is throttle, gate, slot or backoff."""

    host: str
    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PaceChanged:
    """Concurrency or rate of a host was tuned."""

    host: str
    concurrency: int
    rate: float
    why: str


@dataclass(frozen=True, slots=True)
class StageTime:
    """Seconds spent in one stage or part of it (read, open, apply, encode, pack, save, journal)."""

    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker process died; the pool is rebuilt and its chunk runs again."""

    rows: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run ended. `outcome` is saved, rejected, stopped or interrupted."""

    outcome: str
    message: str


Event: TypeAlias = (
    RunStarted
    | Phase
    | Created
    | RowsOpened
    | BundleSent
    | BundleDone
    | RowsSettled
    | RowRejected
    | GroupsChanged
    | LossSeen
    | NoteSeen
    | RequestDone
    | Waited
    | PaceChanged
    | StageTime
    | WorkerLost
    | RunEnded
)

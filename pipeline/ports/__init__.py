"""The seams: what a platform implements, and what it is given."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from pipeline.core.labels import LabelRow
from pipeline.core.losses import Features
from pipeline.core.ontology import Ontology
from pipeline.core.rows import (
    Bundle,
    EditedRow,
    LabelTask,
    Mode,
    OpenRow,
    PackedRow,
    Place,
    Rejection,
    RowKey,
    SaveReport,
)
from pipeline.errors import RowError
from pipeline.events import Event
from pipeline.ports.journal import Journal as Journal
from pipeline.ports.journal import RejectedRow as RejectedRow
from pipeline.ports.journal import RunRecord as RunRecord
from pipeline.ports.journal import Step as Step


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform takes. Rates are requests per second; `max_rows` is never above 1000.

    Where the job sets no rate or concurrency, both are tuned between floor and ceiling.
    """

    max_rows: int = 1000
    max_bytes: int = 8 * 1024 * 1024
    open_rows: int = 1000
    rate_floor: float = 1.0
    rate_ceiling: float = 100.0
    concurrency_floor: int = 1
    concurrency_ceiling: int = 8


# ---- HTTP -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to travel. `url` is sent exactly as written."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Ok:
    """The answer is good."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, after this many seconds if the server named them. `pushback`: the server asks for less."""

    message: str
    after: float | None = None
    pushback: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """Refused for good. `rows` maps the target ids that the answer names to reasons."""

    message: str
    rows: Mapping[str, str] = field(default_factory=dict)
    too_large: bool = False
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Fatal:
    """Nothing more can be done. `credentials` and `missing` choose the exit code (4, 2)."""

    message: str
    credentials: bool = False
    missing: bool = False


Verdict: TypeAlias = Ok | Retry | Reject | Fatal


class Channel(Protocol):
    """The one door to a host: retry, slot, gate, throttle, in that order, around each request.

    `build` makes the request afresh for every attempt (signatures carry a time). `judge` says what the
    answer means. Ok gives the answer back; Retry is tried again and ends as TransientError when the
    tries are used up; Reject raises BundleRefused; Fatal raises FatalError, UsageError or CredentialsError.

    A request that is not idempotent comes with `settle`: it is awaited before any repeat of an attempt that
    may have been carried out. An Answer from it ends the call; None means go on (`build` is called again and
    may by then build a smaller request).
    """

    async def send(
        self,
        kind: str,
        build: Callable[[], Request],
        judge: Callable[[Answer], Verdict],
        *,
        settle: Callable[[], Awaitable[Answer | None]] | None = None,
        tries: int | None = None,
    ) -> Answer:
        """Send one request, `tries` times at most, and return its good answer."""
        ...

    def stream(
        self, kind: str, build: Callable[[], Request], judge: Callable[[Answer], Verdict]
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Send one request and give the body of its good answer piece by piece.

        Only an answer with an error status is judged (with its body); opening is retried, reading is not.
        """
        ...


# ---- A platform's two sides -------------------------------------------------------------------------


class Source(Protocol):
    """Where rows come from."""

    restartable: bool
    """Whether `keys` can be read before `tasks`, and both again with the same keys."""

    async def ontology(self) -> Ontology | None:
        """Return the source's ontology, or None when it has none."""
        ...

    def keys(self) -> AsyncIterator[RowKey]:
        """Give the key of every row, in source order, as cheaply as possible."""
        ...

    def tasks(self, wanted: Callable[[Sequence[RowKey]], Any]) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the rows in source order, lazily.

        `wanted` is an async function from some row keys to the set of those (by `key`) still to do, so that
        a source does not fetch what is settled. A row that cannot be read comes as a Rejection.
        """
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What a target is told before the first row.

    `ontology` is that of the source after all operations (None: not known). `mode` is None where the job
    sets none. `clips` is true when `clip` is among the operations. `run` is the same for every resume of one
    run; names of part files are derived from it.
    """

    run: str
    ontology: Ontology | None = None
    mode: Mode | None = None
    clips: bool = False
    require_answers: bool = False
    dry_run: bool = False
    """Nothing may be written: `open` reads what is there and initialises nothing."""


class Places(Protocol):
    """The result of matching; rows without a place are listed before the first write."""

    async def of(self, keys: Sequence[RowKey]) -> Sequence[Place | Rejection]:
        """Return the place of each key, in the same order."""
        ...

    def problems(self) -> AsyncIterator[Rejection]:
        """Give every key that is missing, ambiguous or twice used in the target."""
        ...


class Target(Protocol):
    """Where rows go. No retry, no throttle, no clock inside."""

    limits: Limits

    async def ontology(self) -> Ontology | None:
        """Return the ontology that labels must fit, or None when any class is taken."""
        ...

    async def prepare(self, plan: Plan, keys: AsyncIterable[RowKey] | None) -> Places:
        """List, match, create what the job allows; idempotent. `keys` is None for a one-shot source."""
        ...

    async def open(
        self, tasks: Sequence[LabelTask], places: Sequence[Place]
    ) -> Sequence[OpenRow | Rejection]:
        """Initialise rows in one or more requests; every row asked for is accounted for, in order."""
        ...

    def pack(self, row: EditedRow) -> PackedRow:
        """Turn a row into the target's bytes. Pure. Raises RowError."""
        ...

    async def save(self, bundle: Bundle) -> SaveReport:
        """Save a bundle. Raises BundleRefused (no row was saved), TransientError or FatalError."""
        ...

    async def probe(self) -> None:
        """Send one cheap read. Raises TransientError when the target does not answer."""
        ...

    async def finish(self, *, complete: bool, rejects: bool = False) -> None:
        """Close files; when the run is complete, join parts and write indexes.

        `rejects`: some rows were rejected, and the same run may go on to try them again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`."""

    name: str
    ok: bool
    message: str


class Adapter(Protocol):
    """One platform, connected: gives its two sides. A side that it does not have raises UsageError."""

    def source(self) -> Source:
        """Return the source side."""
        ...

    def target(self) -> Target:
        """Return the target side."""
        ...

    def checks(self) -> AsyncIterator[Check]:
        """Check credentials, reachability and limits, one line each."""
        ...


class Operation(Protocol):
    """One label operation. It raises RowError where it cannot do its work on a row."""

    @property
    def heavy(self) -> bool:
        """Built in, picklable, and worth a process of its own."""
        ...

    @property
    def foreign(self) -> bool:
        """A user's own function: run in one thread, in row order."""
        ...

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the edited row; the given one stays as it is."""
        ...

    def revise(self, ontology: Ontology) -> Ontology | None:
        """Return what the operation makes of the classes, or None when it cannot tell."""
        ...


class Encoder(Protocol):
    """Heavy pure work, off the event loop. Results come in order; one row's failure is its own RowError."""

    async def encode(self, rows: Sequence[LabelRow], codec: str) -> Sequence[LabelRow | RowError]:
        """Turn every mask of the rows, whatever its notation, into an EncodedMask of this codec."""
        ...

    async def apply(
        self, operation: Callable[[LabelRow], LabelRow], rows: Sequence[LabelRow]
    ) -> Sequence[LabelRow | RowError]:
        """Run one heavy built-in operation (picklable) on rows."""
        ...


# ---- What a platform is, and what it is given ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MatchRule:
    """How source rows find their place: by title, path, external_id or a metadata key."""

    by: str = "title"


@dataclass(frozen=True, slots=True)
class RowChoice:
    """Which rows of a source, or of an edited target: titles, ids, status, and how many at most."""

    titles: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What a platform is given to work with.

    `channel` makes the door to a host (one per host and run). `scratch` is a folder of the job that
    survives a crash; the adapter may write below it. `emit` tells what happens.
    """

    channel: Callable[[str, Limits], Channel]
    scratch: Path
    emit: Callable[[Event], None]
    match: MatchRule = MatchRule()
    rows: RowChoice = RowChoice()


@dataclass(frozen=True, slots=True)
class Seed:
    """What a stand-in starts with: an ontology, and one data unit per row (the rows' labels are ignored)."""

    ontology: Ontology
    rows: Sequence[LabelRow]


@dataclass(frozen=True, slots=True)
class Running:
    """A stand-in that serves. `address` fits the command line; `environment` is what to export."""

    url: str
    address: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform. `settings` is the pydantic model of its part of the job file.

    `address` turns the part of an address after the colon (`archive:PATH`, `encord:PROJECT`) and its
    fragment into settings. `stand_in` serves this platform's API on 127.0.0.1, where it has one; its mapping
    holds the options of `pipeline.sandbox` (port, latency, faults, log file, folder for keys).
    """

    name: str
    title: str
    settings: type[Any]
    features: Features
    connect: Callable[[Any, Tools], AbstractAsyncContextManager[Adapter]]
    address: Callable[[str, str], Mapping[str, Any]]
    stand_in: Callable[[Seed, Mapping[str, Any]], AbstractAsyncContextManager[Running]] | None = None

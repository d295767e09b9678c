"""The seams: what a platform implements, and what it is given."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from pipeline.core.labels import LabelRow
from pipeline.core.losses import Features
from pipeline.core.ontology import Ontology
from pipeline.core.rows import (
    Bundle,
    EditedRow,
    LabelTask,
    MediaMode,
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
from pipeline.ports.http import MOST_MEDIA as MOST_MEDIA
from pipeline.ports.http import Answer as Answer
from pipeline.ports.http import Assets as Assets
from pipeline.ports.http import Channel as Channel
from pipeline.ports.http import Fatal as Fatal
from pipeline.ports.http import Gallery as Gallery
from pipeline.ports.http import Ok as Ok
from pipeline.ports.http import Pictures as Pictures
from pipeline.ports.http import Reject as Reject
from pipeline.ports.http import Request as Request
from pipeline.ports.http import Retry as Retry
from pipeline.ports.http import Verdict as Verdict
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
    rows_ahead: int = 2000
    """Rows that are opened before the stages behind have taken them."""
    bundles_at_once: int | None = None
    """Bundles that are saved at once; None: as many as requests. Fewer where a bundle is many requests."""
    rate_floor: float = 1.0
    rate_ceiling: float = 100.0
    concurrency_floor: int = 1
    concurrency_ceiling: int = 8
    address: str = ""
    """What a user corrects where the platform is not at its address, as in "`url`"."""


# ---- A platform's two sides -------------------------------------------------------------------------


StillToDo: TypeAlias = Callable[[Sequence[RowKey]], Awaitable[set[str]]]
"""Returns, for some row keys, the set of those (by `key`) that are still to do."""


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

    def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the rows in source order, lazily.

        It asks `wanted`, so that it does not fetch what is settled. A row that cannot be read comes as a
        Rejection.
        """
        ...


def _as_it_is(ontology: Ontology) -> Ontology | None:
    return ontology


@dataclass(frozen=True, slots=True)
class Plan:
    """What a target is told before the first row.

    `ontology` is that of the source after all operations (None: not known). `mode` is None where the job
    sets none. `run` is the same for every resume of one run; names of part files are derived from it.
    """

    run: str
    ontology: Ontology | None = None
    mode: Mode | None = None
    require_answers: bool = False
    media: MediaMode = MediaMode.MATCH
    """Whether rows that the target lacks are created; not `match` only where the platform `creates` rows."""
    dry_run: bool = False
    """Nothing may be written: `open` reads what is there and initialises nothing."""
    revise: Callable[[Ontology], Ontology | None] = _as_it_is
    """What the operations make of classes that are met in rows (None: they cannot tell)."""


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

    def arrange(self, row: EditedRow) -> EditedRow:
        """Return the row with what has to be known before its masks are encoded. Pure. Raises RowError.

        A target that keeps all masks of a frame in one picture sets `layers`, and adds what `append` keeps;
        any other gives the row back.
        """
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


@runtime_checkable
class Growing(Protocol):
    """A target that can be told to make what rows need: what it is to make is said before."""

    async def additions(self, ontology: Ontology | None) -> Sequence[str]:
        """Say, one line each, what would be made for rows of this ontology (None: not known).

        Nothing is written. Raises UsageError where the job could not be done.
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

    async def encode(self, rows: Sequence[EditedRow], codec: str) -> Sequence[EditedRow | RowError]:
        """Turn every mask of the rows, whatever its notation, into an EncodedMask of this codec.

        In a layered codec every mask becomes an Instance of the picture of its frame, as `layers` say.
        """
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

    def fits(self, title: str, ids: Iterable[str | None], states: Iterable[str | None] = ()) -> bool:
        """Tell whether a row of this title, these ids and these states is chosen, but for the limit."""
        return (
            (not self.titles or title in self.titles)
            and (not self.ids or any(id_ in self.ids for id_ in ids))
            and (not self.status or any(state in self.status for state in states))
        )


@dataclass(frozen=True, slots=True)
class Tools:
    """What a platform is given to work with.

    `channel` makes the door to a host (one per host and run). `scratch` is a folder of the job that
    survives a crash; the adapter may write below it. `emit` tells what happens. `assets` are files behind
    URLs that a server hands out, `media` the pictures of the job's source.
    """

    channel: Callable[[str, Limits], Channel]
    scratch: Path
    emit: Callable[[Event], None]
    match: MatchRule = MatchRule()
    rows: RowChoice = RowChoice()
    assets: Assets = field(kw_only=True)
    media: Pictures = field(kw_only=True)


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


def no_folder(_settings: object) -> Path | None:
    """Of a platform whose rows name no local pictures."""
    return None


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform. `settings` is the pydantic model of its part of the job file.

    `address` turns the part of an address after the colon (`archive:PATH`, `encord:PROJECT`) and its
    fragment into settings. `stand_in` serves this platform's API on 127.0.0.1, where it has one; its mapping
    holds the options of `pipeline.sandbox` (port, latency, faults, log file, folder for keys). `folder` says
    where the pictures are that the rows of this source name by `Media.path`, as its settings have it.
    """

    name: str
    title: str
    settings: type[Any]
    features: Features
    connect: Callable[[Any, Tools], AbstractAsyncContextManager[Adapter]]
    address: Callable[[str, str], Mapping[str, Any]]
    stand_in: Callable[[Seed, Mapping[str, Any]], AbstractAsyncContextManager[Running]] | None = None
    folder: Callable[[Any], Path | None] = no_folder

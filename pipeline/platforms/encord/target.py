"""Encord as a target: rows are matched, initialised in bundles, and replaced as a whole in bundles."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import anyio
import msgspec

from pipeline.core.ontology import Ontology
from pipeline.core.rows import (
    Bundle,
    EditedRow,
    LabelTask,
    Mode,
    OpenRow,
    PackedRow,
    Place,
    Receipt,
    Rejection,
    RowKey,
    SaveReport,
)
from pipeline.errors import LabelferryError, RowError, Stopped, TransientError
from pipeline.io.matching import Candidate, Matching
from pipeline.platforms.encord.client import LIMITS, Wanted
from pipeline.platforms.encord.convert import Opened, pack_row
from pipeline.platforms.encord.listing import Listed, blank_row, spool
from pipeline.platforms.encord.project import Project
from pipeline.platforms.encord.wire import Json
from pipeline.ports import MatchRule, Places, Plan, Tools

PROBE_TRIES = 2
_COLUMNS = frozenset({"title", "path", "external_id"})
"""What rows are matched by without their metadata."""


class EncordTarget:
    """The rows of a project.

    `stack` closes what `prepare` opens. `clock` gives the time, ISO 8601, that marks the new labels of a run.
    """

    limits = LIMITS

    def __init__(
        self, project: Project, tools: Tools, stack: AsyncExitStack, clock: Callable[[], str]
    ) -> None:
        self._project = project
        self._tools = tools
        self._stack = stack
        self._clock = clock
        self._now = ""
        self._plan = Plan("")
        self._ontology = Ontology()

    async def ontology(self) -> Ontology | None:
        """Return the project's ontology."""
        return await self._project.ontology()

    async def prepare(self, plan: Plan, keys: AsyncIterable[RowKey] | None) -> Places:
        """List the project's rows and match the keys. Nothing is created: rows come with their data.

        Raises:
            Stopped: the project cannot be listed at the moment.
        """
        self._plan = plan
        self._now = self._clock()
        # Keys of the project itself say which row they are; titles need not be unique.
        rule = MatchRule("external_id") if plan.mode is Mode.EDIT else self._tools.match
        matching = await self._stack.enter_async_context(Matching(self._tools.scratch, rule))
        await self._look(matching, rule)
        if keys is not None:
            await matching.add_source(keys)
        return Matched(matching)

    async def _look(self, matching: Matching, rule: MatchRule) -> None:
        """Ask for the ontology and the listing at once; of two errors, that of the project says more."""
        failed: list[LabelferryError] = []

        async def ontology() -> None:
            try:
                self._ontology = await self._project.ontology()
            except LabelferryError as error:
                failed.insert(0, error)
                group.cancel_scope.cancel()

        async def listing() -> None:
            try:
                await self._list(matching, rule)
            except LabelferryError as error:
                failed.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(ontology)
            group.start_soon(listing)
        if failed and isinstance(failed[0], TransientError):
            text = f"the rows of the Encord project could not be listed: {failed[0]}"
            raise Stopped(text) from failed[0]
        if failed:
            raise failed[0]

    async def _list(self, matching: Matching, rule: MatchRule) -> None:
        # A row that is not initialised in a dry run is made up from the listing, images included.
        wanted = Wanted(metadata=rule.by not in _COLUMNS, images=self._plan.dry_run)
        with spool(self._tools.scratch) as listing:
            await self._project.client.list_all(listing, wanted)
            async for batch in listing.rows():
                await matching.add_places([_candidate(listed) for listed in batch])

    async def open(
        self, tasks: Sequence[LabelTask], places: Sequence[Place]
    ) -> Sequence[OpenRow | Rejection]:
        """Load rows that have labels or had them once, and initialise the others, each kind in one request.

        In a dry run nothing is initialised. Raises BundleRefused, TransientError or FatalError.
        """
        listed = {place.id: _listed(place) for place in places}
        labels = {row.label_hash: name for name, row in listed.items() if row.label_hash is not None}
        fresh = [name for name, row in listed.items() if row.label_hash is None]
        rows: dict[str, Json] = {}
        if labels:
            rows, _ = await self._project.load(labels)
        if fresh and self._plan.dry_run:
            rows |= {name: blank_row(listed[name]) for name in fresh}
        elif fresh:
            rows |= await self._project.create(fresh)
        return [
            self._opened(task, place, listed[place.id], rows.get(place.id))
            for task, place in zip(tasks, places, strict=True)
        ]

    def _opened(
        self, task: LabelTask, place: Place, listed: Listed, data: Json | None
    ) -> OpenRow | Rejection:
        if data is None:
            reason = f"Encord did not send row {place.title!r} ({place.id}), though asked twice"
            return Rejection(task.key, "open", reason, task.row)
        try:
            opened = Opened.of(data, place.id, listed.number_of_frames)
            existing = self._project.read(opened, listed, self._ontology)
        except RowError as error:
            return Rejection(task.key, "open", str(error), task.row)
        return OpenRow(task, Place(place.id, place.title, opened), existing)

    def arrange(self, row: EditedRow) -> EditedRow:
        """Return the row as it is."""
        return row

    def pack(self, row: EditedRow) -> PackedRow:
        """Return the JSON of the whole label row. Raises RowError."""
        return pack_row(
            row,
            self._ontology,
            now=self._now,
            require_answers=self._plan.require_answers,
            group_attribute=self._project.group_attribute,
        )

    async def save(self, bundle: Bundle) -> SaveReport:
        """Replace the rows in one request, which Encord carries out as a whole or not at all."""
        labels = [row.place.details for row in bundle.rows]
        names = {row.place.id: row.place.id for row in bundle.rows}
        names |= {row.place.details: row.place.id for row in bundle.rows}
        await self._project.client.save(labels, [row.payload for row in bundle.rows], names, bundle.tries)
        return SaveReport(tuple(Receipt(row.key.key, row.place.id) for row in bundle.rows))

    async def probe(self) -> None:
        """Ask for the project."""
        await self._project.client.project(PROBE_TRIES)

    async def finish(self, *, complete: bool, rejects: bool = False) -> None:
        """Do nothing: what was saved is saved."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Places by matching; a row of a kind that cannot be written has none."""

    matching: Matching

    async def of(self, keys: Sequence[RowKey]) -> Sequence[Place | Rejection]:
        """Return the place of each key, in the same order."""
        found = await self.matching.of(keys)
        return [
            place if isinstance(place, Rejection) else _supported(key, place)
            for key, place in zip(keys, found, strict=True)
        ]

    def problems(self) -> AsyncIterator[Rejection]:
        """Give every key that is missing, ambiguous or twice used in the project."""
        return self.matching.problems()


def _supported(key: RowKey, place: Place) -> Place | Rejection:
    listed = _listed(place)
    if listed.supported:
        return Place(place.id, place.title, listed)
    kind = listed.data_type.lower().replace("_", " ")
    reason = (
        f"row {place.title!r} ({place.id}) is a {kind} row in Encord; labels of image, image group, image "
        "sequence and video rows can be written; leave it out with `rows`"
    )
    return Rejection(key, "match", reason)


def _listed(place: Place) -> Listed:
    details = place.details
    return details if isinstance(details, Listed) else msgspec.json.decode(details, type=Listed)


def _candidate(listed: Listed) -> Candidate:
    """Return a row of the listing for matching; its data hash is its external id."""
    details = msgspec.json.encode(
        msgspec.structs.replace(listed, client_metadata=None, data_link=None)
    ).decode()
    return Candidate(
        listed.data_hash,
        listed.data_title,
        listed.data_link,
        listed.data_hash,
        listed.client_metadata or {},
        details,
    )

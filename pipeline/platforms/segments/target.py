"""Segments.ai as a target: samples are matched or created, labels replaced, each in its own request."""

from collections.abc import AsyncIterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import cached_property, partial

import anyio

from pipeline.core.labels import LabelRow
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
from pipeline.errors import BundleRefused, RowError, Stopped, TransientError, UsageError
from pipeline.io.matching import Candidate, Matching
from pipeline.io.streams import together
from pipeline.platforms.segments.client import LIMITS
from pipeline.platforms.segments.convert import Opened, Project, arrange, pack_row
from pipeline.platforms.segments.creating import Creation, new_dataset, planned
from pipeline.platforms.segments.dataset import OpenDataset, needs_files
from pipeline.platforms.segments.listing import list_all
from pipeline.platforms.segments.made import Made, holds
from pipeline.platforms.segments.saving import Saving
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.source import sized
from pipeline.platforms.segments.spool import Head, Spool
from pipeline.platforms.segments.wire import Json, Sample
from pipeline.ports import MatchRule, Places, Plan, Tools

PROBE_TRIES = 2


class SegmentsTarget:
    """One labelset of a dataset. `stack` closes what `prepare` opens."""

    limits = LIMITS

    def __init__(self, dataset: OpenDataset, settings: Settings, tools: Tools, stack: AsyncExitStack) -> None:
        self._dataset = dataset
        self._settings = settings
        self._tools = tools
        self._stack = stack
        self._saving = Saving(dataset.client)
        self._made: Made | None = None
        self._lock = anyio.Lock(fast_acquire=True)
        self._new: Json | None = None
        self._plan = Plan("")
        self._project: Project | None = None
        self._spool: Spool | None = None

    async def ontology(self) -> Ontology | None:
        """Return the dataset's categories; those of bitmaps take what is drawn into them too."""
        project = self._project or await self._existing()
        if project is None:
            return None
        drawn = project.kind.takes - project.kind.shapes
        more = tuple(
            replace(item, shape=shape) for item in project.ontology.classes for shape in sorted(drawn)
        )
        return (
            replace(project.ontology, classes=project.ontology.classes + more) if more else project.ontology
        )

    async def prepare(self, plan: Plan, keys: AsyncIterable[RowKey] | None) -> Places:
        """Look at the dataset, list its samples, match the keys.

        A dataset that the job may create, or a labelset, comes into being when the first rows are opened:
        until then the job may still turn out to be wrong.

        Raises:
            Stopped: the dataset cannot be listed at the moment.
        """
        self._plan = plan
        # Keys of the dataset itself say which sample they are; names need not be unique.
        rule = MatchRule("external_id") if plan.mode is Mode.EDIT else self._tools.match
        creates = plan.media is not MediaMode.MATCH
        matching = await self._stack.enter_async_context(Matching(self._tools.scratch, rule, creates=creates))
        self._spool = await self._stack.enter_async_context(Spool(self._tools.scratch))
        # A sample is called by its title, so that matching finds it again, unless by something else.
        self._made = Made(self._tools.scratch) if creates and rule.by != "title" else None
        try:
            await self._begin()
            if self._new is None:
                await self._list(matching)
        except TransientError as error:
            text = f"the samples of the Segments.ai dataset could not be listed: {error}"
            raise Stopped(text) from error
        if keys is not None:
            await matching.add_source(keys)
        return matching

    async def _existing(self) -> Project | None:
        """Return the dataset, or None for one that is still to be created. Raises UsageError."""
        try:
            return await self._dataset.project()
        except UsageError:
            if self._dataset.info is not None or not self._settings.create:
                raise
            return None

    async def _begin(self) -> None:
        if await self._existing() is None:
            self._new = new_dataset(self._settings, self._plan.ontology)
            self._dataset.assume(planned(self._new))
        elif self._plan.mode is Mode.EDIT:
            self._dataset.require_labelset()
        await self._know()

    async def _know(self) -> None:
        """Take the dataset as it is, with what the job asks of its answers."""
        project = await self._dataset.project()
        rules = replace(project.rules, require_answers=self._plan.require_answers)
        self._project = replace(project, rules=rules)

    async def _list(self, matching: Matching) -> None:
        labels = self._dataset.has_labelset
        await list_all(self._dataset.client, self._samples, self._known.kind, labels=labels)
        async for heads in self._samples.heads():
            own = await self._own(heads)
            await matching.add_places([own.get(head.uuid) or _candidate(head) for head in heads])

    async def _own(self, heads: Sequence[Head]) -> Mapping[str, Candidate]:
        """Return, by uuid, samples that this run made before a crash, as their rows match them."""
        meant = await self._made.of([head.name for head in heads]) if self._made else {}
        there = await self._samples.samples([head.uuid for head in heads if head.name in meant])
        return {
            sample.uuid: one.candidate(sample.uuid, sample.name)
            for sample in there.values()
            for one in meant[sample.name]
            if holds(sample.attributes, one.attributes)
        }

    async def _create(self) -> None:
        """Create the dataset and the labelset where they are not there. Raises UsageError or Stopped."""
        async with self._lock:
            if self._plan.dry_run or (self._new is None and self._dataset.has_labelset):
                return
            client = self._dataset.client
            try:
                if self._new is not None:
                    await client.create_dataset(self._new)
                    self._new = None
                if not self._dataset.has_labelset:
                    await client.create_labelset()
                self._dataset.assume(await client.dataset())
                await self._know()
            except BundleRefused as error:
                text = f"{self._settings.dataset}: the dataset or its labelset was not created"
                raise UsageError(f"{text}: {error}") from error
            except TransientError as error:
                raise Stopped(f"the dataset or its labelset could not be created: {error}") from error

    async def open(
        self, tasks: Sequence[LabelTask], places: Sequence[Place]
    ) -> Sequence[OpenRow | Rejection]:
        """Open samples with the labels that were listed, and create those that the dataset does not have."""
        await self._create()
        there = await self._samples.samples([place.id for place in places if place.id])
        new = [task for task, place in zip(tasks, places, strict=True) if not place.id]
        made = await self._creation.samples(new, self._known, self._plan) if new else {}
        calls = [
            partial(self._opened, task, there.get(place.id) or made.get(task.key.key), place)
            for task, place in zip(tasks, places, strict=True)
        ]
        return await together(calls) if needs_files(self._known.kind) else [await call() for call in calls]

    async def _opened(
        self, task: LabelTask, sample: Sample | RowError | None, place: Place
    ) -> OpenRow | Rejection:
        if sample is None:
            reason = f"row {place.title!r}: its sample {place.id} is not in the listing any more"
            return Rejection(task.key, "open", reason, task.row)
        if isinstance(sample, RowError):
            return Rejection(task.key, "open", str(sample), task.row)
        try:
            existing = await self._dataset.read(sample, sample.label, self._known)
            existing = await self._sized(existing, task.row)
        except RowError as error:
            return Rejection(task.key, "open", str(error), task.row)
        place = Place(sample.uuid or f"new:{sample.name}", sample.name, Opened(sample, sample.label))
        return OpenRow(task, place, existing)

    async def _sized(self, existing: LabelRow, row: LabelRow | None) -> LabelRow:
        """Look up the sizes of pictures where shapes of the row have to be drawn, and nobody knows them."""
        drawn = self._known.kind.takes - self._known.kind.shapes
        unknown = existing.size_at(0) is None and (row is None or row.size_at(0) is None)
        if row is None or not unknown or not any(item.shape in drawn for item in row.objects):
            return existing
        return replace(existing, media=await sized(self._tools, existing.media))

    def arrange(self, row: EditedRow) -> EditedRow:
        """Add what `append` keeps, and give every object its number. Raises RowError."""
        return arrange(row, self._known, self._settings.on_top)

    def pack(self, row: EditedRow) -> PackedRow:
        """Return the JSON of the whole label, and its bitmaps. Raises RowError."""
        return pack_row(row, self._known, status=self._settings.label_status)

    async def save(self, bundle: Bundle) -> SaveReport:
        """Upload bitmaps and replace labels, each row by itself. Raises TransientError or FatalError."""
        return await self._saving.save(bundle)

    async def probe(self) -> None:
        """Ask for the dataset."""
        await self._dataset.client.dataset(PROBE_TRIES)

    async def finish(self, *, complete: bool, rejects: bool = False) -> None:
        """Forget what was made, once no row of the run is left to be tried again."""
        if self._made is not None and complete and not rejects:
            await self._made.forget()

    @cached_property
    def _creation(self) -> Creation:
        return Creation(self._dataset.client, self._tools.media, self._made)

    @property
    def _known(self) -> Project:
        if self._project is None:
            raise UsageError("the Segments.ai dataset was not prepared")
        return self._project

    @property
    def _samples(self) -> Spool:
        if self._spool is None:
            raise UsageError("the Segments.ai dataset was not prepared")
        return self._spool


def _candidate(head: Head) -> Candidate:
    """Return a sample for matching; its uuid is its external id."""
    return Candidate(head.uuid, head.name, head.url, head.uuid, head.metadata or {})

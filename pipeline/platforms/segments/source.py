"""Segments.ai as a source: samples in the order of their names, bitmaps fetched ahead of their use."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pipeline.core.labels import LabelRow, Media
from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import RowError, Stopped, TransientError
from pipeline.io.streams import ahead, together
from pipeline.platforms.segments.convert import Kind, Project
from pipeline.platforms.segments.dataset import OpenDataset, needs_files
from pipeline.platforms.segments.listing import list_all
from pipeline.platforms.segments.release import list_release
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.spool import Head, Spool
from pipeline.platforms.segments.wire import Sample
from pipeline.ports import Tools

KEYS_AT_ONCE = 500
ROWS_AT_ONCE = 200
PARTS_AHEAD = 3
FILES_AHEAD = 50
"""Rows that are read at once where each may be a file of some megabytes."""
PROBE_TRIES = 2
ALIKE = 16
"""Rows whose files do not come, one after the other, before it is the storage that is down and not they."""


@dataclass(frozen=True, slots=True)
class Found:
    """One sample of the listing that the job chose."""

    key: RowKey
    head: Head


class SegmentsSource:
    """The samples of a dataset with their labels in one labelset; a sample without one comes without labels.

    `stack` closes what the listing opens.
    """

    restartable = True

    def __init__(self, dataset: OpenDataset, settings: Settings, tools: Tools, stack: AsyncExitStack) -> None:
        self._dataset = dataset
        self._settings = settings
        self._tools = tools
        self._stack = stack
        self._spool: Spool | None = None
        self._failed = 0

    async def ontology(self) -> Ontology | None:
        """Return the dataset's categories and attributes."""
        return (await self._dataset.project()).ontology

    async def keys(self) -> AsyncIterator[RowKey]:
        """Give the keys of the chosen samples, in the order of the listing, which is asked for once."""
        async for found in self._found():
            yield found.key

    async def tasks(
        self, wanted: Callable[[Sequence[RowKey]], Awaitable[Any]]
    ) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the rows that are wanted."""
        project = await self._dataset.project()
        read = partial(self._read, project=project)
        async with aclosing(ahead(self._parts(wanted, project.kind), read, PARTS_AHEAD)) as parts:
            async for part in parts:
                for task in part:
                    yield task

    async def _listed(self) -> Spool:
        if self._spool is None:
            project = await self._dataset.project()
            self._dataset.require_labelset()
            spool = await self._stack.enter_async_context(Spool(self._tools.scratch))
            if self._settings.release is None:
                await list_all(self._dataset.client, spool, project.kind)
            else:
                await list_release(self._dataset.client, spool, self._settings, self._tools)
            self._spool = spool
        return self._spool

    async def _found(self) -> AsyncIterator[Found]:
        choice, ordinal = self._tools.rows, 0
        async for heads in (await self._listed()).heads():
            for head in heads:
                if choice.limit is not None and ordinal >= choice.limit:
                    return
                if (
                    (not choice.titles or head.name in choice.titles)
                    and (not choice.ids or head.uuid in choice.ids)
                    and (not choice.status or head.status in choice.status)
                ):
                    yield Found(_key(head, ordinal), head)
                    ordinal += 1

    async def _parts(
        self, wanted: Callable[[Sequence[RowKey]], Awaitable[Any]], kind: Kind
    ) -> AsyncIterator[Sequence[Found]]:
        rows = FILES_AHEAD if self._settings.sizes or needs_files(kind) else ROWS_AT_ONCE
        waiting: list[Found] = []
        async for found in self._found():
            waiting.append(found)
            if len(waiting) == KEYS_AT_ONCE:
                for part in await _still(waiting, wanted, rows):
                    yield part
                waiting = []
        for part in await _still(waiting, wanted, rows):
            yield part

    async def _read(self, part: Sequence[Found], *, project: Project) -> list[LabelTask | Rejection]:
        samples = await (await self._listed()).samples([found.head.uuid for found in part])
        rows = [partial(self._task, found, samples[found.head.uuid], project) for found in part]
        if self._settings.sizes or needs_files(project.kind):
            return await together(rows)
        return [await row() for row in rows]

    async def _task(self, found: Found, sample: Sample, project: Project) -> LabelTask | Rejection:
        try:
            row = await self._dataset.read(sample, sample.label, project)
            task = LabelTask(found.key, await self._sized(row) if self._settings.sizes else row)
        except RowError as error:
            return Rejection(found.key, "read", str(error))
        except TransientError as error:
            self._failed += 1
            await self._dataset.client.dataset(PROBE_TRIES)  # whether the service itself is down
            if self._failed > ALIKE:
                raise Stopped(f"files of many rows do not come: {error}; the run can be resumed") from error
            return Rejection(found.key, "read", str(error))
        self._failed = 0
        return task

    async def _sized(self, row: LabelRow) -> LabelRow:
        try:
            return replace(row, media=await sized(self._tools, row.media))
        except TransientError as error:
            raise TransientError(f"row {row.title!r}: its picture cannot be read: {error}") from error


async def sized(tools: Tools, media: Sequence[Media]) -> tuple[Media, ...]:
    """Return the pictures with width and height, looked up where they are not known and can be."""

    async def look(one: Media) -> Media:
        if one.width is not None or one.url is None:
            return one
        size = await tools.media.size_of(Media(name=one.name, url=one.url))
        return one if size is None else replace(one, width=size[0], height=size[1])

    return tuple(await together([partial(look, one) for one in media]))


def _key(head: Head, ordinal: int) -> RowKey:
    return RowKey(
        head.uuid,
        ordinal,
        head.name,
        path=head.url,
        external_id=head.uuid,
        metadata=head.metadata or {},
    )


async def _still(
    waiting: Sequence[Found], wanted: Callable[[Sequence[RowKey]], Awaitable[Any]], rows: int
) -> list[Sequence[Found]]:
    """Return those still to do, in parts that are read at once."""
    if not waiting:
        return []
    keys = await wanted([found.key for found in waiting])
    left = [found for found in waiting if found.key.key in keys]
    return [left[start : start + rows] for start in range(0, len(left), rows)]

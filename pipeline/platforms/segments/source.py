"""Segments.ai as a source: samples in the order of their names, bitmaps fetched ahead of their use."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial

from pipeline.core.labels import LabelRow, Media
from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import RowError, Stopped, TransientError
from pipeline.io.choosing import Chosen, chosen, unsettled
from pipeline.io.streams import ahead, together
from pipeline.platforms.segments.convert import Kind, Project
from pipeline.platforms.segments.dataset import OpenDataset, needs_files
from pipeline.platforms.segments.listing import list_all
from pipeline.platforms.segments.release import list_release
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.spool import Head, Spool
from pipeline.platforms.segments.wire import Sample
from pipeline.ports import StillToDo, Tools

ROWS_AT_ONCE = 200
PARTS_AHEAD = 3
FILES_AHEAD = 50
"""Rows that are read at once where each may be a file of some megabytes."""
PROBE_TRIES = 2
ALIKE = 16
"""Rows whose files do not come, one after the other, before it is the storage that is down and not they."""


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
        """Return the categories and attributes of the dataset, or of the release that is read.

        The attribute that holds groups is none of them: it is read as groups.
        """
        found, group = (await self._project()).ontology, self._settings.group_attribute
        return found if group is None else found.without_text(group)

    async def keys(self) -> AsyncIterator[RowKey]:
        """Give the keys of the chosen samples, in the order of the listing, which is asked for once."""
        async for row in self._chosen():
            yield row.key

    async def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the rows that are wanted."""
        project = await self._project()
        read = partial(self._read, project=project)
        async with aclosing(ahead(self._parts(wanted, project.kind), read, PARTS_AHEAD)) as parts:
            async for part in parts:
                for task in part:
                    yield task

    async def _project(self) -> Project:
        """Return what reading has to know: of a release, only its own file tells it."""
        if self._settings.release is not None:
            await self._listed()
        return await self._dataset.project()

    async def _listed(self) -> Spool:
        if self._spool is None:
            client = self._dataset.client
            spool = await self._stack.enter_async_context(Spool(self._tools.scratch))
            if self._settings.release is None:
                project = await self._dataset.project()
                self._dataset.require_labelset()
                await list_all(client, spool, project.kind)
            else:
                self._dataset.assume(await list_release(client, spool, self._settings, self._tools))
            self._spool = spool
        return self._spool

    async def _chosen(self) -> AsyncIterator[Chosen[Head]]:
        heads = (await self._listed()).heads()
        async for row in chosen(heads, self._tools.rows.limit, self._fits, _key):
            yield row

    def _fits(self, head: Head) -> bool:
        return self._tools.rows.fits(head.name, (head.uuid,), (head.status,))

    async def _parts(self, wanted: StillToDo, kind: Kind) -> AsyncIterator[Sequence[Chosen[Head]]]:
        """Give the samples that are still to do, in parts that are read at once."""
        size = FILES_AHEAD if self._settings.sizes or needs_files(kind) else ROWS_AT_ONCE
        async for rows in unsettled(self._chosen(), wanted):
            for start in range(0, len(rows), size):
                yield rows[start : start + size]

    async def _read(self, part: Sequence[Chosen[Head]], *, project: Project) -> list[LabelTask | Rejection]:
        samples = await (await self._listed()).samples([row.head.uuid for row in part])
        rows = [partial(self._task, row.key, samples[row.head.uuid], project) for row in part]
        if self._settings.sizes or needs_files(project.kind):
            return await together(rows)
        return [await row() for row in rows]

    async def _task(self, key: RowKey, sample: Sample, project: Project) -> LabelTask | Rejection:
        try:
            row = await self._dataset.read(sample, sample.label, project)
            task = LabelTask(key, await self._sized(row) if self._settings.sizes else row)
        except RowError as error:
            return Rejection(key, "read", str(error))
        except TransientError as error:
            self._failed += 1
            await self._dataset.client.dataset(PROBE_TRIES)  # whether the service itself is down
            if self._failed > ALIKE:
                raise Stopped(f"files of many rows do not come: {error}; the run can be resumed") from error
            return Rejection(key, "read", str(error))
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

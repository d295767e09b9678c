"""Supervisely as a source: the images of a project in the order of its datasets and their ids."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from itertools import groupby

from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import RowError, UsageError
from pipeline.events import NoteSeen
from pipeline.io.choosing import Chosen, chosen, unsettled
from pipeline.io.streams import ahead
from pipeline.platforms.supervisely.client import AT_ONCE
from pipeline.platforms.supervisely.convert import Project, stays
from pipeline.platforms.supervisely.datasets import Datasets
from pipeline.platforms.supervisely.listing import list_all
from pipeline.platforms.supervisely.project import OpenProject, image_of
from pipeline.platforms.supervisely.spool import Head, Spool
from pipeline.ports import StillToDo, Tools

PARTS_AHEAD = 16
"""Requests of 50 annotations each that are read ahead of their use."""


class SuperviselySource:
    """The images of a project or of one dataset, with their labels. `stack` closes what the listing opens."""

    restartable = True

    def __init__(self, project: OpenProject, tools: Tools, stack: AsyncExitStack) -> None:
        self._project = project
        self._tools = tools
        self._stack = stack
        self._spool: Spool | None = None

    async def ontology(self) -> Ontology | None:
        """Return the project's classes and tags."""
        return (await self._project.project()).ontology

    async def keys(self) -> AsyncIterator[RowKey]:
        """Give the keys of the chosen images, in the order of the listing, which is asked for once."""
        async for row in self._chosen():
            yield row.key

    async def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the rows that are wanted."""
        read = partial(
            self._read, project=await self._project.project(), datasets=await self._project.datasets()
        )
        async with aclosing(ahead(self._parts(wanted), read, PARTS_AHEAD)) as parts:
            async for part in parts:
                for task in part:
                    yield task

    async def _listed(self) -> Spool:
        if self._spool is None:
            datasets = await self._project.datasets()
            spool = await self._stack.enter_async_context(Spool(self._tools.scratch))
            wanted = datasets.chosen(self._project.settings.dataset)
            await list_all(self._project.client, spool, datasets, wanted, self._project.beginning())
            self._spool = spool
        return self._spool

    async def _chosen(self) -> AsyncIterator[Chosen[Head]]:
        choice = self._tools.rows
        if choice.status:
            raise UsageError("images of Supervisely have no status; choose rows by titles, ids or limit")
        key_of = partial(_key, datasets=await self._project.datasets())
        async for row in chosen((await self._listed()).heads(), choice.limit, self._fits, key_of):
            yield row

    def _fits(self, head: Head) -> bool:
        return self._tools.rows.fits(head.name, (str(head.id),))

    async def _parts(self, wanted: StillToDo) -> AsyncIterator[Sequence[Chosen[Head]]]:
        """Give the images that are still to do, in parts of one dataset each that are one request."""
        async for rows in unsettled(self._chosen(), wanted):
            for _, group in groupby(rows, key=lambda row: row.head.dataset):
                some = list(group)
                for start in range(0, len(some), AT_ONCE):
                    yield some[start : start + AT_ONCE]

    async def _read(
        self, part: Sequence[Chosen[Head]], *, project: Project, datasets: Datasets
    ) -> list[LabelTask | Rejection]:
        listed = await (await self._listed()).images([row.head.id for row in part])
        images = {
            key: image_of(info, dataset, datasets.paths[dataset]) for key, (dataset, info) in listed.items()
        }
        found = await self._project.annotations(list(images.values()))
        tasks: list[LabelTask | Rejection] = []
        for key, head in ((row.key, row.head) for row in part):
            try:
                row = self._project.read(images[head.id], found[head.id], project)
                for note in stays(row):
                    self._tools.emit(NoteSeen(note.row, note.object, note.what, note.why))
                tasks.append(LabelTask(key, row))
            except KeyError:
                reason = f"row {head.name!r}: image {head.id} is not there any more"
                tasks.append(Rejection(key, "read", reason))
            except RowError as error:
                tasks.append(Rejection(key, "read", str(error)))
        return tasks


def _key(head: Head, ordinal: int, datasets: Datasets) -> RowKey:
    name = str(head.id)
    path = f"{datasets.paths[head.dataset]}/{head.name}"
    labels = str(head.labels)
    count = int(labels) if labels.isdecimal() else 0
    return RowKey(name, ordinal, head.name, path, name, head.meta or {}, labels=count)

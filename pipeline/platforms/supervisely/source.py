"""Supervisely as a source: the images of a project in the order of its datasets and their ids."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import RowError, UsageError
from pipeline.io.streams import ahead
from pipeline.platforms.supervisely.client import AT_ONCE
from pipeline.platforms.supervisely.convert import Project
from pipeline.platforms.supervisely.datasets import Datasets
from pipeline.platforms.supervisely.listing import list_all
from pipeline.platforms.supervisely.project import OpenProject, image_of
from pipeline.platforms.supervisely.spool import Head, Spool
from pipeline.ports import Tools

KEYS_AT_ONCE = 500
PARTS_AHEAD = 16
"""Requests of 50 annotations each that are read ahead of their use."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One image of the listing that the job chose."""

    key: RowKey
    head: Head


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
        async for chosen in self._chosen():
            yield chosen.key

    async def tasks(
        self, wanted: Callable[[Sequence[RowKey]], Awaitable[Any]]
    ) -> AsyncGenerator[LabelTask | Rejection, None]:
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
            chosen = datasets.chosen(self._project.settings.dataset)
            spool = await self._stack.enter_async_context(Spool(self._tools.scratch))
            await list_all(self._project.client, spool, datasets, chosen)
            self._spool = spool
        return self._spool

    async def _chosen(self) -> AsyncIterator[Chosen]:
        choice, ordinal = self._tools.rows, 0
        if choice.status:
            raise UsageError("images of Supervisely have no status; choose rows by titles, ids or limit")
        datasets = await self._project.datasets()
        async for heads in (await self._listed()).heads():
            for head in heads:
                if choice.limit is not None and ordinal >= choice.limit:
                    return
                if (not choice.titles or head.name in choice.titles) and (
                    not choice.ids or str(head.id) in choice.ids
                ):
                    yield Chosen(_key(head, ordinal, datasets), head)
                    ordinal += 1

    async def _parts(
        self, wanted: Callable[[Sequence[RowKey]], Awaitable[Any]]
    ) -> AsyncIterator[Sequence[Chosen]]:
        waiting: list[Chosen] = []
        async for chosen in self._chosen():
            waiting.append(chosen)
            if len(waiting) == KEYS_AT_ONCE:
                for part in await _still(waiting, wanted):
                    yield part
                waiting = []
        for part in await _still(waiting, wanted):
            yield part

    async def _read(
        self, part: Sequence[Chosen], *, project: Project, datasets: Datasets
    ) -> list[LabelTask | Rejection]:
        listed = await (await self._listed()).images([chosen.head.id for chosen in part])
        images = {
            key: image_of(info, dataset, datasets.paths[dataset]) for key, (dataset, info) in listed.items()
        }
        found = await self._project.annotations(list(images.values()))
        tasks: list[LabelTask | Rejection] = []
        for key, head in ((chosen.key, chosen.head) for chosen in part):
            try:
                row = self._project.read(images[head.id], found[head.id], project)
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


async def _still(
    waiting: Sequence[Chosen], wanted: Callable[[Sequence[RowKey]], Awaitable[Any]]
) -> list[Sequence[Chosen]]:
    """Return those still to do, in parts of one dataset each that are one request."""
    if not waiting:
        return []
    keys = await wanted([chosen.key for chosen in waiting])
    left = [chosen for chosen in waiting if chosen.key.key in keys]
    parts: list[Sequence[Chosen]] = []
    for _, group in groupby(left, key=lambda chosen: chosen.head.dataset):
        some = list(group)
        parts += [some[start : start + AT_ONCE] for start in range(0, len(some), AT_ONCE)]
    return parts

"""Encord as a source: rows in the order of the project's listing, loaded in bundles ahead of their use."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import BundleRefused, RowError
from pipeline.io.streams import ahead
from pipeline.platforms.encord.client import Wanted
from pipeline.platforms.encord.convert import Opened
from pipeline.platforms.encord.listing import Listed, Spool, blank_row
from pipeline.platforms.encord.project import Project
from pipeline.platforms.encord.wire import Json
from pipeline.ports import RowChoice

KEYS_AT_ONCE = 500
ROWS_AT_ONCE = 200
REQUESTS_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Found:
    """One row of the listing that the job chose."""

    key: RowKey
    listed: Listed


class EncordSource:
    """The rows of a project. Rows that were never initialised come without labels, and stay so."""

    restartable = True

    def __init__(self, project: Project, spool: Spool, choice: RowChoice) -> None:
        self._project = project
        self._spool = spool
        self._choice = choice
        self._listed = False

    async def ontology(self) -> Ontology | None:
        """Return the project's ontology."""
        return await self._project.ontology()

    async def keys(self) -> AsyncIterator[RowKey]:
        """Give the keys of the chosen rows, in the order of the listing, which is asked for once."""
        async for found in self._rows():
            yield found.key

    async def tasks(
        self, wanted: Callable[[Sequence[RowKey]], Awaitable[Any]]
    ) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the rows that are wanted."""
        read = partial(self._read, ontology=await self._project.ontology())
        async with aclosing(ahead(self._parts(wanted), read, REQUESTS_AHEAD)) as parts:
            async for part in parts:
                for task in part:
                    yield task

    async def _rows(self) -> AsyncIterator[Found]:
        if not self._listed:
            await self._project.client.list_all(self._spool, Wanted(metadata=True, images=True))
            self._listed = True
        ordinal = 0
        async for batch in self._spool.rows():
            for listed in batch:
                if self._choice.limit is not None and ordinal >= self._choice.limit:
                    return
                if _chosen(listed, self._choice):
                    yield Found(_key(listed, ordinal), listed)
                    ordinal += 1

    async def _parts(
        self, wanted: Callable[[Sequence[RowKey]], Awaitable[Any]]
    ) -> AsyncIterator[Sequence[Found]]:
        waiting: list[Found] = []
        async for found in self._rows():
            waiting.append(found)
            if len(waiting) == KEYS_AT_ONCE:
                for part in await _still(waiting, wanted):
                    yield part
                waiting = []
        for part in await _still(waiting, wanted):
            yield part

    async def _read(self, part: Sequence[Found], *, ontology: Ontology) -> list[LabelTask | Rejection]:
        labels = {
            found.listed.label_hash: found.listed.data_hash
            for found in part
            if found.listed.label_hash is not None and found.listed.supported
        }
        rows, size, reasons = await self._load(labels) if labels else ({}, 0, {})
        each = size // len(rows) if rows else 0
        tasks: list[LabelTask | Rejection] = []
        for found in part:
            listed = found.listed
            data = rows.get(listed.data_hash)
            if data is None and listed.data_hash in labels.values():
                reason = reasons.get(listed.data_hash, "Encord did not send this row, though asked twice")
                tasks.append(Rejection(found.key, "read", reason))
                continue
            try:
                opened = Opened.of(data or blank_row(listed), listed.data_hash, listed.number_of_frames)
                row = self._project.read(opened, listed, ontology)
                tasks.append(LabelTask(found.key, row, each))
            except RowError as error:
                tasks.append(Rejection(found.key, "read", str(error)))
        return tasks

    async def _load(self, labels: dict[str, str]) -> tuple[dict[str, Json], int, dict[str, str]]:
        """Load rows by label hash, in ever smaller parts where Encord refuses; return reasons of refusals."""
        rows: dict[str, Json] = {}
        reasons: dict[str, str] = {}
        size, waiting = 0, [list(labels)]
        while waiting:
            part = waiting.pop()
            try:
                found, taken = await self._project.load({label: labels[label] for label in part})
            except BundleRefused as refusal:
                if len(part) == 1:
                    reasons[labels[part[0]]] = str(refusal)
                else:
                    middle = min(refusal.at_most or len(part), len(part) // 2)
                    waiting += [part[middle:], part[:middle]]
                continue
            rows |= found
            size += taken
        return rows, size, reasons


def _key(listed: Listed, ordinal: int) -> RowKey:
    return RowKey(
        listed.data_hash,
        ordinal,
        listed.data_title,
        path=listed.data_link,
        external_id=listed.data_hash,
        metadata=listed.client_metadata or {},
    )


def _chosen(listed: Listed, choice: RowChoice) -> bool:
    if choice.titles and listed.data_title not in choice.titles:
        return False
    if choice.ids and listed.data_hash not in choice.ids and listed.label_hash not in choice.ids:
        return False
    return not choice.status or not listed.states.isdisjoint(choice.status)


async def _still(
    waiting: Sequence[Found], wanted: Callable[[Sequence[RowKey]], Awaitable[Any]]
) -> list[Sequence[Found]]:
    """Return those still to do, in parts of one request each."""
    if not waiting:
        return []
    keys = await wanted([found.key for found in waiting])
    left = [found for found in waiting if found.key.key in keys]
    return [left[start : start + ROWS_AT_ONCE] for start in range(0, len(left), ROWS_AT_ONCE)]

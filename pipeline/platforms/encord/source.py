"""Encord as a source: rows in the order of the project's listing, loaded in bundles ahead of their use."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from functools import partial

from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import BundleRefused, RowError
from pipeline.io.choosing import Chosen, chosen, unsettled
from pipeline.io.streams import ahead
from pipeline.platforms.encord.client import Wanted
from pipeline.platforms.encord.convert import Opened
from pipeline.platforms.encord.listing import Listed, Spool, blank_row
from pipeline.platforms.encord.project import Project
from pipeline.platforms.encord.wire import Json
from pipeline.ports import RowChoice, StillToDo

ROWS_AT_ONCE = 200
PARTS_AHEAD = 3


class EncordSource:
    """The rows of a project. Rows that were never initialised come without labels, and stay so."""

    restartable = True

    def __init__(self, project: Project, spool: Spool, choice: RowChoice) -> None:
        self._project = project
        self._spool = spool
        self._choice = choice
        self._listed = False

    async def ontology(self) -> Ontology | None:
        """Return the project's ontology, without the attribute that holds groups: it is read as groups."""
        found, group = await self._project.ontology(), self._project.group_attribute
        return found if group is None else found.without_text(group)

    async def keys(self) -> AsyncIterator[RowKey]:
        """Give the keys of the chosen rows, in the order of the listing, which is asked for once."""
        async for row in self._chosen():
            yield row.key

    async def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the rows that are wanted."""
        read = partial(self._read, ontology=await self._project.ontology())
        async with aclosing(ahead(self._parts(wanted), read, PARTS_AHEAD)) as parts:
            async for part in parts:
                for task in part:
                    yield task

    async def _chosen(self) -> AsyncIterator[Chosen[Listed]]:
        if not self._listed:
            await self._project.client.list_all(self._spool, Wanted(metadata=True, images=True))
            self._listed = True
        async for row in chosen(self._spool.rows(), self._choice.limit, self._fits, _key):
            yield row

    def _fits(self, listed: Listed) -> bool:
        return self._choice.fits(listed.data_title, (listed.data_hash, listed.label_hash), listed.states)

    async def _parts(self, wanted: StillToDo) -> AsyncIterator[Sequence[Chosen[Listed]]]:
        """Give the rows that are still to do, in parts of one request each."""
        async for rows in unsettled(self._chosen(), wanted):
            for start in range(0, len(rows), ROWS_AT_ONCE):
                yield rows[start : start + ROWS_AT_ONCE]

    async def _read(
        self, part: Sequence[Chosen[Listed]], *, ontology: Ontology
    ) -> list[LabelTask | Rejection]:
        labels = {
            row.head.label_hash: row.head.data_hash
            for row in part
            if row.head.label_hash is not None and row.head.supported
        }
        rows, size, reasons = await self._load(labels) if labels else ({}, 0, {})
        each = size // len(rows) if rows else 0
        tasks: list[LabelTask | Rejection] = []
        for key, listed in ((row.key, row.head) for row in part):
            data = rows.get(listed.data_hash)
            if data is None and listed.data_hash in labels.values():
                reason = reasons.get(listed.data_hash, "Encord did not send this row, though asked twice")
                tasks.append(Rejection(key, "read", reason))
                continue
            try:
                opened = Opened.of(data or blank_row(listed), listed.data_hash, listed.number_of_frames)
                row = self._project.read(opened, listed, ontology)
                tasks.append(LabelTask(key, row, each))
            except RowError as error:
                tasks.append(Rejection(key, "read", str(error)))
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

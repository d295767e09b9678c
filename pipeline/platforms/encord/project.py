"""One project, as both sides of the adapter use it: its ontology once, and its rows by hash."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio

from pipeline.core.labels import LabelRow
from pipeline.core.ontology import Ontology
from pipeline.errors import BundleRefused, TransientError
from pipeline.platforms.encord.client import Client, ProjectInfo
from pipeline.platforms.encord.convert import Opened, read_ontology, read_row
from pipeline.platforms.encord.listing import Listed
from pipeline.platforms.encord.wire import Json
from pipeline.ports import Answer

NOTHING_LEFT = Answer(200, {}, b'{"status":200,"response":[]}')


class Project:
    """Reads a project through its client. `group_attribute` is the setting of that name."""

    def __init__(self, client: Client, group_attribute: str | None = None) -> None:
        self.client = client
        self.group_attribute = group_attribute
        self._lock = anyio.Lock(fast_acquire=True)
        self._info: ProjectInfo | None = None
        self._ontology: Ontology | None = None
        self._doubtful: set[str] = set()

    async def info(self) -> ProjectInfo:
        """Return the project's title and the hash of its ontology; asked once."""
        if self._info is None:
            self._info = await self.client.project()
        return self._info

    async def ontology(self) -> Ontology:
        """Return the project's ontology; asked once."""
        async with self._lock:
            if self._ontology is None:
                found = await self.client.ontology((await self.info()).ontology_hash)
                self._ontology = read_ontology(found.editor)
            return self._ontology

    def read(self, opened: Opened, listed: Listed, ontology: Ontology) -> LabelRow:
        """Return the labels of a label row, with what only the listing knows of it. Raises RowError."""
        row = read_row(opened.row, ontology, group_attribute=self.group_attribute, layout=opened.layout)
        priority = listed.priority if row.priority is None else row.priority
        metadata = listed.client_metadata or row.metadata
        if priority == row.priority and metadata is row.metadata:
            return row
        return replace(row, priority=priority, metadata=metadata)

    async def load(self, wanted: Mapping[str, str]) -> tuple[dict[str, Json], int]:
        """Return label rows by data hash, and the bytes that they took.

        `wanted` maps label hashes to data hashes. A row that does not come is asked for once more; one that
        does not come then either is left out.
        """
        found: dict[str, Json] = {}
        size = 0
        left = dict(wanted)
        for _ in range(2):
            if not left:
                break
            names = {**left, **{data: data for data in left.values()}}
            rows, taken = await self.client.load(list(left), names)
            size += taken
            for row in rows:
                data_hash = left.pop(str(row.get("label_hash")), None)
                if data_hash is not None:
                    found[data_hash] = row
        return found, size

    async def create(self, data_hashes: Sequence[str]) -> dict[str, Json]:
        """Initialise rows, and return label rows by data hash.

        A row that turns out to have been initialised meanwhile, by an attempt whose answer was lost or by
        somebody else, is loaded. A row that does not come is left out.
        """
        creation = _Creation(self.client, data_hashes)
        try:
            if not self._doubtful.isdisjoint(data_hashes):
                await creation.look()
            found = await creation.run()
        except TransientError as error:
            if error.unknown:
                self._doubtful.update(data_hashes)
            raise
        self._doubtful.difference_update(data_hashes)
        if len(found) + len(creation.there) < len(data_hashes):
            await creation.look()
        if creation.there:
            loaded, _ = await self.load(creation.there)
            found |= loaded
        return found


class _Creation:
    """One bundle of rows to initialise. `there` maps label to data hashes of those that already are."""

    def __init__(self, client: Client, data_hashes: Sequence[str]) -> None:
        self.there: dict[str, str] = {}
        self._client = client
        self._left = list(data_hashes)
        self._found: dict[str, Json] = {}

    async def run(self) -> dict[str, Json]:
        """Create what is left, and return the rows by data hash."""
        try:
            await self._send()
        except BundleRefused as refusal:
            # Perhaps because some exist. What they are called is read from the listing, not from the refusal.
            if refusal.too_large or not await self.look():
                raise
            await self._send()
        return self._found

    async def look(self) -> bool:
        """Find out which rows are initialised by now; True when there is one."""
        before = len(self.there)
        waiting = [name for name in self._left if name not in self._found]
        for listed in await self._client.list_some(waiting):
            if listed.label_hash is not None:
                self.there[listed.label_hash] = listed.data_hash
        gone = set(self.there.values())
        self._left = [name for name in self._left if name not in gone]
        return len(self.there) > before

    async def _send(self) -> None:
        if not self._left:
            return
        names = {name: name for name in self._left}
        for row in await self._client.create(lambda: self._left, names, self._settle):
            if row.get("data_hash") in names and row.get("label_hash"):
                self._found[row["data_hash"]] = row

    async def _settle(self) -> Answer | None:
        await self.look()
        return None if self._left else NOTHING_LEFT

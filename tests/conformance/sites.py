"""A place of any platform to write to and read from: a file in a folder, or a project on its own stand-in.

Nothing here knows a platform by name: a platform without a stand-in is files, and its address is a path.
"""

import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel

from pipeline.core.backoff import RetryPolicy
from pipeline.core.labels import LabelRow
from pipeline.core.ontology import Ontology
from pipeline.core.rows import Bundle, EditedRow, LabelTask, OpenRow, PackedRow, Place, Rejection, RowKey
from pipeline.errors import RowError, UsageError
from pipeline.io.assets import Storage
from pipeline.io.channel import Channels
from pipeline.io.media import PictureReader
from pipeline.job import parse_address
from pipeline.ports import Adapter, Channel, Limits, Plan, Platform, Running, Seed, Target, Tools
from pipeline.wiring.ends import settings_of
from tests.conformance.moving import drawn_or_encoded, rows_of

QUICK = RetryPolicy(base=0.01, cap=0.05)
FILE = "labels #1 (100%)?.json"
"""A name that an address has to spell with care."""


@dataclass(frozen=True)
class Site:
    """One place. `address` is as on the command line; `environment` holds the credentials for it."""

    platform: Platform
    address: str
    folder: Path
    channels: Channels
    environment: Mapping[str, str] = field(default_factory=dict)
    serials: Iterator[int] = field(default_factory=count)

    @property
    def settings(self) -> BaseModel:
        """The settings that the address stands for."""
        return settings_of(parse_address(self.address), "conformance")[1]

    @asynccontextmanager
    async def adapter(self, run: str | None = None) -> AsyncIterator[Adapter]:
        """Connect, with the scratch folder of a run, or one of its own."""
        scratch = self.folder / f"scratch-{run or next(self.serials)}"
        scratch.mkdir(parents=True, exist_ok=run is not None)
        assets = Storage(self.channels)
        tools = Tools(
            self._channel, scratch, lambda _: None, assets=assets, media=PictureReader(assets, self.folder)
        )
        with exported(self.environment):
            async with self.platform.connect(self.settings, tools) as adapter:
                yield adapter

    def _channel(self, url: str, limits: Limits) -> Channel:
        assert self.platform.stand_in is not None, "a platform without a stand-in opens no connection"
        return self.channels.get(url, limits)

    async def rows(self) -> list[LabelRow]:
        """Every row that is there, as the source side reads it."""
        async with self.adapter() as adapter:
            return await rows_of(adapter.source())


@contextmanager
def exported(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables until the context ends."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@asynccontextmanager
async def site_of(
    platform: Platform, folder: Path, ontology: Ontology, rows: Sequence[LabelRow]
) -> AsyncIterator[Site]:
    """Give a place that is ready for these rows, and holds no labels."""
    async with AsyncExitStack() as stack:
        channels = await stack.enter_async_context(Channels(lambda _: None, policy=QUICK))
        if platform.stand_in is None:
            yield Site(platform, f"{platform.name}:{quote(str(folder / FILE))}", folder, channels)
            return
        running = await _served(platform, ontology, rows, folder, stack)
        yield Site(platform, running.address, folder, channels, running.environment)


async def _served(
    platform: Platform, ontology: Ontology, rows: Sequence[LabelRow], folder: Path, stack: AsyncExitStack
) -> Running:
    """Start the stand-in with an ontology; one that it cannot have comes without its questions."""
    assert platform.stand_in is not None
    held = tuple(item for item in ontology.classes if item.shape in platform.features.shapes)
    options = {"keys": str(folder / "keys")}
    try:
        seed = Seed(replace(ontology, classes=held), rows)
        return await stack.enter_async_context(platform.stand_in(seed, options))
    except UsageError:
        bare = Ontology(tuple(replace(item, attributes=()) for item in held))
        return await stack.enter_async_context(platform.stand_in(Seed(bare, rows), options))


def numbered(rows: Sequence[LabelRow]) -> list[LabelRow]:
    """The same rows with keys and titles that no two share."""
    return [replace(row, key=str(n), title=f"row {n}.png") for n, row in enumerate(rows, 1)]


def tasks_of_rows(rows: Sequence[LabelRow]) -> list[LabelTask]:
    """The rows as a source gives them."""
    return [LabelTask(RowKey(row.key, n, row.title), row) for n, row in enumerate(rows)]


async def keys_from(tasks: Sequence[LabelTask]) -> AsyncIterator[RowKey]:
    """The keys, as the first pass over a source gives them."""
    for task in tasks:
        yield task.key


async def openings(target: Target, plan: Plan, tasks: Sequence[LabelTask]) -> Sequence[OpenRow | Rejection]:
    """Match and open rows; each must have its place and come back, in the order asked for."""
    keys: AsyncIterable[RowKey] = keys_from(tasks)
    found = await (await target.prepare(plan, keys)).of([task.key for task in tasks])
    places = [place for place in found if isinstance(place, Place)]
    assert len(places) == len(tasks), found
    rows = await target.open(tasks, places)
    assert [row.task.key if isinstance(row, OpenRow) else row.key for row in rows] == [
        task.key for task in tasks
    ]
    return rows


async def opened(target: Target, plan: Plan, tasks: Sequence[LabelTask]) -> list[OpenRow]:
    """The same, where every row can be opened."""
    rows = await openings(target, plan, tasks)
    assert [row for row in rows if isinstance(row, Rejection)] == []
    return [row for row in rows if isinstance(row, OpenRow)]


def packed(site: Site, target: Target, row: OpenRow) -> PackedRow | Rejection:
    """Encode the masks of a row and pack it, as the flow does."""
    assert row.task.row is not None
    edited = EditedRow(row.task.key, row.place, row.task.row, row.existing)
    try:
        return target.pack(drawn_or_encoded(target.arrange(edited), site.platform.features.mask_codec))
    except RowError as error:
        return Rejection(row.task.key, "pack", str(error), row.task.row)


async def bring(
    site: Site, rows: Sequence[LabelRow], plan: Plan, *, times: int = 1
) -> list[PackedRow | Rejection]:
    """Bring rows to the place, each bundle sent so many times, and return what became of each."""
    async with site.adapter() as adapter:
        target = adapter.target()
        found = await openings(target, plan, tasks_of_rows(rows))
        results = [row if isinstance(row, Rejection) else packed(site, target, row) for row in found]
        good = [row for row in results if isinstance(row, PackedRow) and not row.unchanged]
        for _ in range(times if good else 0):
            report = await target.save(Bundle.of(good))
            assert sorted(receipt.key for receipt in report.saved) == sorted(row.key.key for row in good)
        await target.finish(complete=True)
    return results

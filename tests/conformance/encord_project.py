"""A local Encord project, and this project's client connected to it, for the tests of the Encord platform."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from pipeline.core.backoff import RetryPolicy
from pipeline.core.geometry import Box, Shape
from pipeline.core.labels import LabelRow, Media, MediaKind, ObjectInstance, Occurrence
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.core.rows import Bundle, EditedRow, LabelTask, OpenRow, PackedRow, Place, Rejection, RowKey
from pipeline.events import Event
from pipeline.io.assets import Storage
from pipeline.io.channel import Channels
from pipeline.io.media import PictureReader
from pipeline.platforms.encord.adapter import EncordAdapter, connect
from pipeline.platforms.encord.settings import Settings
from pipeline.platforms.encord.stand_in import serve
from pipeline.ports import MatchRule, Plan, RowChoice, Running, Seed, Target, Tools
from tests.conformance.opening import placed

ONTOLOGY = Ontology((ClassDef("car", Shape.BOX),))
QUICK = RetryPolicy(base=0.01, cap=0.05)


def image(title: str, boxes: int = 0) -> LabelRow:
    objects = tuple(
        ObjectInstance(f"{title}-{number}", "car", {0: Occurrence(Box(number, 2.0, 10.0, 5.0))})
        for number in range(boxes)
    )
    return LabelRow(key=title, title=title, media=(Media(width=64, height=48),), objects=objects)


GROUP = LabelRow(
    key="group",
    title="group",
    media_kind=MediaKind.IMAGE_GROUP,
    media=(Media(name="a", width=40, height=30), Media(name="b", width=20, height=10)),
    frame_count=2,
)
VIDEO = LabelRow(
    key="video",
    title="video",
    media_kind=MediaKind.VIDEO,
    media=(Media(width=64, height=48),),
    frame_count=30,
    fps=10.0,
)


@dataclass
class Local:
    """A running stand-in and what is needed to connect to it. `events` is what the client's channel told."""

    running: Running
    folder: Path
    channels: Channels
    events: list[Event] = field(default_factory=list)

    @property
    def hash(self) -> str:
        return self.running.address.removeprefix("encord:").partition("?")[0]

    def settings(self, **changes: Any) -> Settings:  # noqa: ANN401 - any setting
        key = self.running.environment["ENCORD_SSH_KEY_FILE"]
        given = {"project": self.hash, "url": self.running.url, "ssh_key_file": key} | changes
        return Settings.model_validate(given)

    def tools(self, by: str = "title", rows: RowChoice | None = None) -> Tools:
        scratch = self.folder / "scratch"
        assets = Storage(self.channels)
        return Tools(
            self.channels.get,
            scratch,
            self.events.append,
            MatchRule(by),
            rows or RowChoice(),
            assets=assets,
            media=PictureReader(assets),
        )

    @asynccontextmanager
    async def adapter(
        self,
        *,
        by: str = "title",
        rows: RowChoice | None = None,
        **changes: Any,  # noqa: ANN401
    ) -> AsyncIterator[EncordAdapter]:
        async with connect(self.settings(**changes), self.tools(by, rows)) as adapter:
            yield adapter

    async def control(self, name: str, content: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Ask the stand-in's control endpoint; with content it is told something."""
        origin = "/".join(self.running.url.split("/")[:3])
        method = "GET" if content is None else "POST"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{origin}/_sandbox/{name}", json=content) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def labels(self) -> dict[str, int]:
        """The number of objects of each row, by title, as the stand-in keeps them."""
        rows = await self.control("rows")
        return {row["data_title"]: len((row["label_row"] or {}).get("object_answers", {})) for row in rows}


@asynccontextmanager
async def local(folder: Path, rows: Sequence[LabelRow], **options: Any) -> AsyncIterator[Local]:  # noqa: ANN401
    """Serve a project with these rows, and connect."""
    events: list[Event] = []
    given = {"keys": folder / "keys", **options}
    async with (
        Channels(events.append, policy=QUICK) as channels,
        serve(Seed(ONTOLOGY, rows), given) as running,
    ):
        yield Local(running, folder, channels, events)


async def listed(rows: Sequence[LabelRow]) -> AsyncIterator[RowKey]:
    for ordinal, row in enumerate(rows):
        yield RowKey(row.key, ordinal, row.title, metadata=row.metadata)


def tasks_for(rows: Sequence[LabelRow]) -> list[LabelTask]:
    return [LabelTask(RowKey(row.key, n, row.title), row) for n, row in enumerate(rows)]


async def opened(target: Target, tasks: Sequence[LabelTask], places: Sequence[Place]) -> list[OpenRow]:
    rows = await target.open(tasks, places)
    assert [row for row in rows if isinstance(row, Rejection)] == []
    return [row for row in rows if isinstance(row, OpenRow)]


def pack(target: Target, row: OpenRow) -> PackedRow:
    assert row.task.row is not None
    return target.pack(EditedRow(row.task.key, row.place, row.task.row, row.existing))


async def bring(target: Target, rows: Sequence[LabelRow], plan: Plan = Plan("run")) -> list[PackedRow]:  # noqa: B008
    """Open, pack and save rows in one bundle."""
    tasks = tasks_for(rows)
    places = await target.prepare(plan, listed(rows))
    packed = [pack(target, row) for row in await opened(target, tasks, await placed(places, tasks))]
    await target.save(Bundle.of(packed))
    return packed


def titled(rows: Sequence[LabelRow], prefix: str) -> list[LabelRow]:
    return [replace(row, title=prefix + row.title) for row in rows]

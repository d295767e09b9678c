"""A local Segments.ai dataset, and this project's client connected to it, for the tests of the adapter."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from pipeline import Job, Report, run
from pipeline.core.backoff import RetryPolicy
from pipeline.core.codecs import instance_png
from pipeline.core.geometry import Box, Shape
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.masks import Mask
from pipeline.core.merging import complete
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.core.rows import Bundle, EditedRow, OpenRow, PackedRow
from pipeline.events import Event
from pipeline.io.assets import Storage
from pipeline.io.channel import Channels
from pipeline.io.media import PictureReader
from pipeline.platforms.segments.adapter import SegmentsAdapter, connect
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.stand_in import serve
from pipeline.platforms.segments.wire import LABELSET, MASK_CODEC
from pipeline.ports import MatchRule, Plan, RowChoice, Running, Seed, Target, Tools
from pipeline.wiring import RunOptions
from tests.conformance.moving import drawn_or_encoded
from tests.conformance.opening import PLAN, opened
from tests.conformance.sites import exported

QUICK = RetryPolicy(base=0.01, cap=0.05)
SIZE = (48, 64)
"""Height and width of the pictures."""


def boxes(title: str, count: int = 1) -> LabelRow:
    """A picture with some boxes."""
    objects = tuple(
        ObjectInstance(f"{title}-{number}", "car", {0: Occurrence(Box(number, 2.0, 10.0, 5.0))})
        for number in range(count)
    )
    return LabelRow(key=title, title=title, media=(Media(width=SIZE[1], height=SIZE[0]),), objects=objects)


def masks(title: str, count: int = 1) -> LabelRow:
    """A picture with some masks that do not overlap: columns, as wide as the number of the mask."""
    objects = []
    for number in range(count):
        raster = np.zeros(SIZE, np.bool_)
        raster[:, 8 * number : 9 * number + 1] = True
        mask = Occurrence(Mask.from_array(raster))
        objects.append(ObjectInstance(f"{title}-{number}", "car", {0: mask}))
    return LabelRow(title, title, media=(Media(width=SIZE[1], height=SIZE[0]),), objects=tuple(objects))


def label(*annotations: dict[str, Any], status: str = "REVIEWED", **more: object) -> dict[str, Any]:
    attributes = {"format_version": "0.1", "annotations": annotations, "image_attributes": {}}
    return {"label_status": status, "attributes": attributes, **more}


def bbox(number: int, category: int = 1) -> dict[str, Any]:
    return {"id": number, "category_id": category, "type": "bbox", "points": [[1, 2], [3, 4.5]], "mine": 1.0}


@dataclass
class Local:
    """A running stand-in and what is needed to connect to it. `events` is what the client's channels told."""

    running: Running
    folder: Path
    channels: Channels
    events: list[Event] = field(default_factory=list)

    def settings(self, **changes: Any) -> Settings:  # noqa: ANN401 - any setting
        return Settings.model_validate({"dataset": "sandbox/dataset", "url": self.running.url} | changes)

    def tools(self, by: str = "title", rows: RowChoice | None = None) -> Tools:
        assets = Storage(self.channels)
        return Tools(
            self.channels.get,
            self.folder / "scratch",
            self.events.append,
            MatchRule(by),
            rows or RowChoice(),
            assets=assets,
            media=PictureReader(assets, self.folder),
        )

    @asynccontextmanager
    async def adapter(
        self,
        *,
        by: str = "title",
        rows: RowChoice | None = None,
        **changes: Any,  # noqa: ANN401
    ) -> AsyncIterator[SegmentsAdapter]:
        with exported(self.running.environment):
            async with connect(self.settings(**changes), self.tools(by, rows)) as adapter:
                yield adapter

    async def run(
        self,
        source: object,
        options: RunOptions | None = None,
        *,
        name: str = "job",
        target: Mapping[str, Any] | None = None,
        **changes: Any,  # noqa: ANN401 - the keys of a job
    ) -> Report:
        """Run a whole job in this process; its journal is in the folder."""
        into = {"platform": "segments", "dataset": "sandbox/dataset", "url": self.running.url}
        parts = {
            "name": name,
            "target": into | dict(target or {}),
            "journal": f"sqlite:///{self.folder}/labelferry.db",
            "engine": {"workers": 1},
        }
        with exported(self.running.environment):
            return await run(Job.from_mapping({**parts, "source": source, **changes}), options)

    async def put(self, name: str, body: Mapping[str, Any], labelset: str = LABELSET) -> None:
        """Label a sample as somebody else does."""
        uuid = (await self.rows())[name]["uuid"]
        await self.ask("PUT", f"/labels/{uuid}/{labelset}/", body)

    # ---- what the server has -------------------------------------------------------------------------

    async def ask(self, method: str, path: str, content: Any = None) -> Any:  # noqa: ANN401 - JSON
        """Send a request of the API, or of the control endpoints below `/_sandbox/`."""
        origin = "/".join(self.running.url.split("/")[:3])
        url = origin + path if path.startswith("/_sandbox/") else self.running.url + path
        headers = {"Authorization": f"APIKey {self.running.environment['SEGMENTS_API_KEY']}"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=content, headers=headers) as answer,
        ):
            text = await answer.text()
            assert answer.status < 300, text
            return json.loads(text) if text else None

    async def faults(self, **faults: object) -> None:
        """Order these faults and no others."""
        await self.ask("POST", "/_sandbox/faults", faults)

    async def log(self) -> Any:  # noqa: ANN401 - JSON
        """What arrived so far: requests by kind, and rows by what was done to them."""
        return await self.ask("GET", "/_sandbox/log")

    async def rows(self, dataset: str = "sandbox/dataset") -> dict[str, Any]:
        """Every sample of a dataset with its labels, by name."""
        found = await self.ask("GET", "/_sandbox/rows")
        return {row["name"]: row for row in found if row["dataset"] == dataset}

    async def labels(self, labelset: str = LABELSET, dataset: str = "sandbox/dataset") -> dict[str, Any]:
        """The label of each sample that has one, by name."""
        rows = await self.rows(dataset)
        return {name: row["labels"][labelset] for name, row in rows.items() if labelset in row["labels"]}

    async def counts(self, labelset: str = LABELSET, dataset: str = "sandbox/dataset") -> dict[str, int]:
        """The number of annotations of each label, by name."""
        found = await self.labels(labelset, dataset)
        return {name: len(label["attributes"]["annotations"]) for name, label in found.items()}

    async def fetch(self, url: str) -> bytes:
        """A file of the storage."""
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200
            return await answer.read()

    async def pixels(self, label: Mapping[str, Any]) -> dict[int, int]:
        """The pixels of each number in the bitmap of a label."""
        url = label["attributes"]["segmentation_bitmap"]["url"]
        picture = instance_png.decode(await self.fetch(url))
        return {number: mask.area for number, mask in picture.masks().items()}


@asynccontextmanager
async def local(
    folder: Path,
    rows: Sequence[LabelRow],
    *,
    shape: Shape = Shape.BOX,
    ontology: Ontology | None = None,
    **options: Any,  # noqa: ANN401 - those of the stand-in
) -> AsyncIterator[Local]:
    """Serve a dataset with these rows, without their labels, and connect."""
    events: list[Event] = []
    seed = Seed(ontology or Ontology((ClassDef("car", shape),)), rows)
    async with Channels(events.append, policy=QUICK) as channels, serve(seed, options) as running:
        yield Local(running, folder, channels, events)


# ---- rows on their way --------------------------------------------------------------------------------


def pack(target: Target, row: OpenRow, *, append: bool = False) -> PackedRow:
    """Arrange, draw and pack a row, as the flow does."""
    assert row.task.row is not None
    whole = complete(row.task.row, row.existing)
    edited = EditedRow(row.task.key, row.place, whole, row.existing, append)
    return target.pack(drawn_or_encoded(target.arrange(edited), MASK_CODEC))


async def packed(target: Target, rows: Sequence[LabelRow], plan: Plan = PLAN) -> list[PackedRow]:
    return [pack(target, row) for row in await opened(target, rows, plan)]


async def bring(target: Target, rows: Sequence[LabelRow], plan: Plan = PLAN) -> list[PackedRow]:
    """Open, pack and save rows in one bundle; what is there unchanged is not sent."""
    found = await packed(target, rows, plan)
    report = await target.save(Bundle.of([row for row in found if not row.unchanged]))
    assert [row.reason for row in report.rejected] == []
    return found

"""A local Supervisely project, and this project's client connected to it, for the tests of the adapter."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from pipeline import Job, Report, run
from pipeline.core.backoff import RetryPolicy
from pipeline.core.geometry import Box, Polygon, Shape
from pipeline.core.labels import Group, LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.masks import AlphaMask, Mask
from pipeline.core.merging import complete
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.core.rows import Bundle, EditedRow, OpenRow, PackedRow
from pipeline.events import Event
from pipeline.io.assets import Storage
from pipeline.io.channel import Channels
from pipeline.io.media import PictureReader
from pipeline.platforms.supervisely.adapter import SuperviselyAdapter, connect
from pipeline.platforms.supervisely.settings import Settings
from pipeline.platforms.supervisely.stand_in import serve
from pipeline.platforms.supervisely.wire import MASK_CODEC
from pipeline.ports import MatchRule, Plan, RowChoice, Running, Seed, Target, Tools
from pipeline.wiring import RunOptions
from tests.conformance.moving import drawn_or_encoded
from tests.conformance.opening import PLAN, opened
from tests.conformance.sites import exported

QUICK = RetryPolicy(base=0.01, cap=0.05)
SIZE = (48, 64)
"""Height and width of the pictures."""
WORKSPACE = 619
META = {
    "classes": [
        {"title": "car", "shape": "rectangle"},
        {"title": "blob", "shape": "bitmap"},
        {"title": "isles", "shape": "multipolygon"},
        {"title": "glow", "shape": "alpha_mask"},
    ],
    "tags": [],
}
"""The classes of a project that holds labels which an annotation cannot carry when it is written."""
ONTOLOGY = Ontology((ClassDef("car", Shape.BOX), ClassDef("blob", Shape.MASK)))


def boxes(title: str, count: int = 1) -> LabelRow:
    """A picture with some boxes."""
    objects = tuple(
        ObjectInstance(f"{title}-{number}", "car", {0: Occurrence(Box(number, 2.0, 10.0, 5.0))})
        for number in range(count)
    )
    return LabelRow(key=title, title=title, media=(Media(width=SIZE[1], height=SIZE[0]),), objects=objects)


def mask(title: str, name: str = "blob") -> ObjectInstance:
    raster = np.zeros(SIZE, np.bool_)
    raster[4:9, 8:20] = True
    return ObjectInstance(f"{title}-mask", name, {0: Occurrence(Mask.from_array(raster))})


def islands(title: str, parts: int = 2) -> ObjectInstance:
    """A polygon of several parts, which is a figure of its own when it is written."""
    rings = [((8.0 * n, 1.0), (8.0 * n + 4, 1.0), (8.0 * n + 4, 6.0)) for n in range(parts)]
    drawn = Polygon(tuple((ring,) for ring in rings))
    return ObjectInstance(f"{title}-islands", "isles", {0: Occurrence(drawn)})


def glow(title: str) -> ObjectInstance:
    """A mask with soft edges, whose bitmap travels by itself."""
    crop = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)
    return ObjectInstance(f"{title}-glow", "glow", {0: Occurrence(AlphaMask(*SIZE, 5, 6, crop))})


def with_islands(row: LabelRow, *, bound: bool = False) -> LabelRow:
    """The row with both, bound to its first object if so asked."""
    more = (islands(row.title), glow(row.title))
    groups = (Group("g", (row.objects[0].id, *(item.id for item in more))),) if bound else ()
    return replace(row, objects=(*row.objects, *more), groups=groups)


@dataclass
class Local:
    """A running stand-in and what is needed to connect to it. `events` is what the client's channels told."""

    running: Running
    folder: Path
    channels: Channels
    events: list[Event] = field(default_factory=list)
    serials: Iterator[int] = field(default_factory=count)

    @property
    def project(self) -> int:
        """The id of the first project."""
        return int(self.running.address.removeprefix("supervisely:").partition("/")[0])

    def target(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any setting
        """One side of a job."""
        return {"platform": "supervisely", **self._given(changes)}

    def _given(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        usual = {"project": self.project, "dataset": "dataset", "url": self.running.url}
        return {key: value for key, value in {**usual, **changes}.items() if value is not None}

    def settings(self, **changes: Any) -> Settings:  # noqa: ANN401 - any setting
        return Settings.model_validate(self._given(changes))

    def tools(self, by: str = "title", rows: RowChoice | None = None) -> Tools:
        assets = Storage(self.channels)
        return Tools(
            self.channels.get,
            self.folder / f"scratch {next(self.serials)}",
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
    ) -> AsyncIterator[SuperviselyAdapter]:
        with exported(self.running.environment):
            async with connect(self.settings(**changes), self.tools(by, rows)) as adapter:
                assert isinstance(adapter, SuperviselyAdapter)
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
        parts = {
            "name": name,
            "target": self.target(**dict(target or {})),
            "journal": f"sqlite:///{self.folder}/labelferry.db",
            "engine": {"workers": 1},
        }
        with exported(self.running.environment):
            return await run(Job.from_mapping({**parts, "source": source, **changes}), options)

    # ---- what the server has -------------------------------------------------------------------------

    async def call(self, method: str, body: Any) -> Any:  # noqa: ANN401 - JSON
        """Call a method of the API as somebody else does."""
        headers = {"x-api-key": self.running.environment["API_TOKEN"]}
        url = f"{self.running.url}/public/api/v3/{method}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=body, headers=headers) as answer,
        ):
            text = await answer.text()
            assert answer.status == 200, text
            return json.loads(text) if text else None

    async def control(self, path: str, content: Any = None) -> Any:  # noqa: ANN401 - JSON
        """Ask one of the control endpoints."""
        url = "/".join(self.running.url.split("/")[:3]) + f"/_sandbox/{path}"
        method = "GET" if content is None else "POST"
        async with aiohttp.ClientSession() as session, session.request(method, url, json=content) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def faults(self, **faults: object) -> None:
        """Order these faults and no others."""
        await self.control("faults", faults)

    async def log(self) -> Any:  # noqa: ANN401 - JSON
        """What arrived so far: requests by kind, and rows by what was done to them."""
        return await self.control("log")

    async def projects(self) -> dict[str, int]:
        """The id of every project, by name."""
        body = {"workspaceId": WORKSPACE, "filter": []}
        return {one["name"]: one["id"] for one in (await self.call("projects.list", body))["entities"]}

    async def datasets(self, project: int | None = None) -> list[dict[str, Any]]:
        """Every dataset of a project."""
        body = {"projectId": project or self.project, "filter": [], "recursive": True}
        found: list[dict[str, Any]] = (await self.call("datasets.list", body))["entities"]
        return found

    async def images(self, project: int | None = None) -> dict[str, dict[str, Any]]:
        """Every image of a project, by the name of its dataset and its own."""
        found = {}
        for dataset in await self.datasets(project):
            body = {"datasetId": dataset["id"], "filter": []}
            for image in (await self.call("images.list", body))["entities"]:
                found[f"{dataset['name']}/{image['name']}"] = image
        return found

    async def annotations(self, project: int | None = None) -> dict[str, dict[str, Any]]:
        """The annotation of every image of a project, by the name of its dataset and its own."""
        found = {}
        for name, image in (await self.images(project)).items():
            body = {"datasetId": image["datasetId"], "imageIds": [image["id"]], "integerCoords": False}
            [one] = await self.call("annotations.bulk.info", {**body, "withCustomBigData": True})
            found[name] = one["annotation"]
        return found

    async def counts(self, project: int | None = None) -> dict[str, int]:
        """The number of labels of each image, by name."""
        found = await self.annotations(project)
        return {name.rpartition("/")[2]: len(one["objects"]) for name, one in found.items()}

    async def meta(self, project: int | None = None) -> Any:  # noqa: ANN401 - JSON
        """The classes and tags of a project."""
        return await self.call("projects.meta", {"id": project or self.project})


@asynccontextmanager
async def local(
    folder: Path,
    rows: Sequence[LabelRow],
    *,
    ontology: Ontology = ONTOLOGY,
    **options: Any,  # noqa: ANN401 - those of the stand-in
) -> AsyncIterator[Local]:
    """Serve a project with these rows, without their labels, and connect."""
    events: list[Event] = []
    seed = Seed(ontology, rows)
    async with Channels(events.append, policy=QUICK) as channels, serve(seed, options) as running:
        yield Local(running, folder, channels, events)


def hash_of(data: bytes) -> str:
    """How Supervisely names a file."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


# ---- rows on their way --------------------------------------------------------------------------------


def pack(target: Target, row: OpenRow, *, append: bool = False) -> PackedRow:
    """Arrange, encode and pack a row, as the flow does."""
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

"""What is bound in Supervisely goes to every platform that can say so, and comes back bound as it was."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pipeline import Job, LabelRow, Report, run
from pipeline.core.geometry import Box, Shape
from pipeline.core.labels import Group, Media, ObjectInstance, Occurrence
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassDef, Ontology
from pipeline.io.channel import Channels
from pipeline.job import parse_address
from pipeline.platforms import discover
from pipeline.platforms.supervisely import PLATFORM
from pipeline.platforms.supervisely.stand_in import serve
from pipeline.ports import Seed
from tests.conformance.sites import QUICK, Site, exported, site_of

pytestmark = pytest.mark.anyio

HELD = Ontology((ClassDef("car", Shape.BOX, attributes=(AttributeDef("group", AttributeKind.TEXT),)),))
PLAIN = Ontology((ClassDef("car", Shape.BOX),))
GROUPS = ({0, 2, 5}, {1, 3})


def row(number: int) -> LabelRow:
    """Six boxes side by side, in two groups; one is alone."""
    objects = tuple(
        ObjectInstance(f"o{at}", "car", {0: Occurrence(Box(5.0 * at, 3.0, 4.0, 4.0))}) for at in range(6)
    )
    groups = tuple(
        Group(f"{number}-{at}", tuple(f"o{one}" for one in sorted(members)))
        for at, members in enumerate(GROUPS)
    )
    name = f"{number}.png"
    return LabelRow(name, name, media=(Media(name, width=64, height=48),), objects=objects, groups=groups)


ROWS = [row(number) for number in range(3)]
EMPTY = [replace(one, objects=(), groups=()) for one in ROWS]


@dataclass
class World:
    """Places, and jobs between them."""

    folder: Path
    stack: AsyncExitStack
    environment: dict[str, str] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)

    async def project(self, **options: Any) -> Site:  # noqa: ANN401 - those of the stand-in
        """A project of its own, with the images and without labels."""
        channels = await self.stack.enter_async_context(Channels(lambda _: None, policy=QUICK))
        running = await self.stack.enter_async_context(serve(Seed(PLAIN, EMPTY), options))
        self.environment |= running.environment
        return Site(PLATFORM, running.address, self.new_folder(), channels, running.environment)

    async def place(self, name: str) -> str:
        """The address of a place on another platform that is ready for the rows."""
        platform = discover()[name]
        site = await self.stack.enter_async_context(site_of(platform, self.new_folder(), HELD, EMPTY))
        self.environment |= site.environment
        return site.address

    def new_folder(self) -> Path:
        folder = self.folder / f"place-{next(self.numbers)}"
        folder.mkdir()
        return folder

    async def move(self, source: object, target: object, **parts: Any) -> Report:  # noqa: ANN401 - keys of a job
        sides = [parse_address(one) if isinstance(one, str) else one for one in (source, target)]
        path = self.folder / f"{next(self.numbers)}.db"
        job = Job(name="job", source=sides[0], target=sides[1], journal=f"sqlite:///{path}", **parts)
        with exported(self.environment):
            report = await run(job)
        assert report.rows == {"saved": len(ROWS)}
        return report


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(folder, stack)


def numbered(found: LabelRow) -> list[set[int]]:
    at = {}
    for item in found.objects:
        box = item.occurrences[0].geometry
        assert isinstance(box, Box)
        at[item.id] = round(box.x / 5)
    return sorted(({at[name] for name in group.objects} for group in found.groups), key=min)


async def bound(site: Site) -> None:
    """Raise AssertionError unless all rows are bound as they were."""
    with exported(site.environment):
        rows = await site.rows()
    assert [one.title for one in rows] == [one.title for one in ROWS]
    assert [numbered(one) for one in rows] == [list(GROUPS)] * len(ROWS)


async def ask(url: str, what: str) -> Any:  # noqa: ANN401 - JSON
    async with aiohttp.ClientSession() as session, session.get(f"{url}/_sandbox/{what}") as answer:
        return await answer.json()


WAYS = (
    ("archive", ""),
    ("coco", "group_field=group_id"),
    ("encord", "group_attribute=group"),
    ("segments", "group_attribute=group"),
    ("segments", "groups=links"),
)


@pytest.mark.parametrize(("name", "setting"), WAYS, ids=[f"{name}-{how}" for name, how in WAYS])
@pytest.mark.parametrize(("binding", "group_id"), [("int", "last"), ("str", "first")])
async def test_groups_travel_there_and_back(
    tmp_path: Path, name: str, setting: str, binding: str, group_id: str
) -> None:
    async with world(tmp_path) as places:
        first = await places.project(binding=binding, group_id=group_id)
        report = await places.move(ROWS, first.address)
        assert report.groups["saved"] == 6
        await bound(first)
        between = await places.place(name)
        between += ("&" if "?" in between else "?") + setting if setting else ""
        report = await places.move(first.address, between)
        assert (report.groups["saved"], report.losses) == (6, {})
        second = await places.project(binding=binding, group_id=group_id)
        report = await places.move(between, second.address)
        assert report.groups["saved"] == 6
        await bound(second)


async def test_a_copy_in_another_project_of_the_server_is_bound_by_keys_of_its_own(tmp_path: Path) -> None:
    async with world(tmp_path) as places:
        first = await places.project(keep_keys=True)
        await places.move(ROWS, first.address)
        url = parse_address(first.address).settings["url"]
        copy = {"platform": "supervisely", "workspace": 619, "project": "copy", "url": url}
        report = await places.move(first.address, {**copy, "create": True}, media="copy")
        assert report.groups["saved"] == 6
        second = await places.project()
        await places.move(copy, second.address)
        await bound(first)
        await bound(second)
        rows = await ask(url, "rows")
    keys: dict[str, set[str]] = {}
    for one in rows:
        said = {item["instance"] for item in one["annotation"]["objects"] if "instance" in item}
        assert (len(said), keys.setdefault(one["project"], set()) & said) == (2, set())
        keys[one["project"]] |= said
    assert [len(found) for found in keys.values()] == [6, 6]
    assert set.intersection(*keys.values()) == set()


async def test_where_a_platform_cannot_say_it_the_loss_has_a_name(tmp_path: Path) -> None:
    async with world(tmp_path) as places:
        first = await places.project()
        await places.move(ROWS, first.address)
        for name in ("coco", "encord", "segments"):
            report = await places.move(first.address, await places.place(name), allow_losses=["group"])
            assert (report.groups["saved"], report.losses) == (0, {"group": 6})


@pytest.mark.parametrize("name", ["encord", "segments"])
async def test_an_attribute_that_is_read_as_groups_is_no_attribute_of_the_copy(
    tmp_path: Path, name: str
) -> None:
    async with world(tmp_path) as places:
        between = await places.place(name)
        for setting, kept in (("group_attribute=group", []), ("group_attribute=other", ["group"])):
            folder = places.new_folder() / "copy"
            report = await places.move(
                between + ("&" if "?" in between else "?") + setting, f"archive:{folder}"
            )
            assert report.losses == {}
            (item,) = json.loads((folder / "ontology.json").read_bytes())["classes"]
            assert [one["name"] for one in item.get("attributes", [])] == kept

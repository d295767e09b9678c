"""Groups become links or an attribute of objects, and come back as the same partition; the SDK reads both."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.geometry import Shape
from pipeline.core.labels import Group, LabelRow, Media, MediaKind
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassDef, Ontology
from pipeline.platforms.encord.stand_in import serve as serve_encord
from pipeline.ports import Seed
from tests.oracles.jobs import archive, ferried, tried
from tests.oracles.segments.jobs import labels
from tests.oracles.segments.rows import TASK_ATTRIBUTES, bare, row
from tests.oracles.segments.served import Json, Sdk, Served, needs_sdk, served

pytestmark = [pytest.mark.anyio, needs_sdk]

TEAM = {"name": "team", "input_type": "text", "is_track_level": True}
CATEGORIES: list[Json] = [
    {**one, "attributes": [*one["attributes"], TEAM]} for one in TASK_ATTRIBUTES["categories"]
]
ATTRIBUTES: Json = {**TASK_ATTRIBUTES, "categories": CATEGORIES}
TYPES = ("pointcloud-vector", "pointcloud-vector-sequence", "vector", "image-vector-sequence")
Partition = set[frozenset[str]]


def grouped(task_type: str) -> LabelRow:
    """A row of eight objects, of which six are in groups of two and four."""
    found = row(task_type)
    names = [item.id for item in found.objects]
    groups = (Group("first", (names[5], names[0])), Group("second", tuple(names[1:5])))
    return replace(found, relations=(), groups=groups)


def meant_by(found: LabelRow) -> Partition:
    return {frozenset(group.objects) for group in found.groups}


def named(label: Json) -> dict[int, str]:
    """The object of each track."""
    frames = label.get("frames", [label])
    return {one["track_id"]: one["attributes"]["plate"] for frame in frames for one in frame["annotations"]}


def linked(label: Json) -> Partition:
    """The objects that links connect."""
    names, found = named(label), list[set[str]]()
    for link in label["links"]:
        ends = {names[link["from_id"]], names[link["to_id"]]}
        touched = [group for group in found if group & ends]
        found = [group for group in found if not group & ends] + [ends.union(*touched)]
    return set(map(frozenset, found))


def teams(label: Json) -> Partition:
    """The objects that say the same team."""
    found: dict[str, set[str]] = {}
    for frame in label.get("frames", [label]):
        for one in frame["annotations"]:
            team = one["attributes"].get("team")
            if team is not None:
                found.setdefault(team, set()).add(one["attributes"]["plate"])
    return set(map(frozenset, found.values()))


async def read(server: Served, labelset: str = "ground-truth") -> Json:
    """What the SDK reads, and the links and tracks that it drops of single frames and of pictures."""
    read = await server.sdk("read_label", sample=server.uuids["sample"], labelset=labelset)
    stored = await server.stored("sample", labelset=labelset)
    said: Json = read["attributes"]
    assert said.get("links", stored.get("links")) == stored.get("links")
    assert names_by_id(said) == names_by_id(stored)
    return stored


def names_by_id(label: Json) -> list[tuple[int, str]]:
    return [
        (one["id"], one["attributes"]["plate"])
        for frame in label.get("frames", [label])
        for one in frame["annotations"]
    ]


@pytest.mark.parametrize("task_type", TYPES)
async def test_groups_are_links_and_an_attribute_and_links_again(
    sdk: Sdk, tmp_path: Path, task_type: str
) -> None:
    found = grouped(task_type)
    options: Json = {"task_type": task_type, "task_attributes": ATTRIBUTES}
    async with served(sdk, [bare(found)], **options) as server:
        as_links = labels(server, groups="links")
        report = await ferried(tmp_path, [found], as_links, name="links")
        assert report.losses == {}
        assert linked(await read(server)) == meant_by(found)
        as_teams = labels(server, labelset="teams", group_attribute="team")
        await ferried(tmp_path, as_links, as_teams, name="teams")
        assert teams(await read(server, "teams")) == meant_by(found)
        assert linked(await read(server, "teams")) == set()
        folder = archive(tmp_path / "rows")
        await ferried(tmp_path, as_teams, folder, name="archive")
        again = labels(server, labelset="again", groups="links")
        await ferried(tmp_path, folder, again, name="again")
        assert linked(await read(server, "again")) == meant_by(found)
        assert teams(await read(server, "again")) == set()
        for name, target in (("teams", as_teams), ("links", again)):
            report = await ferried(tmp_path, folder, target, name=f"{name} repeated", mode="replace")
            assert report.rows == {"unchanged": 1}


def several(found: LabelRow) -> dict[str, tuple[LabelRow, str]]:
    """Rows with a group that links cannot hold, and a part of the reason."""
    names = [item.id for item in found.objects]
    good = Group("good", (names[0], names[1]))
    return {
        "shared": (replace(found, groups=(good, Group("bad", (names[1], names[2])))), "another group"),
        "single": (replace(found, groups=(good, Group("bad", (names[3],)))), "two objects"),
    }


@pytest.mark.parametrize("case", ["shared", "single"])
async def test_a_group_that_links_cannot_hold_is_a_loss_with_its_name(
    sdk: Sdk, tmp_path: Path, case: str
) -> None:
    found, reason = several(row("pointcloud-vector"))[case]
    found = replace(found, relations=())
    options: Json = {"task_type": "pointcloud-vector", "task_attributes": ATTRIBUTES}
    async with served(sdk, [bare(found)], **options) as server:
        target = labels(server, groups="links")
        report = await tried(tmp_path, [found], target, name="refused")
        assert (report.exit_code, report.rows) == (3, {"rejected": 1})
        said = report.rejects[0]["reason"]
        assert all(part in said for part in ("group 'bad'", reason))
        report = await ferried(tmp_path, [found], target, name="allowed", allow_losses=["group"])
        assert (report.rows, report.losses) == ({"saved": 1}, {"group": 1})
        assert linked(await read(server)) == {frozenset(found.groups[0].objects)}


@pytest.mark.parametrize(
    ("task_type", "attributes", "settings", "reason"),
    [
        ("pointcloud-vector", ATTRIBUTES, {}, "`groups: links` or a `group_attribute`"),
        ("pointcloud-vector", TASK_ATTRIBUTES, {"group_attribute": "team"}, "has no attribute 'team'"),
        ("segmentation-bitmap", ATTRIBUTES, {"groups": "links"}, "has no place"),
    ],
)
async def test_a_group_without_a_place_is_a_loss_with_its_name(
    sdk: Sdk, tmp_path: Path, task_type: str, attributes: Json, settings: Json, reason: str
) -> None:
    found = row(task_type)
    ends = tuple(item.id for item in found.objects[:2])
    found = replace(found, relations=(), groups=(Group("pair", ends),))
    async with served(sdk, [bare(found)], task_type=task_type, task_attributes=attributes) as server:
        target = labels(server, **settings)
        report = await tried(tmp_path, [found], target, name="refused")
        assert report.rows == {"rejected": 1}
        assert reason in report.rejects[0]["reason"]
        assert "pair" in report.rejects[0]["reason"]
        report = await ferried(tmp_path, [found], target, name="allowed", allow_losses=["group"])
        assert report.rows == {"saved": 1}
        stored = await server.stored("sample")
        assert (stored.get("links"), teams(stored)) == (None, set())


async def test_groups_of_objects_in_encord_are_links_in_segments(sdk: Sdk, tmp_path: Path) -> None:
    media = (Media(width=60, height=50),)
    found = replace(
        grouped("vector"), media_kind=MediaKind.IMAGE, media=media, classifications=(), score=None
    )
    objects = tuple(replace(item, answers=item.answers[:1], track=None) for item in found.objects)
    found = found.with_objects(objects)
    texts = tuple(AttributeDef(name, AttributeKind.TEXT) for name in ("plate", "team"))
    shapes = (Shape.BOX, Shape.POLYGON, Shape.POLYLINE, Shape.POINT)
    classes = tuple(
        ClassDef(name, shape, attributes=texts) for name in ("vehicle", "trailer") for shape in shapes
    )
    options: Json = {"task_type": "vector", "task_attributes": ATTRIBUTES}
    seed = Seed(Ontology(classes), [bare(found)])
    async with (
        serve_encord(seed, {"keys": str(tmp_path / "keys")}) as running,
        served(sdk, [bare(found)], **options) as server,
    ):
        project = {
            "platform": "encord",
            "project": running.address.removeprefix("encord:").partition("?")[0],
            "url": running.url,
            "ssh_key_file": running.environment["ENCORD_SSH_KEY_FILE"],
            "group_attribute": "team",
        }
        await ferried(tmp_path, [found], project, name="begin")
        await ferried(tmp_path, project, labels(server, groups="links"), name="there")
        assert linked(await read(server)) == meant_by(found)
        assert teams(await read(server)) == set()
        await ferried(
            tmp_path, labels(server, groups="links", sizes=True), project, name="back", mode="replace"
        )
        back = labels(server, labelset="back", group_attribute="team")
        await ferried(tmp_path, project, back, name="again")
        assert teams(await read(server, "back")) == meant_by(found)

"""A tag that is there several times: what a target cannot hold of it is named, and the rest is kept."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pipeline import Job, LabelRow, Report, run
from pipeline.core.geometry import Box, Shape
from pipeline.core.labels import Answer, Classification, Media, ObjectInstance, Occurrence, Option
from pipeline.core.losses import LossKind
from pipeline.core.ontology import (
    AttributeDef,
    AttributeKind,
    ClassDef,
    ClassificationDef,
    Ontology,
    OptionDef,
)
from pipeline.core.rows import EditedRow, PackedRow, Place, RowKey
from pipeline.errors import RowError
from pipeline.io.channel import Channels
from pipeline.job import parse_address
from pipeline.platforms import discover
from pipeline.platforms.archive.convert import read_row as read_archived
from pipeline.platforms.archive.convert import write_row as write_archived
from pipeline.platforms.coco.convert.writing import pack_row as pack_coco
from pipeline.platforms.coco.settings import Style
from pipeline.platforms.encord.convert import read_ontology, write_ontology
from pipeline.platforms.encord.convert import read_row as read_encord
from pipeline.platforms.segments import convert as segments
from pipeline.platforms.segments.wire import Sample
from pipeline.platforms.supervisely.convert import Opened, Project, pack_row, project_of, read_row
from pipeline.platforms.supervisely.wire import Image, Json
from pipeline.ports import Seed
from tests.conformance import encord_rows, segments_labels
from tests.conformance.sites import QUICK, Site, exported
from tests.conformance.supervisely_labels import opened, sent, with_ids

# ---- what Supervisely has -----------------------------------------------------------------------------

META = {
    "classes": [{"title": "car", "shape": "rectangle"}],
    "tags": [
        {"name": "note", "value_type": "any_string"},
        {"name": "size", "value_type": "any_number"},
        {"name": "hue", "value_type": "oneof_string", "values": ["red", "blue"]},
        {"name": "scene", "value_type": "any_string"},
    ],
}
PROJECT: Project = project_of(with_ids(META))
IMAGE = Image(id=1, name="a.png", dataset_id=7, dataset="day", width=64, height=48)
ELSEWHERE = Image(id=2, name="a.png", dataset_id=8, dataset="day", width=64, height=48)


def tags(**values: list[object]) -> list[Json]:
    return [
        {"name": name, "value": value, "id": 90 + at}
        for name, several in values.items()
        for at, value in enumerate(several)
    ]


def annotation(of_image: list[Json], of_label: list[Json]) -> Json:
    label = {
        "id": 5, "classTitle": "car", "description": "", "tags": of_label, "geometryType": "rectangle",
        "points": {"exterior": [[1, 2], [11, 7]], "interior": []}, "nnCreated": False, "nnUpdated": False,
    }  # fmt: skip
    size = {"height": 48, "width": 64}
    return {"description": "", "tags": of_image, "size": size, "objects": [label]}


def row(**of_label: list[object]) -> LabelRow:
    return tagged([], of_label)


def tagged(of_image: list[Json], of_label: Mapping[str, list[object]]) -> LabelRow:
    return read_row(IMAGE, annotation(of_image, tags(**of_label)), PROJECT).row


# ---- what holds one answer ----------------------------------------------------------------------------

HUES = (OptionDef("red"), OptionDef("blue"))
QUESTIONS = (
    AttributeDef("note", AttributeKind.TEXT),
    AttributeDef("size", AttributeKind.NUMBER),
    AttributeDef("hue", AttributeKind.RADIO, options=HUES),
)
ONTOLOGY = Ontology(
    (ClassDef("car", Shape.BOX, attributes=QUESTIONS),),
    (ClassificationDef(AttributeDef("scene", AttributeKind.TEXT), whole_row=True),),
)
ENCORD = read_ontology(write_ontology(ONTOLOGY))
SEGMENTS: Json = {
    "format_version": "0.1",
    "categories": [
        {
            "id": 1,
            "name": "car",
            "attributes": [
                {"name": "note", "input_type": "text"},
                {"name": "size", "input_type": "number", "min": "0"},
                {"name": "hue", "input_type": "select", "values": ["red", "blue"]},
            ],
        }
    ],
    "image_attributes": [{"name": "scene", "input_type": "text"}],
}


class Encord:
    """A label row of Encord."""

    def pack(self, found: LabelRow) -> PackedRow:
        return encord_rows.pack(found, ENCORD, encord_rows.empty_for(found))

    def said(self, packed: PackedRow) -> dict[str, Any]:
        back = read_encord(encord_rows.sent(packed), ENCORD)
        answers = [*back.objects[0].answers, *(mark.answer for mark in back.classifications)]
        return {one.attribute: plain(one.value) for one in answers}


class Segments:
    """A sample of Segments.ai."""

    def __init__(self) -> None:
        ontology = segments.read_ontology("vector", SEGMENTS)
        kind = segments.kind_of("vector")
        self.project = segments.Project(kind, ontology, segments.Rules(), segments_labels.SERVICE)

    def pack(self, found: LabelRow) -> PackedRow:
        return segments_labels.pack(
            segments_labels.opened(found, Sample(uuid="u", name="a.png")), self.project
        )

    def said(self, packed: PackedRow) -> dict[str, Any]:
        found = segments_labels.sent(packed)["attributes"]
        (item,) = found["annotations"]
        return {**item.get("attributes", {}), **(found.get("image_attributes") or {})}


def plain(value: Any) -> Any:  # noqa: ANN401 - a value of any attribute
    return value.name if isinstance(value, Option) else value


EVERY = pytest.mark.parametrize("target", [Encord(), Segments()], ids=["encord", "segments"])


def lost(packed: PackedRow) -> list[tuple[LossKind, str | None]]:
    return [(loss.what, loss.object) for loss in packed.losses]


@EVERY
@pytest.mark.parametrize(
    ("name", "values", "kept", "why"),
    [
        (
            "note",
            ["b", "a"],
            "b",
            "'note' holds one answer, and is answered 2 times: 'b' is kept, 'a' is lost",
        ),
        ("note", ["b", "a", "c"], "b", "'b' is kept, 'a', 'c' are lost"),
        ("note", [None, "a"], "a", "'a' is kept, None is lost"),
        ("size", [2.5, 1], 2.5, "2.5 is kept, 1 is lost"),
        ("hue", ["blue", "red"], "blue", "'blue' is kept, 'red' is lost"),
        ("hue", ["green", "red"], "red", "'red' is kept, 'green' is lost"),
    ],
)
def test_the_first_value_that_fits_is_kept_and_the_others_are_named(
    target: Any,  # noqa: ANN401 - one of the two above
    name: str,
    values: list[object],
    kept: object,
    why: str,
) -> None:
    packed = target.pack(row(**{name: values}))
    assert target.said(packed) == {name: kept}
    assert lost(packed) == [(LossKind.ATTRIBUTE, "5")]
    assert why in packed.losses[0].why


@EVERY
def test_each_tag_with_several_values_is_a_loss_of_its_own(target: Any) -> None:  # noqa: ANN401
    packed = target.pack(row(note=["a", "b"], size=[1, 2], hue=["red"]))
    assert target.said(packed) == {"note": "a", "size": 1, "hue": "red"}
    assert lost(packed) == [(LossKind.ATTRIBUTE, "5")] * 2


@EVERY
def test_a_value_that_is_there_twice_is_one_answer(target: Any) -> None:  # noqa: ANN401
    packed = target.pack(row(note=["a", "a"], size=[3, 3.0], hue=["red", "red"]))
    assert target.said(packed) == {"note": "a", "size": 3, "hue": "red"}
    assert lost(packed) == []


@EVERY
def test_several_tags_of_an_image_are_a_loss_of_the_classification(target: Any) -> None:  # noqa: ANN401
    packed = target.pack(tagged(tags(scene=["yard", "street"]), {}))
    assert target.said(packed) == {"scene": "yard"}
    assert lost(packed) == [(LossKind.CLASSIFICATION, "tag-scene")]
    assert "'yard' is kept, 'street' is lost" in packed.losses[0].why


@EVERY
def test_the_order_of_the_values_decides_and_the_same_row_gives_the_same_labels(target: Any) -> None:  # noqa: ANN401
    found, turned = target.pack(row(note=["b", "a"])), target.pack(row(note=["a", "b"]))
    assert (target.said(found), target.said(turned)) == ({"note": "b"}, {"note": "a"})
    assert found.digest == target.pack(row(note=["b", "a"])).digest != turned.digest


@EVERY
@pytest.mark.parametrize(
    ("values", "why"),
    [({"hue": ["green", "pink"]}, "'green'"), ({"size": ["big", "small"]}, "expected a number")],
)
def test_where_no_value_fits_the_row_is_refused(
    target: Any,  # noqa: ANN401
    values: dict[str, list[object]],
    why: str,
) -> None:
    with pytest.raises(RowError, match=why):
        target.pack(row(**values))


def test_a_number_outside_the_limits_of_a_dataset_gives_way_to_one_inside() -> None:
    target = Segments()
    packed = target.pack(row(size=[-1, 4]))
    assert target.said(packed) == {"size": 4}
    assert "4 is kept, -1 is lost" in packed.losses[0].why
    with pytest.raises(RowError, match="found -1, expected at least 0"):
        target.pack(row(size=[-1, -2]))


@EVERY
def test_what_nests_below_an_option_is_named_too(target: Any) -> None:  # noqa: ANN401
    below = (Answer("shade", AttributeKind.TEXT, "x"),)
    answer = Answer("note", AttributeKind.CHECKLIST, (Option("a", below), Option("b", below)))
    found = row()
    item = replace(found.objects[0], answers=(answer,), raw=None)
    packed = target.pack(found.with_objects((item,)))
    assert target.said(packed) == {"note": "a"}
    assert {kind for kind, _ in lost(packed)} == {LossKind.ATTRIBUTE}
    said = "\n".join(loss.why for loss in packed.losses)
    assert "'a' is kept, 'b' is lost" in said
    assert "answers below 'a'" in said


def test_a_checklist_of_encord_holds_all_options() -> None:
    several = AttributeDef("hue", AttributeKind.CHECKLIST, options=HUES)
    ontology = read_ontology(write_ontology(Ontology((ClassDef("car", Shape.BOX, attributes=(several,)),))))
    found = row(hue=["blue", "red"])
    packed = encord_rows.pack(found, ontology, encord_rows.empty_for(found))
    (item,) = read_encord(encord_rows.sent(packed), ontology).objects
    assert item.answers[0].value == (Option("red"), Option("blue"))
    assert packed.losses == ()


# ---- files --------------------------------------------------------------------------------------------


def test_coco_keeps_a_list_of_numbers_and_names_texts() -> None:
    found = tagged(tags(scene=["yard", "street"]), {"note": ["a", "b"], "size": [1, 2]})
    packed = pack_coco(EditedRow(RowKey("1", 0), Place("1"), found), Style.INSTANCES)
    assert lost(packed) == [(LossKind.CLASSIFICATION, "tag-scene"), (LossKind.ATTRIBUTE, "5")]
    assert b'"attributes":{"size":[1,2]}' in packed.payload


def test_an_archive_gives_the_same_tags_back_in_place_and_in_a_copy() -> None:
    several = tags(note=["b", "a", "b"], size=[2.5, 1, 2], hue=["blue", "red"])
    said = annotation(tags(scene=["yard", "street", "yard"]), several)
    found = read_archived(write_archived(read_row(IMAGE, said, PROJECT).row))
    back = pack_row(opened(found, PROJECT, IMAGE, Opened(IMAGE, said)), PROJECT)
    assert (back.unchanged, back.losses) == (True, ())
    assert sent(back)["tags"] == said["tags"]
    assert sent(back)["objects"][0]["tags"] == several
    copied = pack_row(opened(found, PROJECT, ELSEWHERE), PROJECT)
    assert copied.losses == ()
    assert values_of(sent(copied)["tags"]) == values_of(said["tags"])
    assert values_of(sent(copied)["objects"][0]["tags"]) == values_of(several)


def values_of(found: list[Json]) -> list[tuple[str, Any]]:
    return [(one["name"], one.get("value")) for one in found]


# ---- jobs ---------------------------------------------------------------------------------------------

SEVERAL = (
    Answer("note", AttributeKind.CHECKLIST, (Option("b"), Option("a"))),
    Answer("size", AttributeKind.JSON, [2, 1]),
)
SCENES = Answer("scene", AttributeKind.CHECKLIST, (Option("yard"), Option("street")))


def drawn(name: str, *answers: Answer, mark: Answer | None = None) -> LabelRow:
    item = ObjectInstance("o", "car", {0: Occurrence(Box(1.0, 2.0, 10.0, 5.0))}, answers)
    marks = () if mark is None else (Classification("m", mark),)
    media = (Media(name, width=64, height=48),)
    return LabelRow(name, name, media=media, objects=(item,), classifications=marks)


ROWS = [drawn("a.png", *SEVERAL, mark=SCENES), drawn("b.png", Answer("note", AttributeKind.TEXT, "alone"))]


@dataclass
class Places:
    """Stand-ins, and jobs between them."""

    folder: Path
    stack: AsyncExitStack
    environment: dict[str, str] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)

    async def open(self, name: str) -> Site:
        """A place of a platform with the pictures of the rows, and without labels."""
        platform = discover()[name]
        assert platform.stand_in is not None
        folder = self.folder / f"place-{next(self.numbers)}"
        channels = await self.stack.enter_async_context(Channels(lambda _: None, policy=QUICK))
        empty = [replace(one, objects=(), classifications=()) for one in ROWS]
        options = {"keys": str(folder / "keys")}
        running = await self.stack.enter_async_context(platform.stand_in(Seed(ONTOLOGY, empty), options))
        self.environment |= running.environment
        return Site(platform, running.address, folder, channels, running.environment)

    async def move(self, source: object, target: str, **parts: Any) -> Report:  # noqa: ANN401 - keys of a job
        number = next(self.numbers)
        side = parse_address(source) if isinstance(source, str) else source
        journal = f"sqlite:///{self.folder / f'{number}.db'}"
        job = Job(name=f"job-{number}", source=side, target=parse_address(target), journal=journal, **parts)
        with exported(self.environment):
            return await run(job)

    async def rows(self, site: Site) -> dict[str, LabelRow]:
        with exported(self.environment):
            return {one.title: one for one in await site.rows()}


@asynccontextmanager
async def places(folder: Path) -> AsyncIterator[Places]:
    async with AsyncExitStack() as stack:
        yield Places(folder, stack)


def answers(found: LabelRow) -> dict[str, Any]:
    said = {one.attribute: plain(one.value) for one in found.objects[0].answers}
    return said | {mark.name: plain(mark.answer.value) for mark in found.classifications}


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["encord", "segments"])
async def test_a_job_refuses_what_would_be_lost_and_saves_the_rest_where_it_is_allowed(
    tmp_path: Path, name: str
) -> None:
    async with places(tmp_path) as world:
        first, second = await world.open("supervisely"), await world.open(name)
        assert (await world.move(ROWS, first.address)).rows == {"saved": 2}
        strict = await world.move(first.address, second.address)
        assert strict.rows == {"saved": 1, "rejected": 1}
        (reject,) = strict.rejects
        assert reject["title"] == "a.png"
        assert "attribute" in reject["reason"]
        assert (await world.rows(second))["a.png"].label_count == 0
        allowed = ["attribute", "classification"]
        report = await world.move(first.address, second.address, allow_losses=allowed, mode="replace")
        assert (report.rows["rejected"], report.losses) == (0, {"attribute": 2, "classification": 1})
        assert answers((await world.rows(second))["a.png"]) == {"note": "b", "size": 2, "scene": "yard"}
        again = await world.move(first.address, second.address, allow_losses=allowed, mode="replace")
        assert again.rows == {"unchanged": 2}


@pytest.mark.anyio
async def test_a_backup_restores_every_tag(tmp_path: Path) -> None:
    async with places(tmp_path) as world:
        first, second = await world.open("supervisely"), await world.open("supervisely")
        await world.move(ROWS, first.address)
        before = (await world.rows(first))["a.png"]
        backup = f"archive:{tmp_path / 'backup'}"
        assert (await world.move(first.address, backup)).losses == {}
        report = await world.move(backup, first.address, mode="replace")
        assert report.rows == {"unchanged": 2}
        report = await world.move(backup, second.address)
        assert (report.rows, report.losses) == ({"saved": 2}, {})
        after = (await world.rows(second))["a.png"]
    assert before.objects[0].answers == after.objects[0].answers == SEVERAL
    assert [one.answer for one in before.classifications] == [one.answer for one in after.classifications]
    assert [one.answer for one in after.classifications] == [SCENES]

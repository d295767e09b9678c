"""What a job with Segments.ai may choose: its mode, who is on top, where sizes and groups are."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.geometry import Box, Polygon, Shape
from pipeline.core.instances import OnTop
from pipeline.core.labels import Group, LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.losses import LossKind
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassDef, Ontology
from pipeline.core.rows import Rejection
from tests.conformance.moving import rows_of
from tests.conformance.opening import PLAN, listed, placed, tasks_for
from tests.conformance.segments_project import SIZE, bbox, boxes, bring, label, local, packed

pytestmark = pytest.mark.anyio

ROWS = [boxes(f"{number}.png", number % 3) for number in range(7)]
RENAMED = [{"rename": {"classes": {"car": "lorry"}}}]
TWO = Ontology((ClassDef("car", Shape.BOX), ClassDef("lorry", Shape.BOX)))


# ---- modes, through the whole line --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "counts", "outcome"),
    [
        (None, {"1.png": 1}, {"saved": 1, "rejected": 1}),
        ("replace", {"1.png": 1, "2.png": 2}, {"saved": 2}),
        ("append", {"1.png": 1, "2.png": 3}, {"saved": 2}),
        ("skip-existing", {"1.png": 1}, {"saved": 1, "skipped": 1}),
    ],
)
async def test_each_mode_does_with_labels_that_are_there_what_it_says(
    tmp_path: Path, mode: str | None, counts: dict[str, int], outcome: dict[str, int]
) -> None:
    async with local(tmp_path, ROWS) as server:
        await server.put("2.png", label(bbox(7)))
        report = await server.run(ROWS[1:3], mode=mode)
        assert {"2.png": 1, **counts} == await server.counts()
        kept = (await server.labels())["2.png"]["attributes"]["annotations"][0]
        again = await server.run(ROWS[1:3], mode=mode)
        assert {"2.png": 1, **counts} == await server.counts()
    assert {name: number for name, number in report.rows.items() if number} == outcome
    assert (kept == bbox(7)) is (mode != "replace")
    if mode in ("append", "replace"):
        assert again.rows["unchanged"] == 2


async def test_editing_in_place_keeps_status_score_and_every_other_key(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, ontology=TWO) as server:
        await server.put("1.png", label(bbox(3), bbox(9, 2), score=0.25))
        await server.put("2.png", label(bbox(5, 2), status="REJECTED"))
        report = await server.run(None, operations=RENAMED)
        found = await server.labels()
    assert report.rows["saved"] == 1
    assert report.rows["unchanged"] == 6
    one = found["1.png"]
    assert (one["label_status"], one["score"]) == ("REVIEWED", 0.25)
    assert one["attributes"]["annotations"] == [bbox(3, 2), bbox(9, 2)]
    assert found["2.png"]["label_status"] == "REJECTED"
    assert list(found) == ["1.png", "2.png"]


async def test_status_and_score_of_a_label_stay_when_it_is_replaced(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        await server.put("1.png", label(bbox(3), status="VERIFIED", score=2))
        await server.run(ROWS[1:3], mode="replace")
        found = await server.labels()
    assert (found["1.png"]["label_status"], found["1.png"]["score"]) == ("VERIFIED", 2)
    assert (found["2.png"]["label_status"], found["2.png"]["score"]) == ("PRELABELED", None)


async def test_the_job_may_say_the_status_of_new_labels(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        await server.run(ROWS[1:3], target={"label_status": "LABELED"})
        assert {one["label_status"] for one in (await server.labels()).values()} == {"LABELED"}
    with pytest.raises(ValueError, match="LABELLED"):
        server.settings(label_status="LABELLED")


async def test_answers_that_must_be_given_are_asked_for_where_the_job_says_so(tmp_path: Path) -> None:
    plate = AttributeDef("plate", AttributeKind.TEXT, required=True)
    ontology = Ontology((ClassDef("car", Shape.BOX, attributes=(plate,)),))
    async with local(tmp_path, ROWS, ontology=ontology) as server:
        report = await server.run(ROWS[1:3], require_answers=True)
        assert report.rows == {"rejected": 2}
        assert "'plate' is not answered" in report.rejects[0]["reason"]
        report = await server.run(ROWS[1:3], name="other")
        assert report.rows == {"saved": 2}


# ---- pictures -----------------------------------------------------------------------------------------


def overlapping() -> LabelRow:
    """Three squares, each on top of the last one and smaller, but for the third, which is large."""
    sides = (Box(0, 0, 20, 20), Box(0, 0, 10, 10), Box(0, 0, 30, 30))
    objects = tuple(
        ObjectInstance(str(number), "car", {0: Occurrence(square(box))}) for number, box in enumerate(sides)
    )
    return LabelRow("a.png", "a.png", media=(Media(width=SIZE[1], height=SIZE[0]),), objects=objects)


def square(box: Box) -> Polygon:
    x, y = box.x + box.width, box.y + box.height
    return Polygon((((((box.x, box.y), (x, box.y), (x, y), (box.x, y))),),))


@pytest.mark.parametrize(
    ("on_top", "areas"),
    [
        (OnTop.LAST, [900]),
        (OnTop.FIRST, [400, 500]),
        (OnTop.SMALLEST, [100, 300, 500]),
    ],
)
async def test_the_job_says_which_of_overlapping_masks_is_on_top(
    tmp_path: Path, on_top: OnTop, areas: list[int]
) -> None:
    row = overlapping()
    async with local(tmp_path, [row], shape=Shape.MASK) as server, server.adapter(on_top=on_top) as adapter:
        [found] = await bring(adapter.target(), [row])
        assert sorted((await server.pixels((await server.labels())["a.png"])).values()) == areas
    assert {loss.what for loss in found.losses} == {LossKind.OVERLAP}


async def test_polygons_are_drawn_on_pictures_whose_size_only_their_files_tell(tmp_path: Path) -> None:
    row = overlapping()
    bare = replace(row, media=(Media(),), objects=row.objects[:1])
    async with local(tmp_path, [row], shape=Shape.MASK) as server, server.adapter() as adapter:
        await bring(adapter.target(), [bare])
        pixels = await server.pixels((await server.labels())["a.png"])
    assert list(pixels.values()) == [400]


async def test_a_picture_that_is_not_there_rejects_the_row_whose_polygons_need_it(tmp_path: Path) -> None:
    row = overlapping()
    async with local(tmp_path, [], shape=Shape.MASK) as server, server.adapter() as adapter:
        gone = {"image": {"url": f"{server.running.url}/storage/none.png"}}
        await server.ask("POST", "/datasets/sandbox/dataset/samples/", {"name": "a.png", "attributes": gone})
        bare = replace(row, media=(Media(),))
        target, tasks = adapter.target(), tasks_for([bare])
        places = await placed(await target.prepare(PLAN, listed([bare])), tasks)
        [found] = await target.open(tasks, places)
    assert isinstance(found, Rejection)
    assert (found.stage, "picture" in found.reason) == ("open", True)


async def test_sizes_are_looked_up_where_the_job_asks_for_them(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS[:2]) as server:
        for sizes, expected in ((False, None), (True, SIZE)):
            async with server.adapter(sizes=sizes) as adapter:
                assert {row.size_at(0) for row in await rows_of(adapter.source())} == {expected}
        assert (await server.log())["kinds"]["storage.GET"] == 2


# ---- groups -------------------------------------------------------------------------------------------


async def test_links_hold_groups_where_the_job_says_so(tmp_path: Path) -> None:
    row = replace(boxes("1.png", 3), groups=(Group("g", ("1.png-0", "1.png-2")),))
    async with (
        local(tmp_path, [row], dataset={"enable_object_linking": True}) as server,
        server.adapter(groups="links") as adapter,
        server.adapter() as plain,
    ):
        assert [loss.what for loss in (await packed(plain.target(), [row]))[0].losses] == [LossKind.GROUP]
        await bring(adapter.target(), [row])
        links = (await server.labels())["1.png"]["attributes"]["links"]
        [grouped] = await rows_of(adapter.source())
        [linked] = await rows_of(plain.source())
    assert len(links) == 1
    assert [len(group.objects) for group in grouped.groups] == [2]
    assert grouped.relations == ()
    assert linked.groups == ()
    assert [relation.name for relation in linked.relations] == ["link"]


async def test_an_attribute_holds_groups_where_the_job_says_so(tmp_path: Path) -> None:
    row = replace(boxes("1.png", 3), groups=(Group("left", ("1.png-0", "1.png-2")),))
    side = AttributeDef("side", AttributeKind.TEXT)
    ontology = Ontology((ClassDef("car", Shape.BOX, attributes=(side,)),))
    async with (
        local(tmp_path, [row], ontology=ontology) as server,
        server.adapter(group_attribute="side") as adapter,
    ):
        await bring(adapter.target(), [row])
        annotations = (await server.labels())["1.png"]["attributes"]["annotations"]
        [found] = await rows_of(adapter.source())
    assert [one.get("attributes", {}).get("side") for one in annotations] == ["left", None, "left"]
    assert [(group.id, len(group.objects)) for group in found.groups] == [("left", 2)]

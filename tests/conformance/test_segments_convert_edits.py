"""Edited and added labels of Segments.ai: only what changed is written anew, and nothing is there twice."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.core.geometry import Box, Cuboid, Polygon
from pipeline.core.instances import instances_of
from pipeline.core.labels import Answer, LabelRow, ObjectInstance, Occurrence, Option, Relation
from pipeline.core.losses import LossKind
from pipeline.core.ontology import AttributeKind
from pipeline.platforms.segments.convert import Project, read_ontology, read_row
from tests.conformance.segments_labels import (
    Golden,
    elsewhere,
    exact,
    foreign,
    golden,
    opened,
    pack,
    put,
    sent,
    uploaded,
)


def with_object(row: LabelRow, identity: str, **changes: Any) -> LabelRow:  # noqa: ANN401 - fields of an object
    return row.with_objects(
        tuple(replace(item, **changes) if item.id == identity else item for item in row.objects)
    )


def moved(item: ObjectInstance, geometry: Any, frame: int = 0) -> dict[int, Occurrence]:  # noqa: ANN401 - a geometry
    return {**item.occurrences, frame: replace(item.occurrences[frame], geometry=geometry)}


def edited(found: Golden, row: LabelRow) -> Any:  # noqa: ANN401 - JSON
    packed = pack(opened(row, found.sample, found.label, existing=found.row()), found.project)
    assert not packed.unchanged
    return sent(packed)["attributes"]


def by_id(attributes: Any) -> dict[int, Any]:  # noqa: ANN401 - JSON
    return {one["id"]: exact(one) for one in attributes["annotations"]}


# ---- one object -------------------------------------------------------------------------------------------


def test_a_moved_box_keeps_the_numbers_that_did_not_move() -> None:
    found = golden("vector-all")
    row = found.row()
    changed = edited(found, with_object(row, "1", occurrences=moved(row.objects[0], Box(10, 21, 20, 19))))
    before, after = by_id(found.attributes), by_id(changed)
    assert after.pop(1) == {**before.pop(1), "points": exact([[10, 21], [30.0, 40]])}
    assert after == before


def test_a_changed_answer_leaves_the_other_attributes_and_the_geometry() -> None:
    found = golden("vector-all")
    row = found.row()
    answers = tuple(
        replace(one, value=Option("red")) if one.attribute == "hue" else one for one in row.objects[0].answers
    )
    after = by_id(edited(found, with_object(row, "1", answers=answers)))
    before = by_id(found.attributes)
    before[1]["attributes"]["hue"] = exact("red")
    assert after == before


def test_a_new_class_is_found_by_its_name() -> None:
    found = golden("vector")
    after = by_id(edited(found, with_object(found.row(), "1", class_name="sign")))
    assert after[1]["category_id"] == exact(4)


def test_an_object_that_went_takes_its_links_along_and_leaves_those_that_hang() -> None:
    found = golden("vector-all")
    row = found.row()
    left = replace(row, objects=row.objects[1:], relations=())
    assert edited(found, left)["links"] == [{"from_id": 1, "to_id": 999}]


def test_a_new_link_names_tracks() -> None:
    found = golden("vector-all")
    row = found.row()
    link = Relation("link", "2", "40000000", (Answer("side", AttributeKind.TEXT, "right"),))
    links = edited(found, replace(row, relations=(*row.relations, link)))["links"]
    assert links[:2] == found.attributes["links"]
    assert links[2] == {"from_id": 1, "to_id": 40000000, "attributes": {"side": "right"}}


def test_a_cuboid_keeps_what_did_not_change() -> None:
    found = golden("pointcloud-cuboid-yaw")
    row = found.row()
    item = row.objects[1]
    cuboid = item.occurrences[0].geometry
    assert isinstance(cuboid, Cuboid)
    new = replace(cuboid, centre=(1, 2, 5.0))
    after = by_id(edited(found, with_object(row, "2", occurrences=moved(item, new))))
    before = by_id(found.attributes)
    before[2]["position"]["z"] = exact(5.0)
    assert after == before


def test_a_bitmap_object_that_changed_only_its_answers_keeps_the_bitmap() -> None:
    found = golden("segmentation-bitmap-all")
    row = found.row()
    changed = edited(found, with_object(row, "65536", class_name="sign"))
    assert changed["segmentation_bitmap"] == found.attributes["segmentation_bitmap"]
    assert by_id(changed)[65536]["category_id"] == exact(4)


def test_a_label_goes_to_a_dataset_with_other_numbers_of_categories() -> None:
    found = golden("vector")
    categories = [
        {"id": number, "name": name}
        for number, name in ((7, "vehicle"), (8, "person"), (9, "lane"), (1, "sign"))
    ]
    project = Project(
        found.project.kind, read_ontology("vector", {"categories": categories}), service=found.project.service
    )
    packed = pack(opened(found.row(), elsewhere(found.sample)), project)
    assert [one["category_id"] for one in sent(packed)["attributes"]["annotations"]] == [7, 8, 9, 1]


def test_what_the_dataset_does_not_know_goes_back_untouched() -> None:
    """An unknown category, an unknown value and a polygon of two points are judged only when they change."""
    found = golden("vector")
    strange = {
        "id": 5,
        "category_id": 77,
        "type": "polygon",
        "points": [[1, 2], [3, 4]],
        "attributes": {"x": 1},
    }
    attributes = {**found.attributes, "annotations": [*found.attributes["annotations"], strange]}
    label = msgspec.structs.replace(found.label, attributes=attributes)
    row = read_row(found.sample, label, found.project, {}).row
    assert row.objects[-1].class_name == "77"
    new = with_object(row, "1", class_name="sign")
    packed = pack(opened(new, found.sample, label, existing=row), found.project)
    assert exact(sent(packed)["attributes"]["annotations"][-1]) == exact(strange)


# ---- appending --------------------------------------------------------------------------------------------

APPENDED = pytest.mark.parametrize(
    "name",
    [
        "vector",
        "segmentation-bitmap",
        "image-vector-sequence",
        "pointcloud-segmentation",
        "multisensor-sequence",
    ],
)


def appended(found: Golden, row: LabelRow, label: Any, bitmaps: Any) -> tuple[Any, Any]:  # noqa: ANN401 - as served
    existing = read_row(found.sample, label, found.project, bitmaps).row
    packed = pack(opened(row, found.sample, label, existing=existing, append=True), found.project)
    return packed, existing


@APPENDED
@pytest.mark.parametrize("origin", ["foreign", "segments"])
def test_labels_that_are_added_twice_are_there_once(name: str, origin: str) -> None:
    """Those of elsewhere have the numbers of those that are there, and are other objects."""
    found = golden(name)
    row = found.row()
    incoming = replace(row, key="other", title="other")
    if origin == "foreign":
        incoming = foreign(incoming)
    else:
        assert row.raw is not None
        incoming = replace(incoming, raw=replace(row.raw, data={**row.raw.data, "sample": {"uuid": "other"}}))
    other = {"vehicle": "person"}
    changed = (replace(item, class_name=other.get(item.class_name, "vehicle")) for item in incoming.objects)
    incoming = incoming.with_objects(tuple(changed))
    packed, existing = appended(found, incoming, found.label, found.bitmaps)
    label = put(packed)
    bitmaps = {**found.bitmaps, **uploaded(packed)}
    after = read_row(found.sample, label, found.project, bitmaps).row
    assert len(after.objects) == len(existing.objects) + len(row.objects)
    again, _ = appended(found, incoming, label, bitmaps)
    assert again.unchanged
    assert exact(sent(again)) == exact(sent(packed))


@APPENDED
def test_the_same_labels_are_not_added_to_themselves(name: str) -> None:
    found = golden(name)
    packed, _ = appended(found, found.row(), found.label, found.bitmaps)
    assert packed.unchanged
    assert {note.what for note in packed.notes} <= {"already there", "bitmap", "point_annotations"}
    copied = replace(found.row(), key="copy")
    assert copied.raw is not None
    raw = {**copied.raw.data, "sample": {"uuid": "another"}}
    packed, _ = appended(
        found, replace(copied, raw=replace(copied.raw, data=raw)), found.label, found.bitmaps
    )
    assert packed.unchanged


def test_numbers_of_python_are_kept_unless_they_are_taken() -> None:
    found = golden("segmentation-bitmap")
    picture = np.zeros((6, 8), np.int64)
    picture[0, 0], picture[5, 7] = 1, 500
    items = tuple(
        ObjectInstance(f"o{number}", "person", {0: Occurrence(instance)})
        for number, instance in instances_of(picture).items()
    )
    new = LabelRow("python", "a.png", media=found.row().media, objects=items)
    alone = pack(opened(new, elsewhere(found.sample)), found.project)
    assert [one["id"] for one in sent(alone)["attributes"]["annotations"]] == [1, 500]
    packed, _ = appended(found, new, found.label, found.bitmaps)
    ids = [one["id"] for one in sent(packed)["attributes"]["annotations"]]
    assert ids[:3] == [1, 2, 3]
    assert ids[4] == 500
    assert ids[3] not in ids[:3]
    assert packed.losses == ()


def test_an_added_polygon_with_a_hole_is_drawn_whole_and_lies_on_top() -> None:
    found = golden("segmentation-bitmap")
    ring, hole = ((0, 0), (6, 0), (6, 5), (0, 5)), ((1, 1), (2, 1), (2, 2), (1, 2))
    item = ObjectInstance("p", "person", {0: Occurrence(Polygon(((ring, hole),)))})
    new = LabelRow("python", "a.png", media=found.row().media, objects=(item,))
    packed, _ = appended(found, new, found.label, found.bitmaps)
    assert {(loss.what, loss.object) for loss in packed.losses} == {
        (LossKind.OVERLAP, "1"),
        (LossKind.OVERLAP, "3"),
    }
    assert [note.what for note in packed.notes if note.object == "p"] == ["precision"]
    (picture,) = uploaded(packed).values()
    number = sent(packed)["attributes"]["annotations"][3]["id"]
    assert picture.mask(number).area == 29

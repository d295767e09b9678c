"""The recorded annotation of every geometry, tag, group and status: read, and written back or copied."""

import json
from typing import Any

import pytest

from pipeline.core.geometry import (
    Box,
    Cuboid2D,
    Node,
    Point,
    Polygon,
    Polyline,
    RotatedBox,
    Shape,
    Skeleton,
    Visibility,
)
from pipeline.core.labels import Answer, Group, LabelRow, ObjectInstance, Occurrence, Option
from pipeline.core.losses import LossKind
from pipeline.core.masks import AlphaMask, EncodedMask
from pipeline.core.measure import mask_of
from pipeline.core.ontology import AttributeKind
from pipeline.errors import RowError, UsageError
from pipeline.platforms.supervisely.convert import (
    Opened,
    alpha_figures,
    bulk_body,
    extra_figures,
    pack_row,
    project_of,
    read_row,
    stays,
)
from tests.conformance.supervisely_golden import (
    ELSEWHERE,
    GEOMETRIES,
    IMAGE,
    PROJECT,
    ROW,
    SAID,
    SEPARATE,
    copy,
    edit,
    labels,
)
from tests.conformance.supervisely_labels import golden, in_place, kept, opened, sent

# ---- reading --------------------------------------------------------------------------------------------


def test_what_only_supervisely_holds_is_told_of() -> None:
    box: dict[str, Any] = {"classTitle": "car", "geometryType": "rectangle"}
    box["points"] = {"exterior": [[1, 1], [5, 5]], "interior": []}
    said = {
        "description": "at night",
        "customBigData": {"scores": [0.5]},
        "objects": [{**box, "description": "a taxi"}, {**box, "smartToolInput": {"visible": True}}, box],
    }
    notes = stays(read_row(IMAGE, said, PROJECT).row)
    ids = [item.id for item in read_row(IMAGE, said, PROJECT).row.objects]
    assert [(note.object, note.what) for note in notes] == [
        (None, "description"),
        (None, "custom data"),
        (ids[0], "description"),
        (ids[1], "input of the smart tool"),
    ]
    assert stays(read_row(IMAGE, {"description": "", "objects": [box]}, PROJECT).row) == ()


def test_every_geometry_is_read() -> None:
    drawn: dict[str, Any] = {
        item.class_name: item.occurrences[0].geometry for item in ROW.objects if item.class_name != "thing"
    }
    boxes = [item.occurrences[0].geometry for item in ROW.objects if item.class_name == "car"]
    assert boxes == [Box(20.25, 10.125, 40.75, 21.2083333333), Box(2, 1, 5, 3)]
    assert drawn["turned"] == RotatedBox(20, 10, 41, 21, 28.64788975654116)
    outer, hole = ((0.5, 0.5), (40.123456789, 0), (40.5, 40.5)), ((20.5, 5.5), (30.5, 5.5), (30.5, 15.5))
    assert drawn["road"] == Polygon(((outer, hole),))
    lake = drawn["lake"]
    assert isinstance(lake, Polygon)
    assert [len(part) for part in lake.parts] == [2, 1]
    assert drawn["lane"] == Polyline(((2, 1.5), (4.5, 3.5), (1.5, 5.5)))
    assert drawn["spot"] == Point(9.5, 7.5)
    dog = drawn["dog"]
    assert dog == Skeleton(
        (
            Node("head", 20.5, 10.5),
            Node("tail", 40.5, 30.5, Visibility.OCCLUDED),
            Node("paw", 0.0, 0.0, Visibility.INVISIBLE),
        )
    )
    crate = drawn["crate"]
    assert isinstance(crate, Cuboid2D)
    assert [crate.front[0], crate.back[-1]] == [(5, 10), (19, 17)]
    part, smoke = drawn["part"], drawn["smoke"]
    assert isinstance(part, EncodedMask)
    assert mask_of(part).area == 15 * 23 - 3 * 10 + 1
    assert isinstance(smoke, AlphaMask)
    assert (smoke.x, smoke.y, smoke.crop.shape, int(smoke.crop[0, 0])) == (40, 20, (6, 10), 30)


def test_a_class_of_any_shape_has_labels_of_several() -> None:
    shapes = [item.shape for item in ROW.objects if item.class_name == "thing"]
    assert shapes == [Shape.BOX, Shape.POLYLINE, Shape.POLYGON]


def test_tags_are_answers_and_one_is_the_confidence() -> None:
    first, second = (item for item in ROW.objects if item.class_name == "car")
    assert first.answers == (
        Answer("plate", AttributeKind.TEXT, "AB 12"),
        Answer("speed", AttributeKind.NUMBER, 12.5),
        Answer("colour", AttributeKind.RADIO, Option("red")),
        Answer("parked", AttributeKind.BOOLEAN, value=False),
        Answer("seen", AttributeKind.BOOLEAN, value=True),
        Answer("taken", AttributeKind.TEXT, "2026-04-23T15:15:48"),
    )
    assert first.occurrences[0].confidence == 0.25
    assert second.answers == (Answer("colour", AttributeKind.CHECKLIST, (Option("red"), Option("blue"))),)
    assert [(mark.name, mark.answer.value) for mark in ROW.classifications] == [
        ("weather", Option("rain")),
        ("seen", True),
    ]


def test_groups_are_read_whether_their_keys_are_numbers_or_text() -> None:
    assert ROW.groups == (Group("5002", ("5001", "5002")), Group("5009", ("5005", "5008", "5009")))


def test_what_a_label_is_known_of_is_read() -> None:
    made = {item.id: item.occurrences[0].provenance for item in ROW.objects}
    assert [made[name].manual for name in ("5001", "5002", "5003")] == [True, False, True]
    assert made["5001"].created_by == "ann"
    assert (ROW.key, ROW.title, ROW.size_at(0), ROW.metadata) == ("1004", "yard.jpg", (48, 64), {"k": 1})
    assert ROW.media[0].ref == "1004"
    assert ROW.media[0].sha256 == IMAGE.sha256
    assert IMAGE.path == "yards/north/yard.jpg"


def test_a_label_that_is_not_drawn_is_kept_and_noted() -> None:
    notes = read_row(IMAGE, SAID, PROJECT, GEOMETRIES).notes
    assert [(note.object, note.what) for note in notes] == [("5100", "shape")]
    assert "cuboid" in notes[0].why


def test_alpha_masks_come_apart_and_are_missed_where_they_do_not_come() -> None:
    assert alpha_figures(SAID) == [5009]
    with pytest.raises(RowError, match=r"label 5009: the bitmap of an alpha mask did not come"):
        read_row(IMAGE, SAID, PROJECT)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ({"classTitle": "car", "geometryType": "rectangle", "tags": []}, "'points' of a rectangle"),
        (
            {"classTitle": "car", "geometryType": "rectangle", "points": {"exterior": [["1", 2], [3, 4]]}},
            "two points of numbers",
        ),
        (
            {"classTitle": "road", "geometryType": "polygon", "points": {"exterior": [[1, 2, 3]] * 3}},
            "list of",
        ),
        (
            {
                "classTitle": "car",
                "geometryType": "rectangle",
                "points": {"exterior": [[10**400, 2], [3, 4]]},
            },
            "expected its coordinates",
        ),
        (
            {"classTitle": "road", "geometryType": "polygon", "points": {"exterior": [[1, -(10**400)]] * 3}},
            "expected its coordinates",
        ),
        (
            {"classTitle": "dog", "geometryType": "graph", "nodes": {"a": {"loc": [10**400, 1]}}},
            "expected its coordinates",
        ),
        ({"geometryType": "point"}, "'classTitle': found None"),
        ("car", "found 'car', expected a label"),
    ],
)
def test_a_label_that_is_broken_rejects_its_row_and_says_where(label: Any, said: str) -> None:  # noqa: ANN401
    with pytest.raises(RowError, match=r"yards/north/yard\.jpg") as refused:
        read_row(IMAGE, {"objects": [label], "tags": []}, PROJECT)
    assert said in str(refused.value)
    assert "label 0" in str(refused.value)


@pytest.mark.parametrize("labels", [5, "car", {"a": 1}, True])
def test_labels_that_are_no_list_reject_their_row(labels: Any) -> None:  # noqa: ANN401
    with pytest.raises(RowError, match=r"'objects': found .*, expected a list of labels"):
        read_row(IMAGE, {"objects": labels, "tags": []}, PROJECT)
    assert alpha_figures({"objects": labels}) == []


def test_bitmaps_are_asked_for_by_the_ids_of_figures() -> None:
    alpha = {"geometryType": "alpha_mask"}
    broken: list[Any] = [None, True, [], {**alpha, "id": "x"}, {**alpha, "id": []}, alpha]
    whole = {**alpha, "id": 8, "bitmap": {"data": "x"}}
    assert alpha_figures({"objects": [*broken, {**alpha, "id": 7}, whole]}) == [7]


def test_labels_without_ids_are_told_apart_by_what_they_say() -> None:
    bare = {key: value for key, value in SAID["objects"][0].items() if key != "id"}
    said = {"objects": [bare, bare, {**bare, "description": "other"}]}
    first = [item.id for item in read_row(IMAGE, said, PROJECT).row.objects]
    assert len(set(first)) == 3
    assert first == [item.id for item in read_row(IMAGE, json.loads(json.dumps(said)), PROJECT).row.objects]


def test_a_meta_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="classes and tags"):
        project_of({"tags": []})


def test_an_old_meta_has_tags_of_images_and_of_labels_apart() -> None:
    meta = {
        "classes": [{"title": "car", "shape": "rectangle", "color": "#FF0000"}],
        "tags_images": [{"name": "sunny", "value_type": "none"}],
        "tags_objects": ["broken"],
    }
    ontology = project_of(meta).ontology
    assert [item.name for item in ontology.classes[0].attributes] == ["broken"]
    assert [mark.name for mark in ontology.classifications] == ["sunny"]


# ---- written back ---------------------------------------------------------------------------------------


def test_a_row_that_nothing_changed_goes_back_as_it_came() -> None:
    packed = edit(ROW)
    assert packed.unchanged
    assert packed.losses == ()
    assert packed.notes == ()
    assert packed.labels == len(ROW.objects) + 2
    line = sent(packed)
    assert {**line, "objects": []} == {**SAID, "objects": []}
    assert line["objects"] == [one for one in SAID["objects"] if one["geometryType"] not in SEPARATE]
    assert json.dumps(line["objects"][0]) == json.dumps(SAID["objects"][0])


def test_multipolygons_and_alpha_masks_are_figures_of_their_own() -> None:
    lake, smoke, thing = extra_figures(edit(ROW).payload)
    assert (lake["entityId"], lake["classId"], lake["geometryType"]) == (1004, 14, "multipolygon")
    assert lake["geometry"] == {"parts": SAID["objects"][4]["parts"]}
    assert "parts" not in lake
    assert "id" not in lake
    assert (smoke["classId"], smoke["bitmap"]) == (18, GEOMETRIES[5009])
    assert lake["instance"] == smoke["instance"] == "5009"
    assert thing["classTitle"] == "thing"


def test_all_of_a_row_stays_inside_where_it_goes_to_a_file() -> None:
    packed = pack_row(in_place(IMAGE, SAID, PROJECT, GEOMETRIES), PROJECT, inline=True)
    assert packed.payload.count(b"\n") == 0
    whole = [{**one, "bitmap": GEOMETRIES[5009]} if one["id"] == 5009 else one for one in SAID["objects"]]
    assert sent(packed)["objects"] == whole


def test_the_order_of_labels_and_the_keys_of_groups_do_not_matter() -> None:
    changed = {**SAID, "objects": [dict(one) for one in reversed(SAID["objects"])]}
    for one in changed["objects"]:
        if "instance" in one:
            one["instance"] = f"key of {one['instance']}"
    there = Opened(IMAGE, changed, GEOMETRIES)
    assert pack_row(opened(ROW, PROJECT, IMAGE, there), PROJECT).unchanged
    one = next(one for one in changed["objects"] if "instance" in one)
    del one["instance"]
    assert not pack_row(opened(ROW, PROJECT, IMAGE, there), PROJECT).unchanged


def test_a_copy_has_no_ids_authors_and_times_of_the_figures_that_it_was_of() -> None:
    packed = copy(ROW)
    assert not packed.unchanged
    assert packed.losses == ()
    text = packed.payload.decode()
    for key in ("labelerLogin", "createdAt", "updatedAt", '"id"'):
        assert key not in text
    first = sent(packed)["objects"][0]
    assert "classId" not in first
    assert first["points"] == SAID["objects"][0]["points"]
    assert first["description"] == "first"
    assert first["tags"][0] == {"name": "plate", "value": "AB 12", "customData": {"by": "ocr"}}
    assert sent(packed)["customBigData"] == {"run": 7}
    assert sent(packed)["description"] == "a yard"
    assert labels(packed)["part"]["smartToolInput"] == SAID["objects"][7]["smartToolInput"]


def test_a_copy_that_arrived_says_the_same_and_is_not_sent_again() -> None:
    packed = copy(ROW)
    there = kept(packed, ELSEWHERE)
    again = copy(ROW, there=there)
    assert again.unchanged
    assert again.digest == packed.digest == edit(ROW).digest
    assert copy(ROW, there=there, append=True).unchanged


def test_a_label_that_is_not_drawn_goes_to_a_project_with_its_class_only() -> None:
    assert labels(copy(ROW))["old crate"]["faces"] == SAID["objects"][-1]["faces"]
    meta = golden("meta")
    meta["classes"] = [one for one in meta["classes"] if one["title"] != "old crate"]
    packed = copy(ROW, project_of(meta))
    assert LossKind.SHAPE in [loss.what for loss in packed.losses if "old crate" in loss.why]


def test_the_description_and_the_data_of_an_image_stay_where_a_row_comes_from_elsewhere() -> None:
    row = LabelRow("r", "yard.jpg", objects=(ObjectInstance("a", "car", {0: Occurrence(Box(1, 2, 3, 4))}),))
    packed = pack_row(opened(row, PROJECT, IMAGE, Opened(IMAGE, SAID, GEOMETRIES)), PROJECT)
    line = sent(packed)
    assert (line["description"], line["customBigData"], line["tags"]) == ("a yard", {"run": 7}, [])
    assert [one["classTitle"] for one in line["objects"]] == ["car"]


def test_a_bundle_is_joined_from_lines() -> None:
    lines = [copy(ROW).payload.partition(b"\n")[0], edit(ROW).payload.partition(b"\n")[0]]
    body = json.loads(bulk_body(7, lines))
    assert body["datasetId"] == 7
    assert [one["imageId"] for one in body["annotations"]] == [2001, 1004]
    assert body["annotations"][1]["annotation"] == sent(edit(ROW))

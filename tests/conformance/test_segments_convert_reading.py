"""What is read though it is written strangely, what is reported, and what is refused by name."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.geometry import Box, Cuboid, Point, PointSet, Polygon
from pipeline.core.instances import Instance, InstanceMap
from pipeline.core.labels import Answer, LabelRow, MediaKind, Option
from pipeline.core.ontology import AttributeKind
from pipeline.errors import RowError
from pipeline.platforms.segments.convert import Read, bitmap_urls, read_row
from pipeline.platforms.segments.convert.cuboids import of_yaw, yaw_of
from pipeline.platforms.segments.wire import Label
from tests.conformance.segments_labels import exact, golden, opened, pack, sent


def read(name: str, attributes: Any, bitmaps: Any = None) -> Read:  # noqa: ANN401 - JSON
    found = golden(name)
    return read_row(found.sample, Label(attributes=attributes), found.project, bitmaps or {})


def refusal(name: str, attributes: Any, bitmaps: Any = None) -> str:  # noqa: ANN401 - JSON
    with pytest.raises(RowError) as refused:
        read(name, attributes, bitmaps)
    return str(refused.value)


def boxed(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    one = {"id": 1, "category_id": 1, "type": "bbox", "points": [[1, 2], [3, 4]], **changes}
    return {"annotations": [one]}


# ---- what is read -----------------------------------------------------------------------------------------


def test_a_row_says_what_its_sample_and_label_say() -> None:
    row = golden("image-vector-sequence-all").row()
    assert row.media_kind is MediaKind.IMAGE_SEQUENCE
    assert (row.frame_count, row.status, row.score, row.priority) == (4, "REJECTED", -1.5, 0)
    assert row.metadata == {"weather": "rain", "speed": 1.0}
    assert {mark.id: (mark.answer.value, mark.frames) for mark in row.classifications} == {
        "weather": (Option("sun"), ((0, 0),)),
        "weather:2": (Option("rain"), ((1, 1),)),
    }


def test_annotations_of_a_track_are_one_object_of_one_category_and_shape() -> None:
    row = golden("image-vector-sequence-all").row()
    shown = {
        item.id: (item.track, item.class_name, item.shape, list(item.occurrences)) for item in row.objects
    }
    assert shown == {
        "5": ("5", "vehicle", "box", [0, 1, 2]),
        "6": ("6", "vehicle", "box", [0, 1]),
        "5:2": ("5", "vehicle", "polygon", [1]),
        "5:3": ("5", "person", "box", [1]),
    }
    keyframes = [one.keyframe for one in row.objects[0].occurrences.values()]
    assert keyframes == [True, False, False]
    assert row.objects[0].answers == (
        Answer("hue", AttributeKind.RADIO, Option("red")),
        Answer("doors", AttributeKind.NUMBER, 2, ((0, 0),)),
        Answer("doors", AttributeKind.NUMBER, 3, ((1, 2),)),
    )


def test_attributes_are_read_by_their_definitions_and_unknown_ones_by_their_json() -> None:
    answers = golden("segmentation-bitmap-all").row().objects[0].answers
    assert answers == (
        Answer("occluded", AttributeKind.BOOLEAN, value=True),
        Answer("hue", AttributeKind.RADIO, Option("red")),
        Answer("parts", AttributeKind.CHECKLIST, (Option("door"), Option("wheel"))),
        Answer("plate", AttributeKind.TEXT, ""),
        Answer("doors", AttributeKind.NUMBER, 4),
        Answer("heading", AttributeKind.JSON, [1, 2.0, 3]),
    )


def test_masks_of_a_bitmap_share_its_picture_and_give_the_size() -> None:
    row = golden("segmentation-bitmap").row()
    geometries = [item.occurrences[0].geometry for item in row.objects]
    assert all(isinstance(one, Instance) and isinstance(one.of, InstanceMap) for one in geometries)
    assert len({id(one.of) for one in geometries if isinstance(one, Instance)}) == 1
    assert row.size_at(0) == (6, 8)


def test_only_the_bitmaps_of_frames_with_annotations_are_asked_for() -> None:
    found = golden("image-segmentation-sequence")
    assert bitmap_urls(found.project.kind, found.attributes) == list(found.bitmaps)
    assert bitmap_urls(found.project.kind, None) == []
    several = golden("multisensor-sequence")
    assert bitmap_urls(several.project.kind, several.attributes) == list(several.bitmaps)
    assert bitmap_urls(golden("vector").project.kind, golden("vector").attributes) == []
    assert bitmap_urls(found.project.kind, {"frames": "broken"}) == []


def test_points_of_a_cloud_are_counted() -> None:
    row = golden("pointcloud-segmentation").row()
    assert row.media[0].points == 9
    sets = {item.id: item.occurrences[0].geometry for item in row.objects}
    assert sets == {"1": PointSet((7,)), "2": PointSet((4, 5, 6)), "3": PointSet((3, 8))}


@pytest.mark.parametrize("attributes", [None, [], {}])
def test_a_label_without_labels_is_a_row_without_labels(attributes: Any) -> None:  # noqa: ANN401 - JSON
    row = read("vector", attributes).row
    assert row.label_count == 0
    assert isinstance(row, LabelRow)


def test_numbers_in_other_clothes_are_read_reported_and_go_back_as_they_came() -> None:
    found = golden("vector")
    attributes = {"annotations": [*boxed(id="7", category_id=1.0, track_id="8")["annotations"]]}
    label = Label(attributes=attributes, label_status="LABELED")
    first = read_row(found.sample, label, found.project, {})
    assert [note.why for note in first.notes] == [
        "annotation '7': id '7' was read as 7",
        "annotation '7': category_id 1.0 was read as 1",
        "annotation '7': track_id '8' was read as 8",
    ]
    assert (first.row.objects[0].id, first.row.objects[0].track) == ("7", "8")
    packed = pack(opened(first.row, found.sample), found.project)
    assert exact(sent(packed)["attributes"]) == exact(attributes)


def test_corners_in_any_order_and_short_polygons_are_read() -> None:
    assert read("vector", boxed(points=[[3, 4], [1, 2]])).row.objects[0].occurrences[0].geometry == Box(
        1, 2, 2, 2
    )
    short = read("vector", boxed(type="polygon", points=[[1, 2], [3, 4]])).row
    assert short.objects[0].occurrences[0].geometry == Polygon(((((1, 2), (3, 4)),),))
    assert read("vector", boxed(type="point", points=[[5, 6.5]])).row.objects[0].occurrences[
        0
    ].geometry == Point(5, 6.5)


# ---- what is reported -------------------------------------------------------------------------------------


def test_ids_without_an_annotation_and_annotations_without_a_pixel_are_reported() -> None:
    notes = golden("segmentation-bitmap-all").read().notes
    assert [(note.what, note.object, note.why) for note in notes] == [
        ("bitmap", None, "bitmap: ids without an annotation in it: 77"),
        ("bitmap", "10", "bitmap: annotation 10 has no pixel in it"),
    ]
    notes = golden("pointcloud-segmentation-all").read().notes
    assert [note.why for note in notes] == ["cloud: 2 points have the id 7, which no annotation has"]


@pytest.mark.parametrize(
    "bitmap", [{}, {"segmentation_bitmap": None}, {"segmentation_bitmap": {"url": None}}]
)
def test_annotations_without_any_bitmap_are_reported(bitmap: Any) -> None:  # noqa: ANN401 - JSON
    found = read("segmentation-bitmap", {"annotations": [{"id": 4, "category_id": 1}], **bitmap})
    assert [(note.what, note.object, note.why) for note in found.notes] == [
        ("bitmap", "4", "annotation 4 has no pixel, as there is no bitmap")
    ]


def test_links_that_hang_and_frames_that_the_sample_has_not_are_reported() -> None:
    notes = golden("vector-all").read().notes
    assert [note.why for note in notes] == ["links[1]: nothing has the number 999"]
    frames: list[Any] = [{"annotations": []}] * 5
    notes = read("image-vector-sequence-all", {"frames": frames}).notes
    assert [note.why for note in notes] == ["the label has 5 frames and the sample 4"]


# ---- what is refused --------------------------------------------------------------------------------------

REFUSED: list[tuple[str, Any, str]] = [
    (
        "vector",
        boxed(points=[[1, 2]]),
        "annotation 1 (vehicle): points: found 1 points, expected the 2 corners",
    ),
    (
        "vector",
        boxed(points=[[1, 2], [3, 4], [5, 6]]),
        "points: found 3 points, expected the 2 corners of a bbox",
    ),
    ("vector", boxed(points=[]), "points: found no points, expected the points of a bbox"),
    ("vector", boxed(type="point"), "points: found 2 points, expected 1"),
    ("vector", boxed(type="cuboid"), "type: found 'cuboid', expected one of bbox, polygon, polyline, point"),
    ("vector", boxed(points=[[1, 2, 3], [4, 5, 6]]), "points[0]: found [1, 2, 3], expected 2 numbers"),
    ("vector", boxed(points=[[1, "2"], [4, 5]]), "points[0]: found '2', expected a finite number"),
    ("vector", boxed(points=[[1, math.nan], [4, 5]]), "points[0]: found nan, expected a finite number"),
    ("vector", boxed(id=None), "annotation None: id: found None, expected a whole number"),
    ("vector", boxed(id=1.5), "id: found 1.5, expected a whole number"),
    ("vector", boxed(category_id="car"), "category_id: found 'car', expected a whole number"),
    ("vector", {"annotations": ["x"]}, "annotations: expected a list of objects"),
    (
        "segmentation-bitmap",
        {"annotations": [{"id": 1, "category_id": 1}], "segmentation_bitmap": {"url": 5}},
        "segmentation_bitmap: found a int, expected an object with a url as text",
    ),
    (
        "segmentation-bitmap",
        {"annotations": [{"id": 1, "category_id": 1}], "segmentation_bitmap": "https://x.test/1.png"},
        "segmentation_bitmap: found a str, expected an object",
    ),
    ("vector", [1], "the attributes of its label are a list; expected an object"),
    ("vector", {"frames": [boxed()]}, "its label has frames, expected annotations"),
    ("image-vector-sequence", boxed(), "its label has annotations, expected frames"),
    ("multisensor-sequence", {"frames": [boxed()]}, "its label has frames, expected sensors"),
    ("vector", {"links": [{"from_id": 1}], **boxed()}, "links[0]: to_id: found None"),
    (
        "image-vector-sequence",
        {"frames": [{}, boxed()]},
        "frame 1, annotation 1: track_id: found none, expected the number of its track",
    ),
    ("image-vector-sequence", {"frames": {}}, ""),
    (
        "pointcloud-cuboid",
        {"annotations": [{"id": 1, "category_id": 1, "type": "cuboid"}]},
        "position: found None",
    ),
    (
        "pointcloud-segmentation",
        {"annotations": [], "point_annotations": [0, -1]},
        "point_annotations[1]: found -1, expected 0 or more",
    ),
    (
        "pointcloud-segmentation",
        {"annotations": [], "point_annotations": [0, "x"]},
        "point_annotations[1]: found 'x'",
    ),
    ("multisensor-sequence", {"sensors": [{"name": "Lidar"}, {"name": "Lidar"}]}, "two sensors of the label"),
    (
        "multisensor-sequence",
        {"sensors": [{"name": "New", "task_type": "vector", "attributes": []}]},
        "sensor 'New': a sensor of type 'vector'",
    ),
]


@pytest.mark.parametrize(("name", "attributes", "why"), REFUSED, ids=[str(at) for at in range(len(REFUSED))])
def test_what_cannot_be_read_is_refused_by_name(name: str, attributes: Any, why: str) -> None:  # noqa: ANN401 - JSON
    if not why:
        assert read(name, attributes).row.objects == ()
        return
    said = refusal(name, attributes)
    assert f"row {golden(name).sample.name!r}" in said
    assert why in said
    assert said.endswith("; correct it in Segments.ai")


def test_a_bitmap_that_was_not_fetched_is_refused() -> None:
    found = golden("segmentation-bitmap")
    assert "its segmentation bitmap could not be fetched" in refusal("segmentation-bitmap", found.attributes)


# ---- cuboids ----------------------------------------------------------------------------------------------


@given(st.floats(-20, 20, allow_nan=False))
def test_a_yaw_survives_as_a_quaternion(yaw: float) -> None:
    back = yaw_of(of_yaw(yaw))
    assert -math.pi <= back <= math.pi
    assert abs(math.remainder(back - yaw, math.tau)) <= 1e-9


@given(st.floats(-math.pi, math.pi), st.floats(-1.4, 1.4), st.floats(-3, 3))
def test_the_yaw_of_a_full_rotation_is_its_heading(yaw: float, pitch: float, roll: float) -> None:
    def times(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float, float, float]:
        ax, ay, az, aw = a
        bx, by, bz, bw = b
        return (
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        )

    tilt = (0.0, math.sin(pitch / 2), 0.0, math.cos(pitch / 2))
    turn = (math.sin(roll / 2), 0.0, 0.0, math.cos(roll / 2))
    back = yaw_of(times(times(of_yaw(yaw), tilt), turn))
    assert abs(math.remainder(back - yaw, math.tau)) <= 1e-9


def test_a_rotation_counts_before_a_yaw() -> None:
    cuboid = golden("pointcloud-cuboid").row().objects[0].occurrences[0].geometry
    assert isinstance(cuboid, Cuboid)
    assert list(cuboid.rotation) == [0, 0.0491566, 0.3096865, 0.9495672]
    flat = golden("pointcloud-cuboid-yaw").row().objects[0].occurrences[0].geometry
    assert isinstance(flat, Cuboid)
    assert np.allclose(flat.rotation, (0, 0, math.sin(0.315), math.cos(0.315)), atol=1e-12)


def test_a_row_is_read_from_its_bytes_alike() -> None:
    found = golden("vector-all")
    data = msgspec.json.encode(found.label)
    again = msgspec.json.decode(data, type=Label)
    assert read_row(found.sample, again, found.project, {}) == found.read()

"""What is written to Segments.ai, what is lost, and what is refused."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.core.geometry import (
    Box,
    Cuboid,
    Geometry,
    Point,
    Point3D,
    PointSet,
    Polygon,
    Polygon3D,
    Polyline3D,
    RotatedBox,
)
from pipeline.core.labels import (
    Answer,
    Classification,
    Group,
    ObjectInstance,
    Occurrence,
    Option,
    Relation,
)
from pipeline.core.masks import Mask
from pipeline.core.ontology import AttributeKind
from pipeline.errors import RowError
from pipeline.platforms.segments.wire import Label, Sample
from tests.conformance.segments_labels import (
    golden,
    item,
    losses,
    opened,
    pack,
    packed_to,
    row_of,
    sent,
)

RING = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))
HOLE = ((1.0, 1.0), (2.0, 1.0), (2.0, 2.0), (1.0, 2.0))


def on_frame(frame: int, geometry: Geometry) -> ObjectInstance:
    return replace(item(geometry), occurrences={frame: Occurrence(geometry)})


def cuboid(**changes: Any) -> ObjectInstance:  # noqa: ANN401 - fields of a cuboid
    return item(replace(Cuboid((0, 0, 0), (1, 1, 1), (0, 0, 0, 1)), **changes))


def square(size: int, *at: tuple[int, int]) -> Mask:
    array = np.zeros((size, size), np.bool_)
    for y, x in at:
        array[y, x] = True
    return Mask.from_array(array)


# ---- vectors ----------------------------------------------------------------------------------------------


def test_a_new_label_has_the_keys_of_the_published_format() -> None:
    packed = packed_to("vector", item(Box(1, 2, 3.5, 4)), item(Point(5, 6), "p", "person"))
    attributes = sent(packed)["attributes"]
    first, second = attributes["annotations"]
    assert attributes["format_version"] == "0.1"
    number = first["id"]
    assert first == {
        "id": number,
        "category_id": 1,
        "track_id": number,
        "type": "bbox",
        "points": [[1, 2], [4.5, 6]],
    }
    assert (second["type"], second["points"], second["category_id"]) == ("point", [[5, 6]], 2)
    assert 0 < number != second["id"]
    assert (
        packed_to("vector", item(Box(1, 2, 3.5, 4))).payload
        == packed_to("vector", item(Box(1, 2, 3.5, 4))).payload
    )


def test_a_new_sequence_has_its_frames_times_tracks_and_keyframes() -> None:
    tracked = item(Box(0, 0, 1, 1), track="12")
    tracked = replace(
        tracked, occurrences={0: Occurrence(Box(0, 0, 1, 1)), 1: Occurrence(Box(1, 1, 1, 1), keyframe=False)}
    )
    named = item(Box(0, 0, 2, 2), "n", track="left wheel")
    packed = packed_to("image-vector-sequence", tracked, named)
    frames = sent(packed)["attributes"]["frames"]
    assert [(frame["format_version"], frame["timestamp"]) for frame in frames] == [
        ("0.1", "00001"),
        ("0.1", "00002"),
    ]
    assert [one["is_keyframe"] for frame in frames for one in frame["annotations"]] == [True, True, False]
    assert {one["track_id"] for frame in frames for one in frame["annotations"]} - {12}
    assert [(note.what, note.object) for note in packed.notes] == [("track", "n")]
    assert losses(packed) == []


def test_holes_and_parts_of_polygons_are_lost_in_vectors() -> None:
    small = ((10.0, 10.0), (11.0, 10.0), (11.0, 11.0))
    packed = packed_to("vector", item(Polygon(((small,), (RING, HOLE)))))
    assert losses(packed) == [("holes", "o"), ("parts", "o")]
    assert sent(packed)["attributes"]["annotations"][0]["points"] == [list(point) for point in RING]


def test_shapes_confidences_and_relations_without_a_place_are_lost() -> None:
    sure = item(Box(0, 0, 1, 1), "s")
    sure = replace(sure, occurrences={0: Occurrence(Box(0, 0, 1, 1), confidence=0.5)})
    packed = packed_to(
        "vector",
        item(RotatedBox(0, 0, 1, 1, 5)),
        sure,
        item(Box(0, 0, 1, 1), "t"),
        relations=(Relation("part of", "s", "t"), Relation("link", "s", "o"), Relation("link", "s", "t")),
        groups=(Group("g", ("s", "t")),),
    )
    assert losses(packed) == [
        ("shape", "o"), ("confidence", "s"), ("group", None), ("relation", "s"), ("relation", "s"),
    ]  # fmt: skip
    assert len(sent(packed)["attributes"]["links"]) == 1


REFUSED: list[tuple[str, ObjectInstance, str]] = [
    ("vector", item(Box(0, math.nan, 1, 1)), "points[0]: found nan, expected a finite number"),
    ("vector", item(Box(0, 0, -1, 1)), "width: found -1, expected 0 or more"),
    ("vector", item(Polygon(((RING[:2],),))), "points: found 2, expected at least 3 for a polygon"),
    ("vector", item(Box(0, 0, 1, 1), name="unicorn"), "no class 'unicorn'"),
    ("vector", replace(item(Box(0, 0, 1, 1)), occurrences={}), "it is on no frame; remove it"),
    ("vector", on_frame(3, Point(0, 0)), "it is on frame 3; the sample has frames 0 to 0"),
    ("pointcloud-vector", item(Polygon3D(((0, 0, 0), (1, 1, math.inf)))), "found 2, expected at least 3"),
    ("pointcloud-vector", item(Polyline3D(((0, 0, math.inf),))), "points[0]: found inf"),
    ("pointcloud-vector", item(Point3D(0, math.nan, 0)), "points[0]: found nan, expected a finite number"),
    ("pointcloud-cuboid", cuboid(size=(1, -1, 1)), "dimensions: found -1, expected 0 or more"),
    ("pointcloud-cuboid", cuboid(centre=(0, 0, math.inf)), "position.z: found inf"),
    ("pointcloud-cuboid", cuboid(rotation=(0, 0, 0, 0)), "expected a quaternion of length 1"),
    ("pointcloud-segmentation", item(PointSet((3, 9))), "point 9: the cloud has the points 0 to 8"),
    ("segmentation-bitmap", item(square(5, (0, 0))), "its masks are 5 x 5 pixels, the picture is 8 x 6"),
]


@pytest.mark.parametrize(("name", "bad", "why"), REFUSED, ids=[str(at) for at in range(len(REFUSED))])
def test_what_must_not_be_sent_is_refused_by_name(name: str, bad: ObjectInstance, why: str) -> None:
    with pytest.raises(RowError) as refused:
        packed_to(name, bad)
    assert "row 'title'" in str(refused.value)
    assert why in str(refused.value)


def test_two_objects_of_one_id_are_refused() -> None:
    with pytest.raises(RowError, match="two objects have the id 'o'"):
        packed_to("vector", item(Box(0, 0, 1, 1)), item(Box(1, 1, 1, 1)))


# ---- attributes -------------------------------------------------------------------------------------------


def test_answers_are_written_as_their_attributes_say() -> None:
    answers = (
        Answer("occluded", AttributeKind.RADIO, Option("True")),
        Answer("hue", AttributeKind.TEXT, "red"),
        Answer("parts", AttributeKind.RADIO, Option("door")),
        Answer("plate", AttributeKind.RADIO, Option("x")),
        Answer("doors", AttributeKind.NUMBER, 2.5),
        Answer("heading", AttributeKind.JSON, [1, 2, 3]),
        Answer("colour", AttributeKind.TEXT, "?"),
    )
    packed = packed_to("vector", item(Box(0, 0, 1, 1), answers=answers))
    assert sent(packed)["attributes"]["annotations"][0]["attributes"] == {
        "occluded": True, "hue": "red", "parts": ["door"], "plate": "x", "doors": 2.5, "heading": [1, 2, 3],
    }  # fmt: skip
    assert losses(packed) == [("attribute", "o")]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer("hue", AttributeKind.RADIO, Option("pink")), "has no value 'pink' (known: 'red', 'blue')"),
        (
            Answer("doors", AttributeKind.TEXT, "two"),
            "is number in the dataset, but the answer is text 'two'",
        ),
        (Answer("doors", AttributeKind.NUMBER, math.nan), "found nan, expected finite numbers"),
        (Answer("doors", AttributeKind.NUMBER, -1), "attribute 'doors': found -1, expected at least 0"),
        (Answer("doors", AttributeKind.NUMBER, 8.5), "attribute 'doors': found 8.5, expected at most 8"),
        (Answer("heading", AttributeKind.JSON, [1, math.inf]), "found inf, expected finite numbers"),
    ],
)
def test_answers_that_do_not_fit_are_refused(answer: Answer, why: str) -> None:
    with pytest.raises(RowError) as refused:
        packed_to("vector", item(Box(0, 0, 1, 1), answers=(answer,)))
    assert why in str(refused.value)


def test_image_attributes_go_to_every_frame_and_one_value_has_each() -> None:
    marks = (
        Classification("a", Answer("weather", AttributeKind.RADIO, Option("sun"))),
        Classification("b", Answer("night", AttributeKind.BOOLEAN, value=True), ((1, 1),)),
        Classification("c", Answer("weather", AttributeKind.RADIO, Option("rain")), ((0, 0),)),
        Classification("d", Answer("mood", AttributeKind.TEXT, "good")),
    )
    packed = packed_to("image-vector-sequence", classifications=marks)
    said = [frame.get("image_attributes") for frame in sent(packed)["attributes"]["frames"]]
    assert said == [{"weather": "sun"}, {"weather": "sun", "night": True}]
    assert losses(packed) == [("classification", "c"), ("classification", "d")]


# ---- the envelope -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "there", "given", "status"),
    [
        ("REVIEWED", "LABELED", "PRELABELED", "REVIEWED"),
        (None, "VERIFIED", "LABELED", "VERIFIED"),
        (None, "UNLABELED", "LABELED", "LABELED"),
        (None, None, "LABELED", "LABELED"),
        (None, None, None, "PRELABELED"),
    ],
)
def test_a_status_is_kept(origin: str | None, there: str | None, given: str | None, status: str) -> None:
    found = golden("vector")
    row = found.row()
    row = replace(row, status=origin) if origin else row_of(found, item(Box(0, 0, 1, 1)), status="annotated")
    label = None if there is None else Label(label_status=there, attributes=None)
    packed = pack(opened(row, found.sample, label), found.project, status=given)
    assert sent(packed)["label_status"] == status
    assert [note.what for note in packed.notes] == ([] if origin else ["status"])


def test_a_score_is_kept_and_the_existing_one_stays() -> None:
    found = golden("vector")
    label = Label(label_status="LABELED", attributes=None, score=0.5)
    new = row_of(found, item(Box(0, 0, 1, 1)))
    assert sent(pack(opened(new, found.sample, label), found.project))["score"] == 0.5
    scored = replace(new, score=2)
    assert sent(pack(opened(scored, found.sample, label), found.project))["score"] == 2
    with pytest.raises(RowError, match="score: found nan"):
        pack(opened(replace(new, score=math.nan), found.sample), found.project)


def test_a_row_that_was_not_opened_is_refused() -> None:
    found = golden("vector")
    edited = opened(found.row(), Sample(uuid="u"))
    with pytest.raises(RowError, match="it was not opened in Segments"):
        pack(replace(edited, place=replace(edited.place, details=None)), found.project)


def test_details_of_a_row_that_a_label_does_not_hold_are_notes() -> None:
    packed = packed_to("vector", metadata={"a": 1}, priority=0.5)
    assert [note.what for note in packed.notes] == ["metadata", "priority"]

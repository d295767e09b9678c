"""Rows of several sensors: nothing that a step of the line makes forgets which sensor a label is on."""

from dataclasses import fields, replace

import numpy as np
import pytest

from pipeline.core import codecs
from pipeline.core.encoding import masks_of, with_masks
from pipeline.core.geometry import Box, Polygon, Polyline, Shape
from pipeline.core.labels import (
    Answer,
    Classification,
    LabelRow,
    Media,
    MediaKind,
    ObjectInstance,
    Occurrence,
    Sensor,
)
from pipeline.core.masks import EncodedMask, Mask
from pipeline.core.merging import appended, complete
from pipeline.core.ontology import AttributeKind
from pipeline.core.operations import Clip, Convert, Set
from pipeline.errors import RowError
from tests.small_rows import SQUARE, thing

LIDAR = Sensor("lidar", MediaKind.POINT_CLOUD_SEQUENCE, (Media("0"), Media("1", points=5)), 2)
LEFT = Sensor("left", MediaKind.IMAGE_SEQUENCE, (Media(width=20, height=10), Media(width=40, height=30)), 2)
RIGHT = replace(LEFT, name="right", media=(Media(), Media()))


def rig(*objects: ObjectInstance, sensors: tuple[Sensor, ...] = (LIDAR, LEFT, RIGHT)) -> LabelRow:
    return LabelRow("k", "rig", MediaKind.MULTI_SENSOR, (), 2, objects=objects, sensors=sensors)


def on(sensor: str, item: ObjectInstance, frame: int = 0) -> ObjectInstance:
    return replace(item, sensor=sensor, occurrences={frame: item.occurrences[0]})


def test_each_sensor_has_its_own_sizes() -> None:
    row = rig()
    assert [row.size_at(frame, "left") for frame in (0, 1, 7)] == [(10, 20), (30, 40), (10, 20)]
    assert row.size_at(0, "right") is row.size_at(0, "rear") is row.size_at(0) is None
    assert row.sensor("left") is LEFT
    assert row.sensor("rear") is None


def test_clip_and_convert_look_at_the_picture_of_the_objects_own_sensor() -> None:
    wide = thing("b", Box(5, 5, 100, 100))
    clipped = Clip()(rig(on("left", wide), on("left", replace(wide, id="c"), 1)))
    assert [next(iter(item.occurrences.values())).geometry for item in clipped.objects] == [
        Box(5, 5, 15, 5), Box(5, 5, 35, 25),
    ]  # fmt: skip
    assert [item.sensor for item in clipped.objects] == ["left", "left"]
    (drawn,) = Convert(to=Shape.MASK)(rig(on("left", thing("p", SQUARE), 1))).objects
    mask = drawn.occurrences[1].geometry
    assert isinstance(mask, Mask)
    assert (mask.height, mask.width, drawn.sensor) == (30, 40, "left")
    with pytest.raises(RowError, match="size of the picture is not known"):
        Clip()(rig(on("right", thing("p", SQUARE))))


def test_a_further_piece_of_a_line_stays_on_its_sensor() -> None:
    line = Polyline(((1.0, 1.0), (1.0, 15.0), (9.0, 15.0), (9.0, 1.0)))
    assert [item.sensor for item in Clip()(rig(on("left", thing("l", line)))).objects] == ["left", "left"]


def test_encoded_masks_stay_on_their_sensor() -> None:
    array = np.zeros((10, 20), np.bool_)
    array[2:4, 3:9] = True
    row = rig(on("left", thing("m", Mask.from_array(array))))
    (mask,) = masks_of(row, "encord_rle")
    data = EncodedMask(10, 20, "encord_rle", codecs.encode("encord_rle", Mask.from_array(array)))
    done = with_masks(row, "encord_rle", [data])
    assert mask == row.objects[0].occurrences[0].geometry
    assert done.sensors == row.sensors
    assert done.objects == (replace(row.objects[0], occurrences={0: Occurrence(data)}),)


@pytest.mark.parametrize("name", [each.name for each in fields(LabelRow) if each.name != "objects"])
def test_a_row_with_other_objects_keeps_the_rest(name: str) -> None:
    row = replace(rig(on("left", thing("a", SQUARE))), status="done", score=0.5)
    assert getattr(row.with_objects(()), name) == getattr(row, name)


def test_a_classification_is_set_on_each_sensor_that_has_it() -> None:
    night = Answer("light", AttributeKind.TEXT, "night")
    marks = (
        Classification("a", night, sensor="left"),
        Classification("b", night, ((0, 0),), sensor="right"),
        Classification("c", replace(night, attribute="other"), sensor="left"),
    )
    row = replace(rig(), classifications=marks)
    day = Set(classification="light", value="day")(row)
    said = {(mark.id, mark.sensor, mark.answer.value, mark.frames) for mark in day.classifications}
    assert said == {
        ("a", "left", "day", None), ("b", "right", "day", None), ("c", "left", "night", None),
    }  # fmt: skip
    (new,) = set(Set(classification="new", value="x")(row).classifications) - set(marks)
    assert (new.name, new.sensor) == ("new", None)


# ---- with what was opened -------------------------------------------------------------------------------


def test_what_the_source_does_not_know_of_its_sensors_comes_from_the_target() -> None:
    opened = rig(sensors=(replace(RIGHT, media=LEFT.media), LIDAR, LEFT))
    mine = rig(on("left", thing("a", SQUARE)), sensors=(replace(LEFT, media=(), frame_count=None), RIGHT))
    found = complete(mine, opened)
    assert found.sensors == (replace(RIGHT, media=LEFT.media), LIDAR, LEFT)
    assert found.objects == mine.objects
    assert complete(found, opened) is found
    assert complete(opened, rig(sensors=(LEFT,))).sensors == (LEFT, *opened.sensors[:2])
    plain = LabelRow("k", media_kind=MediaKind.IMAGE, media=(Media("a"),))
    assert complete(plain, replace(plain, media=(Media(width=2, height=1),))).sensors == ()


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (replace(LEFT, media=(Media(width=20, height=11), Media())), "'left', frame 0: the picture is 20"),
        (replace(LEFT, frame_count=3), "sensor 'left', frame_count is 2 in the source and 3"),
        (replace(LIDAR, media=(Media(), Media(points=6))), "sensor 'lidar', frame 1: the cloud has 5 points"),
    ],
)  # fmt: skip
def test_sensors_that_disagree_reject_the_row(theirs: Sensor, words: str) -> None:
    with pytest.raises(RowError, match=words):
        complete(rig(), rig(sensors=(theirs,)))


def test_the_points_of_a_cloud_are_filled_in() -> None:
    row = LabelRow("k", media_kind=MediaKind.POINT_CLOUD, media=(Media("c"),))
    assert complete(row, replace(row, media=(Media(points=7),))).media == (Media("c", points=7),)


def test_appended_labels_keep_their_sensors() -> None:
    there, new = on("left", thing("a", SQUARE)), on("right", thing("b", Polygon(SQUARE.parts)))
    both = appended(rig(there), rig(there, new))
    assert both == rig(there, new)

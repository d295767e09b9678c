"""What a project cannot hold is a loss that names it, and what must not be sent rejects its row."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.geometry import (
    Box,
    Cuboid2D,
    Geometry,
    Node,
    Point,
    Polygon,
    Polyline,
    RotatedBox,
    Skeleton,
    Visibility,
)
from pipeline.core.labels import Answer, LabelRow, ObjectInstance, Occurrence, Option
from pipeline.core.losses import LossKind
from pipeline.core.masks import EncodedMask
from pipeline.core.ontology import AttributeKind
from pipeline.errors import RowError, UsageError
from pipeline.platforms.supervisely.convert import (
    extra_figures,
    pack_row,
    project_of,
)
from pipeline.platforms.supervisely.convert.geometry import Drawn, geometry_json
from tests.conformance.supervisely_golden import GEOMETRIES, IMAGE, PROJECT, ROW, SAID, copy
from tests.conformance.supervisely_labels import golden, in_place, sent, with_ids


def fresh(geometry: Any, name: str = "car", **more: Any) -> LabelRow:  # noqa: ANN401
    confidence = more.pop("confidence", None)
    item = ObjectInstance("a", name, {0: Occurrence(geometry, confidence=confidence)}, **more)
    return LabelRow("r", "copy.jpg", objects=(item,))


TEXT = Answer("plate", AttributeKind.TEXT, "x")
BOX = Box(1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (fresh(BOX, "road"), "class 'road' exists with shape polygon, but the label is a box"),
        (fresh(BOX, "bus"), "no class 'bus'"),
        (fresh(Box(float("nan"), 0, 1, 1)), "expected finite numbers"),
        (fresh(Box(-1, 0, 3, 3)), "the point (-1, 0) lies outside the picture"),
        (fresh(Box(1.0, 2.0, 10_000.0, 4.0)), "add `clip: {}`"),
        (fresh(Polygon(((((1, 2), (3, 4), (1, 9_999)),),)), "road"), "(1, 9999) lies outside"),
        (fresh(Polygon(((((1, 2), (3, 4)),),)), "road"), "2 corners, expected at least 3"),
        (fresh(Skeleton((Node("ear", 1, 2),)), "dog"), "node 'ear' is not in the template"),
        (fresh(EncodedMask(5, 5, "bitmap_png", "{}"), "part"), "5 x 5 pixels"),
        (fresh(BOX, answers=(Answer("speed", AttributeKind.TEXT, "quick"),)), "takes a number"),
        (
            fresh(BOX, answers=(Answer("colour", AttributeKind.RADIO, Option("green")),)),
            "no value 'green' (known: 'red', 'blue')",
        ),
        (fresh(BOX, answers=(Answer("taken", AttributeKind.TEXT, "today"),)), "a date as in"),
    ],
)
def test_what_must_not_be_sent_rejects_the_row_and_says_why(row: LabelRow, said: str) -> None:
    with pytest.raises(RowError, match=r"row 'copy\.jpg'") as refused:
        copy(row)
    assert said in str(refused.value)
    assert "object 'a'" in str(refused.value)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (fresh(BOX, answers=(Answer("wheels", AttributeKind.NUMBER, 4),)), LossKind.ATTRIBUTE),
        (fresh(Point(1, 2), "spot", answers=(TEXT,)), LossKind.ATTRIBUTE),
        (fresh(BOX, answers=(Answer("seen", AttributeKind.BOOLEAN, value=False),)), LossKind.ATTRIBUTE),
        (fresh(BOX, answers=(Answer("plate", AttributeKind.JSON, {"a": 1}),)), LossKind.ATTRIBUTE),
        (fresh(BOX, answers=(Answer("colour", AttributeKind.CHECKLIST, ()),)), LossKind.ATTRIBUTE),
        (
            fresh(BOX, answers=(Answer("colour", AttributeKind.RADIO, Option("red", (TEXT,))),)),
            LossKind.ATTRIBUTE,
        ),
        (fresh(BOX, answers=(replace(TEXT, relation=True),)), LossKind.ATTRIBUTE),
        (fresh(BOX, answers=(replace(TEXT, frames=((1, 2),)),)), LossKind.ATTRIBUTE),
        (fresh(BOX, track="7"), LossKind.TRACK),
        (fresh(BOX, sensor="left"), LossKind.FRAMES),
        (fresh(Skeleton((Node("head", 1, 2, Visibility.INVISIBLE),)), "dog"), LossKind.SHAPE),
    ],
)
def test_what_is_lost_is_named(row: LabelRow, what: LossKind) -> None:
    assert [(loss.object, loss.what) for loss in copy(row).losses] == [("a", what)]


def test_a_confidence_has_a_place_where_a_tag_is_named_for_it() -> None:
    sure = fresh(BOX, confidence=0.5)
    assert sent(copy(sure))["objects"][0]["tags"] == [{"name": "confidence", "value": 0.5}]
    nowhere = project_of(golden("meta"))
    assert [loss.what for loss in copy(sure, nowhere).losses] == [LossKind.CONFIDENCE]
    assert copy(fresh(BOX, confidence=1.0), nowhere).losses == ()


def test_a_label_outside_of_its_image_may_stay_where_it_is_and_go_nowhere_else() -> None:
    label = {"id": 5, "classTitle": "car", "geometryType": "rectangle", "shape": "rectangle", "tags": []}
    said = {"objects": [{**label, "points": {"exterior": [[0, 0], [9_000, 9]], "interior": []}}]}
    held = in_place(IMAGE, said, PROJECT, {})
    assert pack_row(held, PROJECT).unchanged
    with pytest.raises(RowError, match=r"object '5' \(car\): .* add `clip: \{\}`"):
        copy(held.row)


def test_several_parts_need_a_class_that_has_them() -> None:
    small, large = ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0)), ((5.0, 5.0), (9.0, 5.0), (9.0, 9.0))
    both = Polygon(((small,), (large,)))
    packed = copy(fresh(both, "road"))
    assert [loss.what for loss in packed.losses] == [LossKind.PARTS]
    assert sent(packed)["objects"][0]["points"]["exterior"] == [list(point) for point in large]
    for name in ("lake", "thing"):
        held = copy(fresh(both, name))
        assert held.losses == ()
        assert extra_figures(held.payload)[0]["geometryType"] == "multipolygon"
    one = Polygon(((small,),))
    assert extra_figures(copy(fresh(one, "lake")).payload)[0]["geometryType"] == "multipolygon"
    assert sent(copy(fresh(one, "thing")))["objects"][0]["geometryType"] == "polygon"


def test_a_figure_of_its_own_needs_the_id_of_its_class() -> None:
    meta = golden("meta")
    for one in meta["classes"]:
        del one["id"]
    with pytest.raises(RowError, match="the id of class 'lake' is not known"):
        copy(ROW, project_of(meta))
    assert not copy(ROW, project_of(with_ids(meta), PROJECT.rules)).losses


def test_a_row_that_is_not_open_is_no_row_to_pack() -> None:
    row = in_place(IMAGE, SAID, PROJECT, GEOMETRIES)
    with pytest.raises(UsageError, match="not open"):
        pack_row(replace(row, place=replace(row.place, details=None)), PROJECT)


def test_points_that_were_fractions_of_the_picture_are_on_the_pixel_that_they_were_on() -> None:
    def drawn(x: float) -> list[object]:
        face = ((x, 1.0), (40.0, 1.0), (40.0, 9.0), (x, 9.0))
        shapes: dict[str, Geometry] = {
            "rectangle": Box(x, 1.0, 40.0 - x, 8.0),
            "oriented_bbox": RotatedBox(x, 1.0, 40.0 - x, 8.0, 30.0),
            "polygon": Polygon(((face,),)),
            "line": Polyline(face),
            "point": Point(x, 1.0),
            "graph": Skeleton((Node("nose", x, 1.0),)),
            "cuboid_2d": Cuboid2D(face, face),
        }
        return [geometry_json(shape, kind, Drawn(61, 97)) for kind, shape in shapes.items()]

    halves = [half / 2 for half in range(80)]
    assert any(x / 97 * 97 != x for x in halves)
    for x in halves:
        assert drawn(x / 97 * 97) == drawn(x)
    for x in (27.3, 27.999999, 28.00000001):
        assert geometry_json(Point(x, 1.0), "point", Drawn(61, 97))["points"]["exterior"] == [[x, 1.0]]

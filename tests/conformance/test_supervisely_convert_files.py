"""Coordinates of the wire and of files: what the vendor's SDK makes of whole pixels, and all numbers back."""

import json
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.platforms.supervisely.convert import from_file, to_file
from pipeline.platforms.supervisely.wire import Json
from tests.conformance.supervisely_labels import golden


def plain(value: Decimal) -> float:
    """A number of at most 15 digits, a whole one as such: a box has its own, a point is moved by a half."""
    return int(value) if value == int(value) else float(value)


CHECKED = settings(deadline=None, max_examples=200)
NUMBERS = st.integers(0, 4000) | st.decimals(0, 4000, places=10).map(plain)
POINTS = st.tuples(NUMBERS, NUMBERS).map(list)
INNER = POINTS.map(lambda point: [min(value, 3999) for value in point])


def one(kind: str, **drawn: object) -> Json:
    return {"objects": [{"classTitle": "a", "geometryType": kind, **drawn}], "tags": []}


def exact(value: object) -> str:
    return json.dumps(value)


def test_whole_pixels_move_as_in_the_sdk() -> None:
    assert from_file(golden("file")) == golden("written")
    assert exact(to_file(golden("written"))) == exact(golden("file"))


def test_an_annotation_of_the_wire_comes_back_exactly() -> None:
    said = golden("annotation")["annotation"]
    before = exact(said)
    assert exact(from_file(to_file(said))) == before
    assert exact(said) == before


def drawn(outer: list[list[float]], hole: list[list[float]]) -> list[Json]:
    """Labels of every kind that has points, through these."""
    ring = {"exterior": outer, "interior": [hole]}
    return [
        one("polygon", points=ring),
        one("line", points={**ring, "interior": []}),
        one("multipolygon", parts=[ring, {"exterior": hole}]),
        one("graph", nodes={str(at): {"loc": point} for at, point in enumerate(outer)}),
    ]


@CHECKED
@given(st.lists(POINTS, min_size=1, max_size=5), st.lists(POINTS, min_size=3, max_size=3))
def test_points_come_back_exactly(outer: list[list[float]], hole: list[list[float]]) -> None:
    for said in drawn(outer, hole):
        file = to_file({**said, "size": {"width": 4000, "height": 4000}})
        assert exact(from_file(file)["objects"]) == exact(said["objects"])


@CHECKED
@given(st.lists(INNER, min_size=1, max_size=5), st.lists(INNER, min_size=3, max_size=3))
def test_points_of_a_file_go_back_there_exactly(outer: list[list[float]], hole: list[list[float]]) -> None:
    for said in drawn(outer, hole):
        file = {**said, "size": {"width": 4000, "height": 4000}}
        assert exact(to_file(from_file(file))) == exact(file)


@CHECKED
@given(POINTS, NUMBERS, NUMBERS, st.booleans())
def test_boxes_come_back_exactly(corner: list[float], width: float, height: float, turn: bool) -> None:  # noqa: FBT001
    corners = [corner, [corner[0] + width, corner[1] + height]]
    corners = corners[::-1] if turn else corners
    said = one("rectangle", points={"exterior": corners, "interior": []})
    for there in (said, one("oriented_bbox", points=corners, angle=0.5)):
        assert exact(from_file(to_file(there))) == exact(there)


@CHECKED
@given(POINTS, NUMBERS, NUMBERS)
def test_what_is_in_the_image_is_drawn_between_its_outermost_pixels(
    point: list[float], width: float, height: float
) -> None:
    size = {"width": 4000, "height": 4000}
    line = to_file({**one("line", points={"exterior": [point]}), "size": size})
    assert all(0 <= value <= 3999 for value in line["objects"][0]["points"]["exterior"][0])
    corner = [min(point[0] + width, 4000), min(point[1] + height, 4000)]
    box = to_file({**one("rectangle", points={"exterior": [point, corner]}), "size": size})
    (left, top), (right, bottom) = box["objects"][0]["points"]["exterior"]
    assert left <= right
    assert top <= bottom


def test_what_somebody_edited_in_a_file_is_not_what_it_was() -> None:
    edge = {
        **one("point", points={"exterior": [[0.25, 0]], "interior": []}),
        "size": {"width": 9, "height": 9},
    }
    file = to_file(edge)
    label = file["objects"][0]
    assert label["points"]["exterior"] == [[0, 0]]
    assert from_file(file) == edge
    label["points"]["exterior"] = [[3, 4]]
    assert from_file(file)["objects"][0] == {
        **edge["objects"][0],
        "points": {"exterior": [[3.5, 4.5]], "interior": []},
    }


def test_a_box_of_a_file_has_its_last_pixel_inside() -> None:
    file = one("rectangle", points={"exterior": [[20, 10], [60, 30]], "interior": []})
    wire = from_file(file)
    assert wire["objects"][0]["points"]["exterior"] == [[20, 10], [61, 31]]
    swapped = one("rectangle", points={"exterior": [[60, 30], [20, 10]], "interior": []})
    assert from_file(swapped)["objects"][0]["points"]["exterior"] == [[61, 31], [20, 10]]
    pixel = one("rectangle", points={"exterior": [[5, 5], [5, 5]], "interior": []})
    assert exact(to_file(from_file(pixel))) == exact(pixel)


def test_bitmaps_corners_of_cuboids_and_what_is_not_drawn_stay() -> None:
    for said in (
        one("bitmap", bitmap={"origin": [3, 2], "data": "eJz"}),
        one("cuboid_2d", vertices={"face1-topleft": {"loc": [1, 2]}}),
        one("cuboid", points=[[1, 2]] * 7, faces=[]),
        one("mask_3d", mask_3d={"data": ""}),
    ):
        assert to_file(said) == from_file(said) == said

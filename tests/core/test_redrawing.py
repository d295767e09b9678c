import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from pipeline.core.geometry import (
    Box,
    Ellipse,
    Geometry,
    Node,
    Point,
    Polygon,
    Polyline,
    RotatedBox,
    Shape,
    Skeleton,
    Visibility,
)
from pipeline.core.labels import (
    Group,
    LabelRow,
    Media,
)
from pipeline.core.masks import AlphaMask, Mask, Raster
from pipeline.core.measure import area, bounds
from pipeline.core.operations import (
    Clip,
    Convert,
)
from pipeline.errors import RowError
from tests.small_rows import CAR, MAN, RAW, SQUARE, image, thing
from tests.strategies import masks

few = settings(max_examples=40, deadline=None)


# ---- convert -------------------------------------------------------------------------------------------


@few
@given(masks((24, 31)))
def test_a_mask_becomes_a_polygon_and_the_same_mask_again(mask: Mask) -> None:
    row = LabelRow("k", media=(Media(width=31, height=24),), objects=(thing("m", mask),))
    drawn = Convert(to=Shape.POLYGON)(row)
    polygon = drawn.objects[0].occurrences[0].geometry
    assert area(polygon) == mask.area
    assert Convert(to=Shape.MASK)(drawn).objects[0].occurrences[0].geometry == mask
    assert drawn.objects[0].raw is RAW


def test_every_area_becomes_its_box() -> None:
    pixels = np.zeros((80, 100), np.bool_)
    pixels[10:20, 30:50] = True
    mask = Mask.from_array(pixels)
    for geometry in (mask, Raster(pixels), AlphaMask(80, 100, 30, 10, np.full((10, 20), 200, np.uint8))):
        box = Convert(to=Shape.BOX)(image(thing("m", geometry))).objects[0].occurrences[0].geometry
        assert box == Box(30, 10, 20, 10)
    turned = Convert(to=Shape.BOX)(image(thing("r", RotatedBox(10, 20, 20, 10, 90))))
    assert bounds(turned.objects[0].occurrences[0].geometry) == pytest.approx((15, 15, 10, 20))


def test_an_ellipse_becomes_a_polygon_within_the_tolerance() -> None:
    ellipse = Ellipse(50, 40, 30, 20, 25)
    for tolerance, expected in ((0.0, 0.1), (2.0, 2.0)):
        done = Convert(to=Shape.POLYGON, tolerance=tolerance)(image(thing("e", ellipse)))
        polygon = done.objects[0].occurrences[0].geometry
        assert 0 < area(ellipse) - area(polygon) < expected * 2 * math.pi * 30


def test_a_mask_cannot_be_drawn_where_the_size_is_unknown() -> None:
    row = replace(image(thing("p", SQUARE)), media=(Media(),))
    with pytest.raises(RowError, match=r"'cat.png', object 'p' \(car\): frame 0: the size .* is not known"):
        Convert(to=Shape.MASK)(row)


def test_an_empty_mask_has_no_outline_and_no_box() -> None:
    row = image(thing("m", Mask.empty(80, 100)))
    for to in (Shape.POLYGON, Shape.BOX):
        with pytest.raises(RowError, match="use `drop`"):
            Convert(to=to)(row)


def test_convert_takes_the_named_shapes_and_leaves_the_rest() -> None:
    row = image(CAR, thing("p", SQUARE), MAN)
    done = Convert(to=Shape.MASK, from_=(Shape.POLYGON,))(row)
    assert [item.shape for item in done.objects] == [Shape.BOX, Shape.MASK, Shape.POINT]
    assert done.objects[0] is CAR
    with pytest.raises(ValueError, match="a point does not become a box"):
        Convert(to=Shape.BOX, from_=(Shape.POINT,))


# ---- clip ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("geometry", "clipped"),
    [
        (Box(-5, 70, 20, 20), Box(0, 70, 15, 10)),
        (Box(100, 0, 5, 5), None),
        (Point(100, 80), Point(100, 80)),
        (Point(100.1, 80), None),
        (
            Polygon((((( -10, 0), (10, 0), (10, 20), (-10, 20)), ((-5, 5), (5, 5), (5, 15), (-5, 15))),)),
            Polygon((((( 0, 0), (10, 0), (10, 20), (0, 20)), ((0, 5), (5, 5), (5, 15), (0, 15))),)),
        ),
        (Ellipse(99, 40, 5, 5), Ellipse(99, 40, 5, 5)),
        (Ellipse(120, 40, 5, 5), None),
        (RotatedBox(95, 5, 10, 10, 30), RotatedBox(95, 5, 10, 10, 30)),
        (Mask.empty(80, 100), Mask.empty(80, 100)),
    ],
)  # fmt: skip
def test_clip_cuts_to_the_picture(geometry: Geometry, clipped: Geometry | None) -> None:
    done = Clip()(image(thing("x", geometry)))
    found = [item.occurrences[0].geometry for item in done.objects]
    if isinstance(clipped, Polygon) and isinstance(found[0], Polygon):
        assert area(found[0]) == area(clipped)
        assert bounds(found[0]) == bounds(clipped)
    else:
        assert found == ([] if clipped is None else [clipped])


def test_a_line_that_leaves_and_comes_back_becomes_two_objects_of_its_groups() -> None:
    line = Polyline(((10, 10), (10, 90), (20, 90), (20, 10)))
    row = image(thing("l", line), CAR, groups=(Group("g", ("l", "a")),))
    done = Clip()(row)
    first, second, box = done.objects
    assert first.occurrences[0].geometry == Polyline(((10, 10), (10, 80)))
    assert second.occurrences[0].geometry == Polyline(((20, 80), (20, 10)))
    assert box is CAR
    assert done.groups == (Group("g", ("l", second.id, "a")),)
    assert Clip()(row).objects[1].id == second.id


def test_a_node_outside_becomes_invisible_at_the_border() -> None:
    skeleton = Skeleton((Node("head", 5, -7), Node("tail", 5, 9)))
    done = Clip()(image(thing("s", skeleton)))
    assert done.objects[0].occurrences[0].geometry == Skeleton(
        (Node("head", 5, 0, Visibility.INVISIBLE), Node("tail", 5, 9))
    )
    assert Clip()(image(thing("s", Skeleton((Node("head", 5, -7),))))).objects == ()

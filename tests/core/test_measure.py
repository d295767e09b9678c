import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import spans
from pipeline.core.geometry import (
    Box,
    Cuboid2D,
    Ellipse,
    Geometry,
    Point,
    Polygon,
    Polyline,
    RotatedBox,
    Shape,
)
from pipeline.core.labels import Frames
from pipeline.core.masks import Raster
from pipeline.core.measure import area, bounds, scale, shift
from tests.small_rows import SQUARE
from tests.strategies import FLAT, geometries

few = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (Box(0, 0, 3, 4), 12), (RotatedBox(0, 0, 3, 4, 30), 12), (Ellipse(0, 0, 2, 3, 10), 6 * math.pi),
        (Polygon((*SQUARE.parts, (SQUARE.parts[0][0], ((15, 15), (20, 15), (20, 20), (15, 20))))), 775),
        (Raster(np.eye(5, dtype=np.bool_)), 5), (Point(1, 1), 0), (Polyline(((0, 0), (9, 9))), 0),
        (Cuboid2D(SQUARE.parts[0][0], SQUARE.parts[0][0]), 400),
    ],
)  # fmt: skip
def test_the_area_of_every_shape(geometry: Geometry, expected: float) -> None:
    assert area(geometry) == pytest.approx(expected)


@few
@given(geometries((30, 40), FLAT - {Shape.MASK, Shape.ALPHA_MASK}))
def test_bounds_move_and_grow_with_the_geometry(geometry: Geometry) -> None:
    before, moved, grown = bounds(geometry), bounds(shift(geometry, 3, -2)), bounds(scale(geometry, 2, 2))
    assert before is not None
    x, y, width, height = before
    assert moved == pytest.approx((x + 3, y - 2, width, height), abs=1e-9)
    assert grown == pytest.approx((2 * x, 2 * y, 2 * width, 2 * height), abs=1e-9)


def test_a_quarter_turn_exchanges_the_factors_of_a_scale() -> None:
    around = bounds(RotatedBox(10, 20, 8, 4, 90))
    assert around is not None
    x, y, width, height = around
    found = bounds(scale(RotatedBox(10, 20, 8, 4, 90), 2, 3))
    assert found == pytest.approx((2 * x, 3 * y, 2 * width, 3 * height))
    with pytest.raises(ValueError, match="use one factor"):
        scale(RotatedBox(10, 20, 8, 4, 30), 2, 3)


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_spans_are_sets_of_frames(one: set[int], other: set[int]) -> None:
    def frames(ranges: Frames) -> set[int]:
        return {frame for first, last in ranges for frame in range(first, last + 1)}

    a, b = spans.of_frames(one), spans.of_frames(other)
    assert frames(a) == one
    assert frames(spans.shared(a, b)) == one & other
    assert frames(spans.without(a, b)) == one - other


@pytest.mark.parametrize(
    ("choice", "expected"),
    [(5, ((5, 5),)), ([2, 4], ((2, 4),)), ([[6, 9], 3, [4, 5]], ((3, 9),))],
)
def test_frames_are_a_number_a_range_or_a_list_of_ranges(choice: spans.FrameChoice, expected: Frames) -> None:
    assert spans.chosen(choice) == expected

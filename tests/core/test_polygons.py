"""Filling, tracing and clipping polygons, judged by pycocotools, OpenCV and each other."""

from itertools import pairwise
from math import hypot, isclose

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pycocotools import mask as coco

from pipeline.core.codecs import coco_rle
from pipeline.core.masks import Mask, MaskError
from pipeline.core.polygons import Part, Parts, Ring, clip_parts, clip_polyline, fill, trace

Array = NDArray[np.bool_]
arrays = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda size: hnp.arrays(np.bool_, size))
SQUARE: Ring = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))
INNER: Ring = ((1.0, 1.0), (3.0, 1.0), (3.0, 3.0), (1.0, 3.0))


def star(seed: int, centre: tuple[float, float], radius: float, points: int = 24) -> Ring:
    """A ring with spikes about its centre that does not cross itself."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, points))
    radii = radius * rng.uniform(0.6, 1.0, points)
    x, y = centre[0] + radii * np.cos(angles), centre[1] + radii * np.sin(angles)
    return tuple(zip(x.tolist(), y.tolist(), strict=True))


def signed_area(ring: Ring) -> float:
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise((*ring, ring[0]))) / 2


def drawn(text: str) -> Mask:
    return Mask.from_array(np.array([[pixel == "#" for pixel in row] for row in text.split()]))


@given(arrays)
def test_filling_a_traced_mask_gives_the_mask_back(array: Array) -> None:
    mask = Mask.from_array(array)
    assert fill(trace(mask), *array.shape) == mask


@given(arrays)
def test_a_trace_has_one_part_for_each_4_connected_area(array: Array) -> None:
    count, labels = cv2.connectedComponents(array.astype(np.uint8), connectivity=4)
    areas = {Mask.from_array(labels == label) for label in range(1, count)}
    parts = trace(Mask.from_array(array))
    assert {fill((part,), *array.shape) for part in parts} == areas
    assert len(parts) == len(areas)
    for outer, *holes in parts:
        assert signed_area(outer) > 0
        assert all(signed_area(hole) < 0 for hole in holes)


def test_a_trace_has_points_only_where_it_turns() -> None:
    assert trace(drawn("....  .##.  .##.")) == ((((1.0, 1.0), (3.0, 1.0), (3.0, 3.0), (1.0, 3.0)),),)


def test_holes_belong_to_the_area_around_them() -> None:
    mask = drawn("""
        ########.
        #......#.
        #.####.#.
        #.#.##.##
        #.####.##
        #......##
        ######.#.
        ########.
    """)
    parts = trace(mask)
    assert sorted(len(part) for part in parts) == [2, 2]
    assert fill(parts, mask.height, mask.width) == mask


def test_an_empty_mask_has_no_parts_and_no_parts_fill_nothing() -> None:
    assert trace(Mask.empty(3, 4)) == ()
    assert fill((), 3, 4) == Mask.empty(3, 4)
    assert fill(((),), 3, 4) == Mask.empty(3, 4)


@given(arrays, st.floats(0.1, 5))
def test_a_thinned_trace_keeps_three_points_in_every_ring(array: Array, tolerance: float) -> None:
    exact, thinned = trace(Mask.from_array(array)), trace(Mask.from_array(array), tolerance)
    assert [len(part) for part in thinned] == [len(part) for part in exact]
    for part, whole in zip(thinned, exact, strict=True):
        for ring, full in zip(part, whole, strict=True):
            assert 3 <= len(ring) <= len(full)
            assert set(ring) <= set(full)


def test_a_thinned_trace_of_a_disc_stays_close_with_far_fewer_points() -> None:
    y, x = np.mgrid[:200, :200]
    mask = Mask.from_array((x - 100) ** 2 + (y - 100) ** 2 < 80**2)
    (exact,), (thinned,) = trace(mask), trace(mask, 1.5)
    assert len(thinned[0]) * 5 < len(exact[0])
    assert fill((thinned,), 200, 200).iou(mask) > 0.97


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (((SQUARE,),), "####. ####. ####. ####. ....."),
        (((SQUARE, INNER),), "####. #..#. #..#. ####. ....."),
        (((SQUARE, INNER), (INNER,)), "####. ####. ####. ####. ....."),
        (((INNER,), (((2.0, 2.0), (5.0, 2.0), (5.0, 5.0), (2.0, 5.0)),)), "..... .##.. .#### ..### ..###"),
        (((((-9.0, 1.0), (99.0, 1.0), (99.0, 2.0), (-9.0, 2.0)),),), "..... ##### ..... ..... ....."),
        (((((0.0, 0.0), (5.0, 0.0), (0.0, 5.0), (5.0, 5.0)),),), "####. .##.. ..... .##.. ####."),
        (((((0.5, 0.5), (2.5, 0.5), (2.5, 2.5), (0.5, 2.5)),),), "##... ##... ..... ..... ....."),
        (((((1.0, 1.0), (3.0, 3.0)),),), "..... ..... ..... ..... ....."),
    ],
    ids=[
        "square",
        "hole",
        "hole filled by a part",
        "overlap",
        "clipped",
        "crossing",
        "centres on edges",
        "line",
    ],
)
def test_a_pixel_is_inside_when_its_centre_is(parts: Parts, expected: str) -> None:
    array = fill(parts, 5, 5).to_array()
    assert ["".join(".#"[int(pixel)] for pixel in row) for row in array] == expected.split()


@given(st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), min_size=3, max_size=8))
def test_polygons_with_a_common_edge_share_no_pixel_and_leave_none_out(points: list[tuple[int, int]]) -> None:
    ring = tuple((x / 2, y / 2) for x, y in points)
    whole = fill(((((0.0, 0.0), (12.0, 0.0), (12.0, 12.0), (0.0, 12.0)),),), 12, 12)
    inside = fill(((ring,),), 12, 12)
    outside = fill(((((0.0, 0.0), (12.0, 0.0), (12.0, 12.0), (0.0, 12.0)), ring[::-1]),), 12, 12)
    assert inside.area + outside.area == whole.area
    assert inside.union(outside) == whole


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e10])
def test_coordinates_that_are_no_places_are_refused(bad: float) -> None:
    with pytest.raises(MaskError, match="polygon point 1"):
        fill(((((0.0, 0.0), (bad, 1.0), (2.0, 2.0)),),), 4, 4)


def test_points_of_three_numbers_are_refused() -> None:
    with pytest.raises(MaskError, match="9 coordinates in 3 points"):
        fill(((((0.0, 0.0, 1.0), (1.0, 1.0, 1.0), (2.0, 2.0, 1.0)),),), 4, 4)


def test_an_image_beyond_the_pixel_limit_is_not_filled() -> None:
    with pytest.raises(MaskError, match="60000 x 60000"):
        fill((), 60_000, 60_000)


@pytest.mark.parametrize("seed", range(20))
def test_fill_agrees_with_pycocotools_and_opencv_but_for_pixels_on_the_edge(seed: int) -> None:
    """Both others count border pixels differently; from about 400 pixels on that is below 5 % of the area."""
    ring = star(seed, (150.0, 140.0), 40.0 + 4 * seed)
    ours = fill(((ring,),), 300, 300)
    assert ours.area > 400
    theirs = coco.merge(coco.frPyObjects([np.ravel(ring).tolist()], 300, 300))
    assert ours.iou(coco_rle.decode(theirs["counts"], 300, 300)) > 0.95
    # OpenCV's integer coordinates are pixel centres, and it draws the outline too.
    canvas = np.zeros((300, 300), np.uint8)
    fixed = np.rint((np.array(ring) - 0.5) * 256).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], 1, shift=8)
    assert ours.iou(Mask.from_array(canvas)) > 0.95


@pytest.mark.parametrize("seed", range(20))
def test_clipping_to_the_image_does_not_change_what_is_filled(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-20, 120, 2).tolist()
    part: Part = (star(seed, (x, y), 60.0), star(seed + 100, (x, y), 25.0))
    clipped = clip_parts((part,), 100, 90)
    assert fill(clipped, 90, 100) == fill((part,), 90, 100)
    points = np.concatenate([ring for part in clipped for ring in part])
    assert (points >= 0).all()
    assert (points <= [100, 90]).all()


def test_clipping_leaves_what_is_inside_as_it_is_and_drops_what_is_outside() -> None:
    far: Part = (tuple((x + 50, y) for x, y in SQUARE),)
    assert clip_parts(((SQUARE, INNER), far), 10, 10) == ((SQUARE, INNER),)
    assert clip_parts(((SQUARE, INNER),), 2, 2) == (
        (((0.0, 2.0), (0.0, 0.0), (2.0, 0.0), (2.0, 2.0)), ((1.0, 2.0), (1.0, 1.0), (2.0, 1.0), (2.0, 2.0))),
    )
    assert clip_parts(((SQUARE, INNER),), 1, 9) == ((((0.0, 0.0), (1.0, 0.0), (1.0, 4.0), (0.0, 4.0)),),)


def test_a_polyline_that_leaves_and_comes_back_becomes_pieces() -> None:
    line = ((1.0, 1.0), (1.0, -1.0), (3.0, -1.0), (3.0, 2.0), (9.0, 2.0))
    assert clip_polyline(line, 5, 5) == (((1.0, 1.0), (1.0, 0.0)), ((3.0, 0.0), (3.0, 2.0), (5.0, 2.0)))
    assert clip_polyline(line[:1], 5, 5) == (line[:1],)
    assert clip_polyline(line, 0.5, 0.5) == ()
    assert clip_polyline((), 5, 5) == ()


def test_a_polyline_inside_comes_back_as_it_is_with_points_twice() -> None:
    line = ((1.0, 1.0), (1.0, 1.0), (0.0, 5.0))
    assert clip_polyline(line, 5, 5) == (line,)


def test_a_polyline_that_only_touches_the_image_is_outside() -> None:
    assert clip_polyline(((-2.0, 2.0), (2.0, -2.0)), 5, 5) == ()


coordinates = st.integers(-20, 40).map(lambda value: value / 2)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=8))
def test_pieces_of_a_polyline_lie_inside_and_lose_no_length(points: list[tuple[float, float]]) -> None:
    def length(line: Ring) -> float:
        return sum(hypot(x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in pairwise(line))

    pieces = clip_polyline(tuple(points), 10, 8)
    assert all(0 <= x <= 10 and 0 <= y <= 8 for piece in pieces for x, y in piece)
    dense = sum(
        hypot(x1 - x0, y1 - y0) / 500
        for (x0, y0), (x1, y1) in pairwise(points)
        for share in (np.arange(500) + 0.5) / 500
        if 0 <= x0 + share * (x1 - x0) <= 10 and 0 <= y0 + share * (y1 - y0) <= 8
    )
    whole = sum(hypot(x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in pairwise(points))
    assert isclose(sum(map(length, pieces)), dense, abs_tol=1e-6 + whole / 200)

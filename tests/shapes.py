"""Hypothesis strategies for geometry. Sizes are (height, width) in pixels.

All 2-D geometry lies inside its image, no ring crosses itself, holes lie inside their outer rings, parts do
not touch, and no mask is empty.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from hypothesis import strategies as st

from pipeline.core.geometry import (
    XY,
    XYZ,
    Box,
    Cuboid,
    Cuboid2D,
    Ellipse,
    Geometry,
    Node,
    Point,
    Point3D,
    PointSet,
    Polygon,
    Polygon3D,
    Polyline,
    Polyline3D,
    Ring,
    RotatedBox,
    Shape,
    Skeleton,
    Visibility,
)
from pipeline.core.masks import AlphaMask, Mask, Raster

Size = tuple[int, int]

SOLID = frozenset({Shape.CUBOID, Shape.POLYGON_3D, Shape.POLYLINE_3D, Shape.POINT_3D, Shape.POINT_SET})
"""Shapes drawn in a point cloud."""

FLAT = frozenset(Shape) - SOLID - {Shape.ANY, Shape.OTHER}
"""Shapes drawn in an image."""


def sizes() -> st.SearchStrategy[Size]:
    """Heights and widths from 8 to 40 pixels."""
    return st.tuples(st.integers(8, 40), st.integers(8, 40))


@lru_cache(maxsize=4096)
def within(low: float, high: float) -> st.SearchStrategy[float]:
    """Finite numbers from low to high, both included."""
    return st.floats(low, high, allow_nan=False, allow_subnormal=False)


def _grid(limit: int) -> st.SearchStrategy[float]:
    # 1024ths of a pixel: sums and differences are exact, so that no box leaves its image by rounding.
    return st.integers(0, limit * 1024).map(lambda value: value / 1024)


def points(size: Size) -> st.SearchStrategy[XY]:
    """Positions (x, y) inside the image."""
    return st.tuples(within(0, size[1]), within(0, size[0]))


@st.composite
def boxes(draw: st.DrawFn, size: Size) -> Box:
    """Boxes of at least 1/1024 px inside the image."""
    xs = sorted(draw(st.lists(_grid(size[1]), min_size=2, max_size=2, unique=True)))
    ys = sorted(draw(st.lists(_grid(size[0]), min_size=2, max_size=2, unique=True)))
    return Box(xs[0], ys[0], xs[1] - xs[0], ys[1] - ys[0])


@st.composite
def _discs(draw: st.DrawFn, size: Size) -> tuple[float, float, float]:
    x = draw(st.integers(2, size[1] - 2)) + draw(within(-0.5, 0.5))
    y = draw(st.integers(2, size[0] - 2)) + draw(within(-0.5, 0.5))
    return x, y, 0.98 * min(x, y, size[1] - x, size[0] - y)


@st.composite
def rotated_boxes(draw: st.DrawFn, size: Size) -> RotatedBox:
    """Turned boxes, inside the image at every angle; angles are in [0, 360)."""
    x, y, radius = draw(_discs(size))
    half_width = radius * draw(within(0.1, 0.7))
    half_height = radius * draw(within(0.1, 0.7))
    angle = draw(st.floats(0, 360, exclude_max=True, allow_subnormal=False))
    return RotatedBox(x - half_width, y - half_height, 2 * half_width, 2 * half_height, angle)


@st.composite
def ellipses(draw: st.DrawFn, size: Size, *, circle: bool) -> Ellipse:
    """Ellipses inside the image at every angle, or circles."""
    x, y, radius = draw(_discs(size))
    if circle:
        radius *= draw(within(0.1, 1))
        return Ellipse(x, y, radius, radius, circle=True)
    radii = radius * draw(within(0.1, 1)), radius * draw(within(0.1, 1))
    return Ellipse(x, y, *radii, angle=draw(st.floats(0, 180, exclude_max=True, allow_subnormal=False)))


@st.composite
def _stars(draw: st.DrawFn, x: float, y: float, radius: float) -> Ring:
    count = draw(st.integers(3, 7))
    step = 2 * math.pi / count
    ring = []
    for index in range(count):
        angle = step * (index + draw(within(-0.2, 0.2)))
        length = radius * draw(within(0.4, 0.98))
        ring.append((x + length * math.cos(angle), y + length * math.sin(angle)))
    return tuple(ring)


@st.composite
def polygons(draw: st.DrawFn, size: Size, *, holes: bool = True, parts: bool = True) -> Polygon:
    """Star-shaped outer rings side by side, each with no hole or one."""
    count = draw(st.integers(1, 3)) if parts else 1
    cell = size[1] / count
    drawn = []
    for index in range(count):
        x, y = cell * (index + 0.5), draw(within(0.4, 0.6)) * size[0]
        outer = draw(_stars(x, y, min(cell / 2, y, size[0] - y)))
        # About its centre, a star at half the size lies inside itself.
        hole = tuple((x + (a - x) / 2, y + (b - y) / 2) for a, b in outer)
        drawn.append((outer, hole) if holes and draw(st.booleans()) else (outer,))
    return Polygon(tuple(drawn))


@st.composite
def masks(draw: st.DrawFn, size: Size) -> Mask:
    """Masks of a few rectangles and scattered pixels, at least one pixel."""
    array = np.zeros(size, np.bool_)
    rows, columns = st.integers(0, size[0] - 1), st.integers(0, size[1] - 1)
    for _ in range(draw(st.integers(1, 3))):
        (top, bottom), (left, right) = (sorted((draw(span), draw(span))) for span in (rows, columns))
        array[top : bottom + 1, left : right + 1] ^= True
    array[draw(rows), draw(columns)] = True
    return Mask.from_array(array)


def rasters(size: Size) -> st.SearchStrategy[Raster]:
    """The same masks as boolean arrays; `rows` never draws them, because they come back as masks."""
    return masks(size).map(lambda mask: Raster(mask.to_array()))


@st.composite
def alpha_masks(draw: st.DrawFn, size: Size) -> AlphaMask:
    """Crops of up to 5 x 5 opacities, at least one above zero."""
    x, y = draw(st.integers(0, size[1] - 1)), draw(st.integers(0, size[0] - 1))
    width, height = (draw(st.integers(1, min(5, room))) for room in (size[1] - x, size[0] - y))
    crop = np.frombuffer(draw(st.binary(min_size=width * height, max_size=width * height)), np.uint8).copy()
    crop[0] |= 1
    return AlphaMask(*size, x, y, crop.reshape(height, width))


@st.composite
def skeletons(draw: st.DrawFn, size: Size, names: Sequence[str] = ("head", "tail")) -> Skeleton:
    """One node for each name, in order; at least one is not invisible."""
    nodes = [Node(name, *draw(points(size)), draw(st.sampled_from(Visibility))) for name in names]
    if all(node.visibility is Visibility.INVISIBLE for node in nodes):
        nodes[0] = replace(nodes[0], visibility=Visibility.VISIBLE)
    return Skeleton(tuple(nodes))


def _corners(box: Box) -> tuple[XY, ...]:
    right, bottom = box.x + box.width, box.y + box.height
    return (box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom)


def spatial() -> st.SearchStrategy[XYZ]:
    """Positions in metres, within a kilometre."""
    return st.tuples(within(-1000, 1000), within(-1000, 1000), within(-1000, 1000))


@st.composite
def cuboids(draw: st.DrawFn) -> Cuboid:
    """Cuboids with positive sizes and a unit quaternion."""
    size = draw(within(0.1, 50)), draw(within(0.1, 50)), draw(within(0.1, 50))
    turn = [draw(within(-1, 1)) for _ in range(3)]
    turn.append(draw(within(0.1, 1)))
    x, y, z, w = (value / math.hypot(*turn) for value in turn)
    return Cuboid(draw(spatial()), size, (x, y, z, w))


def geometries(size: Size, shapes: frozenset[Shape] = FLAT | SOLID) -> st.SearchStrategy[Geometry]:
    """Any geometry of the given shapes, inside an image of this size."""
    return st.sampled_from(sorted(shapes)).flatmap(lambda shape: geometry_of(shape, size))


@lru_cache(maxsize=4096)
def geometry_of(
    shape: Shape,
    size: Size,
    names: tuple[str, ...] = ("head", "tail"),
    *,
    holes: bool = True,
    parts: bool = True,
) -> st.SearchStrategy[Geometry]:
    """Any geometry of one shape. `names` are the nodes of a skeleton; holes and parts are a polygon's."""
    flat: Mapping[Shape, Callable[[], st.SearchStrategy[Geometry]]] = {
        Shape.BOX: lambda: boxes(size),
        Shape.ROTATED_BOX: lambda: rotated_boxes(size),
        Shape.ELLIPSE: lambda: ellipses(size, circle=False),
        Shape.CIRCLE: lambda: ellipses(size, circle=True),
        Shape.POLYGON: lambda: polygons(size, holes=holes, parts=parts),
        Shape.POLYLINE: lambda: st.lists(points(size), min_size=2, max_size=5).map(tuple).map(Polyline),
        Shape.POINT: lambda: points(size).map(lambda at: Point(*at)),
        Shape.SKELETON: lambda: skeletons(size, names),
        Shape.MASK: lambda: masks(size),
        Shape.ALPHA_MASK: lambda: alpha_masks(size),
        Shape.CUBOID_2D: lambda: st.builds(Cuboid2D, boxes(size).map(_corners), boxes(size).map(_corners)),
    }
    return flat[shape]() if shape in flat else solid_of(shape)


def solid_of(shape: Shape) -> st.SearchStrategy[Geometry]:
    """Any geometry of one shape in space."""
    spaces = st.lists(spatial(), min_size=3, max_size=5).map(tuple)
    indices = st.sets(st.integers(0, 999), min_size=1, max_size=6)
    table: Mapping[Shape, st.SearchStrategy[Geometry]] = {
        Shape.CUBOID: cuboids(),
        Shape.POLYGON_3D: spaces.map(Polygon3D),
        Shape.POLYLINE_3D: spaces.map(Polyline3D),
        Shape.POINT_3D: spatial().map(lambda at: Point3D(*at)),
        Shape.POINT_SET: indices.map(lambda found: PointSet(tuple(sorted(found)))),
    }
    return table[shape]

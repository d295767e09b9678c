"""What can be said of any geometry: its area and bounds; and moved or scaled coordinates.

Pixels, float64, origin top-left, y down.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from pipeline.core.codecs import as_mask, decode
from pipeline.core.geometry import (
    XY,
    AnyMask,
    Box,
    Cuboid2D,
    Ellipse,
    Geometry,
    Point,
    Polygon,
    Polyline,
    Ring,
    RotatedBox,
    Skeleton,
    Visibility,
    shape_of,
)
from pipeline.core.instances import Instance
from pipeline.core.masks import AlphaMask, EncodedMask, Mask, Raster

Bounds: TypeAlias = tuple[float, float, float, float]
"""x, y, width and height of an axis-parallel box."""


def mask_of(geometry: AnyMask) -> Mask:
    """Return a mask as toggles, whatever it was given as. Raises MaskError where an encoded one is broken."""
    if isinstance(geometry, EncodedMask):
        return decode(geometry.codec, geometry.data, geometry.height, geometry.width)
    return as_mask(geometry)


def ring_area(ring: Ring) -> float:
    """Return the area inside a ring that does not cross itself, in square pixels; never negative."""
    # About its first point, so that large coordinates cost no digits.
    x0, y0 = ring[0]
    pairs = zip(ring, (*ring[1:], ring[0]), strict=True)
    return abs(sum((a - x0) * (d - y0) - (c - x0) * (b - y0) for (a, b), (c, d) in pairs)) / 2


def area(geometry: Geometry) -> float:  # noqa: PLR0911 - a table
    """Return the area in square pixels.

    A polygon's holes are taken off. A mask has the number of its pixels, an alpha mask of those above zero,
    and a cuboid in the image its front face. Lines, points, skeletons and everything in space have 0.
    """
    match geometry:
        case Box() | RotatedBox():
            return geometry.width * geometry.height
        case Ellipse():
            return math.pi * geometry.radius_x * geometry.radius_y
        case Polygon():
            return sum(ring_area(part[0]) - sum(map(ring_area, part[1:])) for part in geometry.parts)
        case Mask() | EncodedMask() | Instance():
            return float(mask_of(geometry).area)
        case Raster():
            return float(np.count_nonzero(geometry.array))
        case AlphaMask():
            return float(np.count_nonzero(geometry.crop))
        case Cuboid2D():
            return ring_area(geometry.front)
        case _:
            return 0.0


def corners(box: RotatedBox | Box) -> Ring:
    """Return the four corners, from the one that is top-left before the turn, clockwise on the screen."""
    right, bottom = box.x + box.width, box.y + box.height
    plain = ((box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom))
    if isinstance(box, Box):
        return plain
    middle = (box.x + box.width / 2, box.y + box.height / 2)
    return tuple(turned(point, middle, box.angle) for point in plain)


def turned(point: XY, centre: XY, degrees: float) -> XY:
    """Turn a point about a centre, clockwise on the screen."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    dx, dy = point[0] - centre[0], point[1] - centre[1]
    return centre[0] + dx * cos - dy * sin, centre[1] + dx * sin + dy * cos


def bounds(geometry: Geometry) -> Bounds | None:
    """Return the smallest axis-parallel box around a geometry in the image.

    Of a skeleton, invisible nodes do not count. None for an empty mask, a skeleton without a visible node,
    and everything in space.
    """
    match geometry:
        case Box():
            return geometry.x, geometry.y, geometry.width, geometry.height
        case Ellipse():
            return _around_ellipse(geometry)
        case Mask() | Raster() | EncodedMask() | Instance():
            return mask_of(geometry).box
        case AlphaMask():
            inner = Mask.from_array(geometry.crop > 0).box
            return (inner[0] + geometry.x, inner[1] + geometry.y, inner[2], inner[3]) if inner else None
        case _:
            return _around(points_of(geometry))


def _around(points: Iterable[XY]) -> Bounds | None:
    found = list(points)
    if not found:
        return None
    left, top = min(x for x, _ in found), min(y for _, y in found)
    return left, top, max(x for x, _ in found) - left, max(y for _, y in found) - top


def _around_ellipse(ellipse: Ellipse) -> Bounds:
    cos, sin = math.cos(math.radians(ellipse.angle)), math.sin(math.radians(ellipse.angle))
    half_width = math.hypot(ellipse.radius_x * cos, ellipse.radius_y * sin)
    half_height = math.hypot(ellipse.radius_x * sin, ellipse.radius_y * cos)
    return ellipse.x - half_width, ellipse.y - half_height, 2 * half_width, 2 * half_height


def points_of(geometry: Geometry) -> list[XY]:  # noqa: PLR0911 - a table
    """Return the points that a geometry in the image is drawn through, without a skeleton's invisible nodes.

    Masks, ellipses and everything in space have none.
    """
    match geometry:
        case Box() | RotatedBox():
            return list(corners(geometry))
        case Polygon():
            return [point for part in geometry.parts for ring in part for point in ring]
        case Polyline():
            return list(geometry.points)
        case Point():
            return [(geometry.x, geometry.y)]
        case Skeleton():
            seen = (node for node in geometry.nodes if node.visibility is not Visibility.INVISIBLE)
            return [(node.x, node.y) for node in seen]
        case Cuboid2D():
            return [*geometry.front, *geometry.back]
        case _:
            return []


def shift(geometry: Geometry, dx: float, dy: float) -> Geometry:
    """Return the geometry moved by (dx, dy) pixels. Raises ValueError for masks and everything in space."""
    if isinstance(geometry, RotatedBox | Ellipse):
        return replace(geometry, x=geometry.x + dx, y=geometry.y + dy)
    return _mapped(geometry, lambda x, y: (x + dx, y + dy))


def scale(geometry: Geometry, fx: float, fy: float) -> Geometry:
    """Return the geometry with x times fx and y times fy, both above zero.

    Raises ValueError for masks and everything in space, and for a turned box or ellipse where fx and fy
    differ, because the result would be neither.
    """
    if isinstance(geometry, RotatedBox | Ellipse) and geometry.angle % 90 and fx != fy:
        raise ValueError(
            f"a turned {shape_of(geometry).value} cannot be scaled by {fx} and {fy}: use one factor"
        )
    if isinstance(geometry, RotatedBox):
        centre = (geometry.x + geometry.width / 2) * fx, (geometry.y + geometry.height / 2) * fy
        along, across = (fx, fy) if geometry.angle % 180 == 0 else (fy, fx)
        width, height = geometry.width * along, geometry.height * across
        return replace(
            geometry, x=centre[0] - width / 2, y=centre[1] - height / 2, width=width, height=height
        )
    if isinstance(geometry, Ellipse):
        along, across = (fx, fy) if geometry.angle % 180 == 0 else (fy, fx)
        radii = geometry.radius_x * along, geometry.radius_y * across
        circle = geometry.circle and fx == fy
        return Ellipse(geometry.x * fx, geometry.y * fy, *radii, geometry.angle, circle)
    return _mapped(geometry, lambda x, y: (x * fx, y * fy))


def _mapped(geometry: Geometry, move: Callable[[float, float], XY]) -> Geometry:
    match geometry:
        case Box():
            x, y = move(geometry.x, geometry.y)
            right, bottom = move(geometry.x + geometry.width, geometry.y + geometry.height)
            return Box(x, y, right - x, bottom - y)
        case Polygon():
            return Polygon(tuple(tuple(_line(ring, move) for ring in part) for part in geometry.parts))
        case Polyline():
            return Polyline(_line(geometry.points, move))
        case Point():
            return Point(*move(geometry.x, geometry.y))
        case Skeleton():
            placed = ((node, move(node.x, node.y)) for node in geometry.nodes)
            return Skeleton(tuple(replace(node, x=x, y=y) for node, (x, y) in placed))
        case Cuboid2D():
            return Cuboid2D(_line(geometry.front, move), _line(geometry.back, move))
        case _:
            raise ValueError(f"a {shape_of(geometry).value} can be neither moved nor scaled")


def _line(points: tuple[XY, ...], move: Callable[[float, float], XY]) -> tuple[XY, ...]:
    return tuple(move(x, y) for x, y in points)

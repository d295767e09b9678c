"""What annotations draw, to geometry and back.

Pictures: pixels, x first, origin top-left, continuous, as in the label model. Point clouds: metres of the
world; a cuboid has its centre, its length, width and height, and a yaw about the z axis (radians, 0 along
+x, counter-clockwise) or a quaternion.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, repeat, zip_longest
from typing import Any

from pipeline.core.geometry import (
    Box,
    Cuboid,
    Geometry,
    Point,
    Point3D,
    Polygon,
    Polygon3D,
    Polyline,
    Polyline3D,
    Shape,
    shape_of,
)
from pipeline.platforms.segments.convert.cuboids import cuboid_json, read_cuboid
from pipeline.platforms.segments.convert.numeric import GeometryError, finite
from pipeline.platforms.segments.convert.project import json_of
from pipeline.platforms.segments.wire import FLAT_VECTORS, SOLID_VECTORS, TYPE_NAMES, Json, JsonValue

FEWEST = 3
"""Points of a polygon."""

_SAME = 1e-9


def read_geometry(found: Mapping[str, Any], *, solid: bool) -> Geometry:
    """Return what an annotation of a vector label draws. Raises GeometryError.

    A polygon of fewer than 3 points is taken as it is: it is judged when it is written anew.
    """
    names = SOLID_VECTORS if solid else FLAT_VECTORS
    said = found.get("type")
    shape = names.get(said) if isinstance(said, str) else None
    if shape is None:
        raise GeometryError(f"type: found {said!r}, expected one of {', '.join(names)}")
    if shape is Shape.CUBOID:
        return read_cuboid(found)
    return _DRAW[shape](_points(found.get("points"), 3 if solid else 2, str(said)))


def _points(found: JsonValue, dimensions: int, what: str) -> list[list[float]]:
    if not isinstance(found, list) or not found:
        shown = "no points" if not found else f"a {type(found).__name__}"
        raise GeometryError(f"points: found {shown}, expected the points of a {what}")
    for at, point in enumerate(found):
        if not isinstance(point, list) or len(point) != dimensions:
            raise GeometryError(f"points[{at}]: found {point!r}, expected {dimensions} numbers")
        for number in point:
            if type(number) is not float or not math.isfinite(number):
                finite(number, f"points[{at}]")
    return found


def _box(points: Sequence[Sequence[float]]) -> Box:
    if len(points) != 2:  # noqa: PLR2004 - two corners
        raise GeometryError(f"points: found {len(points)} points, expected the 2 corners of a bbox")
    (x0, y0), (x1, y1) = points
    return Box(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))


def _single(points: Sequence[Sequence[float]]) -> Sequence[float]:
    if len(points) != 1:
        raise GeometryError(f"points: found {len(points)} points, expected 1")
    return points[0]


_DRAW: dict[Shape, Callable[[Sequence[Any]], Geometry]] = {
    Shape.BOX: _box,
    Shape.POLYGON: lambda points: Polygon(((tuple(map(tuple, points)),),)),
    Shape.POLYLINE: lambda points: Polyline(tuple(map(tuple, points))),
    Shape.POINT: lambda points: Point(*_single(points)),
    Shape.POLYGON_3D: lambda points: Polygon3D(tuple(map(tuple, points))),
    Shape.POLYLINE_3D: lambda points: Polyline3D(tuple(map(tuple, points))),
    Shape.POINT_3D: lambda points: Point3D(*_single(points)),
}


# ---- writing --------------------------------------------------------------------------------------------


def geometry_json(geometry: Geometry, *, full_rotation: bool) -> Json:
    """Return the keys of an annotation that draw a geometry, `type` among them. Raises GeometryError.

    Of a polygon only the first outer ring is written; what else it has is for the caller to report.
    """
    if isinstance(geometry, Cuboid):
        return {"type": "cuboid", **cuboid_json(geometry, full_rotation=full_rotation)}
    points = [
        [finite(number, f"points[{at}]") for number in point] for at, point in enumerate(_points_of(geometry))
    ]
    return {"type": TYPE_NAMES[shape_of(geometry)], "points": points}


def _points_of(geometry: Geometry) -> Sequence[Sequence[float]]:
    match geometry:
        case Box():
            for name, size in (("width", geometry.width), ("height", geometry.height)):
                if not size >= 0:
                    raise GeometryError(f"{name}: found {size}, expected 0 or more")
            right, bottom = geometry.x + geometry.width, geometry.y + geometry.height
            return (geometry.x, geometry.y), (right, bottom)
        case Polygon():
            if not geometry.parts or not geometry.parts[0]:
                raise GeometryError("points: found none, expected the outer ring of a polygon")
            return _at_least(geometry.parts[0][0], FEWEST, "polygon")
        case Polygon3D():
            return _at_least(geometry.points, FEWEST, "polygon")
        case Polyline() | Polyline3D():
            return _at_least(geometry.points, 1, "polyline")
        case Point():
            return ((geometry.x, geometry.y),)
        case Point3D():
            return ((geometry.x, geometry.y, geometry.z),)
        case _:
            raise GeometryError(f"a {shape_of(geometry).value} has no place in a vector label")


def _at_least(points: Sequence[Sequence[float]], fewest: int, what: str) -> Sequence[Sequence[float]]:
    if len(points) < fewest:
        raise GeometryError(f"points: found {len(points)}, expected at least {fewest} for a {what}")
    return points


def patched_json(raw: Mapping[str, Any], base: Geometry, geometry: Geometry, *, full_rotation: bool) -> Json:
    """Return the drawing keys of an annotation whose geometry changed from `base`, as `geometry_json`.

    Numbers of `raw` that stand for what did not change stay as they are written there.
    """
    same = shape_of(base) is shape_of(geometry)
    rotation = full_rotation or (same and raw.get("rotation") is not None)
    new = geometry_json(geometry, full_rotation=rotation)
    if not same:
        return new
    old = geometry_json(base, full_rotation=rotation) if _writable(base) else {}
    drawn = {key: _kept(raw.get(key), old.get(key), value) for key, value in new.items() if key != "type"}
    return {"type": raw.get("type"), **drawn}


def _writable(geometry: Geometry) -> bool:
    """Whether the geometry meets what is asked of a new one."""
    try:
        geometry_json(geometry, full_rotation=True)
    except GeometryError:
        return False
    return True


def _kept(raw: JsonValue, old: JsonValue, new: JsonValue) -> JsonValue:
    """The new value, with every number that is still the old one as it was written."""
    if isinstance(new, dict):
        known, before = json_of(raw), json_of(old)
        return {**known, **{key: _kept(known.get(key), before.get(key), new[key]) for key in new}}
    if isinstance(new, list):
        pairs = zip_longest(*(value if isinstance(value, list) else [] for value in (raw, old)))
        every = zip(chain(pairs, repeat((None, None))), new, strict=False)
        return [_kept(one, two, value) for (one, two), value in every]
    return raw if raw is not None and old == new and math.isclose(raw, old, abs_tol=_SAME) else new

"""Geometry of Encord (fractions of the picture) to geometry in pixels and back.

Encord's numbers are fractions: x, w and rx of the width, y, h and ry of the height. Angles are degrees,
clockwise on the screen, applied in pixels. A circle's `r` is a fraction of the width; its `stretch` is the
ratio of the second radius to it. Source: `objects/coordinates.py` and `types.py` of the encord SDK 0.1.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from math import isfinite
from typing import Any

from pipeline.core import codecs
from pipeline.core.geometry import (
    XY,
    AnyMask,
    Box,
    Cuboid2D,
    Ellipse,
    Geometry,
    Node,
    Point,
    Polygon,
    Polyline,
    Ring,
    RotatedBox,
    Skeleton,
    Visibility,
)
from pipeline.core.instances import Instance
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.ontology import SkeletonTemplate
from pipeline.platforms.encord.convert import cuboids
from pipeline.platforms.encord.wire import GEOMETRY_KEYS, MASK_CODEC, Json, JsonValue

TOLERANCE = 1e-6
"""How far, in pixels, a coordinate may lie outside the picture."""


class GeometryError(ValueError):
    """A geometry that Encord cannot take, or JSON that is none; the message says what is wrong with it."""


class NoEquivalent(GeometryError):  # noqa: N818 - nothing is wrong with it
    """A geometry that Encord has no notation for."""


def decode(shape: str, found: Mapping[str, Any], width: float, height: float) -> Geometry:
    """Return the geometry, in pixels, of an object of the wire on a picture of this size.

    Raises GeometryError, KeyError, TypeError, ValueError or IndexError for JSON that is no such geometry.
    """
    return _DECODERS[shape](found, width, height)


def encode(
    geometry: Geometry, width: float, height: float, template: SkeletonTemplate | None, *, check: bool = True
) -> Json:
    """Return the geometry keys of an object of the wire. GeometryError for what is not on the picture.

    `check` off: neither range nor finiteness is judged.
    """
    if type(geometry) is Box:
        x, y, w, h = geometry.x, geometry.y, geometry.width, geometry.height
        if check and not (
            x >= -TOLERANCE and y >= -TOLERANCE and w >= 0 and h >= 0
            and x + w <= width + TOLERANCE and y + h <= height + TOLERANCE
        ):  # fmt: skip
            raise _refused_box(geometry, width, height)
        return {"boundingBox": {"h": h / height, "w": w / width, "x": x / width, "y": y / height}}
    if check:
        _check(geometry, width, height)
    if isinstance(geometry, Skeleton):
        return {"skeleton": _skeleton_wire(geometry, width, height, template)}
    encoder = _ENCODERS.get(type(geometry))
    if encoder is None:
        raise NoEquivalent(f"Encord has no {type(geometry).__name__} on pictures")
    return encoder(geometry, width, height)


def decodes(shape: str, found: Mapping[str, Any]) -> bool:
    """Whether an object of the wire holds a geometry that this module reads."""
    return shape in _DECODERS and (found.get(GEOMETRY_KEYS[shape]) is not None or bool(found.get("polygons")))


# ---- from the wire --------------------------------------------------------------------------------------


def _box(found: Mapping[str, Any], width: float, height: float) -> Box:
    box = found["boundingBox"]
    return Box(box["x"] * width, box["y"] * height, box["w"] * width, box["h"] * height)


def _rotated_box(found: Mapping[str, Any], width: float, height: float) -> RotatedBox:
    box = found["rotatableBoundingBox"]
    theta = float(box.get("theta") or 0.0)
    return RotatedBox(box["x"] * width, box["y"] * height, box["w"] * width, box["h"] * height, theta)


def _circle(found: Mapping[str, Any], width: float, height: float) -> Ellipse:
    circle = found["circle"]
    radius = circle["r"] * width
    second = radius * circle.get("stretch", 1.0)
    theta = float(circle.get("theta") or 0.0)
    return Ellipse(circle["x"] * width, circle["y"] * height, radius, second, theta, circle=True)


def _ellipse(found: Mapping[str, Any], width: float, height: float) -> Ellipse:
    ellipse = found["ellipse"]
    theta = float(ellipse.get("theta") or 0.0)
    return Ellipse(
        ellipse["x"] * width, ellipse["y"] * height, ellipse["rx"] * width, ellipse["ry"] * height, theta
    )


def _polygon(found: Mapping[str, Any], width: float, height: float) -> Polygon:
    parts = found.get("polygons")
    if parts:
        return Polygon(tuple(tuple(_ring(ring, width, height) for ring in part) for part in parts))
    ring = _points(found["polygon"], width, height)
    if not ring:
        raise GeometryError("the polygon has no points")
    return Polygon(((ring,),))


def _ring(ring: JsonValue, width: float, height: float) -> Ring:
    if len(ring) and not isinstance(ring[0], int | float):
        return _points(ring, width, height)
    if len(ring) % 2:
        raise GeometryError(f"a ring has {len(ring)} numbers; expected x and y in turn")
    return tuple((ring[at] * width, ring[at + 1] * height) for at in range(0, len(ring), 2))


def _points(found: JsonValue, width: float, height: float) -> tuple[XY, ...]:
    """Points as a list, or as a mapping whose keys are their numbers."""
    points = [found[key] for key in sorted(found, key=int)] if isinstance(found, Mapping) else found
    if any("z" in point for point in points):
        raise GeometryError("the points have a z; three-dimensional labels are not supported on pictures")
    return tuple((point["x"] * width, point["y"] * height) for point in points)


def _polyline(found: Mapping[str, Any], width: float, height: float) -> Polyline:
    return Polyline(_points(found["polyline"], width, height))


def _point(found: Mapping[str, Any], width: float, height: float) -> Point:
    points = _points(found["point"], width, height)
    if len(points) != 1:
        raise GeometryError(f"a point has {len(points)} positions; expected one")
    return Point(*points[0])


_VISIBILITIES = {
    "visible": Visibility.VISIBLE,
    "occluded": Visibility.OCCLUDED,
    "selfOccluded": Visibility.OCCLUDED,
    "self_occluded": Visibility.OCCLUDED,
    "invisible": Visibility.INVISIBLE,
}


def _skeleton(found: Mapping[str, Any], width: float, height: float) -> Skeleton:
    nodes = found["skeleton"]
    ordered = [nodes[key] for key in sorted(nodes, key=int)] if isinstance(nodes, Mapping) else nodes
    return Skeleton(tuple(_node(node, width, height) for node in ordered))


def _node(node: Mapping[str, Any], width: float, height: float) -> Node:
    said = node.get("visibility")
    if said is None:
        said = next((word for word in ("invisible", "occluded", "selfOccluded") if node.get(word)), "visible")
    if said not in _VISIBILITIES:
        raise GeometryError(
            f"node {node['name']!r} has visibility {said!r}; expected one of {', '.join(_VISIBILITIES)}"
        )
    return Node(node["name"], node["x"] * width, node["y"] * height, _VISIBILITIES[said])


def _mask(found: Mapping[str, Any], width: float, height: float) -> EncodedMask:  # noqa: ARG001 - one signature
    mask = found["bitmask"]
    return EncodedMask(int(mask["height"]), int(mask["width"]), MASK_CODEC, mask["rleString"])


def _cuboid_2d(found: Mapping[str, Any], width: float, height: float) -> Cuboid2D:
    return cuboids.decode(found["cuboid_2d"], width, height)


_DECODERS: dict[str, Callable[[Mapping[str, Any], float, float], Geometry]] = {
    "bounding_box": _box,
    "rotatable_bounding_box": _rotated_box,
    "polygon": _polygon,
    "polyline": _polyline,
    "point": _point,
    "skeleton": _skeleton,
    "bitmask": _mask,
    "circle": _circle,
    "ellipse": _ellipse,
    "cuboid_2d": _cuboid_2d,
}


# ---- to the wire ----------------------------------------------------------------------------------------


def _rotated_box_wire(box: RotatedBox, width: float, height: float) -> Json:
    size = {"h": box.height / height, "w": box.width / width}
    return {"rotatableBoundingBox": {**size, "x": box.x / width, "y": box.y / height, "theta": box.angle}}


def _ellipse_wire(ellipse: Ellipse, width: float, height: float) -> Json:
    centre = {"x": ellipse.x / width, "y": ellipse.y / height}
    if ellipse.circle:
        if ellipse.radius_x == 0 != ellipse.radius_y:
            raise GeometryError("the circle has one radius of 0 and one that is not")
        stretch = ellipse.radius_y / ellipse.radius_x if ellipse.radius_x != ellipse.radius_y else 1.0
        return {
            "circle": {**centre, "r": ellipse.radius_x / width, "stretch": stretch, "theta": ellipse.angle}
        }
    radii = {"rx": ellipse.radius_x / width, "ry": ellipse.radius_y / height}
    return {"ellipse": {**centre, **radii, "theta": ellipse.angle}}


def _polygon_wire(polygon: Polygon, width: float, height: float) -> Json:
    parts = [
        [list(chain.from_iterable((x / width, y / height) for x, y in ring)) for ring in part]
        for part in polygon.parts
    ]
    return {"polygon": _points_wire(polygon.parts[0][0], width, height), "polygons": parts}


def _points_wire(points: Sequence[XY], width: float, height: float) -> Json:
    return {str(at): {"x": x / width, "y": y / height} for at, (x, y) in enumerate(points)}


def _polyline_wire(line: Polyline, width: float, height: float) -> Json:
    return {"polyline": _points_wire(line.points, width, height)}


def _point_wire(point: Point, width: float, height: float) -> Json:
    return {"point": {"0": {"x": point.x / width, "y": point.y / height}}}


def _skeleton_wire(
    skeleton: Skeleton, width: float, height: float, template: SkeletonTemplate | None
) -> Json:
    ids = {node.name: node.id for node in template.nodes} if template else {}
    names = [node.name for node in skeleton.nodes]
    strange = sorted(set(names) - set(ids)) if template else []
    if strange or len(set(names)) != len(names):
        what = f"unknown nodes {', '.join(strange)}" if strange else "a node twice"
        raise GeometryError(f"the skeleton has {what}; its template has {', '.join(ids) or 'no names'}")
    nodes: Json = {}
    for at, node in enumerate(skeleton.nodes):
        wire: Json = {"x": node.x / width, "y": node.y / height, "name": node.name}
        if ids.get(node.name) is not None:
            wire["featureHash"] = ids[node.name]
        if node.visibility is not Visibility.VISIBLE:
            wire["visibility"] = node.visibility.value
        nodes[str(at)] = wire
    return nodes


def encoded(mask: AnyMask) -> EncodedMask:
    """Return the mask in Encord's notation. MaskError for data in another notation that are broken."""
    if not isinstance(mask, EncodedMask):
        return EncodedMask(mask.height, mask.width, MASK_CODEC, codecs.encode(MASK_CODEC, mask))
    if mask.codec == MASK_CODEC:
        return mask
    return encoded(codecs.decode(mask.codec, mask.data, mask.height, mask.width))


def _mask_wire(mask: AnyMask, width: float, height: float) -> Json:  # noqa: ARG001
    ready = encoded(mask)
    data = ready.data if isinstance(ready.data, str) else ready.data.decode("ascii")
    return {"bitmask": {"top": 0, "left": 0, "height": ready.height, "width": ready.width, "rleString": data}}


def _cuboid_2d_wire(cuboid: Cuboid2D, width: float, height: float) -> Json:
    found = cuboids.encode(cuboid, width, height)
    if found is None:
        raise NoEquivalent(
            "its back face is neither the front face moved nor the front face seen from a vanishing point"
        )
    return {"cuboid_2d": found}


_ENCODERS: dict[type, Callable[[Any, float, float], Json]] = {
    RotatedBox: _rotated_box_wire,
    Ellipse: _ellipse_wire,
    Polygon: _polygon_wire,
    Polyline: _polyline_wire,
    Point: _point_wire,
    Mask: _mask_wire,
    Raster: _mask_wire,
    EncodedMask: _mask_wire,
    Instance: _mask_wire,
    Cuboid2D: _cuboid_2d_wire,
}


# ---- checks ---------------------------------------------------------------------------------------------


def _check(geometry: Geometry, width: float, height: float) -> None:
    if isinstance(geometry, AnyMask):
        if (geometry.height, geometry.width) != (height, width):
            message = (
                f"the mask is {geometry.width} x {geometry.height} pixels, the picture {width} x {height}"
            )
            raise GeometryError(f"{message}; a mask must cover the whole picture")
        return
    if isinstance(geometry, Polygon) and not (
        geometry.parts and all(part and part[0] for part in geometry.parts)
    ):
        raise GeometryError("the polygon has a part without points")
    if isinstance(geometry, Polyline) and not geometry.points:
        raise GeometryError("the polyline has no points")
    for number, name in _sizes(geometry):
        if not isfinite(number) or (number < 0 and name != "angle"):
            raise GeometryError(
                f"its {name} is {number}; expected a finite number{'' if name == 'angle' else ' >= 0'}"
            )
    for x, y in _places(geometry):
        if not (-TOLERANCE <= x <= width + TOLERANCE and -TOLERANCE <= y <= height + TOLERANCE):
            raise _refused(x, y, width, height)


def _sizes(geometry: Geometry) -> Iterator[tuple[float, str]]:
    if isinstance(geometry, RotatedBox):
        yield from ((geometry.width, "width"), (geometry.height, "height"), (geometry.angle, "angle"))
    elif isinstance(geometry, Ellipse):
        yield from (
            (geometry.radius_x, "radius_x"),
            (geometry.radius_y, "radius_y"),
            (geometry.angle, "angle"),
        )


def _places(geometry: Geometry) -> Iterator[XY]:
    """The points that must lie on the picture: of turned shapes the centre, since their rim may leave it."""
    match geometry:
        case RotatedBox():
            yield geometry.x + geometry.width / 2, geometry.y + geometry.height / 2
        case Ellipse() | Point():
            yield geometry.x, geometry.y
        case Polygon():
            yield from chain.from_iterable(chain.from_iterable(geometry.parts))
        case Polyline():
            yield from geometry.points
        case Cuboid2D():
            yield from geometry.front
        case Skeleton():
            yield from (
                (n.x, n.y)
                for n in geometry.nodes
                if n.visibility is not Visibility.INVISIBLE or not isfinite(n.x + n.y)
            )
        case _:
            return


def _refused_box(box: Box, width: float, height: float) -> GeometryError:
    numbers = (box.x, box.y, box.width, box.height)
    if not all(isfinite(number) for number in numbers) or box.width < 0 or box.height < 0:
        shown = f"x={box.x} y={box.y} width={box.width} height={box.height}"
        return GeometryError(f"the box {shown} is none; expected finite numbers and a size >= 0")
    far = box.x < -TOLERANCE or box.y < -TOLERANCE
    x, y = (box.x, box.y) if far else (box.x + box.width, box.y + box.height)
    return _refused(x, y, width, height)


def _refused(x: float, y: float, width: float, height: float) -> GeometryError:
    if not (isfinite(x) and isfinite(y)):
        return GeometryError(f"a coordinate is ({x}, {y}); expected finite numbers")
    message = f"the point ({x:g}, {y:g}) lies outside the picture of {width:g} x {height:g} pixels"
    return GeometryError(f"{message}; add `clip: {{}}` to the operations")

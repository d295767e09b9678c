"""Geometry of labels, both ways. Points are [x, y] in continuous pixels on the wire, as in the label model.

Sources: the vendor's page on the annotation format of images, and what the supervisely SDK reads and writes.
The angle of an oriented box is in radians, clockwise about its centre. The corners of a cuboid in the image
have fixed names: of its front face ("face1-"), then of its back ("face2-"), each clockwise from the top-left.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from math import degrees, isfinite, radians
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.core.codecs import bitmap_png
from pipeline.core.geometry import (
    Box,
    Cuboid2D,
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
from pipeline.core.masks import AlphaMask, EncodedMask
from pipeline.platforms.supervisely.wire import MASK_CODEC, MULTIPOLYGON, SHAPES, Json, JsonValue

VERTICES: Final = tuple(
    f"{face}-{corner}"
    for face in ("face1", "face2")
    for corner in ("topleft", "topright", "bottomright", "bottomleft")
)
"""The names of the corners of a cuboid in the image, in the order of `Cuboid2D`."""

GEOMETRY_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "rectangle": ("points",),
    "oriented_bbox": ("points", "angle"),
    "polygon": ("points",),
    MULTIPOLYGON: ("parts", "geometry"),
    "line": ("points",),
    "point": ("points",),
    "bitmap": ("bitmap",),
    "alpha_mask": ("bitmap",),
    "graph": ("nodes",),
    "cuboid_2d": ("vertices", "nodes", "position", "rotation", "dimensions"),
}
"""The keys of a label that draw it, by the name of its geometry."""

_NUMBERS = frozenset({int, float})
_FEWEST = 3
_CORNERS = 4
_NOISE: Final = 1e-9
"""How far, in halves of a pixel, a coordinate may lie from one and still be meant to be it."""


class GeometryError(ValueError):
    """Something that cannot be drawn; the message says what was found and what was expected."""


class Nodes(NamedTuple):
    """The nodes of a skeleton's template: their names by id, in order, and their ids by name."""

    names: Mapping[str, str]
    ids: Mapping[str, str]


NO_NODES = Nodes({}, {})


class Drawn(NamedTuple):
    """What reading and drawing need to know beside the geometry: height and width of the image, and nodes."""

    height: int
    width: int
    nodes: Nodes = NO_NODES


def kind_of(label: Mapping[str, Any], shape: str | None = None) -> str:
    """Return the name of a label's geometry; `shape` is that of its class, for labels that do not say it."""
    return str(label.get("geometryType") or label.get("shape") or shape or "")


# ---- reading --------------------------------------------------------------------------------------------


def read_geometry(kind: str, label: Mapping[str, Any], place: Drawn) -> Geometry | None:
    """Return the geometry of a label, or None for one that the label model does not draw.

    That is one of another kind, and a polygon with fewer than three corners. Raises GeometryError for JSON
    that is not of its kind, and MaskError.
    """
    read = _READ.get(kind)
    if read is None:
        return None
    try:
        return read(label, place)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        if isinstance(error, GeometryError) or kind == "alpha_mask":
            raise
        raise undrawn(kind, label) from error


def undrawn(kind: str, label: Mapping[str, Any]) -> GeometryError:
    """Return the error for a label whose keys do not draw what it is said to be."""
    keys = GEOMETRY_KEYS[kind]
    shown = str({key: label.get(key) for key in keys if key in label})[:80]
    return GeometryError(f"{keys[0]!r} of a {kind}: found {shown}, expected its coordinates")


def _box(label: Mapping[str, Any], _: Drawn) -> Box:
    return Box(*_corners(label["points"]["exterior"]))


def _rotated(label: Mapping[str, Any], _: Drawn) -> RotatedBox:
    angle = label["angle"]
    return RotatedBox(*_corners(label["points"]), degrees(0 if angle is None else _number(angle)))


def _corners(points: JsonValue) -> tuple[float, float, float, float]:
    """The left, top, width and height of a box of two opposite corners, in any order."""
    (one_x, one_y), (other_x, other_y) = points
    if not _NUMBERS.issuperset((type(one_x), type(one_y), type(other_x), type(other_y))):
        raise GeometryError(f"corners of a box: found {str(points)[:80]}, expected two points of numbers")
    _finite((one_x, one_y, other_x, other_y))
    left, right = (one_x, other_x) if one_x <= other_x else (other_x, one_x)
    top, bottom = (one_y, other_y) if one_y <= other_y else (other_y, one_y)
    return left, top, right - left, bottom - top


def _points(points: JsonValue) -> Ring:
    found = tuple(map(tuple, points))
    flat = list(map(type, chain.from_iterable(found)))
    if not _NUMBERS.issuperset(flat) or len(flat) != 2 * len(found) or any(len(one) != 2 for one in found):  # noqa: PLR2004
        raise GeometryError(f"points: found {str(points)[:80]}, expected a list of [x, y]")
    _finite(chain.from_iterable(found))
    return found


def _rings(found: Mapping[str, Any]) -> tuple[Ring, ...]:
    rings = (found["exterior"], *(found.get("interior") or ()))
    return tuple(map(_ring, rings))


def _ring(points: JsonValue) -> Ring:
    ring = _points(points)
    return ring[:-1] if len(ring) > _FEWEST and ring[0] == ring[-1] else ring


def _polygon(label: Mapping[str, Any], _: Drawn) -> Polygon | None:
    return _whole((_rings(label["points"]),))


def _multipolygon(label: Mapping[str, Any], _: Drawn) -> Polygon | None:
    held = label["parts"] if "parts" in label else label["geometry"]["parts"]
    return _whole(tuple(map(_rings, held)))


def _whole(parts: tuple[tuple[Ring, ...], ...]) -> Polygon | None:
    if not parts or any(len(ring) < _FEWEST for part in parts for ring in part):
        return None
    return Polygon(parts)


def _line(label: Mapping[str, Any], _: Drawn) -> Polyline | None:
    points = _points(label["points"]["exterior"])
    return Polyline(points) if points else None


def _point(label: Mapping[str, Any], _: Drawn) -> Point:
    (point,) = _points(label["points"]["exterior"])
    return Point(*point)


def _bitmap(label: Mapping[str, Any], place: Drawn) -> EncodedMask:
    return EncodedMask(place.height, place.width, MASK_CODEC, bitmap_text(label["bitmap"]))


def bitmap_text(bitmap: Mapping[str, Any]) -> str:
    """Return the bitmap of a label as the text that a mask is kept in."""
    if len(bitmap) == 2 and type(bitmap["data"]) is str:  # noqa: PLR2004
        x, y = bitmap["origin"]
        if type(x) is int and type(y) is int and bitmap["data"].isascii() and '"' not in bitmap["data"]:
            return f'{{"origin":[{x},{y}],"data":"{bitmap["data"]}"}}'
    return msgspec.json.encode(bitmap).decode()


def _alpha(label: Mapping[str, Any], place: Drawn) -> AlphaMask:
    bitmap = label.get("bitmap")
    if not isinstance(bitmap, Mapping):
        raise GeometryError("the bitmap of an alpha mask did not come with it")
    return bitmap_png.decode_alpha(bitmap_text(bitmap), place.height, place.width)


def _skeleton(label: Mapping[str, Any], place: Drawn) -> Skeleton:
    left = dict(label["nodes"])
    nodes = []
    for number, name in place.nodes.names.items():
        found = left.pop(number, None)
        nodes.append(Node(name, 0.0, 0.0, Visibility.INVISIBLE) if found is None else _node(name, found))
    nodes.extend(_node(str(name), found) for name, found in left.items())
    return Skeleton(tuple(nodes))


def _node(name: str, found: Mapping[str, Any]) -> Node:
    x, y = found["loc"]
    seen = Visibility.OCCLUDED if found.get("disabled") else Visibility.VISIBLE
    return Node(name, _number(x), _number(y), seen)


def _cuboid(label: Mapping[str, Any], _: Drawn) -> Cuboid2D:
    found = label["vertices"] if "vertices" in label else label["nodes"]
    points = _points([found[name]["loc"] for name in VERTICES])
    return Cuboid2D(points[:_CORNERS], points[_CORNERS:])


def _number(value: JsonValue) -> float:
    if type(value) not in _NUMBERS:
        raise GeometryError(f"found {str(value)[:60]}, expected a number")
    _finite((value,))
    return value  # type: ignore[no-any-return] # a number, as was just seen


_READ: Final[dict[str, Callable[[Mapping[str, Any], Drawn], Geometry | None]]] = {
    "rectangle": _box,
    "oriented_bbox": _rotated,
    "polygon": _polygon,
    MULTIPOLYGON: _multipolygon,
    "line": _line,
    "point": _point,
    "bitmap": _bitmap,
    "alpha_mask": _alpha,
    "graph": _skeleton,
    "cuboid_2d": _cuboid,
}
assert _READ.keys() == SHAPES.keys() == GEOMETRY_KEYS.keys()  # noqa: S101 - of this program, not of its input


# ---- writing --------------------------------------------------------------------------------------------


def geometry_json(  # noqa: C901, PLR0911 - a table
    geometry: Geometry, kind: str, place: Drawn, raw: Mapping[str, Any] | None = None
) -> Json:
    """Return the keys of a label that draw a geometry, which is of the shape that `kind` is for.

    `raw` is the label that it came with, if one did: nodes keep what else is said of them. Raises
    GeometryError, and MaskError.
    """
    match geometry:
        case Box():
            return {"points": {"exterior": _two_corners(geometry), "interior": []}}
        case RotatedBox():
            return {"points": _two_corners(geometry), "angle": radians(_finite((geometry.angle,))[0])}
        case Polygon() if kind == MULTIPOLYGON:
            return {"parts": [_part_json(part) for part in geometry.parts]}
        case Polygon():
            return {"points": _part_json(geometry.parts[0])}
        case Polyline():
            return {"points": {"exterior": _pairs(geometry.points), "interior": []}}
        case Point():
            return {"points": {"exterior": _pairs([(geometry.x, geometry.y)]), "interior": []}}
        case EncodedMask():
            return {"bitmap": _mask_json(geometry, place)}
        case AlphaMask():
            return {"bitmap": _alpha_json(geometry, place)}
        case Skeleton():
            return {"nodes": _nodes_json(geometry, place.nodes, (raw or {}).get("nodes"))}
        case Cuboid2D():
            return {"vertices": _vertices_json(geometry, (raw or {}).get("vertices"))}
        case _:
            raise GeometryError(f"a {kind} cannot be drawn as {type(geometry).__name__}")


def _two_corners(box: Box | RotatedBox) -> list[list[float]]:
    x, y, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    if not isfinite(x + y + right + bottom):  # quicker than asking each, and right wherever it says yes
        _finite((x, y, right, bottom))
    if x % 0.5 or y % 0.5 or right % 0.5 or bottom % 0.5:
        return [[_tidy(x), _tidy(y)], [_tidy(right), _tidy(bottom)]]
    return [[x, y], [right, bottom]]


def _pairs(points: Iterable[Sequence[float]]) -> list[list[float]]:
    found = [list(point) for point in points]
    _finite(chain.from_iterable(found))
    return [[_tidy(x), _tidy(y)] for x, y in found]


def _tidy(value: float) -> float:
    """Return a coordinate that rounding left just beside the edge or the middle of a pixel as that.

    Numbers that were fractions of the picture are. The vendor's tools cut off what is beyond the dot, and
    would put a point at 27.999999999999996 a whole pixel to the left.
    """
    whole = round(2 * value)
    return value if whole == 2 * value or abs(2 * value - whole) > _NOISE else whole / 2


def _finite(numbers: Iterable[float]) -> list[float]:
    """Return numbers as they are. Raises GeometryError, and OverflowError for one that no float can be."""
    found = list(numbers)
    if not all(map(isfinite, found)):
        wrong = next(one for one in found if not isfinite(one))
        raise GeometryError(f"found {wrong}, expected finite numbers")
    return found


def _part_json(part: Sequence[Ring]) -> Json:
    for ring in part:
        if len(ring) < _FEWEST:
            raise GeometryError(f"a ring of a polygon has {len(ring)} corners, expected at least 3")
    return {"exterior": _pairs(part[0]), "interior": [_pairs(ring) for ring in part[1:]]}


def _mask_json(mask: EncodedMask, place: Drawn) -> msgspec.Raw:
    _check_size(mask, place)
    return msgspec.Raw(mask.data if isinstance(mask.data, bytes) else mask.data.encode())


def _alpha_json(mask: AlphaMask, place: Drawn) -> msgspec.Raw:
    _check_size(mask, place)
    return msgspec.Raw(bitmap_png.encode_alpha(mask).encode())


def _check_size(mask: EncodedMask | AlphaMask, place: Drawn) -> None:
    if (mask.height, mask.width) != (place.height, place.width):
        found, image = f"{mask.width} x {mask.height}", f"{place.width} x {place.height}"
        message = f"its mask is of an image of {found} pixels (width x height)"
        raise GeometryError(f"{message}, and this image has {image}")


def _nodes_json(skeleton: Skeleton, nodes: Nodes, raw: JsonValue) -> Json:
    held = raw if isinstance(raw, Mapping) else {}
    found: Json = {}
    for node in skeleton.nodes:
        if node.visibility is Visibility.INVISIBLE:
            continue
        number = nodes.ids.get(node.name)
        if number is None:
            if nodes.ids:
                known = ", ".join(map(repr, nodes.ids))
                message = f"node {node.name!r} is not in the template of its class"
                raise GeometryError(f"{message} (it has {known}); rename it, or add it to the project")
            number = node.name
        one = {key: value for key, value in held.get(number, {}).items() if key not in ("loc", "disabled")}
        one = {"loc": list(map(_tidy, _finite((node.x, node.y)))), **one}
        if node.visibility is Visibility.OCCLUDED:
            one["disabled"] = True
        found[number] = one
    return found


def _vertices_json(cuboid: Cuboid2D, raw: JsonValue) -> Json:
    points = _pairs((*cuboid.front, *cuboid.back))
    if len(cuboid.front) != _CORNERS or len(points) != len(VERTICES):
        raise GeometryError(f"its faces have {len(cuboid.front)} and {len(cuboid.back)} corners, expected 4")
    held = raw if isinstance(raw, Mapping) else {}
    return {name: {**held.get(name, {}), "loc": point} for name, point in zip(VERTICES, points, strict=True)}

"""Annotations on disk, whose coordinates are indices of pixels, to those of the wire, and back.

On disk the right and bottom sides of a box are of the last pixel inside, so they are 1 less than on the wire;
all other points are in the middle of a pixel on the wire, so they are 0.5 less on disk. Bitmaps are the same
in both, and so are the corners of cuboids in the image and all that the label model does not draw: the
supervisely SDK moves none of them.

That SDK rounds to whole pixels on the way to the disk, and when it reads a file, it cuts off what is beyond
the middle of the outermost pixels, or drops the label. So points within half a pixel of the edge are drawn
in, and boxes are at least a pixel wide. Where that changes something, the label has what it was under
`subpixel`, and gets it back as long as nobody edited the file.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from pipeline.platforms.supervisely.convert.geometry import (
    GEOMETRY_KEYS,
    GeometryError,
    kind_of,
    undrawn,
)
from pipeline.platforms.supervisely.convert.project import json_of
from pipeline.platforms.supervisely.wire import MULTIPOLYGON, Json, JsonValue, is_size

SUBPIXEL: Final = "subpixel"
"""The key of a label on disk that has its drawing as on the wire, where the one for files is coarser."""

_HALF: Final = 0.5
_EXACT: Final = 1024.0  # a multiple of a 1024th of a pixel is moved without rounding
_POINTS: Final = frozenset({"polygon", "line", "point"})


class _Way(NamedTuple):
    """To the wire (1) or to a file (-1) of an image of this width and height, None where not known.

    0 is to a file too, for points that are the same there.
    """

    sign: int
    width: float | None = None
    height: float | None = None


_TO_WIRE: Final = _Way(1)


def to_file(annotation: Json) -> Json:
    """Return an annotation of the wire as it is kept on disk. What is given is not changed."""
    way = _way(annotation)
    return {**annotation, "objects": [_to_file(one, way) for one in annotation.get("objects") or ()]}


def from_file(annotation: Json) -> Json:
    """Return an annotation of a file as it is on the wire. What is given is not changed.

    Raises GeometryError for JSON that is no annotation.
    """
    way = _way(annotation)
    labels = annotation.get("objects") or []
    if not isinstance(labels, list):
        raise GeometryError(f"'objects': found {labels!r:.80}, expected a list of labels")
    return {**annotation, "objects": [_checked(at, one, way) for at, one in enumerate(labels)]}


def _way(annotation: Json) -> _Way:
    """To a file of an image of the size that an annotation says, as far as it makes sense."""
    size = json_of(annotation.get("size"))
    width, height = (value if is_size(value) else None for value in (size.get("width"), size.get("height")))
    return _Way(-1, width, height)


def _to_file(label: Json, way: _Way) -> Json:
    moved = _moved(label, way)
    if _moved(moved, _TO_WIRE) == label:
        return moved
    keys = GEOMETRY_KEYS[kind_of(label)]
    return {**moved, SUBPIXEL: {key: label[key] for key in keys if key in label}}


def _checked(at: int, label: JsonValue, way: _Way) -> Json:
    if not isinstance(label, Mapping):
        raise GeometryError(f"label {at}: found {label!r:.80}, expected a label")
    try:
        return _from_file({**label}, way)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        message = f"label {label.get('id', at)}: {undrawn(kind_of(label), label)}"
        raise GeometryError(message) from error


def _from_file(label: Json, way: _Way) -> Json:
    if SUBPIXEL not in label:
        return _moved(label, _TO_WIRE)
    bare = {key: value for key, value in label.items() if key != SUBPIXEL}
    whole = {**bare, **json_of(label[SUBPIXEL])}
    return whole if _moved(whole, way) == bare else _moved(bare, _TO_WIRE)


def _moved(label: Json, way: _Way) -> Json:
    kind = kind_of(label)
    if kind == "oriented_bbox":
        return {**label, "points": _box(label["points"], way)}
    if kind == "rectangle":
        return {**label, "points": {**label["points"], "exterior": _box(label["points"]["exterior"], way)}}
    if kind in _POINTS:
        return {**label, "points": _rings(label["points"], way)}
    if kind == MULTIPOLYGON:
        return {**label, "parts": [_rings(part, way) for part in label["parts"]]}
    return {**label, **_with_nodes(kind, label, way)}


def _with_nodes(kind: str, label: Json, way: _Way) -> Json:
    """The nodes of a skeleton, and the corners of a cuboid, of which only those at the edge are moved."""
    if kind == "cuboid_2d" and "vertices" in label:
        return {} if way.sign > 0 else {"vertices": _nodes(label["vertices"], way._replace(sign=0))}
    if kind in GEOMETRY_KEYS and isinstance(label.get("nodes"), Mapping):
        return {"nodes": _nodes(label["nodes"], way)}
    return {}


def _nodes(nodes: Mapping[str, Json], way: _Way) -> Json:
    return {key: {**node, "loc": _point(node["loc"], way)} for key, node in nodes.items()}


def _rings(found: Json, way: _Way) -> Json:
    moved = {**found, "exterior": [_point(one, way) for one in found["exterior"]]}
    if "interior" in found:
        moved["interior"] = [[_point(one, way) for one in ring] for ring in found["interior"] or ()]
    return moved


def _point(point: JsonValue, way: _Way) -> list[float]:
    x, y = point
    return [_middle(x, way.sign, way.width), _middle(y, way.sign, way.height)]


def _middle(value: float, sign: int, size: float | None) -> float:
    """The coordinate of a point half a pixel on; one in the image stays between its outermost pixels."""
    if sign > 0:
        return _tidy(_sum(value, _HALF))
    moved = _tidy(_sum(value, -_HALF)) if sign else value
    if value >= 0 and moved < 0:
        return 0
    return size - 1 if size is not None and size - 1 < moved and value <= size else moved


def _tidy(value: float) -> float:
    return int(value) if value.is_integer() else value


def _sum(value: float, by: float) -> float:
    """The sum as if both were decimal numbers, so that the way back ends where it began."""
    if type(value) is int or (value * _EXACT).is_integer():
        return float(value + by)
    return float(Decimal(repr(float(value))) + Decimal(by))


def _box(corners: JsonValue, way: _Way) -> list[list[float]]:
    (one_x, one_y), (other_x, other_y) = corners
    one_x, other_x = _sides(one_x, other_x, way.sign)
    one_y, other_y = _sides(one_y, other_y, way.sign)
    return [[one_x, one_y], [other_x, other_y]]


def _sides(one: float, other: float, sign: int) -> tuple[float, float]:
    """Two opposite sides, of which the right or lower one is moved, but not beyond the other."""
    if one > other:
        return max(other, _whole(one, sign)), other
    return one, max(one, _whole(other, sign))


def _whole(value: float, sign: int) -> float:
    return value + sign if type(value) is int else _sum(value, sign)

"""Geometries on the wire: what keys they have, whether they are one, and their bounds.

Points are [x, y] in pixels, continuous; the numbers stay as they came.
"""

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from pipeline.platforms.supervisely.stand_in.answers import Json, invalid

KEYS = frozenset(
    {
        "points",
        "bitmap",
        "nodes",
        "vertices",
        "parts",
        "angle",
        "faces",
        "position",
        "rotation",
        "dimensions",
        "face",
    }
)
"""Keys of a label that are its geometry."""
APART = frozenset({"multipolygon", "alpha_mask"})
"""Geometries that no annotation may hold when it is written."""
_SOME_BASE64 = 512
"""As much of a bitmap as surely holds the head of its picture: 384 bytes. What zlib says of itself and of its
codes takes at most 289, and 29 bytes at 15 bits each take 55."""
_MOST_HEAD = 29
_NUMBERS = int, float
_LINE_POINTS, _RING_POINTS, _CUBOID_POINTS = 2, 3, 7
_VERTICES = {
    f"face{face}-{corner}"
    for face in (1, 2)
    for corner in ("topleft", "topright", "bottomright", "bottomleft")
}

Size = tuple[int, int] | None
"""Width and height of the image; None: they are not known, or may be exceeded."""
Where = Callable[[], str]
"""Says where a label is, for a refusal."""


def geometry_of(kind: str, label: Json) -> Json:
    """Return the keys of a label of this kind that are its geometry."""
    return {key: value for key, value in label.items() if key in KEYS or key == kind}


def check(kind: str, geometry: Json, size: Size, template: Json, where: Where) -> None:
    """Check a geometry. `template` is what its class says of the geometry.

    Raises:
        Refused: it is none of its kind, or outside the image.
    """
    test = _TESTS.get(kind)
    try:
        if kind == "graph" and (unknown := geometry["nodes"].keys() - (template.get("nodes") or {}).keys()):
            raise invalid(f'"{where()}.nodes": the template of its class has no "{min(unknown)}"')
        found = None if test is None else test(geometry)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise invalid(f'"{where()}" is no {kind}: {error}') from error
    if size is not None and found is not None:
        left, top, right, bottom = found
        if left < 0 or top < 0 or right > size[0] or bottom > size[1]:
            raise invalid(f'"{where()}" is out of the image of {size[0]} x {size[1]}: {list(found)}')


def bounds(kind: str, geometry: Json) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom of a geometry that was checked, or None for a solid one."""
    test = _TESTS.get(kind)
    return None if test is None else test(geometry)


def floored(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return points in whole pixels, as the service gives them where they are not asked for otherwise."""
    if isinstance(value, float):
        return math.floor(value)
    if isinstance(value, list):
        return [floored(item) for item in value]
    if isinstance(value, dict):
        return {key: floored(item) for key, item in value.items()}
    return value


def whole(label: Json) -> Json:
    """Return a label with its points in whole pixels."""
    changed: Json = {
        key: floored(label[key]) for key in ("points", "nodes", "vertices", "parts") if key in label
    }
    return {**label, **changed} if changed else label


Bounds = tuple[float, float, float, float]


def _around(points: Iterable[Any]) -> Bounds:
    xs, ys = zip(*(_point(point) for point in points), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _point(value: Any) -> tuple[float, float]:  # noqa: ANN401 - JSON
    x, y = value
    if isinstance(x, bool) or isinstance(y, bool) or not isinstance(x + y, _NUMBERS):
        raise TypeError(f"{value} is no point")
    return x, y


def _least(points: list[Any], least: int) -> list[Any]:
    if not isinstance(points, list) or len(points) < least:
        raise ValueError(f"at least {least} points are needed")
    return points


def _rectangle(geometry: Json) -> Bounds:
    return _corners(geometry["points"]["exterior"])


def _corners(points: list[Any]) -> Bounds:
    first, last = points
    (left, top), (right, bottom) = _point(first), _point(last)
    if left > right or top > bottom:
        raise ValueError("its first point is not the upper left one")
    return left, top, right, bottom


def _oriented(geometry: Json) -> None:
    _corners(geometry["points"])
    math.isfinite(geometry["angle"])


def _polygon(geometry: Json) -> Bounds:
    return _rings(geometry["points"])


def _rings(points: Json) -> Bounds:
    for ring in points.get("interior", []):
        _around(_least(ring, _RING_POINTS))
    return _around(_least(points["exterior"], _RING_POINTS))


def _parts(geometry: Json) -> Bounds:
    found = [_rings(part) for part in geometry["parts"]]
    return (
        min(left for left, _, _, _ in found),
        min(top for _, top, _, _ in found),
        max(right for _, _, right, _ in found),
        max(bottom for _, _, _, bottom in found),
    )


def _line(geometry: Json) -> Bounds:
    return _around(_least(geometry["points"]["exterior"], _LINE_POINTS))


def _dot(geometry: Json) -> Bounds:
    (point,) = geometry["points"]["exterior"]
    return _around([point])


def _graph(geometry: Json) -> Bounds:
    return _around(node["loc"] for node in geometry["nodes"].values())


def _cuboid(geometry: Json) -> Bounds:
    if len(geometry["points"]) != _CUBOID_POINTS or not geometry["faces"]:
        raise ValueError(f"it has {_CUBOID_POINTS} points and faces")
    return _around(geometry["points"])


def _cuboid_2d(geometry: Json) -> None:
    # Its vertices may lie outside of the image: what is seen of it does not.
    if geometry["vertices"].keys() != _VERTICES:
        raise ValueError(f"its vertices are {sorted(_VERTICES)}")
    _around(vertex["loc"] for vertex in geometry["vertices"].values())


def _bitmap(geometry: Json) -> Bounds:
    return bitmap_bounds(geometry["bitmap"])


def bitmap_bounds(bitmap: Json) -> Bounds:
    """Return the bounds of a crop, from the head of its picture.

    Raises:
        ValueError: it holds no picture.
    """
    x, y = bitmap["origin"]
    if not isinstance(x, int) or not isinstance(y, int):
        raise TypeError("its origin is not in whole pixels")
    try:
        packed = base64.b64decode(bitmap["data"][:_SOME_BASE64], validate=True)
        head = zlib.decompressobj().decompress(packed, _MOST_HEAD)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"its data are not base64 of zlib: {error}") from error
    if not head.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("its data are no PNG")
    width, height = struct.unpack_from(">II", head, 16)
    return x, y, x + width, y + height


_TESTS: dict[str, Callable[[Json], Bounds | None]] = {
    "rectangle": _rectangle,
    "oriented_bbox": _oriented,
    "polygon": _polygon,
    "multipolygon": _parts,
    "line": _line,
    "point": _dot,
    "graph": _graph,
    "cuboid": _cuboid,
    "cuboid_2d": _cuboid_2d,
    "bitmap": _bitmap,
}

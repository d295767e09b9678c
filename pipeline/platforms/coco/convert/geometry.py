"""COCO's geometry to the model's and back.

Everything is in continuous pixels on both sides. ValueError (MaskError is one) says what is wrong.
"""

from collections.abc import Sequence
from itertools import chain
from math import isfinite
from typing import Any

from pipeline.core.codecs import as_mask, coco_rle
from pipeline.core.geometry import Box, Geometry, Node, Polygon, Ring, Skeleton, Visibility
from pipeline.core.instances import Instance
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.polygons import fill
from pipeline.platforms.coco.wire import TIGHT, Json

_NUMBERS = frozenset({int, float})
_SEEN = {0: Visibility.INVISIBLE, 1: Visibility.OCCLUDED, 2: Visibility.VISIBLE}
_FLAGS = {seen: flag for flag, seen in _SEEN.items()}
_FEWEST = 3
_SIDES = 4

CODEC = "coco_rle"


def numbers(value: Any, what: str) -> list[float]:  # noqa: ANN401 - any JSON value
    """Return a flat list of numbers as it came. Raises ValueError for anything else."""
    if not isinstance(value, list) or not _NUMBERS.issuperset(map(type, value)):
        raise ValueError(f"{what} is not a flat list of numbers")
    return value


def read_box(value: Any) -> Box:  # noqa: ANN401 - any JSON value
    """Return the box of a `bbox`."""
    found = numbers(value, "bbox")
    if len(found) != _SIDES:
        raise ValueError(f"bbox has {len(found)} numbers; expected 4: x, y, width, height")
    return Box(*found)


def read_polygon(value: Any) -> Polygon:  # noqa: ANN401 - any JSON value
    """Return the polygon of a list of flat rings: every ring is a part of its own; COCO has no holes."""
    if not isinstance(value, list) or not value:
        raise ValueError("segmentation is not a list of polygons")
    return Polygon(tuple((_ring(ring),) for ring in value))


def _ring(value: Any) -> Ring:  # noqa: ANN401 - any JSON value
    flat = numbers(value, "a polygon of the segmentation")
    points = tuple(zip(flat[::2], flat[1::2], strict=False))
    if len(flat) % 2:
        raise ValueError(f"a polygon of the segmentation has {len(flat)} numbers; expected pairs of x and y")
    if points and points[0] == points[-1]:
        points = points[:-1]
    if len(points) < _FEWEST:
        raise ValueError(f"a polygon of the segmentation has {len(points)} points; expected at least 3")
    return points


def rle_size(value: Json) -> tuple[int, int]:
    """Return (height, width) of a run-length segmentation."""
    size = value.get("size")
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int for side in size):  # noqa: PLR2004
        raise ValueError(f"size of the segmentation is {size!r}; expected [height, width]")
    return size[0], size[1]


def read_mask(value: Json) -> Mask:
    """Return the mask of a run-length segmentation, compressed or not."""
    height, width = rle_size(value)
    counts = value.get("counts")
    if not isinstance(counts, str | list):
        raise ValueError("counts of the segmentation are neither text nor a list")  # noqa: TRY004 - of a file
    return coco_rle.decode(counts, height, width)


def read_skeleton(value: Any, names: Sequence[str]) -> Skeleton:  # noqa: ANN401 - any JSON value
    """Return the skeleton of a flat list x, y, v; there must be one triple for each name."""
    flat = numbers(value, "keypoints")
    if len(flat) != 3 * len(names):
        raise ValueError(
            f"keypoints has {len(flat)} numbers; expected {3 * len(names)}: x, y, v for each of "
            f"{len(names)} points of its category"
        )
    wrong = next((flag for flag in flat[2::3] if flag not in _SEEN), None)
    if wrong is not None:
        raise ValueError(f"keypoints has a visibility of {wrong}; expected 0, 1 or 2")
    triples = zip(names, flat[::3], flat[1::3], flat[2::3], strict=True)
    return Skeleton(tuple(Node(name, x, y, _SEEN[int(flag)]) for name, x, y, flag in triples))


def states_points(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether `keypoints` says anything: COCO writes zeros where nobody looked for them."""
    return isinstance(value, list) and any(value)


def is_tight(box: Any, segmentation: Any) -> bool:  # noqa: ANN401 - any JSON values
    """Whether a `bbox` only repeats what the segmentation says.

    That is the bounds of its polygons within 0.01 px, or the box of its mask's pixels.
    """
    if not isinstance(box, list) or len(box) != _SIDES or not segmentation:
        return False
    try:
        if isinstance(segmentation, dict):
            return bool(box == list(read_mask(segmentation).box or (0, 0, 0, 0)))
        left, top, right, bottom = _bounds(segmentation)
        x, y, width, height = box
        apart = abs(x - left), abs(y - top), abs(width - right + left), abs(height - bottom + top)
        return bool(max(apart) <= TIGHT)
    except (ValueError, TypeError, IndexError):
        return False


def _bounds(rings: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    xs = [ring[::2] for ring in rings]
    ys = [ring[1::2] for ring in rings]
    return min(map(min, xs)), min(map(min, ys)), max(map(max, xs)), max(map(max, ys))


# ---- the way out ----------------------------------------------------------------------------------------


def write_box(box: Box) -> list[float]:
    """Return the `bbox` of a box. Raises ValueError for a number that is not finite."""
    return finite([box.x, box.y, box.width, box.height])


def write_polygon(polygon: Polygon) -> list[list[float]]:
    """Return the flat rings of a polygon without holes, and its numbers as they are."""
    return [finite(list(chain.from_iterable(part[0]))) for part in polygon.parts]


def write_mask(mask: Mask | EncodedMask) -> Json:
    """Return a compressed run-length segmentation."""
    if isinstance(mask, Mask):
        counts: str | bytes = coco_rle.encode(mask)
    elif mask.codec == CODEC:
        counts = mask.data
    else:
        raise ValueError(f"a mask in the notation {mask.codec!r}; expected {CODEC!r}")
    return {
        "size": [mask.height, mask.width],
        "counts": counts if isinstance(counts, str) else counts.decode(),
    }


def has_holes(geometry: Geometry) -> bool:
    """Whether it is a polygon with a hole."""
    return isinstance(geometry, Polygon) and any(len(part) > 1 for part in geometry.parts)


def write_segmentation(geometry: Geometry, size: tuple[int, int] | None) -> list[list[float]] | Json:
    """Return the segmentation of a polygon or mask; holes need the (height, width) of the image."""
    if isinstance(geometry, Raster | Instance):
        return write_mask(as_mask(geometry))
    if isinstance(geometry, Mask | EncodedMask):
        return write_mask(geometry)
    if not isinstance(geometry, Polygon):
        raise TypeError(f"a {type(geometry).__name__} is no segmentation")
    if not has_holes(geometry):
        return write_polygon(geometry)
    if size is None:
        raise ValueError("a polygon with holes is written as a mask, and the size of the image is not known")
    return write_mask(fill(geometry.parts, *size))


def write_skeleton(skeleton: Skeleton) -> list[float]:
    """Return flat x, y, v of every node, in order."""
    return finite([value for node in skeleton.nodes for value in (node.x, node.y, _FLAGS[node.visibility])])


def labelled(keypoints: Sequence[float]) -> int:
    """Return `num_keypoints`: how many of them have a visibility above 0."""
    return sum(1 for flag in keypoints[2::3] if flag)


def box_of(segmentation: list[list[float]] | Json) -> list[float]:
    """Return the tight `bbox` of a segmentation."""
    if isinstance(segmentation, dict):
        return list(read_mask(segmentation).box or (0, 0, 0, 0))
    left, top, right, bottom = _bounds(segmentation)
    return [left, top, right - left, bottom - top]


def area_of(segmentation: list[list[float]] | Json) -> float:
    """Return the `area` of a segmentation, in square pixels; parts of a polygon add up."""
    if isinstance(segmentation, dict):
        return read_mask(segmentation).area
    return sum(_ring_area(ring) for ring in segmentation)


def _ring_area(ring: Sequence[float]) -> float:
    points = list(zip(ring[::2], ring[1::2], strict=True))
    turns = (a[0] * b[1] - b[0] * a[1] for a, b in zip(points, points[1:] + points[:1], strict=True))
    return abs(sum(turns)) / 2


def finite(values: list[float]) -> list[float]:
    """Return the numbers. Raises ValueError for one that is not finite: JSON has no such number."""
    wrong = next((value for value in values if not isfinite(value)), None)
    if wrong is not None:
        raise ValueError(f"a coordinate is {wrong}; expected a finite number")
    return values

"""Polygons to masks, masks to polygons, and clipping, in continuous pixel coordinates.

A ring is a sequence of (x, y), not closed. A part is an outer ring and its holes. Pixel (0, 0) covers [0, 1)
x [0, 1).
"""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core import toggles as tg
from pipeline.core.masks import Mask, MaskError, check_size
from pipeline.core.outlines import outlines

Point: TypeAlias = tuple[float, float]
Ring: TypeAlias = tuple[Point, ...]
Part: TypeAlias = tuple[Ring, ...]
Parts: TypeAlias = tuple[Part, ...]
Floats: TypeAlias = NDArray[np.float64]

# Beyond it float64 is coarser than 1e-6 px.
_FAR = 1e9
_FEWEST_POINTS = 3


def fill(parts: Sequence[Sequence[Sequence[Sequence[float]]]], height: int, width: int) -> Mask:
    """The height x width mask of the pixels whose centre (column + 0.5, row + 0.5) is inside.

    Inside a part is even-odd over all its rings, so a hole takes away and a ring that crosses itself
    alternates. The mask is the union of the parts, clipped to the image. A centre exactly on an edge belongs
    to the area to the right of the edge, or below it where the edge is level, so polygons with a common edge
    share no pixel and leave none out. Rings of fewer than 3 points cover nothing. Raises `MaskError` for a
    coordinate that is not finite or beyond 1e9, and for more than `MAX_PIXELS` pixels.
    """
    check_size(height, width)
    x0, y0, x1, y1, part = _edges(parts)
    # An edge crosses the centre lines of rows first <= row < last; one that lies level crosses none.
    first = np.clip(np.ceil(y0 - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(y1 - 0.5), 0, height).astype(np.int64)
    edge, step = tg.spread(np.maximum(last - first, 0))
    row = first[edge] + step
    slope = (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    x = x0[edge] + (row + 0.5 - y0[edge]) * slope
    column = np.ceil(np.clip(x, 0, width) - 0.5).astype(np.int64)
    span = height * (width + 1)
    keys = part[edge] * span + row * (width + 1) + column
    keys.sort()
    keys = tg.odd_ones(keys) % span
    return Mask(height, width, tg.of_row_keys(tg.joined(keys[0::2], keys[1::2]), width))


def _edges(parts: Sequence[Sequence[Sequence[Sequence[float]]]]) -> tuple[Any, ...]:
    """The edges' x0, y0, x1, y1 and part.

    The upper end comes first, so that an edge that two rings have in common is the same in both.
    """
    rings = [(ring, index) for index, part in enumerate(parts) for ring in part if len(ring)]
    lengths = np.array([len(ring) for ring, _ in rings], np.int64)
    start = _points([ring for ring, _ in rings], int(lengths.sum()))
    ends = np.cumsum(lengths)
    after = np.arange(1, len(start) + 1)
    after[ends - 1] = ends - lengths
    end = start[after]
    down = (start[:, 1] < end[:, 1])[:, None]
    upper, lower = np.where(down, start, end), np.where(down, end, start)
    part = np.repeat(np.array([index for _, index in rings], np.int64), lengths)
    return upper[:, 0], upper[:, 1], lower[:, 0], lower[:, 1], part


def _points(rings: Sequence[Sequence[Sequence[float]]], count: int) -> Floats:
    flat = np.fromiter(chain.from_iterable(chain.from_iterable(rings)), np.float64)
    if flat.size != 2 * count:
        raise MaskError(f"polygon has {flat.size} coordinates in {count} points; expected points of (x, y)")
    points = flat.reshape(count, 2)
    wrong = ~(np.abs(points) <= _FAR).all(axis=1)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise MaskError(
            f"polygon point {place} is {tuple(points[place].tolist())}; expected numbers within 1e9 px"
        )
    return points


def trace(mask: Mask, tolerance: float = 0.0) -> Parts:
    """The mask's outlines along pixel edges: one part per 4-connected area, its holes after its outer ring.

    Outer rings run clockwise on the screen, holes counter-clockwise; points are where the outline turns. With
    tolerance 0 `fill` gives the mask back exactly. With a tolerance above 0 each ring is thinned by
    Douglas-Peucker to within that many pixels; a ring that would keep fewer than 3 points stays as it is.
    Thinned rings may touch or cross each other.
    """
    if not mask.toggles.size:
        return ()
    rings, outer = outlines(mask)
    parts: dict[int, list[Ring]] = {}
    for ring, number in zip(rings, outer, strict=True):
        points = (_thinned(ring, tolerance) if tolerance > 0 else ring).astype(np.float64)
        parts.setdefault(number, []).append(tuple(map(tuple, points.tolist())))
    return tuple(map(tuple, parts.values()))


def clip_parts(parts: Parts, width: float, height: float) -> Parts:
    """The polygons inside the closed rectangle from (0, 0) to (width, height).

    Each ring is clipped for itself (Sutherland-Hodgman). `fill` gives the same mask as before. A ring that is
    inside comes back as it is. A part whose outer ring is outside is dropped, and so is a hole. A ring that
    leaves the rectangle and comes back stays one ring: its pieces are joined by edges that run along the
    border, there and back, and enclose nothing; a ring that only goes round a corner outside can leave
    nothing but such edges.
    """
    clipped = (tuple(_clip_ring(ring, width, height) for ring in part) for part in parts)
    return tuple(tuple(ring for ring in part if ring) for part in clipped if part and part[0])


def clip_polyline(points: Ring, width: float, height: float) -> tuple[Ring, ...]:
    """The pieces of a polyline inside the closed rectangle from (0, 0) to (width, height), in order.

    A polyline that is inside comes back as it is. Where it only touches the border from outside, there is no
    piece.
    """
    if all(0 <= x <= width and 0 <= y <= height for x, y in points):
        return (tuple(points),) if points else ()
    pieces: list[list[Point]] = []
    joined = False
    for start, end in pairwise(points):
        seen = _seen(start, end, width, height)
        if seen is None:
            joined = False
            continue
        if joined:
            pieces[-1].append(seen[1])
        else:
            pieces.append(list(seen))
        joined = seen[1] == end
    return tuple(map(tuple, pieces))


def _thinned(ring: NDArray[np.int64], tolerance: float) -> NDArray[Any]:
    fewer = cv2.approxPolyDP(ring.astype(np.int32)[:, None], tolerance, closed=True)[:, 0]
    return fewer if len(fewer) >= _FEWEST_POINTS else ring


def _clip_ring(ring: Ring, width: float, height: float) -> Ring:
    """Empty if nothing is left, or only points of one level or upright line."""
    if all(0 <= x <= width and 0 <= y <= height for x, y in ring):
        return ring
    points = list(ring)
    for axis, limit, sign in ((0, 0.0, 1), (0, float(width), -1), (1, 0.0, 1), (1, float(height), -1)):
        points = _cut(points, axis, limit, sign)
    points = [
        point for before, point in zip(points[-1:] + points[:-1], points, strict=True) if point != before
    ]
    flat = len({x for x, _ in points}) < 2 or len({y for _, y in points}) < 2  # noqa: PLR2004
    return () if flat or len(points) < _FEWEST_POINTS else tuple(points)


def _cut(points: list[Point], axis: int, limit: float, sign: int) -> list[Point]:
    """The part of a ring where sign * (coordinate - limit) >= 0."""
    kept: list[Point] = []
    for before, point in zip(points[-1:] + points[:-1], points, strict=True):
        inside = sign * (point[axis] - limit) >= 0
        if inside != (sign * (before[axis] - limit) >= 0):
            # From the inner end, so that rings with a common edge get the same point.
            kept.append(
                _crossing(point, before, axis, limit) if inside else _crossing(before, point, axis, limit)
            )
        if inside:
            kept.append(point)
    return kept


def _crossing(start: Point, end: Point, axis: int, limit: float) -> Point:
    share = (limit - start[axis]) / (end[axis] - start[axis])
    other = start[1 - axis] + share * (end[1 - axis] - start[1 - axis])
    return (limit, other) if axis == 0 else (other, limit)


def _seen(start: Point, end: Point, width: float, height: float) -> tuple[Point, Point] | None:
    """The stretch of a segment inside the rectangle (Liang-Barsky); None if there is none or a mere point."""
    enter, leave = 0.0, 1.0
    for begin, step, limit in (
        (start[0], end[0] - start[0], width),
        (start[1], end[1] - start[1], height),
    ):
        if step:
            near, far = sorted((-begin / step, (limit - begin) / step))
            enter, leave = max(enter, near), min(leave, far)
        elif not 0 <= begin <= limit:
            return None
    if enter >= leave:
        return None
    return _at(start, end, enter, width, height), _at(start, end, leave, width, height)


def _at(start: Point, end: Point, share: float, width: float, height: float) -> Point:
    if share in (0.0, 1.0):
        return end if share else start
    x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
    return min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))

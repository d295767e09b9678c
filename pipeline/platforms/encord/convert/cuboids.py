"""Encord's two-dimensional cuboids: a front face, and a shift or a vanishing point to the back."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.geometry import XY, Cuboid2D
from pipeline.platforms.encord.wire import Json

_EXACT = 1e-6


def decode(found: Mapping[str, Any], width: float, height: float) -> Cuboid2D:
    """Return both faces in pixels. Raises KeyError, TypeError or IndexError for anything else."""
    flat = found["front"]
    front = tuple((flat[at] * width, flat[at + 1] * height) for at in range(0, len(flat), 2))
    if "offset" in found:
        dx, dy = found["offset"]["x"] * width, found["offset"]["y"] * height
        return Cuboid2D(front, tuple((x + dx, y + dy) for x, y in front))
    point, scale = found["vanishingPoint"], found["scaleRatio"]
    vx, vy = point["x"] * width, point["y"] * height
    return Cuboid2D(front, tuple((vx + scale * (x - vx), vy + scale * (y - vy)) for x, y in front))


def encode(cuboid: Cuboid2D, width: float, height: float) -> Json | None:
    """Return the cuboid as Encord writes it, or None where its back face fits neither form."""
    front, back = cuboid.front, cuboid.back
    if not front or len(front) != len(back):
        return None
    flat = [number for x, y in front for number in (x / width, y / height)]
    dx, dy = back[0][0] - front[0][0], back[0][1] - front[0][1]
    if _near(back, [(x + dx, y + dy) for x, y in front]):
        return {"front": flat, "offset": {"x": dx / width, "y": dy / height}}
    found = _perspective(front, back)
    if found is None:
        return None
    (vx, vy), scale = found
    return {"front": flat, "vanishingPoint": {"x": vx / width, "y": vy / height}, "scaleRatio": scale}


def _perspective(front: Sequence[XY], back: Sequence[XY]) -> tuple[XY, float] | None:
    """The vanishing point v and the scale s with back = v + s (front - v), if there are such."""
    pairs = [
        (a[axis] - front[0][axis], b[axis] - back[0][axis])
        for a, b in zip(front, back, strict=True)
        for axis in (0, 1)
    ]
    span, shrunk = max(pairs, key=lambda pair: abs(pair[0]))
    if span in (0, shrunk):
        return None
    scale = shrunk / span
    point = tuple((back[0][axis] - scale * front[0][axis]) / (1 - scale) for axis in (0, 1))
    vx, vy = point
    fits = _near(back, [(vx + scale * (x - vx), vy + scale * (y - vy)) for x, y in front])
    return ((vx, vy), scale) if fits else None


def _near(points: Sequence[XY], others: Sequence[XY]) -> bool:
    return all(
        abs(a - c) <= _EXACT and abs(b - d) <= _EXACT for (a, b), (c, d) in zip(points, others, strict=True)
    )

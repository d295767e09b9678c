"""Point-cloud segmentation: one number for each point of the cloud, 0 for none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.geometry import PointSet
from pipeline.core.instances import OnTop
from pipeline.platforms.segments.convert.noting import Reading
from pipeline.platforms.segments.wire import JsonValue

POINTS = "point_annotations"

Numbers = NDArray[np.int64]


def read_points(reading: Reading, found: JsonValue, where: str) -> Numbers:
    """Return the number of each point. RowError for anything but whole numbers from 0; 1.0 is a note."""
    if found is None:
        return np.zeros(0, np.int64)
    if not isinstance(found, list):
        raise reading.refuse(where, f"{POINTS}: found a {type(found).__name__}, expected a list of numbers")
    if not all(type(one) is int for one in found):
        found = [reading.number(one, where, f"{POINTS}[{at}]") for at, one in enumerate(found)]
    numbers = np.array(found, np.int64) if found else np.zeros(0, np.int64)
    if numbers.size and numbers.min() < 0:
        at = int(np.argmin(numbers))
        raise reading.refuse(where, f"{POINTS}[{at}]: found {numbers[at]}, expected 0 or more")
    return numbers


def split(numbers: Numbers) -> dict[int, tuple[int, ...]]:
    """Return the points of each number above 0, ascending, in one pass."""
    order = np.argsort(numbers, kind="stable")
    ranked = numbers[order]
    bounds = np.flatnonzero(ranked[1:] != ranked[:-1]) + 1
    parts = np.split(order, bounds) if numbers.size else []
    found = {int(numbers[part[0]]): tuple(part.tolist()) for part in parts}
    found.pop(0, None)
    return found


@dataclass(frozen=True, slots=True)
class Painted:
    """The numbers of all points of a frame, and how many points of each object others have."""

    points: list[int]
    hidden: Mapping[int, int] = field(default_factory=dict)


def paint(
    layers: Sequence[tuple[int, PointSet]], count: int, on_top: OnTop, strays: Mapping[str, Any]
) -> Painted:
    """Return the numbers of `count` points on which objects lie, each with its number.

    `strays` are points, by number, that no object has; they stay where no object is. Raises ValueError for
    points that the cloud does not have.
    """
    if on_top is OnTop.FIRST:
        layers = layers[::-1]
    elif on_top is OnTop.SMALLEST:
        layers = sorted(layers, key=lambda layer: -len(layer[1].indices))
    points = np.zeros(count, np.int64)
    for stray, indices in strays.items():
        points[[at for at in indices if at < count]] = int(stray)
    for number, layer in layers:
        at = np.array(layer.indices, np.int64)
        if at.size and not 0 <= at.min() <= at.max() < count:
            wrong = at.min() if at.min() < 0 else at.max()
            raise ValueError(f"point {wrong}: the cloud has the points 0 to {count - 1}")
        points[at] = number
    hidden = {number: len(set(layer.indices)) - int((points == number).sum()) for number, layer in layers}
    return Painted(points.tolist(), {number: lost for number, lost in hidden.items() if lost > 0})

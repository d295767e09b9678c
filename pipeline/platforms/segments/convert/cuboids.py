"""Cuboids: a yaw, or a quaternion where the dataset turns them about all axes."""

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from pipeline.core.geometry import XYZ, Cuboid
from pipeline.platforms.segments.convert.numeric import GeometryError, finite
from pipeline.platforms.segments.wire import Json, JsonValue

Quaternion: TypeAlias = tuple[float, float, float, float]

LEVEL = 1e-9
"""Radians between a cuboid's z axis and the world's below which it counts as upright."""

_UNIT = 1e-6


def read_cuboid(found: Mapping[str, Any]) -> Cuboid:
    """Return a cuboid: turned by its `rotation` where there is one, else by its `yaw`. Raises GeometryError.

    A rotation of another length than 1 is taken as it is; one of length 0 turns nothing and is an error.
    """
    centre, size = _xyz(found.get("position"), "position"), _xyz(found.get("dimensions"), "dimensions")
    said = found.get("rotation")
    if said is None:
        return Cuboid(centre, size, of_yaw(finite(found.get("yaw"), "yaw")))
    if not isinstance(said, Mapping):
        raise GeometryError(f"rotation: found {said!r}, expected qx, qy, qz and qw")
    turn = tuple(finite(said.get(key), f"rotation.{key}") for key in ("qx", "qy", "qz", "qw"))
    if math.hypot(*turn) < _UNIT:
        raise GeometryError("rotation: found a quaternion of length 0, expected one of length 1")
    return Cuboid(centre, size, (turn[0], turn[1], turn[2], turn[3]))


def _xyz(found: JsonValue, what: str) -> XYZ:
    if not isinstance(found, Mapping):
        raise GeometryError(f"{what}: found {found!r}, expected x, y and z")
    x, y, z = (finite(found.get(key), f"{what}.{key}") for key in "xyz")
    return x, y, z


def cuboid_json(cuboid: Cuboid, *, full_rotation: bool) -> Json:
    """Return the keys of a new annotation; `rotation` is among them where the dataset has it.

    Without it, a cuboid that is not upright keeps its heading only. Raises GeometryError.
    """
    centre = [finite(number, f"position.{key}") for key, number in zip("xyz", cuboid.centre, strict=True)]
    size = [finite(number, f"dimensions.{key}") for key, number in zip("xyz", cuboid.size, strict=True)]
    if min(size) < 0:
        raise GeometryError(f"dimensions: found {min(size)}, expected 0 or more")
    turn = _unit(cuboid.rotation)
    drawn: Json = {
        "position": _named("xyz", centre),
        "dimensions": _named("xyz", size),
        "yaw": yaw_of(turn),
    }
    if full_rotation:
        drawn["rotation"] = _named(("qx", "qy", "qz", "qw"), turn)
    return drawn


def of_yaw(yaw: float) -> Quaternion:
    """Return the quaternion x y z w of a yaw in radians; any number of turns is taken."""
    half = math.remainder(yaw, math.tau) / 2
    return 0.0, 0.0, math.sin(half), math.cos(half)


def yaw_of(turn: Quaternion) -> float:
    """Return the heading of the x axis after a turn, in radians from -pi to pi."""
    x, y, z, w = turn
    if x == y == 0:
        return math.remainder(2 * math.atan2(z, w), math.tau)
    return math.atan2(2 * (w * z + x * y), w * w + x * x - y * y - z * z)


def upright(cuboid: Cuboid) -> bool:
    """Whether a cuboid is turned about the z axis only, within 1e-9 rad."""
    x, y, _, _ = _unit(cuboid.rotation)
    return 2 * math.hypot(x, y) <= LEVEL


def _unit(turn: Quaternion) -> Quaternion:
    length = math.hypot(*(finite(number, "rotation") for number in turn))
    if length < _UNIT:
        raise GeometryError(f"rotation: found {turn}, expected a quaternion of length 1")
    if abs(length - 1) <= _UNIT:
        return turn
    x, y, z, w = turn
    return x / length, y / length, z / length, w / length


def _named(keys: str | tuple[str, ...], numbers: Any) -> Json:  # noqa: ANN401 - a tuple or list of numbers
    return dict(zip(keys, numbers, strict=True))

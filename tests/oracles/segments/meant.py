"""What a row means, in the words of the published label formats, and where what the SDK reads differs.

Written from the definitions of the label model and those formats, and nothing of our own conversion. The
objects of a row are known by the text attribute `plate`, which is their id.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.geometry import (
    Box,
    Cuboid,
    Geometry,
    Point,
    Point3D,
    PointSet,
    Polygon,
    Polygon3D,
    Polyline,
    Polyline3D,
)
from pipeline.core.labels import Answer, LabelRow, ObjectInstance, Option
from pipeline.core.masks import Mask, Raster
from tests.oracles.segments.rows import CATEGORIES, FRAMES, POINTS, SENSORS, hole, holed
from tests.oracles.segments.served import Json

Pixels = NDArray[np.bool_]


def differences(one: Any, other: Any, path: str = "", near: float = 1e-6) -> list[str]:  # noqa: ANN401 - any JSON
    """Where two descriptions differ: in anything but numbers that are as near as this."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return [f"{path}: keys {sorted(one)} and {sorted(other)}"]
        return [text for key in one for text in differences(one[key], other[key], f"{path}/{key}", near)]
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return [f"{path}: {len(one)} and {len(other)} items"]
        pairs = enumerate(zip(one, other, strict=True))
        return [text for at, (a, b) in pairs for text in differences(a, b, f"{path}/{at}", near)]
    if isinstance(one, float) and isinstance(other, int | float) and not isinstance(other, bool):
        return [] if abs(one - other) <= near else [f"{path}: {one} and {other}"]
    return [] if one == other and type(one) is type(other) else [f"{path}: {one!r} and {other!r}"]


def drawn(geometry: Geometry, *, turned: bool = False) -> Json:  # noqa: PLR0911 - a table of geometries
    """What an annotation draws; nothing for pixels and points of a cloud. `turned`: with a quaternion."""
    match geometry:
        case Box(x, y, width, height):
            return _points("bbox", ((x, y), (x + width, y + height)))
        case Polygon(((ring,),)):
            return _points("polygon", ring)
        case Polyline(points):
            return _points("polyline", points)
        case Point(x, y):
            return _points("point", ((x, y),))
        case Polygon3D(points):
            return _points("polygon", points)
        case Polyline3D(points):
            return _points("polyline", points)
        case Point3D(x, y, z):
            return _points("point", ((x, y, z),))
        case Cuboid():
            return _cuboid(geometry, turned=turned)
        case _:
            return {}


def _points(kind: str, points: Sequence[Sequence[float]]) -> Json:
    return {"type": kind, "points": [[float(number) for number in point] for point in points]}


def _cuboid(found: Cuboid, *, turned: bool) -> Json:
    x, y, z, w = found.rotation
    ahead = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + w * z)])  # the x axis after the turn
    said = {
        "type": "cuboid",
        "position": _named("xyz", found.centre),
        "dimensions": _named("xyz", found.size),
        "yaw": math.atan2(ahead[1], ahead[0]),
    }
    return {**said, "rotation": _named(("qx", "qy", "qz", "qw"), found.rotation)} if turned else said


def _named(keys: Sequence[str], numbers: Sequence[float]) -> Json:
    return {key: float(number) for key, number in zip(keys, numbers, strict=True)}


def _value(answer: Answer) -> Any:  # noqa: ANN401 - any JSON
    value: Any = answer.value
    if isinstance(value, Option):
        return value.name
    return [one.name for one in value] if isinstance(value, tuple) else value


def annotation(item: ObjectInstance, frame: int, *, moving: bool, turned: bool = False) -> Json:
    """What an annotation says but for its numbers."""
    found = item.occurrences[frame]
    said: Json = {
        "category_id": CATEGORIES[item.class_name],
        "attributes": {answer.attribute: _value(answer) for answer in item.answers_at(frame)},
        **drawn(found.geometry, turned=turned),
    }
    return {**said, "is_keyframe": found.keyframe} if moving else said


def frames_of(label: Json, sensor: str | None = None) -> list[Json]:
    """The frames of a label, or of one of its sensors."""
    if sensor is not None:
        label = next(one["attributes"] for one in label["sensors"] if one["name"] == sensor)
    found: list[Json] = label.get("frames", [label])
    return found


def sensors_of(row: LabelRow) -> list[str | None]:
    """The sensors of a row that have labels."""
    return [sensor.name for sensor in row.sensors if sensor.name != "Lines"] or [None]


def disagreements(row: LabelRow, label: Json, *, moving: bool, turned: bool = False) -> list[str]:
    """Where the annotations and image attributes of a label are not those that the row means."""
    wrong = []
    for sensor in sensors_of(row):
        frames = frames_of(label, sensor)
        for at, frame in enumerate(frames):
            items = [item for item in row.objects if item.sensor == sensor and at in item.occurrences]
            means = {item.id: annotation(item, at, moving=moving, turned=turned) for item in items}
            says = {one["attributes"]["plate"]: _bare(one) for one in frame["annotations"]}
            assert len(says) == len(frame["annotations"])
            wrong += differences(means, says, f"{sensor or ''}/{at}")
            wrong += differences(_marks(row, sensor, at), frame["image_attributes"], f"{sensor or ''}/{at}")
        count = (FRAMES if moving else 1, len(frames))
        wrong += [] if count[0] == count[1] else [f"{sensor}: {count} frames"]
    return wrong


def _bare(said: Json) -> Json:
    found = {key: value for key, value in said.items() if key not in {"id", "track_id"}}
    return found if found.get("rotation", ...) is not None else _without(found, "rotation")


def _without(said: Json, key: str) -> Json:
    return {name: value for name, value in said.items() if name != key}


def _marks(row: LabelRow, sensor: str | None, at: int) -> Json:
    return {
        mark.name: mark.answer.value
        for mark in row.classifications
        if mark.sensor == sensor
        and (mark.frames is None or any(first <= at <= last for first, last in mark.frames))
    }


def numbers(row: LabelRow, label: Json) -> dict[str, list[tuple[int, int | None]]]:
    """The id and the track id of each object, frame by frame."""
    found: dict[str, list[tuple[int, int | None]]] = {}
    for sensor in sensors_of(row):
        for frame in frames_of(label, sensor):
            for one in frame["annotations"]:
                found.setdefault(one["attributes"]["plate"], []).append((one["id"], one.get("track_id")))
    return found


def pixels(item: ObjectInstance, frame: int) -> Pixels:
    """The pixels that an object means on a frame."""
    geometry = item.occurrences[frame].geometry
    if isinstance(geometry, Mask):
        return geometry.to_array()
    if isinstance(geometry, Raster):
        return np.asarray(geometry.array, np.bool_)
    at = next(at for at in range(6) if geometry == hole(at, frame))
    return holed(at, frame)


def picture(row: LabelRow, said: Json, frame: int, sensor: str | None = None) -> NDArray[np.uint32]:
    """The bitmap that a frame's annotations should have: later objects lie on top."""
    ids = {one["attributes"]["plate"]: one["id"] for one in said["annotations"]}
    found: NDArray[np.uint32] | None = None
    for item in row.objects:
        if item.sensor == sensor and frame in item.occurrences:
            drawn_here = pixels(item, frame)
            found = np.zeros(drawn_here.shape, np.uint32) if found is None else found
            found[drawn_here] = ids[item.id]
    assert found is not None
    return found


def cloud(row: LabelRow, said: Json, frame: int, sensor: str | None = None) -> list[int]:
    """The number of each point that a frame should have."""
    ids = {one["attributes"]["plate"]: one["id"] for one in said["annotations"]}
    found = [0] * POINTS
    for item in row.objects:
        if item.sensor == sensor and frame in item.occurrences:
            geometry = item.occurrences[frame].geometry
            assert isinstance(geometry, PointSet)
            for index in geometry.indices:
                found[index] = ids[item.id]
    return found


def bitmaps(label: Json) -> Iterator[tuple[str | None, int, Json]]:
    """Each frame that has a bitmap, with its sensor and number."""
    names: Mapping[str | None, Any] = (
        {one["name"]: one["attributes"] for one in label["sensors"]} if "sensors" in label else {None: label}
    )
    for sensor, said in names.items():
        if said and (sensor is None or SENSORS[sensor] == "image-segmentation-sequence"):
            for at, frame in enumerate(frames_of(said)):
                if frame.get("segmentation_bitmap"):
                    yield sensor, at, frame

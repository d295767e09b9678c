"""Checks of the labels that come in.

What the service itself refuses is not published. The stand-in is strict about what would be no label of the
dataset's type, and keeps every key that it does not know.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from pipeline.platforms.segments.stand_in.answers import Refused, decoded
from pipeline.platforms.segments.stand_in.places import Extent
from pipeline.platforms.segments.wire import MAX_ID

FLAT = {"bbox": 2, "polygon": None, "polyline": None, "point": 1}
"""Types on pictures, and how many points they have where that is fixed."""
SOLID = {"polygon": None, "polyline": None, "point": 1}
CUBOIDS = ("cuboid", "cuboid-sync")


class Bitmap(msgspec.Struct):
    """Where a bitmap is."""

    url: str | None = None


class Annotation(msgspec.Struct):
    """One annotation, as far as it is checked."""

    id: int
    category_id: int
    track_id: int | None = None
    type: str | None = None
    points: list[list[float]] | None = None
    position: dict[str, float] | None = None
    dimensions: dict[str, float] | None = None
    yaw: float | None = None


class Flat(msgspec.Struct):
    """The label of one frame."""

    annotations: list[Annotation]
    segmentation_bitmap: Bitmap | msgspec.UnsetType | None = msgspec.UNSET
    point_annotations: list[int] | None = None


class Frames(msgspec.Struct):
    """The label of a sequence."""

    frames: list[Flat]


class Sensor(msgspec.Struct):
    """The label of one sensor."""

    name: str
    task_type: str
    attributes: msgspec.Raw


class Sensors(msgspec.Struct):
    """The label of several sensors."""

    sensors: list[Sensor]


@dataclass(slots=True)
class Found:
    """The number of annotations of a label, and where its bitmaps are."""

    count: int = 0
    bitmaps: list[str] = field(default_factory=list)


def examine(task_type: str, attributes: bytes, extent: Extent, categories: frozenset[int]) -> Found:
    """Check the attributes of a label.

    Raises:
        Refused: they are no label of this type of dataset, or of this sample.
    """
    found = Found()
    if task_type == "multisensor-sequence":
        sensors = decoded(attributes, Sensors).sensors
        if [(one.name, one.task_type) for one in sensors] != [one[:2] for one in extent.sensors]:
            raise Refused(400, "attributes.sensors: not the sensors of the sample in their order")
        for sensor, (_, _, frames) in zip(sensors, extent.sensors, strict=True):
            if bytes(sensor.attributes) != b"[]":
                _examine(sensor.task_type, bytes(sensor.attributes), frames, categories, found)
    else:
        _examine(task_type, attributes, extent.frames, categories, found)
    return found


def count(attributes: bytes) -> int:
    """Return the number of annotations of a label whose type is not known."""
    try:
        return len(msgspec.json.decode(attributes, type=Flat).annotations)
    except msgspec.DecodeError:
        return 0


def _examine(task_type: str, attributes: bytes, most: int, categories: frozenset[int], found: Found) -> None:
    sequence = task_type.endswith("-sequence")
    frames: Sequence[Flat]
    if sequence:
        frames = decoded(attributes, Frames).frames
        if len(frames) > most:
            raise Refused(400, f"attributes.frames: {len(frames)} of a sample with {most}")
    else:
        frames = (decoded(attributes, Flat),)
    for frame in frames:
        found.count += len(frame.annotations)
        _identities(frame.annotations, categories, tracked=sequence)
        if "segmentation" not in task_type:
            _DRAWN[task_type.removesuffix("-sequence")](frame.annotations)
        elif task_type.startswith("pointcloud"):
            _points(frame)
        else:
            _bitmap(frame, found, required=not sequence)


def _identities(annotations: Iterable[Annotation], categories: frozenset[int], *, tracked: bool) -> None:
    seen: set[int] = set()
    for one in annotations:
        if one.id < 1 or one.id in seen:
            raise Refused(400, f"annotation {one.id}: the id is below 1 or used twice in a frame")
        seen.add(one.id)
        if categories and one.category_id not in categories:
            raise Refused(400, f"annotation {one.id}: the dataset has no category {one.category_id}")
        if tracked and one.track_id is None:
            raise Refused(400, f"annotation {one.id}: no track_id in a sequence")


def _bitmap(frame: Flat, found: Found, *, required: bool) -> None:
    bitmap = frame.segmentation_bitmap
    for one in frame.annotations:
        if one.id > MAX_ID:
            raise Refused(400, f"annotation {one.id}: a bitmap holds ids up to {MAX_ID}")
    if isinstance(bitmap, Bitmap):
        if bitmap.url is not None:
            found.bitmaps.append(bitmap.url)
    elif required:
        raise Refused(400, "attributes.segmentation_bitmap: this field is required")


def _points(frame: Flat) -> None:
    if frame.point_annotations is None:
        raise Refused(400, "attributes.point_annotations: this field is required")
    if min(frame.point_annotations, default=0) < 0:
        raise Refused(400, "attributes.point_annotations: a number is below 0")


def _flat(annotations: Iterable[Annotation]) -> None:
    for one in annotations:
        _drawn(one, FLAT, 2)


def _boxes(annotations: Iterable[Annotation]) -> None:
    for one in annotations:
        _drawn(one, {"bbox": 2}, 2)


def _keypoints(annotations: Iterable[Annotation]) -> None:
    for one in annotations:
        _drawn(one, {"point": 1}, 2)


def _cuboids(annotations: Iterable[Annotation]) -> None:
    for one in annotations:
        if one.type not in CUBOIDS:
            raise Refused(400, f"annotation {one.id}: type {one.type!r} in a dataset of cuboids")
        if one.position is None or one.dimensions is None or one.yaw is None:
            raise Refused(400, f"annotation {one.id}: a cuboid has a position, dimensions and a yaw")


def _solid(annotations: Iterable[Annotation]) -> None:
    for one in annotations:
        if one.type in CUBOIDS:
            _cuboids((one,))
        else:
            _drawn(one, SOLID, 3)


def _drawn(one: Annotation, types: dict[str, int | None], axes: int) -> None:
    if one.type not in types or one.points is None:
        raise Refused(400, f"annotation {one.id}: type {one.type!r} without points, or not for this dataset")
    wanted = types[one.type]
    if not one.points or (wanted is not None and len(one.points) != wanted):
        raise Refused(400, f"annotation {one.id}: {len(one.points)} points of a {one.type}")
    for point in one.points:
        if len(point) != axes:
            raise Refused(400, f"annotation {one.id}: a point has {axes} numbers")


_DRAWN: dict[str, Callable[[Iterable[Annotation]], None]] = {
    "vector": _flat,
    "image-vector": _flat,
    "bboxes": _boxes,
    "keypoints": _keypoints,
    "pointcloud-cuboid": _cuboids,
    "pointcloud-vector": _solid,
}

"""Rows of the label model for every dataset type, made in Python as a user makes them.

Every object has its own id in the text attribute `plate`, so that it is known again whatever its number is.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import cos, sin

import numpy as np

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
from pipeline.core.labels import (
    Answer,
    Classification,
    LabelRow,
    Media,
    MediaKind,
    ObjectInstance,
    Occurrence,
    Option,
    Relation,
    Sensor,
)
from pipeline.core.masks import Mask, Raster
from pipeline.core.ontology import AttributeKind
from tests.oracles.segments.served import Json

WIDTH, HEIGHT, POINTS, FRAMES = 48, 30, 40, 3
THIRD = 1.0 / 3.0
TEXT, NUMBER, RADIO = AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.RADIO

CATEGORIES = {"vehicle": 7, "trailer": 12}
LINK_SIDE = {"link_attributes": [{"name": "side", "input_type": "text"}]}
PLATE = {"name": "plate", "input_type": "text", "is_track_level": True}
TASK_ATTRIBUTES: Json = {
    "format_version": "0.1",
    "categories": [
        {
            "id": CATEGORIES["vehicle"],
            "name": "vehicle",
            "color": [10, 200, 30],
            "has_instances": True,
            "attributes": [
                PLATE,
                {"name": "hue", "input_type": "select", "values": ["red", "blue"], "is_track_level": True},
                {"name": "marks", "input_type": "multiselect", "values": ["dent", "rust"]},
                {"name": "speed", "input_type": "number", "min": 0, "max": 90.5},
                {"name": "parked", "input_type": "checkbox", "is_track_level": True},
                {"name": "pull", "input_type": "vector3"},
                {"name": "turn", "input_type": "quaternion"},
                {"name": "hull", "input_type": "points"},
            ],
            **LINK_SIDE,
        },
        {"id": CATEGORIES["trailer"], "name": "trailer", "attributes": [PLATE], **LINK_SIDE},
    ],
    "image_attributes": [
        {"name": "weather", "input_type": "text"},
        {"name": "night", "input_type": "checkbox"},
    ],
}

FLAT, SOLID = ("box", "polygon", "polyline", "point"), ("cuboid", "polygon_3d", "polyline_3d", "point_3d")
DRAWN: dict[str, Sequence[str]] = {
    "segmentation-bitmap": ("mask", "raster", "hole"),
    "segmentation-bitmap-highres": ("mask", "raster", "hole"),
    "image-segmentation-sequence": ("mask", "raster", "hole"),
    "bboxes": ("box",),
    "vector": FLAT,
    "keypoints": ("point",),
    "image-vector-sequence": FLAT,
    "pointcloud-cuboid": ("cuboid",),
    "pointcloud-cuboid-sequence": ("cuboid",),
    "pointcloud-segmentation": ("point_set",),
    "pointcloud-segmentation-sequence": ("point_set",),
    "pointcloud-vector": SOLID,
    "pointcloud-vector-sequence": SOLID,
}
"""What is drawn in a row of each type; those of several sensors join sequences."""
SENSORS = {
    "Lidar": "pointcloud-cuboid-sequence",
    "Left": "image-vector-sequence",
    "Mask": "image-segmentation-sequence",
    "Points": "pointcloud-segmentation-sequence",
    "Lines": "pointcloud-vector-sequence",
}
"""Sensors by name, in the order of the sample."""


def strip(at: int) -> tuple[int, int]:
    """The columns of the picture that object `at` has for itself."""
    return 8 * at, 8 * at + 8


def blot(at: int, frame: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Dust in the strip of an object."""
    found = np.zeros((HEIGHT, WIDTH), np.bool_)
    left, right = strip(at)
    found[:, left:right] = np.random.default_rng(97 * at + frame).random((HEIGHT, 8)) < THIRD
    return found


def hole(at: int, frame: int) -> Polygon:
    """A square with a hole in it, and a second part, all in the strip of an object."""
    x, y = float(strip(at)[0]), float(1 + frame)
    return Polygon(((_square(x, y, 7.0), _square(x + 2, y + 2, 3.0)), (_square(x, y + 10, 2.0),)))


def _square(x: float, y: float, side: float) -> tuple[tuple[float, float], ...]:
    return (x, y), (x + side, y), (x + side, y + side), (x, y + side)


def holed(at: int, frame: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """The pixels of that polygon."""
    found = np.zeros((HEIGHT, WIDTH), np.bool_)
    x, y = strip(at)[0], 1 + frame
    found[y : y + 7, x : x + 7] = True
    found[y + 2 : y + 5, x + 2 : x + 5] = False
    found[y + 10 : y + 12, x : x + 2] = True
    return found


def _turn(angle: float, axis: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> tuple[float, ...]:
    x, y, z = (sin(angle / 2) * one / np.hypot(np.hypot(*axis[:2]), axis[2]) for one in axis)
    return float(x), float(y), float(z), cos(angle / 2)


def cuboid(at: int, frame: int) -> Cuboid:
    """A cuboid that stands upright."""
    x, y, z, w = _turn(2.9 + 0.7 * at + 0.1 * frame)
    return Cuboid((1e3 + at + THIRD, -2.5, frame * 0.1), (4.1, 2.2, 1.5), (x, y, z, w))


def tilted(at: int, frame: int) -> Cuboid:
    """A cuboid that is turned about all axes."""
    x, y, z, w = _turn(0.4 + at + 0.1 * frame, (0.3, -0.5, 0.9))
    return replace(cuboid(at, frame), rotation=(x, y, z, w))


_MAKE: dict[str, Callable[[int, int], Geometry]] = {
    "box": lambda at, frame: Box(at + THIRD, 2.0 + frame, 7.7, 9.1),
    "polygon": lambda at, frame: Polygon(((((at + 0.1, 0.2), (20 + THIRD, 1.0 + frame), (9.0, 22.5)),),)),
    "polyline": lambda at, frame: Polyline(((0.5, 1.5), (at + THIRD, 9.25), (3.0, 7.0 + frame))),
    "point": lambda at, frame: Point(at + THIRD, 5.0 + frame),
    "mask": lambda at, frame: Mask.from_array(blot(at, frame)),
    "raster": lambda at, frame: Raster(blot(at, frame)),
    "hole": hole,
    "cuboid": cuboid,
    "polygon_3d": lambda at, frame: Polygon3D(((0.1, at + THIRD, 1.0), (9.0, 0.5, 1.5 + frame), (9, 9, 2))),
    "polyline_3d": lambda at, frame: Polyline3D(((0.5, 0.0, -1.0), (at + THIRD, 2.0, 3.0 + frame))),
    "point_3d": lambda at, frame: Point3D(at + THIRD, -7.5, 0.25 + frame),
    "point_set": lambda at, frame: PointSet(tuple(range(at + frame, POINTS, 7))),
}


def _answers(name: str, *, moving: bool) -> tuple[Answer, ...]:
    """One of each kind that the SDK can read; in a sequence the speed changes."""
    speed = [Answer("speed", NUMBER, 12.5), Answer("speed", NUMBER, 90, ((2, 2),))]
    still = (
        Answer("plate", TEXT, name),
        Answer("hue", RADIO, Option("blue")),
        Answer("marks", AttributeKind.CHECKLIST, (Option("dent"), Option("rust"))),
        Answer("parked", AttributeKind.BOOLEAN, value=False),
    )
    return (*still, replace(speed[0], frames=((0, 1),)), speed[1]) if moving else (*still, speed[0])


def objects(task_type: str, sensor: str | None = None) -> tuple[ObjectInstance, ...]:
    """A vehicle and a trailer of each shape; in a sequence vehicles are tracked through all frames."""
    moving = task_type.endswith("-sequence")
    found: list[ObjectInstance] = []
    for shape in DRAWN[task_type]:
        at = len(found)
        prefix = f"{sensor or ''} {shape} {at}".strip()
        every, some = (range(FRAMES), (0, 2)) if moving else ((0,), (0,))
        vehicle = {frame: Occurrence(_MAKE[shape](at, frame), keyframe=frame != 1) for frame in every}
        trailer = {frame: Occurrence(_MAKE[shape](at + 1, frame)) for frame in some}
        found += [
            ObjectInstance(
                f"{prefix} v", "vehicle", vehicle, _answers(f"{prefix} v", moving=moving), f"{41 + at}",
                sensor=sensor,
            ),
            ObjectInstance(
                f"{prefix} t", "trailer", trailer, (Answer("plate", TEXT, f"{prefix} t"),), sensor=sensor
            ),
        ]  # fmt: skip
    return tuple(found)


def _media(task_type: str) -> tuple[Media, ...]:
    count = FRAMES if task_type.endswith("-sequence") else 1
    names = (f"frame {at}" if count > 1 else "" for at in range(count))
    if task_type.startswith("pointcloud"):
        return tuple(Media(name=name, points=POINTS) for name in names)
    return tuple(Media(name=name, width=WIDTH, height=HEIGHT) for name in names)


def _media_kind(task_type: str) -> MediaKind:
    moving = task_type.endswith("-sequence")
    if task_type.startswith("pointcloud"):
        return MediaKind.POINT_CLOUD_SEQUENCE if moving else MediaKind.POINT_CLOUD
    return MediaKind.IMAGE_SEQUENCE if moving else MediaKind.IMAGE


def _marks(task_type: str, sensor: str | None = None) -> tuple[Classification, ...]:
    rain, night = Answer("weather", TEXT, "rain"), Answer("night", AttributeKind.BOOLEAN, value=True)
    late = ((2, 2),) if task_type.endswith("-sequence") else None
    name = sensor or "row"
    return (
        Classification(f"{name} 1", rain, sensor=sensor),
        Classification(f"{name} 2", night, late, sensor=sensor),
    )


def row(task_type: str, title: str = "sample") -> LabelRow:
    """A row with labels of a dataset of this type."""
    if task_type == "multisensor-sequence":
        return _sensed(title)
    media, drawn = _media(task_type), objects(task_type)
    side = (Answer("side", TEXT, "left"),)
    return LabelRow(
        title,
        title,
        _media_kind(task_type),
        media,
        len(media),
        objects=drawn,
        classifications=_marks(task_type),
        relations=(Relation("link", drawn[1].id, drawn[0].id, side),) if _linked(task_type) else (),
        score=0.625,
    )


def _linked(task_type: str) -> bool:
    return "segmentation" not in task_type


def _sensed(title: str) -> LabelRow:
    sensors = [
        Sensor(name, _media_kind(task_type), _media(task_type), FRAMES) for name, task_type in SENSORS.items()
    ]
    drawn = [
        item for name, task_type in SENSORS.items() if name != "Lines" for item in objects(task_type, name)
    ]
    marks = [
        mark for name, task_type in SENSORS.items() if name != "Lines" for mark in _marks(task_type, name)
    ]
    # Ends on tracks of their own: one track on two sensors is one object to Segments.ai.
    lidar = next(item.id for item in drawn if item.sensor == "Lidar")
    left = next(item.id for item in drawn if item.sensor == "Left" and item.track == "43")
    return LabelRow(
        title,
        title,
        MediaKind.MULTI_SENSOR,
        (),
        FRAMES,
        objects=tuple(drawn),
        classifications=tuple(marks),
        relations=(Relation("link", lidar, left),),
        score=0.625,
        sensors=tuple(sensors),
    )


def bare(found: LabelRow) -> LabelRow:
    """The row without its labels: what a dataset is seeded with."""
    return replace(found, objects=(), classifications=(), relations=(), groups=(), score=None)

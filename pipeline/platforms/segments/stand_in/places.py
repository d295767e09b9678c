"""How many frames a sample has, and what its sensors are; read from its attributes once."""

from dataclasses import dataclass

import msgspec

from pipeline.platforms.segments.stand_in.answers import Refused, decoded


@dataclass(frozen=True, slots=True)
class Extent:
    """The frames of a sample, or its sensors in order: name, task type and frames of each."""

    frames: int
    sensors: tuple[tuple[str, str, int], ...] = ()


class _Url(msgspec.Struct):
    url: str


class _Image(msgspec.Struct):
    image: _Url


class _Cloud(msgspec.Struct):
    pcd: _Url


class _Images(msgspec.Struct):
    frames: list[_Image]


class _Clouds(msgspec.Struct):
    frames: list[_Cloud]


class _Sensor(msgspec.Struct):
    name: str
    task_type: str
    attributes: msgspec.Raw


class _Sensors(msgspec.Struct):
    sensors: list[_Sensor]


def extent_of(task_type: str, attributes: bytes) -> Extent:
    """Return the frames and sensors of a sample of a dataset of this type.

    Raises:
        Refused: the attributes are not those of this type.
    """
    if task_type == "multisensor-sequence":
        found = decoded(attributes, _Sensors).sensors
        sensors = tuple(
            (sensor.name, sensor.task_type, extent_of(sensor.task_type, bytes(sensor.attributes)).frames)
            for sensor in found
        )
        if len({name for name, _, _ in sensors}) < len(sensors):
            raise Refused(400, "two sensors have the same name")
        return Extent(max((frames for _, _, frames in sensors), default=0), sensors)
    cloud = task_type.startswith("pointcloud")
    if not task_type.endswith("-sequence"):
        decoded(attributes, _Cloud if cloud else _Image)
        return Extent(1)
    if cloud:
        return Extent(len(decoded(attributes, _Clouds).frames))
    return Extent(len(decoded(attributes, _Images).frames))

"""Fills the first dataset with one sample per row of the seed, with uuids that are always the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any
from uuid import UUID, uuid5

import msgspec

from pipeline.core.labels import LabelRow, Media, MediaKind, Sensor
from pipeline.errors import UsageError
from pipeline.platforms.segments.stand_in.media import Pictures
from pipeline.platforms.segments.stand_in.storage import ROOT
from pipeline.platforms.segments.stand_in.world import Dataset, Sample, sample_of
from pipeline.sandbox.pictures import DEFAULT_SIZE

NAMESPACE = UUID("0c4f6c0a-54e4-5d36-9f0e-3d3b8b8a5a11")

Where = Callable[[str, Media], str]
"""Gives the URL of one frame; the first argument is its task type."""


class Planting:
    """Makes samples from rows.

    Media without a URL get one at `origin`, which `made` answers. `sensors` are the task types of sensors by
    their names, in place of those that their media suggest.
    """

    def __init__(self, origin: str, made: Pictures, sensors: Mapping[str, str]) -> None:
        self._origin = origin
        self._made = made
        self._sensors = sensors

    def samples(self, dataset: Dataset, rows: Iterable[LabelRow]) -> Iterator[Sample]:
        """Give one sample per row.

        Raises:
            UsageError: two rows have the same title: samples are known by their names.
        """
        seen: set[str] = set()
        for row in rows:
            name = row.title or row.key
            if name in seen:
                raise UsageError(f"seed row {name!r}: a dataset of Segments.ai has one sample of a name")
            seen.add(name)
            uuid = str(uuid5(NAMESPACE, f"{dataset.full_name}\x1f{name}"))
            attributes = self._attributes(dataset.task_type, row, self._places(uuid))
            yield sample_of(
                dataset,
                uuid,
                name,
                msgspec.json.encode(attributes),
                metadata=dict(row.metadata),
                priority=0 if row.priority is None else row.priority,
            )

    def _places(self, uuid: str) -> Where:
        numbers = count()

        def where(task_type: str, media: Media) -> str:
            if media.url:
                return media.url
            path = f"{ROOT}media/{uuid}/{next(numbers)}"
            if _cloud(task_type):
                path += ".bin"
                self._made.cloud(path, media.points or 0)
            else:
                path += ".png"
                self._made.picture(path, media.height or DEFAULT_SIZE[0], media.width or DEFAULT_SIZE[1])
            return self._origin + path

        return where

    def _attributes(self, task_type: str, row: LabelRow | Sensor, where: Where) -> dict[str, Any]:
        if task_type == "multisensor-sequence":
            sensors = row.sensors if isinstance(row, LabelRow) else ()
            return {"sensors": [self._sensor(sensor, where) for sensor in sensors]}
        media = list(row.media) or [Media()]
        if not task_type.endswith("-sequence"):
            return _frame(task_type, media[0], where)
        # The one entry of a video stands for all of its frames.
        media += [media[-1]] * ((row.frame_count or 1) - len(media))
        return {"frames": [_named(item, _frame(task_type, item, where)) for item in media]}

    def _sensor(self, sensor: Sensor, where: Where) -> dict[str, Any]:
        solid = sensor.media_kind in {MediaKind.POINT_CLOUD, MediaKind.POINT_CLOUD_SEQUENCE}
        suggested = "pointcloud-cuboid-sequence" if solid else "image-vector-sequence"
        if sensor.raw is not None and sensor.raw.platform == "segments":
            suggested = sensor.raw.data.get("task_type", suggested)
        task_type = self._sensors.get(sensor.name, suggested)
        attributes = self._attributes(task_type, sensor, where)
        return {"name": sensor.name, "task_type": task_type, "attributes": attributes}


def _cloud(task_type: str) -> bool:
    return task_type.startswith("pointcloud")


def _frame(task_type: str, media: Media, where: Where) -> dict[str, Any]:
    url = where(task_type, media)
    return {"pcd": {"url": url, "type": "kitti"}} if _cloud(task_type) else {"image": {"url": url}}


def _named(media: Media, frame: dict[str, Any]) -> dict[str, Any]:
    return {**frame, "name": media.name} if media.name else frame

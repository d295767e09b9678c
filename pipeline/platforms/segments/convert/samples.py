"""What a sample shows: its `attributes` to the media of a row and back."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from pipeline.core.labels import LabelRow, Media, MediaKind, Raw, Sensor
from pipeline.errors import RowError, UsageError
from pipeline.platforms.segments.convert.kinds import Kind, kind_for, kind_of, sensor_kind_of, types_of
from pipeline.platforms.segments.wire import PLATFORM, Json

SAMPLE = "sample"
"""The key of a row's `raw` under which the sample that it came from is kept, with its `attributes`."""

CLOUD_TYPES: dict[str, str] = {
    ".pcd.bin": "nuscenes",
    ".bin": "kitti",
    ".pcd": "pcd",
    ".ply": "ply",
    ".las": "las",
    ".splat": "splat",
}
"""The type of a point cloud by the end of its file's name, the longest first."""

_AS_SENSOR = {
    MediaKind.IMAGE: MediaKind.IMAGE_SEQUENCE,
    MediaKind.POINT_CLOUD: MediaKind.POINT_CLOUD_SEQUENCE,
}


class Seen(NamedTuple):
    """What a sample shows: as the fields of a row of the same names."""

    media_kind: MediaKind
    media: tuple[Media, ...]
    frame_count: int
    sensors: tuple[Sensor, ...] = ()


# ---- reading --------------------------------------------------------------------------------------------


def media_of(task_type: str, attributes: Mapping[str, Any] | None, title: str = "") -> Seen:
    """Return what a sample of a dataset of this type shows. Sizes are not known.

    Raises UsageError for an unknown type and RowError, with the title of the row, for attributes that are not
    those of such a sample.
    """
    kind = kind_of(task_type)
    try:
        if not kind.sensors:
            media = _media(kind, attributes)
            return Seen(kind.media_kind, media, len(media))
        sensors = _sensors(attributes)
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        said = (
            str(error) if isinstance(error, ValueError | UsageError) else f"{type(error).__name__}: {error}"
        )
        message = f"row {title!r}: it is not a sample of a dataset of type {task_type}: {said}"
        raise RowError(message) from error
    return Seen(kind.media_kind, (), max(sensor.frame_count or 0 for sensor in sensors), sensors)


def frames_of(kind: Kind, attributes: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    """Return the frames of a sample, or of a sensor, as they came; a single picture or cloud is one."""
    found: Any = attributes or {}
    return found.get("frames") or () if kind.sequence else (found,)


def _media(kind: Kind, attributes: Mapping[str, Any] | None) -> tuple[Media, ...]:
    key = "pcd" if kind.solid else "image"
    frames = frames_of(kind, attributes)
    if not frames:
        raise ValueError("it has no frames")
    return tuple(_medium(frame, key) for frame in frames)


def _medium(frame: Mapping[str, Any], key: str) -> Media:
    name, found = frame.get("name"), frame.get(key)
    if not isinstance(found, Mapping) or not isinstance(found.get("url"), str):
        raise ValueError(f"a frame of it has no {key} with a url")  # noqa: TRY004 - what a sample says is a value
    return Media(name if isinstance(name, str) else "", url=found["url"])


def _sensors(attributes: Mapping[str, Any] | None) -> tuple[Sensor, ...]:
    sensors = tuple(map(_sensor, (attributes or {}).get("sensors") or ()))
    names = [sensor.name for sensor in sensors]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"its sensors are {', '.join(names) or 'none'}; expected some, each of another name")
    return sensors


def _sensor(found: Mapping[str, Any]) -> Sensor:
    kind = sensor_kind_of(found["task_type"])
    media = _media(kind, found.get("attributes"))
    rest = {key: value for key, value in found.items() if key not in {"name", "attributes"}}
    return Sensor(str(found["name"]), kind.media_kind, media, len(media), Raw(PLATFORM, rest))


# ---- writing --------------------------------------------------------------------------------------------


def media_list(row: LabelRow) -> tuple[Media, ...]:
    """Return the media of a row in the order in which `sample_attributes` takes their URLs."""
    return tuple(chain.from_iterable(sensor.media for sensor in row.sensors)) if row.sensors else row.media


def sample_attributes(row: LabelRow, urls: Sequence[str], kind: Kind) -> Json:
    """Return the attributes of a new sample of this type that shows the media of a row at these URLs.

    `urls` has one for each of `media_list(row)`. Where the row came from such a sample, its other keys
    are kept (poses, calibrations, timestamps, the URLs of reference pictures). Raises RowError for a
    video, which is no sequence of files, and for media that such a sample cannot show.
    """
    where = f"row {row.title or row.key!r}"
    media = media_list(row)
    if len(urls) != len(media):
        raise RowError(f"{where}: {len(urls)} URLs for {len(media)} pictures or clouds")
    own = _own_attributes(row, kind)
    if own is not None:
        rest = iter(urls)
        for place in _places(own, kind):
            place.pop("signed_url", None)
            place["url"] = next(rest)
        return own
    try:
        if kind.sensors:
            return {"sensors": list(_new_sensors(row, urls))}
        return _new(kind, row.media_kind, row.frame_count, row.media, urls)
    except (ValueError, UsageError) as error:
        raise RowError(f"{where}: {error}") from error


def _own_attributes(row: LabelRow, kind: Kind) -> Json | None:
    """A copy of the attributes of the sample that a row came from, if it shows as much as the row does."""
    raw = row.raw
    found = raw.data.get(SAMPLE) if raw is not None and raw.platform == PLATFORM else None
    own = found.get("attributes") if isinstance(found, Mapping) else None
    if not isinstance(own, Mapping):
        return None
    try:
        seen = media_of(kind.task_type, own)
    except RowError:
        return None
    mine = [(item.name, len(item.media)) for item in row.sensors]
    same = (
        len(seen.media) == len(row.media) and [(item.name, len(item.media)) for item in seen.sensors] == mine
    )
    return deepcopy(dict(own)) if same else None


def _places(attributes: Json, kind: Kind) -> Iterator[Json]:
    """Every object with a URL of a frame, in order."""
    if kind.sensors:
        for sensor in attributes["sensors"]:
            yield from _places(sensor["attributes"], sensor_kind_of(sensor["task_type"]))
        return
    for frame in frames_of(kind, attributes):
        yield frame["pcd" if kind.solid else "image"]


def sensor_type(row: LabelRow, sensor: Sensor) -> str:
    """Return the dataset type of a sensor: its own, else one that holds the shapes that are drawn on it."""
    raw = sensor.raw
    if raw is not None and raw.platform == PLATFORM and "task_type" in raw.data:
        return sensor_kind_of(raw.data["task_type"]).task_type
    shapes = {item.shape for item in row.objects if item.sensor == sensor.name}
    return kind_for(shapes, _AS_SENSOR.get(sensor.media_kind, sensor.media_kind)).task_type


def _new_sensors(row: LabelRow, urls: Sequence[str]) -> Iterator[Json]:
    if not row.sensors:
        raise ValueError(f"it is a row of kind {row.media_kind.value}, without the sensors of such a sample")
    rest = iter(urls)
    for sensor in row.sensors:
        kind = sensor_kind_of(sensor_type(row, sensor))
        mine = [next(rest) for _ in sensor.media]
        attributes = _new(kind, sensor.media_kind, sensor.frame_count, sensor.media, mine)
        yield {"name": sensor.name, "task_type": kind.task_type, "attributes": attributes}


def _new(
    kind: Kind, media_kind: MediaKind, count: int | None, media: Sequence[Media], urls: Sequence[str]
) -> Json:
    solid = media_kind in (MediaKind.POINT_CLOUD, MediaKind.POINT_CLOUD_SEQUENCE)
    if solid is not kind.solid or media_kind is MediaKind.MULTI_SENSOR:
        raise ValueError(
            f"it is of kind {media_kind.value}; samples of type {kind.task_type} are not{_hint(media_kind)}"
        )
    if media_kind is MediaKind.VIDEO or (count is not None and count != len(media)):
        shown = "some" if count is None else count
        message = f"it has {shown} frames in {len(media)} files; in Segments.ai a frame is a file of its own"
        raise ValueError(f"{message}: split it into its frames first")
    frames = [_frame(kind, one, url) for one, url in zip(media, urls, strict=True)]
    if kind.sequence:
        return {"frames": frames}
    if len(frames) != 1:
        message = f"it has {len(frames)} frames; a sample of type {kind.task_type} has one"
        raise ValueError(message + _hint(media_kind))
    frames[0].pop("name", None)
    return frames[0]


def _hint(media_kind: MediaKind) -> str:
    """Say how a dataset is created for media of this kind."""
    names = ", ".join(types_of(media_kind))
    return f"; a dataset that is created for it needs a `task_type` ({names})" if names else ""


def _frame(kind: Kind, media: Media, url: str) -> Json:
    found: Json = (
        {"pcd": {"url": url, "type": _cloud_type(media, url)}} if kind.solid else {"image": {"url": url}}
    )
    return {**found, "name": media.name} if media.name else found


def _cloud_type(media: Media, url: str) -> str:
    names = (media.name, media.path or "", _file_name(media.url or ""), _file_name(url))
    for name in names:
        for end, found in CLOUD_TYPES.items():
            if name.lower().endswith(end):
                return found
    shown = next(filter(None, names), "")
    raise ValueError(
        f"the point cloud {shown!r} is of no known type; known are files that end in {', '.join(CLOUD_TYPES)}"
    )


def _file_name(url: str) -> str:
    return unquote(urlsplit(url).path).rsplit("/", 1)[-1]

"""The neutral label model. Nothing in it belongs to one platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from pipeline.core.geometry import Geometry, Shape, shape_of
from pipeline.core.ontology import AttributeKind
from pipeline.core.quick import quick

Frames: TypeAlias = tuple[tuple[int, int], ...]
"""Inclusive ranges of frame numbers, from 0, ascending, disjoint."""


class MediaKind(StrEnum):
    """What one row annotates."""

    IMAGE = "image"
    IMAGE_GROUP = "image_group"
    IMAGE_SEQUENCE = "image_sequence"
    VIDEO = "video"
    POINT_CLOUD = "point_cloud"
    POINT_CLOUD_SEQUENCE = "point_cloud_sequence"
    MULTI_SENSOR = "multi_sensor"
    """Sequences of several sensors, frame by frame at the same times: `LabelRow.sensors` has them."""


@quick
@dataclass(frozen=True, slots=True)
class Raw:
    """JSON of the platform that the labels came from, with the keys that this model does not know."""

    platform: str
    data: Mapping[str, Any]


@quick
@dataclass(frozen=True, slots=True)
class Media:
    """Where one frame's picture or point cloud is, and how large it is (None: not known yet).

    `width` and `height` are the pixels of a picture, `points` is the number of points of a cloud.
    """

    name: str = ""
    path: str | None = None
    url: str | None = None
    ref: str | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    points: int | None = None


def _size_of(media: tuple[Media, ...], frame: int) -> tuple[int, int] | None:
    found = media[frame] if frame < len(media) else (media[0] if media else None)
    if found is None or found.width is None or found.height is None:
        return None
    return found.height, found.width


@quick
@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor of a row of several. Its name is unique in the row, its media are as those of a row."""

    name: str
    media_kind: MediaKind
    media: tuple[Media, ...] = ()
    frame_count: int | None = None
    raw: Raw | None = None


@quick
@dataclass(frozen=True, slots=True)
class Provenance:
    """Who made a label and when (ISO 8601 text, as the source gave it). `manual`: by a person."""

    created_at: str | None = None
    created_by: str | None = None
    edited_at: str | None = None
    edited_by: str | None = None
    manual: bool | None = None


NO_PROVENANCE = Provenance()


@quick
@dataclass(frozen=True, slots=True)
class Option:
    """A chosen option of a radio or checklist, with the answers nested below it."""

    name: str
    answers: tuple["Answer", ...] = ()


AnswerValue: TypeAlias = str | float | int | bool | Option | tuple[Option, ...] | Any


@quick
@dataclass(frozen=True, slots=True)
class Answer:
    """One answered attribute.

    `value` is a str (text), a number, a bool, an `Option` (radio), a tuple of `Option` (checklist) or any
    JSON value, by `kind`. `frames` is None for a static answer, else the frames it holds on.
    `relation` marks text that points at another object.
    """

    attribute: str
    kind: AttributeKind
    value: AnswerValue
    frames: Frames | None = None
    relation: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Occurrence:
    """An object on one frame. `keyframe` is False where the source interpolated it."""

    geometry: Geometry
    keyframe: bool = True
    confidence: float | None = None
    provenance: Provenance = NO_PROVENANCE


@quick
@dataclass(frozen=True, slots=True)
class ObjectInstance:
    """One object of a row, on one frame or tracked over several.

    `occurrences` maps a frame number (from 0) to what is drawn there, in ascending order of frames.
    `answers` holds static answers and, by their frame ranges, dynamic ones. In a row with sensors `sensor`
    names the one that the object was drawn on.
    """

    id: str
    class_name: str
    occurrences: Mapping[int, Occurrence]
    answers: tuple[Answer, ...] = ()
    track: str | None = None
    raw: Raw | None = None
    sensor: str | None = None

    @property
    def shape(self) -> Shape:
        """The shape of the first occurrence; all occurrences of one object share it."""
        return shape_of(next(iter(self.occurrences.values())).geometry)

    def answers_at(self, frame: int) -> tuple[Answer, ...]:
        """Return the static answers and those that hold on this frame."""
        return tuple(
            answer
            for answer in self.answers
            if answer.frames is None or any(first <= frame <= last for first, last in answer.frames)
        )


@quick
@dataclass(frozen=True, slots=True)
class Classification:
    """A label of the whole row (`frames` None) or of some frames. Its name is the answer's attribute.

    In a row with sensors it may be a label of one of them, which `sensor` names.
    """

    id: str
    answer: Answer
    frames: Frames | None = None
    confidence: float | None = None
    provenance: Provenance = NO_PROVENANCE
    raw: Raw | None = None
    sensor: str | None = None

    @property
    def name(self) -> str:
        """The name of the classification."""
        return self.answer.attribute


@dataclass(frozen=True, slots=True)
class Group:
    """Objects that belong together (a binding). `objects` are object ids, in order."""

    id: str
    objects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A directed, named link from one object to another of the same row."""

    name: str
    source: str
    target: str
    answers: tuple[Answer, ...] = ()


@quick
@dataclass(frozen=True, slots=True)
class LabelRow:
    """The labels of one data unit.

    `key` is stable in its source and unique there. `title` is what people call the data unit. `media` has
    one entry for an image or a video (it stands for all frames) and one per frame otherwise.
    `frame_count` is None where the source does not know it. A row with `sensors` has their media in them and
    none of its own; its frame count is that of the longest.
    """

    key: str
    title: str = ""
    media_kind: MediaKind = MediaKind.IMAGE
    media: tuple[Media, ...] = (Media(),)
    frame_count: int | None = 1
    fps: float | None = None
    objects: tuple[ObjectInstance, ...] = ()
    classifications: tuple[Classification, ...] = ()
    groups: tuple[Group, ...] = ()
    relations: tuple[Relation, ...] = ()
    status: str | None = None
    priority: float | None = None
    score: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    raw: Raw | None = None
    sensors: tuple[Sensor, ...] = ()

    def size_at(self, frame: int, sensor: str | None = None) -> tuple[int, int] | None:
        """Return (height, width) in pixels of a frame, of a sensor if one is named. None: it is unknown."""
        if sensor is None:
            return _size_of(self.media, frame)
        found = self.sensor(sensor)
        return _size_of(found.media, frame) if found else None

    def sensor(self, name: str) -> Sensor | None:
        """Return the sensor of that name, or None."""
        return next((item for item in self.sensors if item.name == name), None)

    def with_objects(self, objects: tuple[ObjectInstance, ...]) -> "LabelRow":
        """Return the row with other objects: what most steps do to it, without the cost of `replace`."""
        return LabelRow(
            self.key,
            self.title,
            self.media_kind,
            self.media,
            self.frame_count,
            self.fps,
            objects,
            self.classifications,
            self.groups,
            self.relations,
            self.status,
            self.priority,
            self.score,
            self.metadata,
            self.raw,
            self.sensors,
        )

    @property
    def label_count(self) -> int:
        """Objects and classifications together."""
        return len(self.objects) + len(self.classifications)

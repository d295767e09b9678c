"""Annotations to objects.

On a single frame each annotation is an object, under its id. In a sequence the annotations of one track are
an object, as long as they are of one category and shape. An object's `raw` is {"frames": {frame: annotation}}
with the annotations as they came, and "number" where the object's number is not the id on its first frame.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from pipeline.core.geometry import Geometry, PointSet, Shape, shape_of
from pipeline.core.instances import Instance, InstanceMap
from pipeline.core.labels import Answer, ObjectInstance, Occurrence, Raw
from pipeline.core.masks import Mask
from pipeline.platforms.segments.convert.attributes import read_answers
from pipeline.platforms.segments.convert.bitmaps import frame_key, meant, note_pixels, note_unseen, picture_of
from pipeline.platforms.segments.convert.clouds import POINTS, read_points, split
from pipeline.platforms.segments.convert.geometry import read_geometry
from pipeline.platforms.segments.convert.layout import Part
from pipeline.platforms.segments.convert.noting import Reading
from pipeline.platforms.segments.convert.numeric import GeometryError
from pipeline.platforms.segments.convert.project import json_of
from pipeline.platforms.segments.wire import MAX_ID, PLATFORM, Json, JsonValue


class Met(NamedTuple):
    """One annotation as it was met."""

    id: int
    class_name: str
    track: int | None
    geometry: Geometry
    keyframe: bool
    json: Mapping[str, Any]


@dataclass(slots=True)
class Gathered:
    """The annotations of one object by frame. `number` is its own in the whole part."""

    id: str
    frames: dict[int, Met]
    number: int = 0


@dataclass(slots=True)
class PartRead:
    """What was read of one part: its objects, the order of annotations, and what pictures and clouds say."""

    objects: list[ObjectInstance] = field(default_factory=list)
    order: list[list[str]] = field(default_factory=list)
    pictures: dict[str, Json] = field(default_factory=dict)
    strays: dict[str, Json] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    """(height, width) of the pictures of frames."""
    points: dict[int, int] = field(default_factory=dict)
    """How many points the clouds of frames have."""
    links: dict[int, str] = field(default_factory=dict)
    """The object that links mean by a number: a track, or an id where nothing has such a track."""


Draw: TypeAlias = Callable[[Mapping[str, Any], int], Geometry]
"""Draws an annotation, which has this id."""


def read_part(reading: Reading, part: Part, bitmaps: Mapping[str, InstanceMap]) -> PartRead:
    """Return the objects of a part. RowError, with frame and annotation, for what cannot be read."""
    read, gatherer = PartRead(), Gatherer(part)
    pictures: dict[int, InstanceMap] = {}
    for at, frame in enumerate(part.said):
        where = _where(part, at)
        draw = _drawing(reading, part, at, read, pictures, bitmaps)
        met = [_met(reading, part, one, where, draw) for one in annotations_of(reading, frame, where)]
        owners = [gatherer.owner(one, at).id for one in met]
        read.order.append(owners)
        ids = dict(zip((one.id for one in met), owners, strict=True)) if part.kind.bitmaps else {}
        if at in pictures:
            note_pixels(reading, pictures[at], ids, where)
        elif ids:
            note_unseen(reading, ids, where)
    found = gatherer.found
    _number(found, bitmaps=part.kind.bitmaps)
    for at, picture in pictures.items():
        shown = [one.frames[at].id for one in found if at in one.frames]
        read.pictures[frame_key(part.sensor, at)] = meant(picture, shown)
        read.sizes[at] = picture.height, picture.width
    read.objects = [_object(reading, part, one) for one in found]
    read.links = _links(found)
    return read


class Gatherer:
    """Finds the object of each annotation of a part."""

    def __init__(self, part: Part) -> None:
        self.found: list[Gathered] = []
        self._part = part
        self._kin: dict[tuple[int | None, str, Shape], list[Gathered]] = {}
        self._taken: dict[str, int] = {}

    def owner(self, met: Met, frame: int) -> Gathered:
        """Return the object that an annotation belongs to, a new one if need be, with it in it."""
        if not self._part.kind.sequence:
            return self._new(met, frame, met.id)
        alike = self._kin.setdefault((met.track, met.class_name, shape_of(met.geometry)), [])
        for one in alike:
            if frame not in one.frames:
                one.frames[frame] = met
                return one
        one = self._new(met, frame, met.track)
        alike.append(one)
        return one

    def _new(self, met: Met, frame: int, number: int | None) -> Gathered:
        name = str(number) if self._part.sensor is None else f"{self._part.sensor}/{number}"
        times = self._taken.get(name, 0) + 1
        self._taken[name] = times
        found = Gathered(name if times == 1 else f"{name}:{times}", {frame: met})
        self.found.append(found)
        return found


def annotations_of(reading: Reading, frame: Mapping[str, Any], where: str) -> list[Json]:
    """Return the annotations of a frame. RowError for anything but a list of objects."""
    found = frame.get("annotations") or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise reading.refuse(where, "annotations: expected a list of objects")
    return found


def _where(part: Part, frame: int) -> str:
    place = f"frame {frame}" if part.kind.sequence else ""
    if part.sensor is None:
        return place
    return f"sensor {part.sensor!r}, {place}"


def _drawing(
    reading: Reading,
    part: Part,
    at: int,
    read: PartRead,
    pictures: dict[int, InstanceMap],
    bitmaps: Mapping[str, InstanceMap],
) -> Draw:
    """Return what draws the annotations of a frame; its picture goes to `pictures`, its cloud to `read`."""
    frame, where = part.said[at], _where(part, at)
    if part.kind.bitmaps:
        picture = picture_of(reading, frame, where, bitmaps)
        if picture is not None:
            pictures[at] = picture
        return _of_picture(picture)
    if part.kind.points:
        return _of_cloud(reading, part, at, read)
    solid = part.kind.solid
    return lambda one, _number: read_geometry(one, solid=solid)


def _of_picture(picture: InstanceMap | None) -> Draw:
    """0 is where nothing is drawn, and without a picture nothing is, on a frame of no known size."""
    if picture is None:
        empty = Mask.empty(1, 1)
        return lambda _one, _number: empty
    none = Mask.empty(picture.height, picture.width)
    return lambda _one, number: Instance(picture, number) if number else none


def _of_cloud(reading: Reading, part: Part, at: int, read: PartRead) -> Draw:
    frame, where = part.said[at], _where(part, at)
    numbers = read_points(reading, frame.get(POINTS), where)
    points = split(numbers)
    if frame.get(POINTS) is not None:
        read.points[at] = numbers.size
    annotations = annotations_of(reading, frame, where)
    ids = {reading.number(one.get("id"), where, "id") for one in annotations}
    strays = {str(number): list(held) for number, held in points.items() if number not in ids}
    if strays:
        read.strays[frame_key(part.sensor, at)] = strays
    for number, held in strays.items():
        why = f"{where or 'cloud'}: {len(held)} points have the id {number}, which no annotation has"
        reading.note(None, POINTS, why)
    return lambda _one, number: PointSet(points.get(number, ()))


def _met(reading: Reading, part: Part, one: Mapping[str, Any], where: str, draw: Draw) -> Met:
    number, category, track = one.get("id"), one.get("category_id"), one.get("track_id")
    if type(number) is not int or type(category) is not int or type(track) is not int:
        named = _named(where, number)
        number = reading.number(number, named, "id")
        category = reading.number(category, named, "category_id")
        if track is not None:
            track = reading.number(track, named, "track_id")
        elif part.kind.sequence:
            raise reading.refuse(named, "track_id: found none, expected the number of its track")
    known = reading.project.category(category)
    name = known.definition.name if known else str(category)
    try:
        geometry = draw(one, number)
    except GeometryError as error:
        raise reading.refuse(f"{_named(where, number)} ({name})", error) from error
    return Met(number, name, track, geometry, one.get("is_keyframe") is not False, one)


def _named(where: str, number: JsonValue) -> str:
    return f"{where}, annotation {number!r}" if where else f"annotation {number!r}"


def _number(found: list[Gathered], *, bitmaps: bool) -> None:
    """Give each object a number of its own: its first id that no object before it has.

    In a bitmap that is one of 1 to 2^24 - 1.
    """
    taken: set[int] = set()
    for one in found:
        ids = [met.id for met in one.frames.values()]
        wish = next((n for n in ids if n not in taken and (not bitmaps or 1 <= n <= MAX_ID)), None)
        if wish is None:
            every = taken | {met.id for other in found for met in other.frames.values()}
            wish = next(number for number in count(1) if number not in every)
        one.number = wish
        taken.add(wish)


def _object(reading: Reading, part: Part, found: Gathered) -> ObjectInstance:
    first = next(iter(found.frames.values()))
    answers: tuple[Answer, ...] = ()
    if any(met.json.get("attributes") for met in found.frames.values()):
        category = reading.project.named(first.class_name, shape_of(first.geometry))
        attributes = {frame: json_of(met.json.get("attributes")) for frame, met in found.frames.items()}
        known = category.attributes if category else {}
        answers = read_answers(attributes, known, moving=part.kind.sequence)
    raw: Json = {"frames": {str(frame): met.json for frame, met in found.frames.items()}}
    if found.number != first.id:
        raw["number"] = found.number
    return ObjectInstance(
        found.id,
        first.class_name,
        {frame: Occurrence(met.geometry, met.keyframe) for frame, met in found.frames.items()},
        answers,
        None if first.track is None else str(first.track),
        Raw(PLATFORM, raw),
        part.sensor,
    )


def _links(found: list[Gathered]) -> dict[int, str]:
    names: dict[int, str] = {}
    for one in found:
        track = next(iter(one.frames.values())).track
        if track is not None:
            names.setdefault(track, one.id)
    for one in found:
        for met in one.frames.values():
            names.setdefault(met.id, one.id)
    return names

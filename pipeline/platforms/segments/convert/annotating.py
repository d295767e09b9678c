"""Objects to annotations: as they came, patched with what changed, or new."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.core.geometry import Cuboid, Geometry, Polygon, Shape, shape_of
from pipeline.core.labels import Answer, LabelRow, ObjectInstance, Occurrence
from pipeline.core.losses import LossKind
from pipeline.core.measure import ring_area
from pipeline.core.ontology import AttributeKind
from pipeline.platforms.segments.convert.attributes import AnswerError, Homeless, on_frames, patched, settle
from pipeline.platforms.segments.convert.context import Packing, named
from pipeline.platforms.segments.convert.cuboids import upright
from pipeline.platforms.segments.convert.geometry import geometry_json, patched_json, read_geometry
from pipeline.platforms.segments.convert.layout import Part
from pipeline.platforms.segments.convert.numbering import annotations_of
from pipeline.platforms.segments.convert.numeric import GeometryError, whole
from pipeline.platforms.segments.convert.project import Category, Numbered, json_of
from pipeline.platforms.segments.wire import Json, JsonValue

_DRAWING = ("type", "points", "position", "dimensions", "yaw", "rotation")
_PIXELS = frozenset({Shape.MASK, Shape.POINT_SET})


class Written(NamedTuple):
    """An object as it travels: its annotation on each frame, but for its id there."""

    item: ObjectInstance
    numbers: Numbered
    frames: Mapping[int, Json]


def write_object(
    packing: Packing, part: Part, item: ObjectInstance, old: ObjectInstance | None, *, same_drawing: bool
) -> Written | None:
    """Return an object as it travels, or None where the dataset cannot hold it, which is then a loss.

    `old` is the object of this id in the opened row: what did not change since goes back as it is, and is not
    judged. `same_drawing`: the dataset that it came from draws as this one does. Raises RowError.
    """
    if not item.occurrences:
        raise packing.refuse(named(item), "it is on no frame; remove it")
    numbers = packing.numbers.objects[item.id]
    raw = annotations_of(item)
    if old is not None and untouched(old, item) and not _regrouped(packing, item):
        frames = {frame: dict(json_of(raw.get(str(frame)))) for frame in item.occurrences}
        return Written(
            item, numbers, {frame: _numbered(one, item, numbers, part) for frame, one in frames.items()}
        )
    shape = item.shape
    if shape not in part.kind.shapes:
        why = f"a dataset of type {part.kind.task_type} has no {shape.value} ({item.class_name})"
        packing.lose(item.id, LossKind.SHAPE, f"{why}; add `convert`, or drop it")
        return None
    category = packing.project.named(item.class_name, shape)
    if category is None:
        why = packing.project.ontology.explain_missing(item.class_name, shape)
        raise packing.refuse(named(item, part), why)
    _check_frames(packing, part, item)
    frames = _frames(packing, part, item, category, same_drawing=same_drawing)
    _losses(packing, item)
    numbered = {frame: _numbered(one, item, numbers, part) for frame, one in frames.items()}
    return Written(item, numbers, numbered)


def _frames(
    packing: Packing, part: Part, item: ObjectInstance, category: Category, *, same_drawing: bool
) -> dict[int, Json]:
    """The annotation of an object on each of its frames, but for its numbers."""
    raw = annotations_of(item)
    attributes = _attributes(packing, part, item, category)
    frames = {}
    for frame, found in item.occurrences.items():
        base = json_of(raw.get(str(frame)))
        if base and part.kind.shapes <= _PIXELS and not same_drawing:
            base = {key: value for key, value in base.items() if key not in _DRAWING}
        one = _annotation(packing, part, item, frame, found, base)
        one["category_id"] = _kept_number(base.get("category_id"), category.id)
        said = attributes[frame]
        if said is not None:
            one["attributes"] = said
        else:
            one.pop("attributes", None)
        frames[frame] = one
    return frames


def _regrouped(packing: Packing, item: ObjectInstance) -> bool:
    """Whether the attribute that says the group of an object has something else to say."""
    existing = packing.edited.existing
    if packing.project.rules.group_attribute is None or existing is None:
        return False
    return _groups_of(packing.row, item) != _groups_of(existing, item)


def _groups_of(row: LabelRow, item: ObjectInstance) -> list[str]:
    return [group.id for group in row.groups if item.id in group.objects]


def untouched(old: ObjectInstance, item: ObjectInstance) -> bool:
    """Whether an object of the opened row still says what it said; its pixels do not count."""
    if old is item:
        return True
    return (
        (old.class_name, old.track, old.sensor, old.answers, old.raw)
        == (item.class_name, item.track, item.sensor, item.answers, item.raw)
        and old.occurrences.keys() == item.occurrences.keys()
        and all(
            found.keyframe == old.occurrences[frame].keyframe
            and _drawn_alike(found.geometry, old.occurrences[frame].geometry)
            for frame, found in item.occurrences.items()
        )
    )


def _drawn_alike(one: Geometry, other: Geometry) -> bool:
    shape = shape_of(one)
    return shape is shape_of(other) and (shape in _PIXELS or one == other)


def _annotation(
    packing: Packing, part: Part, item: ObjectInstance, frame: int, found: Occurrence, base: Mapping[str, Any]
) -> Json:
    """What a frame says of an object: its drawing and whether it is a keyframe, on top of `base`."""
    shape = shape_of(found.geometry)
    if shape is not item.shape:
        why = f"it is a {shape.value} here and a {item.shape.value} before"
        raise packing.refuse(named(item, part, frame), f"{why}; make it two objects")
    one: Json = dict(base) or {"id": 0, "category_id": 0, "track_id": 0}
    if shape not in _PIXELS:
        try:
            one |= _drawing(packing, part, item, found.geometry, base)
        except GeometryError as error:
            raise packing.refuse(named(item, part, frame), error) from error
    was = base.get("is_keyframe") is not False
    if (not base and (part.kind.sequence or not found.keyframe)) or (base and was is not found.keyframe):
        one["is_keyframe"] = found.keyframe
    return one


def _drawing(
    packing: Packing, part: Part, item: ObjectInstance, geometry: Geometry, base: Mapping[str, Any]
) -> Json:
    full = packing.project.full_rotation
    if isinstance(geometry, Cuboid) and not full and not upright(geometry):
        why = "it is turned about other axes than z; the dataset does not have 3D cuboid rotation enabled"
        packing.lose(item.id, LossKind.ROTATION, why)
    try:
        before = read_geometry(base, solid=part.kind.solid) if base else None
    except GeometryError:
        before = None
    if before is None:
        return geometry_json(_one_ring(packing, item, geometry), full_rotation=full)
    if shape_of(before) is shape_of(geometry) and before == geometry:
        return {}
    return patched_json(base, before, _one_ring(packing, item, geometry), full_rotation=full)


def _one_ring(packing: Packing, item: ObjectInstance, geometry: Geometry) -> Geometry:
    """A polygon as its largest outer ring; what it has beside is lost."""
    if not isinstance(geometry, Polygon):
        return geometry
    parts = [part for part in geometry.parts if part]
    if any(len(part) > 1 for part in parts):
        packing.lose(item.id, LossKind.HOLES, "a polygon of Segments.ai has no holes; convert it to a mask")
    if len(parts) > 1:
        why = f"a polygon of Segments.ai has one part, and this has {len(parts)}; only the largest is written"
        packing.lose(item.id, LossKind.PARTS, why)
        parts = [max(parts, key=lambda part: ring_area(part[0]))]
    return Polygon(tuple((part[0],) for part in parts))


def _check_frames(packing: Packing, part: Part, item: ObjectInstance) -> None:
    count = max(len(part.shown), len(part.said)) if part.shown else None
    for frame in item.occurrences:
        if frame < 0 or (count is not None and frame >= count):
            last = (count or 0) - 1
            raise packing.refuse(named(item), f"it is on frame {frame}; the sample has frames 0 to {last}")


def _losses(packing: Packing, item: ObjectInstance) -> None:
    sure = [found.confidence for found in item.occurrences.values() if found.confidence not in (None, 1)]
    if sure:
        why = f"Segments.ai has no confidence of an annotation ({sure[0]}); a row has a `score`"
        packing.lose(item.id, LossKind.CONFIDENCE, why)


# ---- attributes -------------------------------------------------------------------------------------------


def _attributes(
    packing: Packing, part: Part, item: ObjectInstance, category: Category
) -> dict[int, Json | None]:
    raw = annotations_of(item)
    answers = (*item.answers, *_bound(packing, item, category))
    if not answers and not raw and not category.required:
        return dict.fromkeys(item.occurrences)
    homeless = Homeless()
    frames = {frame: json_of(raw.get(str(frame))).get("attributes") for frame in item.occurrences}
    if not answers and not any(frames.values()) and not category.required:
        return {frame: None if base is None else dict(base) for frame, base in frames.items()}
    bases = {frame: json_of(base) for frame, base in frames.items()}
    found = on_frames(answers, item.occurrences, homeless)
    if part.kind.sequence:
        settle(found, bases, category.attributes, homeless)
    owner = f"category {item.class_name!r}"
    written: dict[int, Json | None] = {}
    for frame, said in found.items():
        base = None if frames[frame] is None else bases[frame]
        try:
            written[frame] = patched(base, said, category.attributes, owner, homeless)
        except AnswerError as error:
            raise packing.refuse(named(item, part, frame), error) from error
    for _, why in homeless.lost:
        packing.lose(item.id, LossKind.ATTRIBUTE, why)
    for name in sorted(homeless.kept):
        packing.note(item.id, "attribute", f"{owner} has no attribute {name!r}; it is kept as it came")
    missing = [name for name in category.required if any(name not in (one or {}) for one in written.values())]
    for name in missing:
        why = f"required attribute {name!r} is not answered"
        if packing.project.rules.require_answers:
            raise packing.refuse(named(item, part), f"{why}; answer it, for example with `set`")
        packing.note(item.id, "required answer", why)
    return written


def _bound(packing: Packing, item: ObjectInstance, category: Category) -> list[Answer]:
    """The group of an object as an answer, where groups are; a group without a place is lost."""
    name = packing.project.rules.group_attribute
    if name is None:
        return []
    groups = _groups_of(packing.row, item)
    if not groups:
        return []
    definition = category.attributes.get(name)
    if definition is None:
        why = f"category {item.class_name!r} has no attribute {name!r} to hold group {groups[0]!r}"
        packing.lose(item.id, LossKind.GROUP, why)
        return []
    for more in groups[1:]:
        why = f"attribute {name!r} holds one group, and the object is also in {more!r}"
        packing.lose(item.id, LossKind.GROUP, why)
    return [Answer(name, AttributeKind.TEXT, groups[0])]


# ---- numbers ----------------------------------------------------------------------------------------------


def _numbered(one: Json, item: ObjectInstance, numbers: Numbered, part: Part) -> Json:
    """The annotation with the number of its track; on a single picture it need not say one."""
    said = whole(one.get("track_id"))
    if (said is None or said[0] != numbers.track) and (
        part.kind.sequence or item.track is not None or one.get("track_id") is not None
    ):
        one["track_id"] = numbers.track
    return one


def _kept_number(raw: JsonValue, number: int) -> JsonValue:
    """A number, in the clothes that it came in."""
    said = None if raw is None else whole(raw)
    return raw if said is not None and said[0] == number else number


def with_id(one: Json, number: int) -> Json:
    """Put the id of a frame into an annotation."""
    one["id"] = _kept_number(one.get("id"), number)
    return one

"""Objects that came from Encord and go back to it: their JSON, with only what changed patched into it."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.geometry import AnyMask, Geometry, shape_of
from pipeline.core.labels import Answer, ObjectInstance, Occurrence
from pipeline.core.masks import MaskError
from pipeline.core.measure import mask_of
from pipeline.core.ontology import SkeletonTemplate
from pipeline.platforms.encord.convert import geometry as geometries
from pipeline.platforms.encord.convert.answers import Entries, read_dynamic
from pipeline.platforms.encord.convert.flatten import AnswerError, Flat, Value, flatten, merged
from pipeline.platforms.encord.convert.geometry import GeometryError
from pipeline.platforms.encord.convert.index import Label
from pipeline.platforms.encord.convert.merge import patched, patched_dynamic, patched_static, resolved
from pipeline.platforms.encord.convert.objects import Author, Sizes, WrittenObject, frame_wire
from pipeline.platforms.encord.wire import Json


def rewrite_object(
    item: ObjectInstance,
    answers: tuple[Answer, ...],
    base: ObjectInstance,
    identity: str,
    label: Label,
    sizes: Sizes,
    author: Author,
) -> tuple[WrittenObject, Flat | None]:
    """Return an object as it travels, and its canonical answers (None: none of them changed).

    `base` is the object's `raw` read again on pictures of these sizes. Raises GeometryError and AnswerError.
    """
    raw: Mapping[str, Any] = item.raw.data if item.raw else {}
    frames = {
        frame: _frame(
            occurrence,
            base.occurrences.get(frame),
            raw["frames"].get(str(frame), {}),
            identity,
            label,
            size,
            author,
        )
        for frame, occurrence in item.occurrences.items()
        for size in (sizes(frame),)
    }
    said, acted = raw.get("answer") or {}, raw.get("actions") or {}
    static, dynamic, flat = _answers(item, answers, base, label, said, acted)
    answer: Json = {**said, "objectHash": identity, "classifications": static}
    actions = {**acted, "objectHash": identity, "actions": dynamic} if dynamic else None
    return WrittenObject(identity, frames, answer, actions), flat


def _frame(
    occurrence: Occurrence,
    base: Occurrence | None,
    raw: Mapping[str, Any],
    identity: str,
    label: Label,
    size: tuple[int, int] | None,
    author: Author,
) -> Json:
    template = label.definition.skeleton if label.definition else None
    if size is None:
        raise GeometryError("the size of the picture is not known")
    if base is None:
        return frame_wire(occurrence, _drawn(occurrence.geometry, size, template), identity, label, author)
    same = same_geometry(occurrence.geometry, base.geometry)
    now: Json = {} if same else _drawn(occurrence.geometry, size, template)
    before: Json = {} if same else geometries.encode(base.geometry, size[1], size[0], None, check=False)
    old = {**frame_wire(base, before, identity, label, author), **{key: raw.get(key) for key in _NAMES}}
    result: Json = patched(raw, old, frame_wire(occurrence, now, identity, label, author))
    if not same or occurrence.confidence != base.confidence:
        result = {**result, "lastEditedAt": author.now}
        if author.user:
            result["lastEditedBy"] = author.user
    return result


_NAMES = ("name", "color", "shape", "value", "featureHash", "objectHash")


def _drawn(geometry: Geometry, size: tuple[int, int], template: SkeletonTemplate | None) -> Json:
    return geometries.encode(geometry, size[1], size[0], template)


def same_geometry(one: Geometry, other: Geometry) -> bool:
    """Whether two geometries are equal; masks are compared by their pixels, whatever their notation."""
    if isinstance(one, AnyMask) and isinstance(other, AnyMask):
        if one == other:
            return True
        try:
            return mask_of(one) == mask_of(other)
        except MaskError:
            return False
    return shape_of(one) is shape_of(other) and one == other


def _answers(
    item: ObjectInstance,
    answers: tuple[Answer, ...],
    base: ObjectInstance,
    label: Label,
    said: Mapping[str, Any],
    acted: Mapping[str, Any],
) -> tuple[list[Json], list[Json], Flat | None]:
    static: Entries = said.get("classifications") or ()
    dynamic: Entries = acted.get("actions") or ()
    own = _own_class(item, label)
    if len(answers) == len(base.answers) and all(answer in base.answers for answer in answers):
        kept = [_kept(entry, label) for entry in static], [_kept(entry, label) for entry in dynamic]
        if own or all(label.resolve(entry) is not None for entry in (*static, *dynamic)):
            return *kept, None
    strange = [a for a in base.answers if a in answers and a.attribute not in label.names] if own else []
    now = flatten([a for a in answers if a not in strange], label, _spans(item))
    try:
        before = flatten([a for a in base.answers if a.attribute in label.names], label, _spans(base))
    except AnswerError:
        before = Flat()
    values = [_canonical(entry, label) for entry in dynamic]
    rest = patched_static(static, before.static, now.static, label)
    return rest, patched_dynamic(dynamic, before.dynamic, now.dynamic, label, values), now


def _own_class(item: ObjectInstance, label: Label) -> bool:
    """Whether the object's JSON names the very class that it is written to."""
    frames = item.raw.data["frames"].values() if item.raw else ()
    return all(found.get("featureHash") == label.id for found in frames)


def _kept(entry: Mapping[str, Any], label: Label) -> Json:
    attribute = label.resolve(entry)
    return dict(entry) if attribute is None else resolved(entry, attribute)


def _spans(item: ObjectInstance) -> tuple[tuple[int, int], ...]:
    return merged((frame, frame) for frame in item.occurrences)


def _canonical(entry: Mapping[str, Any], label: Label) -> tuple[str, Value] | None:
    """The attribute id and canonical value of one dynamic entry, if the ontology knows both."""
    try:
        flat = flatten(read_dynamic((entry,), label), label, ())
    except AnswerError:
        return None
    return next(((key, pairs[0][0]) for key, pairs in flat.dynamic.items()), None)

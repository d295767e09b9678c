"""What operations share: rows with other objects, objects on other frames, derived ids, merged classes.

Each keeps what does not change as the same instance, so that "unchanged" is found out without a comparison.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b

from pipeline.core import spans
from pipeline.core.geometry import Geometry
from pipeline.core.labels import Answer, Frames, Group, LabelRow, ObjectInstance, Occurrence
from pipeline.core.masks import MaskError
from pipeline.core.ontology import AttributeDef, ClassDef, OptionDef
from pipeline.errors import RowError


def derived_id(*parts: object) -> str:
    """Return 16 hex digits of blake2 over the parts: the same for the same parts in every run."""
    return blake2b("\0".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def failure(row: LabelRow, item: ObjectInstance | None, reason: str) -> RowError:
    """Return the error that names a row, an object of it, and a reason."""
    name = f"row {row.title or row.key!r}"
    return RowError(
        f"{name}, object {item.id!r} ({item.class_name}): {reason}" if item else f"{name}: {reason}"
    )


def same(one: Iterable[object], other: Iterable[object]) -> bool:
    """Say whether both hold the same instances in the same order."""
    first, second = list(one), list(other)
    return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))


def with_objects(row: LabelRow, objects: Iterable[ObjectInstance]) -> LabelRow:
    """Return the row with these objects; what is no longer there leaves groups and relations.

    The same objects give the same row.
    """
    kept = tuple(objects)
    return row if same(kept, row.objects) else linked(row.with_objects(kept))


def linked(row: LabelRow) -> LabelRow:
    """Return the row with groups and relations of its own objects only. A group without a member goes."""
    ids = {item.id for item in row.objects}
    groups = tuple(group for group in (_pruned(group, ids) for group in row.groups) if group.objects)
    relations = tuple(link for link in row.relations if link.source in ids and link.target in ids)
    if same(groups, row.groups) and same(relations, row.relations):
        return row
    return replace(row, groups=groups, relations=relations)


def _pruned(group: Group, ids: set[str]) -> Group:
    members = tuple(member for member in group.objects if member in ids)
    return group if len(members) == len(group.objects) else replace(group, objects=members)


def with_occurrences(
    item: ObjectInstance, occurrences: Mapping[int, Occurrence], gone: Frames | None = None
) -> ObjectInstance | None:
    """Return the object with these occurrences, or None where there are none.

    Its dynamic answers leave the frames that it lost, and those of `gone`.
    """
    if not occurrences:
        return None
    answers = item.answers
    lost = {*spans.of_frames(frame for frame in item.occurrences if frame not in occurrences), *(gone or ())}
    if lost:
        answers = without_frames(answers, spans.merged(lost))
    if answers is item.answers and same(occurrences.values(), item.occurrences.values()):
        return item
    return replace(item, occurrences=occurrences, answers=answers)


def without_frames(answers: tuple[Answer, ...], gone: Frames) -> tuple[Answer, ...]:
    """Take frames away from dynamic answers; one that holds nowhere goes."""
    kept: list[Answer] = []
    for answer in answers:
        if answer.frames is None or not spans.shared(answer.frames, gone):
            kept.append(answer)
        elif left := spans.without(answer.frames, gone):
            kept.append(replace(answer, frames=left))
    return answers if same(kept, answers) else tuple(kept)


def redrawn(
    row: LabelRow, item: ObjectInstance, draw: Callable[[Geometry, int], Geometry | None]
) -> ObjectInstance | None:
    """Return the object with each geometry drawn anew; None takes the occurrence away.

    `draw` gets a geometry and its frame. Its ValueError becomes a RowError that names the object.
    """
    occurrences: dict[int, Occurrence] = {}
    for frame, occurrence in item.occurrences.items():
        try:
            geometry = draw(occurrence.geometry, frame)
        except (ValueError, MaskError) as error:
            raise failure(row, item, f"frame {frame}: {error}") from error
        if geometry is occurrence.geometry:
            occurrences[frame] = occurrence
        elif geometry is not None:
            occurrences[frame] = replace(occurrence, geometry=geometry)
    return with_occurrences(item, occurrences)


def size_of(row: LabelRow, item: ObjectInstance, frame: int) -> tuple[int, int]:
    """Return (height, width) of the picture that an object is on. Raises ValueError where it is not known."""
    size = row.size_at(frame, item.sensor)
    if size is None:
        raise ValueError("the size of the picture is not known; give it in the source or in the target")
    return size


def merged_classes(classes: Iterable[ClassDef]) -> tuple[ClassDef, ...]:
    """Return classes with those of one name and shape made one, with the attributes of all."""
    found: dict[tuple[str, str], ClassDef] = {}
    for item in classes:
        first = found.get((item.name, item.shape))
        attributes = merged_attributes((*first.attributes, *item.attributes)) if first else item.attributes
        found[item.name, item.shape] = replace(first or item, attributes=attributes)
    return tuple(found.values())


def merged_attributes(attributes: Iterable[AttributeDef]) -> tuple[AttributeDef, ...]:
    """Return attributes with those of one name made one: the first, with the options of all."""
    found: dict[str, AttributeDef] = {}
    for item in attributes:
        first = found.get(item.name)
        options = merged_options((*first.options, *item.options)) if first else item.options
        dynamic = item.dynamic or (first is not None and first.dynamic)
        found[item.name] = replace(first or item, options=options, dynamic=dynamic)
    return tuple(found.values())


def merged_options(options: Iterable[OptionDef]) -> tuple[OptionDef, ...]:
    """Return options with those of one name made one, with the attributes of all."""
    found: dict[str, OptionDef] = {}
    for item in options:
        first = found.get(item.name)
        attributes = merged_attributes((*first.attributes, *item.attributes)) if first else item.attributes
        found[item.name] = replace(first or item, attributes=attributes)
    return tuple(found.values())

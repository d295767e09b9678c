"""The objects of a row, one by one: as they came, patched, or new."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pipeline.core.labels import Answer, LabelRow, ObjectInstance, Relation
from pipeline.core.losses import LossKind, Note
from pipeline.errors import RowError
from pipeline.platforms.encord.convert.context import Packing
from pipeline.platforms.encord.convert.flatten import AnswerError, Flat
from pipeline.platforms.encord.convert.geometry import GeometryError, NoEquivalent
from pipeline.platforms.encord.convert.index import Label
from pipeline.platforms.encord.convert.links import (
    group_answers,
    groups_by_object,
    relation_answers,
    relations_by_source,
    renamed,
)
from pipeline.platforms.encord.convert.objects import WrittenObject, read_object, verbatim, write_object
from pipeline.platforms.encord.convert.patching import rewrite_object
from pipeline.platforms.encord.wire import DRAWN, PLATFORM


def pack_objects(packing: Packing, skipped: frozenset[str]) -> list[WrittenObject]:
    """Return the objects of the row as they travel, in their order; losses and notes go to `packing`."""
    row, existing = packing.row, packing.edited.existing
    before = {item.id: item for item in existing.objects} if existing and existing.objects else {}
    links, old_links = _Links.of(packing, row), _Links.of(packing, existing)
    written = []
    for item in row.objects:
        if item.id in skipped:
            continue
        linked = links.at(item.id) if links else _UNLINKED
        old = before.get(item.id)
        if (
            old is not None
            and (old is item or old == item)
            and packing.hashes.get(item.id) == item.id
            and linked == (old_links.at(item.id) if old_links else _UNLINKED)
        ):
            written.append(verbatim(item))
            continue
        done = _object(packing, item, *linked)
        if done is not None:
            written.append(done)
    if packing.rules.group_attribute is None:
        for group in row.groups:
            why = f"group {group.id!r} of {len(group.objects)} objects"
            packing.lose(None, LossKind.GROUP, f"{why}; name a text attribute for it in `group_attribute`")
    for relation in row.relations:
        if relation.source not in packing.hashes:
            why = f"relation {relation.name!r} starts from object {relation.source!r}, which the row has not"
            packing.lose(relation.source, LossKind.RELATION, why)
    return written


@dataclass(frozen=True, slots=True)
class _Links:
    """The relations that start from each object of a row, and, where they are written, its groups."""

    relations: Mapping[str, tuple[Relation, ...]]
    groups: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, packing: Packing, row: LabelRow | None) -> Self | None:
        """Return the links of a row, or None where it has none."""
        if row is None:
            return None
        grouped = packing.rules.group_attribute is not None and row.groups
        if not (grouped or row.relations):
            return None
        return cls(
            relations_by_source(row) if row.relations else {}, groups_by_object(row) if grouped else {}
        )

    def at(self, identity: str) -> tuple[tuple[Relation, ...], tuple[str, ...]]:
        return self.relations.get(identity, ()), self.groups.get(identity, ())


_UNLINKED: tuple[tuple[Relation, ...], tuple[str, ...]] = (), ()


def _object(
    packing: Packing, item: ObjectInstance, links: tuple[Relation, ...], bound: tuple[str, ...]
) -> WrittenObject | None:
    if not item.occurrences:
        raise packing.refuse(f"object {item.id!r} ({item.class_name})", "it is on no frame; remove it")
    label = packing.index.pairs.get((item.class_name, item.shape))
    if label is None or not label.drawn or item.sensor is not None:
        _leave_out(packing, item)
        return None
    if item.answers or len(item.occurrences) > 1 or 0 not in item.occurrences:
        _check_frames(packing, item)
    answers = item.answers
    if answers or links or bound:
        answers = _answers(packing, item, links, bound, label)
    try:
        done, flat = _written(packing, item, answers, label)
    except NoEquivalent as error:
        packing.lose(item.id, LossKind.SHAPE, str(error))
        return None
    except (GeometryError, AnswerError) as error:
        raise packing.refuse(_what(item), error) from error
    if flat is not None and (flat.homeless or label.required):
        packing.judge(item.id, _what(item), label, flat)
    _keyframe_losses(packing, item)
    if item.track is not None and item.track != item.id:
        _track_losses(packing, item)
    return done


def _leave_out(packing: Packing, item: ObjectInstance) -> None:
    """Report an object that has no place in Encord; RowError where the ontology could give it one."""
    if item.sensor is not None:
        why = f"it is on sensor {item.sensor!r} ({item.class_name}); a row of Encord has no sensors"
        packing.lose(item.id, LossKind.FRAMES, why)
    elif item.shape in DRAWN:
        why = packing.index.ontology.explain_missing(item.class_name, item.shape)
        raise packing.refuse(_what(item), why)
    else:
        why = f"Encord has no {item.shape.value} on pictures ({item.class_name}); add `convert`, or drop it"
        packing.lose(item.id, LossKind.SHAPE, why)


def _what(item: ObjectInstance) -> str:
    return f"object {item.id!r} ({item.class_name}, {item.shape.value})"


def _answers(
    packing: Packing, item: ObjectInstance, links: tuple[Relation, ...], bound: tuple[str, ...], label: Label
) -> tuple[Answer, ...]:
    """The answers of an object, with its relations and its group among them."""
    answers = renamed(item.answers, packing.hashes)
    if links:
        added, lost = relation_answers(item, links, label, packing.hashes, packing.key)
        answers = (*answers, *added)
        packing.losses.extend(lost)
    if bound and packing.rules.group_attribute:
        added, lost = group_answers(item, bound, label, packing.rules.group_attribute, packing.key)
        answers = (*answers, *added)
        packing.losses.extend(lost)
    return answers


def _written(
    packing: Packing, item: ObjectInstance, answers: tuple[Answer, ...], label: Label
) -> tuple[WrittenObject, Flat | None]:
    identity, raw = packing.hashes[item.id], item.raw
    if raw is None or raw.platform != PLATFORM or "frames" not in raw.data:
        return write_object(item, answers, identity, label, packing.size_at, packing.author)
    try:
        base = read_object(packing.row.title, item.id, raw.data, packing.index, packing.size_at)
    except RowError:  # it cannot be read on these pictures, so nothing of it can be kept
        return write_object(item, answers, identity, label, packing.size_at, packing.author)
    return rewrite_object(item, answers, base, identity, label, packing.size_at, packing.author)


def _check_frames(packing: Packing, item: ObjectInstance) -> None:
    count = packing.frame_count
    for frame in item.occurrences:
        if frame < 0 or (count is not None and frame >= count):
            raise packing.refuse(
                _what(item), f"it is on frame {frame}; the row has frames 0 to {(count or 0) - 1}"
            )
    for answer in item.answers:
        for first, last in answer.frames or ():
            if first < 0 or last < first or (count is not None and last >= count):
                why = f"attribute {answer.attribute!r} holds on frames {first} to {last}"
                raise packing.refuse(_what(item), f"{why}; the row has frames 0 to {(count or 0) - 1}")


def _keyframe_losses(packing: Packing, item: ObjectInstance) -> None:
    guessed = 0
    for occurrence in item.occurrences.values():
        if not occurrence.keyframe:
            guessed += 1
    if guessed:
        why = f"{guessed} of its frames are interpolated, which Encord does not mark"
        packing.lose(item.id, LossKind.KEYFRAME, why)


def _track_losses(packing: Packing, item: ObjectInstance) -> None:
    if any(other.track == item.track and other is not item for other in packing.row.objects):
        why = f"track {item.track!r} joins several objects; an Encord object is one track"
        packing.lose(item.id, LossKind.TRACK, why)
    else:
        why = f"track {item.track!r} becomes the object's own hash"
        packing.notes.append(Note(packing.key, item.id, "track", why))

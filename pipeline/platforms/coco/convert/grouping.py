"""Which objects make one annotation, and what its field says of the group that they are in.

Without a field a group is one annotation, or it is lost. With one, every object is an annotation of its own,
unless it came as one with others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pipeline.core.geometry import Box, Shape
from pipeline.core.labels import Group, LabelRow, ObjectInstance
from pipeline.platforms.coco.convert import geometry as shapes
from pipeline.platforms.coco.convert.reading import BOX, KEYPOINTS, PLATFORM, SEGMENTATION
from pipeline.platforms.coco.wire import Id

KEYS = {Shape.POLYGON: SEGMENTATION, Shape.MASK: SEGMENTATION, Shape.SKELETON: KEYPOINTS, Shape.BOX: BOX}
"""The key of an annotation that states a shape."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The objects of one annotation, and what its group field says (None: nothing)."""

    items: Sequence[ObjectInstance]
    group: Id | None = None


@dataclass(frozen=True, slots=True)
class Units:
    """The annotations of a row in the order of its objects, and the groups that they do not hold.

    A loss is an object, or None for a whole group, and why.
    """

    found: list[Unit]
    losses: list[tuple[str | None, str]]


def units_of(row: LabelRow, held: Mapping[str, ObjectInstance], field: str | None) -> Units:
    """Return the annotations of a row. `held` are those of its objects that COCO holds, by id, in order."""
    losses: list[tuple[str | None, str]] = []
    if not row.groups:
        return Units([Unit((item,)) for item in held.values()], losses)
    bound = _as_one(row, held, losses) if field is None else _by_field(row, held, field, losses)
    unit_of = {item.id: unit for unit in bound for item in unit.items}
    done: set[str] = set()
    found = []
    for name, item in held.items():
        if name not in done:
            unit = unit_of.get(name) or Unit((item,))
            done.update(one.id for one in unit.items)
            found.append(unit)
    return Units(found, losses)


def raw_of(items: Sequence[ObjectInstance]) -> Mapping[str, Any] | None:
    """Return the annotation that all objects came from, or None."""
    raws = [item.raw.data if item.raw and item.raw.platform == PLATFORM else None for item in items]
    first = raws[0]
    return first if all(raw is first or raw == first for raw in raws) else None


def _as_one(
    row: LabelRow, held: Mapping[str, ObjectInstance], losses: list[tuple[str | None, str]]
) -> Iterator[Unit]:
    """Give each group that fits as the geometries of one annotation."""
    taken: set[str] = set()
    for group in row.groups:
        items = [held[name] for name in group.objects if name in held]
        if len(items) == len(group.objects) > 1 and not taken & set(group.objects) and _fits(items):
            taken.update(group.objects)
            yield Unit(items)
            continue
        why = (
            f"group {group.id!r}: COCO holds a group only as the segmentation, keypoints and other bbox "
            "of one annotation, of one class, confidence and attributes; name a key of annotations for it in "
            "`group_field`"
        )
        losses.append((None, why))


def _by_field(
    row: LabelRow, held: Mapping[str, ObjectInstance], field: str, losses: list[tuple[str | None, str]]
) -> Iterator[Unit]:
    """Give the annotations of the objects that are in groups; an object is in the first one that has it."""
    owner: dict[str, Group] = {}
    keys: set[str] = set()
    for group in row.groups:
        items: dict[str, ObjectInstance] = {}
        for name in group.objects:
            if name in held and owner.setdefault(name, group) is group:
                items[name] = held[name]
            elif name in held:
                losses.append(
                    (name, f"key {field!r} holds one group, and the object is also in {group.id!r}")
                )
        pieces = _pieces(list(items.values()))
        if not _implied(group, pieces, field):
            value = _value(group, items.values(), field, keys)
            pieces = [Unit(piece.items, value) for piece in pieces]
        yield from pieces


def _pieces(items: Sequence[ObjectInstance]) -> list[Unit]:
    """Return the objects of a group as annotations: those together that came so, and fit one still."""
    pieces: dict[object, list[ObjectInstance]] = {}
    for item in items:
        raw = raw_of((item,)) if len(items) > 1 else None
        came = item.id if raw is None else msgspec.json.encode(raw, order="deterministic")
        pieces.setdefault(came, []).append(item)
    found: list[Unit] = []
    for piece in pieces.values():
        found += [Unit(piece)] if len(piece) > 1 and _fits(piece) else [Unit((item,)) for item in piece]
    return found


def _implied(group: Group, pieces: Sequence[Unit], field: str) -> bool:
    """Whether a group is what one annotation states, and came without a word about it."""
    if len(pieces) != 1 or len(group.objects) == 1 or len(pieces[0].items) != len(group.objects):
        return False
    return field not in (raw_of(pieces[0].items) or {field: None})


def _value(group: Group, items: Iterable[ObjectInstance], field: str, keys: set[str]) -> Id:
    """Return what the field says of a group: as it came where it came, and unlike any other of the row."""
    key, times = group.id, 1
    while key in keys:
        times += 1
        key = f"{group.id}-{times}"
    keys.add(key)
    said = ((raw_of((item,)) or {}).get(field) for item in items)
    return next((one for one in said if isinstance(one, Id) and str(one) == key), key)


def _fits(items: Sequence[ObjectInstance]) -> bool:
    """Whether objects can be one annotation that is read back as the same objects."""
    by_key = {KEYS[item.shape]: item for item in items}
    first = items[0]
    alike = all(
        item.class_name == first.class_name
        and item.occurrences[0].confidence == first.occurrences[0].confidence
        and item.answers == first.answers
        for item in items
    )
    if len(by_key) < len(items) or not alike:
        return False
    if BOX in by_key and SEGMENTATION in by_key:
        box = by_key[BOX].occurrences[0].geometry
        assert isinstance(box, Box)  # noqa: S101 - by the shape
        segmentation = by_key[SEGMENTATION].occurrences[0].geometry
        outline = None if shapes.has_holes(segmentation) else shapes.write_segmentation(segmentation, None)
        return outline is not None and not shapes.is_tight(shapes.write_box(box), outline)
    return True

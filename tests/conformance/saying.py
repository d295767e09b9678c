"""What of a row did not arrive: the row that was meant beside the one that was read back.

Ids, authors, times and the order of objects are a platform's own. So is how equal things are written: no
confidence and one of 1.0, a boolean and the radio of its two values, a classification of all frames and one
of the row or of the sensor that they are of, an answer on all frames of its object and a static one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace

import numpy as np

from pipeline.core import spans
from pipeline.core.geometry import AnyMask, Geometry, Node, Skeleton, Visibility
from pipeline.core.labels import Answer, Classification, LabelRow, ObjectInstance, Option
from pipeline.core.losses import LossKind
from pipeline.core.masks import Mask
from pipeline.core.measure import mask_of
from pipeline.core.ontology import AttributeKind

_DRAWN = frozenset(
    {
        LossKind.SHAPE,
        LossKind.HOLES,
        LossKind.PARTS,
        LossKind.ROTATION,
        LossKind.VISIBILITY,
        LossKind.FRAMES,
        LossKind.PRECISION,
        LossKind.OVERLAP,
    }
)
_ANSWERED = frozenset({LossKind.ATTRIBUTE, LossKind.RELATION, LossKind.GROUP})


@dataclass(frozen=True)
class Unsaid:
    """Something of a row that did not arrive, and the losses or notes of which one has to name it.

    `object` is the object or classification that it belongs to, None for the row.
    """

    object: str | None
    what: str
    excuses: frozenset[str]


def unsaid(meant: LabelRow, back: LabelRow, *, row_details: bool) -> list[Unsaid]:
    """Everything of `meant` that `back` does not say."""
    pairs = _paired(meant.objects, back.objects)
    found = [one for item, other in pairs for one in _of_object(item, other)]
    marks = [_mark(meant, mark) for mark in back.classifications]
    found += [
        Unsaid(mark.id, "classification", frozenset({"classification", "frames", "confidence"}))
        for mark in meant.classifications
        if not _take(marks, _mark(meant, mark))
    ]
    found += _links(meant, back, pairs)
    return found + list(_details(meant, back, row_details=row_details))


def invented(meant: LabelRow, back: LabelRow) -> int:
    """How many labels are there that were not sent; a negative number says how many are not there."""
    return back.label_count - meant.label_count


def near(one: object, other: object) -> bool:
    """Whether two values are equal, numbers within a millionth of a pixel and masks to the pixel."""
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-6)
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(near, one, other))
    if is_dataclass(one) and not isinstance(one, Mask):
        return all(near(getattr(one, item.name), getattr(other, item.name)) for item in fields(one))
    return bool(np.all(one == other))


def _paired(
    meant: Sequence[ObjectInstance], back: Sequence[ObjectInstance]
) -> list[tuple[ObjectInstance, ObjectInstance | None]]:
    """Each object with the one that arrived for it: one that is equal in all, else one drawn alike."""
    left = list(back)
    pairs: dict[int, ObjectInstance] = {}
    for alike in (_equal, _drawn_alike):
        for place, item in enumerate(meant):
            other = next((one for one in left if alike(item, one)), None) if place not in pairs else None
            if other is not None:
                pairs[place] = other
                left = [one for one in left if one is not other]
    return [(item, pairs.get(place)) for place, item in enumerate(meant)]


def _equal(item: ObjectInstance, other: ObjectInstance) -> bool:
    return _drawn_alike(item, other) and not list(_of_object(item, other))


def _drawn_alike(item: ObjectInstance, other: ObjectInstance) -> bool:
    return (
        item.class_name == other.class_name
        and item.sensor == other.sensor
        and list(item.occurrences) == list(other.occurrences)
        and all(
            near(pixels(one.geometry), pixels(other.occurrences[frame].geometry))
            for frame, one in item.occurrences.items()
        )
    )


def _of_object(item: ObjectInstance, other: ObjectInstance | None) -> Iterator[Unsaid]:
    if other is None:
        yield Unsaid(item.id, f"{item.shape} of class {item.class_name!r}", frozenset(_DRAWN))
        return
    pairs = [(one, other.occurrences[frame]) for frame, one in item.occurrences.items()]
    if any(not near(_sure(one.confidence), _sure(two.confidence)) for one, two in pairs):
        yield Unsaid(item.id, "confidence", frozenset({"confidence"}))
    if any(one.keyframe != two.keyframe for one, two in pairs):
        yield Unsaid(item.id, "keyframe", frozenset({"keyframe"}))
    if item.track is not None and item.track != other.track:
        yield Unsaid(item.id, "track", frozenset({"track"}))
    if sorted(map(repr, _said(item.answers, item))) != sorted(map(repr, _said(other.answers, other))):
        yield Unsaid(item.id, f"answers {item.answers} and not {other.answers}", frozenset(_ANSWERED))


def _links(
    meant: LabelRow, back: LabelRow, pairs: Sequence[tuple[ObjectInstance, ObjectInstance | None]]
) -> Iterator[Unsaid]:
    names = {item.id: other.id for item, other in pairs if other is not None}
    groups = [set(group.objects) for group in back.groups]
    for group in meant.groups:
        members = {names.get(one, "") for one in group.objects}
        # What stands for an object that is drawn in another shape cannot be followed.
        whole = all(one in names for one in group.objects)
        if not (_take(groups, members) if whole else len(back.groups) >= len(meant.groups)):
            yield Unsaid(None, f"group {group.id!r}", frozenset({"group", *_DRAWN}))
    links = [(link.name, link.source, link.target) for link in back.relations]
    for link in meant.relations:
        if not _take(links, (link.name, names.get(link.source, ""), names.get(link.target, ""))):
            yield Unsaid(link.source, f"relation {link.name!r}", frozenset({"relation", *_DRAWN}))


def _details(meant: LabelRow, back: LabelRow, *, row_details: bool) -> Iterator[Unsaid]:
    for name in ("status", "priority", "score", "metadata"):
        value = getattr(meant, name)
        if value not in (None, {}) and getattr(back, name) != value:
            # Nothing excuses a platform that says that it holds them.
            yield Unsaid(None, name, frozenset() if row_details else frozenset({name, "metadata"}))


def _take(left: list[object] | list[set[str]] | list[tuple[str, str, str]], wanted: object) -> bool:
    """Take one of the values out of the list, if it is there."""
    if wanted in left:
        left.remove(wanted)  # type: ignore[arg-type]
        return True
    return False


def _mark(row: LabelRow, mark: Classification) -> object:
    sensor = row.sensor(mark.sensor) if mark.sensor is not None else None
    count = row.frame_count if sensor is None else sensor.frame_count
    frames = spans.merged(mark.frames) if mark.frames else mark.frames
    if count is not None and frames == ((0, count - 1),):
        frames = None
    return repr((_said((mark.answer,)), frames, _sure(mark.confidence), mark.sensor))


def _sure(confidence: float | None) -> float:
    return 1.0 if confidence is None else float(confidence)


def pixels(geometry: Geometry) -> Geometry:
    """A mask in whatever notation as a `Mask`, and a node that nobody sees nowhere; else as it is."""
    if isinstance(geometry, Skeleton):
        return Skeleton(tuple(map(_placed, geometry.nodes)))
    return mask_of(geometry) if isinstance(geometry, AnyMask) else geometry


def _placed(node: Node) -> Node:
    return node if node.visibility is not Visibility.INVISIBLE else replace(node, x=0.0, y=0.0)


def _said(answers: Sequence[Answer], item: ObjectInstance | None = None) -> list[object]:
    found: list[object] = []
    for answer in answers:
        value = answer.value
        if isinstance(value, bool):
            value = Option(str(value).lower())
        if answer.kind is AttributeKind.NUMBER and isinstance(value, int | float):
            value = float(value)
        options = value if isinstance(value, tuple) else (value,) if isinstance(value, Option) else None
        said = value if options is None else [(one.name, _said(one.answers)) for one in options]
        # Encord marks a relation attribute in its name.
        whole = (
            item is not None
            and answer.frames
            and all(spans.holds(answer.frames, at) for at in item.occurrences)
        )
        frames = None if whole else answer.frames
        found.append((answer.attribute.removesuffix(" #relation"), said, frames))
    return found

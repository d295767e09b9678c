"""Objects of an Encord label row to objects of the label model and back.

An object's `raw` is {"frames": {frame: what the frame says}, "answer": its entry in `object_answers`,
"actions": its entry in `object_actions`}, the latter two where they exist.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

from pipeline.core.geometry import Shape, shape_of
from pipeline.core.labels import Answer, ObjectInstance, Occurrence, Provenance, Raw
from pipeline.core.masks import MaskError
from pipeline.errors import RowError
from pipeline.platforms.encord.convert import geometry as geometries
from pipeline.platforms.encord.convert.answers import read_dynamic, read_static, wire_entry
from pipeline.platforms.encord.convert.flatten import NOTHING, Flat, flatten, merged
from pipeline.platforms.encord.convert.geometry import GeometryError, NoEquivalent
from pipeline.platforms.encord.convert.index import Index, Label
from pipeline.platforms.encord.convert.merge import dynamic_entry
from pipeline.platforms.encord.convert.times import to_encord, to_iso
from pipeline.platforms.encord.wire import PLATFORM, SHAPES, Json

Sizes: TypeAlias = Callable[[int], tuple[int, int] | None]
"""Gives (height, width) of a frame in pixels, or None where it is unknown."""


class WrittenObject(NamedTuple):
    """One object as it travels, in the three places of a label row that hold it."""

    hash: str
    frames: Mapping[int, Json]
    answer: Json
    actions: Json | None


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes and when, in Encord's form."""

    now: str
    user: str | None = None


# ---- reading --------------------------------------------------------------------------------------------


def read_object(
    title: str, identity: str, raw: Mapping[str, Any], index: Index, sizes: Sizes
) -> ObjectInstance:
    """Return one object from its `raw`. Relations are still answers. RowError for JSON that is none."""
    frames = raw["frames"]
    first: Mapping[str, Any] = next(iter(frames.values()))
    label = index.classes.get(first.get("featureHash", ""))
    name = label.name if label else str(first.get("name") or first.get("featureHash"))
    if label is None:
        label = index.pairs.get((name, SHAPES.get(first.get("shape", ""), Shape.OTHER)))
    occurrences: dict[int, Occurrence] = {}
    for key, found in frames.items():
        try:
            occurrences[int(key)] = _occurrence(found, sizes(int(key)))
        except (GeometryError, KeyError, TypeError, ValueError, IndexError) as error:
            shown = f"{type(error).__name__}: {error}" if not isinstance(error, GeometryError) else str(error)
            where = f"row {title!r}, object {identity!r} ({name}), frame {key}"
            message = f"{where}: its {found.get('shape')} cannot be read: {shown}; correct it in Encord"
            raise RowError(message) from error
    answers: tuple[Answer, ...] = ()
    said, acted = raw.get("answer"), raw.get("actions")
    if said and said.get("classifications"):
        answers = read_static(said["classifications"], label)
    if acted and acted.get("actions"):
        answers += read_dynamic(acted["actions"], label)
    return ObjectInstance(identity, name, occurrences, answers, raw=Raw(PLATFORM, raw))


def _occurrence(found: Mapping[str, Any], size: tuple[int, int] | None) -> Occurrence:
    shape = found.get("shape", "")
    if not geometries.decodes(shape, found):
        raise GeometryError("labels of this shape on pictures are not supported")
    if size is None:
        raise GeometryError("the data unit has no width and height, so its fractions mean no pixels")
    shown = geometries.decode(shape, found, size[1], size[0])
    return Occurrence(shown, confidence=found.get("confidence"), provenance=provenance(found))


def provenance(found: Mapping[str, Any]) -> Provenance:
    """Return who made and edited an object or classification of the wire, and when."""
    created, edited = found.get("createdAt"), found.get("lastEditedAt")
    return Provenance(
        to_iso(created) if created else None,
        found.get("createdBy"),
        to_iso(edited) if edited else None,
        found.get("lastEditedBy"),
        found.get("manualAnnotation"),
    )


# ---- writing --------------------------------------------------------------------------------------------


def verbatim(item: ObjectInstance) -> WrittenObject:
    """Return an object of the opened row that nothing changed, exactly as it came."""
    raw = _raw(item)
    frames = {int(key): found for key, found in raw["frames"].items()}
    answer = raw.get("answer") or {"objectHash": item.id, "classifications": []}
    return WrittenObject(item.id, frames, answer, raw.get("actions"))


def write_object(
    item: ObjectInstance,
    answers: tuple[Answer, ...],
    identity: str,
    label: Label,
    sizes: Sizes,
    author: Author,
) -> tuple[WrittenObject, Flat]:
    """Return an object as it travels, and its canonical answers.

    Its `raw` of Encord, if it has one, is patched with what changed. Raises GeometryError and AnswerError.
    """
    flat = NOTHING
    if answers:
        flat = flatten(answers, label, merged((frame, frame) for frame in item.occurrences))
    template = label.definition.skeleton if label.definition else None
    shape = None if label.definition is None else label.definition.shape
    frames: dict[int, Json] = {}
    for frame, occurrence in item.occurrences.items():
        geometry, size = occurrence.geometry, sizes(frame)
        if size is None:
            raise GeometryError(f"frame {frame}: the size of the picture is not known")
        if shape_of(geometry) is not shape:
            raise GeometryError(f"frame {frame}: it is a {shape_of(geometry).value} here; expected {shape}")
        try:
            drawn = geometries.encode(geometry, size[1], size[0], template)
        except NoEquivalent:
            raise
        except (GeometryError, MaskError) as error:
            raise GeometryError(f"frame {frame}: {error}") from error
        frames[frame] = frame_wire(occurrence, drawn, identity, label, author)
    answer: Json = {
        "objectHash": identity,
        "classifications": static_entries(flat, label) if flat.static else [],
    }
    return WrittenObject(
        identity, frames, answer, _actions(flat, label, identity) if flat.dynamic else None
    ), flat


def _actions(flat: Flat, label: Label, identity: str) -> Json:
    entries = [
        dynamic_entry(label.tree[key], value, frames)
        for key, pairs in flat.dynamic.items()
        for value, frames in pairs
    ]
    return {"objectHash": identity, "actions": entries}


def static_entries(flat: Flat, label: Label) -> list[Json]:
    """Return static answers as new entries, deepest first."""
    return [
        wire_entry(label.tree[key], flat.static[key])
        for key in reversed(tuple(label.tree))
        if key in flat.static
    ]


def frame_wire(occurrence: Occurrence, drawn: Json, identity: str, label: Label, author: Author) -> Json:
    """Return what one frame says about an object, with its geometry keys as given."""
    made = occurrence.provenance
    if occurrence.confidence is not None and not isfinite(occurrence.confidence):
        raise GeometryError(f"its confidence is {occurrence.confidence}; expected a finite number")
    return {
        **label.common,
        "createdAt": (to_encord(made.created_at) if made.created_at else None) or author.now,
        "createdBy": author.user,
        "lastEditedAt": (to_encord(made.edited_at) if made.edited_at else None) or author.now,
        "confidence": 1.0 if occurrence.confidence is None else occurrence.confidence,
        "objectHash": identity,
        "featureHash": label.id,
        "manualAnnotation": made.manual is not False,
        **drawn,
    }


def _raw(item: ObjectInstance) -> Mapping[str, Any]:
    return item.raw.data if item.raw is not None else {}

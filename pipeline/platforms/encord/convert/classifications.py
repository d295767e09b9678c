"""Classifications of an Encord label row to classifications of the label model and back.

A classification's `raw` is {"answer": its entry in `classification_answers`, "frames": {frame: what the frame
says}}; only rows of the old form have the latter.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from pipeline.core.labels import Answer, Classification, Frames, Raw
from pipeline.platforms.encord.convert.answers import read_ranges, read_static
from pipeline.platforms.encord.convert.flatten import AnswerError, Flat, flatten, merged
from pipeline.platforms.encord.convert.index import Index, Label
from pipeline.platforms.encord.convert.layout import Layout
from pipeline.platforms.encord.convert.merge import patched, patched_static
from pipeline.platforms.encord.convert.objects import Author, provenance, static_entries
from pipeline.platforms.encord.convert.times import to_encord
from pipeline.platforms.encord.wire import PLATFORM, Json


def read_classification(
    identity: str, raw: Mapping[str, Any], index: Index, layout: Layout
) -> Classification | None:
    """Return one classification from its `raw`, or None for an entry that says nothing.

    Encord's reader takes these for absent too: no answer, or neither a frame nor a class for the whole row.
    """
    entry, frames = raw["answer"], raw.get("frames") or {}
    first: Mapping[str, Any] = next(iter(frames.values()), {})
    label = index.classifications.get(entry.get("featureHash") or first.get("featureHash") or "")
    if label is None:
        label = _by_name(entry, index)
    answers = read_static(entry.get("classifications") or (), label)
    if not answers or (label is not None and answers[0].attribute != label.name):
        return None
    if entry.get("range") is None:
        held = merged((int(frame), int(frame)) for frame in frames)
    else:
        held = read_ranges(entry["range"])
    whole = label is not None and label.whole_row
    if not held and not whole:
        return None
    covers = not layout.by_frame and layout.frame_count == 1 and held == ((0, 0),)
    return Classification(
        identity,
        answers[0],
        None if whole or covers else held,
        entry.get("confidence", first.get("confidence")),
        provenance({**first, **entry}),
        Raw(PLATFORM, raw),
    )


def _by_name(entry: Mapping[str, Any], index: Index) -> Label | None:
    names = {said.get("name") for said in entry.get("classifications") or ()}
    return next((label for name, label in index.titles.items() if name in names), None)


def range_of(item: Classification, label: Label, layout: Layout, frame_count: int | None) -> Frames:
    """Return the frames that a classification holds on as Encord writes them: none for a whole-row class.

    Raises AnswerError where the number of frames is needed and not known, or a frame does not exist.
    """
    if label.whole_row:
        return ()
    count = layout.frame_count or frame_count
    if item.frames is None:
        if count is None:
            raise AnswerError(
                "it holds on the whole row, whose number of frames is not known; state its frames"
            )
        return ((0, count - 1),)
    for first, last in item.frames:
        if first < 0 or last < first or (count is not None and last >= count):
            raise AnswerError(
                f"it holds on frames {first} to {last}; expected frames from 0 to {(count or 0) - 1}"
            )
    return merged(item.frames)


def write_classification(
    item: Classification, answer: Answer, identity: str, label: Label, frames: Frames, author: Author
) -> tuple[Json, Flat]:
    """Return a classification as it travels, and its canonical answers. Raises AnswerError."""
    flat = flatten((answer,), label, ())
    made = item.provenance
    if item.confidence is not None and not isfinite(item.confidence):
        raise AnswerError(f"its confidence is {item.confidence}; expected a finite number")
    return {
        "classificationHash": identity,
        "featureHash": label.id,
        "classifications": static_entries(flat, label),
        "range": [list(span) for span in frames],
        "spaces": {},
        "createdBy": author.user,
        "createdAt": (to_encord(made.created_at) if made.created_at else None) or author.now,
        "lastEditedBy": author.user,
        "lastEditedAt": (to_encord(made.edited_at) if made.edited_at else None) or author.now,
        "confidence": 1.0 if item.confidence is None else item.confidence,
        "manualAnnotation": made.manual is not False,
    }, flat


def rewrite_classification(
    item: Classification,
    answer: Answer,
    base: Classification,
    identity: str,
    label: Label,
    frames: tuple[Frames, Frames],
    author: Author,
) -> Json:
    """Return the entry of a classification that came from Encord, patched with what changed.

    `base` is its `raw` read again, `frames` what was held before and what is held now. Raises AnswerError.
    """
    entry: Mapping[str, Any] = item.raw.data["answer"] if item.raw else {}
    before, _ = write_classification(
        base, base.answer, entry.get("classificationHash", base.id), label, frames[0], author
    )
    after, now = write_classification(item, answer, identity, label, frames[1], author)
    old = flatten((base.answer,), label, ())
    entries = patched_static(entry.get("classifications") or (), old.static, now.static, label)
    before["featureHash"] = entry.get("featureHash")
    changed = (before["range"], before["confidence"], old.static) != (
        after["range"],
        after["confidence"],
        now.static,
    )
    for key in ("classifications", "createdBy", "lastEditedBy", "spaces"):
        before.pop(key), after.pop(key)
    result: Json = {**patched(entry, before, after), "classifications": entries}
    result.setdefault("range", after["range"])
    if changed:
        result["lastEditedAt"] = author.now
        result.update({"lastEditedBy": author.user} if author.user else {})
    return result

"""A row of the label model to the label that Segments.ai keeps for a sample."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from pipeline.core.labels import ObjectInstance
from pipeline.core.losses import LossKind
from pipeline.core.rows import EditedRow, PackedRow, Place
from pipeline.platforms.segments.convert.annotating import Written, write_object
from pipeline.platforms.segments.convert.arranging import arrange, opened_of
from pipeline.platforms.segments.convert.bitmaps import BITMAP
from pipeline.platforms.segments.convert.context import Packing, before, named, target_parts
from pipeline.platforms.segments.convert.framing import Framing
from pipeline.platforms.segments.convert.images import write_images
from pipeline.platforms.segments.convert.joining import joined
from pipeline.platforms.segments.convert.layout import Part
from pipeline.platforms.segments.convert.linking import write_links
from pipeline.platforms.segments.convert.meaning import digest_of, meaning_of
from pipeline.platforms.segments.convert.placeholders import placeholder_of
from pipeline.platforms.segments.convert.project import Project, json_of
from pipeline.platforms.segments.wire import PLATFORM, PRELABELED, UNLABELED, JsonValue, LabelBody


def pack_row(row: EditedRow, project: Project, *, status: str | None = None) -> PackedRow:
    """Return the row as the whole label that replaces the one of its sample.

    `row` is arranged, with its masks drawn (see `arrange`); one that is not is arranged here, which does for
    rows without masks. `row.place.details` is the `Opened` sample and `row.existing` the row that was read
    from it. The status is the row's own if it came from Segments.ai, else that of the label that is there,
    else `status`, else PRELABELED.

    The payload is the body to PUT. A bitmap that is not at the service yet has a placeholder for its URL:
    `filled` puts the URLs of `PackedRow.assets` in. Raises RowError for anything that must not be sent.
    """
    if opened_of(row).numbers is None:
        row = arrange(row, project)
    packing = Packing(row, project)
    packing.losses.update(dict.fromkeys(packing.numbers.losses))
    packing.notes.extend(packing.numbers.notes)
    kept = before(packing.row, project.kind)
    framing = Framing(packing, kept, before(row.existing, project.kind))
    attributes, labels = _label(packing, framing)
    score = _score(packing)
    digest = digest_of(meaning_of(attributes, score))
    for frame, value, asset in framing.pictures:
        frame[BITMAP] = value if asset is None else {**json_of(value), "url": placeholder_of(asset, digest)}
    body = LabelBody(label_status=_status(packing, labels, status), attributes=attributes, score=score)
    _row_notes(packing)
    return PackedRow(
        key=row.key,
        # What was opened is large, and from here on only the name of the sample is needed of it.
        place=Place(row.place.id, row.place.title),
        payload=_encoded(packing, body),
        labels=labels,
        digest=digest,
        unchanged=not framing.assets and _unchanged(packing, body, came=labels > 0 or kept.label is not None),
        losses=tuple(packing.losses),
        notes=tuple(packing.notes),
        row=row.row,
        assets=tuple(framing.assets.values()),
    )


def _label(packing: Packing, framing: Framing) -> tuple[JsonValue, int]:
    """The attributes of the label, in which bitmaps are digests, and how many labels are in them."""
    kept = framing.kept
    parts = target_parts(packing, kept)
    written = _objects(packing, parts, same_drawing=kept.same_drawing)
    packing.written = {one.item.id: one.numbers for found in written for one in found}
    marks = len(packing.row.classifications)
    known = {part.sensor for part in parts}
    for mark in packing.row.classifications:
        if mark.sensor not in known:
            where = "the whole row" if mark.sensor is None else f"sensor {mark.sensor!r}"
            why = f"image attribute {mark.name!r} is of {where}; the sample has no such place"
            packing.lose(mark.id, LossKind.CLASSIFICATION, why)
            marks -= 1
    frames = []
    for part, found in zip(parts, written, strict=True):
        count = max(len(part.shown), len(part.said), 0 if part.kind.sequence else 1)
        frames.append(framing.frames(part, found, write_images(packing, part, count)))
    framing.report()
    attributes = joined(packing, kept, parts, frames, write_links(packing, kept))
    return attributes, len(packing.written) + marks


def _objects(packing: Packing, parts: Sequence[Part], *, same_drawing: bool) -> list[list[Written]]:
    """The objects of each part as they travel; one on a sensor that the sample has not is lost."""
    existing = packing.edited.existing
    there = {item.id: item for item in existing.objects} if existing is not None else {}
    by_sensor = {part.sensor: part for part in parts}
    found: dict[str | None, list[Written]] = {part.sensor: [] for part in parts}
    for item in packing.row.objects:
        part = by_sensor.get(item.sensor)
        if part is None:
            _lose_sensor(packing, parts, item)
            continue
        done = write_object(packing, part, item, there.get(item.id), same_drawing=same_drawing)
        if done is not None:
            found[part.sensor].append(done)
    return [found[part.sensor] for part in parts]


def _lose_sensor(packing: Packing, parts: Sequence[Part], item: ObjectInstance) -> None:
    known = ", ".join(repr(part.sensor) for part in parts if part.sensor is not None)
    where = "no sensor" if item.sensor is None else f"sensor {item.sensor!r}"
    has = f"the sample has the sensors {known}" if known else "the sample has no sensors"
    packing.lose(item.id, LossKind.SHAPE, f"{named(item)} is on {where}; {has}")


# ---- the body ---------------------------------------------------------------------------------------------


def _status(packing: Packing, labels: int, status: str | None) -> str:
    row, label = packing.row, packing.opened.label
    if row.status and row.raw is not None and row.raw.platform == PLATFORM:
        return row.status
    there = label.label_status if label is not None else None
    chosen = there if there and not (there == UNLABELED and labels) else status or PRELABELED
    if row.status and row.status != chosen:
        why = f"the status {row.status!r} of another platform has no equal; the label gets {chosen}"
        packing.note(None, "status", why)
    return chosen


def _score(packing: Packing) -> float | None:
    """The score of the row, else that of the label that is there: it cannot be cleared."""
    score = packing.row.score
    if score is None:
        label = packing.opened.label
        return None if label is None else label.score
    if not isfinite(score):
        raise packing.refuse("", f"score: found {score}, expected a finite number")
    return score


def _row_notes(packing: Packing) -> None:
    row, sample = packing.row, packing.opened.sample
    if row.metadata and row.metadata != sample.metadata:
        packing.note(None, "metadata", "the metadata of a sample are not written with its label")
    if row.priority is not None and row.priority != sample.priority:
        packing.note(None, "priority", "the priority of a sample is not written with its label")


def _unchanged(packing: Packing, body: LabelBody, *, came: bool) -> bool:
    """Whether the sample has this very label already, or none and there is none to write.

    `came`: there are labels, or a label that somebody left empty, which says that nothing is to be seen.
    """
    label = packing.opened.label
    if label is None:
        return not came and body.score is None
    said = (label.label_status, label.score)
    return said == (body.label_status, body.score) and label.attributes == body.attributes


def _encoded(packing: Packing, body: LabelBody) -> bytes:
    try:
        return msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, ValueError, NotImplementedError, msgspec.MsgspecError) as error:
        raise packing.refuse("", f"its label is no JSON: {error}") from error


def _plain(value: Any) -> Any:  # noqa: ANN401 - msgspec's hook takes what it cannot encode
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"a value of type {type(value).__name__} is not JSON")

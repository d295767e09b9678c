"""Rows to COCO's images and annotations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np

from pipeline.core.geometry import AnyMask, Box, Geometry, Polygon, Skeleton
from pipeline.core.labels import Answer, LabelRow, MediaKind, ObjectInstance
from pipeline.core.losses import Loss, LossKind, Note
from pipeline.core.masks import EncodedMask
from pipeline.core.rows import EditedRow, PackedRow
from pipeline.errors import RowError
from pipeline.platforms.coco.convert import geometry as shapes
from pipeline.platforms.coco.convert.grouping import KEYS, Unit, raw_of, units_of
from pipeline.platforms.coco.convert.reading import (
    BOX,
    KEYPOINTS,
    PLATFORM,
    SEGMENTATION,
    group_key,
    kind_of,
    read_answers,
)
from pipeline.platforms.coco.settings import Style
from pipeline.platforms.coco.wire import Id, Json, PartAnnotation, PartRow

_ORDER = (SEGMENTATION, KEYPOINTS, BOX)


def _plain(value: Any) -> Any:  # noqa: ANN401 - msgspec's hook takes what it cannot encode
    if isinstance(value, np.generic):
        return value.item()
    raise ValueError(f"a value of type {type(value).__name__} is not JSON")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


@dataclass(slots=True)
class _Packing:
    """One row on its way out: what it loses is collected as it is met."""

    row: LabelRow
    style: Style
    group_field: str | None
    losses: list[Loss] = field(default_factory=list)

    def lose(self, item: str | None, what: LossKind, why: str) -> None:
        self.losses.append(Loss(self.row.key, item, what, why))


def pack_row(row: EditedRow, style: Style, group_field: str | None = None) -> PackedRow:
    """Return the row as a `PartRow`, with everything that COCO does not hold left out and listed.

    `group_field` is the key of annotations that holds groups, if there is one.

    Raises RowError for what cannot be written at all: a number that is not finite, a mask of another size
    than its image, holes where the size is unknown.
    """
    packing = _Packing(row.row, style, group_field)
    try:
        _lose_row(packing)
        held = {item.id: item for item in row.row.objects if _is_held(packing, item)}
        units = units_of(row.row, held, group_field)
        for item, why in units.losses:
            packing.lose(item, LossKind.GROUP, why)
        annotations = [_annotation(packing, unit) for unit in units.found]
        image, number = _image(row.row)
        payload = _encoder.encode(PartRow(number, msgspec.Raw(_encoder.encode(image)), tuple(annotations)))
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise RowError(f"row {row.row.title or row.row.key!r}: {error}") from error
    return PackedRow(
        row.key,
        row.place,
        payload,
        len(held),
        blake2b(payload, digest_size=16).hexdigest(),
        losses=tuple(packing.losses),
        notes=tuple(_notes(row.row, numbered=number is not None or style is Style.INSTANCES)),
        row=row.row,
    )


def _image(row: LabelRow) -> tuple[Json, Id | None]:
    """Return the image, and the id that it had: COCO's own, else the row's key or title that is a number."""
    numbers = [int(name) for name in (row.key, row.title) if name.isdecimal() and str(int(name)) == name]
    image: Json = {"id": numbers[0]} if numbers else {}
    if row.raw is not None and row.raw.platform == PLATFORM:
        image = dict(row.raw.data)
    bare = image.keys() <= {"id"}
    number = image.setdefault("id", None)
    if bare or (row.title and "file_name" in image):
        image["file_name"] = row.title or row.key
    size = _size(row)
    if size is not None and (bare or "height" in image):
        image["height"], image["width"] = size
    url = row.media[0].url if row.media and bare else None
    if url is not None:
        image["coco_url"] = url
    return image, number


def _size(row: LabelRow) -> tuple[int, int] | None:
    return row.size_at(0) or next(
        (
            (shape.height, shape.width)
            for item in row.objects
            for shape in [found.geometry for found in item.occurrences.values()]
            if isinstance(shape, AnyMask)
        ),
        None,
    )


def _notes(row: LabelRow, *, numbered: bool) -> Iterator[Note]:
    if not numbered:
        why = "results name an image by a number alone; neither key nor title is one, so it gets a new one"
        yield Note(row.key, None, "image id", why)
    for item in row.objects:
        if item.track is not None and item.track == item.id:
            yield Note(row.key, item.id, "track", "the track is the object's own id, which COCO numbers anew")
    authors = any(
        found.provenance.created_by or found.provenance.created_at or found.provenance.edited_by
        for item in row.objects
        for found in item.occurrences.values()
    )
    if authors:
        yield Note(row.key, None, "provenance", "COCO holds no authors and times of labels")
    # How far the work on a row has come belongs to the platform where it is done, and is no label.
    details = ("status", row.status), ("metadata", row.metadata or None), ("priority", row.priority)
    for name, value in (*details, ("score", row.score)):
        if value is not None:
            yield Note(row.key, None, name, f"COCO holds no {name} of an image")


def _lose_row(packing: _Packing) -> None:
    row = packing.row
    if row.media_kind is not MediaKind.IMAGE:
        packing.lose(None, LossKind.FRAMES, f"COCO holds single images; this row is a {row.media_kind}")
    for mark in row.classifications:
        packing.lose(mark.id, LossKind.CLASSIFICATION, f"COCO holds no classifications ({mark.name!r})")
    for link in row.relations:
        packing.lose(link.source, LossKind.RELATION, f"COCO holds no relations ({link.name!r})")


# ---- what is held ------------------------------------------------------------------------------------------


def _is_held(packing: _Packing, item: ObjectInstance) -> bool:
    if item.shape not in KEYS:
        packing.lose(item.id, LossKind.SHAPE, f"COCO holds no {item.shape} (class {item.class_name!r})")
        return False
    alone = packing.row.media_kind is MediaKind.IMAGE and item.sensor is None
    if not alone or list(item.occurrences) != [0]:
        frames = ", ".join(map(str, item.occurrences))
        place = packing.row.media_kind if item.sensor is None else f"sensor, {item.sensor!r}"
        why = f"COCO holds single images; the object is on frame {frames} of a {place}"
        packing.lose(item.id, LossKind.FRAMES, why)
        return False
    found = item.occurrences[0]
    if isinstance(found.geometry, Skeleton) and not shapes.states_points(
        shapes.write_skeleton(found.geometry)
    ):
        packing.lose(item.id, LossKind.SHAPE, "COCO cannot tell keypoints that are all zero from none")
        return False
    if item.track is not None and item.track != item.id:
        packing.lose(item.id, LossKind.TRACK, f"COCO holds no tracks ({item.track!r})")
    if not found.keyframe:
        packing.lose(item.id, LossKind.KEYFRAME, "COCO does not mark what was interpolated")
    for answer in item.answers:
        if not _is_plain(answer, item.answers):
            why = (
                f"COCO's attributes hold static text, numbers and booleans, each once ({answer.attribute!r})"
            )
            packing.lose(item.id, LossKind.ATTRIBUTE, why)
    if shapes.has_holes(found.geometry):
        why = "a polygon with holes becomes a mask of whole pixels; `convert: {to: mask}` does so on purpose"
        packing.lose(item.id, LossKind.PRECISION, why)
    return True


def _is_plain(answer: Answer, answers: Sequence[Answer]) -> bool:
    once = sum(1 for other in answers if other.attribute == answer.attribute) == 1
    return once and answer.frames is None and not answer.relation and _keeps_kind(answer)


def _keeps_kind(answer: Answer) -> bool:
    value = answer.value
    json = value is None or isinstance(value, str | int | float | list | dict)
    return json and kind_of(value) is answer.kind


def _attributes(item: ObjectInstance) -> Json:
    return {answer.attribute: answer.value for answer in item.answers if _is_plain(answer, item.answers)}


# ---- one annotation ---------------------------------------------------------------------------------------


def _annotation(packing: _Packing, unit: Unit) -> PartAnnotation:
    by_key = {KEYS[item.shape]: item for item in unit.items}
    first = unit.items[0]
    raw = raw_of(unit.items)
    body: Json = {"image_id": None, "category_id": None} if raw is None else dict(raw)
    fresh = "id" not in body
    if fresh and packing.style is Style.INSTANCES:
        body = {"id": None, **body}
    try:
        changed = {key for key in _ORDER if _write_geometry(packing, body, key, by_key.get(key))}
        _complete(packing, body, by_key, changed, fresh=fresh)
    except ValueError as error:
        raise ValueError(f"object {first.id!r} of class {first.class_name!r}: {error}") from error
    _put(body, "score", first.occurrences[0].confidence)
    attributes = _attributes(first)
    if not _same_attributes(body.get("attributes"), first.answers):
        _put(body, "attributes", attributes or None)
    if packing.group_field is not None and not _same_group(body.get(packing.group_field), unit.group):
        _put(body, packing.group_field, unit.group)
    number = (raw or {}).get("id")
    skeleton = by_key.get(KEYPOINTS)
    nodes = skeleton.occurrences[0].geometry.nodes if skeleton else ()  # type: ignore[union-attr]
    return PartAnnotation(
        first.class_name,
        (raw or {}).get("category_id"),
        number if isinstance(number, int | str) else None,
        tuple(node.name for node in nodes),
        msgspec.Raw(_encoder.encode(body)),
    )


def _put(body: Json, key: str, value: object) -> None:
    if value is None:
        body.pop(key, None)
    elif key not in body or body[key] != value:
        body[key] = value


def _same_attributes(value: object, answers: Sequence[Answer]) -> bool:
    try:
        return read_answers(value) == tuple(answers)
    except ValueError:
        return False


def _same_group(value: object, group: Id | None) -> bool:
    try:
        return group_key(value) == group_key(group)
    except ValueError:
        return False


def _write_geometry(packing: _Packing, body: Json, key: str, item: ObjectInstance | None) -> bool:
    """Put the geometry of one key into the body; return whether it is not what the body had.

    What an unchanged geometry came as is left alone, number by number.
    """
    if item is None:
        # The box of a segmentation, and points that nobody looked for, are not objects and may stay.
        implied = key == BOX and shapes.is_tight(body.get(BOX), body.get(SEGMENTATION))
        empty = not body.get(key) or (key == KEYPOINTS and not shapes.states_points(body.get(key)))
        return not implied and not empty and body.pop(key, None) is not None
    geometry = item.occurrences[0].geometry
    if key == SEGMENTATION:
        _check_size(packing.row, geometry)
        if _same_segmentation(body.get(key), geometry):
            return False
        body[key] = shapes.write_segmentation(geometry, packing.row.size_at(0))
        return True
    if isinstance(geometry, Skeleton):
        new = shapes.write_skeleton(geometry)
    else:
        assert isinstance(geometry, Box)  # noqa: S101 - by the shape
        new = shapes.write_box(geometry)
    if body.get(key) == new:
        return False
    body[key] = new
    return True


def _check_size(row: LabelRow, geometry: Geometry) -> None:
    size = _size(row)
    if isinstance(geometry, AnyMask) and (geometry.height, geometry.width) != size:
        found = f"{geometry.height} x {geometry.width}"
        raise ValueError(f"its mask is {found} (height x width), the image is {size}; they must be equal")


def _same_segmentation(value: Any, geometry: Geometry) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(geometry, Polygon):
        return isinstance(value, list) and bool(value) and shapes.read_polygon(value) == geometry
    if not isinstance(value, dict):
        return False
    if isinstance(geometry, EncodedMask) and value.get("counts") == geometry.data:
        return geometry.codec == shapes.CODEC and shapes.rle_size(value) == (geometry.height, geometry.width)
    new = shapes.write_segmentation(geometry, None)
    return shapes.read_mask(value) == shapes.read_mask(new) if isinstance(new, dict) else False


def _complete(
    packing: _Packing, body: Json, by_key: Mapping[str, ObjectInstance], changed: set[str], *, fresh: bool
) -> None:
    """Fill in what COCO derives from the geometry: what is missing in a new one, or no longer right."""
    instances = packing.style is Style.INSTANCES
    segmentation = body.get(SEGMENTATION)
    if KEYPOINTS in by_key and ((KEYPOINTS in changed and "num_keypoints" in body) or (fresh and instances)):
        body["num_keypoints"] = shapes.labelled(body[KEYPOINTS])
    if not instances:
        return
    if segmentation and BOX not in by_key and (fresh or {SEGMENTATION, BOX} & changed):
        body[BOX] = shapes.box_of(segmentation)
    outline = SEGMENTATION if segmentation else BOX
    if (fresh or {SEGMENTATION, outline} & changed) and body.get(outline):
        body["area"] = shapes.area_of(segmentation) if segmentation else body[BOX][2] * body[BOX][3]
    if fresh:
        body.setdefault(SEGMENTATION, [])
        body.setdefault("iscrowd", 0)

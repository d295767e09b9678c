"""Encord rows for tests: recorded ones, empty ones made to fit a row, and how a row reads after a trip."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.core import codecs
from pipeline.core.geometry import Box, Geometry
from pipeline.core.labels import (
    Answer,
    Frames,
    LabelRow,
    Media,
    MediaKind,
    ObjectInstance,
    Occurrence,
    Option,
)
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.ontology import AttributeKind, Ontology
from pipeline.core.rows import EditedRow, PackedRow, Place, RowKey
from pipeline.platforms.encord.convert import Opened, pack_row, read_ontology, read_row
from pipeline.platforms.encord.convert.hashes import assign
from pipeline.platforms.encord.wire import RELATION_SUFFIX

GOLDEN = Path(__file__).parents[2] / "pipeline" / "platforms" / "encord" / "golden"
NOW = "2027-01-02T03:04:05Z"
_TYPES = {
    MediaKind.IMAGE: ("image", "image/png"),
    MediaKind.IMAGE_GROUP: ("img_group", "image/png"),
    MediaKind.IMAGE_SEQUENCE: ("video", "image/png"),
    MediaKind.VIDEO: ("video", "video/mp4"),
}


def golden(name: str) -> dict[str, Any]:
    """A recorded label row or ontology, as JSON.

    The encord SDK 0.1.211 wrote all of them but `image_old`: that one has the forms of old rows and of
    the web editor, and keys that nobody knows.
    """
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return found


FRUIT = read_ontology(golden("ontology"))
FRAMES = {"image": None, "video": 10, "group": None, "image_old": None}
"""The recorded rows, and the number of frames that the listing said."""

RECORDED = sorted(FRAMES)


def read(name: str) -> LabelRow:
    """The labels of a recorded row."""
    return read_row(golden(name), FRUIT, frame_count=FRAMES[name])


def emptied(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same label row with no label in it."""
    units = {key: {**unit, "labels": {}} for key, unit in data["data_units"].items()}
    return {
        **data,
        "data_units": units,
        "object_answers": {},
        "object_actions": {},
        "classification_answers": {},
    }


def empty_for(row: LabelRow) -> dict[str, Any]:
    """A label row as Encord makes it for a data unit that has the pictures of this row."""
    kind, mime = _TYPES[row.media_kind]
    units: dict[str, dict[str, Any]] = {
        f"unit-{at}": {
            "data_hash": f"unit-{at}",
            "data_title": media.name,
            "data_link": "",
            "data_type": mime,
            "data_sequence": at,
            "width": media.width,
            "height": media.height,
            "labels": {},
        }
        for at, media in enumerate(row.media[:1] if kind == "video" else row.media)
    }
    return emptied(
        {
            "label_hash": "label",
            "branch_name": "main",
            "created_at": "Fri, 02 Jan 2026 03:04:05 UTC",
            "last_edited_at": "Fri, 02 Jan 2026 03:04:05 UTC",
            "data_hash": "data",
            "dataset_hash": "dataset",
            "dataset_title": "Fruit",
            "data_title": row.title,
            "data_type": kind,
            "label_status": "NOT_LABELLED",
            "data_units": units,
            "spaces": {},
        }
    )


def pack(
    row: LabelRow,
    ontology: Ontology,
    data: Mapping[str, Any],
    *,
    frame_count: int | None = None,
    **options: Any,  # noqa: ANN401 - options of pack_row
) -> PackedRow:
    """Pack a row for an opened label row."""
    existing = read_row(
        data, ontology, frame_count=frame_count, group_attribute=options.get("group_attribute")
    )
    return pack_over(row, ontology, data, existing, frame_count=frame_count, **options)


def pack_over(
    row: LabelRow,
    ontology: Ontology,
    data: Mapping[str, Any],
    existing: LabelRow,
    *,
    frame_count: int | None = None,
    **options: Any,  # noqa: ANN401 - options of pack_row
) -> PackedRow:
    """Pack a row for an opened label row whose labels were read before."""
    place = Place(data["data_hash"], "", Opened.of(data, data["data_hash"], frame_count))
    return pack_row(EditedRow(RowKey(row.key, 0), place, row, existing), ontology, now=NOW, **options)


def sent(packed: PackedRow) -> dict[str, Any]:
    """The label row that would be saved."""
    found: dict[str, Any] = json.loads(packed.payload)
    return found


def in_order_of(row: LabelRow, back: LabelRow, data: Mapping[str, Any]) -> LabelRow:
    """A row read back, its objects in the order of the row that was packed."""
    place = Place(data["data_hash"])
    hashes = assign(EditedRow(RowKey(row.key, 0), place, row), data["data_hash"]).objects
    order = {name: at for at, name in enumerate(hashes[item.id] for item in row.objects)}
    return replace(back, objects=tuple(sorted(back.objects, key=lambda item: order[item.id])))


def foreign(row: LabelRow) -> LabelRow:
    """The same labels as if they came from another platform."""
    return replace(
        row,
        raw=None,
        objects=tuple(replace(item, raw=None) for item in row.objects),
        classifications=tuple(replace(item, raw=None) for item in row.classifications),
    )


def shown(row: LabelRow) -> tuple[Any, Any, Any]:
    """What a row says, without ids, authors and times, and with equal things written in one way."""
    objects = [
        (
            item.class_name,
            [
                (frame, _pixels(one.geometry), 1.0 if one.confidence is None else one.confidence)
                for frame, one in item.occurrences.items()
            ],
            sorted(map(repr, _answers(item.answers))),
        )
        for item in row.objects
    ]
    marks = [
        (
            _answers((item.answer,)),
            _frames(row, item.frames),
            1.0 if item.confidence is None else item.confidence,
        )
        for item in row.classifications
    ]
    at = {item.id: number for number, item in enumerate(row.objects)}
    links = sorted((item.name, at[item.source], at[item.target]) for item in row.relations)
    return objects, marks, links


def _frames(row: LabelRow, frames: Frames | None) -> Frames | None:
    return None if row.frame_count == 1 and frames == ((0, 0),) else frames


def _pixels(geometry: Geometry) -> Geometry:
    if isinstance(geometry, EncodedMask):
        return codecs.decode(geometry.codec, geometry.data, geometry.height, geometry.width)
    if isinstance(geometry, Raster | Mask):
        return geometry.to_mask() if isinstance(geometry, Raster) else geometry
    return geometry


def _answers(answers: tuple[Answer, ...]) -> list[Any]:
    found = []
    for answer in answers:
        value = answer.value
        if isinstance(value, bool):
            value = Option(str(value).lower())
        if answer.kind is AttributeKind.NUMBER and isinstance(value, int | float):
            value = float(value)
        options = value if isinstance(value, tuple) else (value,) if isinstance(value, Option) else None
        said = value if options is None else [(one.name, _answers(one.answers)) for one in options]
        found.append((answer.attribute.removesuffix(RELATION_SUFFIX), said, answer.frames))
    return found


def fruit_row(*objects: ObjectInstance, **changes: Any) -> LabelRow:  # noqa: ANN401 - fields of a row
    """A row of one picture of 64 x 48 pixels."""
    row = LabelRow("k", "a.png", media=(Media("a.png", width=64, height=48),), objects=objects)
    return replace(row, **changes)


def cherry(identity: str = "o1", **changes: Any) -> ObjectInstance:  # noqa: ANN401 - fields of an object
    """A cherry in a box."""
    item = ObjectInstance(identity, "Cherry", {0: Occurrence(Box(1.0, 2.0, 3.0, 4.0))})
    return replace(item, **changes)


def drawn(name: str, geometry: Geometry) -> LabelRow:
    """A row with one object."""
    return fruit_row(ObjectInstance("o1", name, {0: Occurrence(geometry)}))


def reads_alike(one: LabelRow, other: LabelRow) -> bool:
    """Whether two rows say the same, numbers within a millionth of a pixel and masks to the pixel."""
    return _near(shown(one), shown(other))


def _near(one: object, other: object) -> bool:
    if isinstance(one, Mask | str | None | bool) or type(one) is not type(other):
        return bool(one == other)
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-6)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_near, one, other))
    if is_dataclass(one):
        return all(_near(getattr(one, item.name), getattr(other, item.name)) for item in fields(one))
    return bool(one == other)

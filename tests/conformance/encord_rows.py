"""Encord rows for tests: recorded ones, empty ones made to fit a row, and how a row reads after a trip."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.core import codecs
from pipeline.core.geometry import Geometry
from pipeline.core.labels import Answer, LabelRow, MediaKind, Option
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.ontology import AttributeKind, Ontology
from pipeline.core.rows import EditedRow, PackedRow, Place, RowKey
from pipeline.platforms.encord.convert import Opened, pack_row, read_row
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
    """A recorded label row or ontology, as JSON."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return found


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
    units = {
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
    place = Place(data["data_hash"], "", Opened(data["label_hash"], data["data_hash"], data, frame_count))
    return pack_row(EditedRow(RowKey(row.key, 0), place, row, existing), ontology, now=NOW, **options)


def sent(packed: PackedRow) -> dict[str, Any]:
    """The label row that would be saved."""
    found: dict[str, Any] = json.loads(packed.payload)
    return found


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


def _frames(row: LabelRow, frames: Any) -> Any:  # noqa: ANN401 - frames or None
    return None if row.frame_count == 1 and frames == ((0, 0),) else frames


def _pixels(geometry: Geometry) -> Any:  # noqa: ANN401 - a mask, or numbers rounded far below a pixel's millionth
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
        if answer.kind is AttributeKind.NUMBER:
            value = float(value)
        options = value if isinstance(value, tuple) else (value,) if isinstance(value, Option) else None
        said = value if options is None else [(one.name, _answers(one.answers)) for one in options]
        found.append((answer.attribute.removesuffix(RELATION_SUFFIX), said, answer.frames))
    return found

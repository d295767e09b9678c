"""The label model to the archive's JSON and back, without losing anything.

`read_row(write_row(row))` equals the row (a Raster or an EncodedMask comes back as the Mask of its pixels),
and `write_row(read_row(line))` gives the same bytes for every line that `write_row` wrote.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from pipeline.core.geometry import Shape
from pipeline.core.labels import (
    NO_PROVENANCE,
    Answer,
    Classification,
    Group,
    LabelRow,
    Media,
    ObjectInstance,
    Occurrence,
    Option,
    Provenance,
    Raw,
    Relation,
    Sensor,
)
from pipeline.core.ontology import AttributeKind
from pipeline.core.rows import RowKey
from pipeline.errors import RowError
from pipeline.platforms.archive import wire
from pipeline.platforms.archive.geometry import read_geometry, write_geometry

_row_decoder = msgspec.json.Decoder(wire.RowWire)
_glance_decoder = msgspec.json.Decoder(wire.GlanceRow)


def _plain_number(value: Any) -> Any:  # noqa: ANN401 - msgspec's hook takes what it cannot encode
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"a value of type {type(value).__name__} is not JSON")


ENCODER = msgspec.json.Encoder(enc_hook=_plain_number)

_MASKS = frozenset({Shape.MASK, Shape.ALPHA_MASK})

FAULTS = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, NotImplementedError, RecursionError)
"""What reading or writing a wrong value raises; MaskError and UnicodeDecodeError are ValueErrors."""


# ---- rows ---------------------------------------------------------------------------------------------


def write_row(row: LabelRow) -> bytes:
    """Return the row as one line of JSON, without the newline.

    Raises RowError for a number that is not finite, a value that is not JSON, and a mask that does not fit
    its size.
    """
    try:
        return ENCODER.encode(_row_to_wire(row))
    except FAULTS as error:
        raise RowError(f"row {row.title or row.key!r}: {error}") from error


def read_row(line: bytes) -> LabelRow:
    """Return the row of one line. Raises RowError that says what is wrong and where in the line."""
    try:
        return _row_from_wire(_row_decoder.decode(line))
    except FAULTS as error:
        raise RowError(f"not a row of archive version {wire.VERSION}: {error}") from error


def read_key(line: bytes, ordinal: int) -> tuple[RowKey, str | None]:
    """Return what matching needs to know of a line, and the row's status, without reading its labels.

    Raises RowError as `read_row`, for fewer faults.
    """
    try:
        row = _glance_decoder.decode(line)
    except FAULTS as error:
        raise RowError(f"not a row of archive version {wire.VERSION}: {error}") from error
    shown = [(item, found.geometry) for item in row.objects for found in item.occurrences]
    key = RowKey(
        row.key,
        ordinal,
        row.title or row.key,
        row.media[0].path if row.media else None,
        external_id=row.key,
        metadata=row.metadata,
        pairs=frozenset((item.class_name, shape_at(geometry)) for item, geometry in shown),
        labels=len(row.objects) + len(row.classifications),
        mask_pixels=sum(int(at.height * at.width) for _, at in shown if at.shape in _MASKS),
    )
    return key, row.status


def shape_at(geometry: wire.GlanceGeometry) -> Shape:
    """Return the shape that a class must have; a circle is stored as an ellipse with a flag."""
    return Shape.CIRCLE if geometry.circle else geometry.shape


def _row_to_wire(row: LabelRow) -> wire.RowWire:
    return wire.RowWire(
        row.key,
        row.title,
        row.media_kind,
        _media_to_wire(row.media),
        row.frame_count,
        _finite(row.fps),
        tuple(map(_object_to_wire, row.objects)),
        tuple(map(_classification_to_wire, row.classifications)),
        tuple(wire.GroupWire(group.id, group.objects) for group in row.groups),
        tuple(
            wire.RelationWire(item.name, item.source, item.target, _answers_to_wire(item.answers))
            for item in row.relations
        ),
        row.status,
        _finite(row.priority),
        _finite(row.score),
        _plain(row.metadata, "metadata"),
        _raw_to_wire(row.raw),
        tuple(map(_sensor_to_wire, row.sensors)),
    )


def _row_from_wire(row: wire.RowWire) -> LabelRow:
    return LabelRow(
        row.key,
        row.title,
        row.media_kind,
        _media_from_wire(row.media),
        row.frame_count,
        row.fps,
        tuple(map(_object_from_wire, row.objects)),
        tuple(map(_classification_from_wire, row.classifications)),
        tuple(Group(group.id, group.objects) for group in row.groups),
        tuple(
            Relation(item.name, item.source, item.target, _answers_from_wire(item.answers))
            for item in row.relations
        ),
        row.status,
        row.priority,
        row.score,
        row.metadata,
        _raw_from_wire(row.raw),
        tuple(map(_sensor_from_wire, row.sensors)),
    )


def _media_to_wire(media: Iterable[Media]) -> tuple[wire.MediaWire, ...]:
    return tuple(
        wire.MediaWire(
            item.name, item.path, item.url, item.ref, item.sha256, item.width, item.height, item.points
        )
        for item in media
    )


def _media_from_wire(media: Iterable[wire.MediaWire]) -> tuple[Media, ...]:
    return tuple(
        Media(item.name, item.path, item.url, item.ref, item.sha256, item.width, item.height, item.points)
        for item in media
    )


def _sensor_to_wire(item: Sensor) -> wire.SensorWire:
    media = _media_to_wire(item.media)
    return wire.SensorWire(item.name, item.media_kind, media, item.frame_count, _raw_to_wire(item.raw))


def _sensor_from_wire(item: wire.SensorWire) -> Sensor:
    media = _media_from_wire(item.media)
    return Sensor(item.name, item.media_kind, media, item.frame_count, _raw_from_wire(item.raw))


def _object_to_wire(item: ObjectInstance) -> wire.ObjectWire:
    occurrences = []
    for frame, found in item.occurrences.items():
        try:
            geometry = write_geometry(found.geometry)
        except ValueError as error:
            message = f"object {item.id!r} of class {item.class_name!r}, frame {frame}: {error}"
            raise ValueError(message) from error
        provenance = _provenance_to_wire(found.provenance)
        occurrences.append(
            wire.OccurrenceWire(frame, geometry, found.keyframe, _finite(found.confidence), provenance)
        )
    return wire.ObjectWire(
        item.id,
        item.class_name,
        tuple(occurrences),
        _answers_to_wire(item.answers),
        item.track,
        _raw_to_wire(item.raw),
        item.sensor,
    )


def _object_from_wire(item: wire.ObjectWire) -> ObjectInstance:
    occurrences = {}
    for found in item.occurrences:
        if found.frame in occurrences:
            raise ValueError(f"object {item.id!r}: frame {found.frame} occurs twice")
        try:
            geometry = read_geometry(found.geometry)
        except ValueError as error:
            raise ValueError(f"object {item.id!r} of class {item.class_name!r}: {error}") from error
        provenance = _provenance_from_wire(found.provenance)
        occurrences[found.frame] = Occurrence(geometry, found.keyframe, found.confidence, provenance)
    if not occurrences:
        raise ValueError(f"object {item.id!r} of class {item.class_name!r} is drawn on no frame")
    answers = _answers_from_wire(item.answers)
    return ObjectInstance(
        item.id, item.class_name, occurrences, answers, item.track, _raw_from_wire(item.raw), item.sensor
    )


def _classification_to_wire(item: Classification) -> wire.ClassificationWire:
    return wire.ClassificationWire(
        item.id,
        _answer_to_wire(item.answer),
        item.frames,
        _finite(item.confidence),
        _provenance_to_wire(item.provenance),
        _raw_to_wire(item.raw),
        item.sensor,
    )


def _classification_from_wire(item: wire.ClassificationWire) -> Classification:
    return Classification(
        item.id,
        _answer_from_wire(item.answer),
        item.frames,
        item.confidence,
        _provenance_from_wire(item.provenance),
        _raw_from_wire(item.raw),
        item.sensor,
    )


def _provenance_to_wire(item: Provenance) -> wire.ProvenanceWire | None:
    if item is NO_PROVENANCE or item == NO_PROVENANCE:
        return None
    return wire.ProvenanceWire(item.created_at, item.created_by, item.edited_at, item.edited_by, item.manual)


def _provenance_from_wire(item: wire.ProvenanceWire | None) -> Provenance:
    if item is None:
        return NO_PROVENANCE
    return Provenance(item.created_at, item.created_by, item.edited_at, item.edited_by, item.manual)


def _raw_to_wire(raw: Raw | None) -> wire.RawWire | None:
    return None if raw is None else wire.RawWire(raw.platform, _plain(raw.data, "raw"))


def _raw_from_wire(raw: wire.RawWire | None) -> Raw | None:
    return None if raw is None else Raw(raw.platform, raw.data)


# ---- answers ------------------------------------------------------------------------------------------


def _answers_to_wire(answers: Iterable[Answer]) -> tuple[wire.AnswerWire, ...]:
    return tuple(map(_answer_to_wire, answers))


def _answers_from_wire(answers: Iterable[wire.AnswerWire]) -> tuple[Answer, ...]:
    return tuple(map(_answer_from_wire, answers))


def _answer_to_wire(answer: Answer) -> wire.AnswerWire:
    value: Any = answer.value
    if answer.kind is AttributeKind.RADIO and isinstance(value, Option):
        value = wire.OptionWire(value.name, _answers_to_wire(value.answers))
    elif answer.kind is AttributeKind.CHECKLIST and isinstance(value, tuple):
        value = tuple(
            wire.OptionWire(option.name, _answers_to_wire(option.answers))
            if isinstance(option, Option)
            else _not_an_option(answer)
            for option in value
        )
    elif answer.kind in (AttributeKind.RADIO, AttributeKind.CHECKLIST) and value is not None:
        _not_an_option(answer)
    else:
        value = _plain(value, f"attribute {answer.attribute!r}")
    return wire.AnswerWire(answer.attribute, answer.kind, value, answer.frames, answer.relation)


def _answer_from_wire(answer: wire.AnswerWire) -> Answer:
    value = answer.value
    if answer.kind is AttributeKind.RADIO and value is not None:
        value = _option(msgspec.convert(value, wire.OptionWire))
    elif answer.kind is AttributeKind.CHECKLIST and value is not None:
        value = tuple(map(_option, msgspec.convert(value, tuple[wire.OptionWire, ...])))
    return Answer(answer.attribute, answer.kind, value, answer.frames, answer.relation)


def _option(option: wire.OptionWire) -> Option:
    return Option(option.name, _answers_from_wire(option.answers))


def _not_an_option(answer: Answer) -> wire.OptionWire:
    expected = "an Option" if answer.kind is AttributeKind.RADIO else "a tuple of Option"
    raise ValueError(f"attribute {answer.attribute!r} is a {answer.kind}; its value must be {expected}")


# ---- JSON values --------------------------------------------------------------------------------------


def _finite(number: float | None) -> float | None:
    if number is not None and not isfinite(number):
        raise ValueError(f"a number is {number}; expected a finite one")
    return number


def _plain(value: Any, where: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value with every mapping as a dict; refuse what JSON cannot hold or would change."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"a number in {where} is {value}; expected a finite one")
        return value
    if isinstance(value, Mapping):
        strange = next((key for key in value if not isinstance(key, str)), None)
        if strange is not None:
            raise ValueError(f"key {strange!r} in {where} is not text; JSON has no other keys")
        return {key: _plain(item, where) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return list(map(partial(_plain, where=where), value))
    if isinstance(value, np.generic):
        return _plain(value.item(), where)
    raise ValueError(f"a value in {where} has type {type(value).__name__}; expected a JSON value")

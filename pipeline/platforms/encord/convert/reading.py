"""A label row of Encord to a row of the label model."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.core.labels import Classification, LabelRow, ObjectInstance, Raw
from pipeline.core.ontology import Ontology
from pipeline.errors import RowError
from pipeline.platforms.encord.convert.classifications import read_classification
from pipeline.platforms.encord.convert.index import Index, index_of
from pipeline.platforms.encord.convert.layout import Layout, layout_of
from pipeline.platforms.encord.convert.links import NO_LINKS, split_links
from pipeline.platforms.encord.convert.objects import read_object
from pipeline.platforms.encord.wire import PLATFORM, Json, JsonValue

_Frames = dict[str, dict[str, Any]]


def read_row(
    data: Mapping[str, Any],
    ontology: Ontology,
    *,
    frame_count: int | None = None,
    group_attribute: str | None = None,
    layout: Layout | None = None,
) -> LabelRow:
    """Return the labels of a label row: key its data hash, title its data title, geometry in pixels.

    `data` is the JSON that Encord sends for one row; nothing in it is changed. `frame_count` is that of the
    listing, since the JSON of a video has none. `group_attribute` names the text attribute, if any, whose
    equal answers bind objects into groups. `layout` is that of `data`, where it is known. Raises RowError for
    a row of an unsupported kind and for broken labels.
    """
    layout = layout or layout_of(data, frame_count)
    found, classifications, rest = _labels(data, layout, ontology)
    links = split_links(found, group_attribute) if found else NO_LINKS
    return LabelRow(
        key=data["data_hash"],
        title=data.get("data_title") or "",
        media_kind=layout.kind,
        media=layout.media(),
        frame_count=layout.frame_count,
        fps=layout.units[0][1].get("data_fps") if layout.units else None,
        objects=links.objects,
        classifications=classifications,
        groups=links.groups,
        relations=links.relations,
        status=data.get("label_status"),
        priority=data.get("priority"),
        metadata=data.get("client_metadata") or {},
        raw=Raw(PLATFORM, rest),
    )


def _labels(
    data: Mapping[str, Any], layout: Layout, ontology: Ontology
) -> tuple[tuple[ObjectInstance, ...], tuple[Classification, ...], Mapping[str, Any]]:
    """Objects with relations among their answers, classifications, and the row without either."""
    title = data.get("data_title") or ""
    drawn: _Frames = {}
    said: _Frames = {}
    for frame, labels in _frames(layout):
        if labels.get("objects"):
            _collect(labels["objects"], frame, "objectHash", drawn, title)
        if labels.get("classifications"):
            _collect(labels["classifications"], frame, "classificationHash", said, title)
    if data.get("spaces") or data.get("classification_answers"):
        _refuse_spaces(data, title)
    if not (drawn or said or data.get("object_answers") or data.get("classification_answers")):
        return (), (), data
    index = index_of(ontology)
    objects = tuple(_objects(data, drawn, index, layout, title))
    classifications = tuple(_classifications(data, said, index, layout))
    return (
        objects,
        classifications,
        _rest(data, layout, {o.id for o in objects}, {c.id for c in classifications}),
    )


def _refuse_spaces(data: Mapping[str, Any], title: str) -> None:
    """Labels in spaces belong to layers and groups, whose pictures this row does not have."""
    held = {
        name
        for name, space in (data.get("spaces") or {}).items()
        for labels in (space.get("labels") or {}).values()
        if isinstance(labels, Mapping) and labels.get("objects")
    }
    for entry in (data.get("classification_answers") or {}).values():
        held.update(name for name in entry.get("spaces") or () if name != "root")
    if held:
        message = f"row {title!r}: it has labels in the space {min(held)!r}"
        raise RowError(f"{message}; data groups and layers are not supported; leave it out with `rows`")


def _frames(layout: Layout) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the labels of each frame, under the number of the frame, in ascending order."""
    if not layout.by_frame:
        for at, (_, unit) in enumerate(layout.units):
            yield str(at), unit.get("labels") or {}
        return
    labels = layout.units[0][1].get("labels") or {}
    for frame in sorted((key for key in labels if str(key).isdigit()), key=int):
        yield str(frame), labels[frame]


def _collect(entries: JsonValue, frame: str, key: str, into: _Frames, title: str) -> None:
    for entry in entries:
        frames = into.setdefault(entry[key], {})
        if frame in frames:
            raise RowError(
                f"row {title!r}, frame {frame}: {key} {entry[key]!r} is there twice; correct it in Encord"
            )
        frames[frame] = entry


def _objects(
    data: Mapping[str, Any], drawn: _Frames, index: Index, layout: Layout, title: str
) -> Iterator[ObjectInstance]:
    answers, actions = data.get("object_answers") or {}, data.get("object_actions") or {}
    # Objects are kept in the order of their answers: the order of frames would mix those of a later frame.
    ordered = (*(key for key in answers if key in drawn), *(key for key in drawn if key not in answers))
    for identity in ordered:
        frames = drawn[identity]
        raw: Json = {"frames": frames}
        if identity in answers:
            raw["answer"] = answers[identity]
        if identity in actions:
            raw["actions"] = actions[identity]
        yield read_object(title, identity, raw, index, layout.size_at)


def _classifications(
    data: Mapping[str, Any], said: _Frames, index: Index, layout: Layout
) -> Iterator[Classification]:
    for identity, entry in (data.get("classification_answers") or {}).items():
        raw: Json = {"answer": entry}
        if identity in said:
            raw["frames"] = said[identity]
        found = read_classification(identity, raw, index, layout)
        if found is not None:
            yield found


def _rest(data: Mapping[str, Any], layout: Layout, objects: set[str], classifications: set[str]) -> Json:
    """The row without what its objects and classifications keep in their own `raw`."""
    units: Json = {}
    for key, unit in layout.units:
        labels = unit.get("labels") or {}
        if layout.by_frame:
            labels = {frame: _other(found, classifications) for frame, found in labels.items()}
        else:
            labels = _other(labels, classifications)
        units[key] = {**unit, "labels": labels}
    return {
        **data,
        "data_units": units,
        **{
            name: {key: entry for key, entry in (data.get(name) or {}).items() if key not in known}
            for name, known in (
                ("object_answers", objects),
                ("object_actions", objects),
                ("classification_answers", classifications),
            )
            if name in data
        },
    }


def _other(labels: Mapping[str, Any], classifications: set[str]) -> Json:
    """What a frame says beside its objects and the classifications that were read."""
    other = {key: value for key, value in labels.items() if key not in ("objects", "classifications")}
    left = [
        c for c in labels.get("classifications") or () if c.get("classificationHash") not in classifications
    ]
    return {**other, "classifications": left} if left else other

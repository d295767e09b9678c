"""A label row of Encord to a row of the label model."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.core.labels import Classification, LabelRow, ObjectInstance, Raw
from pipeline.core.ontology import Ontology
from pipeline.errors import RowError
from pipeline.platforms.encord.convert.classifications import read_classification
from pipeline.platforms.encord.convert.index import Index, index_of
from pipeline.platforms.encord.convert.layout import Layout, layout_of
from pipeline.platforms.encord.convert.links import split_links
from pipeline.platforms.encord.convert.objects import read_object
from pipeline.platforms.encord.wire import PLATFORM, Json, JsonValue

_Frames = dict[str, dict[str, Any]]


def read_row(
    data: Mapping[str, Any],
    ontology: Ontology,
    *,
    frame_count: int | None = None,
    group_attribute: str | None = None,
) -> LabelRow:
    """Return the labels of a label row: key its data hash, title its data title, geometry in pixels.

    `data` is the JSON that Encord sends for one row; nothing in it is changed. `frame_count` is that of the
    listing, since the JSON of a video has none. `group_attribute` names the text attribute, if any, whose equal
    answers bind objects into groups. Raises RowError for a row of an unsupported kind and for broken labels.
    """
    layout = layout_of(data, frame_count)
    title = data.get("data_title") or ""
    _refuse_spaces(data, title)
    media = layout.media()
    empty = not (data.get("object_answers") or data.get("classification_answers"))
    drawn: _Frames = {}
    said: _Frames = {}
    for frame, labels in _frames(layout):
        if labels.get("objects"):
            _collect(labels["objects"], frame, "objectHash", drawn, title)
        if labels.get("classifications"):
            _collect(labels["classifications"], frame, "classificationHash", said, title)
    objects: tuple[ObjectInstance, ...] = ()
    classifications: tuple[Classification, ...] = ()
    rest: Mapping[str, Any] = data
    if drawn or said or not empty:
        index = index_of(ontology)
        objects = tuple(_objects(data, drawn, index, layout, title))
        classifications = tuple(_classifications(data, said, index, layout))
        rest = _rest(data, layout, {o.id for o in objects}, {c.id for c in classifications})
    links = split_links(objects, group_attribute)
    return LabelRow(
        key=data["data_hash"],
        title=title,
        media_kind=layout.kind,
        media=media,
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


def _refuse_spaces(data: Mapping[str, Any], title: str) -> None:
    """Labels in spaces belong to layers and groups, whose pictures this row does not have."""
    for name, space in (data.get("spaces") or {}).items():
        if any(
            labels.get("objects")
            for labels in (space.get("labels") or {}).values()
            if isinstance(labels, Mapping)
        ):
            message = f"row {title!r}: it has labels in the space {name!r}; data groups and layers are not supported"
            raise RowError(f"{message}; leave it out with `rows`")


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
    for identity, frames in drawn.items():
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

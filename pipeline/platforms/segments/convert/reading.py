"""A sample and its label to a row of the label model."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.core.instances import InstanceMap
from pipeline.core.labels import Group, LabelRow, Media, ObjectInstance, Raw, Relation
from pipeline.platforms.segments.convert.clouds import POINTS
from pipeline.platforms.segments.convert.images import read_images
from pipeline.platforms.segments.convert.layout import LayoutError, Part, parts_of
from pipeline.platforms.segments.convert.links import Link, grouped, read_links
from pipeline.platforms.segments.convert.noting import Reading
from pipeline.platforms.segments.convert.objects import PartRead, read_part
from pipeline.platforms.segments.convert.project import Project, Read, json_of
from pipeline.platforms.segments.convert.samples import SAMPLE, Seen, media_of
from pipeline.platforms.segments.wire import PLATFORM, Json, JsonValue, Label, Sample


def read_row(
    sample: Sample, label: Label | None, project: Project, bitmaps: Mapping[str, InstanceMap]
) -> Read:
    """Return the labels of a sample: key its uuid, title its name; None for a sample without a label.

    `bitmaps` has the pictures of `bitmap_urls` by their URL. Notes say which ids have no annotation, which
    annotations have no pixel, and what was read though it is written in another way than it should. Raises
    RowError for what cannot be read; nothing that is given is changed.
    """
    reading = Reading(sample.uuid, sample.name or sample.uuid, project)
    said = None if label is None else label.attributes
    try:
        seen = media_of(project.kind.task_type, sample.attributes, reading.title)
        parts = parts_of(sample.attributes, said, project.kind)
    except LayoutError as error:
        raise reading.refuse("", error) from error
    found = [read_part(reading, part, bitmaps) for part in parts]
    counts = _counts(reading, parts, seen)
    objects = tuple(item for read in found for item in read.objects)
    links = _links(reading, found, said) if project.kind.links else []
    objects, groups, relations = _linked(reading, objects, links)
    row = LabelRow(
        sample.uuid,
        sample.name,
        seen.media_kind,
        seen.media,
        seen.frame_count,
        None,
        objects,
        tuple(read_images(parts, counts, project.ontology)),
        groups,
        relations,
        None if label is None else label.label_status,
        sample.priority,
        None if label is None else label.score,
        sample.metadata or {},
        Raw(PLATFORM, _rest(sample, said, project, links, (parts, found))),
        seen.sensors,
    )
    return Read(_sized(row, parts, found), tuple(reading.notes))


def _counts(reading: Reading, parts: list[Part], seen: Seen) -> dict[str | None, int]:
    """The number of frames of each part; a label with more frames than its sample has is a note."""
    sensors = {sensor.name: sensor.frame_count or 0 for sensor in seen.sensors}
    counts: dict[str | None, int] = {}
    for part in parts:
        count = seen.frame_count if part.sensor is None else sensors.get(part.sensor, len(part.said))
        if len(part.said) > count:
            why = f"the label has {len(part.said)} frames and the sample {count}"
            reading.note(None, "frames", why if part.sensor is None else f"sensor {part.sensor!r}: {why}")
        counts[part.sensor] = max(count, len(part.said))
    return counts


def _links(reading: Reading, found: list[PartRead], said: JsonValue) -> list[Link]:
    names: dict[int, str] = {}
    for read in found:
        for number, name in read.links.items():
            names.setdefault(number, name)
    return read_links(reading, json_of(said).get("links"), names)


def _linked(
    reading: Reading, objects: tuple[ObjectInstance, ...], links: list[Link]
) -> tuple[tuple[ObjectInstance, ...], tuple[Group, ...], tuple[Relation, ...]]:
    """Objects, groups and relations: links are one or the other, as the rules say, and so are answers."""
    groups: tuple[Group, ...] = ()
    project = reading.project
    moving = project.kind.sequence
    relations = tuple(one for link in links if (one := link.relation(moving=moving)) is not None)
    if project.rules.group_links:
        for one in relations:
            if one.answers:
                why = f"the link to {one.target!r} stands for a group; the attributes of a link stay behind"
                reading.note(one.source, "link", why)
        groups, relations = grouped(relations, [item.id for item in objects]), ()
    name = project.rules.group_attribute
    if name is not None:
        objects, bound = _bound(objects, name)
        groups += bound
    return objects, groups, relations


def _bound(
    objects: tuple[ObjectInstance, ...], name: str
) -> tuple[tuple[ObjectInstance, ...], tuple[Group, ...]]:
    """Take the static text answers of one name out of the objects, and make their values groups."""
    groups: dict[str, list[str]] = {}
    left = []
    for item in objects:
        bound = next((one for one in item.answers if is_group(one.attribute, one.value, name)), None)
        if bound is None or bound.frames is not None:
            left.append(item)
            continue
        groups.setdefault(str(bound.value), []).append(item.id)
        left.append(replace(item, answers=tuple(one for one in item.answers if one is not bound)))
    return tuple(left), tuple(Group(key, tuple(members)) for key, members in groups.items())


def is_group(attribute: str, value: JsonValue, name: str) -> bool:
    """Whether an answer holds the group of its object."""
    return attribute == name and isinstance(value, str)


# ---- what is kept beside objects and classifications ------------------------------------------------------


def _rest(
    sample: Sample,
    said: JsonValue,
    project: Project,
    links: list[Link],
    read: tuple[list[Part], list[PartRead]],
) -> Json:
    """What `raw` of a row keeps: the label without its annotations, and the sample that it is of."""
    parts, found = read
    raw: Json = {
        "service": project.service,
        "task_type": project.kind.task_type,
        SAMPLE: {"uuid": sample.uuid, "attributes": sample.attributes},
        "label": _skeleton(said, parts, found),
    }
    for name in ("pictures", "strays"):
        held = {key: value for one in found for key, value in getattr(one, name).items()}
        if held:
            raw[name] = held
    if links:
        raw["ends"] = [[link.source, link.target] for link in links]
    return raw


def _skeleton(said: JsonValue, parts: list[Part], found: list[PartRead]) -> JsonValue:
    """The attributes of a label in which each annotation is the id of its object."""
    if not isinstance(said, Mapping):
        return said
    bare = {
        part.sensor: [_bare(frame, order) for frame, order in zip(part.said, read.order, strict=True)]
        for part, read in zip(parts, found, strict=True)
    }
    if "sensors" in said and parts and parts[0].sensor is not None:
        by_name = {part.sensor: part for part in parts}
        sensors = [
            {**entry, "attributes": _with_frames(by_name[entry["name"]], bare[entry["name"]])}
            for entry in said["sensors"]
        ]
        return {**said, "sensors": sensors}
    return _with_frames(parts[0], bare[None]) if None in bare else said


def _with_frames(part: Part, frames: list[Json]) -> JsonValue:
    if part.header is None:
        return part.entry.get("attributes")
    if not part.kind.sequence:
        return frames[0]
    return {**part.header, "frames": frames} if "frames" in part.header else part.header


def _bare(frame: Mapping[str, Any], order: list[str]) -> Json:
    kept = {**frame}
    if order:
        kept["annotations"] = order
    if kept.get(POINTS):
        kept[POINTS] = []
    return kept


def _sized(row: LabelRow, parts: list[Part], found: list[PartRead]) -> LabelRow:
    """The row with the sizes of its bitmaps and of its clouds."""
    if not any(read.sizes or read.points for read in found):
        return row
    sized = {part.sensor: read for part, read in zip(parts, found, strict=True)}
    if row.sensors:
        sensors = tuple(
            replace(sensor, media=_measured(sensor.media, sized[sensor.name]))
            if sensor.name in sized
            else sensor
            for sensor in row.sensors
        )
        return replace(row, sensors=sensors)
    return replace(row, media=_measured(row.media, sized[None]))


def _measured(media: tuple[Media, ...], read: PartRead) -> tuple[Media, ...]:
    """Frames without a bitmap of their own have the size of the others, where those agree."""
    sizes = set(read.sizes.values())
    common = next(iter(sizes)) if len(sizes) == 1 else (None, None)
    measured = []
    for at, one in enumerate(media):
        height, width = read.sizes.get(at, common)
        measured.append(replace(one, height=height, width=width, points=read.points.get(at)))
    return tuple(measured)

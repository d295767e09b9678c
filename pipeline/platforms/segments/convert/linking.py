"""Relations and groups to links: as they came where their objects are still there, else new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.core import spans
from pipeline.core.labels import Answer, Group, Relation
from pipeline.core.losses import LossKind
from pipeline.platforms.segments.convert.attributes import AnswerError, plain_value, same_answer
from pipeline.platforms.segments.convert.context import Before, Packing
from pipeline.platforms.segments.convert.links import (
    LINK,
    connections,
    link_frames,
    read_link_answers,
    union,
)
from pipeline.platforms.segments.convert.numeric import whole
from pipeline.platforms.segments.convert.project import json_of
from pipeline.platforms.segments.wire import Json, JsonValue


def write_links(packing: Packing, kept: Before) -> list[Json] | None:
    """Return the links of a label, or None where it has no such key.

    Reports the relations and groups that the label does not hold. Raises RowError.
    """
    held = packing.project.kind.links
    came = _came(kept) if held else []
    if packing.project.rules.group_links and held:
        for relation in packing.row.relations:
            why = f"relation {relation.name!r}: the links of this dataset stand for groups"
            packing.lose(relation.source, LossKind.RELATION, why)
        links = _of_groups(packing, came)
    else:
        if packing.project.rules.group_attribute is None:
            for group in packing.row.groups:
                why = f"group {group.id!r} of {len(group.objects)} objects has no place"
                way = "`groups: links` or a `group_attribute`" if held else "a `group_attribute`"
                packing.lose(None, LossKind.GROUP, f"{why}; choose {way}")
        links = _of_relations(packing, came, held=held)
    said = json_of(kept.label).get("links")
    return links if links or (held and said is not None) else None


Came = tuple[Mapping[str, Any], str | None, str | None]
"""A link as it came, and the objects that it means."""


def _came(kept: Before) -> list[Came]:
    links, ends = json_of(kept.label).get("links") or [], kept.raw.get("ends") or []
    if len(ends) != len(links):
        return []
    return [(json, *pair) for json, pair in zip(links, ends, strict=True)]


# ---- relations --------------------------------------------------------------------------------------------


def _of_relations(packing: Packing, came: Sequence[Came], *, held: bool) -> list[Json]:
    left = [relation for relation in packing.row.relations if _can(packing, relation, held=held)]
    links: list[Json] = []
    for json, source, target in came:
        if source is None or target is None:
            links.append(dict(json))
            continue
        alike = [one for one in left if (one.source, one.target) == (source, target)]
        if alike:
            before = read_link_answers(json, moving=packing.project.kind.sequence)
            best = next((one for one in alike if _same(one.answers, before)), alike[0])
            left.remove(best)
            links.append(_patched(packing, json, best))
    return links + [_new(packing, one) for one in left]


def _can(packing: Packing, relation: Relation, *, held: bool) -> bool:
    why = ""
    if not held:
        why = f"a dataset of type {packing.project.kind.task_type} has no links"
    elif relation.name != LINK:
        why = (
            f"Segments.ai has no relation {relation.name!r}; it has links, which are relations named {LINK!r}"
        )
    for name in (relation.source, relation.target):
        if name not in packing.written:
            why = why or f"relation {relation.name!r} has an end at object {name!r}, which is not written"
    if not why and relation.source != relation.target and len(_tracks(packing, relation)) == 1:
        why = f"relation {relation.name!r} would join a track with itself: both ends have its number"
    if why:
        packing.lose(relation.source, LossKind.RELATION, why)
    return not why


def _tracks(packing: Packing, relation: Relation) -> set[int]:
    return {packing.written[name].track for name in (relation.source, relation.target)}


def _same(one: tuple[Answer, ...], other: tuple[Answer, ...]) -> bool:
    if len(one) != len(other):
        return False
    return all(
        a.attribute == b.attribute and a.frames == b.frames and same_answer(a, b)
        for a, b in zip(one, other, strict=True)
    )


def _patched(packing: Packing, json: Mapping[str, Any], relation: Relation) -> Json:
    link = _aimed(packing, dict(json), relation.source, relation.target)
    if _same(relation.answers, read_link_answers(json, moving=packing.project.kind.sequence)):
        return link
    return {**link, **_said(packing, relation, json)}


def _new(packing: Packing, relation: Relation) -> Json:
    link = _aimed(packing, {}, relation.source, relation.target)
    return {**link, **_said(packing, relation, link)}


def _said(packing: Packing, relation: Relation, came: Mapping[str, Any]) -> Json:
    """Return what a link says, of itself and of frames. A null that came says nothing, and stays."""
    still = [one for one in relation.answers if one.frames is None]
    moving = [one for one in relation.answers if one.frames is not None]
    if not packing.project.kind.sequence:
        still, moving = [*still, *_at(moving, 0)], []
    said: Json = {}
    if still or "attributes" in came:
        said["attributes"] = _values(packing, relation, still, came)
    frames = link_frames(came)
    if moving:
        new: Json = {"attributes": {}}
        frames += [new] * (_frame_count(packing) - len(frames))
    if frames:
        said["frames"] = [
            {**frame, "attributes": _values(packing, relation, answers, frame)}
            if (answers := _at(moving, at)) or "attributes" in frame
            else dict(frame)
            for at, frame in enumerate(frames)
        ]
    return said


def _at(answers: Sequence[Answer], frame: int) -> list[Answer]:
    return [one for one in answers if spans.holds(one.frames or (), frame)]


def _frame_count(packing: Packing) -> int:
    """How many frames the sample has; where nobody knows it, those that objects are on."""
    row = packing.row
    seen = (1 + max(item.occurrences, default=-1) for item in row.objects)
    return max((row.frame_count or 0, *(one.frame_count or 0 for one in row.sensors), *seen))


def _values(packing: Packing, relation: Relation, answers: Sequence[Answer], came: Mapping[str, Any]) -> Json:
    kept = {name: value for name, value in json_of(came.get("attributes")).items() if value is None}
    try:
        return {**kept, **{answer.attribute: plain_value(answer) for answer in answers}}
    except AnswerError as error:
        where = f"link from {relation.source!r} to {relation.target!r}"
        raise packing.refuse(where, error) from error


def _aimed(packing: Packing, link: Json, source: str, target: str) -> Json:
    """The link with the numbers of its ends; one that means the object already stays as it is written."""
    for key, name in (("from_id", source), ("to_id", target)):
        numbers = packing.written[name]
        said: JsonValue = whole(link.get(key))
        if said is None or said[0] not in {numbers.track, numbers.number, *numbers.ids.values()}:
            link[key] = numbers.track
    return link


# ---- groups -----------------------------------------------------------------------------------------------


def _of_groups(packing: Packing, came: Sequence[Came]) -> list[Json]:
    """The links of groups; what is left of one whose other objects are not written stays together."""
    groups: list[Group] = []
    owner: dict[str, str] = {}
    for group in packing.row.groups:
        members = tuple(dict.fromkeys(name for name in group.objects if name in packing.written))
        why = ""
        if len(members) < 2:  # noqa: PLR2004 - a link has two ends
            lost = " that are written" if len(set(group.objects)) > 1 else ""
            why = f"a link needs two objects{lost}"
        elif any(name in owner for name in members):
            why = "links would join it with another group of which it has an object"
        if why:
            packing.lose(None, LossKind.GROUP, f"group {group.id!r}: {why}")
            continue
        groups.append(replace(group, objects=members))
        owner.update(dict.fromkeys(members, group.id))
    links: list[Json] = []
    pairs: list[tuple[str, str]] = []
    for json, source, target in came:
        if source is None or target is None:
            links.append(dict(json))
        elif owner.get(source) is not None and owner.get(source) == owner.get(target):
            links.append(_aimed(packing, dict(json), source, target))
            pairs.append((source, target))
    roots = union(pairs)
    for group in groups:
        links += [_aimed(packing, {}, *pair) for pair in connections(group.objects, roots)]
    return links

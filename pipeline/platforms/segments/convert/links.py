"""Links between objects: relations named "link", or the groups of what they connect.

A link names tracks. Links as they came stay in the `raw` of their row, and what of them stands for an object
that is still there goes back as it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pipeline.core import spans
from pipeline.core.labels import Answer, Group, Relation
from pipeline.platforms.segments.convert.attributes import by_value, read_answer
from pipeline.platforms.segments.convert.noting import Reading
from pipeline.platforms.segments.convert.project import json_of
from pipeline.platforms.segments.wire import JsonValue

LINK = "link"


class Link(NamedTuple):
    """One link as it came, and the objects that it means: None where nothing has such a number."""

    json: Mapping[str, Any]
    source: str | None
    target: str | None

    def relation(self, *, moving: bool) -> Relation | None:
        """Return the link as a relation; one that hangs in the air is none. `moving`: labels have frames."""
        if self.source is None or self.target is None:
            return None
        return Relation(LINK, self.source, self.target, read_link_answers(self.json, moving=moving))


def read_link_answers(link: Mapping[str, Any], *, moving: bool) -> tuple[Answer, ...]:
    """Return the attributes of a link as answers, and, where `moving`, those on its frames."""
    said = json_of(link.get("attributes")).items()
    still = [one for name, value in said if (one := read_answer(name, value, None)) is not None]
    found: dict[str, dict[int, Answer]] = {}
    for frame, attributes in enumerate(link_frames(link) if moving else ()):
        for name, value in json_of(attributes.get("attributes")).items():
            if (one := read_answer(name, value, None)) is not None:
                found.setdefault(name, {})[frame] = one
    return (
        *still,
        *(
            replace(one, frames=spans.of_frames(held))
            for values in found.values()
            for one, held in by_value(values)
        ),
    )


def link_frames(link: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a link says of each frame of the sample."""
    frames = link.get("frames")
    return [json_of(frame) for frame in frames] if isinstance(frames, list) else []


def read_links(reading: Reading, found: JsonValue, names: Mapping[int, str]) -> list[Link]:
    """Return the links of a label. `names` has the object of each number. One that hangs is a note."""
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise reading.refuse("", "links: expected a list of objects")
    links = []
    for at, one in enumerate(found):
        ends = [reading.number(one.get(key), f"links[{at}]", key) for key in ("from_id", "to_id")]
        source, target = (names.get(number) for number in ends)
        for number, name in zip(ends, (source, target), strict=True):
            if name is None:
                reading.note(None, "link", f"links[{at}]: nothing has the number {number}")
        links.append(Link(one, source, target))
    return links


def grouped(links: Iterable[Relation], order: Sequence[str]) -> tuple[Group, ...]:
    """Return the objects that links connect as groups, each under the id of its first object in `order`."""
    roots = union((link.source, link.target) for link in links)
    groups: dict[str, list[str]] = {}
    for name in order:
        if name in roots:
            groups.setdefault(root_of(roots, name), []).append(name)
    return tuple(Group(members[0], tuple(members)) for members in groups.values())


def union(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return, for each name in a pair, the next one on the way to the root of all that are connected."""
    roots: dict[str, str] = {}
    for one, other in pairs:
        first, second = root_of(roots, one), root_of(roots, other)
        roots.setdefault(first, first)
        roots[second] = first
    return roots


def root_of(roots: Mapping[str, str], name: str) -> str:
    """Return the root of a name; one that is not connected is its own."""
    while roots.get(name, name) != name:
        name = roots[name]
    return name


def connections(members: Sequence[str], roots: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give the links that a group still needs: from its first member to one of each other part."""
    seen = {root_of(roots, members[0])}
    for name in members[1:]:
        root = root_of(roots, name)
        if root not in seen:
            seen.add(root)
            yield members[0], name

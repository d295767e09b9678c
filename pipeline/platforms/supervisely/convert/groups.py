"""Groups to the key that the labels of one have in common, their `instance`.

The server chooses the key that it keeps, so only the partition counts. A key is of one image: on another one
it might be the id of a figure, so a group that goes there gets a fresh one.
"""

from collections.abc import Collection, Container, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from pipeline.core.labels import Group, LabelRow


class Key(NamedTuple):
    """The key of a label's group; one that is `kept` is written as it came."""

    name: str
    kept: bool


def group_key(image_id: str, group_id: str) -> str:
    """Return a key for a group of an image: the same in every run, and the id of no figure."""
    return "lf-" + blake2b(f"{image_id}\0{group_id}".encode(), digest_size=12).hexdigest()


class Keys(NamedTuple):
    """The keys of objects by their ids and of groups by theirs, and objects that are in a second group."""

    objects: Mapping[str, Key]
    groups: Mapping[str, Key]
    twice: Sequence[tuple[str, str]] = ()


def keys_of(
    row: LabelRow,
    existing: LabelRow | None,
    in_place: Collection[str],
    image: str,
    left: Container[str] = frozenset(),
) -> Keys:
    """Return the keys of a row that goes to an image.

    `in_place` are objects that are still the figures of this image. A group of them whose members did not
    change keeps its key, unless it is among those that labels which are not drawn have `left`.
    """
    if not row.groups:
        return _NO_KEYS
    before = _members(existing)
    objects: dict[str, Key] = {}
    groups: dict[str, Key] = {}
    twice: list[tuple[str, str]] = []
    used: set[str] = set()
    for group in row.groups:
        held = before.get(group.id)
        same = held is not None and held == frozenset(group.objects) and held.issubset(in_place)
        kept = same and group.id not in left
        name, more = (group.id if kept else group_key(image, group.id)), 1
        while name in used:
            more += 1
            name = group_key(image, f"{group.id}\0{more}")
        used.add(name)
        key = Key(name, kept)
        groups.setdefault(group.id, key)
        for member in dict.fromkeys(group.objects):
            if member in objects:
                twice.append((member, group.id))
            else:
                objects[member] = key
    return Keys(objects, groups, twice)


_NO_KEYS: Final = Keys({}, {})


def _members(row: LabelRow | None) -> Mapping[str, frozenset[str]]:
    return {group.id: frozenset(group.objects) for group in row.groups} if row is not None else {}


def joined(
    existing: LabelRow, row: LabelRow, names: Mapping[str, str], anchors: Mapping[str, str]
) -> tuple[tuple[Group, ...], Mapping[str, str]]:
    """Return the groups of a row that is added to what is there, and what each of its own is called there.

    `names` has what objects of `row` are called in the whole: some are there already. A group of `row` that
    has one of those which is in a group brings its other members into that. `anchors` has the groups there
    of which a label that is not drawn is in a group of `row` too.
    """
    groups = {group.id: list(group.objects) for group in existing.groups}
    home = {member: group.id for group in existing.groups for member in group.objects}
    called = dict(anchors)
    for group in row.groups:
        members = list(dict.fromkeys(names.get(one, one) for one in group.objects))
        there = next((home[one] for one in members if one in home), anchors.get(group.id))
        if there is None:
            there = group.id
            while there in groups:
                there += "+"
        called[group.id] = there
        new = [one for one in members if one not in home]
        groups.setdefault(there, []).extend(new)
        home.update(dict.fromkeys(new, there))
    return tuple(Group(name, tuple(members)) for name, members in groups.items() if members), called

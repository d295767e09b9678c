"""Labels that the label model does not draw go along, to where the same class is; and keys of groups."""

from collections.abc import Container, Iterator, Mapping
from typing import Any

from pipeline.core.carried import CARRIED, chosen, freed
from pipeline.core.labels import LabelRow
from pipeline.core.losses import LossKind
from pipeline.platforms.supervisely.convert.context import Packing
from pipeline.platforms.supervisely.convert.geometry import kind_of
from pipeline.platforms.supervisely.convert.groups import Key, Keys, group_key
from pipeline.platforms.supervisely.convert.labelling import PLACE_KEYS
from pipeline.platforms.supervisely.convert.meaning import meaning_of_label
from pipeline.platforms.supervisely.convert.tags import without_place
from pipeline.platforms.supervisely.wire import ANY, PLATFORM, Json


def bound(label: Json, key: Key | None) -> Json:
    """Put the key of a group into a label, or take the one that is there away."""
    if key is None:
        label.pop("instance", None)
    elif not key.kept or str(label.get("instance")) != key.name:
        label["instance"] = key.name
    return label


def left(packing: Packing) -> frozenset[str]:
    """Return the keys of groups that some of the carried labels leave, as operations want it."""
    free = freed(packing.edited.row)
    if not free:
        return frozenset()
    leaving = [one for one in _others(packing.edited.row) if free.has(str(one.get("classTitle")))]
    return frozenset(str(one["instance"]) for one in leaving if one.get("instance") is not None)


def carried(packing: Packing, keys: Keys) -> Iterator[tuple[Json, Key | None]]:
    """Give the labels of the row that are not drawn, each with the key of its group.

    One that was read from this image goes back as it is. Any other needs a class of its name and shape; where
    there is none, that is a loss. Those that `unbind` freed have no key.
    """
    there = _others(packing.edited.existing)
    mine = _others(packing.edited.row)
    if packing.edited.append:
        said = {meaning_of_label(one) for one in there}
        mine = there + [one for one in mine if meaning_of_label(one) not in said]
    if not mine:
        return
    free, changed = freed(packing.edited.row), left(packing)
    discarded = frozenset() if free else _discarded(packing, keys)
    for label in mine:
        in_place = label in there
        one = dict(label) if in_place else _copied(packing, label)
        if one is None:
            continue
        stays = in_place and packing.edited.append
        loose = not stays and free.has(str(label.get("classTitle")))
        if loose or str(label.get("instance")) in discarded:
            yield one, None
        elif packing.edited.append and not in_place:
            yield one, _key_of_added(packing, keys, label, changed)
        else:
            yield one, _key(packing, keys, label, changed, in_place=in_place)


def anchors(packing: Packing) -> dict[str, str]:
    """Return the keys of groups there by those of the row, where both have a label that is not drawn."""
    there: dict[bytes, str] = {}
    for label in _others(packing.edited.existing):
        if label.get("instance") is not None:
            there.setdefault(meaning_of_label(label), str(label["instance"]))
    free = freed(packing.edited.row)
    found: dict[str, str] = {}
    for label in _others(packing.edited.row) if there else ():
        bound_there = there.get(meaning_of_label(label))
        bound_here = label.get("instance") is not None and not free.has(str(label.get("classTitle")))
        if bound_here and bound_there is not None:
            found.setdefault(str(label["instance"]), bound_there)
    return found


def _discarded(packing: Packing, keys: Keys) -> frozenset[str]:
    """The keys of groups that were taken apart: an object that came with one is in no group any more."""
    if packing.edited.append:  # nothing that is there leaves its group
        return frozenset()
    loose = [item.raw for item in packing.row.objects if item.id not in keys.objects]
    said = [raw.data.get("instance") for raw in loose if raw is not None and raw.platform == PLATFORM]
    return frozenset(str(one) for one in said if one is not None) - keys.groups.keys()


def _others(row: LabelRow | None) -> list[Mapping[str, Any]]:
    """The carried labels of a row, without those that `drop` and `keep` took away."""
    raw = row.raw if row is not None else None
    if row is None or raw is None or raw.platform != PLATFORM or not raw.data.get(CARRIED):
        return []
    stays = chosen(row)
    return [one for one in raw.data.get(CARRIED) or () if stays.has(str(one.get("classTitle")))]


def _copied(packing: Packing, label: Mapping[str, Any]) -> Json | None:
    name, kind = label.get("classTitle"), kind_of(label)
    known = packing.project.classes.get(str(name))
    if known is None or known.shape not in (kind, ANY):
        why = f"the project has no class {name!r} of shape {kind}, which is carried and not drawn here"
        packing.lose(None, LossKind.SHAPE, why)
        return None
    one = {key: value for key, value in label.items() if key not in PLACE_KEYS}
    one["tags"] = [tag if isinstance(tag, str) else without_place(tag) for tag in one.get("tags") or ()]
    return one


def _key(
    packing: Packing, keys: Keys, label: Mapping[str, Any], changed: Container[str], *, in_place: bool
) -> Key | None:
    """The key of a group that other objects are in too follows theirs; one of its own stays together.

    It keeps its key only where it is not `changed`, as no label left it: the key may be the id of that one.
    """
    instance = label.get("instance")
    if instance is None:
        return None
    name, existing = str(instance), packing.edited.existing
    if name in keys.groups:
        return keys.groups[name]
    before = existing.groups if existing is not None else ()
    kept = in_place and name not in changed and all(group.id != name for group in before)
    return Key(name if kept else group_key(packing.image.key, name), kept)


def _key_of_added(
    packing: Packing, keys: Keys, label: Mapping[str, Any], changed: Container[str]
) -> Key | None:
    """The key of a label that is added: that of the group which those that it came with are in."""
    if label.get("instance") is None:
        return None
    name = str(label["instance"])
    if name in packing.homes:
        return _key(packing, keys, {"instance": packing.homes[name]}, changed, in_place=True)
    return Key(group_key(packing.image.key, f"{name}\0added"), kept=False)

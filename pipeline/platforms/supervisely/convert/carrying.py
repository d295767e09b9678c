"""Labels that the label model does not draw go along, to where the same class is; and keys of groups."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.core.labels import LabelRow
from pipeline.core.losses import LossKind
from pipeline.platforms.supervisely.convert.context import Packing
from pipeline.platforms.supervisely.convert.geometry import kind_of
from pipeline.platforms.supervisely.convert.groups import Key, Keys, group_key
from pipeline.platforms.supervisely.convert.labelling import PLACE_KEYS
from pipeline.platforms.supervisely.convert.meaning import meaning_of_label
from pipeline.platforms.supervisely.convert.reading import OTHERS
from pipeline.platforms.supervisely.convert.tags import without_place
from pipeline.platforms.supervisely.wire import ANY, PLATFORM, Json


def bound(label: Json, key: Key | None) -> Json:
    """Put the key of a group into a label, or take the one that is there away."""
    if key is None:
        label.pop("instance", None)
    elif not key.kept or str(label.get("instance")) != key.name:
        label["instance"] = key.name
    return label


def carried(packing: Packing, keys: Keys) -> Iterator[tuple[Json, Key | None]]:
    """Give the labels of the row that are not drawn, each with the key of its group.

    One that was read from this image goes back as it is. Any other needs a class of its name and shape; where
    there is none, that is a loss.
    """
    there = _others(packing.edited.existing)
    mine = _others(packing.edited.row)
    if packing.edited.append:
        said = {meaning_of_label(one) for one in there}
        mine = there + [one for one in mine if meaning_of_label(one) not in said]
    for label in mine:
        in_place = label in there
        one = dict(label) if in_place else _copied(packing, label)
        if one is not None:
            yield one, _key(packing, keys, label, in_place=in_place)


def _others(row: LabelRow | None) -> list[Mapping[str, Any]]:
    raw = row.raw if row is not None else None
    if raw is None or raw.platform != PLATFORM:
        return []
    return list(raw.data.get(OTHERS) or ())


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


def _key(packing: Packing, keys: Keys, label: Mapping[str, Any], *, in_place: bool) -> Key | None:
    """The key of a group that other objects are in too follows theirs; one of its own stays together."""
    instance = label.get("instance")
    if instance is None:
        return None
    name, existing = str(instance), packing.edited.existing
    if name in keys.groups:
        return keys.groups[name]
    if existing is not None and in_place and any(group.id == name for group in existing.groups):
        return None
    return Key(name if in_place else group_key(packing.image.key, name), in_place)

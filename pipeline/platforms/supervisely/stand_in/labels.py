"""Turns labels and tags as they are sent into labels and tags as the server keeps them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pipeline.platforms.supervisely.stand_in.answers import Json, invalid
from pipeline.platforms.supervisely.stand_in.geometries import Size, Where, check
from pipeline.platforms.supervisely.stand_in.meta import Meta
from pipeline.platforms.supervisely.stand_in.world import World

LEFT_OUT = ("shape", "entityId", "datasetId", "geometry")
"""Keys that may be sent with a label and are not kept in it."""
_UNSAID: Json = {"description": "", "nnCreated": False, "nnUpdated": False}
"""What a label is given where nothing is sent."""
_GROUP_KEYS = frozenset({str, int, type(None)})


def class_of(meta: Meta, label: Json, where: Where) -> Json:
    """Return the class of a label, by its name or else by its id.

    Raises:
        Refused: there is none.
    """
    title = label.get("classTitle")
    found = meta.classes.get(label.get("classId", 0)) if title is None else meta.by_title.get(title)
    if found is None:
        what = f'class "{title}"' if title is not None else f"class with id {label.get('classId')}"
        raise invalid(f'"{where()}": {what} is not found in the project')
    return found


def kind_of(label: Json, item: Json, where: Where) -> str:
    """Return the geometry that a label is drawn with.

    Raises:
        Refused: its class takes another one, or it names none.
    """
    kind = label.get("geometryType")
    if not isinstance(kind, str) or kind == "any":
        raise invalid(f'"{where()}.geometryType" is required')
    if item["shape"] not in {kind, "any"}:
        raise invalid(f'"{where()}": class "{item["title"]}" has shape {item["shape"]}, and not {kind}')
    return kind


class Maker:
    """Makes labels and tags of one project, at one time."""

    def __init__(self, world: World, meta: Meta, at: str) -> None:
        self._next_id = world.next_id
        self._meta = meta
        self._ours = {"id": 0, "labelerLogin": world.user, "createdAt": at, "updatedAt": at}

    def label(self, given: Json, item: Json, size: Size, where: Where, *, drawn: bool = True) -> Json:
        """Return a label whose id is 0. Its geometry is among its keys, unless it is not `drawn` yet.

        Raises:
            Refused: it does not fit its class or its image, or has a tag that it may not have.
        """
        kind = kind_of(given, item, where)
        if drawn:
            check(kind, given, size, item["geometry_config"] or {}, where)
        for key in ("nnCreated", "nnUpdated"):
            if not isinstance(given.get(key, False), bool):
                raise invalid(f'"{where()}.{key}" must be a boolean')
        instance = given.get("instance")
        if type(instance) not in _GROUP_KEYS:
            raise invalid(f'"{where()}.instance" must be a string')
        made = {**_UNSAID, **given, **self._ours}
        made["classId"], made["classTitle"] = item["id"], item["title"]
        made["tags"] = self.tags(given.get("tags") or (), item["title"], where)
        for key in LEFT_OUT:
            made.pop(key, None)
        return made

    def tags(self, given: Iterable[Any], title: str | None, where: Where) -> list[Json]:
        """Return the tags of a label of a class, or of an image where there is no class.

        Raises:
            Refused: one is not in the project, is not for this, or has not a value of its kind.
        """
        found: list[Json] = []
        for tag in given:
            if isinstance(tag, str):
                tag = {"name": tag}  # noqa: PLW2901 - as old annotations have it
            item = (
                self._meta.by_name.get(tag["name"])
                if "name" in tag
                else self._meta.tags.get(tag.get("tagId"))
            )
            if item is None:
                raise invalid(f'"{where()}.tags": tag "{tag.get("name", tag.get("tagId"))}" is not found')
            found.append(self.tag(item, tag, title, where))
        return found

    def tag(self, item: Json, given: Json, title: str | None, where: Where) -> Json:
        """Return one tag.

        Raises:
            Refused: it is not for this, or has not a value of its kind.
        """
        wrong = "objectsOnly" if title is None else "imagesOnly"
        among = item.get("classes") or []
        if item["applicable_type"] == wrong or (title is not None and among and title not in among):
            what = "images" if title is None else f'labels of class "{title}"'
            raise invalid(f'"{where()}.tags": tag "{item["name"]}" is not for {what}')
        value = given.get("value")
        if not fits(item, value):
            raise invalid(f'"{where()}.tags": {value!r} is no value of tag "{item["name"]}"')
        rest = {key: kept for key, kept in given.items() if key in {"customData", "meta"}}
        return {
            **self._ours,
            "id": self._next_id(),
            "tagId": item["id"],
            "name": item["name"],
            "value": value,
            **rest,
        }


def fits(item: Json, value: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether a tag may have a value."""
    match item["value_type"]:
        case "none":
            return value is None
        case "any_string":
            return isinstance(value, str)
        case "any_number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "oneof_string":
            return value in item["values"]
        case _:
            return isinstance(value, str) and _is_date(value)


def _is_date(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True

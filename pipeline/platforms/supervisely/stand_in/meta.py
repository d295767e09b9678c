"""The classes and tags of a project. They are known by name, and have ids that the server gives."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from pipeline.platforms.supervisely.stand_in.answers import Json, invalid

SHAPES = frozenset(
    {
        "any",
        "rectangle",
        "oriented_bbox",
        "polygon",
        "multipolygon",
        "line",
        "point",
        "bitmap",
        "alpha_mask",
        "graph",
        "cuboid",
        "cuboid_2d",
        "cuboid_3d",
        "point_3d",
        "point_cloud",
        "polyline_3d",
        "mask_3d",
        "multichannelBitmap",
        "closed_mesh_surface",
        "mesh",
    }
)
VALUES = frozenset({"none", "any_string", "any_number", "oneof_string", "date"})
APPLICABLE = frozenset({"all", "imagesOnly", "objectsOnly"})

CLASS = {"description": "", "shape": "any", "color": "#FF0000", "geometry_config": {}, "hotkey": ""}
TAG = {
    "value_type": "none",
    "color": "#FF0000",
    "hotkey": "",
    "applicable_type": "all",
    "classes": [],
    "target_type": "all",
}


@dataclass(slots=True)
class Changes:
    """What an update of the meta did: ids of classes and tags that went, and new names by id."""

    classes: set[int] = field(default_factory=set)
    tags: set[int] = field(default_factory=set)
    renamed: dict[int, str] = field(default_factory=dict)


class Meta:
    """Classes and tags. `next_id` gives ids. `keep`: those that an update leaves out stay."""

    def __init__(self, next_id: Callable[[], int], *, keep: bool) -> None:
        self._next_id = next_id
        self._keep = keep
        self._rest: Json = {"projectType": "images"}
        self.classes: dict[int, Json] = {}
        self.tags: dict[int, Json] = {}
        self.by_title: dict[str, Json] = {}
        self.by_name: dict[str, Json] = {}

    def json(self) -> Json:
        """Return the meta with all ids."""
        return {"classes": list(self.classes.values()), "tags": list(self.tags.values()), **self._rest}

    def put_back(self, meta: Json) -> None:
        """Set the meta as it was kept, ids included."""
        self._set([*meta["classes"]], [*meta["tags"]])
        self._rest = {key: value for key, value in meta.items() if key not in {"classes", "tags"}}

    def update(self, given: Json, used: Callable[[int], bool]) -> Changes:
        """Replace the meta. `used` tells whether labels of a class are there.

        Raises:
            Refused: it is no meta, two have one name, or a class with labels would get another shape.
        """
        if "tags_images" in given or "tags_objects" in given:
            raise invalid('"meta.tags_images" is not allowed')
        given = deepcopy(given)
        classes = self._merged("classes", "title", given.pop("classes", None), self.classes, self.by_title)
        tags = self._merged("tags", "name", given.pop("tags", None), self.tags, self.by_name)
        _check_classes(classes)
        _check_tags(tags)
        self._check_changes(classes, tags, used)
        changes = Changes(
            self.classes.keys() - {item["id"] for item in classes},
            self.tags.keys() - {item["id"] for item in tags},
        )
        for item in classes:
            old = self.classes.get(item["id"])
            if old is not None and old["title"] != item["title"]:
                changes.renamed[item["id"]] = item["title"]
        self._set(classes, tags)
        self._rest |= given
        return changes

    def _set(self, classes: list[Json], tags: list[Json]) -> None:
        self.classes = {item["id"]: item for item in classes}
        self.tags = {item["id"]: item for item in tags}
        self.by_title = {item["title"]: item for item in classes}
        self.by_name = {item["name"]: item for item in tags}

    def _merged(
        self,
        what: str,
        key: str,
        given: Any,  # noqa: ANN401 - JSON
        old: dict[int, Json],
        names: dict[str, Json],
    ) -> list[Json]:
        if given is None:
            return list(old.values())
        if not isinstance(given, list) or not all(
            isinstance(item, dict) and isinstance(item.get(key), str) and item[key] for item in given
        ):
            raise invalid(f'"meta.{what}" must be an array of objects with "{key}"')
        found: list[Json] = []
        for item in given:
            known = old.get(item.get("id")) or names.get(item[key])
            identity = self._next_id() if known is None else known["id"]
            found.append({**(CLASS if what == "classes" else TAG), **item, "id": identity})
        if self._keep:
            ids = {item["id"] for item in found}
            found = [item for item in old.values() if item["id"] not in ids] + found
        for field_name in (key, "id"):
            if len({item[field_name] for item in found}) < len(found):
                raise invalid(f'"meta.{what}" contains a duplicate value of "{field_name}"')
        return found

    def _check_changes(
        self, classes: Iterable[Json], tags: Iterable[Json], used: Callable[[int], bool]
    ) -> None:
        for item in classes:
            old = self.classes.get(item["id"])
            if old is not None and item["shape"] not in {old["shape"], "any"} and used(item["id"]):
                raise invalid(f'class "{item["title"]}" has labels of shape {old["shape"]}')
        for item in tags:
            old = self.tags.get(item["id"])
            if old is not None and item["value_type"] != old["value_type"]:
                raise invalid(f'tag "{item["name"]}" has values of type {old["value_type"]}')


def _check_classes(classes: Iterable[Json]) -> None:
    for item in classes:
        if item["shape"] not in SHAPES:
            raise invalid(f'class "{item["title"]}": {item["shape"]!r} is no shape of {sorted(SHAPES)}')
        nodes = (item["geometry_config"] or {}).get("nodes")
        if item["shape"] == "graph" and not nodes:
            raise invalid(f'"geometry_config" of class "{item["title"]}" must have nodes')


def _check_tags(tags: Iterable[Json]) -> None:
    for item in tags:
        for key, among in (("value_type", VALUES), ("applicable_type", APPLICABLE)):
            if item[key] not in among:
                raise invalid(f'"{key}" of tag "{item["name"]}" must be one of {sorted(among)}')
        values = item.get("values")
        wanted = item["value_type"] == "oneof_string"
        if wanted and (not values or not all(isinstance(one, str) for one in values)):
            raise invalid(f'"values" of tag "{item["name"]}" must be an array of strings')

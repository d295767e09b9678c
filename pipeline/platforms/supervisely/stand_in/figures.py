"""Single labels: added without taking others away, given tags and masks, listed, changed and removed."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from aiohttp import web

from pipeline.platforms.supervisely.stand_in.answers import (
    Json,
    Methods,
    decoded,
    invalid,
    json_value,
    now,
)
from pipeline.platforms.supervisely.stand_in.geometries import (
    KEYS,
    Size,
    bitmap_bounds,
    bounds,
    check,
    floored,
    geometry_of,
)
from pipeline.platforms.supervisely.stand_in.groups import Keys
from pipeline.platforms.supervisely.stand_in.labels import Maker, class_of
from pipeline.platforms.supervisely.stand_in.meta import Meta
from pipeline.platforms.supervisely.stand_in.multipart import parse_parts, parts_answer
from pipeline.platforms.supervisely.stand_in.paging import Asked, Paged, known
from pipeline.platforms.supervisely.stand_in.world import Image, World
from pipeline.sandbox import Sandbox

ALPHA = "alpha_mask"


class Add(msgspec.Struct, rename="camel"):
    """The body of `figures.bulk.add`: all on one image, or each on one of a dataset."""

    figures: list[Json]
    dataset_id: int | None = None
    entity_id: int | None = None
    skip_bounds_validation: bool = False


class Listed(Asked):
    """The body of `figures.list`."""

    dataset_id: int = msgspec.field(name="datasetId")
    integer_coords: bool = msgspec.field(default=True, name="integerCoords")


class Key(msgspec.Struct):
    """A body that names one label."""

    id: int


class Ids(msgspec.Struct):
    """The body of `figures.bulk.download.geometry`."""

    ids: list[int]


class Doomed(msgspec.Struct, rename="camel"):
    """The body of `figures.bulk.remove`."""

    figure_ids: list[int]


class Changed(msgspec.Struct, rename="camel"):
    """The body of `figures.editInfo`."""

    id: int
    tags: list[Json] | None = None
    geometry: Json | None = None
    nn_created: bool | None = None
    nn_updated: bool | None = None


class Priority(msgspec.Struct):
    """The body of `figures.priority.update`."""

    id: int
    priority: int


class Figures:
    """Answers requests about single labels. `check`: they must lie in their image."""

    def __init__(self, world: World, sandbox: Sandbox, keys: Keys, paged: Paged, *, check: bool) -> None:
        self._world = world
        self._sandbox = sandbox
        self._keys = keys
        self._paged = paged
        self._check = check

    def methods(self) -> Methods:
        """Return what the service answers."""
        yield "figures.bulk.add", self.add
        yield "figures.bulk.upload.geometry", self.upload_geometry
        yield "figures.bulk.download.geometry", self.download_geometry
        yield "figures.list", self.page
        yield "figures.info", self.info
        yield "figures.editInfo", self.edit
        yield "figures.priority.update", self.prioritise
        yield "figures.bulk.remove", self.remove

    def add(self, request: web.Request, body: bytes) -> web.Response:
        """Add labels: all of them, or none where one is refused. What is there already stays."""
        asked, world = decoded(body, Add), self._world
        at = now()
        maker_of = cache(lambda meta: Maker(world, meta, at))
        made = [self._made(asked, given, number, maker_of) for number, given in enumerate(asked.figures)]
        by_image: dict[int, list[Json]] = {}
        for image, label in made:
            label["id"] = world.next_id()
            by_image.setdefault(image.id, []).append(label)
        rows: list[tuple[str, str, str, int]] = []
        for key, labels in by_image.items():
            image = world.images[key]
            self._keys.give(labels, image.objects.values())
            for label in labels:
                image.objects[label["id"]] = label
                world.figures[label["id"]] = image
            image.updated_at = at
            world.note(image)
            rows.append((str(key), image.name, "", len(labels)))
        self._sandbox.written(request, "figures", rows)
        return json_value([{"id": label["id"]} for _, label in made])

    def _made(
        self, asked: Add, given: Json, number: int, maker_of: Callable[[Meta], Maker]
    ) -> tuple[Image, Json]:
        def where() -> str:
            return f"figures[{number}]"

        key = given.get("entityId", asked.entity_id)
        if not isinstance(key, int):
            raise invalid(f'"{where()}.entityId" is required')
        image = self._world.image(key)
        if asked.dataset_id not in {None, image.dataset.id}:
            raise invalid(f"image {key} is not in dataset {asked.dataset_id}")
        if not isinstance(given.get("classId"), int):
            raise invalid(f'"{where()}.classId" is required')
        meta = image.dataset.project.meta
        item = class_of(meta, {"classId": given["classId"]}, where)
        geometry = given.get("geometry")
        if (geometry is None) != (given.get("geometryType") == ALPHA):
            raise invalid(f'"{where()}.geometry" is required, but for an {ALPHA}')
        size = self._size(image, bounds_apply=not asked.skip_bounds_validation)
        label = {key: value for key, value in given.items() if key not in KEYS}
        if geometry is not None:
            label |= geometry_of(given.get("geometryType", ""), geometry)
        return image, maker_of(meta).label(label, item, size, where, drawn=geometry is not None)

    def _size(self, image: Image, *, bounds_apply: bool = True) -> Size:
        known_size = image.width is not None and image.height is not None
        if not (bounds_apply and self._check and known_size):
            return None
        return image.width or 0, image.height or 0

    # ---- masks that come apart ---------------------------------------------------------------------------

    def upload_geometry(self, request: web.Request, body: bytes) -> web.Response:
        """Take the masks of labels in: pairs of a label's id and the JSON of its mask."""
        parts = parse_parts(request.headers.get("Content-Type", ""), body)
        names = [part.name for part in parts]
        if names != ["figureId", "geometry"] * (len(parts) // 2):
            raise invalid('"figureId" and "geometry" must come in pairs')
        rows: list[tuple[str, str, str, int]] = []
        for one, other in zip(parts[::2], parts[1::2], strict=True):
            if not one.data.isdigit():
                raise invalid('"figureId" must be a number')
            image, label = self._world.figure(int(one.data))
            if label["geometryType"] != ALPHA:
                raise invalid(f"figure {label['id']} is no {ALPHA}")
            self._check_alpha(image, other.data)
            digest = self._sandbox.log.digest(other.data)
            rows.append((str(label["id"]), image.name, digest, 1))
            image.alphas[label["id"]] = other.data
            self._world.note(image)
        self._sandbox.written(request, "geometry", rows)
        return json_value({"success": True})

    def _check_alpha(self, image: Image, data: bytes) -> None:
        found = decoded(data, dict[str, Any])
        try:
            left, top, right, bottom = bitmap_bounds(found)
        except (KeyError, TypeError, ValueError) as error:
            raise invalid(f'"geometry" is no {ALPHA}: {error}') from error
        size = self._size(image)
        if size is not None and (left < 0 or top < 0 or right > size[0] or bottom > size[1]):
            raise invalid(f'"geometry" is out of the image of {size[0]} x {size[1]}')

    def download_geometry(self, _: web.Request, body: bytes) -> web.Response:
        """Hand out the geometries of labels, each in a part that is named by the label's id."""
        found: list[tuple[int, bytes, str]] = []
        for key in decoded(body, Ids).ids:
            image, label = self._world.figure(key)
            data = image.alphas.get(key)
            if data is None and label["geometryType"] != ALPHA:
                data = msgspec.json.encode(geometry_of(label["geometryType"], label))
            if data is not None:
                found.append((key, data, "Content-Type: application/json\r\n"))
        return parts_answer(found[::-1])

    # ---- reading and changing ----------------------------------------------------------------------------

    def page(self, _: web.Request, body: bytes) -> web.Response:
        """Return labels of a dataset, page by page."""
        asked = decoded(body, Listed)
        images = self._world.dataset(asked.dataset_id).images.values()
        found = [(image, label) for image in images for label in image.objects.values()]
        found.sort(key=lambda pair: pair[1]["id"])
        return json_value(
            self._paged.of(found, asked, _field, lambda pair: told(*pair, whole=asked.integer_coords))
        )

    def info(self, _: web.Request, body: bytes) -> web.Response:
        """Return a label."""
        return json_value(told(*self._world.figure(decoded(body, Key).id), whole=False))

    def edit(self, request: web.Request, body: bytes) -> web.Response:
        """Change tags, geometry or status of a label."""
        asked = decoded(body, Changed)
        image, label = self._world.figure(asked.id)
        meta, kind = image.dataset.project.meta, label["geometryType"]
        if asked.geometry is not None:
            template = meta.classes[label["classId"]]["geometry_config"] or {}
            check(kind, asked.geometry, self._size(image), template, lambda: "geometry")
            for key in KEYS:
                label.pop(key, None)
            label |= geometry_of(kind, asked.geometry)
        if asked.tags is not None:
            maker = Maker(self._world, meta, now())
            label["tags"] = maker.tags(asked.tags, label["classTitle"], lambda: "figure")
        for name, value in (("nnCreated", asked.nn_created), ("nnUpdated", asked.nn_updated)):
            label[name] = label[name] if value is None else value
        label["updatedAt"] = now()
        self._world.note(image)
        self._sandbox.written(request, "figures", ((str(image.id), image.name, "", 1),))
        return json_value({"success": True})

    def prioritise(self, _: web.Request, body: bytes) -> web.Response:
        """Set the priority of a label."""
        asked = decoded(body, Priority)
        image, label = self._world.figure(asked.id)
        label["priority"] = asked.priority
        self._world.note(image)
        return json_value({"success": True})

    def remove(self, _: web.Request, body: bytes) -> web.Response:
        """Take labels away."""
        world = self._world
        for image, label in [world.figure(key) for key in decoded(body, Doomed).figure_ids]:
            world.drop(image, label["id"])
            world.note(image)
        return json_value({"success": True})


def told(image: Image, label: Json, *, whole: bool) -> Json:
    """Return a label as JSON of its own, with its geometry in a key."""
    kind = label["geometryType"]
    geometry: Json | None = geometry_of(kind, label)
    box = bounds(kind, geometry) if geometry else None
    found = {key: value for key, value in label.items() if geometry is None or key not in geometry}
    found.pop("instance", None)
    left, top, right, bottom = box or (0, 0, 0, 0)
    return {
        **found,
        "entityId": image.id,
        "imageId": image.id,
        "objectId": None,
        "projectId": image.dataset.project.id,
        "datasetId": image.dataset.id,
        "geometry": floored(geometry) if whole else geometry,
        "geometryMeta": {"bbox": [top, left, bottom, right]},
        "meta": {},
        "area": str((right - left) * (bottom - top)),
        "priority": label.get("priority", 1),
    }


def _field(pair: tuple[Image, Json], name: str) -> Any:  # noqa: ANN401 - of many types
    image, label = pair
    if name in {"entityId", "imageId"}:
        return image.id
    return known(label, name)

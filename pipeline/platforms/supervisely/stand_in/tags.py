"""Tags that are added to what is there: to labels, and to images."""

from typing import Any

import msgspec
from aiohttp import web

from pipeline.platforms.supervisely.stand_in.answers import Json, Methods, decoded, invalid, json_value, now
from pipeline.platforms.supervisely.stand_in.labels import Maker
from pipeline.platforms.supervisely.stand_in.world import Image, World
from pipeline.sandbox import Sandbox


class OfFigure(msgspec.Struct, rename="camel"):
    """One tag of a label."""

    figure_id: int
    tag_id: int
    value: Any = None


class OfEntity(msgspec.Struct, rename="camel"):
    """One tag of an image."""

    entity_id: int
    tag_id: int
    value: Any = None


class AddToFigures(msgspec.Struct, rename="camel"):
    """The body of `figures.tags.bulk.add`."""

    tags: list[OfFigure]
    project_id: int | None = None


class AddToEntities(msgspec.Struct, rename="camel"):
    """The body of `tags.entities.bulk.add`."""

    tags: list[OfEntity]
    project_id: int | None = None


class AddToImages(msgspec.Struct, rename="camel"):
    """The body of `image-tags.bulk.add-to-image`: one tag of many images."""

    tag_id: int
    ids: list[int]
    value: Any = None


class Key(msgspec.Struct):
    """A body that names one label."""

    id: int


class Tags:
    """Answers requests about tags."""

    def __init__(self, world: World, sandbox: Sandbox) -> None:
        self._world = world
        self._sandbox = sandbox

    def methods(self) -> Methods:
        """Return what the service answers."""
        yield "figures.tags.bulk.add", self.add_to_figures
        yield "tags.entities.bulk.add", self.add_to_entities
        yield "image-tags.bulk.add-to-image", self.add_to_images
        yield "figures.tags.list", self.page

    def add_to_figures(self, request: web.Request, body: bytes) -> web.Response:
        """Add tags to labels."""
        pairs: list[tuple[Image, Json, Json]] = []
        at = now()
        for given in decoded(body, AddToFigures).tags:
            image, label = self._world.figure(given.figure_id)
            tag = self._made(image, given.tag_id, given.value, label["classTitle"], at)
            pairs.append((image, label, tag))
        for image, label, tag in pairs:
            label["tags"].append(tag)
            self._world.note(image)
        rows = [(str(image.id), image.name, tag["name"], 1) for image, _, tag in pairs]
        self._sandbox.written(request, "tags", rows)
        return json_value([{**tag, "figureId": label["id"]} for _, label, tag in pairs])

    def add_to_entities(self, request: web.Request, body: bytes) -> web.Response:
        """Add tags to images."""
        asked = decoded(body, AddToEntities)
        return self._added(request, [(tag.entity_id, tag.tag_id, tag.value) for tag in asked.tags])

    def add_to_images(self, request: web.Request, body: bytes) -> web.Response:
        """Add one tag to images."""
        asked = decoded(body, AddToImages)
        return self._added(request, [(key, asked.tag_id, asked.value) for key in asked.ids])

    def page(self, _: web.Request, body: bytes) -> web.Response:
        """Return the tags of a label."""
        return json_value(self._world.figure(decoded(body, Key).id)[1]["tags"])

    def _added(self, request: web.Request, given: list[tuple[int, int, Any]]) -> web.Response:
        at = now()
        pairs = [
            (image, self._made(image, tag, value, None, at))
            for image, tag, value in ((self._world.image(key), tag, value) for key, tag, value in given)
        ]
        for image, tag in pairs:
            image.tags.append(tag)
            self._world.note(image)
        rows = [(str(image.id), image.name, tag["name"], 0) for image, tag in pairs]
        self._sandbox.written(request, "tags", rows)
        return json_value([{**tag, "entityId": image.id} for image, tag in pairs])

    def _made(
        self,
        image: Image,
        key: int,
        value: Any,  # noqa: ANN401 - JSON
        title: str | None,
        at: str,
    ) -> Json:
        meta = image.dataset.project.meta
        item = meta.tags.get(key)
        if item is None:
            raise invalid(f"tag {key} is not found in the project")
        return Maker(self._world, meta, at).tag(item, {"value": value}, title, lambda: "tags")

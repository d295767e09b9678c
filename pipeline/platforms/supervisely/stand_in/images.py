"""Images: listed, added by hash, by link or from another image, changed and removed."""

from typing import Any

import msgspec
from aiohttp import web

from pipeline.platforms.supervisely.stand_in.answers import (
    Json,
    Methods,
    Refused,
    absent,
    decoded,
    invalid,
    json_value,
    now,
)
from pipeline.platforms.supervisely.stand_in.files import Files
from pipeline.platforms.supervisely.stand_in.paging import Asked, Paged, known
from pipeline.platforms.supervisely.stand_in.projects import unique
from pipeline.platforms.supervisely.stand_in.world import Dataset, Image, World
from pipeline.sandbox import Sandbox

SOURCES = ("hash", "link", "imageId")


class Key(msgspec.Struct, rename="camel"):
    """A body that names one image."""

    id: int
    force_metadata_for_links: bool = True


class Listed(Asked):
    """The body of `images.list`."""

    dataset_id: int | None = msgspec.field(default=None, name="datasetId")
    project_id: int | None = msgspec.field(default=None, name="projectId")
    recursive: bool = False
    force_metadata_for_links: bool = msgspec.field(default=True, name="forceMetadataForLinks")


class NewImage(msgspec.Struct, rename="camel"):
    """One image that is to be added; one of `hash`, `link` and `image_id` says where its bytes are."""

    title: str
    hash: str | None = None
    link: str | None = None
    image_id: int | None = None
    meta: Json | None = None
    parent_id: int | None = None


class Add(msgspec.Struct, rename="camel"):
    """The body of `images.bulk.add`."""

    dataset_id: int
    images: list[NewImage]
    force_metadata_for_links: bool = True
    skip_validation: bool = False


class Changed(msgspec.Struct, rename="camel"):
    """The body of `images.editInfo`."""

    id: int
    name: str | None = None
    description: str | None = None
    meta: Json | None = None


class Doomed(msgspec.Struct, rename="camel"):
    """The body of `images.bulk.remove`."""

    image_ids: list[int]


class Images:
    """Answers requests about images."""

    def __init__(self, world: World, files: Files, sandbox: Sandbox, paged: Paged) -> None:
        self._world = world
        self._files = files
        self._sandbox = sandbox
        self._paged = paged

    def methods(self) -> Methods:
        """Return what the service answers."""
        yield "images.list", self.page
        yield "images.info", self.info
        yield "images.bulk.add", self.add
        yield "images.editInfo", self.edit
        yield "images.bulk.remove", self.remove

    def page(self, _: web.Request, body: bytes) -> web.Response:
        """Return images of a dataset or of a project, page by page."""
        asked, world = decoded(body, Listed), self._world
        if asked.dataset_id is not None:
            dataset = world.dataset(asked.dataset_id)
            found = list(dataset.images.values())
            if asked.recursive:
                found += [image for one in _below(dataset) for image in one.images.values()]
        elif asked.project_id is not None:
            datasets = world.project(asked.project_id).datasets.values()
            found = [image for one in datasets for image in one.images.values()]
        else:
            raise invalid('"datasetId" is required')
        found.sort(key=lambda image: image.id)
        return json_value(self._paged.of(found, asked, self._field, self.told))

    def info(self, _: web.Request, body: bytes) -> web.Response:
        """Return an image."""
        asked = decoded(body, Key)
        image = self._world.image(asked.id)
        if asked.force_metadata_for_links:
            self._files.measure(image)
        return json_value(self.told(image))

    def add(self, request: web.Request, body: bytes) -> web.Response:
        """Add images to a dataset: all of them, or none where one is refused."""
        asked, world = decoded(body, Add), self._world
        most = self._sandbox.faults.max_rows
        if most is not None and len(asked.images) > most:
            raise Refused(413, f"{len(asked.images)} images in one request, at most {most} are taken")
        dataset = world.dataset(asked.dataset_id)
        titles = [given.title for given in asked.images]
        if len(set(titles)) < len(titles) or not all(titles):
            raise invalid('"images" contains a duplicate or empty "title"')
        taken = [dataset.by_name[title] for title in titles if title in dataset.by_name]
        if taken:
            raise unique("Image", [{"id": one.id, "name": one.name} for one in taken])
        made = [self._made(dataset, given) for given in asked.images]
        for image in made:
            if asked.force_metadata_for_links:
                self._files.measure(image)
            image.id = world.next_id()
            world.add_image(image)
        rows = [(str(one.id), one.name, one.hash or one.link or "", 0) for one in made]
        self._sandbox.written(request, "image", rows)
        return json_value([self.told(image) for image in made])

    def edit(self, _: web.Request, body: bytes) -> web.Response:
        """Change what is told of an image."""
        asked, world = decoded(body, Changed), self._world
        image = world.image(asked.id)
        if asked.name is not None and asked.name != image.name:
            if (taken := image.dataset.by_name.get(asked.name)) is not None:
                raise unique("Image", [{"id": taken.id, "name": taken.name}])
            world.rename_image(image, asked.name)
        image.description = image.description if asked.description is None else asked.description
        image.meta = image.meta if asked.meta is None else asked.meta
        image.updated_at = now()
        world.note(image)
        return json_value(self.told(image))

    def remove(self, _: web.Request, body: bytes) -> web.Response:
        """Take images away."""
        world = self._world
        for image in [world.image(key) for key in decoded(body, Doomed).image_ids]:
            world.remove_image(image)
        return json_value({"success": True})

    def _made(self, dataset: Dataset, given: NewImage) -> Image:
        sources = [one for one in (given.hash, given.link, given.image_id) if one is not None]
        if len(sources) != 1:
            raise invalid(f'"images" must each have one of {list(SOURCES)}')
        if given.image_id is not None:
            old = self._world.image(given.image_id)
            kind = old.hash, old.link, old.mime, old.size, old.width, old.height
        elif given.hash is not None:
            found = self._files.known(given.hash)
            if found is None:
                raise absent("hash", given.hash)
            kind = given.hash, None, *found
        else:
            kind = None, given.link, None, None, None, None
        return Image(0, given.title, dataset, *kind, given.meta or {})

    def _field(self, image: Image, name: str) -> Any:  # noqa: ANN401 - of many types
        if name in {"name", "title"}:
            return image.name
        return image.id if name == "id" else known(self.told(image), name)

    def told(self, image: Image) -> Json:
        """Return an image as JSON. Its size comes as text."""
        path = self._files.path(image)
        return {
            "id": image.id,
            "name": image.name,
            "title": image.name,
            "link": image.link,
            "hash": image.hash,
            "mime": image.mime,
            "size": None if image.size is None else str(image.size),
            "width": image.width,
            "height": image.height,
            "labelsCount": len(image.objects),
            "datasetId": image.dataset.id,
            "projectId": image.dataset.project.id,
            "createdAt": image.created_at,
            "updatedAt": image.updated_at,
            "meta": image.meta,
            "description": image.description,
            "pathOriginal": path,
            "fullStorageUrl": self._files.origin + path,
            "tags": [{"entityId": image.id, **tag} for tag in image.tags],
            "createdBy": 1,
        }


def _below(dataset: Dataset) -> list[Dataset]:
    nested = [one for one in dataset.project.datasets.values() if one.parent is dataset]
    return [*nested, *(deeper for one in nested for deeper in _below(one))]

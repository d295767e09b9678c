"""Annotations of images: written whole, and read one by one, in bulk or as a list."""

import random
from typing import Any

import msgspec
from aiohttp import web

from pipeline.platforms.supervisely.stand_in.answers import (
    Json,
    Methods,
    Refused,
    decoded,
    invalid,
    json_value,
    named,
    now,
)
from pipeline.platforms.supervisely.stand_in.geometries import APART, whole
from pipeline.platforms.supervisely.stand_in.groups import Keys
from pipeline.platforms.supervisely.stand_in.labels import Maker, class_of
from pipeline.platforms.supervisely.stand_in.paging import Asked, Paged, known
from pipeline.platforms.supervisely.stand_in.world import Dataset, Image, World
from pipeline.sandbox import Poison, Sandbox


class Given(msgspec.Struct):
    """The annotation of one image; it stays bytes, so that it can be known by them."""

    imageId: int  # noqa: N815 - as it travels
    annotation: msgspec.Raw


class Add(msgspec.Struct):
    """The body of `annotations.bulk.add`."""

    datasetId: int  # noqa: N815 - as it travels
    annotations: list[Given]
    skipBoundsValidation: bool = False  # noqa: N815 - as it travels


class Reading(msgspec.Struct, rename="camel", kw_only=True):
    """How annotations are wanted."""

    with_custom_big_data: bool = False
    force_metadata_for_links: bool = False
    integer_coords: bool = True


class One(Reading):
    """The body of `annotations.info`."""

    image_id: int


class Many(Reading):
    """The body of `annotations.bulk.info`."""

    dataset_id: int
    image_ids: list[int]


class Listed(Asked):
    """The body of `annotations.list`."""

    dataset_id: int = msgspec.field(name="datasetId")
    integer_coords: bool = msgspec.field(default=True, name="integerCoords")
    force_metadata_for_links: bool = msgspec.field(default=False, name="forceMetadataForLinks")


class Copy(msgspec.Struct, rename="camel"):
    """The body of `annotations.bulk.copy`."""

    src_image_ids: list[int]
    dest_image_ids: list[int]
    preserve_source_date: bool = True


class Annotations:
    """Answers requests about annotations.

    `read_cap` is the most images of one read. `check`: labels must lie in their image, unless the request
    says otherwise. `keep_ids`: a label that is sent with the id that it has keeps it. `shuffled`: bulk
    reads come in no order.
    """

    def __init__(
        self,
        world: World,
        sandbox: Sandbox,
        keys: Keys,
        paged: Paged,
        *,
        read_cap: int,
        check: bool,
        keep_ids: bool,
        shuffled: bool,
    ) -> None:
        self._world = world
        self._sandbox = sandbox
        self._keys = keys
        self._paged = paged
        self._read_cap = read_cap
        self._check = check
        self._keep_ids = keep_ids
        self._random = random.Random(0) if shuffled else None  # noqa: S311 - an order, no secret

    def methods(self) -> Methods:
        """Return what the service answers."""
        yield "annotations.bulk.add", self.add
        yield "annotations.bulk.copy", self.copy
        yield "annotations.info", self.info
        yield "annotations.bulk.info", self.bulk_info
        yield "annotations.list", self.page

    # ---- writing ----------------------------------------------------------------------------------------

    def add(self, request: web.Request, body: bytes) -> web.Response:
        """Replace the annotations of images of one dataset: all of them, or none where one is refused."""
        asked = decoded(body, Add)
        most = self._sandbox.faults.max_rows
        if most is not None and len(asked.annotations) > most:
            raise Refused(
                413, f"{len(asked.annotations)} annotations in one request, at most {most} are taken"
            )
        dataset = self._world.dataset(asked.datasetId)
        images = [self._image_in(dataset, given.imageId) for given in asked.annotations]
        if len({image.id for image in images}) < len(images):
            raise invalid('"annotations" contains a duplicate "imageId"')
        self._refuse_poisoned(images)
        at = now()
        maker = Maker(self._world, dataset.project.meta, at)
        made = [
            self._made(
                maker,
                image,
                decoded(bytes(given.annotation), Json),
                number,
                bounds=not asked.skipBoundsValidation,
            )
            for number, (image, given) in enumerate(zip(images, asked.annotations, strict=True))
        ]
        for image, (annotation, tags, labels) in zip(images, made, strict=True):
            self._put(image, annotation, tags, labels, at)
        self._sandbox.written(
            request,
            "save",
            [
                (str(image.id), image.name, self._sandbox.log.digest(given.annotation), len(labels))
                for image, given, (_, _, labels) in zip(images, asked.annotations, made, strict=True)
            ],
        )
        return json_value({"success": True})

    def copy(self, request: web.Request, body: bytes) -> web.Response:
        """Copy annotations from images to images. Labels get new ids, and groups new keys."""
        asked = decoded(body, Copy)
        if len(asked.src_image_ids) != len(asked.dest_image_ids):
            raise invalid('"destImageIds" must have as many items as "srcImageIds"')
        pairs = zip(asked.src_image_ids, asked.dest_image_ids, strict=True)
        for source, target in [(self._world.image(one), self._world.image(other)) for one, other in pairs]:
            alphas = list(source.alphas.items())
            order = {key: at for at, key in enumerate(source.objects)}
            given = {"description": source.description, "customBigData": source.custom}
            self._put(target, given, list(source.tags), [dict(one) for one in source.objects.values()], now())
            figures = list(target.objects)
            target.alphas = {figures[order[key]]: data for key, data in alphas}
            self._sandbox.written(request, "save", ((str(target.id), target.name, "", len(figures)),))
        return json_value({"success": True})

    def _image_in(self, dataset: Dataset, key: int) -> Image:
        image = self._world.image(key)
        if image.dataset is not dataset:
            raise invalid(f"image {key} is not in dataset {dataset.id}")
        return image

    def _made(
        self, maker: Maker, image: Image, given: Json, place: int, *, bounds: bool
    ) -> tuple[Json, list[Json], list[Json]]:
        objects, tags = given.get("objects"), given.get("tags") or []
        start = f"annotations[{place}].annotation"
        if not isinstance(objects, list) or not isinstance(tags, list):
            raise invalid(f'"{start}.objects" must be an array')
        size = None
        if bounds and self._check and image.width is not None and image.height is not None:
            size = image.width, image.height
        labels: list[Json] = []
        meta = image.dataset.project.meta
        for number, label in enumerate(objects):

            def where(number: int = number) -> str:
                return f"{start}.objects[{number}]"

            if not isinstance(label, dict):
                raise invalid(f'"{where()}" must be of type object')
            kind = label.get("geometryType")
            if kind in APART:
                raise invalid(f'"{where()}": a label of type {kind} is not taken here')
            item = class_of(meta, label, where)
            made = maker.label(label, item, size, where)
            if self._keep_ids and label.get("id") in image.objects:
                made["id"] = label["id"]
            labels.append(made)
        return given, maker.tags(tags, None, lambda: start), labels

    def _put(self, image: Image, annotation: Json, tags: list[Json], labels: list[Json], at: str) -> None:
        world = self._world
        for label in labels:
            if not self._keep_ids or not label["id"]:
                label["id"] = world.next_id()
        self._keys.give(labels)
        world.clear(image)
        image.objects = {label["id"]: label for label in labels}
        world.figures.update(dict.fromkeys(image.objects, image))
        image.tags = tags
        image.description = annotation.get("description") or ""
        image.custom = annotation.get("customBigData") or {}
        image.updated_at = at
        world.note(image)

    def _refuse_poisoned(self, images: list[Image]) -> None:
        reasons = self._sandbox.poisoned((str(image.id), image.name) for image in images)
        if not reasons:
            return
        match self._sandbox.faults.poison_answer:
            case Poison.NAMED:
                names = {str(image.id): image.name for image in images}
                rows = [{"id": int(key), "name": names[key]} for key in reasons]
                raise named("INVALID", "; ".join(reasons.values()), rows)
            case Poison.UNNAMED:
                raise Refused(400, "Bad request")
            case Poison.SERVER_ERROR:
                raise Refused(500, "Internal server error")

    # ---- reading ----------------------------------------------------------------------------------------

    def info(self, _: web.Request, body: bytes) -> web.Response:
        """Return the annotation of an image."""
        asked = decoded(body, One)
        return json_value(told(self._world.image(asked.image_id), asked))

    def bulk_info(self, _: web.Request, body: bytes) -> web.Response:
        """Return the annotations of images of one dataset. Those that are not in it are left out."""
        asked = decoded(body, Many)
        if len(asked.image_ids) > self._read_cap:
            raise invalid(f'"imageIds" must contain less than or equal to {self._read_cap} items')
        images = self._world.dataset(asked.dataset_id).images
        found = [told(images[key], asked) for key in dict.fromkeys(asked.image_ids) if key in images]
        if self._random is not None:
            self._random.shuffle(found)
        return json_value(found)

    def page(self, _: web.Request, body: bytes) -> web.Response:
        """Return annotations of a dataset, page by page."""
        asked = decoded(body, Listed)
        how = Reading(
            integer_coords=asked.integer_coords, force_metadata_for_links=asked.force_metadata_for_links
        )
        images = list(self._world.dataset(asked.dataset_id).images.values())
        return json_value(self._paged.of(images, asked, _field, lambda image: told(image, how)))


def told(image: Image, how: Reading) -> Json:
    """Return the annotation of an image as a reader gets it."""
    objects = list(image.objects.values())
    annotation: Json = {
        "description": image.description,
        "tags": image.tags,
        "size": {"height": image.height, "width": image.width},
        "objects": [whole(label) for label in objects] if how.integer_coords else objects,
    }
    if how.with_custom_big_data:
        annotation["customBigData"] = image.custom
    return {
        "imageId": image.id,
        "imageName": image.name,
        "annotation": annotation,
        "createdAt": image.created_at,
        "updatedAt": image.updated_at,
        "datasetId": image.dataset.id,
    }


def _field(image: Image, name: str) -> Any:  # noqa: ANN401 - of many types
    plain = {"id": image.id, "imageId": image.id, "imageName": image.name, "name": image.name}
    return known({**plain, "updatedAt": image.updated_at, "createdAt": image.created_at}, name)

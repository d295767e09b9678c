"""Creates what a job may create: the dataset, the labelset, and samples with their pictures."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import anyio
import msgspec

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media, MediaKind
from pipeline.core.ontology import AttributeDef, AttributeKind, Ontology
from pipeline.core.rows import MediaMode
from pipeline.errors import RowError, UsageError
from pipeline.io.streams import together
from pipeline.platforms.segments.client import Client
from pipeline.platforms.segments.convert import (
    Project,
    fitted,
    kind_for,
    kind_of,
    media_list,
    sample_attributes,
    write_ontology,
)
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.wire import Dataset, Json, Sample
from pipeline.ports import Pictures, Plan

SOLID = frozenset({Shape.CUBOID, Shape.POLYGON_3D, Shape.POLYLINE_3D, Shape.POINT_3D, Shape.POINT_SET})
"""Shapes that are drawn in point clouds only."""
PICTURES_AT_ONCE = 8
"""Pictures that are held in memory at once while they are copied."""


def new_dataset(settings: Settings, ontology: Ontology | None) -> Json:
    """Return what a new dataset is created from. Raises UsageError where the classes are not known."""
    if ontology is None:
        text = "the source does not tell its classes, so that no dataset can be created for them"
        raise UsageError(f"{settings.dataset}: {text}; create it by hand")
    if settings.group_attribute is not None:
        ontology = _with_attribute(ontology, settings.group_attribute)
    shapes = frozenset(item.shape for item in ontology.classes)
    media = MediaKind.POINT_CLOUD if shapes and shapes <= SOLID else MediaKind.IMAGE
    kind = kind_of(settings.task_type) if settings.task_type else kind_for(shapes, media)
    return {
        "name": settings.dataset.partition("/")[2],
        "description": "",
        "task_type": kind.task_type,
        "task_attributes": write_ontology(fitted(ontology, kind)[0], kind),
        "category": "other",
        "public": False,
        "readme": "",
        "data_type": "IMAGE",
        "enable_3d_cuboid_rotation": kind.solid or kind.sensors,
        "enable_object_linking": kind.links,
    }


def _with_attribute(ontology: Ontology, name: str) -> Ontology:
    """Return the ontology in which every class has a text attribute of that name, or what it had there."""
    text = AttributeDef(name, AttributeKind.TEXT)
    classes = (
        item
        if any(attribute.name == name for attribute in item.attributes)
        else replace(item, attributes=(*item.attributes, text))
        for item in ontology.classes
    )
    return replace(ontology, classes=tuple(classes))


def planned(body: Json) -> Dataset:
    """Return the dataset that is to be created."""
    found: Dataset = msgspec.convert({**body, "labelsets": []}, Dataset)
    return found


class Creation:
    """Creates samples for rows that the dataset does not have."""

    def __init__(self, client: Client, pictures: Pictures) -> None:
        self._client = client
        self._pictures = pictures
        self._room = anyio.CapacityLimiter(PICTURES_AT_ONCE)

    async def samples(
        self, rows: Mapping[str, LabelRow], project: Project, plan: Plan
    ) -> dict[str, Sample | RowError]:
        """Return the sample of each row by its key, or why there can be none. Safe to repeat.

        Raises BundleRefused, TransientError or FatalError.
        """
        calls = [partial(self._body, row, project, plan) for row in rows.values()]
        bodies = dict(zip(rows, await together(calls), strict=True))
        wanted = {key: body for key, body in bodies.items() if not isinstance(body, RowError)}
        if plan.dry_run:
            made = {body["name"]: msgspec.convert({"uuid": "", **body}, Sample) for body in wanted.values()}
        else:
            answered = await self._client.add_samples(list(wanted.values())) if wanted else []
            made = {sample.name: sample for sample in answered}
        return {key: self._made(body, made) for key, body in bodies.items()}

    def _made(self, body: Json | RowError, made: Mapping[str, Sample]) -> Sample | RowError:
        if isinstance(body, RowError):
            return body
        found = made.get(body["name"])
        return found or RowError(f"row {body['name']!r}: Segments.ai did not say that it made a sample of it")

    async def _body(self, row: LabelRow, project: Project, plan: Plan) -> Json | RowError:
        try:
            frames = media_list(row)
            urls = await together([partial(self._address, row, one, plan) for one in frames])
            body: dict[str, Any] = {
                "name": row.title or row.key,
                "attributes": sample_attributes(row, urls, project.kind),
                "metadata": dict(row.metadata),
                "priority": row.priority or 0,
            }
        except RowError as error:
            return error
        return body

    async def _address(self, row: LabelRow, media: Media, plan: Plan) -> str:
        if plan.media is MediaMode.LINK or (plan.dry_run and media.url is not None):
            if media.url is None:
                text = "the source gives no URL of its picture; use `media: copy`"
                raise RowError(f"row {row.title or row.key!r}: {text}")
            return media.url
        name = PurePosixPath(media.name or media.path or row.title).name or "picture"
        async with self._room:
            try:
                if plan.dry_run:  # a file of this machine: its beginning tells whether it can be read
                    await self._pictures.size_of(media)
                    return ""
                data = await self._pictures.read(media)
            except RowError as error:
                raise RowError(f"row {row.title or row.key!r}: {error}") from error
            return await self._client.upload(data, name)

"""Creates what a job may create: the dataset, the labelset, and samples with their pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import anyio
import msgspec

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media, MediaKind
from pipeline.core.ontology import AttributeDef, AttributeKind, Ontology
from pipeline.core.rows import LabelTask, MediaMode
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
from pipeline.platforms.segments.made import Made, Meant, holds
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.wire import Dataset, Json, Label, Sample
from pipeline.ports import Pictures, Plan

SOLID = frozenset({Shape.CUBOID, Shape.POLYGON_3D, Shape.POLYLINE_3D, Shape.POINT_3D, Shape.POINT_SET})
"""Shapes that are drawn in point clouds only."""
PICTURES_AT_ONCE = 8
"""Pictures that are held in memory at once while they are copied."""
NEWEST = 4
"""Samples that are looked at for each that was made: others are made at the same time."""


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
    """Creates samples for rows that the dataset does not have.

    Somebody else may make a sample of the same name after the listing. It has its label, if it has one, so
    that the job's mode decides about it. With `made`, where rows are matched by something else than their
    titles, only what holds what this run asked for is the sample of its row.
    """

    def __init__(self, client: Client, pictures: Pictures, made: Made | None = None) -> None:
        self._client = client
        self._pictures = pictures
        self._made = made
        self._room = anyio.CapacityLimiter(PICTURES_AT_ONCE)

    async def samples(
        self, tasks: Sequence[LabelTask], project: Project, plan: Plan
    ) -> dict[str, Sample | RowError]:
        """Return the sample of each row by its key, or why there can be none. Safe to repeat.

        Raises BundleRefused, TransientError or FatalError.
        """
        rows = [(task.key, task.row) for task in tasks if task.row is not None]
        bodies = await together([partial(self._body, row, project, plan) for _, row in rows])
        whole = [(key, body) for (key, _), body in zip(rows, bodies, strict=True)]
        meant = [
            Meant(body["name"], body["attributes"], key)
            for key, body in whole
            if not isinstance(body, RowError)
        ]
        wanted = [body for body in bodies if not isinstance(body, RowError)]
        found: Mapping[str, Sample | RowError]
        if plan.dry_run:
            found = {body["name"]: msgspec.convert({"uuid": "", **body}, Sample) for body in wanted}
        else:
            if self._made is not None:
                await self._made.means(meant)
            found = await self._create(wanted, plan) if wanted else {}
        return {
            key.key: body if isinstance(body, RowError) else _answered(body["name"], found)
            for key, body in whole
        }

    async def _create(self, bodies: Sequence[Json], plan: Plan) -> Mapping[str, Sample | RowError]:
        """Return the sample of each name, with the label of one that may be somebody else's."""
        sent = {body["name"]: body["attributes"] for body in bodies}
        made = {sample.name: sample for sample in await self._client.add_samples(bodies)}
        # A file was brought to an address that only this run knows; a link may be in others' samples too.
        own = plan.media is MediaMode.COPY
        doubtful = [
            sample for name, sample in made.items() if not (own and holds(sample.attributes, sent.get(name)))
        ]
        found: dict[str, Sample | RowError] = dict(made)
        found |= await self._strange(doubtful)
        ours = [sample for sample in doubtful if found[sample.name] is sample]
        for sample, label in zip(ours, await self._labels(ours), strict=True):
            found[sample.name] = msgspec.structs.replace(sample, label=label)
        return found

    async def _strange(self, samples: Sequence[Sample]) -> Mapping[str, RowError]:
        """Return, by name, why samples are not those of their rows."""
        if self._made is None or not samples:
            return {}
        meant = await self._made.of([sample.name for sample in samples])
        return {
            sample.name: RowError(
                f"row {sample.name!r}: somebody else made a sample of this name meanwhile, and rows are not "
                "matched by title; rename it, or choose another `match`"
            )
            for sample in samples
            if not any(holds(sample.attributes, one.attributes) for one in meant.get(sample.name, ()))
        }

    async def _labels(self, samples: Sequence[Sample]) -> Sequence[Label | None]:
        """Return the labels of samples; of most one page says that they have none."""
        if not samples:
            return []
        labelled = await self._client.newest(NEWEST * len(samples))

        async def look(sample: Sample) -> Label | None:
            return await self._client.label(sample.uuid) if labelled.get(sample.uuid, True) else None

        return await together([partial(look, sample) for sample in samples])

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


def _answered(name: str, found: Mapping[str, Sample | RowError]) -> Sample | RowError:
    return found.get(name) or RowError(f"row {name!r}: Segments.ai did not say that it made a sample of it")

"""A server in a few lines for the tests of Supervisely's `convert`: what it keeps of what was sent to it."""

import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from pipeline.core.labels import LabelRow
from pipeline.core.ontology import Ontology
from pipeline.core.rows import EditedRow, PackedRow, Place, RowKey
from pipeline.platforms.supervisely.convert import (
    Opened,
    Project,
    Rules,
    extra_figures,
    merge_meta,
    pack_row,
    project_of,
    read_row,
)
from pipeline.platforms.supervisely.wire import Image, Json

GOLDEN = Path(__file__).parents[2] / "pipeline" / "platforms" / "supervisely" / "golden"


def golden(name: str) -> Any:  # noqa: ANN401 - any JSON value
    """A recorded sample."""
    return json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))


def with_ids(meta: Json) -> Json:
    """A meta as the server gives it back: every class and tag has an id."""
    numbers = count(11)
    for one in (*meta["classes"], *meta["tags"]):
        one.setdefault("id", next(numbers))
    return json.loads(json.dumps(meta))  # type: ignore[no-any-return]


def project_for(ontology: Ontology, rules: Rules | None = None) -> Project:
    """A project made for an ontology."""
    rules = rules or Rules()
    return project_of(with_ids(merge_meta({}, ontology, rules).meta), rules)


def image_for(row: LabelRow, number: int = 1004) -> Image:
    """An image that shows the picture of a row."""
    height, width = row.size_at(0) or (480, 640)
    return Image(id=number, name=row.title, dataset_id=7, dataset="yards", width=width, height=height)


def opened(
    row: LabelRow, project: Project, image: Image, there: Opened | None = None, *, append: bool = False
) -> EditedRow:
    """A row that goes to an image, which has an annotation or none."""
    details = there or Opened(image)
    existing = read_row(image, details.annotation, project, details.geometries).row
    return EditedRow(
        RowKey(row.key, 0, row.title), Place(str(image.id), row.title, details), row, existing, append
    )


def in_place(image: Image, said: Json, project: Project, geometries: Mapping[int, Json]) -> EditedRow:
    """The image's own row, as a job opens it that edits what is there."""
    row = read_row(image, said, project, geometries).row
    details = Opened(image, said, geometries)
    return EditedRow(RowKey(row.key, 0, row.title), Place(row.key, row.title, details), row, row)


def sent(packed: PackedRow) -> Json:
    """The annotation that travels."""
    first = packed.payload.partition(b"\n")[0]
    return json.loads(first)["annotation"]  # type: ignore[no-any-return]


def kept(packed: PackedRow, image: Image, first: int = 5000) -> Opened:
    """What the server has once all of a row arrived.

    Figures have new ids, alpha masks are apart, and each group is called by the id of one of its figures.
    """
    said = sent(packed)
    labels = [*said["objects"], *map(_inline, extra_figures(packed.payload))]
    geometries: dict[int, Json] = {}
    keys: dict[str, int] = {}
    for number, label in enumerate(labels, first):
        label["id"] = number
        label["labelerLogin"] = "ann"
        label["createdAt"] = label["updatedAt"] = "2026-05-01T10:20:30.000Z"
        for place, tag in enumerate(label["tags"]):
            tag["id"] = 100 * number + place
        if "instance" in label:
            label["instance"] = keys.setdefault(label["instance"], number)
        if label["geometryType"] == "alpha_mask":
            geometries[number] = label.pop("bitmap")
    return Opened(image, {**said, "objects": labels}, geometries)


def _inline(figure: Json) -> Json:
    label = {key: value for key, value in figure.items() if key not in ("geometry", "entityId")}
    return {**label, **figure.get("geometry", {})}


def written(row: LabelRow, project: Project, image: Image) -> tuple[PackedRow, Opened, LabelRow]:
    """A row brought to an image without labels: what was sent, what is there then, and how it reads.

    Sent again it is unchanged, by whatever way.
    """
    packed = pack_row(opened(row, project, image), project)
    there = kept(packed, image)
    back = read_row(image, there.annotation, project, there.geometries).row
    again = pack_row(opened(row, project, image, there), project)
    assert again.unchanged
    assert again.digest == packed.digest
    own = pack_row(in_place(image, there.annotation or {}, project, there.geometries), project)
    assert own.unchanged
    assert own.digest == packed.digest
    assert own.losses == ()
    added = pack_row(opened(row, project, image, there, append=True), project)
    assert added.unchanged
    return packed, there, back

"""The recorded annotation for the tests of Supervisely's `convert`, and how it is packed."""

from dataclasses import replace
from typing import Any

import msgspec

from pipeline.core.labels import LabelRow, ObjectInstance
from pipeline.core.rows import PackedRow
from pipeline.platforms.supervisely.convert import (
    Opened,
    Project,
    Rules,
    extra_figures,
    pack_row,
    project_of,
    read_row,
)
from pipeline.platforms.supervisely.wire import Image, Json
from tests.conformance.supervisely_labels import golden, in_place, opened, sent

PROJECT = project_of(golden("meta"), Rules(confidence_tag="confidence"))
IMAGE = Image.of(golden("image"), "yards/north")
SAID: Json = golden("annotation")["annotation"]
GEOMETRIES = {int(key): value for key, value in golden("geometries").items()}
ROW = read_row(IMAGE, SAID, PROJECT, GEOMETRIES).row
ELSEWHERE = msgspec.structs.replace(IMAGE, id=2001, name="copy.jpg")
SEPARATE = ("multipolygon", "alpha_mask")


def edit(row: LabelRow, project: Project = PROJECT) -> PackedRow:
    """Pack what became of the image's own row."""
    return pack_row(replace(in_place(IMAGE, SAID, project, GEOMETRIES), row=row), project)


def copy(row: LabelRow, project: Project = PROJECT, there: Opened | None = None, **more: Any) -> PackedRow:  # noqa: ANN401
    """Pack the row for another image."""
    return pack_row(opened(row, project, ELSEWHERE, there, **more), project)


def object_of(row: LabelRow, name: str) -> ObjectInstance:
    return next(item for item in row.objects if item.class_name == name)


def with_object(row: LabelRow, item: ObjectInstance) -> LabelRow:
    return row.with_objects(tuple(item if one.id == item.id else one for one in row.objects))


def labels(packed: PackedRow) -> dict[str, Json]:
    """The labels that travel, by class; those that are figures of their own too."""
    return {one["classTitle"]: one for one in [*sent(packed)["objects"], *extra_figures(packed.payload)]}


def partition(packed: PackedRow) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for name, one in labels(packed).items():
        if "instance" in one:
            found.setdefault(str(one["instance"]), []).append(name)
    return sorted(found.values())

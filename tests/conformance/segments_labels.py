"""Labels of Segments.ai for tests: golden samples, empty samples made to fit a row, and both ways through."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pipeline.core.codecs import instance_png
from pipeline.core.encoding import drawn, layers_of, with_pictures
from pipeline.core.geometry import Geometry
from pipeline.core.instances import DrawnInstances, InstanceMap, OnTop
from pipeline.core.labels import LabelRow, ObjectInstance, Occurrence
from pipeline.core.rows import EditedRow, PackedRow, Place, RowKey
from pipeline.platforms.archive.convert import read_row as read_archived
from pipeline.platforms.archive.convert import write_row as write_archived
from pipeline.platforms.segments.convert import (
    Opened,
    Project,
    Read,
    Rules,
    arrange,
    filled,
    kind_of,
    pack_row,
    read_ontology,
    read_row,
)
from pipeline.platforms.segments.wire import MASK_CODEC, Label, Sample

GOLDEN = Path(__file__).parents[2] / "pipeline" / "platforms" / "segments" / "golden"
SERVICE = "https://api.segments.ai"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))
UPLOADED = "https://assets.example/uploaded-{}.png"


@dataclass(frozen=True)
class Golden:
    """A sample with its label as the service sends them, its dataset, and its bitmaps by URL."""

    project: Project
    sample: Sample
    label: Label
    bitmaps: Mapping[str, InstanceMap]

    @property
    def attributes(self) -> Any:  # noqa: ANN401 - JSON
        return self.label.attributes

    def row(self) -> LabelRow:
        return self.read().row

    def read(self) -> Read:
        return read_row(self.sample, self.label, self.project, self.bitmaps)


def golden(name: str, rules: Rules | None = None) -> Golden:
    """One golden sample: the published example of a label type, or, with `-all`, every key that it can have.

    The bitmaps are rows of ids.
    """
    found = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    dataset = found["dataset"]
    project = Project(
        kind_of(dataset["task_type"]),
        read_ontology(dataset["task_type"], dataset["task_attributes"]),
        rules or Rules(),
        SERVICE,
        full_rotation=dataset["enable_3d_cuboid_rotation"],
    )
    bitmaps = {url: InstanceMap.from_array(np.array(rows)) for url, rows in found.get("bitmaps", {}).items()}
    sample = msgspec.json.decode(json.dumps(found["sample"]), type=Sample)
    label = msgspec.json.decode(json.dumps(found["label"]), type=Label)
    return Golden(project, sample, label, bitmaps)


def opened(
    row: LabelRow,
    sample: Sample,
    label: Label | None = None,
    **changes: Any,  # noqa: ANN401 - fields of the row
) -> EditedRow:
    """A row with its operations applied, for a sample that was opened with this label."""
    place = Place(sample.uuid, sample.name, Opened(sample, label))
    return EditedRow(RowKey(row.key, 0, row.title), place, row, **changes)


def item(
    geometry: Geometry,
    identity: str = "o",
    name: str = "vehicle",
    **changes: Any,  # noqa: ANN401 - fields of the object
) -> ObjectInstance:
    """A new object on the first frame."""
    return replace(ObjectInstance(identity, name, {0: Occurrence(geometry)}), **changes)


def row_of(found: Golden, *objects: ObjectInstance, **changes: Any) -> LabelRow:  # noqa: ANN401 - fields of a row
    """A row of new objects on the media of a golden sample."""
    shown = found.row()
    row = LabelRow("source", "title", shown.media_kind, shown.media, shown.frame_count, sensors=shown.sensors)
    return replace(row, objects=objects, **changes)


def packed_to(name: str, *objects: ObjectInstance, **changes: Any) -> PackedRow:  # noqa: ANN401 - fields of a row
    """New objects brought to the sample of a golden label, in place of that label."""
    found = golden(name)
    return pack(opened(row_of(found, *objects, **changes), found.sample), found.project)


def losses(packed: PackedRow) -> list[tuple[str, str | None]]:
    """What was lost of which object."""
    return [(loss.what.value, loss.object) for loss in packed.losses]


def encoded(row: EditedRow) -> EditedRow:
    """The row with its masks drawn, as the encode stage hands it on."""
    if row.layers is None:
        return row
    on_top = row.layers.on_top
    pictures: dict[tuple[str | None, int], DrawnInstances] = {
        key: drawn(MASK_CODEC, layers, on_top) for key, layers in layers_of(row).items()
    }
    return with_pictures(row, pictures)


def pack(
    row: EditedRow, project: Project, *, on_top: OnTop = OnTop.LAST, status: str | None = None
) -> PackedRow:
    """A row through arranging, drawing and packing."""
    return pack_row(encoded(arrange(row, project, on_top)), project, status=status)


def sent(packed: PackedRow) -> Any:  # noqa: ANN401 - JSON
    """What is PUT once all assets are uploaded."""
    return json.loads(filled(packed, [UPLOADED.format(number) for number in range(len(packed.assets))]))


def put(packed: PackedRow) -> Label:
    """The label that the service has afterwards."""
    return msgspec.convert(sent(packed), Label)


def uploaded(packed: PackedRow) -> dict[str, InstanceMap]:
    """The bitmaps that the service has afterwards, by URL."""
    decoded = enumerate(map(instance_png.decode, packed.assets))
    return {UPLOADED.format(number): found for number, found in decoded}


def archived(row: LabelRow) -> LabelRow:
    """The row after a stay in an archive."""
    return read_archived(write_archived(row))


def elsewhere(sample: Sample) -> Sample:
    """Another sample that shows the same."""
    return msgspec.structs.replace(sample, uuid="9f9f9f9f-0000-4000-8000-000000000000", name="elsewhere")


def foreign(row: LabelRow) -> LabelRow:
    """The same labels as if they came from another platform."""
    return replace(
        row,
        raw=None,
        status=None,
        objects=tuple(replace(item, raw=None) for item in row.objects),
        classifications=tuple(replace(item, raw=None) for item in row.classifications),
    )


def exact(value: Any) -> Any:  # noqa: ANN401 - JSON
    """JSON in which 1, 1.0 and true differ, so that equal means of equal types too."""
    if isinstance(value, dict):
        return {key: exact(one) for key, one in value.items()}
    if isinstance(value, list):
        return [exact(one) for one in value]
    return type(value).__name__, value

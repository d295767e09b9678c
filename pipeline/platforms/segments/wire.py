"""Segments.ai's JSON as it travels: names, limits, and the envelopes of datasets, samples and labels.

The attributes of samples and labels are plain JSON here: a label that goes back must keep keys that nobody
knows. Sources: the vendor's page on label types, its API reference, and what the segments-ai SDK sends.
"""

from typing import Any, TypeAlias

import msgspec

from pipeline.core.geometry import Shape

PLATFORM = "segments"

MASK_CODEC = "instance_png"
"""All masks of one picture travel in one PNG whose pixels are object ids."""

MAX_ID = (1 << 24) - 1
"""The largest object id that a bitmap can hold; 0 is unlabelled."""

LABELSET = "ground-truth"
"""The labelset that every dataset has."""

PRELABELED = "PRELABELED"
"""The status of a label that a program made."""

UNLABELED = "UNLABELED"

STATUSES = frozenset(
    {
        "REVIEWED", "REVIEWING_IN_PROGRESS", "LABELED", "LABELING_IN_PROGRESS", "REJECTED", PRELABELED,
        "SKIPPED", "VERIFIED", UNLABELED,
    }
)  # fmt: skip

Json: TypeAlias = dict[str, Any]

JsonValue: TypeAlias = Any
"""Any JSON value, of the wire and so not to be trusted."""

FLAT_VECTORS: dict[str, Shape] = {
    "bbox": Shape.BOX,
    "polygon": Shape.POLYGON,
    "polyline": Shape.POLYLINE,
    "point": Shape.POINT,
}
"""Types of annotations on pictures."""

SOLID_VECTORS: dict[str, Shape] = {
    "cuboid": Shape.CUBOID,
    "cuboid-sync": Shape.CUBOID,
    "polygon": Shape.POLYGON_3D,
    "polyline": Shape.POLYLINE_3D,
    "point": Shape.POINT_3D,
}
"""Types of annotations in point clouds."""

TYPE_NAMES: dict[Shape, str] = {
    Shape.BOX: "bbox",
    Shape.POLYGON: "polygon",
    Shape.POLYLINE: "polyline",
    Shape.POINT: "point",
    Shape.CUBOID: "cuboid",
    Shape.POLYGON_3D: "polygon",
    Shape.POLYLINE_3D: "polyline",
    Shape.POINT_3D: "point",
}

DRAWN = frozenset(TYPE_NAMES) | {Shape.MASK, Shape.POINT_SET}
"""Shapes that some type of dataset can hold."""


class Labelset(msgspec.Struct, kw_only=True):
    """A named layer of labels of a dataset."""

    name: str
    description: str = ""


class Dataset(msgspec.Struct, kw_only=True):
    """A dataset. `samples_count` comes as a number or as text."""

    full_name: str = ""
    name: str = ""
    task_type: str = ""
    task_attributes: Json | None = None
    samples_count: int | str | None = None
    labelsets: list[Labelset] | None = None
    label_stats: Json | None = None
    enable_3d_cuboid_rotation: bool | None = None
    enable_object_linking: bool | None = None

    @property
    def count(self) -> int | None:
        """The number of samples, or None where the service does not say it."""
        try:
            return None if self.samples_count is None else int(self.samples_count)
        except ValueError:
            return None


class Label(msgspec.Struct, kw_only=True):
    """A label of one sample in one labelset. `attributes` is None or [] where nothing was labelled."""

    label_status: str | None = None
    attributes: Json | list[Any] | None = None
    score: int | float | None = None
    label_type: str | None = None
    labelset: JsonValue = None
    rating: JsonValue = None
    created_at: str | None = None
    created_by: JsonValue = None
    updated_at: str | None = None
    updated_by: JsonValue = None
    reviewed_at: str | None = None
    reviewed_by: JsonValue = None


class Sample(msgspec.Struct, kw_only=True):
    """A data unit of a dataset. `label` is that of the labelset asked for, where one was."""

    uuid: str
    name: str = ""
    attributes: Json | None = None
    metadata: Json | None = None
    priority: int | float | None = None
    label: Label | None = None
    created_at: str | None = None
    created_by: JsonValue = None
    assigned_labeler: JsonValue = None
    assigned_reviewer: JsonValue = None
    readme: str | None = None


class LabelBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is PUT: the whole label, in place of the one that was there."""

    label_status: str
    attributes: Json | list[Any]
    score: int | float | None = None

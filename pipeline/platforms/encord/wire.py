"""Encord's label row and ontology as they travel: names, shapes, and which keys say where a row is.

Both are plain JSON objects here and not structs: a row that goes back must keep keys that nobody knows.
Source: the JSON that the encord SDK 0.1 reads and writes.
"""

from typing import Any, TypeAlias

from pipeline.core.geometry import Shape
from pipeline.core.ontology import AttributeKind

PLATFORM = "encord"

MASK_CODEC = "encord_rle"
"""The codec of `bitmask.rleString`."""

RELATION_SUFFIX = " #relation"
"""How the name of a text attribute ends that is a relation attribute."""

Json: TypeAlias = dict[str, Any]

JsonValue: TypeAlias = Any
"""Any JSON value, of the wire and so not to be trusted."""

SHAPES: dict[str, Shape] = {
    "bounding_box": Shape.BOX,
    "rotatable_bounding_box": Shape.ROTATED_BOX,
    "polygon": Shape.POLYGON,
    "polyline": Shape.POLYLINE,
    "point": Shape.POINT,
    "skeleton": Shape.SKELETON,
    "bitmask": Shape.MASK,
    "circle": Shape.CIRCLE,
    "ellipse": Shape.ELLIPSE,
    "cuboid_2d": Shape.CUBOID_2D,
    "cuboid": Shape.CUBOID,
}
"""Shapes that the label model draws; any other one (audio, text, segmentation ...) is `Shape.OTHER`."""

SHAPE_NAMES: dict[Shape, str] = {shape: name for name, shape in SHAPES.items()}

DRAWN = frozenset(SHAPES.values()) - {Shape.CUBOID}
"""Shapes that a label on an image or a video can have."""

GEOMETRY_KEYS: dict[str, str] = {
    "bounding_box": "boundingBox",
    "rotatable_bounding_box": "rotatableBoundingBox",
    "polygon": "polygon",
    "polyline": "polyline",
    "point": "point",
    "skeleton": "skeleton",
    "bitmask": "bitmask",
    "circle": "circle",
    "ellipse": "ellipse",
    "cuboid_2d": "cuboid_2d",
}
"""The key that holds the geometry of a shape; a polygon has `polygons` beside it."""

KINDS: dict[str, AttributeKind] = {
    "text": AttributeKind.TEXT,
    "numeric": AttributeKind.NUMBER,
    "radio": AttributeKind.RADIO,
    "checklist": AttributeKind.CHECKLIST,
}
"""Attribute types; any other one is carried as `AttributeKind.JSON`."""

KIND_NAMES: dict[AttributeKind, str] = {kind: name for name, kind in KINDS.items()}

PLACE_KEYS = frozenset(
    {
        "label_hash", "data_hash", "dataset_hash", "dataset_title", "data_title", "data_type", "data_link",
        "data_units", "branch_name", "group_hash", "task_uuid", "workflow_graph_node", "backing_item_uuid",
        "created_at", "last_edited_at", "annotation_task_status", "label_status", "is_shadow_data",
        "assigned_user_email", "last_actioned_by_user_email", "images_data", "priority", "spaces",
        "object_answers", "object_actions", "classification_answers",
    }
)  # fmt: skip
"""Keys of a label row that say where it is or in which state: always those of the opened row."""

UNIT_PLACE_KEYS = frozenset(
    {
        "data_hash", "data_title", "data_link", "data_type", "data_sequence", "width", "height",
        "data_fps", "data_duration", "labels",
    }
)  # fmt: skip
"""The same for a data unit."""

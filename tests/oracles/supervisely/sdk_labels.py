"""Labels told as JSON, and labels of the SDK made of what is told.

A label is told by its `class`, `kind` (rectangle, bitmap, ...), `geometry` (the SDK's own JSON, in pixels of
its grid), `tags` as pairs of name and value, `group`, `description` and `status`. A bitmap has a `mask` for
geometry: where its pixels turn on and off, counted row by row over the whole image. An alpha mask has
`values` by row of its crop, and its `origin` [x, y].
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import supervisely as sly
from supervisely.annotation.json_geometries_map import GET_GEOMETRY_FROM_STR
from supervisely.annotation.label import LabelingStatus

Json: TypeAlias = dict[str, Any]

_NOTED = ("id", "classId", "labelerLogin", "createdAt", "updatedAt", "shape", "geometryType")


def built(annotation: Json, meta: sly.ProjectMeta) -> sly.Annotation:
    """Make an annotation."""
    size = annotation["size"]
    labels = [_label(label, size, meta) for label in annotation.get("labels", ())]
    return sly.Annotation(
        img_size=size,
        labels=labels,
        img_tags=_tags(annotation.get("tags", ()), meta),
        img_description=annotation.get("description", ""),
        custom_data=annotation.get("custom") or {},
    )


def told(label: sly.Label, size: Sequence[int]) -> Json:
    """Tell of a label."""
    geometry = label.geometry
    found: Json = {
        "class": label.obj_class.name,
        "kind": geometry.geometry_name(),
        "tags": [[tag.name, tag.value] for tag in label.tags],
        "group": label.binding_key,
        "description": label.description,
        "status": label.status.value,
        "id": geometry.sly_id,
    }
    if isinstance(geometry, sly.AlphaMask):
        origin = [geometry.origin.col, geometry.origin.row]
        return {**found, "values": geometry.data.tolist(), "origin": origin}
    if isinstance(geometry, sly.Bitmap):
        return {**found, "mask": mask_told(geometry, size)}
    content = geometry.to_json()
    return {**found, "geometry": {key: value for key, value in content.items() if key not in _NOTED}}


def mask_told(mask: sly.Bitmap, size: Sequence[int]) -> list[int]:
    """Tell where the pixels of a mask turn on and off."""
    whole = np.zeros(tuple(size), np.bool_)
    top, left = mask.origin.row, mask.origin.col
    rows, columns = mask.data.shape
    whole[top : top + rows, left : left + columns] = mask.data
    flat = np.concatenate(([False], whole.ravel(), [False]))
    found: list[int] = np.flatnonzero(flat[1:] != flat[:-1]).tolist()
    return found


def _label(label: Json, size: Sequence[int], meta: sly.ProjectMeta) -> sly.Label:
    return sly.Label(
        _geometry(label, size),
        meta.get_obj_class(label["class"]),
        tags=_tags(label.get("tags", ()), meta),
        description=label.get("description", ""),
        binding_key=label.get("group"),
        status=LabelingStatus(label.get("status", "manual")),
    )


def _geometry(label: Json, size: Sequence[int]) -> Any:  # noqa: ANN401 - one of many
    if "mask" in label:
        flat = np.zeros(size[0] * size[1], np.bool_)
        for start, end in zip(label["mask"][::2], label["mask"][1::2], strict=True):
            flat[start:end] = True
        return sly.Bitmap(flat.reshape(tuple(size)))
    if "values" in label:
        x, y = label["origin"]
        return sly.AlphaMask(np.array(label["values"], np.uint8), origin=sly.PointLocation(y, x))
    return GET_GEOMETRY_FROM_STR(label["kind"]).from_json(label["geometry"])


def _tags(tags: Sequence[Any], meta: sly.ProjectMeta) -> sly.TagCollection:
    return sly.TagCollection([sly.Tag(meta.get_tag_meta(name), value) for name, value in tags])

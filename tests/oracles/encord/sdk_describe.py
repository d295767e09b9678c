"""What the SDK sees in a project, as plain JSON. Coordinates are in pixels, masks as positions of change.

As a program: describes every initialised row by its title. Rows of kinds that draw nothing are left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from encord.objects import ClassificationInstance, LabelRowV2, ObjectInstance
from encord.objects.attributes import Attribute, ChecklistAttribute, RadioAttribute
from encord.objects.bitmask import BitmaskCoordinates
from encord.objects.coordinates import (
    BoundingBoxCoordinates,
    CircleCoordinates,
    Cuboid2DIsometricCoordinates,
    Cuboid2DPerspectiveCoordinates,
    EllipseCoordinates,
    PointCoordinate,
    PolygonCoordinates,
    PolylineCoordinates,
    RotatableBoundingBoxCoordinates,
    SkeletonCoordinates,
)

from tests.oracles.encord.sdk_session import project_of

Json = dict[str, Any]


def describe(rows: Iterable[LabelRowV2]) -> dict[str, Json]:
    """Every row by its title."""
    return {row.data_title: _row(row) for row in rows}


def _row(row: LabelRowV2) -> Json:
    return {
        "label_hash": row.label_hash,
        "data_hash": row.data_hash,
        "data_type": row.data_type.value,
        "frames": row.number_of_frames,
        "objects": {item.object_hash: _object(row, item) for item in row.get_object_instances()},
        "classifications": {
            item.classification_hash: _classification(item) for item in row.get_classification_instances()
        },
    }


def _object(row: LabelRowV2, item: ObjectInstance) -> Json:
    frames = {}
    for annotation in item.get_annotations():
        view = row.get_frame_view(annotation.frame)
        frames[str(annotation.frame)] = {
            "drawn": _drawn(annotation.coordinates, view.width, view.height),
            "confidence": annotation.confidence,
            "created_by": annotation.created_by,
            "created_at": annotation.created_at.isoformat(),
            "manual": annotation.manual_annotation,
        }
    attributes = item.ontology_item.attributes
    return {
        "number": item.object_number,
        "name": item.object_name,
        "shape": item.ontology_item.shape.value,
        "frames": frames,
        "answers": _answers(item, [one for one in attributes if not one.dynamic]),
        "dynamic": {one.title: _dynamic(item, one) for one in attributes if one.dynamic},
    }


def _classification(item: ClassificationInstance) -> Json:
    return {
        "name": item.classification_name,
        "frames": [] if item.is_global() else [[span.start, span.end] for span in item.range_list],
        "answers": _answers(item, item.ontology_item.attributes),
        "confidence": item.confidence,
    }


def _answers(item: ObjectInstance | ClassificationInstance, attributes: Sequence[Attribute]) -> Json:
    """The answered attributes by title, each with what is answered below it."""
    found: Json = {}
    for attribute in attributes:
        answer = item.get_answer(attribute)
        if answer is None or answer == []:
            continue
        if isinstance(attribute, RadioAttribute):
            found[attribute.title] = {answer.title: _answers(item, answer.attributes)}
        else:
            found[attribute.title] = _plain(attribute, answer)
    return found


def _dynamic(item: ObjectInstance, attribute: Attribute) -> list[Any]:
    """Every value with the ranges of frames that it holds on, the earliest first."""
    held = item.get_answer(attribute)
    pairs = [
        [_plain(attribute, one.answer), sorted([span.start, span.end] for span in one.ranges)] for one in held
    ]
    return sorted(pairs, key=lambda pair: pair[1])


def _plain(attribute: Attribute, answer: Any) -> Any:  # noqa: ANN401 - text, a number or options
    if isinstance(attribute, ChecklistAttribute):
        return sorted(option.title for option in answer)
    return answer.title if isinstance(attribute, RadioAttribute) else answer


def _drawn(found: Any, width: float, height: float) -> Mapping[str, Any]:  # noqa: ANN401 - any coordinates
    for kind, tell in TOLD.items():
        if isinstance(found, kind):
            return tell(found, width, height)
    raise TypeError(f"coordinates of {type(found)}")


def _xy(point: Any, width: float, height: float) -> list[float]:  # noqa: ANN401 - anything with x and y
    return [point.x * width, point.y * height]


def _circle(found: CircleCoordinates, width: float, height: float) -> Json:
    radius = found.radius * width
    centre = [found.center_x * width, found.center_y * height]
    return {"circle": [*centre, radius, radius * found.stretch, found.theta]}


def _ellipse(found: EllipseCoordinates, width: float, height: float) -> Json:
    centre = [found.center_x * width, found.center_y * height]
    return {"ellipse": [*centre, found.rx * width, found.ry * height, found.theta]}


def _polygon(found: PolygonCoordinates, width: float, height: float) -> Json:
    return {"polygon": [[[_xy(p, width, height) for p in ring] for ring in part] for part in found.polygons]}


def _skeleton(found: SkeletonCoordinates, width: float, height: float) -> Json:
    return {"skeleton": [[node.name, *_xy(node, width, height), _visibility(node)] for node in found.values]}


def _corner(found: Any, width: float, height: float) -> list[float]:  # noqa: ANN401 - either kind of box
    place = [found.top_left_x * width, found.top_left_y * height]
    return [*place, found.width * width, found.height * height]


def _visibility(node: Any) -> str:  # noqa: ANN401 - a coordinate of a skeleton
    return "visible" if node.visibility is None else node.visibility.value


def _mask(found: BitmaskCoordinates) -> list[Any]:
    """Height, width, and the positions, row by row, where the pixels change between unset and set."""
    pixels = found.to_numpy_array()
    flat = np.concatenate(([False], pixels.reshape(-1), [False])).astype(np.int8)
    return [*pixels.shape, np.flatnonzero(np.diff(flat)).tolist()]


def _cuboid(found: Any, width: float, height: float) -> Json:  # noqa: ANN401 - either kind of cuboid
    """Front and back face; how the second follows from the first is told by the SDK's own documentation."""
    front = [(point.x, point.y) for point in found.front]
    if isinstance(found, Cuboid2DIsometricCoordinates):
        back = [(x + found.offset.x, y + found.offset.y) for x, y in front]
    else:
        far, scale = found.vanishing_point, found.scale_ratio
        back = [(far.x + scale * (x - far.x), far.y + scale * (y - far.y)) for x, y in front]
    return {"cuboid_2d": [[[x * width, y * height] for x, y in face] for face in (front, back)]}


TOLD: Mapping[type, Callable[[Any, float, float], Json]] = {
    BoundingBoxCoordinates: lambda found, *size: {"box": _corner(found, *size)},
    RotatableBoundingBoxCoordinates: lambda found, *size: {
        "rotated_box": [*_corner(found, *size), found.theta]
    },
    CircleCoordinates: _circle,
    EllipseCoordinates: _ellipse,
    PolygonCoordinates: _polygon,
    PolylineCoordinates: lambda found, *size: {"polyline": [_xy(point, *size) for point in found.values]},
    PointCoordinate: lambda found, *size: {"point": _xy(found, *size)},
    SkeletonCoordinates: _skeleton,
    BitmaskCoordinates: lambda found, *_: {"mask": _mask(found)},
    Cuboid2DIsometricCoordinates: _cuboid,
    Cuboid2DPerspectiveCoordinates: _cuboid,
}
"""How each kind of coordinates is told, in pixels."""
DRAWABLE = {"image", "img_group", "video"}


def main(given: Json) -> dict[str, Json]:
    """Describe a project. Nothing is initialised that was not."""
    project = project_of(given)
    rows = [
        row
        for row in project.list_label_rows_v2()
        if row.label_hash is not None and row.data_type.value.lower() in DRAWABLE
    ]
    with project.create_bundle(bundle_size=1000) as bundle:
        for row in rows:
            row.initialise_labels(bundle=bundle)
    return describe(rows)

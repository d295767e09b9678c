"""`clip`: nothing outside the picture."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from pipeline.core import polygons
from pipeline.core.geometry import (
    Box,
    Cuboid2D,
    Ellipse,
    Geometry,
    Node,
    Point,
    Polygon,
    Polyline,
    RotatedBox,
    Skeleton,
    Visibility,
)
from pipeline.core.labels import Group, LabelRow, ObjectInstance, Occurrence
from pipeline.core.measure import bounds, points_of, ring_area
from pipeline.core.ontology import Ontology
from pipeline.core.operations.edits import derived_id, redrawn, size_of, with_objects, with_occurrences


@dataclass(frozen=True, slots=True)
class Clip:
    """Cut everything to its picture. What lies inside, its border included, stays as it is.

    Boxes become their part inside; polygons are cut with their holes. A line becomes its part inside; where
    it leaves and comes back, each further piece becomes an object of its own, in the same groups, under a
    derived id. Points outside go. A skeleton's nodes outside become invisible and move to the border; one
    without any other node goes. Rotated boxes, ellipses and cuboids of the image cannot be cut and stay what
    they are: they go only if they are wholly outside. Masks and everything in space stay. An object with no
    occurrence left goes.
    """

    heavy: ClassVar[bool] = False
    foreign: ClassVar[bool] = False

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the row with nothing outside its pictures. RowError where a size is needed and unknown."""
        found: list[ObjectInstance] = []
        pieces: dict[str, list[ObjectInstance]] = {}
        for item in row.objects:
            kept = redrawn(row, item, _cut_to(row, item))
            further = _further_pieces(row, item) if kept else []
            found.extend([kept, *further] if kept else [])
            if further:
                pieces[item.id] = further
        clipped = with_objects(row, found)
        return _regrouped(clipped, pieces) if pieces else clipped

    def revise(self, ontology: Ontology) -> Ontology:
        """Classes stay as they are."""
        return ontology


def _cut_to(row: LabelRow, item: ObjectInstance) -> Callable[[Geometry, int], Geometry | None]:
    def cut(geometry: Geometry, frame: int) -> Geometry | None:
        if not isinstance(
            geometry, Box | Polygon | Polyline | Point | Skeleton | RotatedBox | Ellipse | Cuboid2D
        ):
            return geometry
        height, width = size_of(row, item, frame)
        return clipped_to(geometry, width, height)

    return cut


def clipped_to(  # noqa: PLR0911 - a table
    geometry: Box | Polygon | Polyline | Point | Skeleton | RotatedBox | Ellipse | Cuboid2D,
    width: float,
    height: float,
) -> Geometry | None:
    """Return the part inside the rectangle from (0, 0) to (width, height), as `Clip` says, or None."""
    points = points_of(geometry)
    if (
        points
        and all(0 <= x <= width and 0 <= y <= height for x, y in points)
        and type(geometry) is not Skeleton
    ):
        return geometry
    match geometry:
        case Box():
            return _box(geometry, width, height)
        case Polygon():
            return _polygon(geometry, width, height)
        case Polyline():
            lines = polygons.clip_polyline(geometry.points, width, height)
            return Polyline(lines[0]) if lines else None
        case Skeleton():
            return _skeleton(geometry, width, height)
        case Point():
            return None
        case _:
            x, y, across, down = bounds(geometry) or (0, 0, 0, 0)
            return geometry if x < width and y < height and x + across > 0 and y + down > 0 else None


def _polygon(polygon: Polygon, width: float, height: float) -> Polygon | None:
    # A ring that only goes round a corner outside leaves an outline without an area.
    kept = tuple(
        (part[0], *(hole for hole in part[1:] if ring_area(hole) > 0))
        for part in polygons.clip_parts(polygon.parts, width, height)
        if ring_area(part[0]) > 0
    )
    return Polygon(kept) if kept else None


def _box(box: Box, width: float, height: float) -> Box | None:
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right, bottom = min(box.x + box.width, width), min(box.y + box.height, height)
    return Box(left, top, right - left, bottom - top) if left < right and top < bottom else None


def _skeleton(skeleton: Skeleton, width: float, height: float) -> Skeleton | None:
    nodes = tuple(_node(node, width, height) for node in skeleton.nodes)
    if all(new is old for new, old in zip(nodes, skeleton.nodes, strict=True)):
        return skeleton
    return Skeleton(nodes) if any(node.visibility is not Visibility.INVISIBLE for node in nodes) else None


def _node(node: Node, width: float, height: float) -> Node:
    x, y = min(max(node.x, 0.0), width), min(max(node.y, 0.0), height)
    return node if (x, y) == (node.x, node.y) else Node(node.name, x, y, Visibility.INVISIBLE)


def _further_pieces(row: LabelRow, item: ObjectInstance) -> list[ObjectInstance]:
    """Return the second and later pieces of a line, each through all frames on which there are so many."""
    lines: dict[int, dict[int, Occurrence]] = {}
    for frame, occurrence in item.occurrences.items():
        geometry = occurrence.geometry
        if not isinstance(geometry, Polyline):
            continue
        height, width = size_of(row, item, frame)
        for place, points in enumerate(polygons.clip_polyline(geometry.points, width, height)[1:], start=2):
            lines.setdefault(place, {})[frame] = replace(occurrence, geometry=Polyline(points))
    pieces = ((place, with_occurrences(item, occurrences)) for place, occurrences in lines.items())
    return [
        replace(piece, id=derived_id(row.key, item.id, place), raw=None) for place, piece in pieces if piece
    ]


def _regrouped(row: LabelRow, pieces: dict[str, list[ObjectInstance]]) -> LabelRow:
    def joined(group: Group) -> Group:
        members = tuple(
            member
            for first in group.objects
            for member in (first, *(piece.id for piece in pieces.get(first, ())))
        )
        return group if members == group.objects else replace(group, objects=members)

    return replace(row, groups=tuple(map(joined, row.groups)))

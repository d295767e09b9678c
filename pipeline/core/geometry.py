"""The closed union of geometries.

Two-dimensional geometry is in pixels, float64, origin top-left, x to the right, y down, continuous: pixel
(0, 0) covers [0, 1) x [0, 1). Three-dimensional geometry is in metres, right-handed.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from pipeline.core.instances import Instance
from pipeline.core.masks import AlphaMask, EncodedMask, Mask, Raster
from pipeline.core.quick import quick

XY: TypeAlias = tuple[float, float]
XYZ: TypeAlias = tuple[float, float, float]
Ring: TypeAlias = tuple[XY, ...]
"""A closed ring of at least three points; the first is not repeated at the end."""


class Shape(StrEnum):
    """What a class of the ontology is drawn with. A class is found by its name and its shape."""

    BOX = "box"
    ROTATED_BOX = "rotated_box"
    ELLIPSE = "ellipse"
    CIRCLE = "circle"
    POLYGON = "polygon"
    POLYLINE = "polyline"
    POINT = "point"
    SKELETON = "skeleton"
    MASK = "mask"
    ALPHA_MASK = "alpha_mask"
    CUBOID_2D = "cuboid_2d"
    CUBOID = "cuboid"
    POLYGON_3D = "polygon_3d"
    POLYLINE_3D = "polyline_3d"
    POINT_3D = "point_3d"
    POINT_SET = "point_set"
    ANY = "any"
    OTHER = "other"
    """A shape that this model does not draw (audio, text, time range): carried, never written."""

    __hash__ = str.__hash__  # that of Enum is written in Python, and classes are looked up for every object


@quick
@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel box: top-left corner and size, in pixels."""

    x: float
    y: float
    width: float
    height: float


@quick
@dataclass(frozen=True, slots=True)
class RotatedBox:
    """A box turned by `angle` degrees, clockwise on the screen, about its centre.

    `x`, `y`, `width` and `height` are those of the box before it is turned.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse: centre, radii along its own axes, and its turn in degrees, clockwise.

    `circle` marks a shape drawn as a circle; its radii are equal.
    """

    x: float
    y: float
    radius_x: float
    radius_y: float
    angle: float = 0.0
    circle: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Polygon:
    """One or more parts, each an outer ring followed by its holes."""

    parts: tuple[tuple[Ring, ...], ...]


@dataclass(frozen=True, slots=True)
class Polyline:
    """An open line of at least one point."""

    points: tuple[XY, ...]


@quick
@dataclass(frozen=True, slots=True)
class Point:
    """A single point (Encord and others call it a keypoint)."""

    x: float
    y: float


class Visibility(StrEnum):
    """How a skeleton's node was seen by the annotator."""

    VISIBLE = "visible"
    OCCLUDED = "occluded"
    INVISIBLE = "invisible"
    """Not labelled, or out of sight; its position is a placeholder."""


@quick
@dataclass(frozen=True, slots=True)
class Node:
    """A named node of a skeleton, in pixels."""

    name: str
    x: float
    y: float
    visibility: Visibility = Visibility.VISIBLE


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Named nodes in the order of their template. Edges belong to the class's template in the ontology."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Cuboid2D:
    """A cuboid drawn in the image: the front face, and the back face (same order of corners)."""

    front: tuple[XY, ...]
    back: tuple[XY, ...]


@dataclass(frozen=True, slots=True)
class Cuboid:
    """A cuboid: centre, size along its own axes (length, width, height), quaternion x y z w."""

    centre: XYZ
    size: XYZ
    rotation: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Polygon3D:
    """A closed ring of points in space."""

    points: tuple[XYZ, ...]


@dataclass(frozen=True, slots=True)
class Polyline3D:
    """An open line of points in space."""

    points: tuple[XYZ, ...]


@dataclass(frozen=True, slots=True)
class Point3D:
    """A single point in space."""

    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True)
class PointSet:
    """Indices into the point cloud of the same frame, ascending."""

    indices: tuple[int, ...]


AnyMask: TypeAlias = Mask | Raster | EncodedMask | Instance
"""A mask in whatever form."""

Geometry: TypeAlias = (
    Box
    | RotatedBox
    | Ellipse
    | Polygon
    | Polyline
    | Point
    | Skeleton
    | Mask
    | AlphaMask
    | Raster
    | EncodedMask
    | Instance
    | Cuboid2D
    | Cuboid
    | Polygon3D
    | Polyline3D
    | Point3D
    | PointSet
)

_SHAPES: dict[type, Shape] = {
    Box: Shape.BOX,
    RotatedBox: Shape.ROTATED_BOX,
    Ellipse: Shape.ELLIPSE,
    Polygon: Shape.POLYGON,
    Polyline: Shape.POLYLINE,
    Point: Shape.POINT,
    Skeleton: Shape.SKELETON,
    Mask: Shape.MASK,
    Raster: Shape.MASK,
    EncodedMask: Shape.MASK,
    Instance: Shape.MASK,
    AlphaMask: Shape.ALPHA_MASK,
    Cuboid2D: Shape.CUBOID_2D,
    Cuboid: Shape.CUBOID,
    Polygon3D: Shape.POLYGON_3D,
    Polyline3D: Shape.POLYLINE_3D,
    Point3D: Shape.POINT_3D,
    PointSet: Shape.POINT_SET,
}


def shape_of(geometry: Geometry) -> Shape:
    """Return the shape that a class must have to hold this geometry."""
    if type(geometry) is Ellipse and geometry.circle:
        return Shape.CIRCLE
    return _SHAPES[type(geometry)]

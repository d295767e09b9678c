"""`convert`: another shape for the same thing."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from pipeline.core import polygons
from pipeline.core.geometry import (
    AnyMask,
    Box,
    Ellipse,
    Geometry,
    Polygon,
    Ring,
    RotatedBox,
    Shape,
    shape_of,
)
from pipeline.core.labels import LabelRow, ObjectInstance
from pipeline.core.masks import AlphaMask, Mask
from pipeline.core.measure import bounds, corners, mask_of, turned
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.core.operations.edits import merged_classes, redrawn, size_of, with_objects

CHORD = 0.1
"""Pixels between an ellipse and the polygon drawn for it, at most, where no larger tolerance is given."""

OPAQUE = 128
"""The lowest opacity of an alpha mask that counts as inside."""

_AREAS = frozenset({
    Shape.BOX, Shape.ROTATED_BOX, Shape.ELLIPSE, Shape.CIRCLE, Shape.POLYGON, Shape.MASK, Shape.ALPHA_MASK,
})  # fmt: skip

WAYS = {
    Shape.BOX: _AREAS | {Shape.POLYLINE, Shape.SKELETON, Shape.CUBOID_2D},
    Shape.ROTATED_BOX: frozenset({Shape.BOX}),
    Shape.ELLIPSE: frozenset({Shape.CIRCLE}),
    Shape.POLYGON: _AREAS,
    Shape.MASK: _AREAS,
}
"""What each shape can be made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert:
    """Draw the objects of `classes` (absent: all) whose shape is in `from_` as the shape `to`.

    Without `from_` every shape with a way to `to` is taken, and others stay. The ways: a box around any area,
    line, skeleton (its nodes that are not invisible) or cuboid of the image; a polygon or a mask from any
    area; a rotated box from a box; an ellipse from a circle.

    A polygon from a mask runs along the pixel edges, with its holes, thinned to within `tolerance` pixels
    (0: exact). An ellipse becomes a polygon within `tolerance` pixels, or 0.1 where that is larger. A mask
    holds the pixels whose centre is inside. An alpha mask counts from opacity 128.
    """

    to: Shape
    classes: tuple[str, ...] | None = None
    from_: tuple[Shape, ...] | None = None
    tolerance: float = 0.0
    foreign: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.to not in WAYS:
            raise ValueError(
                f"to: nothing becomes a {self.to.value}; expected one of {', '.join(sorted(WAYS))}"
            )
        for shape in self.from_ or ():
            if shape not in WAYS[self.to]:
                ways = ", ".join(sorted(WAYS[self.to]))
                raise ValueError(
                    f"from: a {shape.value} does not become a {self.to.value}; expected some of {ways}"
                )
        if not 0 <= self.tolerance < math.inf:
            raise ValueError(f"tolerance: found {self.tolerance}, expected pixels, 0 or more")

    @property
    def heavy(self) -> bool:
        """Drawing and tracing masks is work for the process pool."""
        return self.to in (Shape.POLYGON, Shape.MASK)

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the row with the shapes converted. RowError where a size is unknown or nothing is drawn."""
        return with_objects(
            row, [self._object(row, item) if self._names(item) else item for item in row.objects]
        )

    def revise(self, ontology: Ontology) -> Ontology:
        """Give the classes the new shape; those that then have one name and shape become one."""
        return replace(
            ontology,
            classes=merged_classes(
                replace(item, shape=self.to, skeleton=None, id=None, raw=None) if self._names(item) else item
                for item in ontology.classes
            ),
        )

    def _names(self, item: ObjectInstance | ClassDef) -> bool:
        name = item.class_name if isinstance(item, ObjectInstance) else item.name
        shapes = WAYS[self.to] if self.from_ is None else self.from_
        return (
            item.shape in shapes
            and item.shape is not self.to
            and (self.classes is None or name in self.classes)
        )

    def _object(self, row: LabelRow, item: ObjectInstance) -> ObjectInstance:
        return redrawn(row, item, partial(self._drawn, row, item)) or item

    def _drawn(self, row: LabelRow, item: ObjectInstance, geometry: Geometry, frame: int) -> Geometry:
        if self.to is Shape.BOX:
            return boxed(geometry)
        if isinstance(geometry, Box) and self.to is Shape.ROTATED_BOX:
            return RotatedBox(geometry.x, geometry.y, geometry.width, geometry.height, 0.0)
        if isinstance(geometry, Ellipse) and self.to is Shape.ELLIPSE:
            return replace(geometry, circle=False)
        if self.to is Shape.POLYGON:
            return polygon_of(geometry, self.tolerance)
        if isinstance(geometry, AnyMask | AlphaMask):
            return _whole(geometry)
        return polygons.fill(polygon_of(geometry, self.tolerance).parts, *size_of(row, item, frame))


def boxed(geometry: Geometry) -> Box:
    """Return the box around a geometry in the image. ValueError where it would have no width or height."""
    found = bounds(_whole(geometry) if isinstance(geometry, AlphaMask) else geometry)
    if found is None or not (found[2] > 0 and found[3] > 0):
        size = "nothing is drawn" if found is None else f"its box is {found[2]:g} x {found[3]:g} px"
        raise ValueError(
            f"no box around this {shape_of(geometry).value}: {size}; use `drop` for such objects"
        )
    return Box(*map(float, found))


def polygon_of(geometry: Geometry, tolerance: float) -> Polygon:
    """Return the outline of an area in the image, as `Convert` says. ValueError where there is none."""
    if isinstance(geometry, Polygon):
        return geometry
    if isinstance(geometry, AnyMask | AlphaMask):
        parts = polygons.trace(_whole(geometry), tolerance)
    elif isinstance(geometry, Ellipse):
        parts = ((_around(geometry, max(tolerance, CHORD)),),)
    elif isinstance(geometry, Box | RotatedBox):
        parts = ((corners(geometry),),)
    else:
        raise TypeError(f"{shape_of(geometry).value} has no outline")
    if not parts:
        raise ValueError(
            f"the {shape_of(geometry).value} is empty; use `drop` with `max_area: 0` for such objects"
        )
    return Polygon(parts)


def _whole(geometry: AnyMask | AlphaMask) -> Mask:
    if not isinstance(geometry, AlphaMask):
        return mask_of(geometry)
    inner = Mask.from_array(geometry.crop >= OPAQUE)
    return inner.place(geometry.x, geometry.y, geometry.height, geometry.width)


def _around(ellipse: Ellipse, tolerance: float) -> Ring:
    longest = max(ellipse.radius_x, ellipse.radius_y)
    # A chord over the angle 2a leaves the circle by r (1 - cos a).
    half = math.acos(max(1 - tolerance / longest, 0.5)) if longest > 0 else 1.0
    count = max(8, math.ceil(math.pi / half))
    angles = (2 * math.pi * step / count for step in range(count))
    centre = ellipse.x, ellipse.y
    plain = (
        (ellipse.x + ellipse.radius_x * math.cos(angle), ellipse.y + ellipse.radius_y * math.sin(angle))
        for angle in angles
    )
    return tuple(turned(point, centre, ellipse.angle) for point in plain)

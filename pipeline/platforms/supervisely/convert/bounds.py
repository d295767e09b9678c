"""What is drawn lies on the picture: the server takes nothing that leaves it."""

from collections.abc import Iterable

from pipeline.core.geometry import XY, Box, Cuboid2D, Geometry, RotatedBox
from pipeline.core.measure import points_of
from pipeline.platforms.supervisely.convert.geometry import Drawn, GeometryError

TOLERANCE = 1e-6
"""How far, in pixels, a coordinate may lie outside the picture."""


def check_inside(geometry: Geometry, place: Drawn) -> None:
    """Raise GeometryError for a geometry that leaves the picture.

    Of a turned box the centre counts, since its rim may leave; corners of a cuboid may lie anywhere. Masks
    are as large as the picture, and are checked where they are written. A picture of unknown size has no
    bounds.
    """
    height, width, _ = place
    if not (width and height):
        return
    right, bottom = width + TOLERANCE, height + TOLERANCE
    if type(geometry) is Box and _holds(geometry, right, bottom):
        return
    for x, y in _points(geometry):
        if x < -TOLERANCE or y < -TOLERANCE or x > right or y > bottom:
            message = f"the point ({x:g}, {y:g}) lies outside the picture of {width} x {height} pixels"
            raise GeometryError(f"{message}; add `clip: {{}}` to the operations")


def _holds(box: Box, right: float, bottom: float) -> bool:
    """Whether a box is inside: what nearly all labels are is asked first, in a fraction of the time."""
    x, y = box.x, box.y
    return (
        -TOLERANCE <= x <= right
        and -TOLERANCE <= y <= bottom
        and -TOLERANCE <= x + box.width <= right
        and -TOLERANCE <= y + box.height <= bottom
    )


def _points(geometry: Geometry) -> Iterable[XY]:
    if type(geometry) is Box:
        ends = geometry.x + geometry.width, geometry.y + geometry.height
        return (geometry.x, geometry.y), ends
    if isinstance(geometry, RotatedBox):
        return ((geometry.x + geometry.width / 2, geometry.y + geometry.height / 2),)
    return () if isinstance(geometry, Cuboid2D) else points_of(geometry)

"""A row with labels of every shape that a project of images holds, and what the SDK should make of each.

The SDK counts pixels: of a continuous point it keeps the pixel that it is in, and of a box the first and the
last pixel of each side.
"""

from math import floor
from typing import Any

import numpy as np

from pipeline.core.geometry import (
    Box,
    Cuboid2D,
    Geometry,
    Node,
    Point,
    Polygon,
    Polyline,
    RotatedBox,
    Skeleton,
    Visibility,
)
from pipeline.core.labels import (
    Answer,
    Classification,
    Group,
    LabelRow,
    Media,
    ObjectInstance,
    Occurrence,
    Option,
    Provenance,
)
from pipeline.core.masks import AlphaMask, Mask
from pipeline.core.ontology import AttributeKind
from tests.oracles.supervisely.samples import HEIGHT, WIDTH

Json = dict[str, Any]

_RING = ((4.5, 4.25), (40.0, 4.5), (40.5, 30.75), (4.0, 30.0))
_HOLE = ((10.5, 10.5), (20.25, 10.5), (20.5, 20.75))
_FACE = ((10.0, 12.0), (30.0, 12.0), (30.0, 32.0), (10.0, 32.0))


def raster() -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """A mask with a hole and two parts."""
    found = np.zeros((HEIGHT, WIDTH), np.bool_)
    found[5:20, 7:31] = True
    found[8:12, 10:20] = False
    found[40:48, 60:64] = True
    return found


ALPHA = np.array([[0, 255, 7], [128, 1, 0]], np.uint8)

GEOMETRIES: dict[str, Geometry] = {
    "rectangle": Box(1.0, 2.0, 62.0, 45.0),
    "oriented_bbox": RotatedBox(5.0, 6.0, 15.0, 10.0, 30.0),
    "polygon": Polygon(((_RING, _HOLE),)),
    "multipolygon": Polygon(((_RING, _HOLE), (((50.5, 30.5), (60.5, 30.5), (55.5, 44.5)),))),
    "line": Polyline(((0.5, 0.5), (7.25, 5.75), (63.5, 47.5))),
    "point": Point(7.25, 5.5),
    "bitmap": Mask.from_array(raster()),
    "alpha_mask": AlphaMask(HEIGHT, WIDTH, 9, 8, ALPHA),
    "graph": Skeleton((Node("nose", 2.5, 1.5), Node("tail", 40.25, 30.5, Visibility.OCCLUDED))),
    "cuboid_2d": Cuboid2D(_FACE, tuple((x + 4, y + 4) for x, y in _FACE)),
}


def labelled(name: str, geometry: Geometry, class_name: str | None = None, **more: Any) -> ObjectInstance:  # noqa: ANN401
    """An object of one frame."""
    provenance = more.pop("provenance", Provenance(manual=True))
    return ObjectInstance(name, class_name or name, {0: Occurrence(geometry, provenance=provenance)}, **more)


def row(title: str, *objects: ObjectInstance, groups: tuple[Group, ...] = (), **more: Any) -> LabelRow:  # noqa: ANN401
    """A row of an image of the usual size."""
    media = (Media(name=title, width=WIDTH, height=HEIGHT),)
    return LabelRow(key=title, title=title, media=media, objects=objects, groups=groups, **more)


def every_shape(title: str, class_name: str | None = None) -> LabelRow:
    """A row with one object of every shape, each of a class of its own or all of one."""
    return row(title, *(labelled(name, shape, class_name) for name, shape in GEOMETRIES.items()))


def answers() -> tuple[Answer, ...]:
    """One answer of every kind that a tag holds, as the classes of `samples` have them."""
    return (
        Answer("seen", AttributeKind.BOOLEAN, value=True),
        Answer("text", AttributeKind.TEXT, "a word"),
        Answer("speed", AttributeKind.NUMBER, 2.5),
        Answer("colour", AttributeKind.RADIO, Option("blue")),
        Answer("day", AttributeKind.TEXT, "2026-01-02T03:04:05Z"),
    )


TAGS: list[list[object]] = [
    ["seen", None],
    ["text", "a word"],
    ["speed", 2.5],
    ["colour", "blue"],
    ["day", "2026-01-02T03:04:05Z"],
]
"""The same as the SDK tells them."""


def classifications() -> tuple[Classification, ...]:
    """The same answers of the whole image."""
    return tuple(Classification(f"image-{one.attribute}", one) for one in answers())


def pixels(points: Any) -> list[list[int]]:  # noqa: ANN401 - points of a ring or a line
    """The pixels that points are in."""
    return [[floor(x), floor(y)] for x, y in points]


def meant() -> dict[str, Json]:
    """What the SDK should tell of each of `GEOMETRIES`: its `geometry`, `mask`, or `values` and `origin`."""
    flat = np.concatenate(([False], raster().ravel(), [False]))
    ring = {"exterior": pixels(_RING), "interior": [pixels(_HOLE)]}
    other = {"exterior": [[50, 30], [60, 30], [55, 44]], "interior": []}
    corners = ("topleft", "topright", "bottomright", "bottomleft")
    vertices = {
        f"face{face}-{corner}": {"loc": [x + shift, y + shift]}
        for face, shift in ((1, 0), (2, 4))
        for corner, (x, y) in zip(corners, _FACE, strict=True)
    }
    return {
        "rectangle": {"geometry": {"points": {"exterior": [[1, 2], [62, 46]], "interior": []}}},
        "oriented_bbox": {"geometry": {"points": [[5, 6], [19, 15]], "angle": float(np.radians(30.0))}},
        "polygon": {"geometry": {"points": ring}},
        "multipolygon": {"geometry": {"parts": [ring, other]}},
        "line": {"geometry": {"points": {"exterior": [[0, 0], [7, 5], [63, 47]], "interior": []}}},
        "point": {"geometry": {"points": {"exterior": [[7, 5]], "interior": []}}},
        "bitmap": {"mask": np.flatnonzero(flat[1:] != flat[:-1]).tolist()},
        "alpha_mask": {"values": ALPHA.tolist(), "origin": [9, 8]},
        "graph": {"geometry": {"nodes": {"a1": {"loc": [2, 1]}, "b2": {"loc": [40, 30], "disabled": True}}}},
        "cuboid_2d": {"geometry": {"vertices": vertices}},
    }

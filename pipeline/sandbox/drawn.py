"""Drawn labels for the demo: a street scene per image, from a seed, the same in every run.

No picture is drawn, only labels: boxes of vehicles, ponds as polygons with an island cut out, buildings of
two parts, people as masks, and their poses as skeletons. All coordinates are in pixels and inside the image.
"""

import math
import random
from collections.abc import Iterator

import numpy as np

from pipeline.core.geometry import Box, Geometry, Node, Polygon, Ring, Shape, Skeleton, Visibility
from pipeline.core.labels import Answer, Classification, LabelRow, Media, ObjectInstance, Occurrence, Option
from pipeline.core.masks import Mask
from pipeline.core.ontology import (
    AttributeDef,
    AttributeKind,
    ClassDef,
    ClassificationDef,
    Ontology,
    OptionDef,
    SkeletonTemplate,
    TemplateNode,
)

SIZES = ((480, 640), (720, 1280), (600, 600))
"""Height and width of the images, in pixels."""
WEATHER = ("sun", "rain", "snow")
JOINTS = {
    "head": (0.50, 0.08),
    "neck": (0.50, 0.22),
    "left hand": (0.10, 0.50),
    "right hand": (0.90, 0.50),
    "hip": (0.50, 0.55),
    "left foot": (0.30, 0.97),
    "right foot": (0.70, 0.97),
}
"""Where each joint of a pose is, as shares of the person's box."""
BONES = (
    ("head", "neck"),
    ("neck", "left hand"),
    ("neck", "right hand"),
    ("neck", "hip"),
    ("hip", "left foot"),
    ("hip", "right foot"),
)


def drawn_ontology() -> Ontology:
    """Return the classes that the drawn labels use."""
    plate = AttributeDef("plate", AttributeKind.TEXT)
    pose = SkeletonTemplate(tuple(TemplateNode(name, x=x, y=y) for name, (x, y) in JOINTS.items()), BONES)
    weather = AttributeDef("weather", AttributeKind.RADIO, options=tuple(map(OptionDef, WEATHER)))
    return Ontology(
        (
            ClassDef("car", Shape.BOX, colour="#d33115", attributes=(plate,)),
            ClassDef("lorry", Shape.BOX, colour="#fcc400"),
            ClassDef("pond", Shape.POLYGON, colour="#009ce0"),
            ClassDef("building", Shape.POLYGON, colour="#653294"),
            ClassDef("person", Shape.MASK, colour="#68bc00"),
            ClassDef("pose", Shape.SKELETON, colour="#16a5a5", skeleton=pose),
        ),
        (ClassificationDef(weather),),
    )


def drawn_rows(count: int, seed: int = 0) -> Iterator[LabelRow]:
    """Draw the labels of `count` images, one row each, with titles `street-00000.jpg` and so on.

    A row depends on its number and the seed only.
    """
    for number in range(count):
        yield _row(number, random.Random(f"{seed}/{number}"))  # noqa: S311 - drawings, no secret


def _row(number: int, draw: random.Random) -> LabelRow:
    title = f"street-{number:05d}.jpg"
    height, width = draw.choice(SIZES)
    objects: list[ObjectInstance] = []

    def add(name: str, geometry: Geometry, *answers: Answer) -> None:
        objects.append(ObjectInstance(f"{number}-{len(objects)}", name, {0: Occurrence(geometry)}, answers))

    for _ in range(draw.randint(1, 3)):
        plate = Answer("plate", AttributeKind.TEXT, f"LF {draw.randint(100, 999)}")
        add("car", _box(draw, height, width), plate)
    add("lorry", _box(draw, height, width))
    add("pond", _pond(draw, height, width))
    add("building", _building(draw, height, width))
    for _ in range(draw.randint(1, 2)):
        person = _box(draw, height, width)
        add("person", _silhouette(person, height, width))
        add("pose", _pose(draw, person))
    weather = Answer("weather", AttributeKind.RADIO, Option(draw.choice(WEATHER)))
    return LabelRow(
        key=title,
        title=title,
        media=(Media(name=title, width=width, height=height),),
        objects=tuple(objects),
        classifications=(Classification(f"{number}-weather", weather),),
    )


def _box(draw: random.Random, height: int, width: int) -> Box:
    w, h = draw.randint(40, width // 3), draw.randint(60, height // 2)
    return Box(float(draw.randint(0, width - w)), float(draw.randint(0, height - h)), float(w), float(h))


def _ring(draw: random.Random, x: float, y: float, radius: float, corners: int) -> Ring:
    angles = [2 * math.pi * corner / corners for corner in range(corners)]
    reach = [radius * draw.uniform(0.8, 1.0) for _ in angles]
    return tuple(
        (round(x + r * math.cos(a), 2), round(y + r * math.sin(a), 2))
        for a, r in zip(angles, reach, strict=True)
    )


def _pond(draw: random.Random, height: int, width: int) -> Polygon:
    radius = draw.uniform(0.1, 0.25) * height
    x, y = draw.uniform(radius, width - radius), draw.uniform(radius, height - radius)
    island = _ring(draw, x, y, radius * 0.4, 8)
    return Polygon(((_ring(draw, x, y, radius, 24), island),))


def _building(draw: random.Random, height: int, width: int) -> Polygon:
    house, shed = _box(draw, height, width // 2), _box(draw, height // 2, width // 2)
    return Polygon(((_corners(house, 0.0),), (_corners(shed, width / 2),)))


def _corners(box: Box, shift: float) -> Ring:
    left, right, bottom = box.x + shift, box.x + shift + box.width, box.y + box.height
    return ((left, box.y), (right, box.y), (right, bottom), (left, bottom))


def _silhouette(box: Box, height: int, width: int) -> Mask:
    """Fill a head (a disc) and a body (an ellipse) into the box."""
    left, top, w, h = int(box.x), int(box.y), int(box.width), int(box.height)
    v, u = np.ogrid[0:h, 0:w]
    u, v = (u + 0.5) / w, (v + 0.5) / h
    head = ((u - 0.5) / 0.2) ** 2 + ((v - 0.12) / 0.12) ** 2 <= 1
    body = ((u - 0.5) / 0.5) ** 2 + ((v - 0.6) / 0.4) ** 2 <= 1
    raster = np.zeros((height, width), np.bool_)
    raster[top : top + h, left : left + w] = head | body
    return Mask.from_array(raster)


def _pose(draw: random.Random, box: Box) -> Skeleton:
    return Skeleton(
        tuple(
            Node(
                name,
                round(box.x + u * box.width, 2),
                round(box.y + v * box.height, 2),
                Visibility.OCCLUDED if draw.random() < 0.2 else Visibility.VISIBLE,  # noqa: PLR2004 - one in five
            )
            for name, (u, v) in JOINTS.items()
        )
    )

"""Rows of the label model with every shape and attribute, made in Python as a user makes them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

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
from pipeline.core.labels import Answer, Classification, LabelRow, ObjectInstance, Occurrence, Option
from pipeline.core.masks import Mask, Raster
from pipeline.core.ontology import AttributeKind
from tests.oracles.encord.project import GROUP, IMAGE, OTHER, SEQUENCE, VIDEO

THIRD = 1.0 / 3.0
RADIO, CHECKLIST = AttributeKind.RADIO, AttributeKind.CHECKLIST
TEXT, NUMBER = AttributeKind.TEXT, AttributeKind.NUMBER


def geometries(width: int, height: int, seed: int) -> Mapping[str, Geometry]:
    """One geometry for each plain class, with numbers that are no round fractions of the picture."""
    chance = np.random.default_rng(seed)
    x, y = width * THIRD, height * THIRD
    front = ((5.1, 6.2), (20.3, 6.2), (20.3, 21.4), (5.1, 21.4))
    hole = ((x + 3, y + 3), (x + 3, y + 6.5), (x + 6.5, y + 6.5))
    return {
        "Cherry": Box(x, y, width - x, 7.77),
        "Other type of fruit": RotatedBox(x, y, 11.1, 9.9, 287.25),
        "Persimmon": Polygon(
            ((((x, y), (x + 9, y), (x + 9, y + 9), (x, y + 9)), hole), (((1, 1), (4.5, 1), (1, 4.5)),))
        ),
        "Branch": Polyline(
            tuple((float(a), float(b)) for a, b in chance.uniform(0, (width, height), (9, 2)))
        ),
        "Pedicel": Point(x, y),
        "Blueberry": Raster(blot(width, height, seed)),
        "Plum": Ellipse(x, y, 6.5, 6.5, circle=True),
        "Melon": Ellipse(x, y, 8.25, 5.5, 33.3),
        "Crate": Cuboid2D(front, tuple((a + 4.4, b - 3.3) for a, b in front)),
        "Strawberry": Skeleton(
            (
                Node("top", x, y),
                Node("left", 0.0, float(height), Visibility.OCCLUDED),
                Node("right", float(width), 2.5, Visibility.INVISIBLE),
            )
        ),
    }


def blot(width: int, height: int, seed: int) -> NDArray[np.bool_]:
    """A mask with holes, dust and pixels on the edges."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    ring = np.hypot(y - height / 2, x - width / 2)
    dust = chance.random((height, width)) < 0.02
    found: NDArray[np.bool_] = ((ring < height * 0.6) & (ring > height * 0.2)) ^ dust
    return found


def objects(row: LabelRow, frame: int, seed: int) -> tuple[ObjectInstance, ...]:
    """One object of each plain class on one frame."""
    size = row.size_at(frame)
    assert size is not None
    return tuple(
        ObjectInstance(
            f"{name} on {frame}", name, {frame: Occurrence(geometry, confidence=0.25 + seed / 100)}
        )
        for name, geometry in geometries(size[1], size[0], seed).items()
    )


WHALES = (
    ObjectInstance(
        "whale 1",
        "Whale",
        {0: Occurrence(Box(1.5, 2.5, 10.25, 8.0))},
        (
            Answer("Description", TEXT, "a whale, «big»"),
            Answer("Description #relation", TEXT, "in words", relation=True),
            Answer("Length", NUMBER, 12.75),
            Answer("Marks", CHECKLIST, (Option("Scar"), Option("Barnacles"))),
            Answer("Colour", RADIO, Option("Blue")),
        ),
    ),
    ObjectInstance(
        "whale 2",
        "Whale",
        {0: Occurrence(Box(3.5, 2.5, 10.25, 8.0), confidence=0.125)},
        (
            Answer(
                "Colour",
                RADIO,
                Option(
                    "Other",
                    (Answer("Any Other Colours?", RADIO, Option("Pink")), Answer("Shade", TEXT, "salmon")),
                ),
            ),
        ),
    ),
)
PERSON = ObjectInstance(
    "person",
    "Person",
    {frame: Occurrence(Box(frame + 0.1, 2.0, 9.0, 9.5)) for frame in (0, 1, 2, 3, 5)},
    (
        Answer("Name", TEXT, "Ann"),
        Answer("Position", RADIO, Option("Standing"), ((0, 0), (5, 5))),
        Answer("Position", RADIO, Option("Walking"), ((1, 3),)),
        Answer("Carries", CHECKLIST, (Option("Basket"), Option("Hat")), ((2, 3),)),
        Answer("Says", TEXT, "hello", ((1, 1), (3, 3))),
        Answer("Speed", NUMBER, 1.5, ((0, 2),)),
        Answer("Speed", NUMBER, 3, ((3, 3), (5, 5))),
    ),
)
CHERRY = Answer("Blueberry or cherry?", RADIO, Option("Cherry", (Answer("Which kind?", TEXT, "Morello"),)))
MARKS = (
    Classification("question", CHERRY, confidence=0.5),
    Classification("many", Answer("Many types of fruit?", CHECKLIST, (Option("Apple"), Option("Quince")))),
    Classification("ripe", Answer("Ripeness", NUMBER, 0.1), frames=((0, 0),)),
    Classification("checked", Answer("Checked", RADIO, Option("Yes"))),
)


def moved(row: LabelRow, item: ObjectInstance, frames: tuple[int, ...]) -> ObjectInstance:
    """The object on these frames, as a track."""
    one = next(iter(item.occurrences.values()))
    return replace(item, id=f"{item.id} of {row.title}", occurrences=dict.fromkeys(frames, one))


def full_rows() -> list[LabelRow]:
    """One row of each kind, with every shape, attribute and classification that it can have."""
    still = replace(IMAGE, objects=(*objects(IMAGE, 0, 1), *WHALES), classifications=MARKS)
    size = OTHER.size_at(0)
    assert size is not None
    mask = Mask.from_array(blot(size[1], size[0], 7))
    other = replace(OTHER, objects=(ObjectInstance("m", "Blueberry", {0: Occurrence(mask)}),))
    both = (*objects(GROUP, 0, 2), *objects(GROUP, 1, 3), moved(GROUP, WHALES[0], (0, 1)))
    remarks = tuple(
        Classification(f"remark {at}", Answer("Remark", TEXT, f"remark {at}"), frames=((at, at),))
        for at in (0, 1)
    )
    group = replace(GROUP, objects=both, classifications=(*MARKS, *remarks))
    tracks = tuple(moved(SEQUENCE, item, (0, 2, 5)) for item in objects(SEQUENCE, 0, 4))
    sequence = replace(SEQUENCE, objects=tracks)
    ranges = Classification("remark", Answer("Remark", TEXT, "twice"), frames=((0, 4), (20, 29)))
    film = (*objects(VIDEO, 29, 5), PERSON, moved(VIDEO, WHALES[1], (7, 8, 9)))
    video = replace(VIDEO, objects=film, classifications=(*MARKS, ranges))
    return [still, other, group, sequence, video]

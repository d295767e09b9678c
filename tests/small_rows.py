"""Small rows, written by hand."""

from dataclasses import replace

from pipeline.core.geometry import Box, Geometry, Point, Polygon
from pipeline.core.labels import (
    Answer,
    Classification,
    Group,
    LabelRow,
    Media,
    MediaKind,
    ObjectInstance,
    Occurrence,
    Raw,
    Relation,
)
from pipeline.core.ontology import AttributeKind

RAW = Raw("encord", {"objectHash": "h"})
PICTURE = Media(width=100, height=80)


def thing(
    name: str, geometry: Geometry, class_name: str = "car", confidence: float | None = None
) -> ObjectInstance:
    """An object on frame 0."""
    return ObjectInstance(name, class_name, {0: Occurrence(geometry, confidence=confidence)}, raw=RAW)


def image(
    *objects: ObjectInstance,
    groups: tuple[Group, ...] = (),
    relations: tuple[Relation, ...] = (),
    classifications: tuple[Classification, ...] = (),
) -> LabelRow:
    """A row of one picture, 100 wide and 80 high."""
    return LabelRow(
        "k",
        "cat.png",
        media=(PICTURE,),
        objects=objects,
        groups=groups,
        relations=relations,
        classifications=classifications,
    )


def video(item: ObjectInstance, frames: range, classifications: tuple[Classification, ...] = ()) -> LabelRow:
    """A row of 40 frames on some of which an object stands still."""
    still = replace(item, occurrences=dict.fromkeys(frames, item.occurrences[0]))
    return LabelRow(
        "k", "v.mp4", MediaKind.VIDEO, (PICTURE,), 40, objects=(still,), classifications=classifications
    )


CAR, MAN = thing("a", Box(1, 2, 10, 20)), thing("b", Point(5, 5), "man")
SQUARE = Polygon(((((10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)),),))
COLOUR = Answer("colour", AttributeKind.TEXT, "red")

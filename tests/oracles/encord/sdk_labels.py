"""Labels of every shape and attribute, put into a row with the SDK as the vendor's guide does it.

What is drawn depends on the row's title only, so that two runs draw the same.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
from encord.objects import LabelRowV2, Object, OntologyStructure
from encord.objects.attributes import Attribute
from encord.objects.coordinates import (
    BitmaskCoordinates,
    BoundingBoxCoordinates,
    CircleCoordinates,
    Coordinates,
    Cuboid2DIsometricCoordinates,
    Cuboid2DPerspectiveCoordinates,
    EllipseCoordinates,
    PointCoordinate,
    PolygonCoordinates,
    PolylineCoordinates,
    RotatableBoundingBoxCoordinates,
    SkeletonCoordinate,
    SkeletonCoordinates,
    Visibility,
)
from encord.objects.frames import Range
from encord.objects.ontology_object_instance import ObjectInstance

ANNOTATOR = "ann@example.com"
DRAWN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Chance: TypeAlias = np.random.Generator
Draw: TypeAlias = Callable[[Chance, int, int], Coordinates]


def label(row: LabelRowV2, ontology: OntologyStructure) -> None:
    """Put one object of every class into a row, two whales that are related, and every classification."""
    chance = np.random.default_rng(crc32(row.data_title.encode()))
    for name, draw in (*DRAWINGS, ("Strawberry", _triangle(ontology))):
        _place(row, _class(ontology, name).create_instance(), draw, _frames(row, chance), chance)
    _whales(row, ontology, chance)
    _person(row, ontology, chance)
    _classify(row, ontology)


def _class(ontology: OntologyStructure, title: str) -> Object:
    return ontology.get_child_by_title(title, Object)


def _frames(row: LabelRowV2, chance: Chance) -> list[int]:
    """One frame of an image or group; several of a row that has many."""
    last = row.number_of_frames - 1
    if row.data_type.value.lower() != "video":
        return [int(chance.integers(0, last + 1))]
    return sorted({int(frame) for frame in chance.integers(0, last + 1, size=4)})


def _place(
    row: LabelRowV2, item: ObjectInstance, draw: Draw, frames: list[int], chance: Chance
) -> ObjectInstance:
    for frame in frames:
        view = row.get_frame_view(frame)
        item.set_for_frames(
            draw(chance, view.width, view.height),
            frames=frame,
            confidence=round(float(chance.uniform(0.1, 1.0)), 3),
            created_by=ANNOTATOR,
            created_at=DRAWN,
            manual_annotation=bool(chance.integers(0, 2)),
        )
    row.add_object_instance(item)
    return item


def _between(chance: Chance, low: float, high: float) -> float:
    return float(chance.uniform(low, high))


def _point(chance: Chance, *_: int) -> PointCoordinate:
    return PointCoordinate(_between(chance, 0.05, 0.95), _between(chance, 0.05, 0.95))


def _box(chance: Chance, *_: int) -> BoundingBoxCoordinates:
    height, width, left, top = (_between(chance, 0, most) for most in (0.4, 0.4, 0.6, 0.6))
    return BoundingBoxCoordinates(height, width, left, top)


def _rotated(chance: Chance, *_: int) -> RotatableBoundingBoxCoordinates:
    left, top, theta = _between(chance, 0.2, 0.4), _between(chance, 0.2, 0.4), _between(chance, 0, 359)
    return RotatableBoundingBoxCoordinates(0.2, 0.3, left, top, theta)


def _polygon(chance: Chance, *_: int) -> PolygonCoordinates:
    low, high = _between(chance, 0.05, 0.1), _between(chance, 0.35, 0.45)
    hole = _square(low + 0.05, high - 0.1)[::-1]
    return PolygonCoordinates(polygons=[[_square(low, high), hole], [_square(0.5, high + 0.4)]])


def _polyline(chance: Chance, *_: int) -> PolylineCoordinates:
    return PolylineCoordinates([_point(chance) for _ in range(12)])


def _circle(chance: Chance, *_: int) -> CircleCoordinates:
    return CircleCoordinates(0.5, 0.5, _between(chance, 0.1, 0.2))


def _stretched(chance: Chance, *_: int) -> CircleCoordinates:
    return CircleCoordinates(0.5, 0.5, _between(chance, 0.1, 0.2), 1.5, 30.0)


def _ellipse(chance: Chance, *_: int) -> EllipseCoordinates:
    first, second, theta = (_between(chance, 0.1, 0.3) for _ in range(3))
    return EllipseCoordinates(0.5, 0.4, first, second, theta * 600)


def _shifted(chance: Chance, *_: int) -> Cuboid2DIsometricCoordinates:
    front = _square(0.2, _between(chance, 0.4, 0.6))
    return Cuboid2DIsometricCoordinates(front, PointCoordinate(0.05, -0.05))


def _receding(chance: Chance, *_: int) -> Cuboid2DPerspectiveCoordinates:
    front = _square(0.1, _between(chance, 0.3, 0.5))
    return Cuboid2DPerspectiveCoordinates(front, PointCoordinate(0.7, 0.6), 0.75)


def _mask(chance: Chance, width: int, height: int) -> BitmaskCoordinates:
    return BitmaskCoordinates(_blot(width, height, chance))


def _triangle(ontology: OntologyStructure) -> Draw:
    def draw(chance: Chance, *_: int) -> SkeletonCoordinates:
        nodes = []
        for name in ("top", "left", "right"):
            x, y = _between(chance, 0, 1), _between(chance, 0, 1)
            nodes.append(SkeletonCoordinate(x=x, y=y, name=name))
        made = ontology.skeleton_templates["Triangle"].create_instance(nodes)
        seen = (Visibility.VISIBLE, Visibility.OCCLUDED, Visibility.INVISIBLE)
        for node, visibility in zip(made.values, seen, strict=True):
            node.visibility = visibility
        return made

    return draw


DRAWINGS: tuple[tuple[str, Draw], ...] = (
    ("Cherry", _box),
    ("Other type of fruit", _rotated),
    ("Persimmon", _polygon),
    ("Branch", _polyline),
    ("Pedicel", _point),
    ("Blueberry", _mask),
    ("Plum", _circle),
    ("Plum", _stretched),
    ("Melon", _ellipse),
    ("Crate", _shifted),
    ("Crate", _receding),
)


def _square(low: float, high: float) -> list[PointCoordinate]:
    return [PointCoordinate(x, y) for x, y in ((low, low), (high, low), (high, high), (low, high))]


def _blot(width: int, height: int, chance: Chance) -> Any:  # noqa: ANN401 - a boolean array
    """A disc with a hole and some dust, which touches the picture's edges."""
    y, x = np.mgrid[:height, :width]
    centre = chance.uniform(0.2, 0.8, size=2) * (height, width)
    far = np.hypot(y - centre[0], x - centre[1])
    return ((far < height / 3) & (far > height / 8)) | (chance.random((height, width)) < 0.002)


def _whales(row: LabelRowV2, ontology: OntologyStructure, chance: Chance) -> None:
    whale = _class(ontology, "Whale")
    frames = _frames(row, chance)
    first = _place(row, whale.create_instance(), _box, frames, chance)
    second = _place(row, whale.create_instance(), _box, frames, chance)
    first.set_answer("This is a picture of a whale", attribute=_attribute(whale, "Description"))
    first.set_answer(_option(whale, "Colour", "Blue"))
    first.set_answer("a relation in words", attribute=_attribute(whale, "Description #relation"))
    first.set_answer(12.5, attribute=_attribute(whale, "Length"))
    marks = _attribute(whale, "Marks")
    first.set_answer([option for option in marks.options if option.title != "Notch"], attribute=marks)
    second.set_answer(first.object_hash, attribute=_attribute(whale, "Description #relation"))
    other = _option(whale, "Colour", "Other")
    second.set_answer(other)
    which, shade = other.attributes
    second.set_answer(next(option for option in which.options if option.title == "Pink"))
    second.set_answer("salmon", attribute=shade)


def _person(row: LabelRowV2, ontology: OntologyStructure, chance: Chance) -> None:
    person = _class(ontology, "Person")
    video = row.data_type.value.lower() == "video"
    item = _place(row, person.create_instance(), _box, [0, 1, 2, 3, 5] if video else [0], chance)
    item.set_answer("Ann", attribute=_attribute(person, "Name"))
    carries = _attribute(person, "Carries")
    if not video:
        item.set_answer(_option(person, "Position", "Walking"), frames=0)
        item.set_answer([carries.options[0], carries.options[2]], attribute=carries, frames=0)
        return
    # The three ways to name frames: a number, a range and a list of ranges.
    item.set_answer(_option(person, "Position", "Walking"), frames=0)
    item.set_answer(_option(person, "Position", "Standing"), frames=Range(start=1, end=3))
    item.set_answer([carries.options[0]], attribute=carries, frames=[Range(0, 1), Range(5, 5)])
    item.set_answer([carries.options[1], carries.options[2]], attribute=carries, frames=Range(2, 3))
    item.set_answer("hello", attribute=_attribute(person, "Says"), frames=[Range(2, 2), Range(5, 5)])
    item.set_answer(1.5, attribute=_attribute(person, "Speed"), frames=Range(0, 2))
    item.set_answer(3, attribute=_attribute(person, "Speed"), frames=Range(3, 3))


def _classify(row: LabelRowV2, ontology: OntologyStructure) -> None:
    marks = {item.title: item for item in ontology.classifications}
    last = row.number_of_frames - 1
    question = marks["Blueberry or cherry?"]
    item = question.create_instance()
    cherry = next(option for option in question.attributes[0].options if option.title == "Cherry")
    item.set_answer(cherry)
    item.set_answer("Morello", attribute=cherry.attributes[0])
    item.set_for_frames(Range(0, last), confidence=0.75, created_by=ANNOTATOR)
    row.add_classification_instance(item)
    many = marks["Many types of fruit?"].create_instance()
    many.set_answer([option for option in many.ontology_item.attributes[0].options if option.title != "Pear"])
    many.set_for_frames(last)
    row.add_classification_instance(many)
    for at, text in {0: "first", **({last: "last"} if last else {})}.items():
        remark = marks["Remark"].create_instance()
        remark.set_answer(text)
        remark.set_for_frames(at)
        row.add_classification_instance(remark)
    ripeness = marks["Ripeness"].create_instance()
    ripeness.set_answer(0.1)
    ripeness.set_for_frames(0)
    row.add_classification_instance(ripeness)
    checked = marks["Checked"].create_instance()
    checked.set_answer(checked.ontology_item.attributes[0].options[0])
    row.add_classification_instance(checked)


def _attribute(item: Object, title: str) -> Attribute:
    return next(attribute for attribute in item.attributes if attribute.title == title)


def _option(item: Object, attribute: str, title: str) -> Any:  # noqa: ANN401 - an option of either kind
    return next(option for option in _attribute(item, attribute).options if option.title == title)

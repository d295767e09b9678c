"""`add` and `remove`: objects that the job names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pipeline.core import spans
from pipeline.core.geometry import (
    Box,
    Ellipse,
    Geometry,
    Node,
    Point,
    Polygon,
    Polyline,
    RotatedBox,
    Skeleton,
    shape_of,
)
from pipeline.core.labels import LabelRow, ObjectInstance, Occurrence
from pipeline.core.ontology import ClassDef, Ontology, SkeletonTemplate, TemplateNode
from pipeline.core.operations.assign import Set, answer_of
from pipeline.core.operations.edits import derived_id, merged_classes, with_objects

XY = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewObject:
    """An object of class `class_`, drawn by exactly one of the geometries, in pixels.

    `box` is x, y, width, height; `rotated_box` has degrees clockwise after them; `circle` is x, y, radius;
    `ellipse` is x, y, both radii and degrees; `polygon` and `polyline` are points; `point` is x, y;
    `skeleton` maps names of nodes to points; `geometry` is any geometry, from Python. It is on `frames`
    (absent: 0). `attributes` are static answers, with values as in `Set`. Without an `id` it gets a derived
    one.
    """

    class_: str
    box: tuple[float, float, float, float] | None = None
    rotated_box: tuple[float, float, float, float, float] | None = None
    circle: tuple[float, float, float] | None = None
    ellipse: tuple[float, float, float, float, float] | None = None
    polygon: tuple[XY, ...] | None = None
    polyline: tuple[XY, ...] | None = None
    point: XY | None = None
    skeleton: Mapping[str, XY] | None = None
    geometry: Any = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    frames: int | tuple[int, ...] | tuple[tuple[int, int], ...] = 0
    confidence: float | None = None
    track: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        self.drawn()
        self.at("")
        if self.polygon is not None and len(self.polygon) < 3:  # noqa: PLR2004
            raise ValueError(f"polygon: found {len(self.polygon)} points, expected at least 3")

    def drawn(self) -> Geometry:
        """Return the geometry. Raises ValueError unless exactly one is given."""
        given: list[Geometry] = [] if self.geometry is None else [self.geometry]
        if self.box:
            given.append(Box(*self.box))
        if self.rotated_box:
            given.append(RotatedBox(*self.rotated_box))
        if self.circle:
            x, y, radius = self.circle
            given.append(Ellipse(x, y, radius, radius, circle=True))
        if self.ellipse:
            given.append(Ellipse(*self.ellipse))
        if self.polygon is not None:
            given.append(Polygon(((self.polygon,),)))
        if self.polyline is not None:
            given.append(Polyline(self.polyline))
        if self.point:
            given.append(Point(*self.point))
        if self.skeleton:
            given.append(Skeleton(tuple(Node(name, x, y) for name, (x, y) in self.skeleton.items())))
        if len(given) != 1:
            raise ValueError(
                f"found {len(given)} geometries, expected exactly one of box, rotated_box, circle, ellipse, "
                "polygon, polyline, point, skeleton"
            )
        return given[0]

    def at(self, new_id: str) -> ObjectInstance:
        """Return the object, under this id unless it has its own."""
        occurrence = Occurrence(self.drawn(), confidence=self.confidence)
        frames = [frame for first, last in spans.chosen(self.frames) for frame in range(first, last + 1)]
        answers = tuple(answer_of(name, value) for name, value in self.attributes.items())
        return ObjectInstance(
            self.id or new_id, self.class_, dict.fromkeys(frames, occurrence), answers, self.track
        )

    def definition(self) -> ClassDef:
        """Return the class that the object needs."""
        geometry = self.drawn()
        nodes = geometry.nodes if isinstance(geometry, Skeleton) else ()
        template = SkeletonTemplate(tuple(TemplateNode(node.name) for node in nodes)) if nodes else None
        return ClassDef(self.class_, shape_of(geometry), skeleton=template)


@dataclass(frozen=True, slots=True)
class Add:
    """Add objects to every row, or to those of these `titles`. An id that a row already has is not added."""

    objects: tuple[NewObject, ...]
    titles: tuple[str, ...] | None = None
    heavy: ClassVar[bool] = False
    foreign: ClassVar[bool] = False

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the row with the new objects at its end."""
        if self.titles is not None and row.title not in self.titles:
            return row
        known = {item.id for item in row.objects}
        new = (item.at(derived_id(row.key, "add", place)) for place, item in enumerate(self.objects))
        return with_objects(row, (*row.objects, *(item for item in new if item.id not in known)))

    def revise(self, ontology: Ontology) -> Ontology:
        """Add the classes of the new objects, with their attributes."""
        classes = merged_classes((*ontology.classes, *(item.definition() for item in self.objects)))
        ontology = replace(ontology, classes=classes)
        for item in self.objects:
            shape = shape_of(item.drawn())
            for name, value in item.attributes.items():
                answered = Set(attribute=name, value=value, classes=(item.class_,), shapes=(shape,))
                ontology = answered.revise(ontology)
        return ontology


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Take objects away by `ids` or by `classes`: one that is in either goes."""

    ids: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    heavy: ClassVar[bool] = False
    foreign: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.ids and not self.classes:
            raise ValueError("nothing to remove; give ids or classes")

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the row without the objects; they leave groups and relations too."""
        return with_objects(
            row,
            [item for item in row.objects if item.id not in self.ids and item.class_name not in self.classes],
        )

    def revise(self, ontology: Ontology) -> Ontology:
        """Take the classes away."""
        return replace(
            ontology, classes=tuple(item for item in ontology.classes if item.name not in self.classes)
        )

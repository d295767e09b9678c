"""What reading and writing a row need to know beside the row: the project, the job's choices, the place."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from pipeline.core.geometry import Geometry, Polygon, Shape
from pipeline.core.labels import LabelRow
from pipeline.core.losses import Note
from pipeline.core.ontology import AttributeKind, Ontology
from pipeline.core.rows import PackedRow
from pipeline.platforms.supervisely.convert.geometry import NO_NODES, Nodes
from pipeline.platforms.supervisely.convert.ontology import (
    nodes_of,
    own_json,
    read_ontology,
    tag_kind,
    tags_of,
)
from pipeline.platforms.supervisely.wire import ANY, MULTIPOLYGON, NAMES, Image, Json


@dataclass(frozen=True, slots=True)
class Rules:
    """Choices of a job.

    `confidence_tag` names the tag of numbers that holds the confidence of a label; without one there is no
    place for it. `polygons` is the shape that a new class of polygons gets: `polygon` (of one part),
    `multipolygon`, or `any`. `require_answers` asks for nothing: no tag of Supervisely is required.
    """

    confidence_tag: str | None = None
    require_answers: bool = False
    polygons: str = "polygon"


_NO_RULES: Final = Rules()


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the project: its id, if it is known, the name of its shape, and its skeleton's nodes."""

    id: int | None
    shape: str
    nodes: Nodes = NO_NODES

    def draws(self, shape: Shape, geometry: Geometry, came: str | None = None) -> str | None:
        """Return the name of the geometry that a label of this class is drawn with, or None for no way.

        A polygon of several parts in a class of polygons is drawn as a polygon: with one of its parts. In a
        class of any shape one that `came` as a multipolygon stays one, with a single part too.
        """
        if self.shape == MULTIPOLYGON and shape is Shape.POLYGON:
            return MULTIPOLYGON
        name = NAMES.get(shape)
        if self.shape == ANY:
            several = isinstance(geometry, Polygon) and (len(geometry.parts) > 1 or came == MULTIPOLYGON)
            return MULTIPOLYGON if several else name
        return name if self.shape == name else None


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of the project. `classes` are those whose labels may have it (empty: all)."""

    name: str
    value_type: str
    kind: AttributeKind
    values: tuple[str, ...]
    of_objects: bool
    of_images: bool
    classes: frozenset[str]

    def fits(self, class_name: str | None) -> bool:
        """Whether a label of this class may have it, or, for None, an image."""
        if class_name is None:
            return self.of_images
        return self.of_objects and (not self.classes or class_name in self.classes)


@dataclass(frozen=True, slots=True)
class Project:
    """A project as its meta says it is; `project_of` makes one."""

    meta: Json
    ontology: Ontology
    rules: Rules = Rules()
    classes: Mapping[str, Class] = field(default_factory=dict, repr=False, compare=False)
    tags: Mapping[str, Tag] = field(default_factory=dict, repr=False, compare=False)


def project_of(meta: Json, rules: Rules = _NO_RULES) -> Project:
    """Return the project of a meta, whose classes and tags are found by name.

    The tag that holds confidences is no attribute of any class. Raises UsageError for JSON that is no meta.
    """
    ontology = read_ontology(meta)
    if rules.confidence_tag is not None:
        ontology = _without(ontology, rules.confidence_tag)
    classes = {item.name: _class(item.id, own_json(item.raw) or {}) for item in ontology.classes}
    tags = {tag["name"]: _tag(tag) for tag in tags_of(meta)}
    return Project(meta, ontology, rules, classes, tags)


def _without(ontology: Ontology, tag: str) -> Ontology:
    classes = tuple(
        replace(item, attributes=tuple(one for one in item.attributes if one.name != tag))
        for item in ontology.classes
    )
    return replace(ontology, classes=classes)


def _class(number: str | None, found: Json) -> Class:
    names = {key: name for key, name, _, _ in nodes_of(found)}
    ids = {name: key for key, name in names.items()}
    known = int(number) if number is not None and number.isdecimal() else None
    return Class(known, str(found.get("shape")), Nodes(names, ids) if names else NO_NODES)


def _tag(found: Json) -> Tag:
    applicable = found.get("applicable_type") or "all"
    return Tag(
        found["name"],
        str(found.get("value_type")),
        tag_kind(found),
        tuple(map(str, found.get("values") or ())),
        applicable in ("all", "objectsOnly"),
        applicable in ("all", "imagesOnly"),
        frozenset(map(str, found.get("classes") or ())),
    )


class Opened(NamedTuple):
    """An image with its annotation as the server gave them: what `Place.details` holds once a row is open.

    `geometries` are the bitmaps of alpha masks, which come separately, by figure id. One that `is_new` was
    made for its row. A packed row has the image only.
    """

    image: Image
    annotation: Json | None = None
    geometries: Mapping[int, Json] = {}
    is_new: bool = False


def image_of_row(row: PackedRow) -> Image:
    """Return the image that a row was opened with."""
    opened: Opened = row.place.details
    return opened.image


class Read(NamedTuple):
    """A row, and what was met while it was read."""

    row: LabelRow
    notes: tuple[Note, ...] = ()


def json_of(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON value
    """Return a mapping of the wire, or an empty one for whatever else it is."""
    return value if isinstance(value, Mapping) else {}

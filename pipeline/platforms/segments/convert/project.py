"""What reading and writing a row need to know beside the row: the dataset, the job's choices, the place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow
from pipeline.core.losses import Loss, Note
from pipeline.core.ontology import AttributeDef, ClassDef, Ontology
from pipeline.platforms.segments.convert.kinds import Kind
from pipeline.platforms.segments.convert.numeric import whole
from pipeline.platforms.segments.wire import JsonValue, Label, Sample


@dataclass(frozen=True, slots=True)
class Rules:
    """Choices of a job.

    Groups are the values of the object attribute `group_attribute`, or, with `group_links`, the objects that
    links connect; with neither there are none. `require_answers`: a missing mandatory one is an error.
    """

    group_attribute: str | None = None
    group_links: bool = False
    require_answers: bool = False


@dataclass(frozen=True, slots=True)
class Category:
    """A class of the dataset under its number, with its attributes by name."""

    id: int
    definition: ClassDef
    attributes: Mapping[str, AttributeDef]
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """A dataset. `service` is the address of the API: bitmaps of the same service need not move.

    `full_rotation`: cuboids may be turned about all axes.
    """

    kind: Kind
    ontology: Ontology
    rules: Rules = Rules()
    service: str = ""
    full_rotation: bool = False
    _categories: Mapping[int, Category] = field(init=False, repr=False, compare=False)
    _names: Mapping[str, list[Category]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = [_category(item) for item in self.ontology.classes]
        known = [item for item in found if item is not None]
        object.__setattr__(self, "_categories", {item.id: item for item in reversed(known)})
        names: dict[str, list[Category]] = {}
        for item in known:
            names.setdefault(item.definition.name, []).append(item)
        object.__setattr__(self, "_names", names)

    def category(self, number: int) -> Category | None:
        """Return the category of that number, or None."""
        return self._categories.get(number)

    def named(self, name: str, shape: Shape) -> Category | None:
        """Return the category that objects of this class and shape are of, or None."""
        for found in self._names.get(name, ()):
            if found.definition.shape in (Shape.ANY, shape):
                return found
        return None


def _category(item: ClassDef) -> Category | None:
    number = whole(item.id)
    if number is None:
        return None
    required = tuple(attribute.name for attribute in item.attributes if attribute.required)
    return Category(number[0], item, {attribute.name: attribute for attribute in item.attributes}, required)


class Numbered(NamedTuple):
    """The numbers of one object: its own, its id on frames where that is another, and its track."""

    number: int
    ids: Mapping[int, int]
    track: int

    def at(self, frame: int) -> int:
        """Return the id on a frame."""
        return self.ids.get(frame, self.number)


class Numbers(NamedTuple):
    """The numbers of the objects of a row by their ids, and what was met while they were given."""

    objects: Mapping[str, Numbered]
    losses: tuple[Loss, ...] = ()
    notes: tuple[Note, ...] = ()


class Opened(NamedTuple):
    """A sample as the dataset gave it: what `Place.details` holds once the row is open.

    `numbers` are there once the row is arranged.
    """

    sample: Sample
    label: Label | None = None
    numbers: Numbers | None = None


class Read(NamedTuple):
    """A row, and what was met while it was read."""

    row: LabelRow
    notes: tuple[Note, ...] = ()


def json_of(value: JsonValue) -> Mapping[str, Any]:
    """Return a mapping of the wire, or an empty one for whatever else it is."""
    return value if type(value) is dict or isinstance(value, Mapping) else {}

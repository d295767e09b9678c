"""The categories and attributes of a dataset (its `task_attributes`) to an ontology and back.

What came is kept whole under `segments` in `raw` of the ontology, of its classes and of its attributes, so
that keys which the label model does not know go out as they came in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from pipeline.core.geometry import Shape
from pipeline.core.ontology import (
    AttributeDef,
    AttributeKind,
    ClassDef,
    ClassificationDef,
    Ontology,
    OptionDef,
)
from pipeline.core.operations.edits import merged_attributes
from pipeline.errors import UsageError
from pipeline.platforms.segments.convert.kinds import Kind, kind_of
from pipeline.platforms.segments.wire import PLATFORM, Json, JsonValue

INPUT_TYPES: dict[str, AttributeKind] = {
    "select": AttributeKind.RADIO,
    "multiselect": AttributeKind.CHECKLIST,
    "text": AttributeKind.TEXT,
    "number": AttributeKind.NUMBER,
    "checkbox": AttributeKind.BOOLEAN,
    "vector3": AttributeKind.JSON,
    "quaternion": AttributeKind.JSON,
    "points": AttributeKind.JSON,
}
"""Input types of attributes; any other one is carried as `AttributeKind.JSON`."""

_TYPE_NAMES: dict[AttributeKind, str] = {
    kind: name for name, kind in INPUT_TYPES.items() if kind is not AttributeKind.JSON
}
_CHOICES = frozenset({AttributeKind.RADIO, AttributeKind.CHECKLIST})
_COLOURS = (
    "#218a21", "#e27300", "#16406c", "#d33115", "#009ce0", "#7b64ff", "#fa28ff", "#0c797d", "#c45100",
    "#808900",
)  # fmt: skip


def own_json(raw: Mapping[str, Any] | None) -> Json | None:
    """Return a copy of the JSON that came from Segments.ai with a definition, or None."""
    found = raw.get(PLATFORM) if raw else None
    return dict(found) if isinstance(found, Mapping) else None


def option_name(value: JsonValue) -> str:
    """Return the option that a value of a select or multiselect stands for: text as it is, else its JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


# ---- reading --------------------------------------------------------------------------------------------


def read_ontology(task_type: str, task_attributes: Mapping[str, Any] | None) -> Ontology:
    """Return the ontology of a dataset: a class for each category, a classification for each image attribute.

    A class has the one shape of the dataset's type, or `Shape.ANY` where the type draws several. Its id is
    the category's. Attributes of sequences that are not track level are dynamic. Raises UsageError for an
    unknown type and for JSON that has no categories in it.
    """
    kind = kind_of(task_type)
    found = task_attributes or {}
    try:
        classes = tuple(_class(one, kind) for one in found.get("categories") or ())
        marks = tuple(
            ClassificationDef(_attribute(one, moving=False)) for one in found.get("image_attributes") or ()
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"the dataset's categories cannot be read ({type(error).__name__}: {error})"
        raise UsageError(f"{message}; open the dataset's settings and save them again") from error
    rest = {key: value for key, value in found.items() if key not in {"categories", "image_attributes"}}
    if "image_attributes" in found and not marks:
        rest["image_attributes"] = found["image_attributes"]
    return Ontology(classes, marks, {PLATFORM: rest})


def _class(found: Mapping[str, Any], kind: Kind) -> ClassDef:
    return ClassDef(
        _name(found),
        _shape(kind),
        str(_id(found["id"])),
        _colour(found.get("color")),
        tuple(_attribute(one, moving=kind.sequence) for one in found.get("attributes") or ()),
        raw={PLATFORM: dict(found)},
    )


def _shape(kind: Kind) -> Shape:
    return next(iter(kind.shapes)) if len(kind.shapes) == 1 else Shape.ANY


def _attribute(found: Mapping[str, Any], *, moving: bool) -> AttributeDef:
    kind = INPUT_TYPES.get(found["input_type"], AttributeKind.JSON)
    values = (found.get("values") or ()) if kind in _CHOICES else ()
    return AttributeDef(
        _name(found),
        kind,
        required=bool(found.get("is_mandatory")),
        dynamic=moving and not found.get("is_track_level"),
        options=tuple(OptionDef(option_name(value)) for value in values),
        raw={PLATFORM: dict(found)},
    )


def _id(found: JsonValue) -> int:
    number = _number(found)
    if number is None:
        raise TypeError(f"category id {found!r} is not a number")
    return number


def _name(found: Mapping[str, Any]) -> str:
    name = found["name"]
    if not isinstance(name, str):
        raise TypeError(f"name {name!r} is not text")
    return name


def _colour(found: JsonValue) -> str | None:
    """The colour of three numbers from 0 to 255, of which fractions are rounded; None for anything else."""
    if not isinstance(found, list | tuple) or len(found) < 3:  # noqa: PLR2004 - red, green, blue
        return None
    if not all(isinstance(part, int | float) for part in found[:3]):
        return None
    return "#" + "".join(f"{min(max(round(part), 0), 255):02x}" for part in found[:3])


# ---- what a dataset can hold ------------------------------------------------------------------------------


def fitted(ontology: Ontology, kind: Kind) -> tuple[Ontology, tuple[str, ...]]:
    """Return what a dataset of this type can hold of an ontology, and a sentence for each thing left out.

    Those are classes of other shapes (polygons may go to bitmaps: they are drawn there), attributes below
    options, and attributes of any JSON value that no input type is known for.
    """
    lost: list[str] = []
    classes = []
    for item in ontology.classes:
        if item.shape in kind.takes or item.shape is Shape.ANY:
            classes.append(replace(item, attributes=_fitted(item.attributes, item.name, lost)))
        else:
            shapes = ", ".join(sorted(kind.takes))
            why = f"class {item.name!r}: a dataset of type {kind.task_type} has no {item.shape.value}"
            lost.append(f"{why}; it has {shapes}; use `convert`, or drop the class")
    _clashes(classes, lost)
    marks = [
        replace(mark, attribute=attribute)
        for mark in ontology.classifications
        for attribute in _fitted((mark.attribute,), mark.name, lost)
    ]
    return replace(ontology, classes=tuple(classes), classifications=tuple(marks)), tuple(lost)


def _fitted(items: Iterable[AttributeDef], owner: str, lost: list[str]) -> tuple[AttributeDef, ...]:
    found = []
    for item in items:
        what = f"attribute {item.name!r} of {owner!r}"
        if item.kind is AttributeKind.JSON and not _known_json(item):
            lost.append(
                f"{what}: Segments.ai has no attribute for any JSON value; it has {', '.join(INPUT_TYPES)}"
            )
            continue
        nested = [option.name for option in item.options if option.attributes]
        if nested:
            lost.append(f"{what}: Segments.ai has no attributes below an option ({', '.join(nested)})")
        options = tuple(replace(option, attributes=()) for option in item.options) if nested else item.options
        found.append(replace(item, options=options) if nested else item)
    return tuple(found)


def _known_json(item: AttributeDef) -> bool:
    own = own_json(item.raw)
    return own is not None and _kind_of(own) is AttributeKind.JSON


def _kind_of(own: Json) -> AttributeKind | None:
    said = own.get("input_type")
    return INPUT_TYPES.get(said, AttributeKind.JSON) if isinstance(said, str) else None


def _clashes(classes: Iterable[ClassDef], lost: list[str]) -> None:
    """Name attributes that classes of one name, which share a category, have with different kinds."""
    known: dict[tuple[str, str], tuple[Shape, AttributeKind]] = {}
    for item in classes:
        for attribute in item.attributes:
            shape, kind = known.setdefault((item.name, attribute.name), (item.shape, attribute.kind))
            if shape is not item.shape and kind is not attribute.kind:
                what = f"attribute {attribute.name!r} of {item.name!r}"
                why = (
                    f"a {kind.value} of its {shape.value}, a {attribute.kind.value} of its {item.shape.value}"
                )
                lost.append(f"{what} is {why}; they share a category, which has it once")


# ---- writing --------------------------------------------------------------------------------------------


def write_ontology(ontology: Ontology, kind: Kind) -> Json:
    """Return the `task_attributes` of a dataset of this type.

    Classes of one name are one category. A numeric id is kept where it is free, others count from 1. Raises
    UsageError for the first thing that `fitted` would leave out.
    """
    _, lost = fitted(ontology, kind)
    if lost:
        raise UsageError(lost[0])
    firsts = [_merged(items) for items in _categories(ontology.classes)]
    ids = _ids(firsts)
    own = own_json(ontology.raw)
    rest: Json = {"format_version": "0.1"} if own is None else own
    marks = [_attribute_wire(item.attribute, moving=None) for item in ontology.classifications]
    wire: Json = {key: rest.pop(key) for key in ("format_version",) if key in rest}
    wire["categories"] = [_category(*pair, kind) for pair in zip(firsts, ids, strict=True)]
    if marks:
        rest["image_attributes"] = marks
    wire.update(rest)
    return _renumbered(wire, firsts, ids)


def _categories(classes: Iterable[ClassDef]) -> list[list[ClassDef]]:
    """The classes of each category: those of one name, but categories that came as two stay two."""
    found: dict[str, dict[int | None, list[ClassDef]]] = {}
    for item in classes:
        own = _number((own_json(item.raw) or {}).get("id"))
        alike = found.setdefault(item.name, {})
        if alike and (own is None or None in alike):
            next(iter(alike.values())).append(item)
        else:
            alike.setdefault(own, []).append(item)
    return [items for alike in found.values() for items in alike.values()]


def _merged(items: list[ClassDef]) -> ClassDef:
    """Classes of one name as one: the first, with the attributes of all."""
    first = items[0]
    if len(items) == 1:
        return first
    return replace(first, attributes=merged_attributes(one for item in items for one in item.attributes))


def _ids(classes: Iterable[ClassDef]) -> list[int]:
    """The category id of each class."""
    used: set[int] = set()
    wishes: list[int | None] = []
    for item in classes:
        own = own_json(item.raw)
        # The id of another platform's class may well look like a number.
        said = item.id if own is not None or not item.raw else None
        known = (_number(said), _number((own or {}).get("id")))
        free = next((one for one in known if one is not None and one not in used), None)
        wishes.append(free)
        used.update(() if free is None else (free,))
    last = 0
    ids = []
    for wish in wishes:
        while wish is None and (last := last + 1) in used:
            pass
        ids.append(last if wish is None else wish)
    return ids


def _number(found: JsonValue) -> int | None:
    if isinstance(found, float) and found.is_integer():
        return int(found)
    if isinstance(found, str) and found.isascii() and found.isdecimal():
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _category(item: ClassDef, number: int, kind: Kind) -> Json:
    own = own_json(item.raw)
    wire: Json = {"id": number, "name": item.name} if own is None else own
    if _number(wire.get("id")) != number:
        wire["id"] = number
    wire["name"] = item.name
    colour = item.colour or (_COLOURS[(number - 1) % len(_COLOURS)] if own is None else None)
    if colour is not None and colour != _colour(wire.get("color")):
        wire["color"] = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    if own is None:
        wire["has_instances"] = True
    attributes = [_attribute_wire(one, moving=kind.sequence) for one in item.attributes]
    if attributes or wire.get("attributes"):
        wire["attributes"] = attributes
    return wire


def _attribute_wire(item: AttributeDef, *, moving: bool | None) -> Json:
    """One attribute. `moving` says whether it may change from frame to frame; None: that is not said."""
    own = own_json(item.raw)
    wire: Json = {} if own is None else own
    wire["name"] = item.name
    if _kind_of(wire) is not item.kind:
        wire["input_type"] = _TYPE_NAMES[item.kind]
    if item.kind in _CHOICES:
        names = [option.name for option in item.options]
        if [option_name(value) for value in wire.get("values") or ()] != names or "values" not in wire:
            wire["values"] = names
    if bool(wire.get("is_mandatory")) != item.required:
        wire["is_mandatory"] = item.required
    fresh = own is None and moving
    if fresh or (moving and (not wire.get("is_track_level")) != item.dynamic):
        wire["is_track_level"] = not item.dynamic
    return wire


def _renumbered(wire: Json, classes: Iterable[ClassDef], ids: Sequence[int]) -> Json:
    """The same with lists of category ids that follow the categories to their new ids."""
    moved: dict[int, int] = {}
    for item, number in zip(classes, ids, strict=True):
        before = _number((own_json(item.raw) or {}).get("id"))
        if before is not None:
            moved.setdefault(before, number)

    def follow(found: JsonValue) -> JsonValue:
        if not isinstance(found, list) or not all(isinstance(one, int) for one in found):
            return found
        return [moved.get(one, one) for one in found if one in moved or one not in ids]

    for category in wire["categories"]:
        if "link_category_restrictions" in category:
            category["link_category_restrictions"] = follow(category["link_category_restrictions"])
    rules = wire.get("warning_rules")
    if isinstance(rules, list):
        wire["warning_rules"] = [
            {**rule, "excluded_categories": follow(rule["excluded_categories"])}
            if isinstance(rule, Mapping) and "excluded_categories" in rule
            else rule
            for rule in rules
        ]
    return wire

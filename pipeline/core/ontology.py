"""The ontology: classes with shape, colour and attribute tree; classifications; skeleton templates."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pipeline.core.geometry import Shape

NAMED = 12
"""Classes that a message names at most."""


class AttributeKind(StrEnum):
    """What an attribute's answer is."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    RADIO = "radio"
    CHECKLIST = "checklist"
    JSON = "json"
    """Any other JSON value (a vector, a quaternion, a list of points), kept as it came."""


@dataclass(frozen=True, slots=True)
class OptionDef:
    """One option of a radio or a checklist. `id` is the platform's own. Attributes nest below it."""

    name: str
    id: str | None = None
    attributes: tuple["AttributeDef", ...] = ()
    raw: Mapping[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class AttributeDef:
    """One attribute. `relation` marks a text attribute that points at another object."""

    name: str
    kind: AttributeKind
    id: str | None = None
    required: bool = False
    dynamic: bool = False
    relation: bool = False
    options: tuple[OptionDef, ...] = ()
    raw: Mapping[str, Any] | None = field(default=None, compare=False)

    def option(self, name: str) -> OptionDef | None:
        """Return the option of that name, or None."""
        return next((option for option in self.options if option.name == name), None)


@dataclass(frozen=True, slots=True)
class TemplateNode:
    """A node of a skeleton template; x and y are where the template draws it."""

    name: str
    id: str | None = None
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True, slots=True)
class SkeletonTemplate:
    """Nodes in order, and edges as pairs of node names."""

    nodes: tuple[TemplateNode, ...]
    edges: tuple[tuple[str, str], ...] = ()
    raw: Mapping[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ClassDef:
    """A class: name, shape, colour (#rrggbb) and attributes. `id` is the platform's own."""

    name: str
    shape: Shape
    id: str | None = None
    colour: str | None = None
    attributes: tuple[AttributeDef, ...] = ()
    skeleton: SkeletonTemplate | None = None
    raw: Mapping[str, Any] | None = field(default=None, compare=False)

    def attribute(self, name: str) -> AttributeDef | None:
        """Return the top-level attribute of that name, or None."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


@dataclass(frozen=True, slots=True)
class ClassificationDef:
    """A classification of a row or of its frames. Its name is that of its root attribute."""

    attribute: AttributeDef
    id: str | None = None
    whole_row: bool = False
    raw: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The name of the root attribute."""
        return self.attribute.name


@dataclass(frozen=True, slots=True)
class Ontology:
    """Classes and classifications, in the platform's order."""

    classes: tuple[ClassDef, ...] = ()
    classifications: tuple[ClassificationDef, ...] = ()
    raw: Mapping[str, Any] | None = field(default=None, compare=False)

    def find(self, name: str, shape: Shape) -> ClassDef | None:
        """Return the class of that name and shape (a class of shape `any` takes every shape)."""
        for wanted in (shape, Shape.ANY):
            for candidate in self.classes:
                if candidate.name == name and candidate.shape is wanted:
                    return candidate
        return None

    def classification(self, name: str) -> ClassificationDef | None:
        """Return the classification of that name, or None."""
        return next((item for item in self.classifications if item.name == name), None)

    def explain_missing(self, name: str, shape: Shape) -> str:
        """Say why no class fits, and what to do about it."""
        shapes = sorted({item.shape.value for item in self.classes if item.name == name})
        if shapes:
            return (
                f"class {name!r} exists with shape {', '.join(shapes)}, but the label is a {shape.value}; "
                f"add `convert: {{to: {shapes[0]}}}` to the operations, or such a class to the ontology"
            )
        names = sorted({item.name for item in self.classes})
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        known = (", ".join(names[:NAMED]) or "none") + more
        return (
            f"no class {name!r} of shape {shape.value} in the target's ontology (its classes: {known}); "
            "add it there, or use `rename`, `keep` or `drop`"
        )

    def without_text(self, name: str) -> "Ontology":
        """Return the same ontology without static text attributes of that name: they are read otherwise."""
        return replace(self, classes=tuple(_class_without_text(item, name) for item in self.classes))

    def without_ids(self) -> "Ontology":
        """Return the same ontology without any platform's ids, as a draft for another platform."""
        return Ontology(
            tuple(_class_without_ids(item) for item in self.classes),
            tuple(
                replace(item, id=None, attribute=_attribute_without_ids(item.attribute))
                for item in self.classifications
            ),
        )


def _class_without_text(item: ClassDef, name: str) -> ClassDef:
    left = tuple(
        one
        for one in item.attributes
        if one.name != name or one.kind is not AttributeKind.TEXT or one.dynamic or one.relation
    )
    return item if len(left) == len(item.attributes) else replace(item, attributes=left)


def _class_without_ids(item: ClassDef) -> ClassDef:
    attributes = tuple(map(_attribute_without_ids, item.attributes))
    template = item.skeleton
    if template is not None:
        nodes = tuple(replace(node, id=None) for node in template.nodes)
        template = replace(template, nodes=nodes)
    return replace(item, id=None, attributes=attributes, skeleton=template)


def _attribute_without_ids(item: AttributeDef) -> AttributeDef:
    options = tuple(
        replace(option, id=None, attributes=tuple(map(_attribute_without_ids, option.attributes)))
        for option in item.options
    )
    return replace(item, id=None, options=options)


def draft(pairs: Iterable[tuple[str, Shape]]) -> Ontology:
    """Draft an ontology with one class per pair of name and shape, in the order first met."""
    return Ontology(tuple(ClassDef(name, shape) for name, shape in dict.fromkeys(pairs)))

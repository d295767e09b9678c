"""An ontology prepared for look-ups by id and by name: what reading and packing a row need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pipeline.core.geometry import Shape
from pipeline.core.ontology import AttributeDef, ClassDef, Ontology, OptionDef
from pipeline.errors import UsageError
from pipeline.platforms.encord.wire import DRAWN, RELATION_SUFFIX, SHAPE_NAMES, Json


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One option of an attribute: its id and value on the wire, its place among the options."""

    definition: OptionDef
    id: str
    value: str
    order: int
    attributes: tuple["Attribute", ...] = ()

    @property
    def wire(self) -> Json:
        """The option as an answer."""
        return {"name": self.definition.name, "value": self.value, "featureHash": self.id}


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One attribute: its id and value on the wire, its options and what nests below them."""

    definition: AttributeDef
    id: str
    value: str
    choices: tuple[Choice, ...] = ()
    by_name: Mapping[str, Choice] = field(default_factory=dict)
    by_id: Mapping[str, Choice] = field(default_factory=dict)

    def choice(self, entry: object) -> Choice | None:
        """Find the option that an answer names: by id, else by value, else by label."""
        if isinstance(entry, Mapping):
            keys = (entry.get("featureHash"), entry.get("value"), entry.get("name"))
        else:
            keys = (entry, entry, entry)
        found = self.by_id.get(str(keys[0]))
        if found is not None:
            return found
        return next((c for c in self.choices if c.value == keys[1]), None) or self.by_name.get(str(keys[2]))

    def walk(self) -> Iterator["Attribute"]:
        """Give this attribute and all below it."""
        yield self
        for choice in self.choices:
            for nested in choice.attributes:
                yield from nested.walk()


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """A class or a classification. `common` is what every object of the class says about it."""

    name: str
    id: str
    attributes: tuple[Attribute, ...]
    tree: Mapping[str, Attribute]
    names: Mapping[str, Attribute]
    required: bool
    common: Mapping[str, Any] = field(default_factory=dict)
    definition: ClassDef | None = None
    whole_row: bool = False
    drawn: bool = False
    """Whether an object of the class can be on a picture."""

    def resolve(self, entry: Mapping[str, Any]) -> Attribute | None:
        """Find the attribute, at any depth, that an entry answers: by id, else by a name met once."""
        found = self.tree.get(entry.get("featureHash", ""))
        if found is not None:
            return found
        name = entry.get("name")
        same = [attribute for attribute in self.tree.values() if attribute.definition.name == name]
        return same[0] if len(same) == 1 else None


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Classes by id and by (name, shape); classifications by id and by name."""

    ontology: Ontology
    classes: Mapping[str, Label]
    pairs: Mapping[tuple[str, Shape], Label]
    classifications: Mapping[str, Label]
    titles: Mapping[str, Label]


def index_of(ontology: Ontology) -> Index:
    """Return the index of an ontology, built once for each ontology object."""
    return _cached(_Same(ontology))


class _Same:
    """An ontology compared by identity: comparing by value would walk the whole tree for every row."""

    __slots__ = ("ontology",)

    def __init__(self, ontology: Ontology) -> None:
        self.ontology = ontology

    def __hash__(self) -> int:
        return id(self.ontology)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.ontology is other.ontology


@lru_cache(maxsize=16)
def _cached(same: _Same) -> Index:
    ontology = same.ontology
    classes = [_class(item) for item in ontology.classes]
    classifications = [
        _label(i.name, i.id, (i.attribute,), whole_row=i.whole_row) for i in ontology.classifications
    ]
    pairs: dict[tuple[str, Shape], Label] = {}
    for definition, label in sorted(
        zip(ontology.classes, classes, strict=True), key=lambda pair: _archived(pair[0].raw)
    ):
        pairs.setdefault((definition.name, definition.shape), label)
    titles: dict[str, Label] = {}
    for item, label in sorted(
        zip(ontology.classifications, classifications, strict=True),
        key=lambda pair: _archived(pair[0].attribute.raw),
    ):
        titles.setdefault(item.name, label)
    return Index(
        ontology,
        {label.id: label for label in classes},
        pairs,
        {label.id: label for label in classifications},
        titles,
    )


def _archived(raw: Mapping[str, Any] | None) -> bool:
    return bool(raw and raw.get("archived"))


def _class(definition: ClassDef) -> Label:
    raw = definition.raw or {}
    common = {
        "name": definition.name,
        "color": raw.get("color", definition.colour),
        "shape": raw.get("shape") or SHAPE_NAMES.get(definition.shape, definition.shape.value),
        "value": _snake(definition.name),
    }
    return _label(definition.name, definition.id, definition.attributes, common=common, definition=definition)


def _label(
    name: str,
    identity: str | None,
    attributes: tuple[AttributeDef, ...],
    *,
    common: Mapping[str, Any] | None = None,
    definition: ClassDef | None = None,
    whole_row: bool = False,
) -> Label:
    top = tuple(_attribute(item, name) for item in attributes)
    tree = {attribute.id: attribute for item in top for attribute in item.walk()}
    names: dict[str, Attribute] = {}
    for item in sorted(top, key=lambda one: _archived(one.definition.raw)):
        names.setdefault(item.definition.name, item)
    for item in top:
        if item.definition.relation:  # other platforms know it without the suffix
            names.setdefault(item.definition.name.removesuffix(RELATION_SUFFIX), item)
    required = any(attribute.definition.required for attribute in tree.values())
    return Label(
        name,
        _known(identity, name),
        top,
        tree,
        names,
        required,
        common or {},
        definition,
        whole_row,
        drawn=definition is not None and definition.shape in DRAWN,
    )


def _attribute(definition: AttributeDef, owner: str) -> Attribute:
    where = f"{owner}: {definition.name}"
    choices = tuple(
        Choice(
            option,
            _known(option.id, f"{where}: {option.name}"),
            str((option.raw or {}).get("value") or option_value(option.name)),
            order,
            tuple(_attribute(nested, f"{where}: {option.name}") for nested in option.attributes),
        )
        for order, option in enumerate(definition.options)
    )
    return Attribute(
        definition,
        _known(definition.id, where),
        _snake(definition.name),
        choices,
        {choice.definition.name: choice for choice in reversed(choices)},
        {choice.id: choice for choice in choices},
    )


def _known(identity: str | None, where: str) -> str:
    if identity is None:
        message = (
            f"ontology, {where!r}: no featureNodeHash; read the ontology from the project before packing rows"
        )
        raise UsageError(message)
    return identity


def _snake(name: str) -> str:
    return name.lower().replace(" ", "_")


def option_value(label: str) -> str:
    """Return the `value` that Encord gives to an option of this label."""
    return "".join("_" if character.isspace() else character for character in label.lower())


def missing_attribute(label: Label, name: str, known: Mapping[str, Any]) -> str:
    """Say that an attribute is not in the ontology, and which are."""
    names = ", ".join(sorted(known)) or "none"
    message = f"no attribute {name!r} in {label.name!r} of the ontology (known: {names})"
    return f"{message}; add it there, or rename it"

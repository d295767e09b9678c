"""Makes an ontology with the SDK: the classes of the vendor's guide, and every other shape and attribute."""

from collections.abc import Sequence
from typing import Any

from encord.objects import Object, OntologyStructure, Shape
from encord.objects.attributes import (
    ChecklistAttribute,
    NumericAttribute,
    RadioAttribute,
    TextAttribute,
)
from encord.objects.classification import Classification, OntologyClassificationLevel
from encord.objects.skeleton_template import SkeletonTemplate, SkeletonTemplateCoordinate

FRUIT = {
    "Cherry": Shape.BOUNDING_BOX,
    "Other type of fruit": Shape.ROTATABLE_BOUNDING_BOX,
    "Persimmon": Shape.POLYGON,
    "Branch": Shape.POLYLINE,
    "Pedicel": Shape.POINT,
    "Blueberry": Shape.BITMASK,
    "Plum": Shape.CIRCLE,
    "Melon": Shape.ELLIPSE,
    "Crate": Shape.CUBOID_2D,
    "Rustle": Shape.AUDIO,
    "Word": Shape.TEXT,
}
"""Classes with a shape and nothing more; the last two are of kinds that no picture has."""
TRIANGLE = {"top": (0.5, 0.0), "left": (0.0, 1.0), "right": (1.0, 1.0)}


def ontology() -> OntologyStructure:
    """Return the whole ontology."""
    made = OntologyStructure()
    for name, shape in FRUIT.items():
        made.add_object(name, shape)
    made.add_skeleton_object("Strawberry", _triangle())
    _whale(made.add_object("Whale", Shape.BOUNDING_BOX))
    _person(made.add_object("Person", Shape.BOUNDING_BOX))
    _classifications(made)
    return made


def _triangle() -> SkeletonTemplate:
    nodes = {
        str(at): SkeletonTemplateCoordinate(x=x, y=y, name=name, value=name, feature_hash=f"node{at}+/=")
        for at, (name, (x, y)) in enumerate(TRIANGLE.items())
    }
    edges = {"0": {"1": {"color": "#000000"}}, "1": {"2": {"color": "#000000"}}}
    return SkeletonTemplate(name="Triangle", width=0.2, height=0.2, skeleton=nodes, skeleton_edges=edges)


def _whale(whale: Object) -> None:
    whale.add_attribute(TextAttribute, "Description")
    whale.add_attribute(TextAttribute, "Description #relation")
    whale.add_attribute(NumericAttribute, "Length")
    _options(whale.add_attribute(ChecklistAttribute, "Marks"), ("Scar", "Notch", "Barnacles"))
    colour = whale.add_attribute(RadioAttribute, "Colour")
    _options(colour, ("Blue", "Grey"))
    other = colour.add_option("Other")
    _options(other.add_nested_attribute(RadioAttribute, "Any Other Colours?"), ("Pink", "White"))
    other.add_nested_attribute(TextAttribute, "Shade")


def _person(person: Object) -> None:
    _options(person.add_attribute(RadioAttribute, "Position", dynamic=True), ("Standing", "Walking"))
    _options(person.add_attribute(ChecklistAttribute, "Carries", dynamic=True), ("Basket", "Ladder", "Hat"))
    person.add_attribute(TextAttribute, "Says", dynamic=True)
    person.add_attribute(NumericAttribute, "Speed", dynamic=True)
    person.add_attribute(TextAttribute, "Name")


def _classifications(made: OntologyStructure) -> None:
    question = made.add_classification().add_attribute(RadioAttribute, "Blueberry or cherry?")
    question.add_option("Blueberry")
    question.add_option("Cherry").add_nested_attribute(TextAttribute, "Which kind?")
    many = made.add_classification().add_attribute(ChecklistAttribute, "Many types of fruit?")
    _options(many, ("Apple", "Pear", "Quince"))
    made.add_classification().add_attribute(TextAttribute, "Remark")
    made.add_classification().add_attribute(NumericAttribute, "Ripeness")
    whole: Classification = made.add_classification(level=OntologyClassificationLevel.GLOBAL)
    _options(whole.add_attribute(RadioAttribute, "Checked"), ("Yes", "No"))


def _options(attribute: RadioAttribute | ChecklistAttribute, labels: Sequence[str]) -> None:
    for label in labels:
        attribute.add_option(label)


def main(_: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of the ontology, as Encord keeps it."""
    found: dict[str, Any] = ontology().to_dict()
    return found

"""`rename`: other names for classes, attributes, classifications and options."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from pipeline.core.labels import Answer, LabelRow, ObjectInstance, Option
from pipeline.core.ontology import AttributeDef, ClassDef, Ontology, OptionDef
from pipeline.core.operations.edits import (
    merged_attributes,
    merged_classes,
    merged_options,
    same,
    with_objects,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rename:
    """Give other names; each mapping is old name to new name, and all names change at once.

    `attributes` are renamed at every depth, of objects and below classifications. `classifications` are the
    names of classifications themselves. `options` maps the (old) name of a radio or a checklist to its
    options. Two classes that get one name and have one shape become one.
    """

    classes: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    classifications: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    heavy: ClassVar[bool] = False
    foreign: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (self.classes or self.attributes or self.classifications or self.options):
            raise ValueError("nothing to rename; give classes, attributes, classifications or options")

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the row with the new names."""
        row = with_objects(row, map(self._object, row.objects))
        marks = tuple(
            item if (answer := self._answer(item.answer, self.classifications)) is item.answer
            else replace(item, answer=answer)
            for item in row.classifications
        )  # fmt: skip
        links = tuple(
            link
            if (answers := self._answers(link.answers)) is link.answers
            else replace(link, answers=answers)
            for link in row.relations
        )
        if same(marks, row.classifications) and same(links, row.relations):
            return row
        return replace(row, classifications=marks, relations=links)

    def revise(self, ontology: Ontology) -> Ontology:
        """Rename in the ontology; classes that become one have the attributes of both."""
        classes = merged_classes(map(self._class, ontology.classes))
        marks = tuple(
            replace(item, attribute=self._attribute(item.attribute, self.classifications))
            for item in ontology.classifications
        )
        return replace(
            ontology, classes=classes, classifications=tuple({item.name: item for item in marks}.values())
        )

    def _object(self, item: ObjectInstance) -> ObjectInstance:
        name, answers = self.classes.get(item.class_name, item.class_name), self._answers(item.answers)
        if name == item.class_name and answers is item.answers:
            return item
        return replace(item, class_name=name, answers=answers)

    def _answers(self, answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
        return _unless_same(answers, tuple(self._answer(answer, self.attributes) for answer in answers))

    def _answer(self, answer: Answer, names: Mapping[str, str]) -> Answer:
        name, options = names.get(answer.attribute, answer.attribute), self.options.get(answer.attribute, {})
        value: Any = answer.value
        if isinstance(value, Option):
            value = self._option(value, options)
        elif isinstance(value, tuple):
            value = _unless_same(value, tuple(self._option(item, options) for item in value))
        if name == answer.attribute and value is answer.value:
            return answer
        return replace(answer, attribute=name, value=value)

    def _option(self, option: Option, names: Mapping[str, str]) -> Option:
        name, answers = names.get(option.name, option.name), self._answers(option.answers)
        return option if name == option.name and answers is option.answers else Option(name, answers)

    def _class(self, item: ClassDef) -> ClassDef:
        attributes = merged_attributes(self._attribute(below, self.attributes) for below in item.attributes)
        return replace(item, name=self.classes.get(item.name, item.name), attributes=attributes)

    def _attribute(self, item: AttributeDef, names: Mapping[str, str]) -> AttributeDef:
        chosen = self.options.get(item.name, {})
        options = merged_options(self._option_def(option, chosen) for option in item.options)
        return replace(item, name=names.get(item.name, item.name), options=options)

    def _option_def(self, item: OptionDef, names: Mapping[str, str]) -> OptionDef:
        attributes = merged_attributes(self._attribute(below, self.attributes) for below in item.attributes)
        return replace(item, name=names.get(item.name, item.name), attributes=attributes)


def _unless_same(old: tuple[T, ...], new: tuple[T, ...]) -> tuple[T, ...]:
    return old if same(old, new) else new

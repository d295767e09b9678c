"""`set`: an attribute of objects, or a classification of the row."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pipeline.core import spans
from pipeline.core.geometry import Shape
from pipeline.core.labels import Answer, Classification, Frames, LabelRow, ObjectInstance, Option
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassificationDef, Ontology, OptionDef
from pipeline.core.operations.edits import (
    derived_id,
    merged_attributes,
    same,
    with_objects,
    without_frames,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """Answer an attribute of the objects of `classes` and `shapes` (absent: all), or a classification.

    `value` is text, a number, a boolean, or a list of options (a checklist). With `kind: radio` text is an
    option. An option with answers below it is a mapping {option: {attribute: value}}, alone for a radio, in
    a list for a checklist. `kind` is only needed where the value does not say it; `kind: json` takes any.

    Without `frames` the answer is static and replaces every other answer of that name. With `frames` (a
    number, a range or a list of ranges) it holds on those of them between the object's first and last frame;
    what was answered before stays on the others.
    """

    value: Any
    attribute: str | None = None
    classification: str | None = None
    classes: tuple[str, ...] | None = None
    shapes: tuple[Shape, ...] | None = None
    kind: AttributeKind | None = None
    frames: int | tuple[int, ...] | tuple[tuple[int, int], ...] | None = None
    relation: bool = False
    heavy: ClassVar[bool] = False
    foreign: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if (self.attribute is None) == (self.classification is None):
            raise ValueError("give either an attribute (of objects) or a classification (of the row)")
        if self.classification is not None and (self.classes or self.shapes or self.relation):
            raise ValueError(
                "classes, shapes and relation choose objects; a classification belongs to the row"
            )
        answer = self._answer(self._frames())
        if self.relation and answer.kind is not AttributeKind.TEXT:
            raise ValueError(f"relation needs a text, not a {answer.kind.value}")

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the row with the answer."""
        if self.classification is not None:
            return self._classified(row)
        return with_objects(row, [self._object(item) if self._names(item) else item for item in row.objects])

    def revise(self, ontology: Ontology) -> Ontology:
        """Add the attribute to the classes, or the classification, with the options that the value has."""
        definition = _definition(self._answer(self._frames()))
        if self.classification is not None:
            known = ontology.classification(self.classification)
            if known is None:
                new = ClassificationDef(definition, whole_row=self.frames is None)
                return replace(ontology, classifications=(*ontology.classifications, new))
            new = replace(known, attribute=merged_attributes((known.attribute, definition))[0])
            marks = tuple(new if item is known else item for item in ontology.classifications)
            return replace(ontology, classifications=marks)
        classes = tuple(
            replace(item, attributes=merged_attributes((*item.attributes, definition)))
            if self._chosen(item.name, item.shape)
            else item
            for item in ontology.classes
        )
        return replace(ontology, classes=classes)

    def _frames(self) -> Frames | None:
        return None if self.frames is None else spans.chosen(self.frames)

    def _answer(self, frames: Frames | None) -> Answer:
        name = self.attribute or self.classification or ""
        return replace(answer_of(name, self.value, self.kind), frames=frames, relation=self.relation)

    def _names(self, item: ObjectInstance) -> bool:
        return self._chosen(item.class_name, item.shape)

    def _chosen(self, name: str, shape: Shape) -> bool:
        return (self.classes is None or name in self.classes) and (
            self.shapes is None or shape in self.shapes
        )

    def _object(self, item: ObjectInstance) -> ObjectInstance:
        frames = self._frames()
        life = ((next(iter(item.occurrences)), max(item.occurrences)),)
        if frames is not None:
            frames = spans.shared(frames, life)
            if not frames:
                return item
        answer = self._answer(frames)
        if answer in item.answers and sum(other.attribute == answer.attribute for other in item.answers) == 1:
            return item
        answers = _placed(item.answers, answer, life)
        return item if answers == item.answers else replace(item, answers=answers)

    def _classified(self, row: LabelRow) -> LabelRow:
        # Where sensors of the row have it, it is set on each of them.
        name = self._answer(None).attribute
        sensors = dict.fromkeys(item.sensor for item in row.classifications if item.name == name)
        for sensor in sensors or (None,):
            row = self._classified_on(row, sensor)
        return row

    def _classified_on(self, row: LabelRow, sensor: str | None) -> LabelRow:
        answer, frames = self._answer(None), self._frames()
        named = [
            item for item in row.classifications if item.name == answer.attribute and item.sensor == sensor
        ]
        whole = frames is None or any(item.frames is None for item in named)
        if len(named) == 1 and (named[0].answer, named[0].frames) == (answer, frames):
            return row
        rest: list[Classification | None]
        if whole and named:
            new, rest = replace(named[0], answer=answer, frames=frames), [None for _ in named]
        else:
            place = (answer.attribute, frames) if sensor is None else (answer.attribute, frames, sensor)
            new = Classification(derived_id(row.key, "set", *place), answer, frames, sensor=sensor)
            rest = [_cut(item, frames or ()) for item in named]
        others = dict(zip(map(id, named), rest, strict=True))
        kept = [others.get(id(item), item) for item in row.classifications]
        marks = (*(item for item in kept if item is not None and item.id != new.id), new)
        return row if same(marks, row.classifications) else replace(row, classifications=marks)


def _cut(item: Classification, gone: Frames) -> Classification | None:
    left = spans.without(item.frames or (), gone)
    return item if left == item.frames else replace(item, frames=left) if left else None


def _placed(answers: tuple[Answer, ...], answer: Answer, life: Frames) -> tuple[Answer, ...]:
    """Put an answer in the place of those of its name; with frames, they stay on the other frames."""
    mine = [other for other in answers if other.attribute == answer.attribute]
    if answer.frames is None:
        left: tuple[Answer, ...] = ()
    else:
        held = tuple(replace(other, frames=life) if other.frames is None else other for other in mine)
        left = without_frames(held, answer.frames)
    new = tuple(sorted((*left, answer), key=lambda item: item.frames or ()))
    first = answers.index(mine[0]) if mine else len(answers)
    rest = [other for other in answers if other.attribute != answer.attribute]
    return (*rest[:first], *new, *rest[first:])


def answer_of(name: str, value: Any, kind: AttributeKind | None = None) -> Answer:  # noqa: ANN401 - JSON
    """Return the static answer that a value means, written as `Set` says.

    Raises ValueError where the value does not fit the kind.
    """
    kind = kind or _kind_of(name, value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    good = {
        AttributeKind.TEXT: isinstance(value, str),
        AttributeKind.NUMBER: number,
        AttributeKind.BOOLEAN: isinstance(value, bool),
        AttributeKind.JSON: True,
    }.get(kind, True)
    if not good:
        raise ValueError(f"value of {name!r}: found {value!r}, expected a {kind.value}")
    if kind is AttributeKind.RADIO:
        options = _options(name, value)
        if len(options) != 1:
            raise ValueError(f"value of {name!r}: found {len(options)} options; a radio has exactly one")
        return Answer(name, kind, options[0])
    return Answer(name, kind, _options(name, value) if kind is AttributeKind.CHECKLIST else value)


def _kind_of(name: str, value: object) -> AttributeKind:
    for types, kind in (
        (bool, AttributeKind.BOOLEAN),
        (int | float, AttributeKind.NUMBER),
        (str, AttributeKind.TEXT),
        (Option | dict, AttributeKind.RADIO),
        (list | tuple, AttributeKind.CHECKLIST),
    ):
        if isinstance(value, types):
            return kind
    raise ValueError(
        f"value of {name!r}: found {value!r}, expected text, a number, a boolean, an option or a list"
    )


def _options(name: str, value: object) -> tuple[Option, ...]:
    if isinstance(value, list | tuple):
        return tuple(option for item in value for option in _options(name, item))
    if isinstance(value, Option):
        return (value,)
    if isinstance(value, str):
        return (Option(value),)
    if isinstance(value, dict) and all(isinstance(below, dict) for below in value.values()):
        return tuple(
            Option(option, tuple(answer_of(key, item) for key, item in below.items()))
            for option, below in value.items()
        )
    raise ValueError(
        f"value of {name!r}: {value!r} is no option; expected a name, or {{option: {{attribute: value}}}}"
    )


def _definition(answer: Answer) -> AttributeDef:
    value = answer.value
    chosen: tuple[Option, ...] = (
        value if isinstance(value, tuple) else (value,) if isinstance(value, Option) else ()
    )
    options = tuple(OptionDef(item.name, attributes=tuple(map(_definition, item.answers))) for item in chosen)
    dynamic = answer.frames is not None
    return AttributeDef(
        answer.attribute, answer.kind, dynamic=dynamic, relation=answer.relation, options=options
    )

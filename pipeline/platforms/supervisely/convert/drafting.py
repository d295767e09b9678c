"""The classes and tags of rows whose source does not tell its ontology."""

from collections.abc import Iterable

from pipeline.core.geometry import Shape, Skeleton
from pipeline.core.labels import Answer, LabelRow, ObjectInstance, Option
from pipeline.core.ontology import (
    AttributeDef,
    AttributeKind,
    ClassDef,
    ClassificationDef,
    Ontology,
    OptionDef,
    SkeletonTemplate,
    TemplateNode,
)

_CHOICES = frozenset({AttributeKind.RADIO, AttributeKind.CHECKLIST})


def drafted(rows: Iterable[LabelRow], known: Ontology) -> Ontology:
    """Return what labels need: their classes, with the attributes that they answer, and classifications.

    A class that is not among the known ones takes every shape, as the rows that are still to come may draw it
    with another.
    """
    there = {item.name for item in known.classes}
    classes: dict[tuple[str, Shape], list[ObjectInstance]] = {}
    marks: dict[str, list[Answer]] = {}
    for row in rows:
        for item in row.objects:
            known_name = item.class_name in there
            classes.setdefault((item.class_name, item.shape if known_name else Shape.ANY), []).append(item)
            if not known_name and item.shape is Shape.CUBOID_2D:  # a class of any shape needs its template
                classes.setdefault((item.class_name, item.shape), []).append(item)
        for mark in row.classifications:
            marks.setdefault(mark.name, []).append(mark.answer)
    return Ontology(
        tuple(
            ClassDef(
                name,
                shape,
                attributes=_attributes(answer for item in found for answer in item.answers),
                skeleton=_template(found),
            )
            for (name, shape), found in classes.items()
        ),
        tuple(ClassificationDef(_attribute(answers), whole_row=True) for answers in marks.values()),
    )


def _attributes(answers: Iterable[Answer]) -> tuple[AttributeDef, ...]:
    found: dict[str, list[Answer]] = {}
    for answer in answers:
        found.setdefault(answer.attribute, []).append(answer)
    return tuple(map(_attribute, found.values()))


def _attribute(answers: list[Answer]) -> AttributeDef:
    first = answers[0]
    options: dict[str, None] = {}
    for answer in answers if first.kind in _CHOICES else ():
        chosen = answer.value if isinstance(answer.value, tuple) else (answer.value,)
        options |= dict.fromkeys(one.name for one in chosen if isinstance(one, Option))
    return AttributeDef(first.attribute, first.kind, options=tuple(map(OptionDef, options)))


def _template(found: Iterable[ObjectInstance]) -> SkeletonTemplate | None:
    nodes: dict[str, None] = {}
    for item in found:
        for occurrence in item.occurrences.values():
            if isinstance(occurrence.geometry, Skeleton):
                nodes |= dict.fromkeys(node.name for node in occurrence.geometry.nodes)
    return SkeletonTemplate(tuple(map(TemplateNode, nodes))) if nodes else None

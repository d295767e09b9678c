"""Relations and groups, which Encord keeps as text answers of objects.

A relation attribute is text whose name ends in ` #relation`; where it names an object of the same row it is a
relation, anywhere else it is text. Groups exist where a text attribute was chosen to hold them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.core.labels import Answer, Group, LabelRow, ObjectInstance, Option, Relation
from pipeline.core.losses import Loss, LossKind
from pipeline.core.ontology import AttributeKind
from pipeline.platforms.encord.convert.index import Label
from pipeline.platforms.encord.wire import PLATFORM, RELATION_SUFFIX


@dataclass(frozen=True, slots=True)
class Links:
    """Objects without the answers that became relations and groups."""

    objects: tuple[ObjectInstance, ...]
    relations: tuple[Relation, ...]
    groups: tuple[Group, ...]


NO_LINKS = Links((), (), ())


def split_links(objects: tuple[ObjectInstance, ...], group_attribute: str | None) -> Links:
    """Turn static text answers that name an object, or that hold a group, into relations and groups."""
    if not any(item.answers for item in objects):
        return Links(objects, (), ())
    ids = {item.id for item in objects}
    relations: list[Relation] = []
    groups: dict[str, list[str]] = {}
    kept: list[ObjectInstance] = []
    for item in objects:
        left = []
        for answer in item.answers:
            if answer.frames is not None or not isinstance(answer.value, str):
                left.append(answer)
            elif answer.relation and answer.value in ids:
                relations.append(
                    Relation(answer.attribute.removesuffix(RELATION_SUFFIX), item.id, answer.value)
                )
            elif answer.attribute == group_attribute:
                groups.setdefault(answer.value, []).append(item.id)
            else:
                left.append(answer)
        kept.append(item if len(left) == len(item.answers) else replace(item, answers=tuple(left)))
    return Links(
        tuple(kept), tuple(relations), tuple(Group(name, tuple(ids)) for name, ids in groups.items())
    )


def relations_by_source(row: LabelRow) -> dict[str, tuple[Relation, ...]]:
    """Return the relations of a row by the object that they start from."""
    found: dict[str, tuple[Relation, ...]] = {}
    for relation in row.relations:
        found[relation.source] = (*found.get(relation.source, ()), relation)
    return found


def groups_by_object(row: LabelRow) -> dict[str, tuple[str, ...]]:
    """Return the ids of the groups that each object is in."""
    found: dict[str, tuple[str, ...]] = {}
    for group in row.groups:
        for identity in group.objects:
            found[identity] = (*found.get(identity, ()), group.id)
    return found


def relation_answers(
    item: ObjectInstance, relations: tuple[Relation, ...], label: Label, hashes: Mapping[str, str], row: str
) -> tuple[list[Answer], list[Loss]]:
    """Return the relations that start from an object as answers, and those that its class cannot hold.

    An answer that an operation gave where the object came with a relation stands instead of it.
    """
    answers: list[Answer] = []
    losses: list[Loss] = []
    answered = {answer.attribute for answer in item.answers}
    taken = set(answered)
    for relation in relations:
        names = (relation.name + RELATION_SUFFIX, relation.name)
        attribute = next(
            (name for name in names if name in label.names and label.names[name].definition.relation), None
        )
        if attribute is None:
            why = f"class {label.name!r} has no relation attribute {names[0]!r}"
        elif attribute in answered and _came(item, label, attribute, relation):
            continue
        elif relation.target not in hashes:
            why = f"relation {relation.name!r} points at object {relation.target!r}, which is not written"
        elif attribute in taken:
            why = f"relation attribute {attribute!r} holds one object, and the object has several"
        else:
            taken.add(attribute)
            answers.append(Answer(attribute, AttributeKind.TEXT, hashes[relation.target], relation=True))
            why = f"relation {relation.name!r} has answers of its own" if relation.answers else ""
        if why:
            losses.append(Loss(row, item.id, LossKind.RELATION, why))
    return answers, losses


def _came(item: ObjectInstance, label: Label, attribute: str, relation: Relation) -> bool:
    """Whether the JSON that an object came with states this relation."""
    said = (item.raw.data.get("answer") or {}) if item.raw and item.raw.platform == PLATFORM else {}
    return any(
        entry.get("answers") == relation.target and label.resolve(entry) is label.names[attribute]
        for entry in said.get("classifications") or ()
    )


def renamed(answers: tuple[Answer, ...], hashes: Mapping[str, str]) -> tuple[Answer, ...]:
    """Return answers in which relation text that names an object of the row has the object's new id."""
    if all(old == new for old, new in hashes.items()):
        return answers
    return tuple(_renamed(answer, hashes) for answer in answers)


def _renamed(answer: Answer, hashes: Mapping[str, str]) -> Answer:
    value = answer.value
    if answer.relation and isinstance(value, str):
        return replace(answer, value=hashes.get(value, value))
    if isinstance(value, Option):
        return replace(answer, value=replace(value, answers=renamed(value.answers, hashes)))
    return answer


def group_answers(
    item: ObjectInstance, groups: tuple[str, ...], label: Label, attribute: str, row: str
) -> tuple[list[Answer], list[Loss]]:
    """Return the group of an object as an answer to the chosen attribute, and the groups with no place."""
    if not groups:
        return [], []
    found = label.names.get(attribute)
    if found is None or found.definition.kind is not AttributeKind.TEXT or found.definition.dynamic:
        why = f"class {label.name!r} has no static text attribute {attribute!r} to hold group {groups[0]!r}"
        return [], [Loss(row, item.id, LossKind.GROUP, why)]
    why = f"attribute {attribute!r} holds one group, and the object is also in"
    more = [Loss(row, item.id, LossKind.GROUP, f"{why} {group!r}") for group in groups[1:]]
    return [Answer(attribute, AttributeKind.TEXT, groups[0])], more

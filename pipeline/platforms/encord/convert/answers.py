"""Answers of Encord, flat lists in which the ontology implies the tree, to trees of answers.

Old rows and the web editor spell answers in several ways: a checklist split over entries of one option each,
options named by their value or label instead of their id. All are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pipeline.core.labels import Answer, AnswerValue, Frames, Option
from pipeline.core.ontology import AttributeKind
from pipeline.platforms.encord.convert.index import Attribute, Choice, Label
from pipeline.platforms.encord.wire import Json, JsonValue

Entries = Sequence[Mapping[str, Any]]


def read_static(entries: Entries, label: Label | None) -> tuple[Answer, ...]:
    """Return the tree of static answers. Entries that the ontology does not know come last, as they look."""
    if not entries:
        return ()
    found: dict[str, list[Mapping[str, Any]]] = {}
    strange = []
    for entry in entries:
        attribute = label.resolve(entry) if label else None
        if attribute is None:
            strange.append(entry)
        else:
            found.setdefault(attribute.id, []).append(entry)
    top = label.attributes if label else ()
    return (*_tree(top, found), *(guess for entry in strange if (guess := _guess(entry, None)) is not None))


def read_dynamic(entries: Entries, label: Label | None) -> tuple[Answer, ...]:
    """Return dynamic answers with the frames that each holds on, by attribute and then by first frame."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    answers: list[Answer] = []
    for entry in entries:
        attribute = label.resolve(entry) if label else None
        if attribute is None:
            guess = _guess(entry, read_ranges(entry.get("range")))
            answers.extend((guess,) if guess is not None else ())
        else:
            found.setdefault(attribute.id, []).append(entry)
    for attribute in label.attributes if label else ():
        if attribute.id in found:
            answers.extend(_swept(attribute, found[attribute.id]))
    return tuple(answers)


def read_ranges(found: JsonValue) -> Frames:
    """Return frame ranges of the wire, `[[0, 3], [7, 7]]`, ascending and disjoint."""
    ranges: list[tuple[int, int]] = []
    for first, last in sorted((int(pair[0]), int(pair[1])) for pair in found or ()):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(ranges[-1][1], last))
        elif first <= last:
            ranges.append((first, last))
    return tuple(ranges)


def _tree(attributes: Iterable[Attribute], found: Mapping[str, Entries]) -> tuple[Answer, ...]:
    answers = []
    for attribute in attributes:
        value = _value(attribute, found.get(attribute.id, ()), found)
        if value is not None:
            answers.append(_answer(attribute, value, None))
    return tuple(answers)


def _answer(attribute: Attribute, value: AnswerValue, frames: Frames | None) -> Answer:
    definition = attribute.definition
    return Answer(definition.name, definition.kind, value, frames, definition.relation)


def _value(attribute: Attribute, entries: Entries, found: Mapping[str, Entries]) -> AnswerValue | None:
    """The value that the entries of one attribute say together with what nests below it, or None."""
    kind = attribute.definition.kind
    if kind is AttributeKind.CHECKLIST:
        lists = [entry["answers"] for entry in entries if isinstance(entry.get("answers"), list)]
        return _options(attribute, [one for answers in lists for one in answers], {}) if lists else None
    for entry in reversed(entries):
        said = entry.get("answers")
        if kind is AttributeKind.RADIO:
            options = said if isinstance(said, list) else [said] if said else []
            if options:
                return _options(attribute, options[:1], found)[0]
        elif said is not None:
            return said
    return None


def _options(attribute: Attribute, said: Iterable[Any], found: Mapping[str, Entries]) -> tuple[Option, ...]:
    """Options in the order of the ontology, each once; unknown ones last, by the name they came with."""
    known: dict[int, Choice] = {}
    strange: dict[str, Option] = {}
    for entry in said:
        choice = attribute.choice(entry)
        if choice is None:
            name = _name_of(entry)
            strange[name] = Option(name)
        else:
            known[choice.order] = choice
    chosen = (known[order] for order in sorted(known))
    return (*(Option(c.definition.name, _tree(c.attributes, found)) for c in chosen), *strange.values())


def _name_of(entry: JsonValue) -> str:
    if isinstance(entry, Mapping):
        return str(entry.get("name") or entry.get("value") or entry.get("featureHash"))
    return str(entry)


def _guess(entry: Mapping[str, Any], frames: Frames | None) -> Answer | None:
    """An answer to an attribute that the ontology does not have, its kind by the look of the value."""
    said = entry.get("answers")
    name = str(entry.get("name") or entry.get("value") or entry.get("featureHash"))
    if said is None:
        return None
    if isinstance(said, str):
        return Answer(name, AttributeKind.TEXT, said, frames)
    if isinstance(said, int | float) and not isinstance(said, bool):
        return Answer(name, AttributeKind.NUMBER, said, frames)
    if isinstance(said, list):
        options = tuple(Option(_name_of(one)) for one in said)
        if len(options) == 1:
            return Answer(name, AttributeKind.RADIO, options[0], frames)
        return Answer(name, AttributeKind.CHECKLIST, options, frames)
    return Answer(name, AttributeKind.JSON, said, frames)


def _swept(attribute: Attribute, entries: Entries) -> list[Answer]:
    """Dynamic entries of one attribute as answers whose frames do not overlap.

    Checklists that overlap are joined, as the web editor writes them one option at a time; of any other two
    answers on one frame the later entry counts.
    """
    spans = [(read_ranges(entry.get("range")), entry) for entry in entries]
    bounds = sorted({at for ranges, _ in spans for first, last in ranges for at in (first, last + 1)})
    values: list[tuple[AnswerValue, list[list[int]]]] = []
    for start, end in pairwise(bounds):
        here = [entry for ranges, entry in spans if any(first <= start <= last for first, last in ranges)]
        value = _value(attribute, here, {}) if here else None
        if value is None:
            continue
        same = next(
            (ranges for other, ranges in values if other == value and type(other) is type(value)), None
        )
        if same is None:
            values.append((value, [[start, end - 1]]))
        elif same[-1][1] + 1 == start:
            same[-1][1] = end - 1
        else:
            same.append([start, end - 1])
    return [_answer(attribute, value, tuple((a, b) for a, b in ranges)) for value, ranges in values]


def wire_entry(attribute: Attribute, value: JsonValue) -> Json:
    """Return a new static entry for a canonical value (see `flatten`)."""
    return {
        "name": attribute.definition.name,
        "value": attribute.value,
        "answers": wire_value(attribute, value),
        "featureHash": attribute.id,
        "manualAnnotation": True,
    }


def wire_value(attribute: Attribute, value: JsonValue) -> JsonValue:
    """Return a canonical value as it travels: ids of options become options."""
    if isinstance(value, tuple):
        return [attribute.by_id[identity].wire for identity in value]
    return value

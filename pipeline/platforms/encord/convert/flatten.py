"""Trees of answers to the flat, canonical answers of Encord, checked against the ontology."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import isfinite
from typing import Final, TypeAlias

from pipeline.core.labels import Answer, AnswerValue, Frames, Option
from pipeline.core.ontology import AttributeKind
from pipeline.core.several import is_several, one_of
from pipeline.platforms.encord.convert.index import Attribute, Label, missing_attribute

Value: TypeAlias = str | float | int | tuple[str, ...]
"""A canonical value: text, a number, or the ids of the chosen options in the order of the ontology."""


class AnswerError(ValueError):
    """An answer that does not fit the ontology; the message says which, and what would."""


@dataclass(slots=True)
class Flat:
    """Canonical answers by attribute id: static ones, and dynamic ones as (value, frames).

    `homeless` says which answers have no place: those that differ by frame where the ontology does not, and
    of several to an attribute that holds one all but the first that fits.
    """

    static: dict[str, Value] = field(default_factory=dict)
    dynamic: dict[str, list[tuple[Value, Frames]]] = field(default_factory=dict)
    homeless: list[str] = field(default_factory=list)


NOTHING = Flat()
"""The answers of what is not answered."""


def flatten(answers: Sequence[Answer], label: Label, frames: Frames) -> Flat:
    """Return the answers of an object or classification as Encord keeps them.

    `frames` are those the object is on: a static answer to a dynamic attribute holds on all of them. Raises
    AnswerError for an unknown attribute or option, an answer of another kind, and two answers to one
    attribute on one frame.
    """
    if not answers:
        return NOTHING
    flat = Flat()
    by_frame: dict[str, list[Answer]] = {}
    for answer in answers:
        attribute = label.names.get(answer.attribute)
        if attribute is None:
            raise AnswerError(missing_attribute(label, answer.attribute, label.names))
        if answer.frames is not None and not attribute.definition.dynamic:
            by_frame.setdefault(attribute.id, []).append(answer)
        elif attribute.definition.dynamic:
            held = frames if answer.frames is None else answer.frames
            flat.dynamic.setdefault(attribute.id, []).append((_dynamic_value(answer, attribute, flat), held))
        else:
            _put(answer, attribute, flat.static, flat.homeless)
    for identity, several in by_frame.items():
        _settle(several, label.tree[identity], frames, flat)
    for identity, pairs in flat.dynamic.items():
        if len(pairs) > 1:
            _check_apart(label.tree[identity], pairs)
    return flat


def _check_apart(attribute: Attribute, pairs: Sequence[tuple[Value, Frames]]) -> None:
    spans = sorted(span for _, held in pairs for span in held)
    for (_, last), (first, _) in pairwise(spans):
        if first <= last:
            name = attribute.definition.name
            raise AnswerError(
                f"attribute {name!r} is answered twice on frame {first}; keep one of the answers"
            )


def _dynamic_value(answer: Answer, attribute: Attribute, flat: Flat) -> Value:
    nested: dict[str, Value] = {}
    _put(answer, attribute, nested, flat.homeless)
    value = nested.pop(attribute.id)
    if nested:
        flat.homeless.append(
            f"answers below attribute {answer.attribute!r}: it is dynamic, what nests below is not"
        )
    return value


def _settle(several: list[Answer], attribute: Attribute, frames: Frames, flat: Flat) -> None:
    """Answers by frame to a static attribute: they fit if one value holds wherever the object is."""
    covered = merged(span for answer in several for span in answer.frames or ())
    same = all(answer.value == several[0].value for answer in several)
    if same and all(any(a <= first and last <= b for a, b in covered) for first, last in frames):
        _put(several[0], attribute, flat.static, flat.homeless)
    else:
        name = attribute.definition.name
        flat.homeless.append(f"attribute {name!r}: it differs by frame, but is not dynamic in the ontology")


def merged(spans: Iterable[tuple[int, int]]) -> Frames:
    """Return inclusive ranges ascending and disjoint, neighbours joined."""
    ranges: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(ranges[-1][1], last))
        else:
            ranges.append((first, last))
    return tuple(ranges)


_SINGLE: Final = frozenset({AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.RADIO})
"""Kinds of attributes that hold one answer."""


def _put(answer: Answer, attribute: Attribute, into: dict[str, Value], homeless: list[str]) -> None:
    if attribute.id in into:
        raise AnswerError(f"attribute {answer.attribute!r} is answered twice; keep one of the answers")
    kind = attribute.definition.kind
    if is_several(answer) and kind in _SINGLE:
        _put_one(answer, attribute, into, homeless)
        return
    if kind is AttributeKind.RADIO:
        chosen: tuple[AnswerValue, ...] = (_truth(answer),)
    elif kind is AttributeKind.CHECKLIST and isinstance(answer.value, tuple | list):
        chosen = tuple(answer.value)
    else:
        into[attribute.id] = _plain(answer, attribute)
        return
    into[attribute.id] = ()
    orders = {_choose(option, answer, attribute, into, homeless) for option in chosen}
    into[attribute.id] = tuple(attribute.choices[order].id for order in sorted(orders))


def _put_one(answer: Answer, attribute: Attribute, into: dict[str, Value], homeless: list[str]) -> None:
    """The first of several values that the attribute takes, with what nests below it; the others are lost."""

    def written(one: Answer) -> tuple[dict[str, Value], list[str]]:
        found: dict[str, Value] = {}
        lost: list[str] = []
        if attribute.definition.kind is AttributeKind.TEXT and isinstance(one.value, Option):
            if one.value.answers:
                lost.append(f"answers below {one.value.name!r} of text attribute {answer.attribute!r}")
            one = replace(one, kind=AttributeKind.TEXT, value=one.value.name)
        _put(one, attribute, found, lost)
        return found, lost

    (found, lost), why = one_of(answer, written)
    into |= found
    homeless += lost if why is None else [*lost, why]


def _truth(answer: Answer) -> AnswerValue:
    """A boolean answers a radio whose options are called true and false."""
    return Option(str(answer.value).lower()) if isinstance(answer.value, bool) else answer.value


def _choose(
    option: AnswerValue, answer: Answer, attribute: Attribute, into: dict[str, Value], homeless: list[str]
) -> int:
    known = ", ".join(repr(choice.definition.name) for choice in attribute.choices) or "none"
    if not isinstance(option, Option):
        raise _mismatch(answer, attribute, f"one of its options: {known}")
    choice = attribute.by_name.get(option.name)
    if choice is None:
        message = f"attribute {answer.attribute!r} has no option {option.name!r} (known: {known})"
        raise AnswerError(f"{message}; add it to the ontology, or rename it")
    below = {nested.definition.name: nested for nested in choice.attributes}
    for nested in option.answers:
        if nested.attribute not in below:
            names = ", ".join(sorted(below)) or "none"
            message = (
                f"no attribute {nested.attribute!r} below option {option.name!r} of {answer.attribute!r}"
            )
            raise AnswerError(f"{message} (known: {names}); add it to the ontology, or rename it")
        _put(nested, below[nested.attribute], into, homeless)
    return choice.order


def _plain(answer: Answer, attribute: Attribute) -> Value:
    kind, value = attribute.definition.kind, answer.value
    if kind is AttributeKind.TEXT and isinstance(value, str):
        return value
    if kind is AttributeKind.NUMBER and isinstance(value, int | float) and not isinstance(value, bool):
        if not isfinite(value):
            raise AnswerError(
                f"attribute {answer.attribute!r} is answered with {value}; expected a finite number"
            )
        return value
    wanted = {
        AttributeKind.TEXT: "text",
        AttributeKind.NUMBER: "a number",
        AttributeKind.CHECKLIST: "several options",
    }
    raise _mismatch(answer, attribute, wanted.get(kind, "nothing that labelferry can write"))


def _mismatch(answer: Answer, attribute: Attribute, wanted: str) -> AnswerError:
    shown = repr(answer.value.name) if isinstance(answer.value, Option) else repr(answer.value)
    message = f"attribute {answer.attribute!r} is {attribute.definition.kind.value} in the ontology"
    return AnswerError(f"{message}, but the answer is {answer.kind.value} {shown[:80]}; expected {wanted}")


def unanswered(label: Label, flat: Flat) -> list[str]:
    """Return required attributes without an answer; a nested one counts where its option is chosen."""
    if not label.required:
        return []
    missing: list[str] = []
    _collect(label.attributes, flat, missing)
    return missing


def _collect(attributes: Iterable[Attribute], flat: Flat, missing: list[str]) -> None:
    for attribute in attributes:
        value = flat.static.get(attribute.id, ())
        if attribute.definition.required and value == () and attribute.id not in flat.dynamic:
            missing.append(attribute.definition.name)
        if isinstance(value, tuple):
            for identity in value:
                _collect(attribute.by_id[identity].attributes, flat, missing)

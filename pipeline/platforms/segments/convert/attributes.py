"""Attributes, flat maps from names to JSON values, to answers and back.

A null says no more than no value, so it is no answer. Values that do not look like their definition are read
by their JSON type.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from pipeline.core import spans
from pipeline.core.labels import Answer, AnswerValue, Option
from pipeline.core.ontology import AttributeDef, AttributeKind
from pipeline.core.several import is_several, one_of
from pipeline.platforms.segments.convert.ontology import option_name, own_json
from pipeline.platforms.segments.wire import Json, JsonValue

Definitions = Mapping[str, AttributeDef]


class AnswerError(ValueError):
    """An answer that does not fit its attribute; the message says which, and what would."""


# ---- reading --------------------------------------------------------------------------------------------


def read_answer(name: str, value: JsonValue, definition: AttributeDef | None) -> Answer | None:
    """Return a value as an answer, or None for null."""
    if value is None:
        return None
    kind = definition.kind if definition and _fits(value, definition.kind) else _kind_of(value)
    if kind is AttributeKind.RADIO:
        return Answer(name, kind, Option(option_name(value)))
    if kind is AttributeKind.CHECKLIST:
        return Answer(name, kind, tuple(Option(option_name(one)) for one in value))
    return Answer(name, kind, value)


def _kind_of(value: JsonValue) -> AttributeKind:
    if isinstance(value, bool):
        return AttributeKind.BOOLEAN
    if isinstance(value, int | float):
        return AttributeKind.NUMBER
    return AttributeKind.TEXT if isinstance(value, str) else AttributeKind.JSON


def _fits(value: JsonValue, kind: AttributeKind) -> bool:
    if kind is AttributeKind.RADIO:
        return isinstance(value, str | int | float)
    if kind is AttributeKind.CHECKLIST:
        return isinstance(value, list)
    return kind is AttributeKind.JSON or _kind_of(value) is kind


def read_answers(
    frames: Mapping[int, Mapping[str, Any]], definitions: Definitions, *, moving: bool
) -> tuple[Answer, ...]:
    """Return the answers of an object from its attributes on each of its frames.

    Where `moving` (in a sequence), an attribute that may differ by frame, or does, has the frames of each of
    its values.
    """
    found: dict[str, dict[int, Answer]] = {}
    for frame, attributes in frames.items():
        for name, value in attributes.items():
            answer = read_answer(name, value, definitions.get(name))
            if answer is not None:
                found.setdefault(name, {})[frame] = answer
    answers: list[Answer] = []
    for name, values in found.items():
        definition = definitions.get(name)
        distinct = by_value(values)
        still = len(distinct) == 1 and len(values) == len(frames)
        if not moving or (still and not (definition and definition.dynamic)):
            answers.append(distinct[0][0])
            continue
        answers += [
            Answer(answer.attribute, answer.kind, answer.value, spans.of_frames(held))
            for answer, held in distinct
        ]
    return tuple(answers)


def by_value(values: Mapping[int, Answer]) -> list[tuple[Answer, list[int]]]:
    """Return each distinct answer with its frames, in the order first met."""
    found: list[tuple[Answer, list[int]]] = []
    for frame, answer in values.items():
        held = next((held for one, held in found if same_answer(one, answer)), None)
        if held is None:
            found.append((answer, [frame]))
        else:
            held.append(frame)
    return found


def same_answer(one: Answer | None, other: Answer | None) -> bool:
    """Whether two answers say the same, numbers in the same JSON type; their frames do not count."""
    if one is None or other is None:
        return one is other
    return one.kind is other.kind and _same(one.value, other.value)


def _same(one: AnswerValue, other: AnswerValue) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


# ---- writing --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Homeless:
    """Answers without a place, and attributes kept though nobody knows them."""

    lost: dict[tuple[str, str], None] = field(default_factory=dict)
    """An attribute and a sentence on what is lost of it, each once, in the order met."""
    kept: set[str] = field(default_factory=set)

    def lose(self, attribute: str, why: str) -> None:
        """Say that something of an attribute has no place."""
        self.lost.setdefault((attribute, why))


def patched(
    raw: Mapping[str, Any] | None,
    answers: Mapping[str, Answer],
    definitions: Definitions,
    owner: str,
    homeless: Homeless,
) -> Json | None:
    """Return the attributes of one frame that say `answers`, or None for no such key.

    What `raw` says already stays as it is written there. `owner` is what messages call the category. Raises
    AnswerError.
    """
    written: Json = {}
    for name, value in (raw or {}).items():
        before, now = read_answer(name, value, definitions.get(name)), answers.get(name)
        if before is None and now is None:
            written[name] = value
        elif now is not None and (same_answer(before, now) or _reads_as(value, now)):
            written[name] = value
            if name not in definitions:
                homeless.kept.add(name)
        elif now is not None:
            _put(written, now, definitions, owner, homeless)
    for name, answer in answers.items():
        if name not in written and name not in (raw or {}):
            _put(written, answer, definitions, owner, homeless)
    return written if written or raw is not None else None


def _reads_as(value: JsonValue, answer: Answer) -> bool:
    """Whether a value says an answer under the definition that the answer was read with."""
    known = AttributeDef(answer.attribute, answer.kind)
    return same_answer(read_answer(answer.attribute, value, known), answer)


def _put(into: Json, answer: Answer, definitions: Definitions, owner: str, homeless: Homeless) -> None:
    definition = definitions.get(answer.attribute)
    if definition is None:
        known = ", ".join(map(repr, definitions)) or "none"
        homeless.lose(answer.attribute, f"{owner} has no attribute {answer.attribute!r} (known: {known})")
        return
    for below in _nested(answer):
        homeless.lose(answer.attribute, below)
    if is_several(answer) and definition.kind in _SINGLE:
        into[answer.attribute], why = one_of(answer, lambda one: _value(one, definition))
        if why is not None:
            homeless.lose(answer.attribute, why)
    else:
        into[answer.attribute] = _value(answer, definition)


_SINGLE: Final = frozenset(
    {AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.BOOLEAN, AttributeKind.RADIO}
)
"""Kinds of attributes that hold one answer."""


def _nested(answer: Answer) -> Iterator[str]:
    options = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    for option in options:
        if isinstance(option, Option) and option.answers:
            yield f"answers below {option.name!r} of attribute {answer.attribute!r}: Segments.ai has none"


def _value(answer: Answer, definition: AttributeDef) -> JsonValue:  # noqa: PLR0911 - a table
    value = answer.value
    match definition.kind:
        case AttributeKind.RADIO:
            return _option(_truth(value), answer, definition)
        case AttributeKind.CHECKLIST if isinstance(value, tuple | list):
            return [_option(one, answer, definition) for one in value]
        case AttributeKind.CHECKLIST if isinstance(value, Option):
            return [_option(value, answer, definition)]
        case AttributeKind.TEXT if isinstance(value, str | Option):
            return value if isinstance(value, str) else value.name
        case AttributeKind.NUMBER if isinstance(value, int | float) and not isinstance(value, bool):
            return _within(value, answer, definition)
        case AttributeKind.BOOLEAN if isinstance(value, bool):
            return value
        case AttributeKind.BOOLEAN if isinstance(value, Option) and value.name.lower() in ("true", "false"):
            return value.name.lower() == "true"
        case AttributeKind.JSON if not isinstance(value, Option | tuple):
            return _finite(value, answer)
        case _:
            raise _mismatch(answer, definition, _WANTED[definition.kind])


_WANTED = {
    AttributeKind.TEXT: "text",
    AttributeKind.NUMBER: "a number",
    AttributeKind.BOOLEAN: "true or false",
    AttributeKind.RADIO: "one of its values",
    AttributeKind.CHECKLIST: "some of its values",
    AttributeKind.JSON: "a JSON value",
}


def _truth(value: AnswerValue) -> AnswerValue:
    """A boolean answers a select whose values are called true and false, and text one that has it."""
    if isinstance(value, bool):
        return Option(str(value).lower())
    return Option(value) if isinstance(value, str) else value


def _option(option: AnswerValue, answer: Answer, definition: AttributeDef) -> JsonValue:
    if not isinstance(option, Option):
        raise _mismatch(answer, definition, _WANTED[definition.kind])
    values = (own_json(definition.raw) or {}).get("values") or [one.name for one in definition.options]
    for value in values:
        if option_name(value) == option.name:
            return value
    names = ", ".join(repr(one.name) for one in definition.options) or "none"
    message = f"attribute {answer.attribute!r} has no value {option.name!r} (known: {names})"
    raise AnswerError(f"{message}; add it to the dataset, or rename it")


def plain_value(answer: Answer) -> JsonValue:
    """Return an answer as the JSON that it looks like, where nothing defines its attribute."""
    value = answer.value
    if isinstance(value, Option):
        return value.name
    if isinstance(value, tuple):
        return [option.name for option in value if isinstance(option, Option)]
    return _finite(value, answer)


def _finite(value: JsonValue, answer: Answer) -> JsonValue:
    """The value, if it holds no number that JSON has no form for."""
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float) and not isfinite(one):
            raise AnswerError(f"attribute {answer.attribute!r}: found {one}, expected finite numbers")
        if isinstance(one, Mapping):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
    return value


def _within(value: float, answer: Answer, definition: AttributeDef) -> JsonValue:
    """The number, if it lies between `min` and `max` of its attribute, where those are set."""
    said = own_json(definition.raw) or {}
    low, high = _limit(said.get("min")), _limit(said.get("max"))
    if low is not None and value < low:
        wanted = f"at least {said['min']}"
    elif high is not None and value > high:
        wanted = f"at most {said['max']}"
    else:
        return _finite(value, answer)
    message = f"attribute {answer.attribute!r}: found {value}, expected {wanted}"
    raise AnswerError(f"{message}, as the dataset has it; change the number, or the attribute in the dataset")


def _limit(said: JsonValue) -> float | None:
    """A limit, which comes as a number or as the text of one; empty text is none."""
    try:
        return float(said) if isinstance(said, int | float | str) else None
    except ValueError:
        return None


def _mismatch(answer: Answer, definition: AttributeDef, wanted: str) -> AnswerError:
    shown = repr(answer.value.name) if isinstance(answer.value, Option) else repr(answer.value)
    message = f"attribute {answer.attribute!r} is {definition.kind.value} in the dataset"
    return AnswerError(f"{message}, but the answer is {answer.kind.value} {shown[:80]}; expected {wanted}")


def on_frames(
    answers: Sequence[Answer], frames: Iterable[int], homeless: Homeless
) -> dict[int, dict[str, Answer]]:
    """Return the answers of an object on each of its frames.

    Two answers to one attribute on one frame, and those that hold on none of the frames, are homeless.
    """
    found: dict[int, dict[str, Answer]] = {frame: {} for frame in frames}
    for answer in answers:
        held = [frame for frame in found if answer.frames is None or spans.holds(answer.frames, frame)]
        twice = [frame for frame in held if answer.attribute in found[frame]]
        if twice or not held:
            why = f"is answered twice on frame {twice[0]}" if twice else "is answered where nothing is drawn"
            homeless.lose(answer.attribute, f"attribute {answer.attribute!r} {why}")
        for frame in held:
            found[frame].setdefault(answer.attribute, answer)
    return found


def settle(
    found: Mapping[int, dict[str, Answer]],
    bases: Mapping[int, Mapping[str, Any]],
    definitions: Definitions,
    homeless: Homeless,
) -> None:
    """Take away what differs by frame where the dataset has one value for a whole track.

    What came so, as `bases` say of each frame, stays so.
    """
    for name in dict.fromkeys(name for answers in found.values() for name in answers):
        definition = definitions.get(name)
        values = [answers.get(name) for answers in found.values()]
        if definition is None or definition.dynamic or all(same_answer(values[0], one) for one in values):
            continue
        pairs = zip((bases[frame].get(name) for frame in found), values, strict=True)
        if all(one is None if now is None else _reads_as(one, now) for one, now in pairs):
            continue
        why = "it differs by frame, but is one of the whole track in the dataset"
        homeless.lose(name, f"attribute {name!r}: {why}")
        for answers in found.values():
            answers.pop(name, None)

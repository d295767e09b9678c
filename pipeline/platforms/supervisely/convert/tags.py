"""The tags of a label or an image to answers and back.

A tag that is there several times, each with a text, is a checklist; one of numbers is a list of them. The tag
that holds confidences is no answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any, Final, NamedTuple

import numpy as np

from pipeline.core import spans
from pipeline.core.labels import Answer, AnswerValue, Option
from pipeline.core.ontology import AttributeKind
from pipeline.platforms.supervisely.convert.ontology import TRUTH
from pipeline.platforms.supervisely.convert.project import Project, Tag
from pipeline.platforms.supervisely.wire import Json, JsonValue

PLACE_KEYS: Final = frozenset(
    {"id", "tagId", "labelerLogin", "createdAt", "updatedAt", "entityId", "figureId"}
)
"""Keys of a tag that belong to the label that it was put on."""

_PLAIN = frozenset({int, float})


class AnswerError(ValueError):
    """An answer that does not fit its tag; the message says which, and what would."""


class TagsError(ValueError):
    """JSON that is no list of tags; the message says what was found."""


class Said(NamedTuple):
    """What the tags of a label say, and the confidence among them."""

    answers: tuple[Answer, ...] = ()
    confidence: float | None = None


_NOTHING: Final = Said()


# ---- reading --------------------------------------------------------------------------------------------


def read_tags(tags: JsonValue, project: Project, *, of_image: bool = False) -> Said:
    """Return what tags say, in the order in which their names come. An image has no confidence.

    Raises TagsError for JSON that is no list of tags.
    """
    if not tags:
        return _NOTHING
    if isinstance(tags, str) or not isinstance(tags, Sequence):
        raise TagsError(f"tags: found {tags!r:.60}, expected a list")
    found: dict[str, list[JsonValue]] = {}
    for tag in tags:
        if type(tag) is str:
            found.setdefault(tag, []).append(None)
        else:
            found.setdefault(_name(tag), []).append(tag.get("value"))
    confidence = None
    wanted = None if of_image else project.rules.confidence_tag
    if wanted is not None and wanted in found:
        values = found.pop(wanted)
        numbers = [one for one in values if type(one) in _PLAIN]
        confidence = numbers[0] if numbers else None
    known = project.tags
    answers = tuple(_answer(name, values, known.get(name)) for name, values in found.items())
    return Said(answers, confidence)


def _name(tag: JsonValue) -> str:
    if not isinstance(tag, Mapping):
        raise TagsError(f"tag: found {tag!r:.60}, expected its name and value")
    name = tag.get("name")
    if type(name) is not str:
        raise TagsError(f"name of a tag: found {name!r:.60}, expected text")
    return name


def _answer(  # noqa: PLR0911 - a table
    name: str, values: list[JsonValue], tag: Tag | None
) -> Answer:
    if len(values) > 1:
        return _several(name, values)
    value = values[0]
    kind = tag.kind if tag is not None else None
    if value is None:
        return Answer(name, AttributeKind.BOOLEAN, value=True)
    if type(value) is str:
        if kind is AttributeKind.BOOLEAN and value in TRUTH:
            return Answer(name, AttributeKind.BOOLEAN, value == "true")
        if tag is not None and tag.value_type == "oneof_string":
            return Answer(name, AttributeKind.RADIO, Option(value))
        return Answer(name, AttributeKind.TEXT, value)
    if type(value) in _PLAIN:
        return Answer(name, AttributeKind.NUMBER, value)
    return Answer(name, AttributeKind.BOOLEAN if type(value) is bool else AttributeKind.JSON, value)


def _several(name: str, values: list[JsonValue]) -> Answer:
    if all(value is None for value in values):
        return Answer(name, AttributeKind.BOOLEAN, value=True)
    if all(type(value) is str for value in values):
        return Answer(name, AttributeKind.CHECKLIST, tuple(map(Option, values)))
    return Answer(name, AttributeKind.JSON, values)


# ---- writing --------------------------------------------------------------------------------------------


def write_tags(
    said: Said,
    raw: Sequence[JsonValue],
    project: Project,
    class_name: str | None,
    lose: Callable[[str, str], None],
    *,
    in_place: bool,
    renamed: bool = False,
) -> list[JsonValue]:
    """Return the tags that say `said` of a label of this class, or, for None, of an image.

    `raw` are the tags that it came with. What they say already stays as it is there: where the label is
    `in_place` whole, else without the keys of `PLACE_KEYS`. It is judged only where the label was `renamed`,
    since tags may be for labels of some classes. `lose` is told the name of each tag that cannot be, and why.
    Raises AnswerError for answers that do not fit their tags.
    """
    before = read_tags(raw, project, of_image=class_name is None) if raw else _NOTHING
    if in_place and not renamed and before == said:
        return list(raw)
    old = {answer.attribute: answer for answer in before.answers}
    held: dict[str, list[JsonValue]] = {}
    for one in raw:
        held.setdefault(one if type(one) is str else one["name"], []).append(one)
    written: list[JsonValue] = []
    done: set[str] = set()
    for answer in said.answers:
        name = answer.attribute
        if name in done:
            lose(name, f"{name!r} is answered twice")
            continue
        done.add(name)
        tag = project.tags.get(name)
        fits = not renamed or (tag is not None and tag.fits(class_name))
        if in_place and fits and old.get(name) == answer:
            written += held[name]
            continue
        written += _written(answer, held.get(name, ()), tag, class_name, lose, in_place)
    return written + _sure(said.confidence, before.confidence, held, project, class_name, lose)


def _written(
    answer: Answer,
    held: Sequence[JsonValue],
    tag: Tag | None,
    class_name: str | None,
    lose: Callable[[str, str], None],
    in_place: bool,  # noqa: FBT001 - of a private function
) -> Iterator[JsonValue]:
    """One answer as tags; other keys of those that came with the same value stay."""
    name = answer.attribute
    if tag is None or not tag.fits(class_name):
        lose(name, _homeless(name, tag, class_name))
        return
    left = [one for one in held if isinstance(one, Mapping)]
    values = list(_values(answer, tag, lose))
    if values == [None] and len(held) > 1:  # tags without a value say the same, however many there are
        values *= sum(isinstance(one, str) or one.get("value") is None for one in held) or 1
    for value in values:
        same = next((one for one in left if one.get("value") == value), None)
        if same is None:
            yield {"name": name} if value is None else {"name": name, "value": value}
        else:
            left.remove(same)
            yield dict(same) if in_place else without_place(same)


def without_place(tag: Mapping[str, Any]) -> Json:
    """Return a tag without what belongs to the label that it was put on."""
    return {key: value for key, value in tag.items() if key not in PLACE_KEYS}


def _homeless(name: str, tag: Tag | None, class_name: str | None) -> str:
    owner = "images" if class_name is None else f"labels of class {class_name!r}"
    if tag is None:
        return f"the project has no tag {name!r}; add it, or let the job add it"
    return f"tag {name!r} is not for {owner}; change that in the project"


def _sure(
    confidence: float | None,
    before: float | None,
    held: Mapping[str, list[JsonValue]],
    project: Project,
    class_name: str | None,
    lose: Callable[[str, str], None],
) -> list[JsonValue]:
    name = project.rules.confidence_tag
    if name is None or confidence is None:
        if confidence is not None and confidence != 1:
            why = f"Supervisely has no confidence of a label ({confidence}); name a tag as `confidence_tag`"
            lose("", why)
        return []
    tag = project.tags.get(name)
    if tag is None or tag.value_type != "any_number" or not tag.fits(class_name):
        if confidence != 1:
            lose("", f"the project has no tag {name!r} of numbers that labels may have")
        return []
    if before == confidence and held.get(name):
        one = held[name][0]
        return [without_place(one) if isinstance(one, Mapping) else one]
    return [{"name": name, "value": _plain(confidence)}]


def _values(answer: Answer, tag: Tag, lose: Callable[[str, str], None]) -> Iterator[JsonValue]:
    """The value of each tag that an answer is; None is a tag without one."""
    name = answer.attribute
    if answer.relation:
        lose(name, f"tag {name!r} would point at another label, which no tag does")
        return
    if answer.frames is not None and not spans.holds(answer.frames, 0):
        lose(name, f"{name!r} is answered on other frames than the first")
        return
    values: tuple[AnswerValue, ...] = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    if answer.kind is AttributeKind.JSON and isinstance(answer.value, list):
        values = tuple(answer.value)
    if not values:
        lose(name, f"no option of {name!r} is chosen; a tag is there with a value, or it is not there")
    for value in values:
        if isinstance(value, Option):
            if value.answers:
                lose(name, f"answers below {value.name!r} of {name!r}: a tag has none below it")
            value = value.name  # noqa: PLW2901 - the option itself is not needed any more
        if tag.value_type == "none" and value in (False, "false"):
            lose(name, f"{name!r} is false; a tag without a value is there, or it is not there")
        elif answer.kind is AttributeKind.JSON and not _fits(value, tag):
            lose(name, f"{name!r} is any JSON value; tag {name!r} is {tag.value_type}")
        else:
            yield _value(value, answer, tag)


def _fits(value: JsonValue, tag: Tag) -> bool:
    try:
        _value(value, Answer(tag.name, tag.kind, value), tag)
    except AnswerError:
        return False
    return True


def _value(value: JsonValue, answer: Answer, tag: Tag) -> JsonValue:
    value = _plain(value)
    match tag.value_type:
        case "none" if value is True or value is None or value == "true":
            return None
        case "any_string" if type(value) is str:
            return value
        case "any_number" if type(value) in _PLAIN:
            if not isfinite(value):
                raise AnswerError(f"tag {answer.attribute!r}: found {value}, expected a finite number")
            return value
        case "oneof_string" if type(value) in (str, bool):
            text = value if isinstance(value, str) else str(value).lower()
            if text not in tag.values:
                known = ", ".join(map(repr, tag.values)) or "none"
                message = f"tag {answer.attribute!r} has no value {text!r} (known: {known})"
                raise AnswerError(f"{message}; add it to the project, or rename it")
            return text
        case "date" if type(value) is str and _is_date(value):
            return value
        case _:
            wanted = _WANTED.get(tag.value_type, f"a value of type {tag.value_type}")
            shown = f"{answer.kind.value} {str(value)[:60]!r}"
            raise AnswerError(f"tag {answer.attribute!r} takes {wanted}, but the answer is {shown}")


_WANTED = {
    "none": "no value",
    "any_string": "text",
    "any_number": "a number",
    "oneof_string": "one of its values",
    "date": "a date as in 2026-04-23T15:15:48",
}


def _is_date(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _plain(value: JsonValue) -> JsonValue:
    return value.item() if isinstance(value, np.generic) else value

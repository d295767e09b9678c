"""Answers of several values, for attributes that hold one.

A platform may say an attribute of one label several times. Texts are then a checklist, and values of other or
mixed types a list of JSON.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from pipeline.core.labels import Answer, AnswerValue, Option
from pipeline.core.ontology import AttributeKind

Written = TypeVar("Written")

_SHOWN: Final = 120
"""Characters of the values that a message shows."""


def is_several(answer: Answer) -> bool:
    """Whether an answer is a list of values, which may have one in it."""
    return isinstance(answer.value, tuple | list) and len(answer.value) > 0


def one_of(answer: Answer, write: Callable[[Answer], Written]) -> tuple[Written, str | None]:
    """Return what `write` makes of the first value that it takes, and a sentence on what is lost, if any is.

    `write` is given one value at a time, in their order, texts as options; it raises ValueError for one that
    it does not take. Equal values count once. Raises the error of the first value where none is taken.
    """
    values = _distinct(answer)
    refused: ValueError | None = None
    for at, value in enumerate(values):
        try:
            written = write(_single(answer, value))
        except ValueError as error:
            refused = refused or error
            continue
        return written, _lost(answer, value, values[:at] + values[at + 1 :])
    raise refused or ValueError(f"attribute {answer.attribute!r} has no value")


def _distinct(answer: Answer) -> list[AnswerValue]:
    found: list[AnswerValue] = []
    for value in answer.value if isinstance(answer.value, tuple | list) else ():
        if not any(isinstance(one, bool) is isinstance(value, bool) and one == value for one in found):
            found.append(value)
    return found


def _single(answer: Answer, value: AnswerValue) -> Answer:
    kind = AttributeKind.JSON
    if isinstance(value, str | Option):
        kind, value = AttributeKind.RADIO, value if isinstance(value, Option) else Option(value)
    elif isinstance(value, bool):
        kind = AttributeKind.BOOLEAN
    elif isinstance(value, int | float):
        kind = AttributeKind.NUMBER
    return Answer(answer.attribute, kind, value, answer.frames, answer.relation)


def _lost(answer: Answer, kept: AnswerValue, rest: list[AnswerValue]) -> str | None:
    if not rest:
        return None
    shown = ", ".join(map(_shown, rest))
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}..."
    verb = "are" if len(rest) > 1 else "is"
    name = f"attribute {answer.attribute!r} holds one answer, and is answered {len(rest) + 1} times"
    return f"{name}: {_shown(kept)} is kept, {shown} {verb} lost"


def _shown(value: AnswerValue) -> str:
    text = repr(value.name if isinstance(value, Option) else value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

"""Image attributes, which every frame has for itself, to classifications and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core import spans
from pipeline.core.labels import Answer, Classification
from pipeline.core.losses import LossKind
from pipeline.core.ontology import AttributeDef, Ontology
from pipeline.platforms.segments.convert.attributes import (
    AnswerError,
    Homeless,
    by_value,
    patched,
    read_answer,
    same_answer,
)
from pipeline.platforms.segments.convert.context import Packing
from pipeline.platforms.segments.convert.layout import Part
from pipeline.platforms.segments.wire import Json

IMAGE_ATTRIBUTES = "image_attributes"


def definitions_of(ontology: Ontology) -> dict[str, AttributeDef]:
    """Return the definitions of image attributes by name."""
    return {item.name: item.attribute for item in ontology.classifications}


def read_images(
    parts: Sequence[Part], counts: Mapping[str | None, int], ontology: Ontology
) -> list[Classification]:
    """Return the image attributes as classifications, one for each value of each attribute.

    One that all frames agree on is of the whole row, or of the whole sensor. `counts` has the number of
    frames of each part.
    """
    if not any(frame.get(IMAGE_ATTRIBUTES) for part in parts for frame in part.said):
        return []
    definitions = definitions_of(ontology)
    found: list[Classification] = []
    for part in parts:
        values: dict[str, dict[int, Answer]] = {}
        for at, frame in enumerate(part.said):
            for name, value in _attributes(frame).items():
                answer = read_answer(name, value, definitions.get(name))
                if answer is not None:
                    values.setdefault(name, {})[at] = answer
        for name, answers in values.items():
            found += _marks(part, name, answers, counts[part.sensor])
    return found


def _attributes(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    found = frame.get(IMAGE_ATTRIBUTES)
    return found if isinstance(found, Mapping) else {}


def _marks(part: Part, name: str, answers: Mapping[int, Answer], count: int) -> list[Classification]:
    first = name if part.sensor is None else f"{part.sensor}/{name}"
    distinct = by_value(answers)
    if len(distinct) == 1 and len(answers) >= count:
        return [Classification(first, distinct[0][0], sensor=part.sensor)]
    return [
        Classification(
            first if place == 1 else f"{first}:{place}", answer, spans.of_frames(held), sensor=part.sensor
        )
        for place, (answer, held) in enumerate(distinct, start=1)
    ]


# ---- writing --------------------------------------------------------------------------------------------


def write_images(packing: Packing, part: Part, count: int) -> list[Json | None]:
    """Return the image attributes of each frame of a part; None where a frame says none. Raises RowError."""
    marks = [item for item in packing.row.classifications if item.sensor == part.sensor]
    bases = [part.frame(at).get(IMAGE_ATTRIBUTES) for at in range(count)]
    if not marks and not any(bases):
        return [None if base is None else dict(base) for base in bases]
    definitions = definitions_of(packing.project.ontology)
    homeless: dict[str, Homeless] = {mark.id: Homeless() for mark in marks}
    written: list[Json | None] = []
    for at, base in enumerate(bases):
        answers, owners = _answers_at(packing, marks, at)
        known = base if isinstance(base, Mapping) else None
        lost = Homeless()
        try:
            written.append(patched(known, answers, definitions, "the dataset", lost))
        except AnswerError as error:
            raise packing.refuse(f"frame {at}, image attribute", error) from error
        for name, why in lost.lost:
            homeless[owners[name]].lose(name, why)
    for identity, found in homeless.items():
        for _, why in found.lost:
            packing.lose(identity, LossKind.CLASSIFICATION, why)
    _lose_marks(packing, marks, count)
    return written


def _answers_at(
    packing: Packing, marks: Sequence[Classification], frame: int
) -> tuple[dict[str, Answer], dict[str, str]]:
    """The answers of a frame and the classifications that give them; a second value of one name is lost."""
    answers: dict[str, Answer] = {}
    owners: dict[str, str] = {}
    for mark in marks:
        if mark.frames is not None and not spans.holds(mark.frames, frame):
            continue
        if mark.name in answers:
            if not same_answer(answers[mark.name], mark.answer):
                why = f"image attribute {mark.name!r} has one value on a frame, and another is there"
                packing.lose(mark.id, LossKind.CLASSIFICATION, why)
            continue
        answers[mark.name] = mark.answer
        owners[mark.name] = mark.id
    return answers, owners


def _lose_marks(packing: Packing, marks: Sequence[Classification], count: int) -> None:
    for mark in marks:
        if mark.confidence not in (None, 1):
            why = f"Segments.ai has no confidence of an image attribute ({mark.confidence})"
            packing.lose(mark.id, LossKind.CONFIDENCE, why)
        outside = count == 0 if mark.frames is None else spans.without(mark.frames, ((0, count - 1),))
        if outside:
            why = f"image attribute {mark.name!r} is on frames that the sample has not; it has {count}"
            packing.lose(mark.id, LossKind.CLASSIFICATION, why)

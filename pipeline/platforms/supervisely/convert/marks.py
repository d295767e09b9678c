"""Classifications of a row to the tags of its image."""

from pipeline.core import spans
from pipeline.core.labels import Classification, LabelRow, MediaKind
from pipeline.core.losses import LossKind
from pipeline.platforms.supervisely.convert.context import Packing
from pipeline.platforms.supervisely.convert.tags import AnswerError, Said, write_tags
from pipeline.platforms.supervisely.wire import PLATFORM, JsonValue


def write_marks(packing: Packing) -> list[JsonValue]:
    """Return the tags of the image. Those that did not change since it was opened stay as they are.

    What is no label of the whole image is lost. Raises RowError.
    """
    existing = packing.edited.existing
    if existing is not None and packing.row.classifications == existing.classifications:
        return list((packing.opened.annotation or {}).get("tags") or ())
    there = {mark.id: mark for mark in existing.classifications} if existing is not None else {}
    written: list[JsonValue] = []
    done: set[str] = set()
    for mark in packing.row.classifications:
        if mark.name in done:
            packing.lose(mark.id, LossKind.CLASSIFICATION, f"the image is tagged {mark.name!r} twice")
        elif _is_of_image(packing, mark):
            done.add(mark.name)
            written += _tags(packing, mark, there.get(mark.id))
    return written


def _is_of_image(packing: Packing, mark: Classification) -> bool:
    whole = mark.frames is None or (
        packing.edited.row.media_kind is MediaKind.IMAGE and spans.holds(mark.frames, 0)
    )
    if whole and mark.sensor is None:
        return True
    where = f"sensor {mark.sensor!r}" if mark.sensor is not None else f"frames {mark.frames}"
    why = f"{mark.name!r} is of {where}; a tag is of the whole image"
    packing.lose(mark.id, LossKind.CLASSIFICATION, why)
    return False


def _tags(packing: Packing, mark: Classification, old: Classification | None) -> list[JsonValue]:
    if mark.confidence not in (None, 1):
        why = f"a tag of an image has no confidence ({mark.name!r}: {mark.confidence})"
        packing.lose(mark.id, LossKind.CONFIDENCE, why)

    def lose(_: str, why: str) -> None:
        packing.lose(mark.id, LossKind.CLASSIFICATION, why)

    raw = mark.raw if mark.raw is not None and mark.raw.platform == PLATFORM else None
    held = (raw.data.get("tags") or ()) if raw is not None else ()
    in_place = raw is not None and old is not None and old.raw == raw
    try:
        return write_tags(Said((mark.answer,)), held, packing.project, None, lose, in_place=in_place)
    except AnswerError as error:
        raise packing.refuse(f"classification {mark.name!r}", error) from error


def new_marks(packing: Packing, existing: LabelRow) -> tuple[Classification, ...]:
    """Return the classifications of a row that the image does not have; another answer to one is lost."""
    there = {mark.name: mark for mark in existing.classifications}
    new = []
    for mark in packing.row.classifications:
        old = there.get(mark.name)
        if old is None:
            new.append(mark)
        elif old.answer.value != mark.answer.value:
            why = f"the image is tagged {mark.name!r} already, with another value; it stays as it is"
            packing.lose(mark.id, LossKind.CLASSIFICATION, why)
    return tuple(new)

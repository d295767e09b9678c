"""What an incoming row and the row that was opened for it in the target have to do with each other."""

from dataclasses import replace

from pipeline.core.labels import LabelRow, Media
from pipeline.core.rows import Decision, Mode
from pipeline.errors import RowError


def complete(row: LabelRow, opened: LabelRow | None) -> LabelRow:
    """Fill the sizes, frame count and media kind that the source does not know from the opened row.

    Raises RowError where both know a size or a number of frames and disagree.
    """
    if opened is None:
        return row
    known = opened.media or row.media
    wanted = max(len(known), 1)
    media = row.media if len(row.media) == wanted else (*row.media, *known[len(row.media) :])[:wanted]
    pairs = zip(media, known, strict=False)
    media = tuple(_sized(row, mine, theirs, at) for at, (mine, theirs) in enumerate(pairs))
    count = row.frame_count
    if count is None or opened.frame_count is None:
        count = opened.frame_count if count is None else count
    elif count != opened.frame_count:
        message = (
            f"row {row.title or row.key!r}: frame_count is {count} in the source and {opened.frame_count} in "
            "the target; check that both are the same data unit"
        )
        raise RowError(message)
    if (media, count, opened.media_kind) == (row.media, row.frame_count, row.media_kind):
        return row
    return replace(row, media=media, frame_count=count, media_kind=opened.media_kind)


def _sized(row: LabelRow, mine: Media, theirs: Media, frame: int) -> Media:
    if theirs.width is None or theirs.height is None:
        return mine
    if mine.width is None or mine.height is None:
        return replace(mine, width=theirs.width, height=theirs.height)
    if (mine.width, mine.height) != (theirs.width, theirs.height):
        message = (
            f"row {row.title or row.key!r}, frame {frame}: the picture is {mine.width} x {mine.height} in "
            f"the source and {theirs.width} x {theirs.height} in the target; are they the same picture?"
        )
        raise RowError(message)
    return mine


def appended(existing: LabelRow, row: LabelRow) -> LabelRow:
    """Return what is there, and the labels, groups and relations of `row` whose id is not there."""
    objects = {item.id for item in existing.objects}
    marks = {item.id for item in existing.classifications}
    groups = {item.id for item in existing.groups}
    return replace(
        existing,
        objects=existing.objects + tuple(item for item in row.objects if item.id not in objects),
        classifications=existing.classifications
        + tuple(item for item in row.classifications if item.id not in marks),
        groups=existing.groups + tuple(item for item in row.groups if item.id not in groups),
        relations=existing.relations
        + tuple(item for item in row.relations if item not in existing.relations),
    )


def decide(mode: Mode | None, existing: LabelRow | None) -> Decision:
    """Decide, at a row's first open, what happens to the labels that it already has."""
    if existing is None or existing.label_count == 0 or mode in (Mode.REPLACE, Mode.EDIT):
        return Decision.WRITE
    if mode is Mode.APPEND:
        return Decision.APPEND
    if mode is Mode.SKIP:
        return Decision.SKIP
    return Decision.REFUSE


def refusal(existing: LabelRow) -> str:
    """Say why a row with labels was refused, and what to do."""
    return (
        f"the target row already has {existing.label_count} labels; set `mode: replace` to overwrite them, "
        "`mode: append` to add to them, or `mode: skip-existing` to leave such rows alone"
    )

"""What an incoming row and the row that was opened for it in the target have to do with each other."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

from pipeline.core.labels import Group, LabelRow, Media, Sensor
from pipeline.core.rows import Decision, Mode
from pipeline.errors import RowError


def complete(row: LabelRow, opened: LabelRow | None) -> LabelRow:
    """Fill the sizes, frame counts, sensors and media kind that the source does not know from the opened row.

    Sensors come in the order of the opened row. Raises RowError where both know a size or a number of frames
    and disagree.
    """
    if opened is None:
        return row
    media = _joined(row, row.media, opened.media)
    count = _counted(row, "", row.frame_count, opened.frame_count)
    sensors = _sensors(row, opened) if opened.sensors else row.sensors
    if (media, count, sensors, opened.media_kind) == (
        row.media,
        row.frame_count,
        row.sensors,
        row.media_kind,
    ):
        return row
    return replace(row, media=media, frame_count=count, sensors=sensors, media_kind=opened.media_kind)


def _joined(
    row: LabelRow, mine: tuple[Media, ...], theirs: tuple[Media, ...], sensor: str = ""
) -> tuple[Media, ...]:
    if len(mine) == len(theirs) == 1 and _of_one_size(mine[0], theirs[0]):
        return mine  # as nearly all pictures are, said in a fraction of the time
    known = theirs or mine
    if len(mine) == 1 and len(known) > 1:
        # One file for all frames, as of a video: it tells their size too.
        known = tuple(_as_large(one, mine[0]) for one in known)
    wanted = max(len(known), 1)
    media = mine if len(mine) == wanted else (*mine, *known[len(mine) :])[:wanted]
    pairs = zip(media, known, strict=False)
    return tuple(_sized(row, one, other, f"{sensor}frame {at}") for at, (one, other) in enumerate(pairs))


def _of_one_size(mine: Media, theirs: Media) -> bool:
    return (
        mine.width is not None
        and mine.height is not None
        and mine.width == theirs.width
        and mine.height == theirs.height
        and mine.points is None
        and theirs.points is None
    )


def _as_large(one: Media, like: Media) -> Media:
    known = one.width is not None and one.height is not None
    return one if known else replace(one, width=like.width, height=like.height)


def _counted(row: LabelRow, sensor: str, mine: int | None, theirs: int | None) -> int | None:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    if mine != theirs:
        message = (
            f"row {row.title or row.key!r}: {sensor}frame_count is {mine} in the source and {theirs} in "
            "the target; check that both are the same data unit"
        )
        raise RowError(message)
    return mine


def _sensors(row: LabelRow, opened: LabelRow) -> tuple[Sensor, ...]:
    found = []
    for theirs in opened.sensors:
        mine = row.sensor(theirs.name)
        if mine is None:
            found.append(theirs)
            continue
        label = f"sensor {theirs.name!r}, "
        media = _joined(row, mine.media, theirs.media, label)
        count = _counted(row, label, mine.frame_count, theirs.frame_count)
        kind = theirs.media_kind
        same = (media, count, kind) == (mine.media, mine.frame_count, mine.media_kind)
        found.append(mine if same else replace(mine, media_kind=kind, media=media, frame_count=count))
    names = {item.name for item in opened.sensors}
    return (*found, *(item for item in row.sensors if item.name not in names))


def _sized(row: LabelRow, mine: Media, theirs: Media, where: str) -> Media:
    points = theirs.points if mine.points is None else mine.points
    if theirs.points not in (None, points):
        message = (
            f"row {row.title or row.key!r}, {where}: the cloud has {points} points in the source and "
            f"{theirs.points} in the target; are they the same cloud?"
        )
        raise RowError(message)
    if theirs.width is None or theirs.height is None:
        return mine if points == mine.points else replace(mine, points=points)
    if mine.width is None or mine.height is None:
        return replace(mine, width=theirs.width, height=theirs.height, points=points)
    if (mine.width, mine.height) != (theirs.width, theirs.height):
        message = (
            f"row {row.title or row.key!r}, {where}: the picture is {mine.width} x {mine.height} in "
            f"the source and {theirs.width} x {theirs.height} in the target; are they the same picture?"
        )
        raise RowError(message)
    return mine if points == mine.points else replace(mine, points=points)


def appended(existing: LabelRow, row: LabelRow) -> LabelRow:
    """Return what is there, and the labels, groups and relations of `row` whose id is not there."""
    objects = {item.id for item in existing.objects}
    marks = {item.id for item in existing.classifications}
    return replace(
        existing,
        objects=existing.objects + tuple(item for item in row.objects if item.id not in objects),
        classifications=existing.classifications
        + tuple(item for item in row.classifications if item.id not in marks),
        groups=joined_groups(existing.groups, row.groups, row.key),
        relations=existing.relations
        + tuple(item for item in row.relations if item not in existing.relations),
    )


def joined_groups(there: Iterable[Group], more: Iterable[Group], source: str) -> tuple[Group, ...]:
    """Return the groups of a row and those that are added to it from `source`.

    A group that is there with the same members stays the only one, and one of the same id that shares an
    object grows. Any other gets an id of its own: its key may stand for something else in the source.
    """
    found = {group.id: group for group in there}
    known = {frozenset(group.objects) for group in found.values()}
    for group in more:
        if frozenset(group.objects) in known:
            continue
        for key in _keys(group.id, source):
            old = found.get(key)
            if old is None:
                found[key] = replace(group, id=key)
            elif set(old.objects) & set(group.objects):
                found[key] = Group(key, tuple(dict.fromkeys((*old.objects, *group.objects))))
            else:
                continue
            break
    return tuple(found.values())


def _keys(key: str, source: str) -> Iterator[str]:
    yield key
    yield f"{key}@{source}"
    yield from (f"{key}@{source}-{number}" for number in count(2))


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

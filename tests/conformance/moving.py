"""Moves rows from a source to a target in process, as the flow does, for the tests of file platforms."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.core import codecs
from pipeline.core.encoding import drawn, layers_of, masks_of, with_masks, with_pictures
from pipeline.core.instances import OnTop
from pipeline.core.labels import LabelRow
from pipeline.core.masks import EncodedMask, Mask, MaskError
from pipeline.core.measure import mask_of
from pipeline.core.rows import Bundle, EditedRow, LabelTask, OpenRow, PackedRow, Place, Rejection, RowKey
from pipeline.errors import RowError
from pipeline.io.assets import Storage
from pipeline.io.channel import Channels
from pipeline.io.media import PictureReader
from pipeline.ports import Channel, Limits, Plan, RowChoice, Source, Target, Tools


def no_channel(_url: str, _limits: Limits) -> Channel:
    raise AssertionError("a file platform needs no channel")


def tools(scratch: Path, choice: RowChoice | None = None) -> Tools:
    assets = Storage(Channels(lambda _: None))
    media = PictureReader(assets)
    return Tools(no_channel, scratch, lambda _: None, rows=choice or RowChoice(), assets=assets, media=media)


async def every(keys: Sequence[RowKey]) -> set[str]:
    return {key.key for key in keys}


async def tasks_of(source: Source) -> list[LabelTask | Rejection]:
    return [task async for task in source.tasks(every)]


async def rows_of(source: Source) -> list[LabelRow]:
    found = await tasks_of(source)
    assert [task.reason for task in found if isinstance(task, Rejection)] == []
    return [task.row for task in found if isinstance(task, LabelTask) and task.row is not None]


async def keys_of(source: Source) -> list[RowKey]:
    return [key async for key in source.keys()]  # noqa: SIM118 - a method, not a mapping's


async def rejections_of(source: Source) -> dict[str, str]:
    return {task.key.key: task.reason for task in await tasks_of(source) if isinstance(task, Rejection)}


def tasks_from(rows: Sequence[LabelRow]) -> list[LabelTask]:
    return [LabelTask(RowKey(row.key, place, row.title), row) for place, row in enumerate(rows)]


def drawn_or_encoded(row: EditedRow, codec: str | None) -> EditedRow:
    """An arranged row with its masks encoded, as a worker hands it to a target."""
    if not codecs.layered(codec or ""):
        return replace(row, row=encoded(row.row, codec))
    on_top = row.layers.on_top if row.layers else OnTop.LAST
    try:
        pictures = {key: drawn(codec or "", found, on_top) for key, found in layers_of(row).items()}
    except MaskError as error:
        raise RowError(f"row {row.row.title or row.row.key!r}: {error}") from error
    return with_pictures(row, pictures)


def encoded(row: LabelRow, codec: str | None) -> LabelRow:
    """The row with its masks in a codec's notation, as a worker hands it to a target."""
    if codec is None:
        return row
    masks: map[Mask] = map(mask_of, masks_of(row, codec))
    data = [EncodedMask(mask.height, mask.width, codec, codecs.encode(codec, mask)) for mask in masks]
    return with_masks(row, codec, data)


async def _listed(keys: Sequence[RowKey]) -> AsyncIterator[RowKey]:
    for key in keys:
        yield key


async def packed(
    target: Target, tasks: Sequence[LabelTask], codec: str | None = None, *, append: bool = False
) -> list[PackedRow]:
    """Open and pack rows whose place is their key."""
    places = [Place(task.key.key, task.key.title) for task in tasks]
    opened = await target.open(tasks, places)
    found = []
    for row in opened:
        assert isinstance(row, OpenRow)
        new = row.task.row or row.existing
        assert new is not None
        edited = EditedRow(row.task.key, row.place, new, row.existing, append)
        found.append(target.pack(drawn_or_encoded(target.arrange(edited), codec)))
    return found


async def write(
    target: Target, plan: Plan, tasks: Sequence[LabelTask], *, codec: str | None = None, size: int = 2
) -> list[PackedRow]:
    """Bring all tasks to the target in bundles of `size` and finish it."""
    await target.prepare(plan, _listed([task.key for task in tasks]))
    rows = await packed(target, tasks, codec)
    changed = [row for row in rows if not row.unchanged]
    for start in range(0, len(changed), size):
        await target.save(Bundle.of(changed[start : start + size]))
    await target.finish(complete=True)
    return rows


async def copy(source: Source, target: Target, plan: Plan, codec: str | None = None) -> list[PackedRow]:
    """Bring a whole source to a target."""
    await target.prepare(plan, source.keys())
    tasks = [task for task in await tasks_of(source) if isinstance(task, LabelTask)]
    rows = await packed(target, tasks, codec)
    await target.save(Bundle.of(rows))
    await target.finish(complete=True)
    return rows

"""Rows on their way to a target that matches them: from their keys to what it opens."""

from collections.abc import AsyncIterator, Sequence

from pipeline.core.labels import LabelRow
from pipeline.core.rows import LabelTask, OpenRow, Place, Rejection, RowKey
from pipeline.ports import Places, Plan, Target

PLAN = Plan("run")


async def listed(rows: Sequence[LabelRow]) -> AsyncIterator[RowKey]:
    for ordinal, row in enumerate(rows):
        yield _key(row, ordinal)


def tasks_for(rows: Sequence[LabelRow]) -> list[LabelTask]:
    return [LabelTask(_key(row, ordinal), row) for ordinal, row in enumerate(rows)]


def _key(row: LabelRow, ordinal: int) -> RowKey:
    return RowKey(row.key, ordinal, row.title, external_id=row.key, metadata=row.metadata)


async def placed(places: Places, tasks: Sequence[LabelTask]) -> list[Place]:
    found = await places.of([task.key for task in tasks])
    return [place for place in found if isinstance(place, Place)]


async def opened(target: Target, rows: Sequence[LabelRow], plan: Plan = PLAN) -> list[OpenRow]:
    """Match and open rows, each of which must have its place."""
    tasks = tasks_for(rows)
    places = await placed(await target.prepare(plan, listed(rows)), tasks)
    assert len(places) == len(tasks)
    found = await target.open(tasks, places)
    assert [row.reason for row in found if isinstance(row, Rejection)] == []
    return [row for row in found if isinstance(row, OpenRow)]

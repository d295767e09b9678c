"""Runs the label operations on opened rows.

Light ones run here, a user's own function in one thread, heavy ones in the process pool.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, TypeVar

from anyio import lowlevel

from pipeline.core.labels import LabelRow
from pipeline.core.merging import complete
from pipeline.core.rows import Decision, EditedRow, OpenRow, Rejection
from pipeline.errors import RowError
from pipeline.io.one_thread import OneThread
from pipeline.ports import Encoder, Operation

Given = TypeVar("Given")
Outcome: TypeAlias = LabelRow | RowError


@dataclass(frozen=True, slots=True)
class Editor:
    """The job's operations, in order."""

    operations: Sequence[Operation]
    encoder: Encoder
    _one_thread: OneThread = field(default_factory=partial(OneThread, "user functions"))

    async def edit(self, rows: Sequence[OpenRow]) -> list[EditedRow | Rejection]:
        """Apply every operation to every row, in order. A row that fails comes back as a Rejection."""
        current = [attempt(_start, row) for row in rows]
        for operation in self.operations:
            current = await self._step(operation, current)
        return [_finish(row, outcome) for row, outcome in zip(rows, current, strict=True)]

    async def _step(self, operation: Operation, current: list[Outcome]) -> list[Outcome]:
        good = [row for row in current if isinstance(row, LabelRow)]
        if operation.heavy:
            done = iter(await self.encoder.apply(operation, good))
        elif operation.foreign:
            # Always the same thread: what a function keeps there, such as a connection, stays usable.
            done = iter(await self._one_thread.run(partial(_all, operation, good)))
        else:
            await lowlevel.checkpoint()
            done = iter(_all(operation, good))
        return [next(done) if isinstance(row, LabelRow) else row for row in current]


def attempt(work: Callable[[Given], LabelRow], given: Given) -> Outcome:
    """Return the row that `work` makes, or the RowError that it raises."""
    try:
        return work(given)
    except RowError as error:
        return error


def _all(operation: Operation, rows: Sequence[LabelRow]) -> list[Outcome]:
    return [attempt(operation, row) for row in rows]


def _start(row: OpenRow) -> LabelRow:
    if row.task.row is not None:
        return complete(_checked(row.task.row), row.existing)
    if row.existing is None:
        message = f"row {row.task.key.title or row.task.key.key!r}: there is nothing to edit in the target"
        raise RowError(message)
    return row.existing


def _checked(row: LabelRow) -> LabelRow:
    """Return a row of the source. Raises RowError for two groups of one id: targets would make them one."""
    ids = [group.id for group in row.groups]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise RowError(f"row {row.title or row.key!r}: two groups have the id {twice!r}; give one another id")
    return row


def _finish(row: OpenRow, outcome: Outcome) -> EditedRow | Rejection:
    if isinstance(outcome, RowError):
        return Rejection(row.task.key, "apply", str(outcome), row.task.row or row.existing)
    append = row.decision is Decision.APPEND
    return EditedRow(row.task.key, row.place, outcome, row.existing, append)

"""The rows of a listing that the job chose, and which of them are still to do."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pipeline.core.rows import RowKey
from pipeline.io.streams import batched
from pipeline.ports import StillToDo

KEYS_AT_ONCE = 500
"""Rows that are asked about together."""

Head = TypeVar("Head")


class Keyed(Protocol):
    """Anything that belongs to one row."""

    @property
    def key(self) -> RowKey:
        """The key of the row."""
        ...


Row = TypeVar("Row", bound=Keyed)


@dataclass(frozen=True, slots=True)
class Chosen(Generic[Head]):
    """One row that the job chose: its key, and what the listing says of it."""

    key: RowKey
    head: Head


async def chosen(
    listing: AsyncIterable[Sequence[Head]],
    limit: int | None,
    fits: Callable[[Head], bool],
    key_of: Callable[[Head, int], RowKey],
) -> AsyncIterator[Chosen[Head]]:
    """Give the rows of a listing that fit, in its order, up to the limit.

    `key_of` makes the key of a row, which is told its number among the chosen ones.
    """
    ordinal = 0
    async for heads in listing:
        for head in heads:
            if ordinal == limit:
                return
            if fits(head):
                yield Chosen(key_of(head, ordinal), head)
                ordinal += 1


async def unsettled(rows: AsyncIterable[Row], wanted: StillToDo) -> AsyncIterator[list[Row]]:
    """Give the rows that are still to do, asking about some at a time."""
    async for some in batched(rows, KEYS_AT_ONCE):
        keys = await wanted([row.key for row in some])
        if left := [row for row in some if row.key.key in keys]:
            yield left

"""When a batch of rows is full: by rows, by bytes, or because its oldest row has waited long enough."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class BatchRule:
    """At most `rows` rows and `size` bytes; no row waits longer than `linger` seconds.

    `first`: the rows of the first batch, where it is to be a smaller one. Each may have twice as many as the
    one before it then, up to `rows`.
    """

    rows: int
    size: int
    linger: float
    first: int | None = None


class Batcher(Generic[Item]):
    """Collects items into batches. It has no clock: every call that needs the time is given it."""

    def __init__(self, rule: BatchRule) -> None:
        self._rule = rule
        self._rows = rule.first or rule.rows
        self._items: list[Item] = []
        self._size = 0
        self._due = float("inf")

    def add(self, item: Item, size: int, now: float) -> list[list[Item]]:
        """Add one item of `size` bytes and return the batches that are full now (none, one or two).

        An item that is larger than the rule allows makes a batch of its own.
        """
        full = []
        if self._items and self._size + size > self._rule.size:
            full.append(self.take())
        if not self._items:
            self._due = now + self._rule.linger
        self._items.append(item)
        self._size += size
        if len(self._items) >= self._rows or self._size >= self._rule.size:
            full.append(self.take())
        return full

    @property
    def due(self) -> float:
        """The time when the oldest item has waited long enough; infinite while there is none."""
        return self._due

    def take(self) -> list[Item]:
        """Return what was collected, and start afresh."""
        self._rows = min(2 * self._rows, self._rule.rows)
        items, self._items, self._size, self._due = self._items, [], 0, float("inf")
        return items

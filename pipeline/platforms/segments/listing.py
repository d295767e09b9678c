"""Lists all samples of a dataset with their labels: pages, counted against what the dataset says it has.

A page is no snapshot: where samples come or go meanwhile, pages overlap or leave some out. So samples count
once, and a listing that is not whole is read again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil

import msgspec

from pipeline.errors import CredentialsError, FatalError, TransientError, UsageError
from pipeline.io.streams import together
from pipeline.platforms.segments.client import Client
from pipeline.platforms.segments.convert import Kind
from pipeline.platforms.segments.spool import Spool

PAGE = 1000
"""Samples of a page: what the service gives at once."""
HEAVY_PAGE = 100
"""The same where labels are large: those of sequences and point clouds."""
LEAST_PAGE = 10
"""Pages that the service cannot give are halved, but not below this."""
LARGE_TRIES = 3
"""Tries of a page that may be halved."""
PAGES_AT_ONCE = 4
READINGS = 3
"""Times that a listing is read when it is not whole."""


async def list_all(client: Client, spool: Spool, kind: Kind, *, labels: bool = True) -> None:
    """Read all samples into the spool, in the order of their names.

    `labels`: with those of the labelset, which must exist.

    Raises:
        FatalError: the dataset gives other samples than it says it has, however often it is asked.
    """
    size = HEAVY_PAGE if kind.sequence or kind.solid or kind.sensors else PAGE
    before = (await client.dataset()).count
    for _ in range(READINGS):
        await spool.clear()
        found = await Reading(client, spool, size, before, labels).all()
        after = (await client.dataset()).count
        # Where the number changed, a sample that went may have hidden another one from the next page.
        if before is None or found == before == after:
            return
        said, before = f"{after} samples" if before == after else f"{before} samples, then {after}", after
    text = f"the dataset says that it has {said}, but its listing gives {found}"
    raise FatalError(f"{text}; try again when nobody adds or removes samples")


@dataclass(slots=True)
class Reading:
    """One reading of all pages. `wanted` is how many samples there should be, where that is known."""

    client: Client
    spool: Spool
    size: int
    wanted: int | None
    labels: bool
    number: int = 1
    """The page that is to be read next, of `size` samples."""

    async def all(self) -> int:
        """Read all pages, and return how many samples there were, each counted once."""
        first = await self._next(1)
        new = await self.spool.add(first[0])
        rows = len(first[0])
        if rows < self.size:
            if rows in (0, self.wanted):
                return new
            # The service may give fewer at once than it is asked for: then this is the size of its pages.
            self.size = rows
        while True:
            left = ceil((self.wanted or 0) / self.size) - self.number + 1
            for page in await self._next(min(max(left, 1), PAGES_AT_ONCE)):
                new += await self.spool.add(page)
                if len(page) < self.size:
                    return new

    async def _next(self, count: int) -> Sequence[Sequence[msgspec.Raw]]:
        """Return the next pages, asked for at once. They are halved where the service cannot give them."""
        while True:
            halves = self.size % 2 == 0 and self.size // 2 >= LEAST_PAGE
            tries = LARGE_TRIES if halves else None
            numbers = range(self.number, self.number + count)
            try:
                pages = await together([partial(self._page, number, tries) for number in numbers])
            except (CredentialsError, UsageError):
                raise
            except (TransientError, FatalError):
                if not halves:
                    raise
                self.size //= 2
                self.number = 2 * self.number - 1
            else:
                self.number += count
                return pages

    async def _page(self, number: int, tries: int | None) -> list[msgspec.Raw]:
        return await self.client.page(number, self.size, labels=self.labels, tries=tries)

"""Lists all images of some datasets: pages, counted against what each list says it has.

A page is no snapshot: where images come or go meanwhile, pages overlap or leave some out. So images count
once, and a list that is not whole is read again.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from pipeline.errors import FatalError
from pipeline.io.streams import ahead, together
from pipeline.platforms.supervisely.client import Client, Page
from pipeline.platforms.supervisely.datasets import Datasets
from pipeline.platforms.supervisely.spool import Spool

PAGE = 500
"""Images of a page: what the service gives where it is not told."""
PAGES_AT_ONCE = 16
READINGS = 3
"""Times that a list is read when it is not whole."""


async def list_all(client: Client, spool: Spool, datasets: Datasets, chosen: Sequence[int]) -> None:
    """Read the images of the chosen datasets into the spool, dataset by dataset, in the order of their ids.

    Raises:
        FatalError: a dataset gives other images than it says it has, however often it is asked.
    """
    first = partial(_first, client)
    async with aclosing(ahead(_each(chosen), first, PAGES_AT_ONCE)) as pages:
        async for dataset, page in pages:
            await Reading(client, spool, dataset, datasets.paths[dataset]).whole(page)


async def _each(chosen: Sequence[int]) -> AsyncIterator[int]:
    for dataset in chosen:
        yield dataset


async def _first(client: Client, dataset: int) -> tuple[int, Page]:
    return dataset, await client.images(dataset, 1, PAGE)


@dataclass(slots=True)
class Reading:
    """Reads one dataset. `said` is how many images it has, by its latest word."""

    client: Client
    spool: Spool
    dataset: int
    path: str
    said: int = 0

    async def whole(self, page: Page) -> None:
        """Read all pages, the first of which is there, until they are as many as the list says."""
        for left in reversed(range(READINGS)):
            if await self._all(page) == self.said == page.total:
                return
            if left:
                await self.spool.forget(self.dataset)
                page = await self.client.images(self.dataset, 1, PAGE)
        text = f"dataset {self.path!r} says that it has {self.said} images, but its list gives others"
        raise FatalError(f"{text}; try again when nobody adds or removes images")

    async def _all(self, page: Page) -> int:
        """Read all pages, and return how many images there were, each counted once."""
        self.said = page.total
        new = await self.spool.add(self.dataset, page.entities)
        size, number = page.per_page or PAGE, 2
        while number <= page.pages_count:
            end = min(number + PAGES_AT_ONCE, page.pages_count + 1)
            calls = [partial(self.client.images, self.dataset, one, size) for one in range(number, end)]
            for more in await together(calls):
                self.said = more.total
                new += await self.spool.add(self.dataset, more.entities)
            number = end
        return new

"""Lists all images of some datasets: pages, counted against what each list says it has.

A page is no snapshot: where images come or go meanwhile, pages overlap or leave some out. So images count
once, and a list that is not whole is read again.

The first page of the whole project can be asked for before its datasets are known. Where they are small, or
one of them has all images, it saves the first page of each.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import msgspec

from pipeline.errors import FatalError
from pipeline.io.streams import ahead, together
from pipeline.platforms.supervisely.client import PAGE, Client, Page
from pipeline.platforms.supervisely.datasets import Datasets
from pipeline.platforms.supervisely.spool import Spool

PAGES_AT_ONCE = 16
READINGS = 3
"""Times that a list is read when it is not whole."""


async def list_all(
    client: Client, spool: Spool, datasets: Datasets, chosen: Sequence[int], beginning: Page | None = None
) -> None:
    """Read the images of the chosen datasets into the spool, dataset by dataset, in the order of their ids.

    `beginning` is the first page of all images of the project, if it is there.

    Raises:
        FatalError: a dataset gives other images than it says it has, however often it is asked.
    """
    first = partial(_first, client, begun(beginning, datasets) if beginning else {})
    async with aclosing(ahead(_each(chosen), first, PAGES_AT_ONCE)) as pages:
        async for dataset, page in pages:
            await Reading(client, spool, dataset, datasets.paths[dataset]).whole(page)


async def _each(chosen: Sequence[int]) -> AsyncIterator[int]:
    for dataset in chosen:
        yield dataset


async def _first(client: Client, known: Mapping[int, Page], dataset: int) -> tuple[int, Page]:
    return dataset, known.get(dataset) or await client.images(dataset, 1, PAGE)


class _Member(msgspec.Struct):
    dataset: int = msgspec.field(default=0, name="datasetId")


def begun(beginning: Page, datasets: Datasets) -> dict[int, Page]:
    """Return the first pages of datasets, by dataset, that the first page of their project's images tells.

    It tells that of a dataset which has all images, or of each where it is the only page. A dataset whose own
    number of images is another one is left out.
    """
    parts: dict[int, list[msgspec.Raw]] = {key: [] for key in datasets.counts}
    try:
        for body in beginning.entities:
            parts.setdefault(msgspec.json.decode(body, type=_Member).dataset, []).append(body)
    except (msgspec.DecodeError, ValueError):
        return {}
    if len(beginning.entities) == beginning.total:
        pages = {key: Page(len(part), len(part), 1, part) for key, part in parts.items()}
    else:
        pages = {key: beginning for key, part in parts.items() if len(part) == len(beginning.entities)}
    return {key: page for key, page in pages.items() if datasets.counts.get(key) == page.total}


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

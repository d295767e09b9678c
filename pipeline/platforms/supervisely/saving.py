"""Saves rows: annotations replace what was there, and what they cannot carry is added after them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from pipeline.core.rows import Bundle, PackedRow, Receipt, SaveReport
from pipeline.errors import BundleRefused, TransientError
from pipeline.io.streams import together
from pipeline.platforms.supervisely.client import AT_ONCE, Client
from pipeline.platforms.supervisely.convert import bulk_body, image_of_row
from pipeline.platforms.supervisely.figures import Figures, parts_of_rows
from pipeline.platforms.supervisely.unfinished import Unfinished

LARGE: Final = 8 * 1024 * 1024
"""Bytes of one request at most, where it is of several rows."""


class Saving:
    """Remembers which rows of a bundle were saved, so that a repeat sends only the others."""

    def __init__(self, client: Client, unfinished: Unfinished) -> None:
        self._client = client
        self._unfinished = unfinished
        self._saved: set[str] = set()
        self._left: Sequence[PackedRow] = ()

    async def save(self, bundle: Bundle) -> SaveReport:
        """Save the rows: requests of some rows of one dataset each, all at once, and then their figures.

        Raises BundleRefused or TransientError; rows that were saved before it are not sent again.
        """
        left = [row for row in bundle.rows if row.place.id not in self._saved]
        calls = [partial(self._outcome, part, bundle.tries) for part in parts_of(left)]
        failed = [error for error in await together(calls) if error is not None]
        if failed:
            raise _all_of(failed)
        self._saved.difference_update(row.place.id for row in bundle.rows)
        return SaveReport(tuple(Receipt(row.key.key, row.place.id) for row in bundle.rows))

    async def _outcome(
        self, rows: Sequence[PackedRow], tries: int | None
    ) -> BundleRefused | TransientError | None:
        """Save rows of one dataset. A failure is returned, so that it does not end the other requests."""
        try:
            await self._part(rows, tries)
        except (BundleRefused, TransientError) as error:
            return error
        return None

    async def look(self) -> None:
        """See which rows an earlier run has left half written."""
        self._left = await self._unfinished.left()

    async def finish(self) -> Mapping[str, str]:
        """Write the rows that were seen so. Returns why some cannot be, by image. Raises TransientError."""
        refused: dict[str, str] = {}
        for part in parts_of(self._left):
            try:
                await self._part(part, None)
            except BundleRefused:
                refused |= await self._finish_each(part)
        self._saved.clear()  # what the rows of this run say of these images is still to be written
        return refused

    async def _finish_each(self, rows: Sequence[PackedRow]) -> Mapping[str, str]:
        """Do so one by one: a row that is refused, as its image is gone, holds up no other."""
        refused: dict[str, str] = {}
        for row in rows:
            try:
                await self._part([row], None)
            except BundleRefused as refusal:
                refused[row.place.title] = str(refusal)
        return refused

    async def _part(self, rows: Sequence[PackedRow], tries: int | None) -> None:
        apart = [row for row in rows if b"\n" in row.payload]
        if apart:
            await self._unfinished.keep(apart)
        try:
            await self._written(rows, apart, tries)
        except BundleRefused:
            await self._unfinished.done(apart)
            raise

    async def _written(
        self, rows: Sequence[PackedRow], apart: Sequence[PackedRow], tries: int | None
    ) -> None:
        try:
            await self._put(rows, tries)
        except BundleRefused as refusal:
            if not refusal.too_large:
                raise
            if len(rows) == 1:
                why = f"too large for one request of its own: {refusal}"
                raise BundleRefused(str(refusal), rows={rows[0].place.id: why}) from refusal
            half = len(rows) // 2
            outcomes = [await self._outcome(part, tries) for part in (rows[:half], rows[half:])]
            if failed := [error for error in outcomes if error is not None]:
                raise _all_of(failed) from refusal
            return
        self._saved.update(row.place.id for row in rows if b"\n" not in row.payload)
        for part in parts_of_rows(apart):
            dataset = image_of_row(part[0]).dataset_id
            await Figures(self._client, dataset, part, partial(self._put, part, tries)).add(tries)
            await self._unfinished.done(part)
            self._saved.update(row.place.id for row in part)

    async def _put(self, rows: Sequence[PackedRow], tries: int | None) -> None:
        def body() -> bytes:
            lines = [row.payload.partition(b"\n")[0] for row in rows]
            return bulk_body(image_of_row(rows[0]).dataset_id, lines)

        await self._client.put_annotations(body, names_of(rows), tries)


def parts_of(rows: Sequence[PackedRow]) -> Iterator[list[PackedRow]]:
    """Give the rows in parts of one dataset each that are one request."""
    parts: dict[int, list[PackedRow]] = {}
    sizes: dict[int, int] = {}
    for row in rows:
        dataset = image_of_row(row).dataset_id
        part = parts.setdefault(dataset, [])
        sizes[dataset] = sizes.get(dataset, 0) + row.size
        if part and (len(part) == AT_ONCE or sizes[dataset] > LARGE):
            yield part
            part = parts[dataset] = []
            sizes[dataset] = row.size
        part.append(row)
    yield from parts.values()


def names_of(rows: Sequence[PackedRow]) -> Mapping[str, str]:
    """Return the target ids of rows of one dataset by what a refusal may call them."""
    names = {image_of_row(row).name: row.place.id for row in rows}
    return names | {row.place.id: row.place.id for row in rows}


def _all_of(failed: Sequence[BundleRefused | TransientError]) -> BundleRefused | TransientError:
    """Return the error of the whole: refusals that name rows come first, all together."""
    named = [error for error in failed if isinstance(error, BundleRefused) and error.rows]
    if named:
        return BundleRefused(
            str(named[0]), rows={row: why for error in named for row, why in error.rows.items()}
        )
    return failed[0]

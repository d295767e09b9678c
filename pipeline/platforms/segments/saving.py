"""Saves rows: files first, then the label, many rows in flight at once."""

from collections.abc import Sequence
from functools import partial

from pipeline.core.rows import Bundle, PackedRow, Receipt, Rejection, SaveReport
from pipeline.errors import BundleRefused, RowError, TransientError
from pipeline.io.streams import together
from pipeline.platforms.segments.client import Client
from pipeline.platforms.segments.convert import filled

FILE_NAME = "label.png"


class Saving:
    """Remembers which rows of a bundle were saved, so that a repeat sends only the others."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._saved: dict[str, Receipt] = {}

    async def save(self, bundle: Bundle) -> SaveReport:
        """Save every row by itself.

        Raises TransientError when all tries of a row are used up; rows that were saved are not sent again.
        """
        outcomes = await together([partial(self._outcome, row, bundle.tries) for row in bundle.rows])
        saved = [item for item in outcomes if isinstance(item, Receipt)]
        if failed := [item for item in outcomes if isinstance(item, TransientError)]:
            self._saved.update((receipt.key, receipt) for receipt in saved)
            raise failed[0]
        for receipt in saved:
            self._saved.pop(receipt.key, None)
        return SaveReport(tuple(saved), tuple(item for item in outcomes if isinstance(item, Rejection)))

    async def _outcome(self, row: PackedRow, tries: int | None) -> Receipt | Rejection | TransientError:
        if row.key.key in self._saved:
            return self._saved[row.key.key]
        try:
            urls = await self._uploaded(row.assets, tries)
            payload = filled(row, urls) if urls else row.payload
            await self._client.put_label(row.place.id, payload, tries)
        except TransientError as error:
            return error
        except (BundleRefused, RowError) as error:
            reason = error.rows.get(row.place.id) if isinstance(error, BundleRefused) else None
            return Rejection(row.key, "save", f"row {row.place.title!r}: {reason or error}", row.row)
        return Receipt(row.key.key, row.place.id)

    async def _uploaded(self, files: Sequence[bytes], tries: int | None) -> list[str]:
        if len(files) == 1:
            return [await self._client.upload(files[0], FILE_NAME, tries)]
        return await together([partial(self._client.upload, data, FILE_NAME, tries) for data in files])

"""Masks that are encoded while their rows are matched and opened: the wait costs nothing then."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pipeline.core.codecs import layered
from pipeline.core.rows import EditedRow, LabelTask, Mode, OpenRow, Place, Rejection
from pipeline.errors import RowError
from pipeline.io.streams import all_of
from pipeline.ports import Encoder, Operation

Opened = list[OpenRow | Rejection]

_NOWHERE = Place("")
"""Where a row goes need not be known to encode its masks."""


@dataclass(frozen=True, slots=True)
class Early:
    """Encodes the masks of rows in `codec` beside their opening; "" for a job in which that must wait.

    `timed` tells how long a stage took.
    """

    encoder: Encoder
    codec: str
    timed: Callable[[str], AbstractContextManager[None]]

    async def beside(self, opening: Callable[[], Awaitable[Opened]], rows: Sequence[LabelTask]) -> Opened:
        """Open rows, and return them with their masks encoded. A row whose masks fail is rejected."""
        if not self.codec:
            return await opening()
        given = [EditedRow(task.key, _NOWHERE, task.row) for task in rows if task.row and task.row.objects]
        encoded: dict[str, EditedRow | RowError] = {}

        async def encode() -> None:
            with self.timed("encode"):
                found = await self.encoder.encode(given, self.codec)
            encoded.update(zip((row.key.key for row in given), found, strict=True))

        async with all_of() as group:
            group.start_soon(encode)
            opened = await opening()
        return [_with(row, encoded) if isinstance(row, OpenRow) else row for row in opened]


def codec_for(codec: str, operations: Sequence[Operation], mode: Mode | None) -> str:
    """Return the codec that masks can be encoded in before their rows are open, or "".

    Operations see masks as the source has them. One picture for all masks of a frame needs those that are
    there already. Rows that are left alone, as they have labels, would be encoded for nothing.
    """
    waits = operations or mode in (Mode.SKIP, Mode.EDIT) or layered(codec)
    return "" if waits else codec


def _with(row: OpenRow, encoded: dict[str, EditedRow | RowError]) -> OpenRow | Rejection:
    task = row.task
    done = encoded.get(task.key.key)
    if done is None:
        return row
    if isinstance(done, RowError):
        return Rejection(task.key, "pack", str(done), task.row)
    return OpenRow(LabelTask(task.key, done.row, task.size), row.place, row.existing, row.decision)

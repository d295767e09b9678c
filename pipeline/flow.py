"""The main flow: every row is opened, edited, packed, bundled, saved and recorded.

    source.tasks -> open -> apply -> pack -> bundle -> save -> record

One bounded stream per arrow, and another frozen type on each. A full stream blocks its sender, so
back-pressure reaches the source by itself; closing the source drains the line in order.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream as Receive
from anyio.streams.memory import MemoryObjectSendStream as Send

from pipeline.core.batching import BatchRule
from pipeline.core.rows import Bundle, EditedRow, LabelTask, OpenRow, PackedRow, Place, Rejection
from pipeline.errors import RowError
from pipeline.events import RowsOpened
from pipeline.io.dividing import divided
from pipeline.io.early import Early
from pipeline.io.editing import Editor
from pipeline.io.promised import Promised
from pipeline.io.record import Record
from pipeline.io.streams import all_of, batches, chunks, in_order, pour, put, until
from pipeline.ports import Encoder, Places, Plan, Source, Target

Result = TypeVar("Result")

CHUNK = 64
"""Rows that are edited, encoded and packed at once, where so many are waiting."""


@dataclass(frozen=True, slots=True)
class Line:
    """A job, wired: everything that moves its rows."""

    source: Source
    target: Target
    codec: str
    encoder: Encoder
    early: Early
    editor: Editor
    record: Record
    plan: Plan
    opening: BatchRule
    saving: BatchRule
    ahead: int
    """Bundles that are opened at once, or wait in order for the stages behind."""
    at_once: int
    stop: anyio.Event


async def move(line: Line, places: Promised[Places]) -> None:
    """Bring every row of the source to its place in the target; until places are known, only read."""
    to_open, opening = anyio.create_memory_object_stream[LabelTask](CHUNK)
    to_edit, editing = anyio.create_memory_object_stream[OpenRow](CHUNK)
    to_pack, packing = anyio.create_memory_object_stream[EditedRow](CHUNK)
    to_bundle, bundling = anyio.create_memory_object_stream[PackedRow](CHUNK)
    to_save, saving = anyio.create_memory_object_stream[Bundle](0)
    async with all_of() as stages:
        stages.start_soon(read, line, places, to_open)
        stages.start_soon(open_rows, line, places, opening, to_edit)
        stages.start_soon(apply, line, editing, to_pack)
        stages.start_soon(pack, line, packing, to_bundle)
        stages.start_soon(bundle, line, bundling, to_save)
        for _ in range(line.at_once):
            stages.start_soon(save, line, saving.clone())
        saving.close()


async def read(line: Line, places: Promised[Places], to_open: Send[LabelTask]) -> None:
    """Read the rows that are not settled yet, until the source ends or the run is asked to stop."""
    stop = line.stop if line.source.restartable else None  # an iterable heeds it, and gives all it took
    async with to_open, aclosing(line.source.tasks(line.record.wanted)) as tasks, until(stop):
        async for task in tasks:
            if isinstance(task, Rejection):
                await places.value()  # nothing is recorded while the target may still turn out to be wrong
                await line.record.rejected([task])
            else:
                await put(task, to_open)
            if stop and stop.is_set():
                return


async def open_rows(
    line: Line, places: Promised[Places], tasks: Receive[LabelTask], to_edit: Send[OpenRow]
) -> None:
    """Initialise rows in bundles, each row once, and decide what happens to labels that are there."""

    async def work(batch: list[LabelTask]) -> list[OpenRow | Rejection]:
        return await line.early.beside(partial(open_bundle, line, places, batch), batch)

    async def give(opened: list[OpenRow | Rejection]) -> None:
        line.record.tell(RowsOpened(len(opened)))
        going = await line.record.decided(opened, line.plan.mode)
        await pour(await line.record.arrived(going, line.target.pack), to_edit)

    async with tasks, to_edit:
        await in_order(batches(tasks, line.opening, lambda task: task.size), work, give, line.ahead)


async def open_bundle(
    line: Line, places: Promised[Places], batch: Sequence[LabelTask]
) -> list[OpenRow | Rejection]:
    """Initialise rows at their places, in parts where the target refuses them; in their order."""
    found = await (await places.value()).of([task.key for task in batch])
    pairs = list(zip(batch, found, strict=True))
    rows = [(task, place) for task, place in pairs if isinstance(place, Place)]
    lost = [replace(place, row=task.row) for task, place in pairs if isinstance(place, Rejection)]
    done: dict[str, OpenRow | Rejection] = {each.key.key: each for each in lost}

    async def send(part: Sequence[tuple[LabelTask, Place]], _tries: int | None) -> None:
        opened = await line.target.open([task for task, _ in part], [place for _, place in part])
        done.update({task.key.key: row for (task, _), row in zip(part, opened, strict=True)})

    ids = [place.id or task.key.key for task, place in rows]  # a row that is to be created has no id yet
    with line.record.timed("open"):
        blamed = await divided(rows, ids, send, line.target.probe)
    done |= {task.key.key: Rejection(task.key, "open", why, task.row) for (task, _), why in blamed}
    return [done[task.key.key] for task in batch]


async def apply(line: Line, rows: Receive[OpenRow], to_pack: Send[EditedRow]) -> None:
    """Apply the label operations, in row order. An operation that fails rejects its row."""
    async with rows, to_pack:
        async for chunk in chunks(rows, CHUNK):
            with line.record.timed("apply"):
                edited = await line.editor.edit(chunk)
            await pour(await line.record.edited(chunk, edited), to_pack)


async def pack(line: Line, rows: Receive[EditedRow], to_bundle: Send[PackedRow]) -> None:
    """Encode masks in the process pool, then turn each row into the target's own bytes."""

    async def work(chunk: list[EditedRow]) -> list[PackedRow | Rejection]:
        with line.record.timed("pack"):
            arranged = [guarded(row, line.target.arrange) for row in chunk]
        with line.record.timed("encode"):
            going = [row for row in arranged if isinstance(row, EditedRow)]
            encoded = iter(await line.encoder.encode(going, line.codec) if line.codec else going)
        with line.record.timed("pack"):
            return [
                guarded(row, partial(packed, line, next(encoded))) if isinstance(found, EditedRow) else found
                for row, found in zip(chunk, arranged, strict=True)
            ]

    async def give(results: list[PackedRow | Rejection]) -> None:
        await pour(await line.record.judged(results), to_bundle)

    async with rows, to_bundle:
        await in_order(chunks(rows, CHUNK), work, give, line.at_once)


def packed(line: Line, encoded: EditedRow | RowError, edited: EditedRow) -> PackedRow:
    """Pack one row. It is kept for a rejection: encoded, or whole where masks in one picture hide others."""
    if isinstance(encoded, RowError):
        raise encoded
    done, kept = line.target.pack(encoded), encoded.row if encoded.layers is None else edited.row
    return done if done.row is kept else replace(done, row=kept)


def guarded(row: EditedRow, step: Callable[[EditedRow], Result]) -> Result | Rejection:
    """Do one step of packing; where it fails, the row is rejected as it was edited."""
    try:
        return step(row)
    except RowError as error:
        return Rejection(row.key, "pack", str(error), row.row)


async def bundle(line: Line, rows: Receive[PackedRow], to_save: Send[Bundle]) -> None:
    """Collect rows into bundles: by rows, by bytes, by the wait of the oldest, or at the end."""
    async with rows, to_save:
        async for batch in batches(rows, line.saving, lambda row: row.size):
            await to_save.send(Bundle.of(batch))


async def save(line: Line, bundles: Receive[Bundle]) -> None:
    """Save bundles: the intent is recorded before the request, each row's fate after it."""
    async with bundles:
        async for whole in bundles:
            await line.record.intended(whole)
            with line.record.timed("save"):
                await save_bundle(line, whole)
            del whole  # or each waiting task would keep the rows of its last bundle


async def save_bundle(line: Line, whole: Bundle) -> None:
    """Save one bundle, in parts where the target refuses it."""

    async def send(rows: Sequence[PackedRow], tries: int | None) -> None:
        part = whole if tries is None and len(rows) == len(whole.rows) else Bundle.of(rows, tries)
        await line.record.saved(part, await line.target.save(part))

    blamed = await divided(whole.rows, [row.place.id for row in whole.rows], send, line.target.probe)
    await line.record.rejected([Rejection(row.key, "save", reason, row.row) for row, reason in blamed])

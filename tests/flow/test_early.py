"""Masks are encoded while their rows are being opened, where nothing changes them before they are packed."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import anyio
import numpy as np
import pytest

from pipeline import Job, run
from pipeline.core.geometry import Box, Geometry
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.masks import EncodedMask, Raster
from pipeline.core.operations import Keep
from pipeline.core.rows import EditedRow, LabelTask, Mode, OpenRow, Place, Rejection, RowKey
from pipeline.errors import RowError, Stopped
from pipeline.events import Event, StageTime
from pipeline.io.early import Early, codec_for
from pipeline.io.workers import Workers

pytestmark = pytest.mark.anyio
EYE = Raster(np.eye(4, dtype=np.bool_))
BROKEN = EncodedMask(4, 4, "coco_rle", "no such thing")


def untimed(_stage: str) -> AbstractContextManager[None]:
    return nullcontext()


def task_of(name: str, *drawn: Geometry) -> tuple[LabelTask, Place]:
    objects = tuple(ObjectInstance(str(n), "blob", {0: Occurrence(one)}) for n, one in enumerate(drawn))
    return LabelTask(RowKey(name, 0, name), LabelRow(name, name, objects=objects)), Place(name, name)


def drawn_in(row: OpenRow | Rejection) -> list[Geometry]:
    assert row.task.row is not None if isinstance(row, OpenRow) else row.row is not None
    whole = row.task.row if isinstance(row, OpenRow) else row.row
    return [item.occurrences[0].geometry for item in whole.objects] if whole else []


class Waiting(Workers):
    """An encoder that says when it has encoded something."""

    def __init__(self) -> None:
        super().__init__(0, lambda _: None)
        self.done = anyio.Event()

    async def encode(self, rows: Sequence[EditedRow], codec: str) -> list[EditedRow | RowError]:
        found = await super().encode(rows, codec)
        self.done.set()
        return found


async def test_rows_come_back_with_masks_that_were_encoded_before_the_target_answered() -> None:
    rows = [task_of("one", EYE, Box(1.0, 1.0, 2.0, 2.0)), task_of("two"), task_of("none", EYE)]

    async def opening() -> list[OpenRow | Rejection]:
        await encoder.done.wait()
        opened: list[OpenRow | Rejection] = [OpenRow(*row) for row in rows[:2]]
        return [*opened, Rejection(rows[2][0].key, "open", "gone", rows[2][0].row)]

    async with Waiting() as encoder:
        with anyio.fail_after(20):
            one, two, none = await Early(encoder, "bitmap_png", untimed).beside(
                opening, [task for task, _ in rows]
            )
    mask, box = drawn_in(one)
    assert isinstance(mask, EncodedMask)
    assert (mask.codec, box) == ("bitmap_png", Box(1.0, 1.0, 2.0, 2.0))
    assert two == OpenRow(*rows[1])
    assert drawn_in(none) == [EYE]


async def test_a_row_whose_mask_is_broken_is_rejected_as_it_is_and_the_others_are_encoded() -> None:
    rows = [task_of("broken", BROKEN), task_of("whole", EYE)]

    async def opening() -> list[OpenRow | Rejection]:
        return [OpenRow(*row) for row in rows]

    async with Waiting() as encoder:
        broken, whole = await Early(encoder, "encord_rle", untimed).beside(
            opening, [task for task, _ in rows]
        )
    assert isinstance(broken, Rejection)
    assert (broken.stage, drawn_in(broken)) == ("pack", [BROKEN])
    assert "row 'broken'" in broken.reason
    assert isinstance(drawn_in(whole)[0], EncodedMask)


async def test_an_opening_that_fails_does_not_wait_for_the_masks() -> None:
    class Never(Waiting):
        async def encode(self, rows: Sequence[EditedRow], codec: str) -> list[EditedRow | RowError]:
            await anyio.sleep_forever()
            return await super().encode(rows, codec)

    async def opening() -> list[OpenRow | Rejection]:
        raise Stopped("the service is out")

    async with Never() as encoder:
        with anyio.fail_after(20), pytest.raises(ExceptionGroup) as caught:
            await Early(encoder, "encord_rle", untimed).beside(opening, [task_of("one", EYE)[0]])
    assert caught.group_contains(Stopped, match="the service is out")


async def test_the_time_that_a_run_tells_of_opening_has_none_of_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, usual = anyio.Event(), Workers.encode

    async def encode(workers: Workers, rows: Sequence[EditedRow], codec: str) -> list[EditedRow | RowError]:
        await told.wait()
        return await usual(workers, rows, codec)

    def listen(event: Event) -> None:
        if isinstance(event, StageTime) and event.stage == "open":
            told.set()

    monkeypatch.setattr(Workers, "encode", encode)
    mask = ObjectInstance("a", "blob", {0: Occurrence(EYE)})
    row = LabelRow("one", "one", media=(Media("one", width=4, height=4),), objects=(mask,))
    target = {"platform": "archive", "path": str(tmp_path / "out")}
    job = Job(name="drawn", source=[row], target=target, journal=f"sqlite:///{tmp_path}/labelferry.db")
    with anyio.fail_after(20):
        report = await run(job, listeners=[listen])
    assert report.rows["saved"] == 1
    assert report.seconds["encode"] > 0


@pytest.mark.parametrize("mode", [None, Mode.REPLACE, Mode.APPEND])
def test_masks_of_a_job_without_operations_are_encoded_early(mode: Mode | None) -> None:
    assert codec_for("encord_rle", [], mode) == "encord_rle"


def test_masks_that_an_operation_or_a_decision_waits_for_are_not_encoded_early() -> None:
    keep = Keep(classes=("blob",))
    assert codec_for("encord_rle", [keep], Mode.REPLACE) == ""
    assert codec_for("encord_rle", [], Mode.SKIP) == ""
    assert codec_for("encord_rle", [], Mode.EDIT) == ""
    assert codec_for("instance_png", [], Mode.REPLACE) == ""
    assert codec_for("", [], Mode.REPLACE) == ""

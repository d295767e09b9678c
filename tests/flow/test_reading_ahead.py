"""Rows from Python are read, and their masks encoded, while the target is listed; none is lost by it."""

import asyncio
from asyncio import CancelledError
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

from pipeline import Job, run
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.masks import Raster
from pipeline.core.rows import EditedRow
from pipeline.errors import LabelferryError, RowError, Stopped, UsageError
from pipeline.events import Event, RowRejected
from pipeline.io.workers import Workers
from pipeline.platforms.archive.target import ArchiveTarget
from pipeline.ports import Places
from pipeline.wiring import RunOptions, open_journal
from tests.flow.project import Project, row_of, rows_of

NO_PROJECT = "00000000-0000-0000-0000-000000000000"


def generated(count: int) -> Iterator[LabelRow]:
    yield from rows_of(count)


class Lazy:
    """Rows that come again whenever they are asked for."""

    def __iter__(self) -> Iterator[LabelRow]:
        return generated(3)


@dataclass
class Same:
    """Rows that go on where they were left."""

    rows: Iterator[LabelRow]

    def __iter__(self) -> Iterator[LabelRow]:
        return self.rows


class Bare:
    """Rows whose iterator is no more than that."""

    def __init__(self) -> None:
        self.rows = generated(3)

    def __iter__(self) -> Any:  # noqa: ANN401 - what it is, no type says
        return BareIterator(self.rows)


@dataclass
class BareIterator:
    rows: Iterator[LabelRow]

    def __next__(self) -> LabelRow:
        return next(self.rows)


class Counting(Iterator[LabelRow]):
    """Three rows. Any two of these are equal."""

    def __init__(self) -> None:
        self.rows = generated(3)

    def __next__(self) -> LabelRow:
        return next(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counting)

    def __hash__(self) -> int:
        return 1


def fails(project: Project, source: Iterable[LabelRow], listen: list[Event]) -> None:
    """Run a job whose target is not there, which takes long to find out."""
    good = project.job(source)
    assert isinstance(good.target, dict)
    project.faults(latency=0.3)
    with pytest.raises(LabelferryError, match=NO_PROJECT):
        project.run(source, listeners=[listen.append], target={**good.target, "project": NO_PROJECT})
    project.faults()


@pytest.mark.anyio
async def test_masks_are_encoded_while_the_target_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded, encode, prepare = anyio.Event(), Workers.encode, ArchiveTarget.prepare

    async def tell(workers: Workers, rows: Sequence[EditedRow], codec: str) -> list[EditedRow | RowError]:
        found = await encode(workers, rows, codec)
        encoded.set()
        return found

    async def wait(target: ArchiveTarget, *given: object) -> Places:
        await encoded.wait()
        return await prepare(target, *given)  # type: ignore[arg-type] # they are passed on

    monkeypatch.setattr(Workers, "encode", tell)
    monkeypatch.setattr(ArchiveTarget, "prepare", wait)
    mask = ObjectInstance("a", "blob", {0: Occurrence(Raster(np.eye(4, dtype=np.bool_)))})
    row = LabelRow("one", "one", media=(Media("one", width=4, height=4),), objects=(mask,))
    target = {"platform": "archive", "path": str(tmp_path / "out")}
    job = Job(name="drawn", source=[row], target=target, journal=f"sqlite:///{tmp_path}/labelferry.db")
    with anyio.fail_after(20):
        report = await run(job)
    assert report.rows["saved"] == 1


def test_an_iterator_from_which_a_failed_run_took_rows_is_refused_by_the_next(project: Project) -> None:
    rows = generated(3)
    fails(project, rows, [])
    with pytest.raises(UsageError, match="give a new one"):
        project.run(rows, name="again")
    assert project.run(generated(3), name="again").rows["saved"] == 3


def test_an_iterable_that_gives_the_same_iterator_each_time_is_refused_by_the_next_run(
    project: Project,
) -> None:
    source = Same(generated(3))
    fails(project, source, [])
    with pytest.raises(UsageError, match="give a new one"):
        project.run(source, name="again")


def test_an_iterator_needs_only_to_give_the_next_row(project: Project) -> None:
    assert project.run(Bare()).rows["saved"] == 3


def test_an_iterator_that_equals_one_that_was_begun_is_another_one(project: Project) -> None:
    fails(project, Counting(), [])
    assert project.run(Counting(), name="again").rows["saved"] == 3


@pytest.mark.parametrize("source", [rows_of(3), Lazy(), map(row_of, range(3))], ids=["list", "lazy", "map"])
def test_a_source_that_was_given_to_a_failed_run_gives_all_rows_to_the_next(
    project: Project, source: Iterable[LabelRow]
) -> None:
    fails(project, source, [])
    assert project.run(source, name="again").rows["saved"] == 3


def test_no_row_is_rejected_before_the_target_is_known(project: Project) -> None:
    heard: list[Event] = []
    twice = [row_of(0), row_of(0)]
    fails(project, twice, heard)
    assert not [event for event in heard if isinstance(event, RowRejected)]
    assert project.run(twice, name="again").rows == {"saved": 1, "rejected": 1}


@pytest.mark.anyio
async def test_a_run_that_is_stopped_while_the_target_is_listed_saves_the_rows_it_took(
    project: Project,
) -> None:
    stop = anyio.Event()
    taken = []

    async def source() -> AsyncIterator[LabelRow]:
        for number in range(300):
            taken.append(f"row-{number:04}")
            yield row_of(number)
            if number == 200:
                stop.set()
        await anyio.sleep_forever()

    project.faults(latency=0.3)
    with anyio.fail_after(20):
        report = await run(project.job(source()), RunOptions(stop=stop))
    assert report.outcome == "interrupted"
    assert 200 < len(taken) < 300
    assert {line["title"] for line in project.writes()} == set(taken)


@pytest.mark.anyio
async def test_rows_that_were_taken_together_or_wait_for_room_are_saved_when_a_run_is_stopped(
    project: Project,
) -> None:
    stop = anyio.Event()
    taken = []

    def source() -> Iterator[LabelRow]:
        for number in range(1500):
            taken.append(f"row-{number:04}")
            yield row_of(number)

    async def stop_when_it_is_full() -> None:
        before = -1
        while before != len(taken) or not taken:
            before = len(taken)
            await anyio.sleep(0.2)
        stop.set()

    project.faults(latency=1.0)  # no row is opened before there is no more room
    async with anyio.create_task_group() as group:
        group.start_soon(stop_when_it_is_full)
        report = await run(project.job(source()), RunOptions(stop=stop))
    assert report.outcome == "interrupted"
    assert len(taken) < 1500
    assert {line["title"] for line in project.writes()} == set(taken)


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["stop", "failure"])
async def test_a_generator_that_holds_a_task_group_is_closed_by_the_task_that_read_it(
    project: Project, end: str
) -> None:
    stop, unheard = anyio.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))
    closed = []

    async def source() -> AsyncIterator[LabelRow]:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            try:
                for row in rows_of(100):
                    yield row
                if end == "stop":
                    stop.set()
                yield row_of(100)
                await anyio.sleep_forever()
            finally:
                closed.append(end)
                group.cancel_scope.cancel()

    good = project.job(source())
    assert isinstance(good.target, dict)
    if end == "stop":
        report = await run(good, RunOptions(stop=stop))
        assert (report.outcome, report.rows["saved"]) == ("interrupted", 101)
    else:
        project.faults(latency=0.3)
        with pytest.raises(LabelferryError, match=NO_PROJECT):
            await run(project.job(source(), target={**good.target, "project": NO_PROJECT}))
    assert closed == [end]
    assert unheard == []


def test_a_source_that_is_cancelled_from_elsewhere_stops_the_run_which_can_be_resumed(
    project: Project,
) -> None:
    async def source() -> AsyncIterator[LabelRow]:
        for row in rows_of(250):
            yield row
        raise CancelledError  # as from a task of the user's own that was cancelled

    with pytest.raises(Stopped, match="resumed"):
        project.run(source())
    report = project.run(rows_of(300), RunOptions(resume=True))
    assert report.outcome == "saved"
    assert len(project.labels()) == 300


@pytest.mark.anyio
async def test_a_row_that_the_target_does_not_have_is_kept_whole(project: Project) -> None:
    stranger = row_of(123456)
    report = await run(project.job([row_of(0), stranger]))
    assert report.rows["rejected"] == 1
    async with open_journal(f"sqlite:///{project.folder}/labelferry.db") as journal:
        last = await journal.last_run("job")
        assert last is not None
        [rejected] = [row async for row in journal.rejects(last.id)]
    assert rejected.line is not None
    assert b"123456-0" in rejected.line

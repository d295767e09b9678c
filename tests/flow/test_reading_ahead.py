"""Rows from Python are read, and their masks encoded, while the target is listed; none is lost by it."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path

import anyio
import numpy as np
import pytest

from pipeline import Job, run
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.masks import Raster
from pipeline.core.rows import EditedRow
from pipeline.errors import LabelferryError, RowError, UsageError
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


def fails(project: Project, source: Iterable[LabelRow], listen: list[Event]) -> None:
    """Run a job whose target is not there."""
    good = project.job(source)
    assert isinstance(good.target, dict)
    with pytest.raises(LabelferryError, match=NO_PROJECT):
        project.run(source, listeners=[listen.append], target={**good.target, "project": NO_PROJECT})


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

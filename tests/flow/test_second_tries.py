"""Rows that were rejected are tried again, and what a run holds and says meanwhile."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import msgspec
import numpy as np
import pytest

from pipeline import Job, Report, run
from pipeline.core.geometry import Box
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.masks import Raster
from pipeline.core.merging import complete
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import Exit, UsageError
from pipeline.events import BundleSent, Event
from pipeline.io.iterables import GivenRows
from pipeline.wiring import RunOptions, open_journal

pytestmark = pytest.mark.anyio

BAD = "row-1"


def row(number: int, title: str | None = None) -> LabelRow:
    box = ObjectInstance("a", "car", {0: Occurrence(Box(1.0, 2.0, 3.0, 4.0))})
    name = title or f"row-{number}"
    return LabelRow(name, name, media=(Media(name=name, width=64, height=48),), objects=(box,))


def job(folder: Path, source: object, **changes: Any) -> Job:  # noqa: ANN401 - the keys of a job
    parts = {
        "name": "tried",
        "source": source,
        "target": {"platform": "archive", "path": str(folder / "out")},
        "journal": f"sqlite:///{folder / 'labelferry.db'}",
        "engine": {"workers": 0},
    }
    return Job.from_mapping({**parts, **changes})


async def retried(folder: Path, target: Mapping[str, str]) -> tuple[Report, Report]:
    """Run a job that rejects one row, put it back, and run the job again without what was wrong."""
    wrong = folder / "wrong"
    wrong.touch()

    def checked(given: LabelRow) -> LabelRow:
        if wrong.exists() and given.key == BAD:
            raise ValueError("not yet")
        return given

    def again() -> Job:
        return job(folder, [row(number) for number in range(3)], target=target, operations=[checked])

    first = await run(again())
    wrong.unlink()
    async with open_journal(again().journal) as journal:
        assert await journal.clear_rejects(first.run) == 1
    return first, await run(again())


async def test_an_archive_gets_the_row_that_a_retry_saves_in_its_place_among_the_others(
    tmp_path: Path,
) -> None:
    first, second = await retried(tmp_path, {"platform": "archive", "path": str(tmp_path / "out")})
    assert (first.rows["saved"], first.rows["rejected"], second.rows["saved"]) == (2, 1, 1)
    lines = (tmp_path / "out" / "rows.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["key"] for line in lines] == ["row-0", "row-1", "row-2"]
    assert msgspec.json.decode((tmp_path / "out" / "archive.json").read_bytes())["rows"] == 3
    left = [name async for name in anyio.Path(tmp_path / "out").glob(".*")]
    assert not left, "nothing is left beside a finished archive"


async def test_a_coco_file_gets_the_row_that_a_retry_saves_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    first, second = await retried(tmp_path, {"platform": "coco", "annotations": str(path)})
    assert (first.rows["saved"], first.rows["rejected"], second.rows["saved"]) == (2, 1, 1)
    file = msgspec.json.decode(path.read_bytes())
    assert [image["file_name"] for image in file["images"]] == ["row-0", "row-1", "row-2"]
    assert len(file["annotations"]) == 3
    left = [name async for name in anyio.Path(tmp_path).glob(".out.json*")]
    assert not left, "nothing is left beside a finished file"


async def test_rejected_rows_are_tried_again_with_the_job_as_it_is_now(tmp_path: Path) -> None:
    def refused(_: LabelRow) -> LabelRow:
        raise ValueError("wrong function")

    first = await run(job(tmp_path, [row(0)], operations=[refused]))
    mended = job(tmp_path, [row(0)], operations=[])
    async with open_journal(mended.journal) as journal:
        assert await journal.clear_rejects(first.run, None, mended.fingerprint()) == 1
    second = await run(mended)
    assert (first.rows["rejected"], second.rows["saved"], second.run) == (1, 1, first.run)


async def test_rejected_rows_are_not_tried_again_with_another_target(tmp_path: Path) -> None:
    def refused(_: LabelRow) -> LabelRow:
        raise ValueError("wrong function")

    first = await run(job(tmp_path, [row(0)], operations=[refused]))
    other = job(tmp_path, [row(0)], target={"platform": "archive", "path": str(tmp_path / "other")})
    async with open_journal(other.journal) as journal:
        with pytest.raises(UsageError, match="the target of job 'tried' changed"):
            await journal.clear_rejects(first.run, None, other.fingerprint())
        assert await journal.counts(first.run) == {"rejected": 1}


async def test_a_rejected_row_that_its_source_does_not_give_again_is_still_kept(tmp_path: Path) -> None:
    def refused(given: LabelRow) -> LabelRow:
        if given.key == BAD:
            raise ValueError("never")
        return given

    first = await run(job(tmp_path, [row(0), row(1)], operations=[refused]))
    without = job(tmp_path, [row(0)], operations=[refused])
    async with open_journal(without.journal) as journal:
        await journal.clear_rejects(first.run)
    await run(without)
    async with open_journal(without.journal) as journal:
        kept = [(reject.key, reject.line is not None) async for reject in journal.rejects(first.run)]
    assert kept == [(BAD, True)]


async def test_a_run_that_was_asked_to_stop_does_not_say_that_every_row_was_saved(tmp_path: Path) -> None:
    stop = anyio.Event()

    def some() -> Iterator[LabelRow]:
        yield row(0)
        stop.set()
        yield row(1)

    report = await run(job(tmp_path, some()), RunOptions(stop=stop))
    assert (report.outcome, report.exit_code) == ("interrupted", Exit.STOPPED)


async def test_a_row_whose_key_was_used_is_rejected_once_though_the_run_is_resumed() -> None:
    settled: set[str] = set()

    async def wanted(keys: Sequence[RowKey]) -> set[str]:
        return {key.key for key in keys} - settled

    async def given() -> list[LabelTask | Rejection]:
        rows = GivenRows([row(0, "same"), row(1, "same")])
        return [task async for task in rows.tasks(wanted)]

    tasks = await given()
    assert [type(task) for task in tasks] == [LabelTask, Rejection]
    settled |= {task.key.key for task in tasks}
    assert await given() == []


async def test_rasters_are_let_go_when_they_are_encoded_and_not_when_they_are_saved(tmp_path: Path) -> None:
    arrays: list[weakref.ref[np.ndarray[Any, Any]]] = []
    held: list[int] = []

    def drawn() -> Iterator[LabelRow]:
        for number in range(600):
            array = np.zeros((48, 64), bool)
            array[number % 48] = True
            arrays.append(weakref.ref(array))
            mask = ObjectInstance("a", "car", {0: Occurrence(Raster(array))})
            yield LabelRow(
                str(number), media=(Media(name=str(number), width=64, height=48),), objects=(mask,)
            )
            del array, mask

    def listen(event: Event) -> None:
        if isinstance(event, BundleSent):
            held.append(sum(array() is not None for array in arrays))

    report = await run(job(tmp_path, drawn()), listeners=[listen])
    assert report.rows["saved"] == 600
    assert len(held) == 2, "the rows go in two bundles, of which the first is small"
    assert max(held) < 200


def test_a_source_row_keeps_its_media_where_the_target_row_states_none() -> None:
    mine = row(0)
    assert complete(mine, LabelRow("row-0", "row-0")).media == mine.media

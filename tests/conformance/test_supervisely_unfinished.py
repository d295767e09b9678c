"""A save of several requests that is cut off anywhere is made good by the run that goes on."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import Job, Report, run
from pipeline.core.geometry import Box
from pipeline.core.labels import LabelRow, ObjectInstance, Occurrence
from pipeline.events import Event, NoteSeen, RequestDone
from tests.conformance.sites import exported
from tests.conformance.supervisely_project import META, Local, boxes, local, with_islands

pytestmark = pytest.mark.anyio

ROWS = [with_islands(boxes(f"{number}.png", 1), bound=number == 1) for number in range(3)]
MORE = [boxes(row.title, 3) for row in ROWS]


class CutError(Exception):
    """Stands for a process that is killed."""


def one_more(row: LabelRow) -> LabelRow:
    """Add a box: an operation that must not run twice."""
    box = ObjectInstance(f"new-{len(row.objects)}", "car", {0: Occurrence(Box(1.0, 1.0, 2.0, 3.0))})
    return replace(row, objects=(*row.objects, box))


def after(requests: int) -> Callable[[Event], None]:
    """Cut off the run when so many requests have been answered."""
    seen = 0

    def listen(event: Event) -> None:
        nonlocal seen
        if isinstance(event, RequestDone) and event.outcome == "ok":
            seen += 1
            if seen == requests:
                raise CutError

    return listen


def was_cut(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(was_cut, error.exceptions))
    return isinstance(error, CutError)


async def go(
    server: Local,
    listeners: Sequence[Callable[[Event], None]],
    source: list[LabelRow] | None,
    job: Mapping[str, Any],
) -> Report | None:
    """Run a job; None where it was cut off."""
    whole = {
        "name": "edit",
        "target": server.target(),
        "journal": f"sqlite:///{server.folder}/labelferry.db",
        "engine": {"workers": 0, "bundle_rows": 2, "concurrency": 1},
        "source": source,
        **job,
    }
    with exported(server.running.environment):
        try:
            report = await run(Job.from_mapping(whole), listeners=listeners)
        except (CutError, BaseExceptionGroup) as error:
            if not was_cut(error):
                raise
            return None
    return report


def kept(folder: Path) -> list[Path]:
    """The files of rows that are half written, as far as the runs know."""
    return [path for path in folder.rglob("*.json") if path.parent.name == "unfinished"]


async def state(server: Local) -> dict[str, Counter[str]]:
    found = await server.annotations()
    return {
        name: Counter(f"{label['classTitle']} {label['geometryType']}" for label in one["objects"])
        for name, one in found.items()
    }


async def ends(folder: Path, requests: int, job: Mapping[str, Any]) -> tuple[bool, dict[str, Counter[str]]]:
    """Cut off a job after so many requests, let it go on, and return what is there then."""
    async with local(folder, ROWS, meta=META) as server:
        await server.run(list(ROWS), name="fill")
        source = MORE if "mode" in job else None
        cut = await go(server, [after(requests)], source, job) is None
        if cut:
            again = await go(server, [], source, job)
            assert again is not None
            assert again.exit_code == 0
        assert not kept(folder)
        return cut, await state(server)


@pytest.mark.parametrize("job", [{"operations": [one_more]}, {"mode": "append"}], ids=["edit", "append"])
async def test_a_run_that_is_cut_off_after_any_request_loses_and_doubles_nothing(
    tmp_path: Path, job: dict[str, Any]
) -> None:
    _, meant = await ends(tmp_path / "whole", 0, job)
    assert {sum(one.values()) for one in meant.values()} == {5 if "mode" in job else 4}
    requests, cut = 1, True
    while cut:
        cut, found = await ends(tmp_path / str(requests), requests, job)
        assert found == meant, f"cut off after {requests} requests"
        requests += 1
    assert requests > 12


async def test_rows_that_say_something_else_after_the_cut_are_written_as_they_say(tmp_path: Path) -> None:
    first = [with_islands(boxes(row.title, 2)) for row in ROWS]
    then = [boxes(row.title, 7) for row in ROWS]
    requests, cut = 1, True
    while cut:
        async with local(tmp_path / str(requests), ROWS, meta=META) as server:
            cut = await go(server, [after(requests)], first, {"mode": "replace"}) is None
            if cut:
                report = await go(server, [], then, {"mode": "replace"})
                assert report is not None
                found = list((await server.counts()).values())
                assert found.count(7) == report.rows["saved"], f"cut off after {requests} requests"
        requests += 1
    assert requests > 12


async def test_a_half_written_row_that_is_refused_now_is_named_and_holds_up_no_other(tmp_path: Path) -> None:
    told: list[NoteSeen] = []

    def listen(event: Event) -> None:
        if isinstance(event, NoteSeen):
            told.append(event)

    job, refused = {"mode": "append"}, ROWS[0].title
    requests = 1
    while not told:
        async with local(tmp_path / str(requests), ROWS, meta=META) as server:
            await server.run(list(ROWS), name="fill")
            assert await go(server, [after(requests)], MORE, job) is None, "no cut left a row half written"
            await server.faults(poison=[refused])
            report = await go(server, [listen], MORE, job)
            found = await state(server)
        requests += 1
    assert report is not None
    assert report.rows["rejected"] == 1
    assert [sum(labels.values()) for name, labels in found.items() if not name.endswith(refused)] == [5, 5]
    (note,) = told
    assert (note.row, note.what) == (refused, "unfinished save")
    assert "it cannot be ended: " in note.why
    assert "write the row again" in note.why

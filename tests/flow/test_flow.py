"""Rows go from Python through the whole flow to a stand-in: how they are bundled, and who waits for whom."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import anyio

from pipeline.core.labels import LabelRow
from pipeline.events import BundleDone, Event
from pipeline.wiring import RunOptions
from tests.flow.project import ENGINE, UNITS, Project, row_of, rows_of

# ---- bundles ------------------------------------------------------------------------------------------


def test_each_row_has_one_initialise_and_one_save_and_a_bundle_has_one_request(project: Project) -> None:
    before = project.kinds()
    report = project.run(rows_of(500))
    asked = project.kinds() - before
    assert (report.exit_code, report.rows["saved"], report.labels["saved"]) == (0, 500, 1000)
    assert set(Counter(line["title"] for line in project.writes("create")).values()) == {1}
    assert set(Counter(line["title"] for line in project.writes()).values()) == {1}
    assert project.bundles() == [100] * 5
    assert (asked["labelrow.PUT"], asked["labelrow.POST"], asked["labelrow.GET"]) == (5, 5, 0)
    assert set(project.labels().values()) == {2}


def test_a_bundle_is_sent_when_its_bytes_are_enough(project: Project) -> None:
    project.run(rows_of(200), engine={**ENGINE, "bundle_bytes": 20_000})
    sizes = project.bundles()
    assert sum(sizes) == 200
    assert 1 < max(sizes) < 20
    # All rows take the same bytes, so all bundles but the last are alike.
    assert max(Counter(sizes).values()) >= len(sizes) - 3


def test_a_bundle_leaves_when_its_oldest_row_has_waited_long_enough(project: Project) -> None:
    saved, more = 0, anyio.Event()

    async def slowly() -> AsyncIterator[LabelRow]:
        """Give the next rows only when the last ones are saved: without linger they would never be."""
        nonlocal more
        for first in (0, 3, 6):
            for number in range(first, first + 3):
                yield row_of(number)
            while saved < first + 3:
                await more.wait()
                more = anyio.Event()

    def listen(event: Event) -> None:
        nonlocal saved
        if isinstance(event, BundleDone):
            saved += event.saved
            more.set()

    report = project.run(slowly(), listeners=[listen], engine={**ENGINE, "linger": "100ms"})
    assert report.rows["saved"] == 9
    assert len(project.bundles()) >= 3


def test_bundles_that_are_too_large_are_halved_and_nobody_is_blamed(project: Project) -> None:
    project.faults(max_bytes=30_000)
    report = project.run(rows_of(200))
    assert (report.exit_code, report.rows["saved"], report.rows["rejected"]) == (0, 200, 0)
    assert project.server.control("log")["statuses"]["413"] > 0
    assert set(Counter(line["title"] for line in project.writes()).values()) == {1}


def test_a_server_that_takes_fewer_rows_gets_as_many_as_it_says(project: Project) -> None:
    project.faults(max_rows=30)
    report = project.run(rows_of(200))
    assert (report.exit_code, report.rows["saved"], report.rows["rejected"]) == (0, 200, 0)
    assert max(project.bundles()) == 30
    assert set(Counter(line["title"] for line in project.writes("create")).values()) == {1}


def test_a_run_that_is_stopped_does_not_wait_for_a_source_that_gives_nothing_more(project: Project) -> None:
    stop = anyio.Event()

    async def quiet() -> AsyncIterator[LabelRow]:
        for number in range(3):
            yield row_of(number)
        stop.set()
        await anyio.sleep_forever()

    report = project.run(quiet(), RunOptions(stop=stop))
    assert (report.outcome, report.exit_code, report.rows["saved"]) == ("interrupted", 1, 3)


# ---- back-pressure ------------------------------------------------------------------------------------


def test_a_slow_target_holds_the_source_back(project: Project) -> None:
    taken = saved = most = 0

    def rows() -> Iterator[LabelRow]:
        nonlocal taken, most
        for row in rows_of(UNITS):
            taken += 1
            most = max(most, taken - saved)
            yield row

    def listen(event: Event) -> None:
        nonlocal saved
        if isinstance(event, BundleDone):
            saved += event.saved

    project.faults(latency=0.05)
    report = project.run(rows(), listeners=[listen], engine={**ENGINE, "bundle_rows": 10})
    assert report.rows["saved"] == UNITS
    # Four streams of 64 rows, about as many in the hands of the stages, and the bundles on their way.
    assert most <= 700

"""A server in trouble, and a full disk: no row is lost, doubled or blamed for it."""

import json
import resource
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.chaos.rehearsal import ENGINE, Rehearsal, assert_nothing_left, rehearsal, title_of

ROWS = 400
MANY = {**ENGINE, "bundle_rows": 10}
"""Bundles so small that there are many writes of the journal."""
POISON = (title_of(7), title_of(113), title_of(114), title_of(399))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with rehearsal(tmp_path_factory.mktemp("trouble"), ROWS) as running:
        yield running


@pytest.fixture
def project(served: Rehearsal, tmp_path: Path) -> Rehearsal:
    """The stand-in without labels, and a folder for this test's jobs."""
    served.reset()
    served.folder = tmp_path
    return served


def counts(job: Path) -> Counter[str]:
    """The rows of the last report, by outcome."""
    return Counter(json.loads((job.parent / "report.json").read_text())["rows"])


def test_failures_before_and_after_commit_lost_answers_and_429_cost_no_row(project: Rehearsal) -> None:
    # Rate and concurrency tune themselves here: they must not be tuned down to a standstill.
    job = project.job(engine={"bundle_rows": 8})
    project.faults(
        seed=1, fail_before=0.05, fail_after=0.05, drop_before=0.015, drop_after=0.015, busy_seconds=10
    )
    assert project.finish(job, "--report", "report.json") == 0, project.said(job)
    assert counts(job)["saved"] == ROWS
    assert counts(job)["rejected"] == 0
    project.check()
    statuses = project.server.control("log")["statuses"]
    assert min(statuses["429"], statuses["503"], statuses["dropped"]) > 0


def test_a_server_that_asks_to_slow_down_and_says_not_for_how_long_is_waited_for(
    project: Rehearsal,
) -> None:
    job = project.job()
    project.faults(busy_seconds=10, retry_after=None)
    assert project.finish(job, "--report", "report.json") == 0, project.said(job)
    assert counts(job)["saved"] == ROWS
    project.check()


@pytest.mark.parametrize("answer", ["named", "unnamed", "server-error"])
def test_exactly_the_rows_that_the_server_refuses_are_rejected_and_retried_later(
    project: Rehearsal, answer: str
) -> None:
    job = project.job()
    project.faults(poison=POISON, poison_answer=answer)
    assert project.finish(job, "--report", "report.json") == 3, project.said(job)
    assert counts(job)["saved"] == ROWS - len(POISON)
    project.check(but=POISON)
    listed = [line.split("\t") for line in project.labelferry(job, "rejects", "list").out.splitlines()]
    assert sorted(title for _, title, _, _ in listed) == sorted(POISON)
    for _, title, stage, reason in listed:
        assert stage == "save"
        assert (title in reason) if answer == "named" else reason
    project.faults()
    retried = project.labelferry(job, "rejects", "retry", "--report", "report.json")
    assert retried.code == 0, retried.text
    assert counts(job)["saved"] == len(POISON)
    project.check()
    assert len(project.writes()) == ROWS


def test_an_outage_stops_the_run_blames_no_row_and_can_be_resumed(project: Rehearsal) -> None:
    job = project.job(engine={**MANY, "requests_per_second": 20})  # seconds of work are left when it comes
    process = project.start(job, "--report", "report.json")
    project.wait_for_saves(process, 100)
    project.faults(outage=True)
    assert process.wait() == 1, project.said(job)
    assert_nothing_left(process.pid)
    assert counts(job)["rejected"] == 0
    assert "labelferry resume" in project.said(job)
    assert len(project.writes()) < ROWS
    project.faults()
    assert project.labelferry(job, "resume").code == 0
    project.check()


def test_a_server_that_is_not_there_is_an_outage_and_no_mistake(project: Rehearsal) -> None:
    job = project.job()
    project.faults(outage=True)
    assert project.finish(job) == 1, project.said(job)
    project.faults()
    assert project.finish(job) == 0, project.said(job)
    project.check()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "labelferry-test", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_under_the_journal_stops_the_run_and_blames_no_row(
    project: Rehearsal, small_disk: Path
) -> None:
    project.folder = small_disk
    job = project.job(engine=MANY)
    said = job.parent / "said.txt"
    said.symlink_to(small_disk.parent / "said.txt")
    process = project.start(job)
    project.wait_for_saves(process, 20)
    with (small_disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(512))
    assert process.wait() == 1, project.said(job)
    assert_nothing_left(process.pid)
    assert "disk is full" in project.said(job)
    (small_disk / "filler").unlink()
    assert project.labelferry(job, "rejects", "list").out == ""
    assert project.finish(job) == 0, project.said(job)
    project.check()


def test_a_journal_that_cannot_be_written_stops_the_run_and_blames_no_row(project: Rehearsal) -> None:
    job = project.job(engine=MANY)
    process = project.start(job, "--report", "report.json")
    project.wait_for_saves(process, 20)
    half = (job.parent / "labelferry.db").stat().st_size // 2
    psutil.Process(process.pid).rlimit(resource.RLIMIT_FSIZE, (half, half))
    assert process.wait() == 1, project.said(job)
    assert_nothing_left(process.pid)
    assert counts(job)["rejected"] == 0
    assert "journal" in project.said(job)
    assert project.finish(job) == 0, project.said(job)
    project.check()

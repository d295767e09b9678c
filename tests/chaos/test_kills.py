"""Real processes are killed and interrupted; what they leave behind is gone on with, and nothing is lost."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pytest

from tests.chaos.rehearsal import (
    ENGINE,
    Book,
    Rehearsal,
    assert_nothing_left,
    interrupt,
    rehearsal,
    wait_until,
    workers_of,
)
from tests.cli.command import environment

KILLS = 50
SLOWLY = {**ENGINE, "requests_per_second": 30}
"""So that a job that has saved its first rows is still at work when the signal comes."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with rehearsal(tmp_path_factory.mktemp("chaos"), 2000) as running:
        yield running


@pytest.fixture
def project(served: Rehearsal, tmp_path: Path) -> Rehearsal:
    """The stand-in without labels, and a folder for this test's jobs."""
    served.reset()
    served.folder = tmp_path
    return served


def killed(project: Rehearsal, job: Path, seconds: float) -> bool:
    """Start a job and kill it after so long; False when it ended before."""
    process = project.start(job)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        assert_nothing_left(process.pid)
        return True
    assert process.returncode == 0, project.said(job)
    assert_nothing_left(process.pid)
    return False


def test_a_job_that_is_killed_at_any_moment_loses_and_doubles_nothing(
    project: Rehearsal, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    draw = random.Random(seed)
    began = time.monotonic()
    assert project.finish(project.job("whole")) == 0
    whole = time.monotonic() - began
    project.check()
    kills = amid = jobs = 0
    while kills < KILLS:
        project.reset()
        jobs += 1
        job = project.job(f"job-{jobs}")
        book, seen = Book(), 0
        while not book.ended and killed(project, job, draw.uniform(0.2, 0.8) * whole):
            kills += 1
            # What the journal had as saved before was not sent again, and what it has now did arrive.
            assert book.saved.isdisjoint(write.title for write in project.writes()[seen:])
            book, seen = Book.of(job, tmp_path / "copy"), len(project.writes())
            assert book.saved <= {write.title for write in project.writes()}
            amid += 0 < len(book.saved) < project.count
        assert book.saved.isdisjoint(write.title for write in project.writes()[seen:])
        project.check()
    assert amid > 0


def test_append_that_is_killed_and_goes_on_adds_every_label_once(project: Rehearsal) -> None:
    boxes, masks = ([{"keep": {"classes": [name]}}] for name in ("car", "blob"))
    assert project.finish(project.job("before", operations=boxes)) == 0
    job = project.job("after", operations=masks, mode="append", engine=SLOWLY)
    for saved in (100, 500, 1000):
        process = project.start(job)
        project.wait_for_saves(process, project.count + saved)
        process.kill()
        process.wait()
        assert_nothing_left(process.pid)
    assert project.finish(job) == 0, project.said(job)
    project.check_labels()


def interrupted(project: Rehearsal, job: Path, number: signal.Signals, code: int) -> None:
    """Stop a job by a signal in its midst; it ends with the code, leaves no process, and can be resumed."""
    process = project.start(job)
    project.wait_for_saves(process, 100)
    interrupt(process, number)
    assert process.wait() == code, project.said(job)
    assert_nothing_left(process.pid)
    assert len(project.writes()) < project.count
    assert "resume" in project.said(job)


def test_ctrl_c_amid_mask_encoding_leaves_every_mask_to_its_own_row(project: Rehearsal) -> None:
    job = project.job(engine=SLOWLY)
    interrupted(project, job, signal.SIGINT, 130)
    # What was under way was finished, so nothing is in doubt and nothing is sent again.
    assert project.labelferry(job, "resume").code == 0
    project.check()
    assert len(project.writes()) == project.count


def test_sigterm_ends_a_job_with_143_and_it_can_be_resumed(project: Rehearsal) -> None:
    job = project.job(engine=SLOWLY)
    interrupted(project, job, signal.SIGTERM, 143)
    assert project.finish(job) == 0
    project.check()


SCRIPT = """
import json, sys
from pipeline import Job, run_sync
from tests.chaos.rehearsal import row_of

if __name__ == "__main__":
    parts = json.load(open("job.yaml"))
    rows = map(row_of, range(int(sys.argv[1])))
    sys.exit(run_sync(Job.from_mapping({**parts, "source": rows})).exit_code)
"""


def test_a_program_that_is_interrupted_goes_on_where_it_was(project: Rehearsal) -> None:
    job = project.job(engine=SLOWLY)
    script = job.parent / "script.py"
    script.write_text(SCRIPT)

    def start() -> subprocess.Popen[str]:
        words = [sys.executable, str(script), str(project.count)]
        return subprocess.Popen(
            words,
            cwd=job.parent,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    first = start()
    wait_until(first, lambda: len(project.writes()) >= 100)
    interrupt(first)
    _, said = first.communicate()
    assert first.returncode == -signal.SIGINT, said
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert len(project.writes()) < project.count
    second = start()
    _, said = second.communicate()
    assert second.returncode == 0, said
    project.check()


def test_a_second_ctrl_c_ends_a_job_at_once(tmp_path: Path) -> None:
    with rehearsal(tmp_path, 300) as project:
        job = project.job(engine=SLOWLY)
        process = project.start(job)
        project.wait_for_saves(process, 100)
        # Whatever is sent from now on would take an hour; the first signal waits for it.
        project.faults(latency=3600.0)
        interrupt(process)
        wait_until(process, lambda: "once more stops at once" in project.said(job))
        interrupt(process)
        assert process.wait() == 130, project.said(job)
        assert_nothing_left(process.pid)
        project.faults()
        assert project.finish(job) == 0, project.said(job)
        project.check()


def test_a_worker_that_is_killed_costs_no_row(project: Rehearsal) -> None:
    # Masks that an operation has seen are encoded as rows are packed: not all are when 100 rows are saved.
    engine = {**ENGINE, "requests_per_second": 6}  # most are opened later, even where this test is slow
    job = project.job(engine=engine, operations=[{"keep": {"classes": ["car", "blob"]}}])
    process = project.start(job)
    project.wait_for_saves(process, 100)
    victims = workers_of(process)
    assert victims
    for victim in victims:
        victim.kill()
    assert process.wait() == 0, project.said(job)
    assert_nothing_left(process.pid)
    assert "lost and replaced" in project.said(job)
    project.check()
    assert len(project.writes()) == project.count


def test_of_several_starts_of_one_job_exactly_one_runs(project: Rehearsal) -> None:
    job = project.job()
    # The one that runs is put off until the others have given up.
    project.faults(busy_seconds=3600)
    with ThreadPoolExecutor() as waiting:
        ends = as_completed([waiting.submit(project.start(job).wait) for _ in range(4)])
        assert [next(ends).result() for _ in range(3)] == [75] * 3, project.said(job)
        assert project.said(job).count("already running") == 3
        project.faults()
        assert next(ends).result() == 0, project.said(job)
    project.check()
    assert len(project.writes()) == project.count

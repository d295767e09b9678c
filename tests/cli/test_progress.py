"""The progress says how far a run is and how long it takes."""

import io

from pipeline.events import (
    BundleDone,
    BundleSent,
    Phase,
    RequestDone,
    RowRejected,
    RowsSettled,
    RunStarted,
    StageTime,
)
from pipeline.io.progress import Progress, clock_time, live


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_progress_shows_rows_labels_bundles_rate_time_left_and_rejects() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.add(RunStarted("job", "run", 1000, resumed=False))
    progress.add(Phase("moving"))
    progress.add(BundleSent("b1", 100, 5000))
    progress.add(BundleSent("b2", 100, 5000))
    clock.now += 10
    progress.add(BundleDone("b1", 90, 0, 450))
    progress.add(StageTime("save", 1.0))
    progress.add(RowsSettled("unchanged", 9, 45))
    progress.add(RowRejected("r", "", "pack", "why", 5))
    assert progress.line() == (
        "moving: 100 of 1,000 rows, 495 labels, 1 bundle in flight, 10 rows/s, 1 min 30 s left, 1 rejected"
    )


def test_no_time_left_is_claimed_for_a_source_of_unknown_length() -> None:
    progress = Progress(Clock())
    progress.add(RunStarted("job", "run", None, resumed=False))
    assert "left" not in progress.line()
    assert " of " not in progress.line()


def test_what_keeps_a_run_waiting_is_said_until_the_server_answers_again() -> None:
    progress = Progress(Clock())

    def said(status: int | None, outcome: str) -> str:
        progress.add(RequestDone("labels.example", "projects.list", status, outcome, 1, 0, 0, 0.1))
        return progress.line()

    assert said(429, "retry").endswith("0 rejected, waiting: labels.example answers 429")
    assert said(None, "error").endswith("0 rejected, waiting: labels.example does not answer")
    assert said(200, "ok").endswith("0 rejected")


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    progress = Progress(clock)
    for _ in range(100):
        clock.now += 1
        progress.add(RowsSettled("unchanged", 10, 0))
    for _ in range(100):
        clock.now += 1
        progress.add(RowsSettled("unchanged", 100, 0))
    assert progress.rate == 100.0


def test_lengths_of_time_read_as_people_write_them() -> None:
    assert [clock_time(seconds) for seconds in (0.2, 59.4, 59.6, 3599, 3600, 86400)] == [
        "0 s", "59 s", "1 min 00 s", "59 min 59 s", "1 h 00 min", "24 h 00 min"
    ]  # fmt: skip


def test_a_line_is_printed_above_the_live_progress_as_it_is() -> None:
    stream = io.StringIO()
    with live(Progress(), stream) as above:
        above("row [bold]7[/bold] was rejected")
    assert "row [bold]7[/bold] was rejected" in stream.getvalue()

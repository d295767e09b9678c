"""What a run decides about rows: operations, modes, rejections, and what a dry run leaves alone."""

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.labels import LabelRow
from pipeline.errors import Stopped
from pipeline.events import BundleSent, Event
from pipeline.wiring import RunOptions
from tests.flow.project import Project, row_of, rows_of


def test_functions_run_in_row_order_in_one_thread_each_after_the_one_before(project: Project) -> None:
    seen: dict[str, list[str]] = {"first": [], "second": []}
    threads = set()

    def first(row: LabelRow) -> LabelRow:
        seen["first"].append(row.key)
        threads.add(threading.get_ident())
        return replace(row, objects=row.objects[:1])

    def second(row: LabelRow) -> LabelRow:
        seen["second"].append(row.key)
        threads.add(threading.get_ident())
        assert row.key in seen["first"]
        assert [item.class_name for item in row.objects] == ["car"]
        return row

    rows = [
        replace(row, objects=tuple(replace(item, class_name="auto") for item in row.objects))
        for row in rows_of(300)
    ]
    steps = [first, {"rename": {"classes": {"auto": "car"}}}, second]
    report = project.run(rows, operations=steps)
    assert (report.rows["saved"], report.labels["saved"]) == (300, 300)
    assert seen["first"] == seen["second"] == [row.key for row in rows]
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_a_function_that_fails_rejects_its_row_and_no_other(project: Project) -> None:
    def fails(row: LabelRow) -> LabelRow:
        if row.key == "row-0003":
            raise ZeroDivisionError("by nought")
        return row if row.key != "row-0005" else None  # type: ignore[return-value]

    report = project.run(rows_of(20), operations=[fails])
    assert (report.exit_code, report.rows["saved"], report.rows["rejected"]) == (3, 18, 2)
    reasons = {reject["row"]: reject["reason"] for reject in report.rejects}
    assert set(reasons) == {"row-0003", "row-0005"}
    assert "by nought" in reasons["row-0003"]
    assert "LabelRow" in reasons["row-0005"]
    assert "row-0003" not in {line["title"] for line in project.writes()}


# ---- modes --------------------------------------------------------------------------------------------


def renamed(count: int) -> list[LabelRow]:
    """The same rows with three other boxes each."""
    return [
        replace(
            row,
            objects=tuple(replace(item, id=f"new-{item.id}") for item in row_of(number, boxes=3).objects),
        )
        for number, row in enumerate(rows_of(count))
    ]


@pytest.mark.parametrize(
    ("mode", "outcome", "labels"),
    [
        (None, {"rejected": 20, "saved": 10}, {2, 3}),
        ("replace", {"saved": 30}, {3}),
        ("append", {"saved": 30}, {5, 3}),
        ("skip-existing", {"skipped": 20, "saved": 10}, {2, 3}),
    ],
)
def test_rows_that_have_labels_are_treated_as_the_mode_says(
    project: Project, mode: str | None, outcome: dict[str, int], labels: set[int]
) -> None:
    project.run(rows_of(20), name="before")
    changes: dict[str, Any] = {} if mode is None else {"mode": mode}
    report = project.run(renamed(30), **changes)
    assert {name: count for name, count in report.rows.items() if count} == outcome
    assert set(project.labels().values()) == labels
    for reject in report.rejects:
        assert all(word in reject["reason"] for word in ("replace", "append", "skip-existing"))


def test_append_twice_adds_no_label_twice(project: Project) -> None:
    project.run(rows_of(20), name="before")
    project.run(renamed(20), mode="append")
    again = project.run(renamed(20), mode="append")
    assert again.rows["unchanged"] == 20
    assert set(project.labels().values()) == {5}


def test_a_resumed_run_does_not_take_its_own_labels_for_somebody_elses(project: Project) -> None:
    def lose_answers(event: Event) -> None:
        """From the first save on, the server does what it is asked, and says nothing."""
        if isinstance(event, BundleSent):
            project.faults(drop_after=1.0)

    with pytest.raises(Stopped, match="does not answer"):
        project.run(rows_of(150), listeners=[lose_answers])
    arrived = {line["title"] for line in project.writes()}
    assert arrived
    project.faults()
    report = project.run(rows_of(150))
    assert (report.resumed, report.exit_code, report.rows["rejected"]) == (True, 0, 0)
    assert report.rows["saved"] + report.rows["unchanged"] == 150
    assert Counter(project.labels().values()) == {2: 150}
    assert set(Counter(line["title"] for line in project.writes("create")).values()) == {1}


# ---- rejections, and a dry run ------------------------------------------------------------------------


def test_a_run_stops_when_more_rows_are_rejected_than_allowed_and_goes_on_when_asked(
    project: Project,
) -> None:
    def fails(row: LabelRow) -> LabelRow:
        if int(row.key[-4:]) % 2:
            raise ValueError("odd")
        return row

    rows = rows_of(200)
    with pytest.raises(Stopped, match="--max-rejects 10"):
        project.run(rows, RunOptions(max_rejects=10), operations=[fails])
    assert len(project.writes()) < 100
    report = project.run(rows, operations=[fails])
    assert (report.resumed, report.exit_code) == (True, 3)
    assert Counter(project.labels().values())[2] == 100
    assert {line["title"] for line in project.writes()} == {row.key for row in rows[::2]}
    assert set(Counter(line["title"] for line in project.writes()).values()) == {1}


def test_a_dry_run_judges_every_row_and_writes_nothing(project: Project) -> None:
    project.run(rows_of(10), name="before")
    journal = (project.folder / "labelferry.db").read_bytes()
    project.log.write_bytes(b"")
    before = project.kinds()
    unknown = replace(row_of(40), objects=(replace(row_of(40).objects[0], class_name="lorry"),))
    report = project.run([*rows_of(40), unknown], RunOptions(dry_run=True), mode="replace")
    outcome = {name: count for name, count in report.rows.items() if count}
    assert outcome == {"unchanged": 10, "would-save": 30, "rejected": 1}
    assert "lorry" in report.rejects[0]["reason"]
    assert project.log.read_bytes() == b""
    asked = project.kinds() - before
    assert set(asked) == {"projects.GET", "ontologies.GET", "labelrowmetadata.GET", "labelrow.GET"}
    assert (project.folder / "labelferry.db").read_bytes() == journal

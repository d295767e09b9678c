"""What a run decides about rows: operations, modes, rejections, and what a dry run leaves alone."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from pipeline import errors
from pipeline.core.labels import LabelRow
from pipeline.errors import Stopped
from pipeline.events import BundleDone, Event
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
    changes = {} if mode is None else {"mode": mode}
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


def stopped_in_doubt(project: Project, count: int, **changes: object) -> None:
    """A run whose saves are carried out but never answered, and that ends in an outage."""
    project.faults(kinds=["labelrow.POST"], drop_after=1.0)
    stop = anyio.Event()

    def listen(event: Event) -> None:
        if isinstance(event, BundleDone):
            stop.set()

    with pytest.raises(Stopped):
        project.run(rows_of(count), RunOptions(stop=stop), [listen], **changes)

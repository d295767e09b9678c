"""A row that is edited in place is edited once, also where the run ended before it knew of the save."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.geometry import Box
from pipeline.core.labels import LabelRow, ObjectInstance, Occurrence
from pipeline.events import Event, RequestDone
from tests.flow.project import Project, rows_of

ROWS = 30


class Cut(Exception):  # noqa: N818 - stands for a process that ends here
    """The process ends in this instant."""


def one_more(row: LabelRow) -> LabelRow:
    """Add a box: twice is not the same as once."""
    box = ObjectInstance(f"new-{len(row.objects)}", "car", {0: Occurrence(Box(1.0, 1.0, 2.0, 2.0))})
    return replace(row, objects=(*row.objects, box))


def ends_after_the_first_save(event: Event) -> None:
    if isinstance(event, RequestDone) and event.kind == "labelrow.POST" and event.outcome == "ok":
        raise Cut


def test_operations_do_not_run_again_on_a_row_that_holds_their_result(project: Project) -> None:
    project.run(rows_of(ROWS), name="fill")
    edit: dict[str, Any] = {"name": "edit", "operations": [one_more], "rows": {"limit": ROWS}}
    edit |= {"engine": {"bundle_rows": 10, "concurrency": 1, "workers": 0}}
    with pytest.raises(Cut):
        project.run(None, listeners=[ends_after_the_first_save], **edit)
    report = project.run(None, **edit)
    assert (report.resumed, report.rows["unchanged"], report.rows["saved"]) == (True, 10, ROWS - 10)
    labels = project.labels()
    assert {labels[f"row-{number:04}"] for number in range(ROWS)} == {3}
